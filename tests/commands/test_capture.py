# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands fynx capture and fynx decrypt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy.capture.reading.frames import frames
from fynx_scapy.cli import main
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
