# SPDX-License-Identifier: GPL-2.0-or-later
"""The facts of a capture that an audit judges: plain values with the numbers of the packets that show them.

Nothing here is a judgement, and nothing holds a key. Times are seconds since the epoch, None where the capture has
none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...iana import Encr, Integ, KeMethod, Prf, ProtocolId, Registry, SequenceNumbers, TransformType, name_of

if TYPE_CHECKING:
    from ..fingerprint import Fingerprint

REGISTRIES: dict[int, type[Registry]] = {
    TransformType.ENCR: Encr,
    TransformType.PRF: Prf,
    TransformType.INTEG: Integ,
    TransformType.KE: KeMethod,
    TransformType.SN: SequenceNumbers,
    **dict.fromkeys(range(TransformType.ADDKE1, TransformType.ADDKE7 + 1), KeMethod),
}
"""The registry of transform IDs of each transform type that is judged."""


@dataclass(frozen=True, slots=True, order=True)
class Transform:
    """One transform of a proposal: its type, its ID, and the bits of its key where it says them."""

    kind: int
    id: int
    key_length: int | None = None

    @property
    def name(self) -> str:
        """IANA's name, with the key length behind it."""
        registry = REGISTRIES.get(self.kind)
        name = f"{name_of(TransformType, self.kind)}-{self.id}" if registry is None else name_of(registry, self.id)
        return name if self.key_length is None else f"{name}-{self.key_length}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal of an SA payload (RFC 7296 section 3.3.1), its transforms in the order of the wire."""

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]

    def of(self, kind: int) -> list[Transform]:
        """The transforms of one type, in order."""
        return [transform for transform in self.transforms if transform.kind == kind]

    @property
    def text(self) -> str:
        """Protocol and transforms by IANA's names."""
        names = ", ".join(transform.name for transform in self.transforms)
        return f"{name_of(ProtocolId, self.protocol)}: {names}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an SA ended: ``rekeyed`` or ``deleted``, by ``initiator`` or ``responder``, in which packet, when."""

    how: str
    by: str
    number: int
    time: float | None


@dataclass(frozen=True, slots=True)
class IkeSaFacts:
    """One IKE SA. ``chosen`` is None where the responder chose nothing, or where that could not be read.

    ``numbers`` are the packets of the request and the response that offer and choose; ``made`` is the time of the
    latter. ``nonces`` are (packet, octets). ``rekeys`` is the SPI of the IKE SA that it replaces.
    """

    spi_i: bytes
    spi_r: bytes
    offered: tuple[Proposal, ...]
    chosen: Proposal | None
    numbers: tuple[int, ...]
    made: float | None
    nonces: tuple[tuple[int, int], ...] = ()
    rekeys: bytes | None = None
    ended: Ending | None = None

    @property
    def label(self) -> str:
        """What it is called in a finding."""
        return f"IKE SA {self.spi_i.hex()}"


@dataclass(frozen=True, slots=True)
class ChildSaFacts:
    """One Child SA. ``pfs`` is whether its exchange had a KE payload, None for the one that IKE_AUTH made.

    ``narrowed`` says that the responder's traffic selectors are not those that were asked for.
    """

    ike_spi: bytes
    spi_i: int
    spi_r: int
    offered: tuple[Proposal, ...]
    chosen: Proposal | None
    numbers: tuple[int, ...]
    made: float | None
    pfs: bool | None
    mode: str = "tunnel"
    ipcomp: int | None = None
    narrowed: bool = False
    rekeys: int | None = None
    ended: Ending | None = None

    @property
    def label(self) -> str:
        """What it is called in a finding."""
        return f"Child SA {self.spi_i:08x}/{self.spi_r:08x}" if self.chosen is not None else "Child SA refused"


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
    ``bad_esp`` are (packet, SPI) of the first ESP packets whose ICV is bad.
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
        }
