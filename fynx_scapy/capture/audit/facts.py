# SPDX-License-Identifier: GPL-2.0-or-later
"""The facts of a capture that an audit judges: plain values with the numbers of the packets that show them.

Nothing here is a judgement, and nothing holds a key. Times are seconds since the epoch, None where the capture has
none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts

if TYPE_CHECKING:
    from fynx_scapy.capture.fingerprint import Fingerprint
    from fynx_scapy.capture.reading.losses import Loss


@dataclass(frozen=True, slots=True)
class AuthFacts:
    """One AUTH payload: who sent it, its method (RFC 7296 section 3.8), and what checking it came to.

    ``algorithm`` names the signature of method 14; ``key`` the public key of a certificate beside it, as ``RSA-2048``.
    """

    number: int
    role: str
    method: int
    algorithm: str | None
    key: str
    verified: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """A Notify of an error type: who sent it in which exchange, and whether the message was protected.

    ``request`` is the number of the packet that it answers. ``detail`` is what its data says, in words.
    ``overcome`` is whether the same exchange succeeded in another try.
    """

    number: int
    kind: int
    exchange: str
    by: str
    protected: bool
    request: int | None
    detail: str = ""
    overcome: bool = False


@dataclass(frozen=True, slots=True)
class ExchangeFacts:
    """One exchange: its packets, those that only repeat octets, and the seconds from request to response."""

    name: str
    message_id: int
    by: str
    numbers: tuple[int, ...]
    copies: tuple[int, ...]
    latency: float | None
    answered: bool


@dataclass(frozen=True, slots=True)
class NotifyFacts:
    """A Notify of a status type: packet, sender, type, and the exchange that it was in."""

    number: int
    by: str
    kind: int
    exchange: str


@dataclass(frozen=True, slots=True)
class NatFacts:
    """What NAT detection shows in one message (RFC 7296 section 2.23): whether each end's hash fits its address."""

    number: int
    by: str
    source_fits: bool | None
    destination_fits: bool | None


@dataclass(frozen=True, slots=True)
class VendorFacts:
    """A Vendor ID payload: its octets in hexadecimal digits, and its name where that is known."""

    number: int
    by: str
    octets: str
    name: str


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """An ESP or AH flow (see `EspFlow`); ``child`` is whether a Child SA of the capture has its SPI."""

    protocol: str
    spi: int
    src: str
    dst: str
    encapsulation: str
    first_number: int
    last_number: int
    packets: int
    octets: int
    lowest: int
    highest: int
    missing: int
    reordered: int
    late: int
    duplicates: int
    replays: int
    child: bool

    @property
    def label(self) -> str:
        """What it is called in a finding."""
        return f"{self.protocol.upper()} {self.spi:08x}"


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """What two ends said to each other. Tuples of numbers are packets: ``closed`` could not be opened, ``bad_icv``
    failed their ICV, ``fragments`` are SKF messages. ``collisions`` are pairs of requests that rekeyed one SA at once.
    ``moved`` are packets in which an end told a new address (RFC 4555). ``childless`` is the IKE_AUTH request without
    an SA payload (RFC 6023)."""

    number: int
    initiator: str
    responder: str
    version: int
    complete: bool
    first_number: int
    first: float | None
    last: float | None
    ike_sas: tuple[IkeSaFacts, ...] = ()
    children: tuple[ChildSaFacts, ...] = ()
    auths: tuple[AuthFacts, ...] = ()
    errors: tuple[ErrorFacts, ...] = ()
    exchanges: tuple[ExchangeFacts, ...] = ()
    notifies: tuple[NotifyFacts, ...] = ()
    nat: tuple[NatFacts, ...] = ()
    vendors: tuple[VendorFacts, ...] = ()
    fragments: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()
    bad_icv: tuple[int, ...] = ()
    collisions: tuple[tuple[int, int], ...] = ()
    childless: tuple[int, ...] = ()
    eap: tuple[int, ...] = ()
    faults: tuple[tuple[int, str], ...] = ()

    @property
    def label(self) -> str:
        """What it is called in a finding."""
        return f"conversation {self.number}"

    def notify(self, kind: int) -> list[NotifyFacts]:
        """The status notifies of one type."""
        return [each for each in self.notifies if each.kind == kind]

    @property
    def established(self) -> bool:
        """Whether an IKE SA of it came as far as an AUTH of the responder, or was rekeyed."""
        return any(auth.role == "responder" for auth in self.auths) or any(sa.rekeys for sa in self.ike_sas)


@dataclass(frozen=True, slots=True)
class CaptureFacts:
    """The facts of a capture: conversations, flows, what could not be read, and what became of ESP's ICVs.

    ``reauthenticated`` are pairs of conversation numbers: the second follows the first between the same ends.
    ``bad_esp`` are (packet, SPI) of the first ESP packets whose ICV is bad, ``losses`` what was left out.
    """

    name: str
    packets: int
    conversations: tuple[ConversationFacts, ...]
    flows: tuple[FlowFacts, ...]
    problems: tuple[tuple[int, int, str], ...]
    icvs: dict[str, int]
    reauthenticated: tuple[tuple[int, int], ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    bad_esp: tuple[tuple[int, int], ...] = ()
    losses: tuple[Loss, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The counts that a report shows in its head."""
        return {
            "capture": self.name,
            "packets": self.packets,
            "conversations": len(self.conversations),
            "ike_sas": sum(len(each.ike_sas) for each in self.conversations),
            "child_sas": sum(child.chosen is not None for each in self.conversations for child in each.children),
            "flows": len(self.flows),
            "esp": dict(self.icvs),
            "fingerprints": [each.as_dict() for each in self.fingerprints],
            "losses": [each.as_dict() for each in self.losses],
        }
