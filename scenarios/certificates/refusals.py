# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates that the other end has to refuse: those of either end, for each reason."""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.events import ChildSaInstalled, MessageReceived, MessageSent, PeerCertificateRefused
from fynx_scapy.harness import BOTH, Credentials, EndAuth, Run, expect, main, scenario

REFUSED = ("7296-2.21.2-01",)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the certificate of one end."""

    title: str
    source: str
    code: str
    """The code of our refusal."""
    end: EndAuth
    refusing: str = ""
    """What a peer must be able to do to refuse ours, in words."""
    showing: str = ""
    """What it must be able to do to have such a certificate itself."""


FAULTS = {
    "expired": Fault(
        "is no longer valid", "RFC 5280 section 6.1.3", "certificate.expired", EndAuth(validity="expired"),
        showing="outdated",
    ),
    "not_yet_valid": Fault(
        "is not valid yet", "RFC 5280 section 6.1.3", "certificate.not-yet-valid", EndAuth(validity="later"),
        showing="outdated",
    ),
    "unknown_authority": Fault(
        "is of an authority that the other end does not trust", "RFC 5280 section 6.1.3",
        "certificate.unknown-authority", EndAuth(authority="other"),
    ),
    "without_intermediate": Fault(
        "comes without that of its intermediate authority", "RFC 5280 section 6.1.3",
        "certificate.unknown-authority", EndAuth(intermediate="withheld"), "chains", "chains",
    ),
    "wrong_identity": Fault(
        "has another name than the identity", "RFC 4945 section 3.1", "certificate.identity",
        EndAuth(names=("mallory",)), showing="other_names",
    ),
    "revoked": Fault(
        "was revoked", "RFC 5280 section 6.3.3", "certificate.revoked",
        EndAuth(revoked=True, checked="required", evidence="crl"), "crl",
    ),
    "of_unknown_status": Fault(
        "may have been revoked, and the other end wants to know", "RFC 5280 section 6.3",
        "certificate.revocation-unknown", EndAuth(checked="required"), "crl_required",
    ),
}  # fmt: skip


def ours_refused(run: Run) -> None:
    """The peer refuses our certificate with AUTHENTICATION_FAILED."""
    # HDR, SK {IDi, CERT(wrong), AUTH, …}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    # or, where we are the responder,
    # <--  HDR, SK {N(AUTHENTICATION_FAILED)}   in an INFORMATIONAL exchange
    run.begin()
    if not run.we_begin and run.unlike("silent_refusal"):
        run.s.accept(timeout=run.peer.patience)
        run.wait_until(lambda: not run.peer.sas(), "no IKE SA at the peer")
        return
    _failed(run, MessageReceived)
    run.no_ike_sa()


def theirs_refused(run: Run) -> None:
    """We refuse the peer's certificate with AUTHENTICATION_FAILED, and say why."""
    refused_by_us(run, FAULTS[run.name.removeprefix("peer_certificate_")].code)


def refused_by_us(run: Run, code: str) -> None:
    """Have the peer show a certificate that we refuse, with this code."""
    run.begin()
    refused = run.event(PeerCertificateRefused)
    expect(refused.code, "why we refuse").equals(code)
    _failed(run, MessageSent)
    if not (run.we_begin and run.unlike("keeps_refused")):
        run.no_ike_sa()
    expect([event for event in run.events if isinstance(event, ChildSaInstalled)], "our Child SAs").fails()


def _failed(run: Run, kind: type[MessageSent | MessageReceived]) -> None:
    def refused() -> bool:
        return any(expect(message).has_notify("AUTHENTICATION_FAILED") for message in run.messages(kind))

    run.wait_until(refused, "AUTHENTICATION_FAILED")


for name, fault in FAULTS.items():
    needs = {"certificates", "ecdsa"}
    scenario(
        fault.source,
        roles=BOTH,
        name=f"our_certificate_{name}",
        needs={*needs, *fault.refusing.split()},
        requirements=REFUSED,
        config={"auth": Credentials(ours=fault.end)},
    )(ours_refused)
    scenario(
        fault.source,
        roles=BOTH,
        name=f"peer_certificate_{name}",
        needs={*needs, *fault.showing.split()},
        requirements=REFUSED,
        config={"auth": Credentials(theirs=fault.end)},
    )(theirs_refused)


if __name__ == "__main__":
    main(__file__)
