# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands fynx capture and fynx decrypt."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from fynx_scapy.capture import Capture
from fynx_scapy.capture.reading.frames import frames
from fynx_scapy.capture.showing import summary
from fynx_scapy.cli import main
from tests.capture.build import esp, ethernet, ipv4, pcap
from tests.shared import shared


def lab(name: str) -> Path:
    return shared("captures/lab") / f"{name}.pcap"


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin, catch_exceptions=False)


def test_a_capture_as_tables() -> None:
    result = run("capture", lab("psk-gcm128-x25519"), "--ladder")
    assert result.exit_code == 0
    for text in (
        "conversations",
        "CREATE_CHILD_SA",
        "ENCR_AES_GCM_16-128",
        "inner flows",
        "22 decrypted",
        "IKE_AUTH request 1",
    ):
        assert text in result.stdout
    assert result.stderr == ""


def test_a_capture_as_json_from_stdin() -> None:
    keys = lab("psk-ppk").with_suffix(".keys.json")
    result = run("capture", "-", "--keys", keys, "--json", stdin=lab("psk-ppk").read_bytes())
    document = json.loads(result.stdout)
    assert (result.exit_code, document["packets"], document["esp"]["opened"]) == (0, 36, 22)
    assert [len(each["exchanges"]) for each in document["conversations"]] == [7]
    assert len(document["sas"]) == 2
    secrets = [key for sa in json.loads(keys.read_text())["ike_sas"] for key in sa["keys"].values()]
    assert secrets
    assert not any(secret in result.stdout for secret in secrets)


def test_index_only() -> None:
    document = json.loads(run("capture", lab("psk-ppk"), "--json", "--no-decrypt").stdout)
    assert "sas" not in document
    assert len(document["flows"]) == 4


def test_what_is_unreadable_is_status_1_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(lab("psk-ppk").read_bytes()[:1000])
    result = run("capture", path)
    assert result.exit_code == 1
    assert "the file ends at offset 1000" in result.stderr


def test_a_folder(tmp_path: Path) -> None:
    result = run("capture", shared("captures/external"), "--json", "--workers", 1, "--parquet", tmp_path / "out")
    assert result.exit_code == 1  # some of these are damaged on purpose
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert sum(row["packets"] for row in rows) == sum(len(list(frames(Path(row["capture"])))) for row in rows)
    assert (tmp_path / "out" / "flows.parquet").stat().st_size


def test_decrypt(tmp_path: Path) -> None:
    out = tmp_path / "plain.pcapng"
    result = run("decrypt", lab("psk-ppk"), "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "36 packets written" in result.stderr
    assert len(list(frames(out))) == 36
    keys = tmp_path / "empty.keys.json"
    keys.write_text('{"format": "fynx-scapy keys 1", "ike": [], "esp": []}')
    assert run("decrypt", lab("psk-ppk"), "-o", out, "--keys", keys).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("capture", "{lab}", "--parquet", "x"), "need a folder"),
        (("capture", "{tmp}"), "no captures in this folder"),
        (("decrypt", "{text}", "-o", "{tmp}/x"), "expected pcap or pcapng"),
        (("decrypt", "{lab}", "-o", "/proc/no/x"), "cannot write"),
        (("decrypt", "{lab}"), "Missing option '-o'"),
    ],
)
def test_misuse_is_status_2(arguments: tuple[str, ...], text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("not a capture at all")
    given = [each.format(lab=lab("psk-ppk"), tmp=tmp_path, text=tmp_path / "a.txt") for each in arguments]
    result = run(*given)
    assert result.exit_code == 2
    assert text in result.stderr


def test_one_secret_is_enough() -> None:
    told = json.loads(lab("psk-gcm128-x25519").with_suffix(".keys.json").read_text())
    secrets = [word for sa in told["ike_sas"] for secret in sa["ke_secrets"] for word in ("--secret", secret)]
    result = run("capture", lab("psk-gcm128-x25519"), "--json", *secrets)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["esp"]) == (0, {"opened": 22, "bad": 0, "closed": 0})
    assert all(secret not in result.stdout for secret in secrets[1::2])


def shown(path: Path, width: int) -> str:
    """A capture's tables on a terminal of this width."""
    out = io.StringIO()
    with Capture(path) as capture:
        summary.show(capture, summary.document(capture, decrypt=True), Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_fit_a_terminal(width: int) -> None:
    text = shown(lab("psk-gcm128-x25519"), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    for word in (
        "ENCR_AES_GCM_16-128,",
        "ca92b989d25b36e8",
        "CREATE_CHILD_SA",
        "ESP 94a8bce3",
        "sequence",
        "exchanges",
    ):
        assert any(word in line for line in lines), word  # no word is broken
    assert not {"missing", "unusual", "retransmitted", "port"} & set(text.split())  # columns that have nothing


def test_a_table_with_long_words_fits_all_the_same() -> None:
    out = io.StringIO()
    rows: list[list[object]] = [["/a/long/path/of/a/capture/" * 3, 123456, 7], ["b", None, 8]]
    summary.table(Console(file=out, width=60), "captures", ("capture", "packets", "conversations"), rows)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert "packets conversations" in lines[1]
    assert "123456" in lines[2]


def test_what_is_unusual_about_a_flow_is_in_words(tmp_path: Path) -> None:
    path = tmp_path / "flow.pcap"
    path.write_bytes(pcap([ethernet(ipv4(50, esp(number))) for number in (1, 2, 2, 5, 1, 8, 9)]))
    text = " ".join(shown(path, 120).split())
    assert "7 packets: 7 esp; 0 others" in text
    assert "1–9 4 missing, 1 duplicate, 1 replay" in text


def test_one_packet_is_singular(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap([ethernet(ipv4(50, esp(1))), bytes(60)]))
    assert ": 2 packets: 1 esp; 1 other\n" in shown(path, 160)
    path.write_bytes(pcap([ethernet(ipv4(50, esp(1)))]))
    assert ": 1 packet: 1 esp; 0 others\n" in shown(path, 160)
