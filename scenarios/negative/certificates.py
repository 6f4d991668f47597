# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates that must be refused, and CERT and AUTH payloads beside a good one (RFC 5280 section 6, RFC 4945)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from fynx_scapy import (
    Certificate,
    Certificates,
    ChildConfig,
    IkeConfig,
    Null,
    Psk,
    RawKey,
    RawKeys,
    Retransmission,
    Trust,
)
from fynx_scapy.harness.cases import Case, accepted, alive, answered, authority, cases, deletes, no_sa, refused, silent
from fynx_scapy.harness.verbs import (
    auth_method,
    drop,
    insert,
    move_last,
    resize_field,
    reverse,
    set_field,
    spoil_auth,
)
from fynx_scapy.layers.ikev2 import IKEv2_CERT, IKEv2_CERTREQ

FAILED = answered("AUTHENTICATION_FAILED", alone=True, protected=True) & no_sa()
NOT_TAKEN = (refused() | silent()) & no_sa()
WENT_ON = accepted() & alive()
REFUSED, PROVEN = ("7296-2.21.2-01",), ("7296-1.2-02",)
SHA512 = 4


@functools.cache
def _good(name: str) -> Certificate:
    made = authority("negative").issue(f"C=CH, CN={name}", [name], "ecdsa-p256", seed=name)
    return Certificate(made.der, made.key, made.chain)


def _config(auth: Any, **fields: Any) -> IkeConfig:
    child = ChildConfig(local_ts=("10.1.0.0/24",), remote_ts=("10.2.0.0/24",))
    given: dict[str, Any] = {
        "trust": Trust(authority("negative").der),
        "retransmission": Retransmission(timeout=1.0, base=2.0, tries=2),
    } | fields
    return IkeConfig(auth=auth, local_id="alice", remote_id="bob", children=(child,), **given)


def _with(auth: Callable[[], Any], **fields: Any) -> Callable[[], Mapping[str, Any]]:
    """Our credential; the peer has a good certificate."""
    return lambda: {"config": _config(auth(), **fields), "peer": {"auth": _good("bob")}}


def _made(
    *,
    root: Mapping[str, Any] | None = None,
    between: Mapping[str, Any] | None = None,
    names: tuple[str, ...] = ("alice",),
    chain: bool = True,
    stranger: bool = False,
    revoked: bool = False,
    **changes: Any,
) -> Callable[[], Mapping[str, Any]]:
    """A certificate of ours with these deviations; ``between`` are those of an intermediate authority."""

    @functools.cache
    def ends() -> Mapping[str, Any]:
        top = authority("negative", **(root or {}))
        above = authority("stranger") if stranger else top
        if between is not None:
            above = above.intermediate("C=CH, CN=between", "ecdsa-p256", seed="between", **between)
        made = above.issue("C=CH, CN=alice", list(names), "ecdsa-p256", seed="alice", **changes)
        ours = Certificate(made.der, made.key, made.chain if chain else (), check=False)
        trust = Trust(top.der, crls=[above.crl([made])] if revoked else [])
        peer = top.issue("C=CH, CN=bob", ["bob"], "ecdsa-p256", seed="bob")
        theirs = Certificate(peer.der, peer.key, check=False)
        return {"config": _config(ours, trust=trust), "peer": {"auth": theirs}}

    return ends


BAD: dict[str, tuple[str, Callable[[], Mapping[str, Any]]]] = {
    "expired": ("RFC 5280 section 6.1.3", _made(expired=True)),
    "not_yet_valid": ("RFC 5280 section 6.1.3", _made(not_yet_valid=True)),
    "of_a_stranger_with_the_same_name": ("RFC 5280 section 6.1.3", _made(stranger=True)),
    "without_its_intermediate": ("RFC 5280 section 6.1", _made(between={}, chain=False)),
    "of_another_identity": ("RFC 4945 section 3.1", _made(names=("mallory",))),
    "with_the_identity_in_its_common_name": ("RFC 4945 section 3.1.9", _made(without_san=True)),
    "revoked": ("RFC 5280 section 6.3.3", _made(revoked=True)),
    "of_an_issuer_without_constraints": ("RFC 5280 section 6.1.4", _made(between={"no_basic_constraints": True})),
    "of_an_issuer_that_is_no_authority": ("RFC 5280 section 6.1.4", _made(between={"ca": False})),
    "of_an_issuer_without_key_cert_sign": (
        "RFC 5280 section 6.1.4", _made(between={"key_usage": ("digitalSignature", "cRLSign")}),
    ),
    "too_far_below_the_root": ("RFC 5280 section 6.1.4", _made(root={"path_length": 0}, between={})),
    "of_a_name_that_is_not_permitted": (
        "CVE-2026-35331; RFC 5280 section 4.2.1.10", _made(between={"permitted": ("gateway.example",)}),
    ),
    "of_a_name_that_is_excluded": (
        "CVE-2026-35331; RFC 5280 section 4.2.1.10", _made(between={"excluded": ("alice",)}),
    ),
    "with_an_unknown_critical_extension": ("RFC 5280 section 4.2", _made(unknown_critical=True)),
    "of_an_issuer_with_an_unknown_critical_extension": (
        "RFC 5280 section 4.2", _made(between={"unknown_critical": True}),
    ),
    "with_a_broken_signature": ("RFC 5280 section 6.1.3", _made(broken_signature=True)),
    "signed_with_another_key": ("RFC 5280 section 6.1.3", _made(wrong_key=True)),
    "for_encryption_only": ("RFC 4945 section 5.1.3.2", _made(key_usage=("keyEncipherment",))),
    "for_signing_code": ("RFC 4945 section 5.1.3.12", _made(eku=("codeSigning",))),
}  # fmt: skip
"""What is wrong with our certificate, where that is said, and both ends."""

CERT = IKEv2_CERT


def _at(name: str, **fields: Any) -> list[Case]:
    """The same case with us as the initiator and as the responder."""
    then, ends = fields.pop("then", FAILED), fields.pop("ends", deletes())
    ours = Case(name, base="auth", at="request", then=then, **fields)
    theirs = Case(f"{name}_in_response", base="auth", at="response", then=ends, **fields)
    return [ours, theirs]


def _alice() -> Any:
    return _good("alice")


def _psk() -> Mapping[str, Any]:
    """We have the pre-shared key alone by which the peer proves itself; it wants a certificate."""
    config = _config(Psk("secret"), remote_auth=Psk("secret"), trust=None)
    trust = Trust(authority("negative").der)
    return {"config": config, "peer": {"auth": Psk("secret"), "trust": trust, "remote_auth": Certificates()}}


def _null() -> Mapping[str, Any]:
    """We prove nothing, and the peer wants a certificate."""
    config = _config(Null())
    return {"config": config, "peer": {"auth": _good("bob"), "remote_auth": Certificates()}}


def _unknown_key() -> Mapping[str, Any]:
    """The peer knows another public key than ours."""
    alice, bob = _good("alice").key, _good("bob").key
    config = _config(RawKey(alice), remote_auth=RawKeys(bob.public_key()), trust=None, send_certificates="always")
    return {"config": config, "peer": {"auth": RawKey(bob), "remote_auth": RawKeys(bob.public_key())}}


GOOD = _with(_alice)

cases(
    __name__,
    [
        *(
            row for name, (source, given) in BAD.items()
            for row in _at(
                f"certificate_{name}", given=given, source=source, requirements=REFUSED,
                severity="critical", suites=("cve",) if source.startswith("CVE") else (),
            )
        ),
        # RFC 4945 section 5.3: "Implementations MUST be able to validate certificates with either of those algorithms."
        *_at("certificate_signed_with_sha1", given=_made(sha1=True), source="RFC 4945 section 5.3",
             then=FAILED | WENT_ON, ends=deletes() | alive(), requirements=REFUSED),
        *_at("signature_spoilt", do=spoil_auth(), given=GOOD, requirements=PROVEN, severity="critical"),
        *_at("signature_empty", do=set_field("AUTH.load", b""), given=GOOD, requirements=PROVEN, severity="critical",
             then=NOT_TAKEN),
        *_at("signature_algorithm_beyond_its_data", do=set_field("AUTH.load", b"\xff" + bytes(40)), given=GOOD,
             source="RFC 7427 section 3", requirements=PROVEN, severity="critical", then=NOT_TAKEN),
        *_at("signature_of_64_octets_of_zeros", do=set_field("AUTH.load", bytes(64)), given=GOOD, requirements=PROVEN,
             severity="critical", then=NOT_TAKEN),
        *_at("signature_cut", do=resize_field("AUTH.load", 40), given=GOOD, requirements=PROVEN, severity="critical",
             then=NOT_TAKEN),
        *_at("signature_by_an_older_method", do=auth_method(9), given=GOOD, source="RFC 7427 section 3",
             requirements=PROVEN, severity="critical", then=NOT_TAKEN),
        *_at("signature_called_null", do=auth_method(13), given=GOOD, source="RFC 7619 section 2.1",
             requirements=PROVEN, severity="critical", then=NOT_TAKEN),
        Case("psk_instead_of_a_certificate", base="auth", given=_psk, then=FAILED, severity="critical",
             requirements=(*PROVEN, *REFUSED)),
        Case("null_instead_of_a_certificate", base="auth", given=_null, then=FAILED, severity="critical",
             source="RFC 7619 section 2.1", requirements=(*PROVEN, *REFUSED)),
        Case("raw_key_that_is_not_known", base="auth", given=_unknown_key, then=FAILED, severity="critical",
             source="RFC 7670 section 3", requirements=REFUSED),
        Case("certificate_that_is_none_first", base="auth", given=GOOD, then=FAILED, severity="critical",
             do=insert(CERT(cert_encoding=4, cert_data=b"0\x03\x02\x01\x01"), at=1),
             requirements=("7296-1.2-01", "7296-3.6-03")),
        Case("certificate_empty_first", base="auth", given=GOOD, then=NOT_TAKEN, severity="high",
             do=insert(CERT(cert_encoding=4, cert_data=b""), at=1), requirements=("7296-3.6-03",)),
        Case("certificate_of_an_unknown_encoding_beside", base="auth", given=GOOD, then=accepted() & alive(),
             do=insert(CERT(cert_encoding=199, cert_data=b"fynx"), at=1), requirements=("7296-4-02",)),
        Case("certificate_not_sent_and_not_known", base="auth", given=GOOD, do=drop("CERT"), then=FAILED,
             severity="high", requirements=REFUSED),
        Case("certificate_behind_auth", base="auth", given=GOOD, do=move_last("CERT"), then=accepted() & alive(),
             requirements=("7296-2.5-11",)),
        Case("certificates_in_another_order", base="auth", given=_made(between={}), do=reverse(), then=NOT_TAKEN,
             severity="high", requirements=("7296-1.2-01", "7296-3.6-03")),
        Case("certificate_as_hash_and_url", base="auth", given=GOOD, then=FAILED, severity="high",
             do=drop("CERT") + insert(CERT(cert_encoding=12, cert_data=bytes(20) + b"http://192.0.2.9/a"), at=1),
             requirements=REFUSED, what="A hash and a URL instead of a certificate: nothing is fetched."),
        Case("certificate_requests_by_the_hundred", base="auth", given=GOOD, then=accepted() & alive(),
             do=insert(IKEv2_CERTREQ(cert_encoding=4, cert_authority=bytes(20 * 100)), at=1), severity="high",
             requirements=("7296-3.7-i01",)),
        Case("certificate_request_of_odd_length", base="auth", given=GOOD,
             do=insert(IKEv2_CERTREQ(cert_encoding=4, cert_authority=bytes(33)), at=1),
             then=(accepted() & alive()) | NOT_TAKEN, requirements=("7296-3.7-i01",)),
    ],
)  # fmt: skip
