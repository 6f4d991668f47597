# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of an IKE SA: what every feature may read of it, and ask for.

Features import this, and `IkeSa` and `Endpoint` import the features. A feature keeps a state of its own with
``sa.of(Kind)`` or ``endpoint.of(Kind)``, so that nothing here knows of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.ike.basics.limiter import Limiter
from fynx_scapy.ike.basics.states import State, change
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.message import Address, Datagram, Message, Outgoing
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.window import Kept, ResponseWindow

if TYPE_CHECKING:
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.exchange import Exchange, RequestWindow

T = TypeVar("T")
X = TypeVar("X", bound="Exchange")


class Line:
    """An IKE SA and its successors: the SPIs of those that have not ended, and the last one that took over.

    Whoever holds an old one of them finds the last one by it, and holds none of those between.
    """

    def __init__(self, first: SaRecord) -> None:
        self.spis = {first.own_spi}
        self.last = first


class RekeyedIke(NamedTuple):
    """What a rekey came to: the new IKE SA, and the nonces of the exchange that made it."""

    sa: SaRecord
    nonces: tuple[bytes, bytes]


class SaRecord(ABC):
    """One IKE SA as its features see it. ``spi_i`` and ``spi_r`` are eight octets each."""

    requests: RequestWindow
    """Our requests."""
    answers: ResponseWindow
    """The peer's."""

    def __init__(
        self,
        endpoint: EndpointRecord,
        configs: Sequence[IkeConfig],
        *,
        initiator: bool,
        spi_i: bytes,
        spi_r: bytes,
        local: Address,
        remote: Address,
    ) -> None:
        self.endpoint = endpoint
        self.config = configs[0]
        self.candidates = list(configs)
        self.initiator = initiator
        self.spi_i, self.spi_r = spi_i, spi_r
        self.local, self.remote = local, remote
        self._state = State.CONNECTING
        self._suite: Suite | None = None
        self._keys: SkKeys | None = None
        self._kept: dict[object, object] = {}
        self.envelope = Envelope(endpoint.taps, endpoint.randomness.octets)
        self.nonce_i = self.nonce_r = b""
        self.init_sent = self.init_received = b""
        self.local_id: Identity | None = None
        self.remote_id: Identity | None = None
        self.authenticated_by = -1
        self.last_heard = self.last_sent = endpoint.now
        self.limits = Limiter()
        self.nat_before_us = self.nat_before_peer = self.nat_forced = False
        self.children: dict[int, ChildSa] = {}
        self.deleted_early: set[int] = set()
        self.rekeying: Exchange | None = None
        self.rekeyed: RekeyedIke | None = None
        self.peer_rekeyed: RekeyedIke | None = None
        self._successor: SaRecord | None = None
        self._superseded = False
        self.predecessor: SaRecord | None = None
        self.replacement: SaRecord | None = None
        self.line = Line(self)
        self.deadline: Timer | None = None
        self.refused_since: float | None = None

    def __repr__(self) -> str:
        return f"<IkeSa {self.spi_i.hex()}_i {self.spi_r.hex()}_r {self.state.value}>"

    # What it is

    @property
    def now(self) -> float:
        """The time, in seconds: its endpoint's."""
        return self.endpoint.now

    @property
    def stamp(self) -> tuple[float, bytes, bytes]:
        """The time and both SPIs, with which every event of this IKE SA begins."""
        return self.endpoint.now, self.spi_i, self.spi_r

    @property
    def state(self) -> State:
        """Where it stands; each change is held against the table of `states`."""
        return self._state

    @state.setter
    def state(self, new: State) -> None:
        self._state = change(self._state, new)

    @property
    def successor(self) -> SaRecord | None:
        """The IKE SA that took its place; the last of its line, once it has been let go itself."""
        return self.line.last if self._superseded else self._successor

    def succeeded_by(self, new: SaRecord) -> None:
        """``new`` takes its place."""
        self._successor = self.line.last = new

    @property
    def newest(self) -> SaRecord:
        """The last one of the line that follows it; itself when it was never rekeyed."""
        sa: SaRecord = self
        while sa.successor is not None:
            sa = sa.successor
        return sa

    @property
    def suite(self) -> Suite:
        """What was agreed; LocalError before that."""
        if self._suite is None:
            raise LocalError("expected an IKE SA that has agreed on algorithms; IKE_SA_INIT has not ended")
        return self._suite

    @property
    def keys(self) -> SkKeys:
        """SK_*; LocalError before they are derived."""
        if self._keys is None:
            raise LocalError("expected an IKE SA that has keys; IKE_SA_INIT has not ended")
        return self._keys

    @property
    def connecting(self) -> bool:
        """Whether the ends are not authenticated yet."""
        return self.state is State.CONNECTING

    @property
    def established(self) -> bool:
        """Whether both ends are authenticated and nobody has closed it."""
        return self.state is State.ESTABLISHED

    @property
    def creating(self) -> bool:
        """Whether a request of ours for a Child SA is in flight."""
        return any(exchange.makes_child for exchange in self.requests.in_flight)

    @property
    def nat(self) -> bool:
        """Whether a NAT stands between us, so that ESP goes in UDP (section 2.23)."""
        return self.nat_before_us or self.nat_before_peer or self.nat_forced

    @property
    def own_spi(self) -> bytes:
        """The SPI by which this end finds it."""
        return self.spi_i if self.initiator else self.spi_r

    def of(self, kind: Callable[[SaRecord], T]) -> T:
        """What a feature keeps for this IKE SA: its object of that kind, made when it is first asked for."""
        found = self._kept.get(kind)
        if found is None:
            found = self._kept[kind] = kind(self)
        return found  # type: ignore[return-value]  # the key says its type

    # What it tells

    def emit(self, event: Event) -> None:
        """Tell that something happened to it."""
        self.endpoint.emit(event)

    @abstractmethod
    def drop(self, datagram: Datagram, reason: str) -> None:
        """Tell that a datagram was not acted upon."""

    # What may be asked of it

    @abstractmethod
    def start(self, exchange: X) -> X:
        """Begin an exchange as soon as the window has room; LocalError when the IKE SA is closed."""

    @abstractmethod
    def inform(self, *payloads: Packet) -> Exchange:
        """Send these payloads in an INFORMATIONAL exchange (section 1.4)."""

    @abstractmethod
    def liveness(self) -> Exchange:
        """Ask whether the peer lives (section 2.4)."""

    @abstractmethod
    def rekey(self) -> Exchange:
        """Replace it (section 1.3.2); its Child SAs move over."""

    @abstractmethod
    def reauthenticate(self) -> SaRecord:
        """Set up an IKE SA from scratch that takes its place (section 2.8.3); returns it."""

    @abstractmethod
    def create_child(self, config: ChildConfig | None = None, packet: bytes | None = None) -> Exchange:
        """Set up a further Child SA (section 1.3.1)."""

    @abstractmethod
    def rekey_child(self, child: ChildSa) -> Exchange:
        """Replace a Child SA (section 1.3.3)."""

    @abstractmethod
    def delete_child(self, *children: ChildSa) -> Exchange:
        """Delete Child SAs (section 1.4.1)."""

    @abstractmethod
    def delete_ike(self) -> Exchange:
        """Delete it, and with it all its Child SAs (section 1.4.1)."""

    # What its windows need

    @property
    @abstractmethod
    def listening(self) -> bool:
        """Whether the peer may ask for something."""

    @abstractmethod
    def transmit(self, message: Outgoing, exchange_type: int, message_id: int, request: Message | None) -> Kept:
        """Seal a message, put it on the wire, and return it as kept; an answer goes to its ``request``'s source."""

    @abstractmethod
    def retransmit(self, kept: Kept, request: Datagram | None = None) -> None:
        """Send a kept message again, bit for bit (section 2.1)."""

    @abstractmethod
    def accept(self, message: Message) -> None:
        """A message is new and, where it can be, authentic: note it."""

    # How it comes up and ends

    @abstractmethod
    def derive_keys(self, suite: Suite, shared: bytes, old: SaRecord | None = None) -> None:
        """SKEYSEED and SK_* (sections 2.14 and, for a successor of ``old``, 2.18)."""

    @abstractmethod
    def establish(self, local_id: Identity, remote_id: Identity) -> None:
        """Both ends are authenticated."""

    @abstractmethod
    def start_clocks(self, old: SaRecord | None = None) -> None:
        """Watch over its lifetime, and over whether the peer lives; a successor knows how long ``old`` has lived."""

    @abstractmethod
    def stop_clocks(self) -> None:
        """Watch over nothing any more."""

    @abstractmethod
    def take_over(self) -> None:
        """It is the one to use from now on."""

    @abstractmethod
    def add_child(self, child: ChildSa) -> None:
        """Take in a Child SA; traffic may use it from now on."""

    @abstractmethod
    def remove_children(self, spis: Iterable[int], *, by_peer: bool, reason: str = "deleted") -> None:
        """Drop Child SAs by their inbound SPIs; unknown ones are ignored."""

    @abstractmethod
    def fail(self, error: FynxError, last: Exchange | None = None) -> None:
        """It does not come up. ``last`` is one more exchange to tell the peer."""

    @abstractmethod
    def closed(self, reason: str, *, by_peer: bool = False) -> None:
        """It ended as an established IKE SA does: by a Delete, or because the peer is dead."""

    @abstractmethod
    def broken(self, reason: str, *, by_peer: bool) -> None:
        """INVALID_SYNTAX was answered inside SK, by either end: that ends it at both (section 2.21.3)."""

    @abstractmethod
    def forget(self) -> None:
        """Leave no trace of it."""

    @abstractmethod
    def discard(self) -> None:
        """It answers nothing any more, not even a retransmission."""

    @abstractmethod
    def evict(self) -> None:
        """Its place, half-open or lingering, is needed for another one."""
