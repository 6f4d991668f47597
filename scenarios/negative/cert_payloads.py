# SPDX-License-Identifier: GPL-2.0-or-later
"""CERT and CERTREQ payloads (RFC 7296 sections 3.6 and 3.7), and the identities beside them (RFC 4945 section 3.1)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fynx_scapy import Certificate, Certificates, RawKey, RawKeys
from fynx_scapy.harness.cases import Case, alive, authority, cases, deletes, taken
from fynx_scapy.harness.verbs import (
    Mutation,
    Scene,
    drop,
    duplicate,
    empty_payload,
    insert,
    insert_many,
    set_field,
    signed,
)
from fynx_scapy.layers.ikev2 import IKEv2_CERT, IKEv2_CERTREQ
from fynx_scapy.scenarios.negative.signatures import FAILED, FINE, NOT_TAKEN, at_both, certificate, config, ends
from fynx_scapy.taps import Outgoing

X509, PKCS7, PGP, DNS_KEY, KERBEROS, SPKI, ATTRIBUTES, RAW_RSA, HASHED, BUNDLE, RAW_KEY = (
    4,
    1,
    2,
    3,
    6,
    9,
    10,
    11,
    12,
    13,
    15,
)
FIRST, REFUSED, KNOWN, IGNORED = ("7296-1.2-01", "7296-3.6-03"), ("7296-2.21.2-01",), ("7296-2.15-01",), ("7296-4-02",)
CERTS = "RFC 7296 section 3.6"
ASKED, SYNTAX = ("7296-3.7-i01",), ("7296-3.10.1-04",)
EITHER = FINE | NOT_TAKEN
TAKEN = taken() & alive()
TAKEN_OR_NOT = TAKEN | deletes()
TINY = IKEv2_CERT(cert_encoding=X509, cert_data=b"\x30\x02\5\0")
URL = bytes(20) + b"http://192.0.2.9/a"


def cert(what: str, make: Callable[[], bytes], *, encoding: int = X509, at: int = 2) -> Mutation:
    """Add a CERT payload, by default behind our certificate. ``make`` gives its octets when the case is played."""

    def act(_: Scene, message: Outgoing) -> None:
        message.payloads.insert(at, IKEv2_CERT(cert_encoding=encoding, cert_data=make()))

    return Mutation(f"add a CERT payload with {what}", "payloads", act)


def issued(name: str, key: Any = "ecdsa-p256", **changes: Any) -> Any:
    """A certificate and its key, which may be unfit."""
    return authority("negative").issue(f"C=CH, CN={name}", [name], key, seed=name, **changes)


def _sent(make: Callable[[], Certificate], **peer: Any) -> Callable[[], Mapping[str, Any]]:
    """What we send as our certificate; the peer has a good one."""

    @functools.cache
    def both() -> Mapping[str, Any]:
        return {"config": config(make()), "peer": {"auth": certificate("bob")} | peer}

    return both


def _other_first(name: str, serial: str) -> Callable[[], Certificate]:
    """Another certificate before ours."""

    def make() -> Certificate:
        ours, other = issued("alice"), certificate(name, serial=serial)
        return Certificate(other.octets, ours.key, ours.der, check=False)

    return make


def _other_behind() -> Certificate:
    ours = issued("alice")
    return Certificate(ours.der, ours.key, issued("mallory").der, check=False)


def _for_key_agreement() -> Certificate:
    """A certificate whose key cannot sign; another key has signed AUTH."""
    made = issued("alice", X25519PrivateKey.from_private_bytes(bytes(range(32))))
    return Certificate(made.der, issued("alice").key, check=False)


def _big() -> Certificate:
    made = issued("alice", big=True)
    return Certificate(made.der, made.key)


@functools.cache
def _known() -> Mapping[str, Any]:
    """The peer has our certificate, and we send none."""
    ours = certificate("alice")
    peer = {"auth": certificate("bob"), "send_certificates": "asked", "remote_auth": Certificates(known=ours.octets)}
    return {"config": config(ours, send_certificates="never"), "peer": peer}


@functools.cache
def _raw() -> Mapping[str, Any]:
    """Both ends know each other's public keys, and send their own."""
    alice, bob = issued("alice").key, issued("bob").key
    ours = config(RawKey(alice), remote_auth=RawKeys(bob.public_key()), trust=None, send_certificates="always")
    return {"config": ours, "peer": {"auth": RawKey(bob), "remote_auth": RawKeys(alice.public_key())}}


GOOD, ANYBODY = ends(), ends(peer={"remote_id": None})


def _garbled(how: str) -> Mutation:
    return drop("CERT") + cert(f"a certificate: {how}", lambda: issued("alice", garbled=how).der, at=1)


def _instead(encoding: int, data: bytes) -> Mutation:
    return drop("CERT") + insert(IKEv2_CERT(cert_encoding=encoding, cert_data=data), at=1)


def _identity(kind: int, octets: bytes, who: str) -> Mutation:
    return set_field(f"{who}.IDtype", kind) + set_field(f"{who}.ID", octets)


IDENTITIES = {
    "of_hundreds_of_octets": (2, b"a" * 700, ("cve",), "CVE-2025-9242; RFC 7296 section 3.5"),
    "with_nul": (2, b"alice\0.example", (), "RFC 4945 section 3.1.2"),
    "that_is_a_wildcard": (2, b"*", (), "RFC 4945 section 3.1.2"),
    "of_the_subject_as_key_id": (11, b"alice", (), "RFC 4945 section 3.1.7"),
    "as_mail": (3, b"alice@example", (), "RFC 4945 section 3.1.3"),
    "as_an_address": (1, b"\xc0\0\2\1", (), "RFC 4945 section 3.1.1"),
    "as_another_name": (9, bytes.fromhex("30133111300f06035504030c086d616c6c6f727921"), (), "RFC 4945 section 3.1.5"),
    "as_a_name_that_is_none": (9, b"\x30\x82\xff\xffalice", (), "RFC 4945 section 3.1.5"),
}  # fmt: skip
"""Identities that our certificate does not have: their type, their octets, the suites, and the source."""

FIRSTS = [
    *at_both("certificate_of_somebody_else_first", given=_sent(_other_first("mallory", "")), requirements=FIRST,
             severity="critical"),
    *at_both("certificate_of_ours_with_another_key_first", given=_sent(_other_first("alice", "another")),
             requirements=FIRST, severity="critical"),
    *at_both("certificate_of_somebody_else_behind", given=_sent(_other_behind), then=FINE, response=TAKEN,
             requirements=FIRST),
    *at_both("certificate_twice", do=duplicate("CERT"), given=GOOD, then=FINE, response=TAKEN, requirements=FIRST),
    *at_both("certificate_of_a_key_that_cannot_sign", given=_sent(_for_key_agreement), requirements=REFUSED,
             severity="critical", then=NOT_TAKEN),
    *at_both("certificate_known_and_not_sent", given=_known, then=FINE, response=TAKEN, requirements=KNOWN,
             source="RFC 7296 section 3.7", what="CERTREQ is no command: who has the certificate needs no CERT."),
]  # fmt: skip

SIZE = [
    *at_both("certificates_by_the_thousand", given=GOOD, then=EITHER, response=TAKEN_OR_NOT, severity="high",
             do=insert_many(TINY, 1000, at=2), source=CERTS),
    *at_both("certificates_by_the_thousand_before_ours", given=GOOD, then=NOT_TAKEN, severity="high",
             do=insert_many(TINY, 1000, at=1), source=CERTS),
    *at_both("certificate_a_hundred_times", given=GOOD, then=EITHER, response=TAKEN_OR_NOT, severity="high",
             do=duplicate("CERT", 100), source=CERTS),
    *at_both("certificate_of_sixty_thousand_octets", given=_sent(_big), then=EITHER, response=TAKEN_OR_NOT,
             severity="high", source=CERTS, what="A good certificate with an extension of 60,000 octets."),
    *at_both("certificate_payload_without_encoding", do=empty_payload("CERT"), given=GOOD, then=NOT_TAKEN,
             requirements=SYNTAX),
    *(
        row for how in ("truncated", "trailing", "length")
        for row in at_both(f"certificate_garbled_{how}", do=_garbled(how), given=GOOD, then=NOT_TAKEN,
                           requirements=REFUSED, severity="high")
    ),
]  # fmt: skip

ENCODINGS = [
    *(
        row for name, encoding, data in (
            ("pkcs7_that_is_none", PKCS7, b"\x30\x82\xff\xff"), ("pgp", PGP, b"\x99\1"),
            ("raw_rsa_key_that_is_none", RAW_RSA, b"\x30\3\2\1\1"), ("hash_and_url_of_a_bundle", BUNDLE, URL),
            ("hash_without_url", HASHED, bytes(20)), ("half_a_hash", HASHED, bytes(7)),
        )
        for row in at_both(f"certificate_as_{name}", do=_instead(encoding, data), given=GOOD, then=FAILED,
                           requirements=REFUSED, severity="high")
    ),
    Case("certificate_as_hash_and_url_in_response", base="auth", at="response", do=_instead(HASHED, URL), given=GOOD,
         then=deletes(), requirements=REFUSED, severity="high"),
    *at_both("certificate_as_a_raw_key", do=drop("CERT") + cert(
        "our public key", lambda: RawKey(issued("alice").key).public, encoding=RAW_KEY, at=1,
    ), given=GOOD, requirements=REFUSED, severity="critical"),
    *(
        row for name, encoding in (
            ("reserved", 0), ("pgp", PGP), ("dns_key", DNS_KEY), ("kerberos", KERBEROS), ("spki", SPKI),
            ("attributes", ATTRIBUTES), ("private", 201),
        )
        for row in at_both(f"certificate_payload_of_encoding_{name}_beside", given=GOOD, then=FINE, response=TAKEN,
                           do=insert(IKEv2_CERT(cert_encoding=encoding, cert_data=b"fynx"), at=2), requirements=IGNORED)
    ),
]  # fmt: skip

RAW = [
    *at_both("raw_key_that_is_none", do=set_field("CERT.cert_data", b"\x30\x05fynx!"), given=_raw,
             source="RFC 7670 section 3", requirements=REFUSED, severity="high", then=EITHER, response=TAKEN_OR_NOT,
             what="The peer has our key already: it may do without the one that we send."),
    *at_both("raw_key_of_the_peer_itself", do=drop("CERT") + cert(
        "the peer's public key", lambda: RawKey(issued("bob").key).public, encoding=RAW_KEY, at=1,
    ), given=_raw, source="RFC 7670 section 3", requirements=REFUSED, severity="high", then=EITHER,
       response=TAKEN_OR_NOT),
    *at_both("raw_key_known_signed_with_another", do=signed(key="ecdsa-p256"), given=_raw, source="RFC 7670 section 3",
             requirements=REFUSED, severity="critical"),
]  # fmt: skip

NAMES = [
    row for name, (kind, octets, suites, source) in IDENTITIES.items()
    for row in (
        Case(f"certificate_and_identity_{name}", base="auth", do=_identity(kind, octets, "IDi"), given=ANYBODY,
             then=NOT_TAKEN, requirements=REFUSED, severity="critical", suites=suites, source=source),
        Case(f"certificate_and_identity_{name}_in_response", base="auth", at="response",
             do=_identity(kind, octets, "IDr"), given=ANYBODY, then=deletes(), requirements=REFUSED,
             severity="critical",
             suites=suites, source=source),
    )
]  # fmt: skip

REQUESTS = [
    *(
        Case(f"certificate_request_{name}", base="auth", do=do, given=GOOD, then=then, requirements=ASKED)
        for name, do, then in (
            ("of_three_thousand_hashes", insert(IKEv2_CERTREQ(cert_encoding=X509, cert_authority=bytes(60_000))),
             EITHER),
            ("of_no_hash", insert(IKEv2_CERTREQ(cert_encoding=X509, cert_authority=b"")), FINE),
            ("of_an_unknown_encoding", insert(IKEv2_CERTREQ(cert_encoding=199, cert_authority=b"fynx")), FINE),
            ("of_an_unknown_encoding_alone",
             drop("CERTREQ") + insert(IKEv2_CERTREQ(cert_encoding=199, cert_authority=b"fynx")), FINE),
            ("by_the_hundred", insert_many(IKEv2_CERTREQ(cert_encoding=X509, cert_authority=bytes(20)), 300), EITHER),
            ("without_encoding", empty_payload("CERTREQ"), NOT_TAKEN),
        )
    ),
    *(
        Case(f"certificate_request_{name}_in_response", base="connect", at="IKE_SA_INIT response", do=do, given=GOOD,
             then=then, requirements=ASKED)
        for name, do, then in (
            ("of_odd_length", set_field("CERTREQ.cert_authority", bytes(33)), TAKEN_OR_NOT),
            ("for_an_unknown_authority", set_field("CERTREQ.cert_authority", bytes(20)), TAKEN),
            ("of_an_unknown_encoding", set_field("CERTREQ.cert_encoding", 199), TAKEN),
            ("of_three_hundred_hashes", set_field("CERTREQ.cert_authority", bytes(6000)), TAKEN_OR_NOT),
        )
    ),
]  # fmt: skip

cases(__name__, [*FIRSTS, *SIZE, *ENCODINGS, *RAW, *NAMES, *REQUESTS])
