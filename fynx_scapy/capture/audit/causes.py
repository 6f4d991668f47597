# SPDX-License-Identifier: GPL-2.0-or-later
"""Error notifies in plain words: what each means, its most likely cause, and its severity.

RFC 7296 section 3.10.1 and the sections that it names. Other types are from their own RFCs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fynx_scapy.capture.audit.rules import Severity, Source
from fynx_scapy.iana import NotifyType as N


class Cause(NamedTuple):
    """The meaning of an error and its most likely cause.

    In both, ``{by}`` is the peer that sends the error, and ``{other}`` the one whose request it answers: after a rekey
    by the responder, the initiator sends it.
    """

    means: str
    likely: str
    severity: Severity
    source: Source

    def of(self, by: str) -> Cause:
        """The same of an error that this peer sends, ``initiator`` or ``responder``."""
        roles = {"by": by, "other": "responder" if by == "initiator" else "initiator"}
        return self._replace(means=self.means.format(**roles), likely=self.likely.format(**roles))


def _rfc7296(section: str) -> Source:
    return Source("RFC 7296", f"section {section}")


_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH

CAUSES: Mapping[int, Cause] = {
    N.UNSUPPORTED_CRITICAL_PAYLOAD: Cause(
        "A payload was marked critical, but its receiver does not support it.",
        "One peer uses an extension that the other one lacks; or someone is testing.",
        _MEDIUM, _rfc7296("2.5"),
    ),
    N.INVALID_IKE_SPI: Cause(
        "A message arrived for an IKE SA that its receiver does not have.",
        "The receiver has restarted or deleted the SA, and the sender does not know that yet.",
        _MEDIUM, _rfc7296("2.21"),
    ),
    N.INVALID_MAJOR_VERSION: Cause(
        "The receiver does not support the major version of IKE.",
        "One peer is configured for IKEv1, or sends something that is not IKE.",
        _MEDIUM, _rfc7296("2.5"),
    ),
    N.INVALID_SYNTAX: Cause(
        "The message could not be parsed, or was refused for a policy reason that has no specific error type.",
        "A bug in the sender's implementation or a damaged message; the receiver's log says which field.",
        _HIGH, _rfc7296("3.10.1"),
    ),
    N.INVALID_MESSAGE_ID: Cause(
        "A message ID was outside the window.",
        "The peers disagree on the window size, or one of them was restored from an old state.",
        _MEDIUM, _rfc7296("2.3"),
    ),
    N.INVALID_SPI: Cause(
        "An ESP or AH packet arrived for an SPI that its receiver does not have.",
        "The receiver has restarted, or deleted the Child SA while packets were in transit.",
        _LOW, _rfc7296("1.5"),
    ),
    N.NO_PROPOSAL_CHOSEN: Cause(
        "The {by} accepts none of the offered combinations of algorithms (or of other options).",
        "The two configurations have no proposal in common: compare their cipher, integrity, PRF, key exchange and "
        "ESN. For a Child SA, the cause can also be the mode or traffic selectors that no configuration matches.",
        _MEDIUM, _rfc7296("3.10.1"),
    ),
    N.INVALID_KE_PAYLOAD: Cause(
        "The {other} sent a KE payload for a method that the {by} does not accept, but offered another one.",
        "The peers prefer different groups. It costs a round trip; put the {by}'s group first in the {other}'s "
        "proposal.",
        _LOW, _rfc7296("1.2"),
    ),
    N.AUTHENTICATION_FAILED: Cause(
        "A peer could not authenticate itself, or the other peer does not accept its method.",
        "The pre-shared keys differ; or an identity is not the expected one; or a certificate is not trusted, has "
        "expired, or does not carry the identity; or the EAP password is wrong.",
        _HIGH, _rfc7296("2.21.2"),
    ),
    N.SINGLE_PAIR_REQUIRED: Cause(
        "The {by} only accepts traffic selectors for a single pair of addresses.",
        "It makes one Child SA per address pair, but the {other} asks for whole networks.",
        _MEDIUM, _rfc7296("2.9"),
    ),
    N.NO_ADDITIONAL_SAS: Cause(
        "The {by} does not allow further Child SAs in this IKE SA.",
        "A minimal implementation, or a limit was reached; rekey with a new IKE SA.",
        _LOW, _rfc7296("1.3"),
    ),
    N.INTERNAL_ADDRESS_FAILURE: Cause(
        "The responder has no address to assign.",
        "The address pool is exhausted, missing, or has no addresses of the requested family.",
        _MEDIUM, _rfc7296("3.15.4"),
    ),
    N.FAILED_CP_REQUIRED: Cause(
        "The responder requires a Configuration payload, but there was none.",
        "The initiator is not configured to request a virtual address.",
        _MEDIUM, _rfc7296("2.19"),
    ),
    N.TS_UNACCEPTABLE: Cause(
        "The {by} accepts none of the proposed traffic selectors.",
        "The networks in the two configurations do not overlap: compare both peers' local and remote networks, "
        "protocols and ports.",
        _MEDIUM, _rfc7296("2.9"),
    ),
    N.INVALID_SELECTORS: Cause(
        "A packet inside ESP did not match the traffic selectors of its Child SA.",
        "Routing or policy of the sender disagrees with what was negotiated, or someone injects packets.",
        _MEDIUM, _rfc7296("3.10.1"),
    ),
    N.UNACCEPTABLE_ADDRESSES: Cause(
        "A peer has moved to an address that the other peer does not accept.",
        "Routing or policy at the other peer forbids the new address.",
        _MEDIUM, Source("RFC 4555", "section 3.5"),
    ),
    N.UNEXPECTED_NAT_DETECTED: Cause(
        "There is a NAT on the path, which a peer has forbidden.",
        "NO_NATS_ALLOWED is configured, or someone rewrites addresses.",
        _MEDIUM, Source("RFC 4555", "section 3.9"),
    ),
    N.TEMPORARY_FAILURE: Cause(
        "The peer cannot do this now, because another exchange is in progress.",
        "Both peers were rekeying or deleting at the same time; the request is retried later.",
        _LOW, _rfc7296("2.25"),
    ),
    N.CHILD_SA_NOT_FOUND: Cause(
        "The request was to rekey a Child SA that the peer does not have.",
        "The other peer has deleted or rekeyed it in the meantime.",
        _LOW, _rfc7296("2.25"),
    ),
    N.STATE_NOT_FOUND: Cause(
        "An IKE_FOLLOWUP_KE request belongs to no exchange that the peer knows.",
        "Too much time passed before IKE_FOLLOWUP_KE, or a message was lost.",
        _MEDIUM, Source("RFC 9370", "section 2.2.4"),
    ),
}  # fmt: skip

OTHER = Cause(
    "This audit has no explanation for the error.",
    "Look it up in IANA's registry of notify message types.",
    _MEDIUM,
    _rfc7296("3.10.1"),
)
