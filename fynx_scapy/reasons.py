# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a peer refused, and why an SA ended: stable codes, what they mean, and what to do.

Errors and events have these codes (`errors.py`). Logs and metrics use them as labels, so they are few.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Meaning(NamedTuple):
    """A row of the table of codes."""

    code: str
    retryable: bool
    meaning: str
    advice: str


class Closing(StrEnum):
    """Why an SA ended: the stable code of `SaDeleted`, and of the SessionClosed that follows from it."""

    BY_US = "closed.by-us"
    BY_PEER = "closed.by-peer"
    LIFETIME = "closed.lifetime"
    PEER_DEAD = "closed.peer-dead"
    PEER_RESTARTED = "closed.peer-restarted"
    REJECTED = "closed.rejected"
    INVALID = "closed.invalid"
    REPLACED = "closed.replaced"
    WITH_IKE_SA = "closed.with-ike-sa"


ENDINGS: Mapping[str, Meaning] = {
    row.code: row
    for row in (
        Meaning(Closing.BY_US, False, "We deleted it.", "Nothing: this was asked for."),
        Meaning(
            Closing.BY_PEER, True, "The peer deleted it.", "Connect anew if it is still needed; the peer knows why."
        ),
        Meaning(
            Closing.LIFETIME,
            True,
            "It reached a hard lifetime, or TEMPORARY_FAILURE went on for too long, and was not rekeyed in time.",
            "Connect anew. Why did the rekey fail? Leave more time between soft and hard lifetime.",
        ),
        Meaning(
            Closing.PEER_DEAD,
            True,
            "The peer did not answer within the retransmission schedule (RFC 7296 section 2.4).",
            "Connect anew, or set `DeadPeerDetection.action` to `restart`.",
        ),
        Meaning(
            Closing.PEER_RESTARTED,
            True,
            "The peer has lost its state: INITIAL_CONTACT or a QCD token said so (RFC 6290).",
            "Connect anew, unless the peer did already.",
        ),
        Meaning(
            Closing.REJECTED,
            False,
            "The peer refused it after IKE_AUTH, or its answer cannot be used.",
            "Compare the credentials and policies of both ends.",
        ),
        Meaning(
            Closing.INVALID,
            False,
            "A message inside SK had invalid syntax, which ends the IKE SA at both ends (RFC 7296 section 2.21.3).",
            "One end has a bug: capture the exchange. `invalid_syntax_is_fatal=False` keeps our end open.",
        ),
        Meaning(Closing.REPLACED, False, "It was rekeyed or reauthenticated; its successor goes on.", "Nothing."),
        Meaning(Closing.WITH_IKE_SA, False, "A Child SA ended with its IKE SA.", "See why the IKE SA ended."),
    )
}
"""The codes of SessionClosed."""

_BROKEN = "One end has a bug, or a test made it: capture the exchange, and see the text."

REFUSALS: Mapping[int, Meaning] = {
    1: Meaning(
        "peer.unsupported-critical-payload",
        False,
        "A payload with the critical bit is unknown to the receiver.",
        "Do not mark it critical, or do not send it.",
    ),
    4: Meaning(
        "peer.invalid-ike-spi", True, "The receiver has no IKE SA with these SPIs.", "It has restarted: connect anew."
    ),
    5: Meaning("peer.invalid-major-version", False, "The receiver speaks another major version.", "Use IKEv2."),
    7: Meaning("peer.invalid-syntax", False, "A message breaks a rule of the protocol.", _BROKEN),
    9: Meaning("peer.invalid-message-id", False, "A message ID is outside of the window.", _BROKEN),
    11: Meaning(
        "peer.invalid-spi", True, "The receiver has no ESP SA with this SPI.", "It has restarted: connect anew."
    ),
    14: Meaning(
        "peer.no-proposal-chosen",
        False,
        "None of the proposals is acceptable.",
        "Compare `proposals` with those of the peer, of the IKE SA and of the Child SA.",
    ),
    17: Meaning(
        "peer.invalid-ke-payload",
        False,
        "Another key exchange method is wanted.",
        "Add the peer's group to `proposals`, or put it first.",
    ),
    24: Meaning(
        "peer.authentication-failed",
        False,
        "One end does not believe the other's AUTH, does not know its identity, or has too many IKE SAs of it.",
        "Compare identities, keys and certificates at both ends. The log of the end that refused says which is wrong.",
    ),
    34: Meaning(
        "peer.single-pair-required",
        False,
        "Only traffic selectors of one pair of addresses are accepted.",
        "Ask for one pair of addresses per Child SA.",
    ),
    35: Meaning(
        "peer.no-additional-sas",
        True,
        "No further SAs are accepted on this IKE SA.",
        "Delete Child SAs that are not needed, or raise the limit at the peer.",
    ),
    36: Meaning(
        "peer.internal-address-failure",
        True,
        "No internal address could be assigned.",
        "The pool is empty or there is none: enlarge it, or wait until an address is free.",
    ),
    37: Meaning(
        "peer.failed-cp-required",
        False,
        "The responder wants a configuration request.",
        "Ask for an address: `IkeConfig.cp_request`.",
    ),
    38: Meaning(
        "peer.ts-unacceptable",
        False,
        "Policy allows no part of the proposed traffic selectors.",
        "Compare `local_ts` and `remote_ts` with those of the peer: they are mirrored.",
    ),
    39: Meaning(
        "peer.invalid-selectors",
        False,
        "An ESP packet's inner addresses are outside of its traffic selectors.",
        "See the routes of the sender.",
    ),
    40: Meaning(
        "peer.unacceptable-addresses", False, "New addresses are not accepted (MOBIKE).", "See the peer's log."
    ),
    41: Meaning("peer.unexpected-nat-detected", False, "A NAT is forbidden (MOBIKE).", "See the peer's log."),
    43: Meaning(
        "peer.temporary-failure",
        True,
        "The receiver cannot do this now, such as during a rekey.",
        "Nothing: it is tried again after a while.",
    ),
    44: Meaning(
        "peer.child-sa-not-found",
        False,
        "The Child SA to be rekeyed is not there.",
        "Nothing: it is removed here too, and set up anew by the next packet.",
    ),
    45: Meaning("peer.invalid-group-id", False, "The group is unknown (RFC 9838).", "See the peer's log."),
    46: Meaning("peer.authorization-failed", False, "Not authorized for the group (RFC 9838).", "See the peer's log."),
    47: Meaning(
        "peer.state-not-found",
        True,
        "A further round of an exchange came too late, or continues nothing (RFC 9370).",
        "Start the exchange anew.",
    ),
    48: Meaning(
        "peer.ts-max-queue",
        True,
        "No further Child SA with these traffic selectors is accepted (RFC 9611).",
        "Use those that there are.",
    ),
    49: Meaning(
        "peer.registration-failed", False, "The group refused the registration (RFC 9838).", "See the peer's log."
    ),
    16390: Meaning(
        "peer.cookie",
        True,
        "The responder asked for cookies again and again (RFC 7296 section 2.6).",
        "It is under load: try again later.",
    ),
    16407: Meaning(
        "peer.redirect",
        False,
        "The peer redirects to another gateway (RFC 5685).",
        "Connect to the gateway that the text names.",
    ),
}
"""The codes of PeerError by notify type: the error types of IANA's registry, and two others that end a handshake."""

_CLOCK = "Compare the clocks of both ends, and renew the certificate. `Trust.at` judges at another time."
_ISSUER = "Ask the authority for certificates that are issued by the rules of RFC 5280, or trust another one."

CERTIFICATES: Mapping[str, Meaning] = {
    row.code: row
    for row in (
        Meaning("certificate.malformed", False, "It cannot be read, or is too large.", "Have it issued anew."),
        Meaning("certificate.unknown-authority", False, "No chain leads to a trusted certificate.",
                "Trust its root, or send the intermediates too."),
        Meaning("certificate.signature", False, "The signature of an issuer does not verify.",
                "The certificate was changed, or another authority has the same name: compare the keys."),
        Meaning("certificate.expired", False, "A certificate of the chain has expired.", _CLOCK),
        Meaning("certificate.not-yet-valid", False, "A certificate of the chain is not valid yet.", _CLOCK),
        Meaning("certificate.revoked", False, "A certificate of the chain was revoked.", "Have a new one issued."),
        Meaning("certificate.revocation-unknown", False, "Nobody says that it was not revoked.",
                "Hand over a current CRL or OCSP response, or set `Trust.revocation` to `if-known`."),
        Meaning("certificate.name-constraints", False, "A name is outside of what an issuer may certify.", _ISSUER),
        Meaning("certificate.not-a-ca", False, "An issuer is no certification authority.", _ISSUER),
        Meaning("certificate.path-length", False, "More authorities follow than an issuer allows.", _ISSUER),
        Meaning("certificate.key-usage", False, "The key is not meant for this use.",
                "Have it issued for IKE, or for any use. `Trust.extended_key_usage` says what is accepted."),
        Meaning("certificate.critical-extension", False, "A critical extension is not understood.", _ISSUER),
        Meaning("certificate.weak-key", False, "A key is too short.",
                "Use RSA of 2048 bits or more, or a curve of 256. `Trust.minimum_rsa_bits` and `minimum_ec_bits` say "
                "what is enough."),
        Meaning("certificate.weak-signature", False, "An issuer signed with MD5 or SHA-1.",
                "Have it issued with SHA-2. `Trust.allow_sha1` accepts SHA-1."),
        Meaning("certificate.identity", False, "The certificate does not have the identity of the ID payload.",
                "Compare the ID with subjectAltName and subject: RFC 4945 section 3.1 has the rules."),
        Meaning("certificate.too-complex", False, "Judging it would take more steps than we allow.",
                "Send only the certificates of one chain."),
        Meaning("certificate.refused", False, "The X.509 verifier refuses the chain.", "The text has its reason."),
    )
}  # fmt: skip
"""The codes of CertificateError."""
