# SPDX-License-Identifier: GPL-2.0-or-later
"""Files as people have them: what loggers put around lines, several formats in one file, and other daemons' lines."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fynx_scapy.errors import CaptureError
from fynx_scapy.keylog import KeyLog, source
from tests.shared import shared

KEY, AUTH_KEY = bytes(range(1, 33)), bytes(range(51, 83))
TABLE = f'"IPv4","192.0.2.1","192.0.2.2","0x1234","AES-CBC","0x{KEY.hex()}","HMAC-SHA-256-128","0x{AUTH_KEY.hex()}"'
SECRET = f"0x1235@192.0.2.2 aes256-cbc-hmac128:0x{KEY.hex()}"
PLUTO = [
    "| ikev2 I 0x0102030405060708 0x1112131415161718 sha256:0x" + KEY.hex() + " aes256:0x" + AUTH_KEY.hex(),
    "| ikev2 R 0x0102030405060708 0x1112131415161718 sha256:0x" + AUTH_KEY.hex() + " aes256:0x" + KEY.hex(),
]
CHARON = [
    "12[NET] received packet: from 192.0.2.1[500] to 192.0.2.2[500] (240 bytes)",
    "12[IKE] shared Diffie Hellman secret => 32 bytes @ 0x7f00",
    f"12[IKE]    0: {KEY[:16].hex(' ').upper()}  ................",
    f"12[IKE]   16: {KEY[16:].hex(' ').upper()}  ................",
]


def read(text: str) -> KeyLog:
    log = KeyLog()
    log.parse(text, "here")
    return log


def as_octets(line: str) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1", "MESSAGE": list(line.encode())})


WRAPPED: dict[str, Callable[[str], str]] = {
    "journalctl -o json": lambda line: json.dumps({"_PID": "42", "MESSAGE": line, "PRIORITY": "6"}),
    "journalctl -o json, octets": as_octets,
    "journalctl -o json-seq": lambda line: "\x1e" + json.dumps({"MESSAGE": line}),
    "journalctl -o json-sse": lambda line: "data: " + json.dumps({"MESSAGE": line}) + "\n",
    "journalctl -o json-pretty": lambda line: json.dumps({"_PID": "42", "MESSAGE": line}, indent="\t"),
    "journalctl -o short": lambda line: f"Nov 25 10:20:14 gw charon[42]: {line}",
    "journalctl -o short-iso": lambda line: f"2026-11-25T10:20:14+0000 gw charon-systemd[42]: {line}",
    "journalctl -o short-monotonic": lambda line: f"[  123.456789] gw charon[42]: {line}",
    "syslog of RFC 5424's time": lambda line: f"2026-11-25T10:20:14.123456+00:00 gw pluto[42]: {line}",
    "RFC 5424": lambda line: f"<30>1 2026-11-25T10:20:14.123Z gw charon 42 - - {line}",
    "RFC 5424 with data": lambda line: f'<30>1 2026-11-25T10:20:14Z gw charon 42 ID [a@1 b="\\]"][c] \ufeff{line}',
    "RFC 3164 with a priority": lambda line: f"<30>Nov 25 10:20:14 gw charon[42]: {line}",
    "journalctl -o short-full": lambda line: f"Wed 2026-11-25 10:20:14 CET gw charon[42]: {line}",
    "journalctl -o short-unix": lambda line: f"1795602014.123456 gw charon[42]: {line}",
    "journalctl -o short-delta": lambda line: f"[  123.456789 <    0.000123 >] gw charon[42]: {line}",
    "a time alone": lambda line: f"2026-11-25 10:20:14 {line}",
    "a time with a fraction and a zone": lambda line: f"2026-11-25 10:20:14,123 +0100 {line}",
    "ts": lambda line: f"Nov 25 10:20:14 {line}",
    "docker logs -t": lambda line: f"2026-11-25T10:20:14.123456789Z {line}",
    "docker compose logs": lambda line: f"vpn-gateway-1  | {line}",
    "kubectl logs --prefix": lambda line: f"[pod/gw-0/charon] {line}",
    "indented": lambda line: f"    {line}",
    "Docker": lambda line: json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-11-25T10:20:14Z"}),
    "Kubernetes": lambda line: f"2026-11-25T10:20:14.123456789Z stdout F {line}",
    "a JSON log": lambda line: json.dumps({"level": "info", "msg": line}),
    "Elasticsearch": lambda line: json.dumps({"_index": "a", "_source": {"message": line, "host": "gw"}}),
    "an array": lambda line: json.dumps({"MESSAGE": line}) + ",",
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_whatever_a_logger_puts_around_lines(wrap: Callable[[str], str]) -> None:
    noise = ["Started Session 1 of user root.", "kernel: src is no dst", "", "{", "dhcpd: 12 leases"] * 10
    lines = [*noise, *CHARON, *noise, *PLUTO, SECRET, TABLE]
    log = read("\n".join(map(wrap, lines)))
    assert (log.secrets, log.warnings) == ([KEY], [])
    assert [keys.spi for keys in log.esp] == [0x1235, 0x1234]
    assert [keys.sk_ei for keys in log.ike] == [AUTH_KEY]


def test_an_exported_journal() -> None:
    fields = "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1\n_PID=42\nMESSAGE={}\n"
    log = read("\n".join(fields.format(line) for line in ("other", *CHARON, *PLUTO)))
    assert (log.secrets, len(log.ike), log.warnings) == ([KEY], 1, [])


def test_several_formats_in_one_file(tmp_path: Path) -> None:
    document = tmp_path / "keys.json"
    KeyLog(psk="lab psk", secrets=["77" * 32]).save(tmp_path)
    parts = ["\n".join(CHARON), TABLE, document.read_text(), "psk another", SECRET, document.read_text(), TABLE]
    log = read("\n".join(parts))
    assert (log.secrets, log.psk, len(log.esp), log.warnings) == ([KEY, b"\x77" * 32], [b"lab psk", b"another"], 2, [])


def test_a_bad_row_among_several_formats_has_the_number_of_its_line() -> None:
    log = read("\n".join([*CHARON, "noise", TABLE, TABLE.replace("AES-CBC", "moon"), SECRET, "0x12@moon aes:0x11"]))
    assert len(log.esp) == 2
    assert [warning.split(": ")[1] for warning in log.warnings] == ["line 7", "line 9"]


def test_a_syslog_with_other_daemons_in_front() -> None:
    path = shared("cases/K14-syslog/syslog")
    log = KeyLog.load(path)
    assert (len(log.ike), len(log.esp), log.warnings) == (2, 4, [])


@pytest.mark.slow
def test_a_large_log_is_read_in_linear_time(tmp_path: Path) -> None:
    """20,000 lines of other daemons and 20,000 rows, which took minutes where each was compared with all before it."""
    noise = "".join(f"Nov 25 10:20:00 gw systemd[1]: Started Session {n} of user root.\n" for n in range(20_000))
    rows = "".join(TABLE.replace("0x1234", f"0x{n:x}") + "\n" for n in range(1, 20_001))
    begin = time.process_time()
    assert len(read(noise + rows).esp) == 20_000
    assert time.process_time() - begin < 10


def test_a_field_on_each_line_is_a_journal_too() -> None:
    lines = ["    _TRANSPORT=syslog", *(f"    MESSAGE={line}" for line in CHARON[:-1]), "    PRIORITY=6", "MESSAGE"]
    octets = len(CHARON[-1]).to_bytes(8, "little").decode() + CHARON[-1]
    assert read("\n".join(["Wed 2026-11-25 10:20:14.1 UTC [s=1]", *lines, octets, "_PID=42"])).secrets == [KEY]


PROSE = (
    "secret handshakes are many",
    "SK_ei and SK_er",
    "IPv4, or not",
    "Any, but one",
    "private 4 and more",
    "SPI_i 12",
)


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_no_key(text: str) -> None:
    assert "no keys and no secrets" in read(f"{text}\n{text}").warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["a" * 2_000_000, '"' * 500_000, "# 1" * 300_000, "ab" * 500_000 + "@", "12[" * 500_000]
)
def test_a_long_line_is_read_in_linear_time(line: str) -> None:
    begin = time.process_time()
    read(f"{line}\n{TABLE}")
    assert time.process_time() - begin < 5


def test_only_the_first_places_are_named() -> None:
    log = read("\n".join([TABLE, *[TABLE.replace("AES-CBC", "moon")] * 500]))
    assert len(log.warnings) == 21
    assert log.warnings[-1] == "here: 480 more places that cannot be read"


def test_nothing_that_is_known() -> None:
    assert "no keys and no secrets in it" in read("x\n").warnings[0]
    assert len(read("\0\1\2" * 1000).warnings) == 1


# -- ceilings ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_OCTETS", 1 << 20)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["bomb.gz", "long.log", "twice.gz"])
def test_a_file_beyond_the_limit_is_one_error(tmp_path: Path, name: str) -> None:
    octets = {
        "bomb.gz": gzip.compress(bytes(50 << 20)),
        "long.log": b"a" * (2 << 20),
        "twice.gz": gzip.compress(bytes(1 << 20)) * 2,
    }[name]
    (tmp_path / name).write_bytes(octets)
    with pytest.raises(CaptureError, match="larger than 1 MB, the limit of key files"):
        KeyLog.load(tmp_path / name)


def test_a_file_with_too_many_lines_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_LINES", 1000)
    (tmp_path / "a.log").write_text("{\n" * 1001)
    with pytest.raises(CaptureError, match="more than 1,000 lines, the limit of key files"):
        KeyLog.load(tmp_path / "a.log")


@pytest.mark.usefixtures("small")
def test_a_device_without_end() -> None:
    with pytest.raises(CaptureError, match="/dev/zero: larger than 1 MB"):
        KeyLog.load("/dev/zero")


def test_a_folder_with_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "good.esp_sa").write_text(TABLE)
    (tmp_path / "loop.esp_sa").symlink_to("loop.esp_sa")
    (tmp_path / "gone.esp_sa").symlink_to("absent")
    (tmp_path / "folder.esp_sa").mkdir()
    log = KeyLog.load(tmp_path)
    assert len(log.esp) == 1
    assert [warning.partition(f"{tmp_path}/")[2] for warning in log.warnings] == [
        "gone.esp_sa: neither a file nor a link to one",
        "loop.esp_sa: neither a file nor a link to one",
    ]
    with pytest.raises(CaptureError, match="cannot be read: "):
        KeyLog.load(tmp_path / "loop.esp_sa")


def test_a_damaged_file_beside_a_capture_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "run.esp_sa").write_text(TABLE)
    (tmp_path / "run.secrets").write_bytes(gzip.compress(b"psk lab")[:-4])
    log = KeyLog.beside(tmp_path / "run.pcap")
    assert len(log.esp) == 1
    assert [warning.partition(f"{tmp_path}/")[2].partition(": ")[0] for warning in log.warnings] == ["run.secrets"]
