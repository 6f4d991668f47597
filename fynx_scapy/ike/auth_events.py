# SPDX-License-Identifier: GPL-2.0-or-later
"""The events about how a peer authenticates, and for how long, beside `IkeSaEstablished` and `IkeSaFailed`."""

from __future__ import annotations

from dataclasses import dataclass, field

from fynx_scapy.ike.basics.event import SMALL, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCertificateAccepted(Event):
    """The peer has signed with the key of a certificate that leads to one that we trust (RFC 7296 section 2.15).

    ``subjects`` are those of the chain, from the peer's to the trusted one. ``serial`` is in hexadecimal. ``scheme`` is
    the signature scheme of AUTH. ``verified_by`` and ``notes`` say how the chain was judged, and what of it was left
    out. ``certificate`` is the peer's, in DER.
    """

    identity: str
    subjects: tuple[str, ...]
    serial: str
    scheme: str
    verified_by: str
    notes: tuple[str, ...] = ()
    certificate: bytes = field(default=b"", repr=False)

    @property
    def weight(self) -> int:
        """Includes the certificate."""
        return SMALL + len(self.certificate) + sum(map(len, (*self.subjects, *self.notes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCertificateRefused(Event):
    """A peer that authenticates by a certificate is refused. ``code`` is that of the error: ``certificate.expired``.

    ``subject`` is that of the certificate that is wrong, or of the peer's; it is empty if there is none.
    """

    code: str
    reason: str
    subject: str
    notes: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """Includes the texts."""
        return SMALL + sum(map(len, (self.reason, self.subject, *self.notes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationLimited(Event):
    """The authentication of an IKE SA counts for so many ``seconds`` from now on (AUTH_LIFETIME, RFC 4478).

    ``by_peer``: whether the peer says so, and we authenticate again before; else we delete the IKE SA after that time.
    """

    seconds: int
    by_peer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EapNotified(Event):
    """The gateway, or the EAP server behind it, has a message for the user (RFC 3748 section 5.2).

    ``text`` is the peer's, made printable. It is no error, and changes nothing.
    """

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PpkUsed(Event):
    """The keys of an IKE SA and of all that follow from it depend on a PPK (RFC 8784). ``ppk_id`` says which."""

    ppk_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PpkNotUsed(Event):
    """A PPK was configured, but an IKE SA was set up without it (RFC 8784 section 6)."""

    reason: str
