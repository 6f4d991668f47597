# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx dissect``: what goes to stdout, what to stderr, and the exit status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest

from fynx_scapy.capture.fingerprint import _word
from fynx_scapy.cli import main
from fynx_scapy.commands.dissect import dissect
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Proposal, IKEv2_SA, IKEv2_Transform, IKEv2_TransformAttribute
from tests.capture.build import esp, ethernet, ipv4, pcap, udp
from tests.capture.independent import carried, openable
from tests.shared import shared


def run(*arguments: str | Path, stdin: bytes | None = None) -> click.testing.Result:
    return click.testing.CliRunner().invoke(dissect, [str(argument) for argument in arguments], input=stdin)


def lab(name: str) -> Path:
    return shared(f"captures/lab/{name}.pcap")


def test_json_is_one_object_per_packet_and_nothing_else() -> None:
    path = lab("psk-chacha20-x25519")
    result = run(path, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    records = [json.loads(text) for text in result.stdout.splitlines()]
    assert [record["number"] for record in records] == [number for number, _, _ in carried(path)]
    assert {record["number"] for record in records if record["decrypted"]} == set(openable(path))


def test_lines_for_people() -> None:
    result = run(lab("psk-gcm128-x25519"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split()[:8] == [
        "1", "0.000000", "10.9.0.1:500", ">", "10.9.0.2:500", "IKE_SA_INIT", "request", "0",
    ]  # fmt: skip
    assert "SK {IDr(bob), AUTH, SA, TSi, TSr}  [icv ok]" in lines[3]


def test_without_keys_it_says_which_and_where(tmp_path: Path) -> None:
    path = tmp_path / "run.pcap"
    shutil.copy(lab("psk-gcm128-x25519"), path)
    result = run(path)
    assert result.exit_code == 0
    assert "[not decrypted]" in result.stdout
    assert "no key for IKE SA ca92b989d25b36e8 57e770b1f3ed1dc8: 10 packets not decrypted\n" in result.stderr
    assert "no key for ESP SA 0x94a8bce3 10.9.0.1 > 10.9.0.2: 5 packets not decrypted\n" in result.stderr
    assert "run.ikev2_decryption_table and run.esp_sa" in result.stderr
    assert "run.keys.json, or the folder run.keys), or give them with --keys PATH" in result.stderr
    # and there they are found
    shutil.copy(lab("psk-gcm128-x25519").with_suffix(".keys.json"), tmp_path / "run.keys.json")
    assert run(path).stderr == ""


def test_keys_from_several_places() -> None:
    path = lab("psk-gcm128-x25519")
    tables = [path.with_suffix(".ikev2_decryption_table"), path.with_suffix(".esp_sa")]
    result = run(path, "--json", "--keys", tables[0], "--keys", tables[1])
    unread = path.with_suffix(".keys.json")
    named = f"--keys {tables[0]}, {tables[1]}"
    assert result.stderr == f"{named} takes the place of the keys beside the capture: {unread} is not read\n"
    assert all(json.loads(text)["decrypted"] for text in result.stdout.splitlines()[2:])
    assert "no key for ESP SA" in run(path, "--keys", tables[0]).stderr


def test_a_bad_icv_is_status_1(tmp_path: Path) -> None:
    data = bytearray(lab("psk-gcm128-x25519").read_bytes())
    data[-1] ^= 1
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    result = run(path, "--json", "--keys", lab("psk-gcm128-x25519").with_suffix(".keys.json"))
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1])["icv"] == "bad"


def test_a_truncated_capture_is_status_1_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(lab("psk-gcm128-x25519").read_bytes()[:1000])
    result = run(path, "--json")
    assert result.exit_code == 1
    records = [json.loads(text) for text in result.stdout.splitlines()]
    assert [record["kind"] for record in records] == ["ike", "ike", "ike", "unreadable"]
    assert f"error: {path}: packet 4 at offset 911: the file ends at offset 1000" in result.stderr


def test_what_is_no_capture_is_misuse(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_text("hello world")
    result = run(path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected pcap or pcapng" in result.stderr


@pytest.mark.parametrize("arguments", [["absent.pcap"], [], ["--nonsense"], [".", "--json"]])
def test_misuse_is_status_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_keys_that_are_not_there_are_misuse(tmp_path: Path) -> None:
    path = lab("psk-gcm128-x25519")
    assert run(path, "--keys", tmp_path / "absent").exit_code == 2
    result = run(path, "--keys", tmp_path)
    assert result.exit_code == 2
    assert "no key tables in this folder" in result.stderr


def test_a_bad_row_is_a_warning_and_the_rest_is_used(tmp_path: Path) -> None:
    path = lab("psk-gcm128-x25519")
    shutil.copy(path.with_suffix(".ikev2_decryption_table"), tmp_path / "ikev2_decryption_table")
    (tmp_path / "esp_sa").write_text("nonsense\n" + path.with_suffix(".esp_sa").read_text())
    result = run(path, "--json", "--keys", tmp_path)
    assert result.exit_code == 0
    beside = ", ".join(str(path.with_suffix(end)) for end in (".ikev2_decryption_table", ".esp_sa", ".keys.json"))
    said, warned = result.stderr.splitlines()
    assert said == f"--keys {tmp_path} takes the place of the keys beside the capture: {beside} is not read"
    assert warned == f"warning: {tmp_path / 'esp_sa'}: line 1: 1 column, expected 8"
    assert all(json.loads(text)["decrypted"] for text in result.stdout.splitlines()[2:])


def test_stdin_and_what_is_not_ipsec() -> None:
    result = run("-", "--json", stdin=pcap([ethernet(ipv4(6, bytes(20))), ethernet(ipv4(50, esp(1)))]))
    assert result.exit_code == 0
    assert json.loads(result.stdout)["kind"] == "esp"
    assert "1 packet is not IPsec" in result.stderr
    assert "no key for ESP SA 0x11223344" in result.stderr


def test_lines_leave_at_once() -> None:
    """Each record is flushed: who reads a pipe sees it before the capture has ended."""
    program = "from fynx_scapy.commands.dissect import dissect; dissect()"
    command = [sys.executable, "-c", program, "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pcap([ethernet(ipv4(50, bytes(40)))]) + bytes(7))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["kind"] == "esp"
        process.stdin.close()
        assert json.loads(process.stdout.readline())["kind"] == "unreadable"
    assert process.returncode == 1


def test_help_needs_no_scapy() -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom fynx_scapy.commands.dissect import dissect\n"
        "assert CliRunner().invoke(dissect, ['--help']).exit_code == 0\nassert 'scapy.packet' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("dissect", 0),
        ("dissect --json", 0),
        ("capture", 0),
        ("capture --ladder", 0),
        ("capture --json", 0),
        ("follow", 0),
        ("audit", 0),
        ("replay", 2),
    ],
)
def test_a_number_that_python_does_not_write_out_ends_no_command(tmp_path: Path, command: str, status: int) -> None:
    """A Key Length attribute of 1,800 octets, which is no key length (RFC 7296 section 3.3.5)."""
    attribute = IKEv2_TransformAttribute(AF=0, type=14, value=b"\xff" * 1800)
    transforms = [IKEv2_Transform(transform_type=1, transform_id=20, attributes=[attribute])]
    message = IKEv2(init_SPI=b"initiate", exch_type=34, flags=8) / IKEv2_SA(prop=[IKEv2_Proposal(trans=transforms)])
    path = tmp_path / "digits.pcap"
    path.write_bytes(pcap([ethernet(ipv4(17, udp(500, 500, bytes(message))))]))
    name, *options = command.split()
    result = click.testing.CliRunner().invoke(main, [name, str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == status, result.output


def test_a_key_length_of_any_other_size_is_in_the_fingerprint() -> None:
    def transform(value: bytes) -> IKEv2_SA:
        attribute = IKEv2_TransformAttribute(AF=0, type=14, value=value)
        transforms = [IKEv2_Transform(transform_type=1, transform_id=20, attributes=[attribute])]
        return IKEv2_SA(bytes(IKEv2_SA(prop=[IKEv2_Proposal(trans=transforms)])))  # as a capture has it

    assert _word(transform(b"\xff" * 1800), request=True) == "33(1.1:1.20/?)"
    assert _word(transform(b"\1\0"), request=True) == "33(1.1:1.20/256)"
