# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates in captures: what is said of them, of their chain, and of those that a hostile peer sends."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import click.testing
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import PROFILES, Audit, Severity, Status, collect, judge
from fynx_scapy.capture.audit.chains import MOST, NO_CA, CertificateFacts, Certificates, ChainFacts
from fynx_scapy.capture.audit.proofs import signed_sha1
from fynx_scapy.capture.follow.auth import _described
from fynx_scapy.commands.audit import audit as command
from fynx_scapy.commands.follow import follow
from fynx_scapy.iana import CertEncoding
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2.cert import IKEv2_CERT
from fynx_scapy.pki.making import Authority
from fynx_scapy.pki.making.keys import make_key
from fynx_scapy.pki.trust import Trust
from tests.capture.test_audit import POLICIES
from tests.pki.test_lab_chains import authority
from tests.shared import shared

SIGNED = sorted(POLICIES["chains"])


@functools.cache
def audited(name: str, *, trusted: bool, at: datetime | None = None) -> Audit:
    """The audit of a lab capture, with the lab's authority or without one."""
    path = shared(f"captures/lab/{name}.pcap")
    trust = Trust(authority("cert-rsa" if name.startswith("eap") else name)) if trusted else None
    with Capture(path, KeyLog.beside(path)) as capture:
        return judge(collect(capture, trust, at), PROFILES["rfc"])


def statuses(found: Audit, rule: str) -> list[Status]:
    """The status of each finding of a rule."""
    return [each.status for each in found.find(rule)]


@pytest.mark.parametrize("name", SIGNED)
def test_without_an_authority_no_chain_is_judged(name: str) -> None:
    found, row = audited(name, trusted=False), POLICIES["chains"][name]
    certificates = [each for part in found.facts.conversations for each in part.certificates]
    assert {each.issuer for each in certificates} == {row["issuer"]}
    assert {each.key for each in certificates} == {row["key"]}
    assert {each.title for each in found.find("auth.chain")} == {NO_CA}
    assert set(statuses(found, "auth.chain")) == {Status.UNKNOWN}
    assert set(statuses(found, "auth.identity")) == {Status.OK}
    assert set(statuses(found, "cert.validity")) == {Status.OK}
    assert {each.clock for each in certificates} == {"the packet's time"}


@pytest.mark.parametrize("name", [name for name in SIGNED if name != "cert-ed25519"])
def test_chains_of_the_lab_with_its_authority(name: str) -> None:
    found = audited(name, trusted=True)
    verdicts = found.find("auth.chain")
    assert len(verdicts) == (1 if name.startswith("eap") else 2)
    for verdict in verdicts:
        assert (verdict.status, verdict.severity) == (Status.OK, Severity.INFO)
        assert f" ← {POLICIES['chains'][name]['issuer']}; at 2026-" in verdict.explanation
        assert "(the packet's time)" in verdict.explanation


def test_another_time_and_another_authority() -> None:
    late = audited("cert-ecdsa", trusted=True, at=datetime(2046, 1, 1, tzinfo=UTC))
    assert {each.title for each in late.find("auth.chain")} == {"the certificate chain is refused: expired"}
    assert set(statuses(late, "cert.validity")) == {Status.FAILED}
    assert "(as given)" in late.find("auth.chain")[0].explanation
    path = shared("captures/lab/cert-ecdsa.pcap")
    with Capture(path, KeyLog.beside(path)) as capture:
        found = judge(collect(capture, Trust(authority("cert-rsa"))), PROFILES["rfc"])
    assert {each.title for each in found.find("auth.chain")} == {"the certificate chain is refused: unknown-authority"}
    assert found.worst is Severity.HIGH
    told = [each.explanation for each in found.grouped() if each.rule == "auth.chain"]
    assert [next(name for name in ("alice", "bob") if f"CN={name}.example" in text) for text in told] == [
        "alice",
        "bob",
    ]


# -- what a peer may send ---------------------------------------------------------------------------------------------

AT = datetime(2026, 6, 1, tzinfo=UTC)


@functools.cache
def root() -> Authority:
    return Authority.root(
        key="ecdsa-p256", seed=b"audit", not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime(2040, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def issued(**changes: Any) -> bytes:
    """A certificate of our authority for gw.example, in DER."""
    given = {"not_before": datetime(2026, 1, 1, tzinfo=UTC), "not_after": datetime(2027, 1, 1, tzinfo=UTC), **changes}
    return root().issue("CN=gw.example", names=["gw.example"], key="ecdsa-p256", **given).der


class Sent(NamedTuple):
    """What a peer sent, and the verdict on its chain."""

    certificates: Certificates
    verdict: ChainFacts | None


def sent(*payloads: tuple[int, bytes], trust: Trust | None = None, at: datetime = AT) -> Sent:
    """What a responder sent, and that it is gw.example."""
    found = Certificates(trust, None)
    message: Any = SimpleNamespace(number=4, time=at.timestamp())
    for encoding, octets in payloads:
        found.take(message, IKEv2_CERT(cert_encoding=encoding, cert_data=octets), "responder")
    found._ids["responder"] = bytes((2, 0, 0, 0)) + b"gw.example"
    return Sent(found, found.chain(message, "responder"))


def findings(what: Sent) -> Audit:
    """The findings on it, in a conversation that has nothing else of the kind."""
    certificates, verdict = what
    facts = audited("cert-ecdsa", trusted=False).facts
    conversation = replace(
        facts.conversations[0], certificates=certificates.facts(), left_out=tuple(certificates.left_out.items()),
        auths=(replace(facts.conversations[0].auths[1], chain=verdict),),
    )  # fmt: skip
    return judge(replace(facts, conversations=(conversation,)), PROFILES["rfc"])


X509 = CertEncoding.X_509_Certificate_Signature


def test_thousands_of_payloads_are_counted() -> None:
    started = sent(*[(X509, b"\x30\x03\x02\x01" + bytes((at & 127,))) for at in range(3000)])
    found = findings(started)
    assert len(started.certificates.facts()) == MOST
    assert [each.title for each in found.find("cert.many")] == [f"{3000 - MOST} CERT payloads not looked at"]
    assert len(found.find("cert.malformed")) == MOST
    assert started.verdict is not None
    assert started.verdict.identity is False


@pytest.mark.parametrize("octets", [b"", b"\x30", bytes(60000), b"\x30\x82\xff\xff" + bytes(9), b"\xff" * 200_000])
def test_broken_certificates_are_told(octets: bytes) -> None:
    found = findings(sent((X509, octets), trust=Trust(root().cert)))
    assert statuses(found, "cert.malformed") == [Status.FAILED]
    assert [each.title for each in found.find("auth.chain")] == ["the certificate chain is refused: malformed"]


def test_large_certificates_are_read() -> None:
    octets = issued(big=60_000)
    found = findings(sent((X509, octets), trust=Trust(root().cert)))
    assert len(octets) >= 60_000
    assert statuses(found, "auth.chain") == [Status.OK]


def test_text_of_a_peer_is_printable() -> None:
    octets = (
        root()
        .issue(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a\x1b[31m\u202eb")]), key="ecdsa-p256")
        .der
    )
    url = bytes(20) + b"http://\x1b[2Jexample"
    found = findings(sent((X509, octets), (CertEncoding.Hash_and_URL_of_X_509_certificate, url)))
    text = json.dumps(found.as_dict(), ensure_ascii=False) + repr(found.findings)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert statuses(found, "cert.url") == [Status.UNKNOWN]


@pytest.mark.parametrize(
    ("changes", "at", "rule", "status"),
    [
        ({}, datetime(2026, 12, 20, tzinfo=UTC), "cert.validity", Status.WEAK),
        ({}, datetime(2027, 2, 1, tzinfo=UTC), "cert.validity", Status.FAILED),
        ({}, datetime(2025, 2, 1, tzinfo=UTC), "cert.validity", Status.FAILED),
        ({}, AT, "cert.validity", Status.OK),
        ({"sha1": True}, AT, "cert.hash", Status.WEAK),
    ],
)
def test_validity_and_hashes(changes: dict[str, Any], at: datetime, rule: str, status: Status) -> None:
    assert statuses(findings(sent((X509, issued(**changes)), at=at)), rule) == [status]


def test_lists_of_a_peer_revoke_its_certificate() -> None:
    gateway = root().issue("CN=gw.example", names=["gw.example"], key="ecdsa-p256")
    revoked = root().crl([gateway])
    now = datetime.now(UTC)
    found = findings(
        sent(
            (X509, gateway.der),
            (CertEncoding.Certificate_Revocation_List_CRL, revoked),
            trust=Trust(root().cert),
            at=now,
        )
    )
    assert [each.title for each in found.find("auth.chain")] == ["the certificate chain is refused: revoked"]


def test_a_signature_with_sha_1_is_flagged() -> None:
    key: Any = make_key("rsa-2048")
    assert signed_sha1(1, key.sign(b"octets", padding.PKCS1v15(), hashes.SHA1()), key.public_key())
    assert not signed_sha1(1, key.sign(b"octets", padding.PKCS1v15(), hashes.SHA256()), key.public_key())
    assert not signed_sha1(1, b"", key.public_key())
    facts = audited("cert-ecdsa", trusted=False).facts
    auth = replace(facts.conversations[0].auths[0], sha1=True)
    changed = replace(facts, conversations=(replace(facts.conversations[0], auths=(auth,)),))
    assert statuses(judge(changed, PROFILES["nist"]), "auth.hash") == [Status.WEAK]


def test_facts_keep_the_octets_to_themselves() -> None:
    (found,) = sent((X509, issued())).certificates.facts()
    assert isinstance(found, CertificateFacts)
    assert "octets" not in found.as_dict()
    assert found.octets.hex()[:40] not in repr(found)


# -- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> click.testing.Result:
    return click.testing.CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_command(tmp_path: Path) -> None:
    path = shared("captures/lab/cert-ecdsa.pcap")
    anchor = tmp_path / "ca.pem"
    anchor.write_bytes(authority("cert-ecdsa").public_bytes(Encoding.PEM))
    assert NO_CA in run(path).output
    found = run(
        path,
        "--ca",
        anchor,
        "--certificates",
        tmp_path / "out",
        "--json",
        tmp_path / "a.json",
        "--html",
        tmp_path / "a.html",
    )
    assert found.exit_code == 0, found.output
    (document,) = json.loads((tmp_path / "a.json").read_text())["captures"]
    assert [each["subject"] for each in document["certificates"]] == [
        "CN=alice.example,O=Lab,C=XX",
        "CN=bob.example,O=Lab,C=XX",
    ]
    page = (tmp_path / "a.html").read_text()
    assert "the certificate chain leads to a trusted certificate" in page
    assert "certificate of CN=bob.example,O=Lab,C=XX" in page
    written = sorted((tmp_path / "out").iterdir())
    exported = {
        x509.load_pem_x509_certificate(each.read_bytes()).fingerprint(hashes.SHA256()).hex() for each in written
    }
    assert exported == {each["fingerprint"] for each in document["certificates"]}
    assert "is refused: expired" in run(path, "--ca", anchor, "--at", "2046-01-01").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "tomorrow"], "expected a time such as 2026-01-31T12:00:00Z, found 'tomorrow'"),
        (["--crl", "CA"], "--crl needs --ca"),
        (["--ocsp", "CA"], "--ocsp needs --ca"),
        (["--ca", "CA"], "CA"),
    ],
)
def test_misuse(arguments: list[str], said: str, tmp_path: Path) -> None:
    wrong = tmp_path / "CA"
    wrong.write_text("no certificate")
    found = run(shared("captures/lab/cert-ecdsa.pcap"), *[str(wrong) if each == "CA" else each for each in arguments])
    assert found.exit_code == 2
    assert said in " ".join(found.output.split())


def test_following_says_which_certificates_were_sent() -> None:
    issuer = "issued by CN=Lab CA ecdsa,O=Lab,C=XX, valid 2"
    found = click.testing.CliRunner().invoke(follow, [str(shared("captures/lab/cert-ecdsa.pcap"))])
    assert f"packet 3: certificate of initiator: CN=alice.example,O=Lab,C=XX, {issuer}" in found.output
    assert f"packet 4: certificate of responder: CN=bob.example,O=Lab,C=XX, {issuer}" in found.output


def test_many_certificates_are_described_in_few_words() -> None:
    described = _described([(4, issued()), (4, b"\x30"), *[(11, bytes(9))] * 3000])
    assert len(described) == 9
    assert described[0].startswith("CN=gw.example, issued by ")
    assert described[1].startswith("cannot read the certificate")
    assert described[-1] == "and 2994 more CERT payloads"
