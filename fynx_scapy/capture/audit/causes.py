# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors that peers notify, in plain words: what it means, what it most likely comes of, and how much it matters.

RFC 7296 section 3.10.1 and the sections that it names; further types from their own RFCs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fynx_scapy.capture.audit.rules import Severity, Source
from fynx_scapy.iana import NotifyType as N


class Cause(NamedTuple):
    """What an error says and what it most likely comes of."""

    means: str
    likely: str
    severity: Severity
    source: Source


def _rfc7296(section: str) -> Source:
    return Source("RFC 7296", f"section {section}")


_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH

CAUSES: Mapping[int, Cause] = {
    N.UNSUPPORTED_CRITICAL_PAYLOAD: Cause(
        "A payload was marked critical, and its receiver does not know it.",
        "One end uses an extension that the other one lacks; or somebody is testing.",
        _MEDIUM, _rfc7296("2.5"),
    ),
    N.INVALID_IKE_SPI: Cause(
        "A message came for an IKE SA that its receiver does not have.",
        "The receiver has restarted or has deleted the SA, and the sender does not know yet.",
        _MEDIUM, _rfc7296("2.21"),
    ),
    N.INVALID_MAJOR_VERSION: Cause(
        "The major version of IKE is not spoken by the receiver.",
        "One end is set to IKEv1, or sends what is no IKE at all.",
        _MEDIUM, _rfc7296("2.5"),
    ),
    N.INVALID_SYNTAX: Cause(
        "The message could not be read, or was refused for reasons of policy that have no error of their own.",
        "A fault in the sender's implementation or a damaged message; the receiver's log says which field.",
        _HIGH, _rfc7296("3.10.1"),
    ),
    N.INVALID_MESSAGE_ID: Cause(
        "A message ID was outside of the window.",
        "The ends disagree on the window size, or a state was restored from a copy.",
        _MEDIUM, _rfc7296("2.3"),
    ),
    N.INVALID_SPI: Cause(
        "An ESP or AH packet came for an SPI that its receiver does not have.",
        "The receiver has restarted or has deleted the Child SA while packets were under way.",
        _LOW, _rfc7296("1.5"),
    ),
    N.NO_PROPOSAL_CHOSEN: Cause(
        "The responder accepts none of the offered combinations of algorithms (or of the options beside them).",
        "The two configurations have no proposal in common: compare cipher, integrity, PRF, key exchange and ESN of "
        "both. For a Child SA it can also be the mode, or that no configuration fits these traffic selectors.",
        _MEDIUM, _rfc7296("3.10.1"),
    ),
    N.INVALID_KE_PAYLOAD: Cause(
        "The initiator guessed a key exchange method that the responder does not take, though it offered another one.",
        "The ends prefer different groups. It costs a round trip; put the responder's group first in the initiator's "
        "proposal.",
        _LOW, _rfc7296("1.2"),
    ),
    N.AUTHENTICATION_FAILED: Cause(
        "An end could not prove who it is, or the other end does not let it prove it that way.",
        "The pre-shared keys differ; or an identity is not the expected one; or a certificate is not trusted, has "
        "expired, or does not carry the identity; or the EAP password is wrong.",
        _HIGH, _rfc7296("2.21.2"),
    ),
    N.SINGLE_PAIR_REQUIRED: Cause(
        "The responder wants traffic selectors of a single pair of addresses.",
        "It makes one Child SA for each pair; the initiator asks for whole networks.",
        _MEDIUM, _rfc7296("2.9"),
    ),
    N.NO_ADDITIONAL_SAS: Cause(
        "The responder makes no further Child SA in this IKE SA.",
        "A minimal implementation, or a limit that has been reached; rekey by a new IKE SA.",
        _LOW, _rfc7296("1.3"),
    ),
    N.INTERNAL_ADDRESS_FAILURE: Cause(
        "The responder has no address to give out.",
        "The address pool is exhausted, is missing, or has none of the family that was asked for.",
        _MEDIUM, _rfc7296("3.15.4"),
    ),
    N.FAILED_CP_REQUIRED: Cause(
        "The responder wants a Configuration payload, and there was none.",
        "The initiator is not configured to ask for a virtual address.",
        _MEDIUM, _rfc7296("2.19"),
    ),
    N.TS_UNACCEPTABLE: Cause(
        "The responder accepts none of the proposed traffic selectors.",
        "The networks in the two configurations do not overlap: compare both ends' local and remote networks, "
        "protocols and ports.",
        _MEDIUM, _rfc7296("2.9"),
    ),
    N.INVALID_SELECTORS: Cause(
        "A packet inside ESP did not fit the traffic selectors of its Child SA.",
        "Routing and policy of the sender disagree with what was negotiated, or somebody injects packets.",
        _MEDIUM, _rfc7296("3.10.1"),
    ),
    N.UNACCEPTABLE_ADDRESSES: Cause(
        "An end that moved told an address that the other one does not accept.",
        "Routing or policy at the other end forbids the new address.",
        _MEDIUM, Source("RFC 4555", "section 3.5"),
    ),
    N.UNEXPECTED_NAT_DETECTED: Cause(
        "There is a NAT on the path, and an end has forbidden it.",
        "NO_NATS_ALLOWED is configured, or somebody rewrites addresses.",
        _MEDIUM, Source("RFC 4555", "section 3.9"),
    ),
    N.TEMPORARY_FAILURE: Cause(
        "The peer cannot do it just now, because another exchange is in flight.",
        "Both ends were rekeying or deleting at the same time; it is tried again later.",
        _LOW, _rfc7296("2.25"),
    ),
    N.CHILD_SA_NOT_FOUND: Cause(
        "A Child SA was to be rekeyed that the peer does not have.",
        "It was deleted or rekeyed by the other end meanwhile.",
        _LOW, _rfc7296("2.25"),
    ),
    N.STATE_NOT_FOUND: Cause(
        "The keys of an additional key exchange were asked for, and the peer does not know of it.",
        "Too much time went by before IKE_FOLLOWUP_KE, or a message was lost.",
        _MEDIUM, Source("RFC 9370", "section 2.2.4"),
    ),
}  # fmt: skip

OTHER = Cause(
    "An error that has no explanation here.",
    "Look it up in IANA's registry of notify message types.",
    _MEDIUM,
    _rfc7296("3.10.1"),
)
