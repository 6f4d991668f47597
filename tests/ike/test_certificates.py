# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication by certificates, in both roles (RFC 7296 sections 2.15, 3.6 and 3.7; RFC 7427, 4945, 4806)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7

from fynx_scapy import Certificate, Certificates, Psk, Trust
from fynx_scapy.crypto.signing import describe
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import AuthMethod, CertEncoding, NotifyType
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.events import (
    IkeSaEstablished,
    IkeSaFailed,
    MessageSent,
    PeerCertificateAccepted,
    PeerCertificateRefused,
)
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_CERT, IKEv2_CERTREQ, IKEv2_IDi
from fynx_scapy.pki.making import Authority, Issued, make_key
from tests.ike.pair import Pair, alice, bob

X509 = CertEncoding.X_509_Certificate_Signature
DIGITAL = AuthMethod.Digital_Signature


@cache
def root() -> Authority:
    return Authority.root(seed="root")


@cache
def middle() -> Authority:
    return root().intermediate()


@cache
def rsa() -> Any:
    """One key for all tests: it takes long to make."""
    return make_key("rsa-2048")


@cache
def issued(name: str, key: Any = "ecdsa-p256", **changes: Any) -> Issued:
    """The certificate of alice or bob, two steps below the root."""
    return middle().issue(f"C=CH, CN={name}", [name], rsa() if key == "rsa" else key, **changes)


def own(name: str, key: Any = "ecdsa-p256", schemes: Any = None, **fields: Any) -> Certificate:
    made = issued(name, key)
    return Certificate(made.cert, made.key, made.chain, schemes=schemes, **fields)


def trust(**fields: Any) -> Trust:
    return Trust(root().cert, **fields)


def ends(ours: Any = None, theirs: Any = None, **fields: Any) -> tuple[Pair, IkeConfig]:
    """Bob with a certificate, and Alice's configuration with hers; ``fields`` are for both."""
    both = {"trust": trust(), **fields}
    pair = Pair(bob(auth=theirs or own("bob"), **both))
    return pair, alice(auth=ours or own("alice"), **both)


def payloads(pair: Pair, kind: Any) -> list[Any]:
    """The payloads of a class that were sent, in the order of the messages."""
    events = [event for _, event in pair.network.events if isinstance(event, MessageSent)]
    return [payload for event in events for payload in event.payloads if isinstance(payload, kind)]


def names(event: MessageSent) -> list[str]:
    return [type(payload).__name__.removeprefix("IKEv2_") for payload in event.payloads]


# The way of it


@pytest.mark.requirements("4945-3.2.6-01", "7427-4-i01")
def test_both_ends_prove_themselves_by_certificates() -> None:
    pair, config = ends()
    sa = pair.connect(config)
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr, CERTREQ
    # HDR, SK {IDi, CERT+, CERTREQ, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, CERT+, AUTH, SAr2, TSi, TSr}
    (init, auth), (answer, last) = pair.of("alice", MessageSent), pair.of("bob", MessageSent)
    assert "CERTREQ" not in names(init)
    assert names(answer).count("CERTREQ") == 1
    assert names(auth)[:6] == ["IDi", "CERT", "CERT", "CERTREQ", "IDr", "AUTH"]
    assert names(last)[:4] == ["IDr", "CERT", "CERT", "AUTH"]
    assert sa.established
    assert [each.auth_type for each in payloads(pair, IKEv2_AUTH)] == [DIGITAL] * 2
    assert sa.peer_certificate == issued("bob").cert
    assert pair.bobs.peer_certificate == issued("alice").cert
    (accepted,) = pair.of("bob", PeerCertificateAccepted)
    assert (accepted.identity, accepted.scheme) == ("alice", "ecdsa-sha256")
    assert accepted.subjects[0] == "CN=alice,C=CH"
    assert len(accepted.subjects) == 3
    assert pair.of("bob", IkeSaEstablished)[0].proof == "certificate, ECDSA SHA-256"
    sa.rekey()
    pair.network.run()
    assert sa.newest.peer_certificate == issued("bob").cert


@pytest.mark.requirements("4945-3.3-01")
def test_the_root_is_not_sent() -> None:
    """RFC 4945 section 3.3: "SHOULD NOT send any CRLs, ARLs, or trust anchors"."""
    made = issued("alice")
    with_root = Certificate(made.cert, made.key, [*made.chain, root().cert])
    pair, config = ends(with_root)
    assert pair.connect(config).established
    assert root().der not in [bytes(each.cert_data) for each in payloads(pair, IKEv2_CERT)]


SCHEMES: list[tuple[str, str | None, int, str]] = [
    ("ecdsa-p256", None, DIGITAL, "ecdsa-sha256"),
    ("ecdsa-p384", None, DIGITAL, "ecdsa-sha384"),
    ("ecdsa-p521", None, DIGITAL, "ecdsa-sha512"),
    ("brainpoolP256r1", None, DIGITAL, "ecdsa-sha256"),
    ("ed25519", None, DIGITAL, "ed25519"),
    ("ed448", None, DIGITAL, "ed448"),
    ("mldsa44", None, DIGITAL, "mldsa44"),
    ("mldsa87", None, DIGITAL, "mldsa87"),
    ("rsa", None, DIGITAL, "rsa-pss-sha256"),
    ("rsa", "rsa-pss-sha512", DIGITAL, "rsa-pss-sha512"),
    ("rsa", "rsa-pkcs1-sha256", DIGITAL, "rsa-pkcs1-sha256"),
    ("rsa", "rsa-sha1", 1, "rsa"),
    ("ecdsa-p256", "ecdsa-p256", 9, "ecdsa-p256"),
    ("ecdsa-p384", "ecdsa-p384", 10, "ecdsa-p384"),
    ("ecdsa-p521", "ecdsa-p521", 11, "ecdsa-p521"),
]


@pytest.mark.sample(3)
@pytest.mark.requirements("7296-1.2-02", "7427-3-i02")
@pytest.mark.parametrize("liar", ["", "alice", "bob"])
@pytest.mark.parametrize(("key", "scheme", "method", "name"), SCHEMES, ids=lambda value: str(value))
def test_each_scheme(key: str, scheme: str | None, method: int, name: str, liar: str) -> None:
    """In both roles; and with another signature, which is refused in both."""
    pair, config = ends(own("alice", key, scheme), own("bob", key, scheme), remote_auth=Certificates(schemes=scheme))

    def spoil(message: Outgoing) -> None:
        auth = message.one(IKEv2_AUTH)
        auth.load = auth.load[:-9] + bytes([auth.load[-9] ^ 1]) + auth.load[-8:]

    if liar:
        # The signature is there from here on; the octets of the payload change before they are sealed.
        getattr(pair, liar).taps.add("payloads", _later(spoil), when=lambda message: "AUTH" in message.types())
    sa = pair.connect(config)
    assert sa.established == (not liar)
    sent = payloads(pair, IKEv2_AUTH)
    assert {each.auth_type for each in sent} == {method}
    assert {describe(method, bytes(each.load)).scheme for each in sent} == {name}
    if liar:
        (refused,) = pair.of({"alice": "bob", "bob": "alice"}[liar], PeerCertificateRefused)
        assert f"the AUTH payload of {liar} does not verify" in refused.reason
        assert (refused.code, refused.subject) == ("authentication", f"CN={liar},C=CH")


def _later(change: Callable[[Outgoing], None]) -> Callable[[Outgoing], None]:
    """A tap that changes the message after its computed fields are filled in."""

    def tap(message: Outgoing) -> None:
        auth = message.one(IKEv2_AUTH)
        computed = next(value for layer, _, value in message.computed if layer is auth)

        def changed(outgoing: Outgoing) -> bytes:
            auth.load = computed(outgoing)
            change(outgoing)
            return bytes(auth.load)

        message.computed[:] = [each for each in message.computed if each[0] is not auth]
        message.compute(auth, "load", changed)

    return tap


# What is refused


def refused(pair: Pair, who: str, code: str, words: str) -> None:
    """An end refuses its peer for a reason, tells it, and nothing is set up."""
    (event,) = pair.of(who, PeerCertificateRefused)
    assert (event.code, words in event.reason) == (code, True), event
    assert not pair.of(who, IkeSaEstablished)
    other = {"alice": "bob", "bob": "alice"}[who]
    told = [each for _, each in pair.network.events if isinstance(each, MessageSent)][-1 if who == "bob" else -2]
    notifies = [p.type for p in told.payloads if hasattr(p, "type")]
    if who == "bob":
        assert notifies == [NotifyType.AUTHENTICATION_FAILED]
        assert pair.of(other, IkeSaFailed)[0].notify_type == NotifyType.AUTHENTICATION_FAILED
    else:
        assert any(
            p.type == NotifyType.AUTHENTICATION_FAILED
            for event in pair.of("alice", MessageSent)
            for p in event.payloads
            if hasattr(p, "type")
        )


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"expired": True}, "certificate.expired"),
    "not yet valid": ({"not_yet_valid": True}, "certificate.not-yet-valid"),
}


@pytest.mark.requirements("4945-5.1-01", "5280-6.1.3-01", negative=True)
@pytest.mark.parametrize("liar", ["alice", "bob"])
@pytest.mark.parametrize("fault", BAD)
def test_a_certificate_that_is_not_valid(fault: str, liar: str) -> None:
    changes, code = BAD[fault]
    made = middle().issue(f"C=CH, CN={liar}", [liar], **changes)
    bad = Certificate(made.cert, made.key, made.chain, check=False)
    pair, config = ends(*((bad, None) if liar == "alice" else (None, bad)))
    pair.connect(config)
    refused(pair, {"alice": "bob", "bob": "alice"}[liar], code, "")


@pytest.mark.requirements("4945-3.1-02", "4945-3.1.2-03", "4945-3.1.2-04", "4945-3.1.2-07", negative=True)
@pytest.mark.parametrize("liar", ["alice", "bob"])
def test_a_certificate_of_somebody_else(liar: str) -> None:
    made = issued("carol")
    bad = Certificate(made.cert, made.key, made.chain, check=False)
    both = {"trust": trust()}
    pair = Pair(bob(auth=bad if liar == "bob" else own("bob"), **both))
    pair.connect(alice(auth=bad if liar == "alice" else own("alice"), **both))
    refused(pair, {"alice": "bob", "bob": "alice"}[liar], "certificate.identity", "carol")


@pytest.mark.parametrize("liar", ["alice", "bob"])
def test_an_authority_that_nobody_trusts(liar: str) -> None:
    other = Authority.root("CN=other root", seed="other").issue(f"CN={liar}", [liar])
    bad = Certificate(other.cert, other.key)
    pair, config = ends(*((bad, None) if liar == "alice" else (None, bad)))
    pair.connect(config)
    refused(pair, {"alice": "bob", "bob": "alice"}[liar], "certificate.unknown-authority", "")


@pytest.mark.parametrize("liar", ["alice", "bob"])
def test_a_signature_with_another_key(liar: str) -> None:
    made = issued(liar)
    bad = Certificate(made.cert, make_key("ecdsa-p256"), made.chain, check=False)
    pair, config = ends(*((bad, None) if liar == "alice" else (None, bad)))
    pair.connect(config)
    refused(pair, {"alice": "bob", "bob": "alice"}[liar], "authentication", "does not verify")


@pytest.mark.requirements("4945-5.2-01", "4945-5.2-04", negative=True)
def test_a_revoked_certificate_and_the_order_of_the_checks() -> None:
    crl = middle().crl([issued("alice")])
    pair = Pair(bob(auth=own("bob"), trust=trust(crls=crl)))
    pair.connect(alice(auth=own("alice"), trust=trust()))
    refused(pair, "bob", "certificate.revoked", "")


def test_a_chain_without_its_intermediate() -> None:
    made = issued("alice")
    pair, config = ends(Certificate(made.cert, made.key))
    pair.connect(config)
    refused(pair, "bob", "certificate.unknown-authority", "")
    pair = Pair(bob(auth=own("bob"), trust=trust(), remote_auth=Certificates(known=middle().cert)))
    assert pair.connect(config).established


# Hashes and methods (RFC 7427)


@pytest.mark.requirements("7427-4-01", "7427-4-i02")
def test_the_hash_is_one_that_the_peer_announced() -> None:
    pair = Pair(bob(auth=own("bob", "rsa"), trust=trust(), signature_hashes=(4,)))
    assert pair.connect(alice(auth=own("alice", "rsa"), trust=trust(), signature_hashes=(3,))).established
    schemes = [describe(DIGITAL, bytes(each.load)).scheme for each in payloads(pair, IKEv2_AUTH)]
    assert schemes == ["rsa-pss-sha512", "rsa-pss-sha384"]


@pytest.mark.requirements("7427-4-01", negative=True)
def test_a_hash_that_was_not_announced_is_refused() -> None:
    pair = Pair(bob(auth=own("bob"), trust=trust(), signature_hashes=(3,)))

    def pretend(message: Outgoing) -> None:
        message.one(IKEv2_AUTH).load = _signed_anew(pair, message)

    pair.alice.taps.add("payloads", pretend, when=lambda message: "AUTH" in message.types())
    pair.connect(alice(auth=own("alice", schemes=("ecdsa-sha384", "ecdsa-sha256")), trust=trust()))
    refused(pair, "bob", "authentication", "expected a signature with one of the hashes that we announced (SHA2_384)")


def _signed_anew(pair: Pair, message: Outgoing) -> bytes:
    """Alice's AUTH with SHA-256, whatever Bob announced."""
    from fynx_scapy.crypto.signing import SCHEMES, sign
    from fynx_scapy.ike.auth.methods import Covered

    (sa,) = pair.alice.sas.values()
    identity = message.one(IKEv2_IDi).octets()[4:]
    covered = Covered(sa.suite.prf_function(), sa.init_sent, sa.nonce_r, sa.keys.sk_pi, identity)
    return sign(SCHEMES["ecdsa-sha256"], issued("alice").key, covered.octets)


@pytest.mark.requirements("7427-3-02", negative=True)
def test_an_older_method_is_refused_where_both_announced_hashes() -> None:
    """RFC 7427 section 3: method 14 "MUST be used"."""
    pair, config = ends(own("alice", schemes="ecdsa-p256"))
    pair.connect(config)
    refused(pair, "bob", "authentication", "expected AUTH of method 14")


@pytest.mark.requirements("7427-3-i01")
@pytest.mark.parametrize("silent", ["alice", "bob", "both"])
def test_without_an_announcement_the_older_methods_are_used(silent: str) -> None:
    none: dict[str, Any] = {"signature_hashes": ()}
    theirs = bob(auth=own("bob"), trust=trust(), **(none if silent != "alice" else {}))
    pair = Pair(theirs)
    sa = pair.connect(alice(auth=own("alice"), trust=trust(), **(none if silent != "bob" else {})))
    assert sa.established
    assert [each.auth_type for each in payloads(pair, IKEv2_AUTH)] == [9, 9]


def test_rsa_with_sha1_is_used_and_accepted_only_if_it_is_named() -> None:
    none: dict[str, Any] = {"trust": trust(), "signature_hashes": ()}
    pair = Pair(bob(auth=own("bob", "rsa", "rsa-sha1"), **none))
    pair.connect(alice(auth=own("alice", "rsa", "rsa-sha1"), **none))
    refused(pair, "bob", "authentication", "that is not weak")
    pair = Pair(bob(auth=own("bob", "rsa"), **none))
    pair.connect(alice(auth=own("alice", "rsa"), **none))
    assert "name rsa-sha1 to allow that" in pair.of("alice", IkeSaFailed)[0].reason


# CERTREQ


@pytest.mark.requirements("7296-3.7-03")
def test_certreq_chooses_among_several_certificates() -> None:
    """Section 3.7."""
    other = Authority.root("CN=another root", seed="another root")
    made = other.issue("CN=alice", ["alice"])
    ours = (own("alice"), Certificate(made.cert, made.key))
    for anchor, expected in ((root(), issued("alice")), (other, made)):
        pair = Pair(bob(auth=own("bob"), trust=Trust(anchor.cert)))
        assert pair.connect(alice(auth=ours, trust=Trust([root().cert, other.cert]))).established
        assert pair.bobs.peer_certificate == expected.cert
    # The responder chooses by the CERTREQ of IKE_AUTH.
    made = other.issue("CN=bob", ["bob"])
    for anchor, expected in ((root(), issued("bob")), (other, made)):
        both = (own("bob"), Certificate(made.cert, made.key))
        pair = Pair(bob(auth=both, trust=Trust([root().cert, other.cert])))
        sa = pair.connect(alice(auth=own("alice"), trust=Trust(anchor.cert)))
        assert sa.established
        assert sa.peer_certificate == expected.cert


@pytest.mark.requirements("4945-3.2.7.1-03", "4945-3.3.6-01", "4945-3.3.6-03")
@pytest.mark.parametrize(("sending", "asking", "count"), [
    ("asked", True, 2), ("asked", False, 0), ("always", False, 2), ("never", True, 0),
])  # fmt: skip
def test_when_certificates_are_sent(sending: str, asking: bool, count: int) -> None:
    pair = Pair(bob(auth=own("bob"), trust=trust(), certificate_requests=asking))
    pair.connect(alice(auth=own("alice"), trust=trust(), send_certificates=sending))
    sent = pair.of("alice", MessageSent)[1]
    assert names(sent).count("CERT") == count


def test_a_certificate_that_we_know_need_not_be_sent() -> None:
    theirs = bob(auth=own("bob"), trust=trust(), remote_auth=Certificates(known=[issued("alice").cert, middle().cert]))
    assert Pair(theirs).connect(alice(auth=own("alice"), trust=trust(), send_certificates="never")).established
    pair = Pair(bob(auth=own("bob"), trust=trust()))
    pair.connect(alice(auth=own("alice"), trust=trust(), send_certificates="never"))
    refused(pair, "bob", "authentication", "expected a certificate of alice, found none in the message, nor among ours")


def with_certs(pair: Pair, change: Callable[[list[IKEv2_CERT]], list[IKEv2_CERT]]) -> None:
    """Have Alice send other CERT payloads."""

    def tap(message: Outgoing) -> None:
        certs = list(message.all(IKEv2_CERT))
        at = message.payloads.index(certs[0])
        message.payloads = [p for p in message.payloads if not isinstance(p, IKEv2_CERT)]
        message.payloads[at:at] = change(certs)

    pair.alice.taps.add("payloads", tap, when=lambda message: "CERT" in message.types())


@pytest.mark.requirements("7296-3.6-05", negative=True)
def test_a_hash_and_url_is_refused_and_nothing_is_fetched() -> None:
    pair, config = ends()
    hashed = IKEv2_CERT(cert_encoding=12, cert_data=bytes(20) + b"http://192.0.2.9/alice.der")
    with_certs(pair, lambda certs: [hashed])
    pair.connect(config)
    refused(pair, "bob", "authentication", "found a hash and a URL: we look nothing up")


@pytest.mark.requirements("4945-3.3.10.1-01", negative=True)
def test_encodings_that_we_do_not_know_are_ignored_and_said() -> None:
    pair, config = ends()
    with_certs(pair, lambda certs: [IKEv2_CERT(cert_encoding=9, cert_data=b"?"), *certs])
    assert pair.connect(config).established
    (accepted,) = pair.of("bob", PeerCertificateAccepted)
    assert any(note.startswith("left out: a CERT payload of encoding SPKI") for note in accepted.notes)


def test_the_number_of_cert_payloads_has_a_ceiling() -> None:
    pair, config = ends(fragmentation=True, fragment_size=60000)
    junk = [IKEv2_CERT(cert_encoding=int(X509), cert_data=bytes(10)) for _ in range(150)]
    with_certs(pair, lambda certs: [certs[0], *junk, *certs[1:]])
    pair.connect(config)
    (event,) = pair.of("bob", PeerCertificateRefused)
    assert event.code == "certificate.unknown-authority"
    assert event.notes == ("left out: CERT payloads from number 101 on: we read 100 at most",)


@pytest.mark.requirements("4945-3.3.10.2-01", negative=True)
@pytest.mark.parametrize("octets", [b"", b"0", b"\x30\x82\xff\xff", bytes(300)])
def test_what_is_no_certificate(octets: bytes) -> None:
    pair, config = ends()
    with_certs(pair, lambda certs: [IKEv2_CERT(cert_encoding=int(X509), cert_data=octets), *certs])
    pair.connect(config)
    refused(pair, "bob", "certificate.malformed", "")


# Identities


@pytest.mark.requirements("4945-3.1-01", "4945-3.1.8-01", "4945-3.1.1-05")
def test_the_identity_comes_from_the_certificate() -> None:
    made = middle().issue("C=CH, O=fynx, CN=gateway", ["gw.example", "192.0.2.2", "admin@gw.example"])
    auth = Certificate(made.cert, made.key, made.chain)
    config = IkeConfig(auth=auth, trust=trust())
    assert str(config.local_id) == "gw.example"
    for wanted in ("gw.example", "192.0.2.2", "admin@gw.example"):
        pair = Pair(bob(local_id=None, auth=auth, trust=trust()))
        sa = pair.connect(alice(auth=own("alice"), trust=trust(), remote_id=wanted))
        assert sa.established
        assert str(sa.remote_id) == wanted
    assert str(config.replace(auth=own("alice")).local_id) == "alice"


@pytest.mark.requirements("4945-3.1-10", "4945-3.1.5-01", "4945-3.1.5-02", "4945-3.1.5-03")
def test_a_distinguished_name_is_an_identity() -> None:
    """RFC 4945 section 3.1.5: in the octets of the certificate; we also take the same name in another encoding."""
    made = middle().issue("C=CH, O=fynx, CN=Gateway", [])
    auth = Certificate(made.cert, made.key, made.chain)
    pair = Pair(bob(local_id="C=CH, O=fynx, CN=Gateway", auth=auth, trust=trust()))
    sa = pair.connect(alice(auth=own("alice"), trust=trust(), remote_id="C=CH, O=fynx, CN=gateway"))
    assert sa.established
    assert str(sa.remote_id) == "C=CH, O=fynx, CN=Gateway"
    assert sa.remote_id is not None
    assert sa.remote_id.data == made.cert.subject.public_bytes()
    assert str(IkeConfig(auth=auth, trust=trust()).local_id) == "C=CH, O=fynx, CN=Gateway"
    pair.connect(alice(auth=own("alice"), trust=trust(), remote_id="C=CH, O=fynx, CN=other"))
    assert "no configuration for IDi alice and IDr C=CH, O=fynx, CN=other" in pair.of("bob", IkeSaFailed)[-1].reason


# Other encodings, other sources


@pytest.mark.requirements("4945-3.3.4-02")
def test_certificates_in_pkcs_7() -> None:
    """RFC 4945 section 3.3.4: with a whole hierarchy in one payload."""
    pair, config = ends()
    bag = pkcs7.serialize_certificates([issued("alice").cert, middle().cert], Encoding.DER)
    with_certs(pair, lambda certs: [IKEv2_CERT(cert_encoding=1, cert_data=bag)])
    assert pair.connect(config).established
    pair, config = ends()
    with_certs(pair, lambda certs: [IKEv2_CERT(cert_encoding=1, cert_data=b"none"), *certs])
    assert pair.connect(config).established
    assert any("left out" in note for note in pair.of("bob", PeerCertificateAccepted)[0].notes)


def test_a_private_key_in_the_place_of_pkcs_7_is_not_looked_into() -> None:
    """To check whether its factors are primes takes minutes, and a message has room for several."""
    private = issued("alice").key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pair, config = ends()
    with_certs(pair, lambda certs: [*certs, IKEv2_CERT(cert_encoding=1, cert_data=private)])
    assert pair.connect(config).established
    (note,) = [note for note in pair.of("bob", PeerCertificateAccepted)[0].notes if "PKCS #7" in note]
    assert note == f"left out: expected PKCS #7 in DER, found {len(private)} octets that are something else"


def test_a_hash_of_a_certificate_that_we_know_is_understood() -> None:
    known = Certificates(known=[issued("alice").cert, middle().cert])
    pair = Pair(bob(auth=own("bob"), trust=trust(), remote_auth=known))
    hashed = sha1(issued("alice").der, usedforsecurity=False).digest() + b"http://192.0.2.9/alice.der"
    with_certs(pair, lambda certs: [IKEv2_CERT(cert_encoding=12, cert_data=hashed)])
    assert pair.connect(alice(auth=own("alice"), trust=trust())).established


@pytest.mark.requirements("4945-3.1.1-12", "4945-3.1.1-16", "4945-3.1.1-20", negative=True)
@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.77"])
def test_an_address_may_have_to_be_the_one_that_the_peer_sends_from(address: str) -> None:
    """RFC 4945 section 3.1.1; RFC 7296 section 3.5 does not want it, so it is off by default."""
    made = middle().issue("CN=alice", [address])
    ours = alice(auth=Certificate(made.cert, made.key, made.chain), local_id=address, trust=trust())
    theirs = bob(auth=own("bob"), remote_id=address, trust=trust())
    assert Pair(theirs).connect(ours).established
    pair = Pair(theirs.replace(remote_auth=Certificates(match_address=True)))
    assert pair.connect(ours).established == (address == "192.0.2.1")
    assert [event.code for event in pair.of("bob", PeerCertificateRefused)] == (
        [] if address == "192.0.2.1" else ["certificate.identity"]
    )


def test_certificate_and_key_from_files(tmp_path: Path) -> None:
    made = issued("alice")
    (tmp_path / "alice.pem").write_bytes(made.pem + b"".join(each.pem for each in (middle(),)))
    (tmp_path / "alice.key").write_bytes(made.key_pem("word"))
    (tmp_path / "alice.p12").write_bytes(made.pkcs12("word"))
    (tmp_path / "ca.pem").write_bytes(root().pem)
    read = Certificate(tmp_path / "alice.pem", str(tmp_path / "alice.key"), passphrase="word")
    assert (read.certificate, read.chain) == (made.cert, made.chain)
    boxed = Certificate.from_pkcs12(tmp_path / "alice.p12", "word")
    assert boxed.certificate == made.cert
    assert Certificate((tmp_path / "alice.p12").read_bytes(), passphrase="word") == boxed
    (tmp_path / "both").write_bytes(made.pem + made.key_pem("word"))
    assert Certificate(tmp_path / "both", chain=middle().cert, passphrase="word") == read
    with pytest.raises(ConfigError, match="expected the private key of CN=alice,C=CH, found none"):
        Certificate(made.cert)
    pair = Pair(bob(auth=own("bob"), trust=str(tmp_path / "ca.pem")))
    assert pair.connect(alice(auth=read, trust=tmp_path / "ca.pem")).established
    with pytest.raises(ConfigError, match=r"alice\.key.*encrypted"):
        Certificate(tmp_path / "alice.pem", tmp_path / "alice.key")
    with pytest.raises(ConfigError, match=r"alice\.pem.*carol|carol.*alice\.pem|local_id") as caught:
        alice(auth=read, local_id="carol", trust=tmp_path / "ca.pem")
    assert "alice.pem" in str(caught.value)


# Mixed, and configuration


@pytest.mark.requirements("7296-2.15-i04", "7296-4-13")
def test_a_responder_with_a_certificate_and_an_initiator_with_a_key() -> None:
    """Section 4: it MUST be possible."""
    pair = Pair(bob(auth=own("bob"), remote_auth=Psk("secret")))
    sa = pair.connect(alice(auth=Psk("secret"), trust=trust()))
    assert sa.established
    assert sa.peer_certificate == issued("bob").cert
    assert pair.bobs.peer_certificate is None
    assert len(payloads(pair, IKEv2_CERTREQ)) == 1


def test_mistakes_are_found_before_anything_is_sent() -> None:
    made, other = issued("alice"), issued("bob")
    late = middle().issue("CN=alice", ["alice"], expired=True)
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: Certificate(made.cert, other.key), "key"),
        (lambda: IkeConfig(auth=own("alice"), trust=trust(), local_id="carol"),
         r"local_id to be an identity in the certificate .* \(alice"),
        (lambda: IkeConfig(auth=Certificate(late.cert, late.key, late.chain), trust=trust()), "to be valid at"),
        (lambda: IkeConfig(auth=Certificate(made.cert, made.key, root().cert), trust=trust()), "to hold the issuer"),
        (lambda: IkeConfig(auth=own("alice")), "expected IkeConfig.trust beside a Certificate"),
        (lambda: IkeConfig(auth="key", remote_auth=Certificates()), "expected IkeConfig.trust beside Certificates"),
        (lambda: IkeConfig(auth=[own("alice"), "key"], trust=trust()), "expected Certificates alone"),  # type: ignore[list-item]
        (lambda: own("alice", schemes="ecdsa-sha257"), "did you mean 'ecdsa-sha256'"),
        (lambda: own("alice", schemes="ed25519"), "expected a signature scheme for a key of kind P-256"),
        (lambda: IkeConfig(auth=own("alice"), trust=trust(), send_certificates="often"), "send_certificates"),
    ]  # fmt: skip
    for make, words in cases:
        with pytest.raises(ConfigError, match=words):
            make()


def test_no_key_is_shown() -> None:
    pair, config = ends()
    sa = pair.connect(config)
    shown = " ".join(map(repr, pair.network.events)) + repr(config) + repr(sa) + repr(sa.peer_proof) + repr(config.auth)
    for secret in (issued("alice").key_pem().decode().splitlines()[1], "private_key", "PrivateKey"):
        assert secret not in shown


def test_what_cannot_be_trusted_is_named() -> None:
    """A credential of ours is no trusted certificate, though its class has the same name."""
    wrong: Any = own("bob")
    with pytest.raises(ConfigError, match=r"expected Trust.anchors\[0\] to be a certificate, .* found a Certificate$"):
        Trust(wrong)
