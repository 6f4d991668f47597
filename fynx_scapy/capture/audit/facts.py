# SPDX-License-Identifier: GPL-2.0-or-later
"""The facts of a capture that an audit judges: plain values with the numbers of the packets that show them.

Nothing here is a judgement, and nothing holds a key. Times are seconds since the epoch, None if not captured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts

if TYPE_CHECKING:
    from fynx_scapy.capture.audit.chains import CertificateFacts, ChainFacts
    from fynx_scapy.capture.fingerprint import Fingerprint
    from fynx_scapy.capture.reading.losses import Loss


@dataclass(frozen=True, slots=True)
class AuthFacts:
    """One AUTH payload: its sender, its method (RFC 7296 section 3.8), and the result of verifying it.

    ``algorithm`` names the signature of method 14, ``key`` the public key of the accompanying certificate, such as
    ``RSA-2048``. ``chain`` is the verdict on its certificates, ``sha1`` says that method 1 signed with SHA-1.
    """

    number: int
    role: str
    method: int
    algorithm: str | None
    key: str
    verified: bool | None
    reason: str
    chain: ChainFacts | None = None
    sha1: bool = False


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What a request has that an error refuses.

    ``groups`` are the key exchange methods in its SA payload, ``group`` that of its KE payload. ``payloads`` are pairs
    (type, critical bit), ``faults`` what is malformed. ``readable`` is False if it was not decrypted.
    """

    groups: tuple[int, ...] = ()
    group: int | None = None
    payloads: tuple[tuple[int, bool], ...] = ()
    faults: tuple[str, ...] = ()
    readable: bool = True


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """An error Notify: its sender, its exchange, and whether the message was protected.

    ``request`` is the packet number of the request, ``asked`` what it has. ``detail`` is the error's ``data`` in words.
    ``overcome`` says whether a retry of the exchange succeeded.
    """

    number: int
    kind: int
    exchange: str
    by: str
    protected: bool
    request: int | None
    detail: str = ""
    overcome: bool = False
    data: bytes = b""
    asked: RequestFacts | None = None


@dataclass(frozen=True, slots=True)
class ExchangeFacts:
    """One exchange: its packets, the retransmissions among them, and the seconds from request to response.

    Packets that were captured twice are in `ConversationFacts.twice` alone.
    """

    name: str
    message_id: int
    by: str
    numbers: tuple[int, ...]
    copies: tuple[int, ...]
    latency: float | None
    answered: bool


@dataclass(frozen=True, slots=True)
class NotifyFacts:
    """A status Notify: packet, sender, type, exchange and data."""

    number: int
    by: str
    kind: int
    exchange: str
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class NatFacts:
    """NAT detection in one message (RFC 7296 section 2.23): whether each peer's hash matches its address."""

    number: int
    by: str
    source_fits: bool | None
    destination_fits: bool | None


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """A UDP packet of which IP fragments are missing: its sender, its port (0: unknown), whether the first is there."""

    number: int
    by: str
    port: int
    first: bool


@dataclass(frozen=True, slots=True)
class VendorFacts:
    """A Vendor ID payload: its octets in hexadecimal, and its name if known."""

    number: int
    by: str
    octets: str
    name: str


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """An ESP or AH flow (see `EspFlow`). ``child`` says whether a Child SA in the capture has its SPI.

    ``used`` and ``agreed`` name the algorithms that keys of a table opened it with, if others were negotiated.
    """

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
    twice: int = 0
    mirror: bool = False
    zeros: int = 0
    zero_number: int = 0
    used: str = ""
    agreed: str = ""

    @property
    def label(self) -> str:
        """Its name in a finding."""
        return f"{self.protocol.upper()} {self.spi:08x}"


@dataclass(frozen=True, slots=True)
class ClosedFacts:
    """ESP packets of one SPI that were not decrypted although there are keys: ``bad`` ones have a wrong ICV.

    ``keyed`` says whether there is a key for the SPI, ``tried`` whether it could be tried, ``reason`` why it fails or
    cannot be tried, empty if that was not found. ``numbers`` are the first of the ``count`` packets. ``child`` says
    whether a Child SA in the capture has the SPI.
    """

    spi: int
    bad: bool
    keyed: bool
    tried: bool
    reason: str
    count: int
    numbers: tuple[int, ...]
    child: bool


@dataclass(frozen=True, slots=True)
class OddFacts:
    """ESP packets of one SPI whose content contradicts itself, such as a next header of IPv4 before an IPv6 packet."""

    spi: int
    text: str
    count: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """The facts of one conversation. Tuples of numbers are packets: ``closed`` could not be decrypted, ``bad_icv`` have
    a bad ICV, ``fragments`` are SKF messages. ``collisions`` are pairs of requests that rekeyed one SA simultaneously.
    ``eap_type`` is the last EAP method that was asked for, 0 without EAP.
    ``left_out`` are the CERT payloads that were not looked at: pairs of sender and count.
    ``moved`` are packets in which a peer announced a new address (RFC 4555). ``childless`` are IKE_AUTH requests
    without an SA payload (RFC 6023). ``twice`` are packets that were captured before, ``cut``
    messages that the snap length cut, ``pieces`` UDP packets between its hosts of which IP fragments are missing."""

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
    eap_type: int = 0
    certificates: tuple[CertificateFacts, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()
    faults: tuple[tuple[int, str], ...] = ()
    twice: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    pieces: tuple[PieceFacts, ...] = ()

    @property
    def label(self) -> str:
        """Its name in a finding."""
        return f"conversation {self.number}"

    def notify(self, kind: int) -> list[NotifyFacts]:
        """The status Notifies of one type."""
        return [each for each in self.notifies if each.kind == kind]

    @property
    def established(self) -> bool:
        """Whether one of its IKE SAs got as far as the responder's AUTH, or was rekeyed."""
        return any(auth.role == "responder" for auth in self.auths) or any(sa.rekeys for sa in self.ike_sas)


@dataclass(frozen=True, slots=True)
class CaptureFacts:
    """The facts of a capture: conversations, flows, problems, and the ICV counts of ESP.

    ``reauthenticated`` are pairs of conversation numbers: the second follows the first between the same peers.
    ``closed_esp`` are the ESP packets that the keys did not open, ``losses`` what was left out. ``twice`` are
    the first ESP and AH packets that were captured before (the flows count them). ``cut`` are pairs: how many
    octets of a frame the capture has, and how many packets were cut there.
    """

    name: str
    packets: int
    conversations: tuple[ConversationFacts, ...]
    flows: tuple[FlowFacts, ...]
    problems: tuple[tuple[int, int, str], ...]
    icvs: dict[str, int]
    reauthenticated: tuple[tuple[int, int], ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    closed_esp: tuple[ClosedFacts, ...] = ()
    losses: tuple[Loss, ...] = ()
    twice: tuple[int, ...] = ()
    cut: tuple[tuple[int, int], ...] = ()
    odd: tuple[OddFacts, ...] = ()
    left_out: int = 0
    """How many IPsec packets a filter left out, so that they were not judged."""
    pieces: tuple[PieceFacts, ...] = ()
    """First fragments of UDP packets to or from ports of IKE, between hosts without a conversation."""

    def as_dict(self) -> dict[str, Any]:
        """The counts for the head of a report."""
        return {
            "capture": self.name,
            "packets": self.packets,
            "conversations": len(self.conversations),
            "ike_sas": sum(len(each.ike_sas) for each in self.conversations),
            "child_sas": sum(child.chosen is not None for each in self.conversations for child in each.children),
            "flows": len(self.flows),
            "esp": dict(self.icvs),
            "fingerprints": [each.as_dict() for each in self.fingerprints],
            "certificates": [cert.as_dict() for each in self.conversations for cert in each.certificates],
            "losses": [each.as_dict() for each in self.losses],
            "left_out": self.left_out,
        }
