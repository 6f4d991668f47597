# SPDX-License-Identifier: GPL-2.0-or-later
"""What users write into a Trust, and what they are told when it cannot be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.errors import CertificateError, ConfigError, MalformedError
from fynx_scapy.ike.credentials.certificates import Certificate
from fynx_scapy.pki import der
from fynx_scapy.pki.authorities import authority_hash
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.making import Authority
from fynx_scapy.pki.making.issued import pem
from fynx_scapy.pki.trust import Trust

ROOT, OTHER = Authority.root(seed=1), Authority.root("CN=other", seed=2)
LEAF = ROOT.issue("CN=leaf")


def test_files_octets_and_objects(tmp_path: Path) -> None:
    both = tmp_path / "ca.pem"
    both.write_bytes(ROOT.pem + OTHER.pem)
    crl, ocsp = tmp_path / "crl.pem", tmp_path / "ocsp.der"
    crl.write_bytes(pem("X509 CRL", ROOT.crl()))
    ocsp.write_bytes(ROOT.ocsp(LEAF))
    expected = (ROOT.cert, OTHER.cert)
    sources: tuple[Any, ...] = (both, str(both), both.read_bytes(), [ROOT.der, OTHER.cert], (ROOT.cert, OTHER.pem))
    for source in sources:
        assert Trust(source).anchors == expected
    trust = Trust(ROOT.cert, crls=crl, ocsp=[ocsp, ROOT.ocsp(LEAF)])
    assert (len(trust.anchors), len(trust.crls), len(trust.ocsp)) == (1, 1, 2)
    assert judge(LEAF.der, [], trust.replace(revocation="required"), at=datetime(2026, 1, 2)).notes


def test_no_repr_has_octets() -> None:
    trust = Trust(ROOT.der, crls=ROOT.crl(), at="2026-06-01T00:00:00+02:00")
    assert repr(trust) == (
        "Trust(1 anchors, 1 CRLs, 0 OCSP responses, revocation='if-known', at=2026-06-01 00:00:00+02:00)"
    )
    assert "certificates=" not in repr(judge(LEAF.der, [], trust))


def test_times() -> None:
    assert (
        Trust(ROOT.der, at="2026-06-01").at
        == Trust(ROOT.der, at=datetime(2026, 6, 1)).at
        == datetime(2026, 6, 1, tzinfo=UTC)
    )
    assert abs((Trust(ROOT.der).now() - datetime.now(UTC)).total_seconds()) < 60
    trust = Trust(ROOT.der, at="2026-06-01")
    assert judge(LEAF.der, [], trust)
    with pytest.raises(CertificateError) as refused:  # the time of the call comes before that of the trust
        judge(LEAF.der, [], trust, at=datetime(2060, 1, 1))
    assert refused.value.fault == "expired"
    with pytest.raises(CertificateError, match="it is 2060-01-01"):
        judge(LEAF.der, [], trust.replace(at="2060-01-01"))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"anchors": ()}, r"Trust\.anchors to be a tuple of 1 to"),
        ({"anchors": "/nowhere/ca.pem"}, r"Trust\.anchors: /nowhere/ca\.pem: cannot be read: No such file"),
        ({"anchors": b"nonsense"}, r"Trust\.anchors: .* expected a certificate"),
        ({"anchors": 7}, r"Trust\.anchors\[0\] to be a certificate, its file or its octets, found 7"),
        ({"anchors": ROOT.crl()}, r"Trust\.anchors: "),
        ({"crls": ROOT.der}, r"Trust\.crls: .*expected a CRL"),
        ({"crls": [ROOT.cert]}, r"Trust\.crls\[0\] to be a CRL"),
        ({"ocsp": ROOT.der}, r"Trust\.ocsp: .*expected an OCSP response"),
        ({"revocation": "maybe"}, r"'if-known', 'required' or 'off', found 'maybe'"),
        ({"at": "tomorrow"}, r"Trust\.at: expected a time such as 2026-01-31T12:00:00Z, found 'tomorrow'"),
        ({"at": 5}, r"Trust\.at to be a time, or None, found 5"),
        ({"minimum_rsa_bits": 100}, r"whole number of bits from 512 to 16384, found 100"),
        ({"extended_key_usage": "any"}, r"found 'any'"),
    ],
)
def test_misuse(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Trust(**{"anchors": ROOT.der, **fields})


def test_a_certificate_whose_fields_cannot_be_read_is_no_anchor_and_not_ours(tmp_path: Path) -> None:
    """Otherwise each peer would be refused, and nobody would know why."""
    made = Authority.root("CN=subjects", seed=1)
    broken = made.der.replace(b"subjects", b"\xff" * 8)
    file = tmp_path / "ca.crt"
    file.write_bytes(broken)
    with pytest.raises(ConfigError, match=r"ca\.crt: cannot read a trusted certificate: .*subject"):
        Trust(file)
    with pytest.raises(ConfigError, match=r"Trust\.anchors: cannot read a trusted certificate"):
        Trust(broken)
    with pytest.raises(ConfigError, match=r"ca\.crt: cannot read the certificate: .*subject"):
        Certificate(file, made.key)


def test_authorities_are_named_by_their_keys() -> None:
    """RFC 7296 section 3.7: the same for two certificates of the same key, whatever their names."""
    again = Authority.root("CN=again", ROOT.key)
    assert authority_hash(ROOT.der) == authority_hash(again.cert) != authority_hash(OTHER.der)
    assert len(authority_hash(ROOT.der)) == 20
    with pytest.raises(CertificateError, match="cannot read the certificate"):
        authority_hash(b"")


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=4))
def test_der_elements_are_read_back(parts: list[tuple[int, bytes]]) -> None:
    def encoded(tag: int, content: bytes) -> bytes:
        size = len(content)
        octets = (size.bit_length() + 7) // 8
        length = bytes([size]) if size < 128 else bytes([0x80 | octets]) + size.to_bytes(octets)
        return bytes([tag]) + length + content

    whole = b"".join(encoded(*each) for each in parts)
    read = der.elements(whole)
    assert [(each.tag, each.content) for each in read] == parts
    assert der.inside(encoded(der.SEQUENCE, whole)) == read
    with pytest.raises(MalformedError):
        der.inside(encoded(der.SET, whole))
    with pytest.raises(MalformedError):
        der.elements(encoded(der.SEQUENCE, whole + b"x")[:-1])


@pytest.mark.parametrize(
    "octets", [b"\x30\x80", b"\x30\x80\x00\x00", b"\x30\x85\x00\x00\x00\x00\x01x", b"\x30\x82\x01"]
)
def test_der_has_definite_lengths(octets: bytes) -> None:
    with pytest.raises(MalformedError):
        der.elements(octets)


@given(st.binary(max_size=40))
def test_der_of_any_octets_is_read_whole_or_refused(octets: bytes) -> None:
    try:
        read = der.elements(octets)
    except MalformedError:
        return
    assert b"".join(each.whole for each in read) == octets
