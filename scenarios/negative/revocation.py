# SPDX-License-Identifier: GPL-2.0-or-later
"""CRLs and OCSP responses that we send about our certificate (RFC 4806, RFC 5280 section 6.3, RFC 6960).

The peer fetches nothing. Where it requires to be told that our certificate is not revoked, nothing else will do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from fynx_scapy import Certificates, Trust
from fynx_scapy.harness.cases import alive, authority, cases, taken
from fynx_scapy.harness.verbs import NOTHING, Mutation
from fynx_scapy.scenarios.negative.cert_payloads import cert, issued
from fynx_scapy.scenarios.negative.signatures import FINE, at_both, certificate, config

CRL, OCSP = 7, 14
REFUSED, ACCEPTED = ("7296-2.21.2-01",), ("7296-1.2-02",)
TAKEN = taken() & alive()


def _wants(revocation: str, *, asks: bool) -> Callable[[], Mapping[str, Any]]:
    """The peer's policy: ``required`` or ``if-known``, and whether it asks for an OCSP response."""

    @functools.cache
    def both() -> Mapping[str, Any]:
        trust = Trust(authority("negative").der, revocation=revocation)
        peer = {"auth": certificate("bob"), "trust": trust, "remote_auth": Certificates(ocsp=asks)}
        return {"config": config(certificate("alice")), "peer": peer}

    return both


def ocsp(status: str = "good", *, of: str = "negative", **changes: Any) -> Mutation:
    """Send an OCSP response about our certificate."""
    said = ", ".join((status, f"of the authority {of}", *changes))
    return cert(
        f"an OCSP response: {said}",
        lambda: authority(of).ocsp(issued("alice"), status, **changes),
        encoding=OCSP,
    )


def crl(*, of: str = "negative", revoked: bool = False, **changes: Any) -> Mutation:
    """Send a CRL."""
    said = ", ".join((f"of the authority {of}", *(["our certificate revoked"] if revoked else []), *changes))
    return cert(
        f"a CRL: {said}", lambda: authority(of).crl([issued("alice")] if revoked else [], **changes), encoding=CRL
    )


def garbage(encoding: int, octets: bytes = b"\x30\x82\xff\xfffynx") -> Mutation:
    """Send octets that are neither."""
    return cert("octets that are no such thing", lambda: octets, encoding=encoding)


POLICIES = {(policy, asks): _wants(policy, asks=asks) for policy in ("required", "if-known") for asks in (False, True)}
BAD: dict[str, tuple[str, Mutation]] = {
    "status_unknown": ("RFC 4945 section 5.2.1", NOTHING),
    "ocsp_of_another_authority": ("RFC 6960 section 4.2.2.2", ocsp(of="stranger")),
    "ocsp_of_yesteryear": ("RFC 6960 section 4.2.2.1", ocsp(expired=True)),
    "ocsp_of_tomorrow": ("RFC 6960 section 4.2.2.1", ocsp(not_yet_valid=True)),
    "ocsp_with_a_broken_signature": ("RFC 6960 section 3.2", ocsp(broken_signature=True)),
    "ocsp_signed_with_another_key": ("RFC 6960 section 4.2.2.2", ocsp(wrong_key=True)),
    "ocsp_about_another_certificate": ("RFC 6960 section 3.2", ocsp(wrong_id=True)),
    "ocsp_of_a_delegate_without_purpose": ("RFC 6960 section 4.2.2.2", ocsp(delegated=True, without_eku=True)),
    "ocsp_of_a_delegate_that_is_not_shown": (
        "RFC 6960 section 4.2.2.2",
        ocsp(delegated=True, without_certificate=True),
    ),
    "ocsp_that_does_not_know": ("RFC 6960 section 2.2", ocsp("unknown")),
    "ocsp_try_later": ("RFC 6960 section 2.3", ocsp(failure="tryLater")),
    "ocsp_that_is_none": ("RFC 4806 section 3.2", garbage(OCSP)),
    "ocsp_empty": ("RFC 4806 section 3.2", garbage(OCSP, b"")),
    "crl_of_another_authority": ("RFC 5280 section 6.3.3", crl(of="stranger")),
    "crl_of_another_issuer": ("RFC 5280 section 6.3.3", crl(issuer="C=CH, CN=somebody else")),
    "crl_of_yesteryear": ("RFC 5280 section 6.3.3", crl(expired=True)),
    "crl_with_a_broken_signature": ("RFC 5280 section 6.3.3", crl(broken_signature=True)),
    "crl_signed_with_another_key": ("RFC 5280 section 6.3.3", crl(wrong_key=True)),
    "crl_with_an_unknown_critical_extension": ("RFC 5280 section 5.2", crl(unknown_critical=True)),
    "crl_that_is_a_delta_alone": ("RFC 5280 section 5.2.4", crl(delta=True)),
    "crl_that_is_none": ("RFC 7296 section 3.6", garbage(CRL)),
}
"""What we send, where that is said. The peer wants to be told that our certificate is not revoked, and is not told."""
REVOKED: dict[str, tuple[str, Mutation]] = {
    "ocsp_revoked": ("RFC 6960 section 2.2", ocsp("revoked")),
    "ocsp_revoked_by_a_delegate": ("RFC 6960 section 4.2.2.2", ocsp("revoked", delegated=True)),
    "ocsp_good_and_crl_revoked": ("RFC 4945 section 5.2.1", ocsp() + crl(revoked=True)),
    "crl_revoked": ("RFC 5280 section 6.3.3", crl(revoked=True)),
    "crl_good_and_ocsp_revoked": ("RFC 4945 section 5.2.1", crl() + ocsp("revoked")),
}
"""The peer is told that our certificate is revoked."""
GOOD: dict[str, tuple[str, Mutation]] = {
    "ocsp_good": ("RFC 4806 section 3.2", ocsp()),
    "ocsp_good_of_a_delegate": ("RFC 6960 section 4.2.2.2", ocsp(delegated=True)),
    "crl_good": ("RFC 5280 section 6.3.3", crl()),
    "ocsp_that_is_none_and_crl_good": ("RFC 5280 section 6.3.3", garbage(OCSP) + crl()),
}
"""The peer is told that it is not."""


def _given(policy: str, name: str) -> Callable[[], Mapping[str, Any]]:
    return POLICIES[policy, "ocsp" in name]


cases(
    __name__,
    [
        *(
            row for name, (source, do) in BAD.items()
            for row in at_both(
                f"revocation_{name}", do=do, given=_given("required", name), source=source,
                requirements=REFUSED, severity="critical",
            )
        ),
        *(
            row for name, (source, do) in REVOKED.items()
            for row in at_both(
                f"revocation_{name}", do=do, given=_given("if-known", name), source=source,
                requirements=REFUSED, severity="critical",
            )
        ),
        *(
            row for name, (source, do) in GOOD.items()
            for row in at_both(
                f"revocation_{name}", do=do, given=_given("required", name), source=source,
                requirements=ACCEPTED, then=FINE, response=TAKEN,
            )
        ),
    ],
)  # fmt: skip
