# SPDX-License-Identifier: GPL-2.0-or-later
"""Which CERT and CERTREQ payloads we send, and which of a peer's we take (RFC 4945 sections 3 and 4, RFC 7296 3.7)."""

from __future__ import annotations

from functools import cache

import pytest

from fynx_scapy import Certificate, Certificates, ChildConfig, IkeConfig, Null, Psk, Trust
from fynx_scapy.crypto.signing import SCHEMES
from fynx_scapy.iana import CertEncoding, IdType, NotifyType
from fynx_scapy.ike.auth.methods import Covered
from fynx_scapy.ike.auth.wishes import Announcement
from fynx_scapy.ike.events import IkeSaEstablished, IkeSaFailed, MessageReceived, MessageSent
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_CERT, IKEv2_CERTREQ, IKEv2_IDi
from fynx_scapy.pki.authorities import authority_hash
from fynx_scapy.pki.making import Authority, Issued
from tests.ike.pair import Pair, alice, bob
from tests.ike.test_certificates import ends, issued, middle, own, payloads, root, rsa, trust, with_certs

X509 = int(CertEncoding.X_509_Certificate_Signature)


@cache
def other() -> Authority:
    return Authority.root("CN=another root", seed="another root")


# What we send


@pytest.mark.requirements(
    "7296-3.7-02", "4945-3.2.3-01", "4945-3.2.7.1-01", "4945-3.2.7.2-01", "4945-3.2.9.1-01", "4945-3.3.4-01",
    "4945-3.3.11.1-01", "4945-4.3.2-01", "4806-4.1-i01",
)  # fmt: skip
def test_each_request_comes_once_and_names_every_authority() -> None:
    both = Trust([root().cert, other().cert], revocation="required", crls=[root().crl(), middle().crl()])
    pair = Pair(bob(auth=own("bob"), trust=both))
    assert pair.connect(alice(auth=own("alice"), trust=both)).established
    for who, at in (("bob", 0), ("alice", 1)):
        requests = [
            (at, each.cert_encoding, bytes(each.cert_authority))
            for at, event in enumerate(pair.of(who, MessageSent))
            for each in event.payloads
            if isinstance(each, IKEv2_CERTREQ)
        ]
        hashes = b"".join(authority_hash(each.cert) for each in (root(), other()))
        assert requests == [(at, X509, hashes), (at, int(CertEncoding.OCSP_Content), b"")]
        init, auth = pair.of(who, MessageSent)[:2]
        assert not [each for each in init.payloads if isinstance(each, IKEv2_CERT)]
        sent = [(each.cert_encoding, bytes(each.cert_data)) for each in auth.payloads if isinstance(each, IKEv2_CERT)]
        assert sent == [(X509, issued(who).der), (X509, middle().der)]


@pytest.mark.requirements("4945-3.3.3-01")
def test_a_crl_is_not_sent_unless_it_was_asked_for() -> None:
    pair, config = ends(own("alice", crls=middle().crl()))
    assert pair.connect(config).established
    assert {each.cert_encoding for each in payloads(pair, IKEv2_CERT)} == {X509}


@pytest.mark.requirements("4945-3.3.9-01")
def test_one_of_several_certificates_is_sent() -> None:
    made = other().issue("CN=alice", ["alice"])
    pair = Pair(bob(auth=own("bob"), trust=Trust(other().cert)))
    both = [own("alice"), Certificate(made.cert, made.key)]
    assert pair.connect(alice(auth=both, trust=Trust([root().cert, other().cert]))).established
    sent = [each for each in pair.of("alice", MessageSent)[1].payloads if isinstance(each, IKEv2_CERT)]
    assert [bytes(each.cert_data) for each in sent] == [made.der]


@pytest.mark.requirements("4945-3.2.6-02", "4945-3.2.4-01")
def test_who_asks_for_no_certificate_does_not_expect_one() -> None:
    known = Certificates(known=[issued("alice").cert, middle().cert])
    pair = Pair(bob(auth=own("bob"), trust=trust(), certificate_requests=False, remote_auth=known))
    assert pair.connect(alice(auth=own("alice"), trust=trust())).established
    assert not [each for each in pair.of("alice", MessageSent)[1].payloads if isinstance(each, IKEv2_CERT)]


# What we take


@pytest.mark.requirements("4945-3.2.8.1-01", "4945-3.2.8.2-01", "4945-3.2.8.3-01", "7296-3.7-i01", negative=True)
@pytest.mark.parametrize("requests", [
    [(199, b"?")], [(4, bytes(33))], [(4, b"")], [(13, bytes(20)), (4, bytes(20))], [(4, bytes(20)), (199, b"")],
])  # fmt: skip
def test_odd_requests_change_nothing(requests: list[tuple[int, bytes]]) -> None:
    """They come before the good one, and behind it."""
    pair, config = ends()

    def more(message: Outgoing) -> None:
        good = [each for each in message.payloads if isinstance(each, IKEv2_CERTREQ)]
        odd = [IKEv2_CERTREQ(cert_encoding=kind, cert_authority=data) for kind, data in requests]
        rest = [each for each in message.payloads if not isinstance(each, IKEv2_CERTREQ)]
        message.payloads[:] = [*rest, *odd, *good, *odd]

    pair.bob.taps.add("payloads", more, when=lambda message: not message.encrypted)
    assert pair.connect(config).established
    assert len([each for each in payloads(pair, IKEv2_CERT) if each.cert_encoding == X509]) == 4


def three() -> tuple[Issued, list[bytes]]:
    """A certificate below three intermediates, and these."""
    chain = [middle()]
    for name in ("second", "third"):
        chain.append(chain[-1].intermediate(f"CN={name}", seed=name))
    return chain[-1].issue("CN=alice", ["alice"]), [each.der for each in reversed(chain)]


def cert(octets: bytes, kind: int = X509) -> IKEv2_CERT:
    return IKEv2_CERT(cert_encoding=kind, cert_data=octets)


@pytest.mark.requirements("7296-3.6-01", "4945-3.3.10.3-01", "4945-4.3.3-01")
def test_four_certificates_with_the_intermediates_in_any_order() -> None:
    made, above = three()
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        pair, config = ends(Certificate(made.cert, made.key, above))
        with_certs(pair, lambda certs, order=order: [certs[0], *(certs[1 + at] for at in order)])  # type: ignore[misc]
        assert pair.connect(config).established
        assert len([each for each in pair.of("bob", MessageReceived)[1].payloads if isinstance(each, IKEv2_CERT)]) == 4


@pytest.mark.requirements("4945-3.3.10.1-01", "4945-3.3.10.2-01", "4945-3.3.10.4-01", "4945-3.3.10.5-01", negative=True)
@pytest.mark.parametrize("what", ["twice", "of others", "unknown", "broken", "a broken CRL"])
def test_what_is_behind_the_first_certificate_does_no_harm(what: str) -> None:
    stranger = other().issue("CN=mallory", ["mallory"])
    more = {
        "twice": [cert(issued("alice").der), cert(middle().der)],
        "of others": [cert(stranger.der), cert(other().der), cert(other().crl([stranger]), 7)],
        "unknown": [cert(b"?", 199), cert(b"", 11)],
        "broken": [cert(issued("alice").der[:-7]), cert(b"")],
        "a broken CRL": [cert(b"0\x03\x02\x01\x01", 7), cert(b"?", 14)],
    }[what]
    pair, config = ends()
    with_certs(pair, lambda certs: [*certs, *more])
    assert pair.connect(config).established


@pytest.mark.requirements("4945-4.1-02")
def test_a_responder_may_have_an_identity_of_another_type() -> None:
    made = middle().issue("CN=gateway", ["gw.example", "192.0.2.2"])
    theirs = bob(local_id="192.0.2.2", auth=Certificate(made.cert, made.key, made.chain), trust=trust())
    sa = Pair(theirs).connect(alice(auth=own("alice"), trust=trust(), remote_id=None))
    assert sa.established
    assert sa.remote_id is not None
    assert sa.remote_id.type == IdType.ID_IPV4_ADDR


@pytest.mark.requirements("9593-3.2.2-01", negative=True)
def test_a_link_to_an_authority_that_was_not_named_is_none() -> None:
    pair = Pair(bob(auth=own("bob"), trust=trust(), certificate_requests=False, remote_auth=Certificates(
        known=[issued("alice").cert, middle().cert],
    )))  # fmt: skip

    def linked(message: Outgoing) -> None:
        note = message.notify(NotifyType.SUPPORTED_AUTH_METHODS)
        assert note is not None
        note.notify = Announcement(14, 3, SCHEMES["ecdsa-sha512"].identifier).octets()

    pair.bob.taps.add("payloads", linked, when=lambda message: not message.encrypted)
    assert pair.connect(alice(auth=own("alice"), trust=trust())).established
    assert pair.of("bob", IkeSaEstablished)[0].proof == "certificate, ECDSA SHA-512"


# Identities and policies


@pytest.mark.requirements("4945-3.1.10-01")
def test_each_identity_has_its_own_policy() -> None:
    for name, selector in (("alice", "10.1.0.0/24"), ("carol", "10.3.0.0/24")):
        configs = [
            bob(remote_id=who, auth=own("bob"), trust=trust(), children=ChildConfig(
                local_ts="10.2.0.0/24", remote_ts=where,
            ))
            for who, where in (("carol", "10.3.0.0/24"), ("alice", "10.1.0.0/24"))
        ]  # fmt: skip
        pair = Pair(*configs)
        child = ChildConfig(local_ts="10.0.0.0/8", remote_ts="10.2.0.0/24")
        sa = pair.connect(alice(local_id=name, auth=own(name), trust=trust(), children=child))
        assert [str(ts) for ts in next(iter(sa.children.values())).local_ts] == [selector]


@pytest.mark.requirements("7296-4-13")
@pytest.mark.parametrize("identity", ["alice.example", "alice@b.example", "keyid:00ff", "CN=alice"])
@pytest.mark.parametrize("bits", [1024, 2048])
def test_what_every_implementation_can_be_configured_to_accept(bits: int, identity: str) -> None:
    """Certificates with RSA keys of 1024 and 2048 bits, and each type of identity."""
    names = [] if "=" in identity or "keyid" in identity else [identity]
    made = middle().issue("CN=alice", names, rsa() if bits == 2048 else "rsa-1024", seed="rsa")
    config = alice(local_id=identity, auth=Certificate(made.cert, made.key, made.chain, check=False), trust=trust())
    theirs = bob(remote_id=identity, auth=Psk("key"), remote_auth=Certificates(), trust=trust(minimum_rsa_bits=1024))
    pair = Pair(theirs)
    assert pair.connect(config.replace(remote_auth=Psk("key"))).established, pair.of("bob", IkeSaFailed)


# Nobody (RFC 7619)


@pytest.mark.requirements("7619-2.1-i02", "7619-2.1-i03", "7619-2.2-01", "7619-2.2-02", "7619-2.2-i01")
def test_null_authentication_in_octets() -> None:
    pair = Pair(bob(auth=Null(), remote_id=None))
    sa = pair.connect(IkeConfig(auth=Null(), remote=alice().remote))
    assert sa.established
    auth, identity = pair.of("alice", MessageSent)[1].payloads, b"\x0d\0\0\0"
    assert [each.octets()[4:] for each in auth if isinstance(each, IKEv2_IDi)] == [identity]
    (proof,) = (each for each in auth if isinstance(each, IKEv2_AUTH))
    covered = Covered(sa.suite.prf_function(), sa.init_sent, sa.nonce_r, sa.keys.sk_pi, identity)
    assert proof.octets()[4:] == b"\x0d\0\0\0" + covered.shared_key(sa.keys.sk_pi)


@pytest.mark.requirements("7619-2.2-03", "7619-2.4-01", "7619-3.3-01", negative=True)
def test_nobody_gets_what_is_for_somebody() -> None:
    """A peer that proves nothing claims the identity of Alice, and asks for what is hers."""
    mine = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24")
    open_to_all = ChildConfig(local_ts="10.9.0.0/24", remote_ts="10.1.0.0/24")
    pair = Pair(
        bob(children=mine),
        bob(auth=Psk("secret"), remote_auth=Null(), remote_id=None, children=open_to_all),
    )
    sa = pair.connect(alice(auth=Null(), remote_auth=Psk("secret"), local_id="alice", children=mine))
    assert sa.established
    assert not sa.children
    wide = ChildConfig(local_ts="10.1.0.0/24", remote_ts="10.0.0.0/8")
    sa = pair.connect(alice(auth=Null(), remote_auth=Psk("secret"), local_id="alice", children=wide))
    assert [str(ts) for ts in next(iter(sa.children.values())).remote_ts] == ["10.9.0.0/24"]
