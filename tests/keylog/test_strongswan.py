# SPDX-License-Identifier: GPL-2.0-or-later
"""strongSwan's logs at level 4: the keys that they show are those that the lab wrote down from them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fynx_scapy.keylog import IkeKeys, KeyLog
from tests.shared import FOLDER, shared

LOGS = sorted(path.name.removesuffix(".a.log.gz") for path in (FOLDER / "captures/lab").glob("*.a.log.gz")) or [""]


def text_of(name: str) -> str:
    return gzip.decompress((shared("captures/lab") / f"{name}.a.log.gz").read_bytes()).decode()


def secrets(keys: IkeKeys) -> tuple[object, ...]:
    return (
        keys.encr, keys.integ, keys.prf, keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar, keys.sk_d, keys.sk_pi,
        keys.sk_pr,
    )  # fmt: skip


def test_there_are_seven() -> None:
    shared("captures/lab")
    assert len(LOGS) == 7


@pytest.mark.parametrize("name", LOGS)
def test_a_log_shows_what_the_lab_knows(name: str) -> None:
    folder = shared("captures/lab")
    log, known = KeyLog.load(folder / f"{name}.a.log.gz"), KeyLog.load(folder / f"{name}.keys.json")
    assert log.warnings == []
    assert [secrets(keys) for keys in log.ike] == [secrets(keys) for keys in known.ike]
    assert set(log.esp) == set(known.esp)
    assert (set(log.secrets), log.psk, log.ppk) == (set(known.secrets), known.psk, known.ppk)
    # the SPIs of a successor are in no line: only those of an IKE_SA_INIT
    spis = {(keys.spi_i, keys.spi_r) for keys in known.ike}
    assert (log.ike[0].spi_i, log.ike[0].spi_r) in spis
    assert all((keys.spi_i, keys.spi_r) in spis | {(b"", b"")} for keys in log.ike)


@pytest.mark.parametrize("prefix", ["Nov 25 10:20:14 host charon: ", "Nov 25 10:20:14 host charon-systemd[42]: ", ""])
def test_whatever_stands_in_front_of_a_thread(tmp_path: Path, prefix: str) -> None:
    lines = [line.partition(" ")[2] for line in text_of("psk-gcm128-x25519").splitlines()]
    named = [line.replace("] ", "] <lab|1> ", 1) for line in lines]
    for number, variant in enumerate((lines, named)):
        path = tmp_path / f"{number}.log"
        path.write_text("".join(f"{prefix}{line}\n" for line in variant))
        log = KeyLog.load(path)
        assert (len(log.ike), len(log.esp), len(log.secrets), log.warnings) == (2, 4, 2, [])


def test_two_threads_that_speak_at_the_same_time(tmp_path: Path) -> None:
    """Each line of one conversation stands between two of another between other addresses."""
    one = text_of("psk-gcm128-x25519").splitlines()
    other = [line.replace("10.9.0.", "10.8.0.").replace("[", "9[", 1) for line in text_of("psk-ppk").splitlines()]
    mixed = [line for pair in zip(one, other, strict=False) for line in pair] + other[len(one) :]
    (tmp_path / "charon.log").write_text("\n".join(mixed))
    log = KeyLog.load(tmp_path / "charon.log")
    folder = shared("captures/lab")
    known = [KeyLog.load(folder / f"{name}.keys.json").ike for name in ("psk-gcm128-x25519", "psk-ppk")]
    assert {secrets(keys) for keys in log.ike} == {secrets(keys) for log in known for keys in log}
    assert {len(keys.key) for keys in log.esp} == {20, 36}


def test_a_responder_derives_before_it_says_its_spi(tmp_path: Path) -> None:
    lines = text_of("psk-gcm128-x25519").splitlines()
    start = next(n for n, line in enumerate(lines) if "parsed IKE_SA_INIT response" in line)
    end = next(n for n, line in enumerate(lines) if "Sk_pr" in line) + 3
    selected = next(line for line in lines[start:] if "selected proposal" in line)
    keys = next(n for n, line in enumerate(lines) if "shared Diffie" in line)
    both = next(n for n in range(start, end) if "natd_chunk" in lines[n])
    request = lines[start].replace("response", "request")
    text = [lines[start - 1], request, selected, *lines[keys:end], *lines[both : both + 3]]
    (tmp_path / "charon.log").write_text("\n".join(text))
    (found,) = KeyLog.load(tmp_path / "charon.log").ike
    assert found.spi_i.hex() == KeyLog.load(shared("captures/lab/psk-gcm128-x25519.keys.json")).ike[0].spi_i.hex()


def test_a_dump_that_is_cut_off_costs_its_key_alone(tmp_path: Path) -> None:
    lines = text_of("psk-gcm128-x25519").splitlines()
    place = next(n for n, line in enumerate(lines) if "encryption initiator key" in line)
    del lines[place + 2]
    path = tmp_path / "charon.log"
    path.write_text("\n".join(lines))
    log = KeyLog.load(path)
    assert len(log.ike) == 2
    assert len(log.esp) == 3
    assert log.warnings[0] == f"{path}: line {place + 1}: 'encryption initiator key' ends 4 octets short"
    assert all(warning.startswith(f"{path}: line ") for warning in log.warnings)


def test_keys_without_a_proposal_are_reported_with_their_line(tmp_path: Path) -> None:
    lines = [line for line in text_of("psk-gcm128-x25519").splitlines() if "selected proposal" not in line]
    path = tmp_path / "charon.log"
    path.write_text("\n".join(lines))
    log = KeyLog.load(path)
    assert (log.ike, log.esp) == ([], [])
    assert len(log.secrets) == 2
    assert "no earlier line says which proposal was selected" in log.warnings[0]


def test_spaces_at_the_end_of_lines() -> None:
    """As a copy from a terminal has them."""
    digits = bytes(range(16)).hex(" ").upper()
    dump = f"07[IKE] shared Diffie Hellman secret => 16 bytes @ 0x7f\n07[IKE]    0: {digits}  ..\n"
    log = KeyLog()
    log.parse(dump.replace("\n", "   \n"))
    assert log.secrets == [bytes(range(16))]
