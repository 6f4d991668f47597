# SPDX-License-Identifier: GPL-2.0-or-later
"""One rule for all commands that read captures: 0 nothing was left out, 1 something was and is named, 2 misuse."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

import fynx_scapy.capture.index as index_module
from fynx_scapy import shell
from fynx_scapy.capture import Capture
from fynx_scapy.cli import main
from fynx_scapy.commands.losses import Losses
from tests.capture.build import ethernet, framed, ipv4, pcap, tcp, udp
from tests.commands.files import RAW_IP, READERS, Files, errors, fynx


def test_a_good_capture_is_0(files: Files, command: str) -> None:
    done = fynx(command, files, files.good)
    assert (done.exit_code, errors(done)) == (0, []), done.output


def test_stdin_is_as_good_as_a_file(files: Files, command: str) -> None:
    done = fynx(command, files, "-", stdin=files.good.read_bytes())
    assert (done.exit_code, errors(done)) == (0, []), done.output


def test_what_is_lost_is_1_and_named(files: Files, command: str) -> None:
    done = fynx(command, files, files.cut)
    assert done.exit_code == 1
    assert any("the file ends at offset" in line for line in errors(done)), done.stderr
    done = fynx(command, files, "-", stdin=files.cut.read_bytes())
    assert done.exit_code == 1
    assert any("the file ends at offset" in line for line in errors(done)), done.stderr


@pytest.mark.parametrize("name", ["text", "empty", "missing"])
def test_what_is_no_capture_is_2_and_writes_nothing(files: Files, command: str, name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = fynx(command, files, getattr(files, name), "-o", out)
    assert (done.exit_code, done.stdout, out.exists()) == (2, "", False)
    told = {"text": "expected pcap or pcapng", "empty": "the file ends at offset 0", "missing": "does not exist"}
    assert told[name] in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("name", ["text", "empty"])
def test_the_same_from_stdin(files: Files, command: str, name: str) -> None:
    done = fynx(command, files, "-", stdin=getattr(files, name).read_bytes())
    assert (done.exit_code, done.stdout) == (2, "")


def test_what_is_given_twice_on_stdin_is_2(files: Files, command: str) -> None:
    done = fynx(command, files, "-", "--psk-file", "-", stdin=b"x")
    assert done.exit_code == 2
    assert "can be read only once" in done.stderr


def test_the_capture_itself_is_not_overwritten(files: Files, command: str) -> None:
    before = files.good.read_bytes()
    done = fynx(command, files, files.good, "-o", files.good)
    assert (done.exit_code, files.good.read_bytes() == before) == (2, True)


def test_output_goes_where_it_is_wanted(files: Files, command: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = fynx(command, files, files.good, "-o", out)
    assert (done.exit_code, done.stdout) == (0, "")
    plain = fynx(command, files, files.good, "-o", "-")
    assert plain.exit_code == 0
    if command != "decrypt":
        assert out.read_text() == plain.stdout
    else:
        assert out.read_bytes() == plain.stdout_bytes


def in_tcp(files: Files, port: int = 4500, prefix: bytes = b"IKETCP") -> bytes:
    """The good capture in one TCP connection (RFC 9329)."""
    frames: list[bytes] = []
    numbers: dict[str, int] = {}
    initiator, _ = ends(files.frames()[0])
    for octets in files.frames():
        src, dst = ends(octets)
        data = (b"" if numbers else prefix) + framed(body(octets))
        ports = (40000, port) if src == initiator else (port, 40000)
        frames.append(ipv4(6, tcp(*ports, numbers.setdefault(src, 1000), data), src, dst))
        numbers[src] += len(data)
    return pcap(frames, RAW_IP)


def body(octets: bytes) -> bytes:
    """ESP, or an IKE message behind its marker, as NAT traversal has them."""
    if octets[9] == 50:
        return octets[20:]
    return octets[28:] if octets[22:24] == (4500).to_bytes(2) else bytes(4) + octets[28:]


def ends(octets: bytes) -> tuple[str, str]:
    return socket.inet_ntoa(octets[12:16]), socket.inet_ntoa(octets[16:20])


def test_tcp_is_read_by_all(files: Files, command: str) -> None:
    done = fynx(command, files, "-", *(["--json"] if command != "decrypt" else []), stdin=in_tcp(files))
    assert (done.exit_code, errors(done)) == (0, []), done.output
    told = {
        "audit": '"conversations": 1',
        "capture": '"opened": 2',
        "decrypt": "2 decrypted, 0 not decrypted",
        "dissect": '"inner": "45',
        "follow": '"opened": 4',
        "replay": '"ok": true',
    }
    assert told[command] in (done.stderr if command == "decrypt" else done.stdout)


def test_another_port_is_read_by_all(files: Files, command: str) -> None:
    octets = in_tcp(files, 7001, b"")  # the beginning of the connection is not in the capture
    done = fynx(command, files, "-", "--port", 7001, stdin=octets)
    usual = fynx(command, files, "-", stdin=in_tcp(files))
    assert (done.exit_code, errors(done)) == (0, []), done.output
    assert done.output.replace("7001", "4500") == usual.output
    without = fynx(command, files, "-", stdin=octets)
    assert without.output != done.output


# -- what can be lost -------------------------------------------------------------------------------------------------

INSIDE = tuple(name for name in READERS if name != "replay")


@pytest.mark.parametrize("command", INSIDE)
def test_a_bad_icv(files: Files, command: str, tmp_path: Path) -> None:
    octets = bytearray(files.good.read_bytes())
    with Capture(files.good, files.keys) as capture:
        first, _ = capture.esp()
    at = octets.index(first.spi.to_bytes(4) + first.sequence.to_bytes(4)) + first.octets - 1
    octets[at] ^= 1
    path = tmp_path / "bad.pcapng"
    path.write_bytes(octets)
    done = fynx(command, files, path)
    assert done.exit_code == 1
    assert any(f"{first.spi:08x}" in line or "packet 5" in line for line in errors(done)), done.stderr
    assert all("does not verify" in line for line in errors(done))


@pytest.mark.parametrize("command", INSIDE)
def test_what_stays_closed_although_there_are_keys(files: Files, command: str, tmp_path: Path) -> None:
    """Without any key it is no loss but for decrypt, whose output it is."""
    words = [command, str(files.good)]
    words += ["-o", str(tmp_path / "out")] if command == "decrypt" else []
    none = CliRunner().invoke(main, words)
    assert none.exit_code == (1 if command == "decrypt" else 0), none.output
    part = CliRunner().invoke(main, [*words, "--keys", str(files.keys / "esp_sa")])
    assert part.exit_code == 1
    for done in (none, part):
        assert "no key for IKE SA" in done.stderr
        assert ("no key for ESP SA" in done.stderr) == (done is none)
        assert "put keys beside the capture (good.ikev2_decryption_table" in done.stderr


@pytest.mark.parametrize("command", [name for name in READERS if name != "dissect"])
def test_flows_beyond_the_limit(files: Files, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_FLOWS", 1)
    done = fynx(command, files, files.good)
    assert done.exit_code == 1
    assert "1 packet of ESP and AH flows beyond the limit of 1" in done.stderr


def test_octets_of_tcp_in_which_there_is_no_message(files: Files, command: str) -> None:
    """A connection on port 4500 whose beginning is not in the capture, and whose octets are no whole messages."""
    stray = ipv4(6, tcp(40000, 4500, 1, b"\0\1" + bytes(40)), "10.7.0.1")
    done = fynx(command, files, "-", stdin=pcap([*files.frames(), stray], RAW_IP))
    assert done.exit_code == 1
    assert any("42 octets" in line and "TCP" in line for line in errors(done)), done.stderr


def test_a_tunnel_that_is_not_looked_into(files: Files, command: str) -> None:
    """L2TPv3 (RFC 3931): only its control connection says where the packet begins."""
    done = fynx(command, files, "-", stdin=pcap([*files.frames(), ipv4(115, bytes([0, 0, 0, 5]) * 9)], RAW_IP))
    assert done.exit_code == 1
    assert errors(done) == ["error: 1 packet not looked into: L2TPv3"]


def test_a_malformed_message(files: Files, command: str) -> None:
    message = bytes(range(1, 9)) + bytes(8) + bytes([33, 0x20, 34, 8]) + bytes(4) + (34).to_bytes(4) + b"\0\0\0\xff\0\0"
    octets = pcap([ethernet(ipv4(17, udp(500, 500, message)))])
    done = fynx(command, files, "-", stdin=octets)
    if command == "replay":  # it says that it has no conversation that can be played
        assert done.exit_code == 2
        return
    assert done.exit_code == 1
    assert errors(done)[0].startswith("error: packet 1: "), done.stderr


@pytest.mark.parametrize("command", INSIDE)
def test_losses_of_one_kind_are_one_line(files: Files, command: str) -> None:
    path = files.folder / "alike.pcap"
    path.write_bytes(pcap([ethernet(ipv4(50, bytes(1 + n % 3))) for n in range(50)]))
    done = fynx(command, files, path)
    assert done.exit_code == 1
    assert errors(done) == [
        "error: 50 packets: expected an ESP header of 8 octets, found 1–3 (packets 1, 2, 3, 4, 5, …)"
    ]


def test_one_loss_names_its_place(files: Files) -> None:
    path = files.folder / "alone.pcap"
    path.write_bytes(pcap([ethernet(ipv4(50, bytes(3)))]))
    assert errors(fynx("capture", files, path)) == [
        "error: packet 1, offset 24: expected an ESP header of 8 octets, found 3"
    ]


def test_a_pipe_shows_the_first_of_a_kind_when_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    losses = Losses(live=True)
    losses.add("the capture holds 10 of 208 octets", 1, 128)
    assert capsys.readouterr().err == "error: packet 1, offset 128: the capture holds 10 of 208 octets\n"
    losses.add("the capture holds 18 of 57 octets", 3, 312)
    assert capsys.readouterr().err == ""
    losses.report()
    assert capsys.readouterr().err == ("error: 2 packets: the capture holds 10–18 of 57–208 octets (packets 1, 3)\n")
    assert losses.status == 1


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["fragment 0x9 of protocol 17", "fragment 0x10 of protocol 17"],
         ["2 packets: fragment 0x9–0x10 of protocol 17 (packets 1, 2)"]),
        (["fragment 0x9 of protocol 6", "fragment 0x9 of protocol 17"],
         ["packet 1: fragment 0x9 of protocol 6", "packet 2: fragment 0x9 of protocol 17"]),
        (["the SPI 00000001 is unknown", "the SPI 00000002 is unknown"],
         ["packet 1: the SPI 00000001 is unknown", "packet 2: the SPI 00000002 is unknown"]),
        (["10.0.0.1 sent too much", "10.0.0.2 sent too much"],
         ["packet 1: 10.0.0.1 sent too much", "packet 2: 10.0.0.2 sent too much"]),
    ],
)  # fmt: skip
def test_what_makes_a_kind(texts: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Identifications and lengths may differ. Protocols, SPIs and addresses may not."""
    losses = Losses()
    for number, text in enumerate(texts, 1):
        losses.add(text, number)
    losses.report()
    assert capsys.readouterr().err.splitlines() == [f"error: {line}" for line in lines]


def test_kinds_of_losses_beyond_the_limit_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    losses = Losses()
    for number in range(1, 31):
        losses.add(f"kind {chr(64 + number)}", number)
    losses.report()
    said = capsys.readouterr().err.splitlines()
    assert (len(said), said[-1], losses.count) == (21, "error: 10 more", 30)


def test_a_folder_names_each_capture(files: Files, tmp_path: Path) -> None:
    for name in ("good", "cut", "text"):
        path = getattr(files, name)
        (tmp_path / path.name).write_bytes(path.read_bytes())
    done = fynx("capture", files, tmp_path, "--workers", 1)
    assert done.exit_code == 1
    assert f"error: {tmp_path / 'cut.pcapng'}: packet 8, offset" in done.stderr
    assert "text.pcap: header: expected pcap or pcapng" in done.stderr
    assert "good.pcapng" not in done.stderr
    for name in ("cut", "text"):
        (tmp_path / getattr(files, name).name).unlink()
    assert fynx("capture", files, tmp_path, "--workers", 1).exit_code == 0


def test_the_shell_keeps_the_rule(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(shell, "start", lambda capture: given.append(len(capture.messages)))
    assert fynx("shell", files, files.good).exit_code == 0
    assert given == [6]
    done = fynx("shell", files, files.cut)
    assert done.exit_code == 1
    assert "the file ends at offset" in done.stderr
    for path in (files.text, files.empty, files.missing):
        assert fynx("shell", files, path).exit_code == 2
    assert CliRunner().invoke(main, ["shell", "--psk", "x"]).exit_code == 2
    assert CliRunner().invoke(main, ["shell", str(files.good), "--keys", "-"]).exit_code == 2
    assert len(given) == 2


def test_conversations_have_one_number_everywhere(files: Files, tmp_path: Path) -> None:
    """A message of an IKE SA whose beginning is not in the capture is a conversation too, the first one here."""
    stray = bytes(range(1, 17)) + bytes([46, 0x20, 37, 8]) + bytes(4) + (32).to_bytes(4) + bytes([0, 0, 0, 4])
    path = tmp_path / "two.pcap"
    path.write_bytes(pcap([ipv4(17, udp(500, 500, stray), src="10.7.0.1"), *files.frames()], RAW_IP))

    def told(command: str, *more: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(fynx(command, files, path, "--json", *more).stdout)
        return found

    shown = told("capture")["conversations"]
    assert [each["conversation"] for each in shown] == [1, 2]  # type: ignore[attr-defined]
    assert [each["conversation"] for each in told("follow")["sas"]] == [2]  # type: ignore[attr-defined]
    assert "conversation 2" in fynx("audit", files, path, "--all").stdout
    assert told("replay")["ok"] is True
    assert told("replay", "--conversation", "2")["ok"] is True
    for more in (["--keys", str(files.keys)], ["--raw"]):
        words = ["replay", str(path), *more, "--conversation"]
        done = CliRunner().invoke(main, [*words, "1"])
        assert (done.exit_code, "conversation 1 has no IKE_SA_INIT request" in done.stderr) == (2, True)
        assert "from 1 to 2, found 3" in CliRunner().invoke(main, [*words, "3"]).stderr


def test_packets_whose_headers_do_not_fit_have_one_place_each(files: Files, command: str, tmp_path: Path) -> None:
    path = tmp_path / "short.pcap"
    path.write_bytes(pcap([bytes(4), bytes(7), bytes(9)]))
    lines = [line for line in errors(fynx(command, files, path)) if "headers" in line]
    assert [re.sub(r" octets.*", "", line) for line in lines] == ["error: 3 packets: the headers do not fit into 4–9"]
    path.write_bytes(pcap([bytes(4)]))
    (line,) = [line for line in errors(fynx(command, files, path)) if "headers" in line]
    assert line == "error: packet 1, offset 24: the headers do not fit into 4 octets"
