# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw public keys (RFC 7670), SUPPORTED_AUTH_METHODS (RFC 9593), OCSP and CRLs in CERT (RFC 4806)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import Certificate, Certificates, RawKey, RawKeys, Trust
from fynx_scapy.crypto.signing import SCHEMES, describe
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import CertEncoding, NotifyType
from fynx_scapy.ike.auth.wishes import (
    MOST_AUTHORITIES,
    MOST_HASHES,
    MOST_METHODS,
    Announcement,
    Wishes,
    read_announcements,
)
from fynx_scapy.ike.events import IkeSaFailed, MessageSent, PeerCertificateAccepted, PeerCertificateRefused
from fynx_scapy.ike.message import Outgoing, notify
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_CERT, IKEv2_CERTREQ, IKEv2_Notify
from fynx_scapy.pki.making import Authority, Issued, make_key
from tests.ike.pair import Pair, alice, bob


@cache
def root() -> Authority:
    return Authority.root(seed="root")


@cache
def issued(name: str) -> Issued:
    return root().issue(f"CN={name}", [name])


@cache
def key(name: str) -> Any:
    return make_key("ed25519")


def own(name: str, **fields: Any) -> Certificate:
    return Certificate(issued(name).cert, issued(name).key, **fields)


def sent(pair: Pair, who: str, kind: Any) -> list[Any]:
    return [payload for event in pair.of(who, MessageSent) for payload in event.payloads if isinstance(payload, kind)]


# Raw public keys


def raw(name: str, *known: str, **fields: Any) -> dict[str, Any]:
    return {"auth": RawKey(key(name)), "remote_auth": RawKeys(*(key(each).public_key() for each in known)), **fields}


@pytest.mark.requirements("4945-6.3-01")
@pytest.mark.parametrize("sending", ["asked", "always", "never"])
def test_raw_public_keys_prove_both_ends(sending: str) -> None:
    pair = Pair(bob(**raw("bob", "carol", "alice", send_certificates=sending)))
    sa = pair.connect(alice(**raw("alice", "bob", send_certificates=sending)))
    # <--  …, CERTREQ(15)   HDR, SK {IDi, CERT(15), CERTREQ(15), IDr, AUTH, …}  -->
    # <--  HDR, SK {IDr, CERT(15), AUTH, …}
    assert sa.established
    certs = sent(pair, "alice", IKEv2_CERT)
    assert [each.cert_encoding for each in certs] == ([15] if sending != "never" else [])
    assert [(each.cert_encoding, each.authorities) for each in sent(pair, "bob", IKEv2_CERTREQ)] == [(15, [])]
    proof = pair.bobs.peer_proof
    assert proof is not None
    assert (proof.by, proof.key) == ("raw public key, Ed25519", RawKey(key("alice")).public)


@pytest.mark.parametrize("sending", ["asked", "never"])
@pytest.mark.parametrize("liar", ["alice", "bob"])
def test_a_key_that_is_not_known_is_refused(liar: str, sending: str) -> None:
    theirs, ours = ("bob", "carol") if liar == "alice" else ("carol", "alice")
    pair = Pair(bob(**raw(theirs, "alice", send_certificates=sending)))
    sa = pair.connect(alice(**raw(ours, "bob", send_certificates=sending)))
    assert not sa.established
    judge = {"alice": "bob", "bob": "alice"}[liar]
    words = f"expected a public key that we know of {liar}" if sending == "asked" else "does not verify"
    assert words in pair.of(judge, IkeSaFailed)[0].reason
    assert repr(key(ours)) not in repr(raw(ours, "bob"))


# SIGNATURE_HASH_ALGORITHMS


def test_each_announced_hash_counts_once_and_there_is_a_ceiling() -> None:
    wishes = Wishes(Pair().connect())
    wishes.read_hashes(b"\x12\x34" * 3000 + b"\0\2\0\4\0")
    assert wishes.hashes == (0x1234, 2, 4)
    wishes.read_hashes(b"".join(number.to_bytes(2) for number in range(1000)))
    assert wishes.hashes == tuple(range(MOST_HASHES))


# SUPPORTED_AUTH_METHODS


def announced(pair: Pair, who: str) -> list[list[Announcement]]:
    kind = NotifyType.SUPPORTED_AUTH_METHODS
    notifies = [payload for payload in sent(pair, who, IKEv2_Notify) if payload.type == kind]
    return [read_announcements(bytes(each.notify)) for each in notifies]


def test_what_is_accepted_is_announced_and_chooses_the_scheme() -> None:
    """RFC 9593 section 3.1: in the answer to IKE_SA_INIT, and in the IKE_AUTH request."""
    only = Certificates(schemes=("ecdsa-sha512", "ecdsa-sha384"))
    pair = Pair(bob(auth=own("bob"), trust=Trust(root().cert), remote_auth=only))
    sa = pair.connect(alice(auth=own("alice"), trust=Trust(root().cert)))
    assert sa.established
    (theirs,), (ours,) = announced(pair, "bob"), announced(pair, "alice")
    names = ["ecdsa-sha512", "ecdsa-sha384"]
    assert [each.algorithm for each in theirs] == [SCHEMES[name].identifier for name in names]
    assert {each.method for each in ours} == {14}
    assert len(ours) > 10
    (auth,) = sent(pair, "alice", IKEv2_AUTH)
    assert describe(14, bytes(auth.load)).scheme in names  # without the announcement it is ecdsa-sha256


@pytest.mark.requirements("9593-3.2-01", negative=True)
def test_an_announcement_that_leaves_nothing_is_advice_alone() -> None:
    pair = Pair(bob(auth=own("bob"), trust=Trust(root().cert)))

    def only_rsa(message: Outgoing) -> None:
        note = message.notify(NotifyType.SUPPORTED_AUTH_METHODS)
        assert note is not None
        note.notify = Announcement(14, 0, SCHEMES["rsa-pss-sha256"].identifier).octets()

    pair.bob.taps.add("payloads", only_rsa, when=lambda message: not message.encrypted)
    assert pair.connect(alice(auth=own("alice"), trust=Trust(root().cert))).established


def test_it_is_not_announced_with_keys_alone_nor_when_it_is_switched_off() -> None:
    pair = Pair()
    pair.connect()
    assert announced(pair, "bob") == announced(pair, "alice") == []
    pair = Pair(bob(auth=own("bob"), trust=Trust(root().cert), supported_auth_methods=False))
    assert pair.connect(alice(auth=own("alice"), trust=Trust(root().cert))).established
    assert announced(pair, "bob") == []


ANNOUNCEMENTS = st.one_of(
    st.sampled_from([Announcement(2), Announcement(13)]),
    st.builds(Announcement, st.sampled_from([1, 3, 9, 10, 11]), st.integers(0, 255), st.just(b"")),
    st.builds(Announcement, st.just(14), st.integers(0, 255), st.binary(min_size=1, max_size=200)),
)


@given(st.lists(ANNOUNCEMENTS, max_size=20))
def test_announcements_are_read_as_they_are_written(found: list[Announcement]) -> None:
    assert read_announcements(b"".join(each.octets() for each in found)) == found


@given(st.binary(max_size=300))
def test_any_octets_may_be_announced(octets: bytes) -> None:
    assert len(read_announcements(octets)) <= MOST_METHODS


@pytest.mark.requirements("9593-3.2-01", negative=True)
def test_the_octets_of_the_formats() -> None:
    """Section 3.2.1 to 3.2.3."""
    octets = bytes.fromhex("0202 030900 0e0e02") + bytes.fromhex("300906072a8648ce3d0401")
    assert read_announcements(octets) == [Announcement(2), Announcement(9), Announcement(14, 2, octets[8:])]
    # Nothing is learnt from what cannot be read, nor of method 14 without an algorithm.
    assert read_announcements(bytes.fromhex("030e00 0202 ff09")) == [Announcement(2)]
    assert read_announcements(bytes(4)) == []


# OCSP and CRLs


@pytest.mark.requirements("4806-3.1-i01", "4806-3.2-i01", "4806-4.2-01", "4806-4.2-i01", "4806-4.2-02")
def test_an_ocsp_response_is_asked_for_and_sent() -> None:
    """RFC 4806 section 3."""
    good = root().ocsp(issued("alice"))
    wanted = Trust(root().cert, revocation="required", ocsp=root().ocsp(issued("bob")))
    pair = Pair(bob(auth=own("bob"), trust=wanted))
    sa = pair.connect(alice(auth=own("alice", ocsp=good), trust=Trust(root().cert)))
    assert sa.established, pair.of("bob", PeerCertificateRefused)
    assert [each.cert_encoding for each in sent(pair, "bob", IKEv2_CERTREQ)] == [4, 14]
    assert [each.cert_encoding for each in sent(pair, "alice", IKEv2_CERT)] == [4, 14]
    assert any("OCSP" in note for note in pair.of("bob", PeerCertificateAccepted)[0].notes)


@pytest.mark.requirements("4806-4.1-03", negative=True)
@pytest.mark.parametrize(("status", "code"), [("revoked", "certificate.revoked"), ("unknown", None), (None, None)])
def test_without_a_good_ocsp_response_it_is_refused(status: str | None, code: str | None) -> None:
    response = root().ocsp(issued("alice"), status) if status else b""
    pair = Pair(bob(auth=own("bob"), trust=Trust(root().cert, revocation="required")))
    pair.connect(alice(auth=own("alice", ocsp=response), trust=Trust(root().cert)))
    (refused,) = pair.of("bob", PeerCertificateRefused)
    assert refused.code == (code or "certificate.revocation-unknown")


def test_a_crl_of_the_peer_counts() -> None:
    """Section 3.6 of RFC 7296: encoding 7. It is sent to who asks for it; an attacker would not send it."""
    crl = root().crl([issued("alice")])

    def ask(message: Outgoing) -> None:
        request = IKEv2_CERTREQ(cert_encoding=int(CertEncoding.Certificate_Revocation_List_CRL))
        message.payloads.append(request)

    pair = Pair(bob(auth=own("bob"), trust=Trust(root().cert)))
    pair.bob.taps.add("payloads", ask, when=lambda message: not message.encrypted)
    pair.connect(alice(auth=own("alice", crls=crl), trust=Trust(root().cert)))
    assert [each.cert_encoding for each in sent(pair, "alice", IKEv2_CERT)] == [4, 7]
    assert pair.of("bob", PeerCertificateRefused)[0].code == "certificate.revoked"


# Bad input


def test_keys_that_cannot_be_used_are_named() -> None:
    with pytest.raises(ConfigError, match="expected 1 to 4096 public keys"):
        RawKeys()
    with pytest.raises(ConfigError, match="RawKey, which cannot verify the peer"):
        alice(auth=RawKey(key("alice")))
    with pytest.raises(ConfigError):
        RawKeys(b"no key")


def test_many_certificate_requests_are_read_up_to_a_ceiling() -> None:
    pair = Pair(bob(auth=own("bob"), trust=Trust(root().cert)))

    def many(message: Outgoing) -> None:
        message.payloads += [IKEv2_CERTREQ(cert_authority=bytes([n]) * 2019) for n in range(20)]
        message.payloads.append(notify(NotifyType.SUPPORTED_AUTH_METHODS, bytes.fromhex("0202") * 500))

    pair.alice.taps.add("payloads", many, when=lambda message: message.encrypted)
    sa = pair.connect(alice(auth=own("alice"), trust=Trust(root().cert), fragment_size=60000))
    assert sa.established
    wishes = pair.bobs.of(Wishes)
    assert (len(wishes.authorities), len(wishes.methods)) == (MOST_AUTHORITIES, MOST_METHODS)
