# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS key logs (SSLKEYLOGFILE) as a format of keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog import KeyLog, TlsSecret

RANDOM, SECRET = "11" * 32, "22" * 48
LOG = (
    f"# TLS secrets log file\nSERVER_HANDSHAKE_TRAFFIC_SECRET {RANDOM} 3333333333333333\n"
    f"EXPORTER_SECRET {RANDOM} {'44' * 32}\nCLIENT_RANDOM {RANDOM} {SECRET}\n"
)
LINES = [
    TlsSecret("EXPORTER_SECRET", b"\x11" * 32, b"\x44" * 32),
    TlsSecret("CLIENT_RANDOM", b"\x11" * 32, b"\x22" * 48),
]


def parsed(text: str) -> KeyLog:
    log = KeyLog()
    log.parse(text, "here")
    return log


def test_the_lines_that_keys_are_exported_from() -> None:
    log = parsed(LOG)
    assert (log.tls, log.warnings) == (LINES, [])
    assert (repr(log), log.decrypts, log.verifies) == ("KeyLog(ike=0, esp=0, tls=2)", False, True)
    assert "secret" not in repr(log.tls[0])


def test_beside_other_secrets_and_in_our_own_format(tmp_path: Path) -> None:
    log = parsed(f'psk "lab psk"\neap_password Ar3etTnp\n{LOG}')
    assert (log.psk, log.passwords, log.tls, log.warnings) == ([b"lab psk"], [b"Ar3etTnp"], LINES, [])
    for name in ("run.keys.json", "run.tlskeys"):
        log.write(tmp_path / name)
        assert KeyLog.load(tmp_path / name).tls == LINES
    again = KeyLog.beside(tmp_path / "run.pcap")
    assert (again.passwords, again.tls, again.warnings) == (log.passwords, LINES, [])
    for form in ("charon.log", "pluto.log", "xfrm_state", "esp_sa"):
        assert SECRET not in log.text(form)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (f"CLIENT_RANDOM {RANDOM}", "expected a label, a random and a secret, found 2 words"),
        (f"CLIENT_RANDOM {RANDOM} zz", "the secret is not hexadecimal (2 characters)"),
        (f"CLIENT_RANDOM {RANDOM[2:]} {SECRET}", "the random of CLIENT_RANDOM has 31 octets, expected 32"),
        (f"CLIENT_RANDOM {RANDOM} {SECRET[2:]}", "the secret of CLIENT_RANDOM has 47 octets, expected 48"),
        (f"EXPORTER_SECRET {RANDOM} 22", "the secret of EXPORTER_SECRET has 1 octet, expected 32 or 48"),
        ("CLIENT_RANDON 11 22", "expected the line to begin with one of: CLIENT_RANDOM, EXPORTER_SECRET"),
    ],
)
def test_a_line_that_cannot_be_read(line: str, complaint: str) -> None:
    log = parsed(f"{LOG}{line}\n")
    assert log.tls == LINES
    assert log.warnings == [f"here: line 5: {complaint}"]


def test_what_json_has_instead(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"format": "fynx-scapy keys 1", "tls": [{"label": "RSA", "random": "11", "secret": "22"}, {}, 5]}')
    assert [warning.partition("keys.json: ")[2] for warning in KeyLog.load(path).warnings] == [
        "tls[0]: the label is none of CLIENT_RANDOM, EXPORTER_SECRET",
        "tls[1]: the member 'label' is missing",
        "tls[2]: a member has the wrong type",
    ]
    with pytest.raises(ConfigError, match="the random of CLIENT_RANDOM has 1 octet"):
        KeyLog(tls=[TlsSecret("CLIENT_RANDOM", b"1", b"")])


@given(
    st.builds(
        TlsSecret, st.just("CLIENT_RANDOM"), st.binary(min_size=32, max_size=32), st.binary(min_size=48, max_size=48)
    )
)
def test_what_is_written_reads_back(line: TlsSecret) -> None:
    assert parsed(KeyLog(tls=[line]).text("tlskeys")).tls == [line]
