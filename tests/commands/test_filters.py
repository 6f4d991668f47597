# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters: the same options in each command, one numbering, and a status that counts what was taken."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy.capture import Capture
from fynx_scapy.cli import main
from fynx_scapy.keylog import KeyLog
from tests.capture.build import ethernet, ike, ipv4, pcap, udp
from tests.capture.crossing import HOSTS, crossing

COMMANDS = ("audit", "capture", "decrypt", "dissect", "follow")


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crossing(tmp_path_factory.mktemp("filters"))


@pytest.fixture(scope="module")
def damaged(crossed: Path) -> Path:
    """The same with one ESP packet of conversation 2 that has a bad ICV."""
    with Capture(crossed) as capture:
        spis = {flow.spi for flow in capture.conversations[1].flows}
        packet = next(packet for packet in capture.esp() if packet.spi in spis)
    octets = bytearray(crossed.read_bytes())
    octets[octets.index(packet.spi.to_bytes(4) + packet.sequence.to_bytes(4)) + packet.octets - 1] ^= 1
    path = crossed.with_name("damaged.pcap")
    path.write_bytes(octets)
    return path


def fynx(command: str, capture: Path, *words: object, stdin: bytes | None = None) -> Result:
    keys = Path(capture).parent / "crossing.keys" if str(capture) != "-" else None
    given = [command, str(capture), *(["--keys", str(keys)] if keys else []), *map(str, words)]
    if command == "decrypt" and "-o" not in words:
        given += ["-o", "-"]
    return CliRunner().invoke(main, given, input=stdin, catch_exceptions=False)


def numbers(capture: Path, *words: object, stdin: bytes | None = None) -> list[int]:
    done = fynx("dissect", capture, "--json", *words, stdin=stdin)
    assert done.exit_code == 0, done.output
    return [json.loads(line)["number"] for line in done.stdout.splitlines()]


def own(crossed: Path, number: int) -> list[int]:
    """The packets of a conversation."""
    with Capture(crossed) as capture:
        conversation = capture.conversations[number - 1]
        spis = {flow.spi for flow in conversation.flows}
        found = [message.number for message in conversation.messages]
        return sorted([*found, *(packet.number for packet in capture.esp() if packet.spi in spis)])


@pytest.mark.parametrize("number", [1, 2])
def test_a_conversation_has_its_messages_and_its_esp(crossed: Path, number: int) -> None:
    expected = own(crossed, number)
    assert numbers(crossed, "--conversation", number) == expected
    told = json.loads(fynx("capture", crossed, "--json", "--conversation", number).stdout)
    assert [each["conversation"] for each in told["conversations"]] == [number]
    assert told["packets"] == told["filter"]["taken"] == sum(told["kinds"].values()) == len(expected)
    assert sum(flow["packets"] for flow in told["flows"]) == told["esp"]["opened"] == told["kinds"]["esp"]
    assert {
        sa["conversation"]
        for sa in json.loads(fynx("follow", crossed, "--json", "--conversation", number).stdout)["sas"]
    } == {number}
    assert f"{len(expected)} packets written" in fynx("decrypt", crossed, "--conversation", number).stderr


def test_both_conversations_are_the_whole(crossed: Path) -> None:
    assert numbers(crossed, "--conversation", 1, "--conversation", 2) == numbers(crossed)
    assert sorted(own(crossed, 1) + own(crossed, 2)) == numbers(crossed)


def test_the_audit_names_them_alike(crossed: Path) -> None:
    told = json.loads(fynx("audit", crossed, "--json", "--conversation", 2).stdout)
    (capture,) = told["captures"]
    assert (capture["conversations"], capture["packets"]) == (1, len(own(crossed, 2)))
    subjects = {finding["subject"] for finding in capture["findings"]}
    assert "conversation 2" in subjects
    assert "conversation 1" not in subjects
    packets = {number for finding in capture["findings"] for number in finding["evidence"]}
    assert packets <= set(own(crossed, 2))
    assert capture["left_out"] == len(own(crossed, 1))


def test_reports_of_an_audit_say_what_was_left_out(crossed: Path, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    done = fynx("audit", crossed, "--html", page, "--conversation", 2)
    left_out = len(own(crossed, 1))
    assert f"({left_out} packets left out by a filter)" in " ".join(done.stdout.split())
    assert f"{left_out} IPsec packets left out by a filter, not judged" in page.read_text()
    assert "left out by a filter" not in fynx("audit", crossed).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_filter_left_out_is_said_and_no_loss(crossed: Path, command: str) -> None:
    done = fynx(command, crossed, "--conversation", 1)
    mine, total = len(own(crossed, 1)), len(numbers(crossed))
    assert f"the filter left out {total - mine} of {total} IPsec packets" in done.stderr
    assert done.exit_code == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("number", "status"), [(1, 0), (2, 1)])
def test_the_status_counts_what_was_taken(damaged: Path, command: str, number: int, status: int) -> None:
    done = fynx(command, damaged, "--conversation", number)
    assert (done.exit_code, "does not verify" in done.stderr) == (status, bool(status)), done.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "replay"])
def test_a_number_that_is_not_there_is_2_and_says_which_there_are(crossed: Path, command: str) -> None:
    done = fynx(command, crossed, "--conversation", 3)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "expected a conversation from 1 to 2, found 3" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_filter_that_takes_nothing_is_2(crossed: Path, command: str) -> None:
    done = fynx(command, crossed, "--host", "198.51.100.1")
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(r"the filter takes none of \d+ IPsec packets", done.stderr)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--spi", "xyz"), "expected an SPI of up to 8 (ESP, AH) or 16 (IKE) hexadecimal digits, found 'xyz'"),
        (("--host", "10.0.0.0/40"), "expected an address or a network such as 192.0.2.0/24"),
        (("--from", "yesterday"), "expected a packet number, a time such as"),
        (("--from", "9", "--to", "8"), "expected a first packet before the last one, found 9 and 8"),
        (("--conversation", "0"), "0 is not in the range"),
    ],
)
def test_a_filter_that_nobody_can_read_is_2(crossed: Path, words: tuple[str, ...], told: str) -> None:
    done = fynx("dissect", crossed, *words)
    assert (done.exit_code, told in " ".join(done.stderr.split())) == (2, True), done.stderr


def test_spis_of_ike_and_esp(crossed: Path) -> None:
    with Capture(crossed) as capture:
        (spi_i, spi_r), _ = capture.conversations[0].spis
        messages = [each.number for each in capture.conversations[0].messages if each.spi_i == spi_i]
        flow = capture.conversations[0].flows[0]
        packets = [packet.number for packet in capture.esp() if packet.spi == flow.spi]
    assert numbers(crossed, "--spi", spi_i.hex()) == messages
    assert numbers(crossed, "--spi", spi_r.hex()) == messages[1:]  # the first has no SPI of the responder
    assert numbers(crossed, "--spi", f"0x{flow.spi:X}") == packets
    assert numbers(crossed, "--spi", spi_i.hex(), "--spi", f"{flow.spi:08x}") == sorted(messages + packets)
    told = json.loads(fynx("audit", crossed, "--json", "--spi", f"{flow.spi:08x}").stdout)["captures"][0]
    assert told["packets"] == len(own(crossed, 1))  # the audit judges whole conversations


def test_hosts_and_networks(tmp_path: Path) -> None:
    path = tmp_path / "hosts.pcap"
    ends = (("10.0.0.1", "10.0.0.2"), ("10.0.1.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2"))
    from tests.capture.build import ipv6

    messages = [(ipv6 if ":" in src else ipv4)(17, udp(500, 500, ike()), src, dst) for src, dst in ends]
    path.write_bytes(pcap([ethernet(each) for each in messages]))

    def found(*words: str) -> list[int]:
        done = CliRunner().invoke(main, ["dissect", str(path), "--json", *words])
        return [json.loads(line)["number"] for line in done.stdout.splitlines()]

    assert found("--host", "10.0.0.1") == [1]
    assert found("--host", "10.0.0.2") == [1, 2]
    assert found("--host", "10.0.1.0/24", "--host", "2001:db8::/32") == [2, 3]
    assert found("--host", "10.0.0.0/16", "--from", "2") == [2]


def test_from_and_to_are_packets_or_times(crossed: Path) -> None:
    every = numbers(crossed)
    assert numbers(crossed, "--from", 4, "--to", 7) == [4, 5, 6, 7]
    assert numbers(crossed, "--from", len(every) - 1) == every[-2:]
    at = [datetime.fromtimestamp(1000.25 + step, UTC).isoformat() for step in (3, 6)]  # a packet a second
    assert numbers(crossed, "--from", at[0], "--to", at[1]) == [4, 5, 6, 7]
    assert numbers(crossed, "--from", "@1003.25", "--to", "7") == [4, 5, 6, 7]
    told = json.loads(fynx("capture", crossed, "--json", "--from", 4, "--to", 7).stdout)
    assert (told["packets"], told["first"], told["last"]) == (4, 1003.25, 1006.25)
    assert [each["messages"] for each in told["conversations"]] == [2, 2]


def test_flows_count_what_was_taken(crossed: Path) -> None:
    with Capture(crossed) as whole:
        flow = whole.flows[0]
    told = json.loads(fynx("capture", crossed, "--json", "--to", flow.first_number, "--spi", f"{flow.spi:08x}").stdout)
    assert [(each["spi"], each["packets"]) for each in told["flows"]] == [(f"{flow.spi:08x}", 1)]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("until", "status"), [(4, 0), (None, 1)])
def test_damage_after_what_was_taken_is_no_loss_of_it(
    crossed: Path, tmp_path: Path, command: str, until: int | None, status: int
) -> None:
    path = crossed.with_name("cut.pcap")
    path.write_bytes(crossed.read_bytes()[:-10])
    words = ("--from", 1) if until is None else ("--to", until)
    assert fynx(command, path, *words).exit_code == status


def test_stdin_is_as_good_as_a_file(crossed: Path) -> None:
    octets, keys = crossed.read_bytes(), crossed.with_suffix(".keys")
    for words in (("--conversation", 2), ("--host", HOSTS[0], "--to", 9)):
        assert numbers(Path("-"), "--keys", keys, *words, stdin=octets) == numbers(crossed, *words)


def test_a_filter_is_for_one_capture(crossed: Path) -> None:
    done = CliRunner().invoke(main, ["capture", str(crossed.parent), "--conversation", "1"])
    assert (done.exit_code, "filters work on a single capture" in done.stderr) == (2, True)


def test_only_the_keys_of_what_was_taken_are_saved(crossed: Path, tmp_path: Path) -> None:
    assert fynx("follow", crossed, "--conversation", 2, "--save", tmp_path / "two").exit_code == 0
    with Capture(crossed) as capture:
        one, two = capture.conversations
        known = {entry.spi_i for entry in KeyLog.load(tmp_path / "two").ike}
        assert known == {spi_i for spi_i, _ in two.spis}
        assert known.isdisjoint(spi_i for spi_i, _ in one.spis)


def test_the_ladder_of_one_conversation(crossed: Path) -> None:
    done = fynx("capture", crossed, "--ladder", "--conversation", 2, "--to", own(crossed, 2)[3])
    assert "conversation 2\n" in done.stdout
    assert "conversation 1\n" not in done.stdout
    assert len(re.findall(r"^ +\d+ +\d+\.\d+ IKE", done.stdout, re.MULTILINE)) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_damage_that_ends_the_file_is_no_packet_that_a_filter_takes(
    crossed: Path, command: str, tmp_path: Path
) -> None:
    path = crossed.with_name("short.pcap")
    path.write_bytes(crossed.read_bytes()[:-5])
    done = fynx(command, path, "--host", "203.0.113.99", *(["-o", tmp_path / "out"] if command == "decrypt" else []))
    assert done.exit_code == 2, done.output
