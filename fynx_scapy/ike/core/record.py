# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of an IKE SA for features: the data that they may read, and the methods that they may call.

Features import this module; `IkeSa` and `Endpoint` import the features. A feature keeps its state with ``sa.of(Kind)``
or ``endpoint.of(Kind)``, so this module need not know it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.errors import Closing, FynxError, LocalError
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.basics.limiter import Limiter
from fynx_scapy.ike.basics.states import State, change
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.credentials.credential import Proof
from fynx_scapy.ike.events import Event, StateChanged
from fynx_scapy.ike.message import Address, Datagram, Message, Outgoing
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.window import Kept, ResponseWindow
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from cryptography import x509

    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.exchange import Exchange, RequestWindow

T = TypeVar("T")
X = TypeVar("X", bound="Exchange")


class Deciding:
    """An attribute of an IKE SA by which it is found, or on which the way of its Child SAs' packets depends.

    The endpoint is told of each change. There is no ``__get__``, so that reading it is as fast as any other attribute.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, sa: SaRecord, value: object) -> None:
        sa.__dict__[self._name] = value
        sa.endpoint.sa_changed(sa)


class Line:
    """An IKE SA and its successors: the SPIs of those that have not ended, and the last one that took over.

    An old IKE SA leads to the last one through it, without references to those in between.
    """

    def __init__(self, first: SaRecord) -> None:
        self.spis = {first.own_spi}
        self.last = first


class RekeyedIke(NamedTuple):
    """The result of a rekey: the new IKE SA, and the nonces of the exchange that created it."""

    sa: SaRecord
    nonces: tuple[bytes, bytes]


class SaRecord(ABC):
    """An IKE SA as its features see it. ``spi_i`` and ``spi_r`` have eight octets each."""

    if TYPE_CHECKING:
        local: Address
        remote: Address
        nat_before_us: bool
        nat_before_peer: bool
        nat_forced: bool
        remote_id: Identity | None
        _state: State
    else:
        local, remote, nat_before_us, nat_before_peer, nat_forced, remote_id, _state = (Deciding() for _ in range(7))

    requests: RequestWindow
    """Our requests."""
    answers: ResponseWindow
    """The peer's requests, and our answers."""

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
        self.children: dict[int, ChildSa] = {}
        self.config = configs[0]
        self.candidates = list(configs)
        self.initiator = initiator
        self.spi_i, self.spi_r = spi_i, spi_r
        self.local, self.remote = local, remote
        self.source = b""
        """The source of a peer that began it, as admission counts them: no later message changes it."""
        self._state = State.CONNECTING
        self.begun_at = endpoint.now
        self.established_at: float | None = None
        self.ended = ""
        self.closing = Closing.BY_US
        self._suite: Suite | None = None
        self._keys: SkKeys | None = None
        self._kept: dict[object, object] = {}
        self.envelope = Envelope(endpoint.taps, endpoint.randomness.octets)
        self.nonce_i = self.nonce_r = b""
        self.init_sent = self.init_received = b""
        self.local_id: Identity | None = None
        self.remote_id = None
        self.peer_proof: Proof | None = None
        """How the peer has proven its identity; None before it did."""
        self.authenticated_by = -1
        """The message ID of the last request of IKE_AUTH that we answered; -1 for none, as after a rekey."""
        self.last_heard = self.last_sent = endpoint.now
        self.limits = Limiter()
        self.nat_before_us = self.nat_before_peer = self.nat_forced = False
        self.inbox: Inbox | None = None
        """Where its inner packets go; None for `Endpoint.packets`. Its successor and its replacement inherit it."""
        self.deleted_early: set[int] = set()
        self.rekeying: Exchange | None = None
        self.rekeyed: RekeyedIke | None = None
        self.peer_rekeyed: RekeyedIke | None = None
        self._successor: SaRecord | None = None
        self._superseded = False
        self.predecessor: SaRecord | None = None
        self.replacement: SaRecord | None = None
        """What was set up from scratch in its place: by a reauthentication, or after the peer was dead."""
        self.line = Line(self)
        self.deadline: Timer | None = None
        self.refused_since: float | None = None

    def __repr__(self) -> str:
        children = f", {counted(len(self.children), 'Child SA')}" if self.children else ""
        spis = f"{self.spi_i.hex()}_i {self.spi_r.hex()}_r"
        return f"<IkeSa {self.local} > {self.remote}, {spis} {self.state.value}{children}>"

    # Properties

    @property
    def now(self) -> float:
        """The time of the endpoint, in seconds."""
        return self.endpoint.now

    @property
    def stamp(self) -> tuple[float, bytes, bytes]:
        """The time and both SPIs: the first fields of every event of this IKE SA."""
        return self.endpoint.now, self.spi_i, self.spi_r

    @property
    def state(self) -> State:
        """The state. Each change is checked against the table in `states`."""
        return self._state

    @state.setter
    def state(self, new: State) -> None:
        old, self._state = self._state, change(self._state, new)
        if new is not old:
            self.emit(StateChanged(*self.stamp, old=old, new=new))
        if new is State.ESTABLISHED:
            self.established_at = self.now

    @property
    def anonymous(self) -> bool:
        """Whether the peer has proven nothing, so that its identity is not to be believed (RFC 7619)."""
        return self.peer_proof is not None and self.peer_proof.anonymous

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """The certificate by which the peer has proven its identity; None if it did not, or in another way."""
        certificates = self.peer_proof.certificates if self.peer_proof is not None else ()
        return certificates[0] if certificates else None

    @property
    def identity(self) -> dict[str, str]:
        """Its SPIs and addresses, as the `ErrorContext` of an error has them."""
        return {
            "spi_i": self.spi_i.hex(),
            "spi_r": self.spi_r.hex(),
            "local": str(self.local),
            "remote": str(self.remote),
        }

    @property
    def successor(self) -> SaRecord | None:
        """The IKE SA that replaced it; once it is discarded, the last one of its line. None if there is none."""
        return self.line.last if self._superseded else self._successor

    def succeeded_by(self, new: SaRecord) -> None:
        """Make ``new`` its successor."""
        self._successor = self.line.last = new

    @property
    def newest(self) -> SaRecord:
        """The last IKE SA of its successors; itself if it was never rekeyed."""
        sa: SaRecord = self
        while sa.successor is not None:
            sa = sa.successor
        return sa

    @property
    def suite(self) -> Suite:
        """The negotiated transforms; LocalError before IKE_SA_INIT is complete."""
        if self._suite is None:
            raise LocalError("expected an IKE SA with negotiated algorithms: IKE_SA_INIT is not complete")
        return self._suite

    @property
    def keys(self) -> SkKeys:
        """The keys SK_*; LocalError before IKE_SA_INIT is complete."""
        if self._keys is None:
            raise LocalError("expected an IKE SA with keys: IKE_SA_INIT is not complete")
        return self._keys

    @property
    def connecting(self) -> bool:
        """Whether IKE_SA_INIT or IKE_AUTH is under way: the peers are not authenticated yet."""
        return self.state is State.CONNECTING

    @property
    def established(self) -> bool:
        """Whether both peers are authenticated, and the IKE SA is neither rekeyed nor being deleted."""
        return self.state is State.ESTABLISHED

    @property
    def creating(self) -> bool:
        """Whether one of our requests for a Child SA is in flight."""
        return any(exchange.makes_child for exchange in self.requests.in_flight)

    @property
    def nat(self) -> bool:
        """Whether there is a NAT between the peers, so that ESP is sent in UDP (section 2.23)."""
        return self.nat_before_us or self.nat_before_peer or self.nat_forced

    @property
    def own_spi(self) -> bytes:
        """Our SPI."""
        return self.spi_i if self.initiator else self.spi_r

    def of(self, kind: Callable[[SaRecord], T]) -> T:
        """The object of class ``kind`` that a feature keeps for this IKE SA. It is created on first use."""
        feature = self._kept.get(kind)
        if feature is None:
            feature = self._kept[kind] = kind(self)
        return feature  # type: ignore[return-value]  # the key is its class

    # Events

    def emit(self, event: Event) -> None:
        """Report an event."""
        self.endpoint.emit(event)

    @abstractmethod
    def drop(self, datagram: Datagram, code: DropReason, reason: str) -> None:
        """Count and report a dropped datagram."""

    # Exchanges

    @abstractmethod
    def start(self, exchange: X) -> X:
        """Begin an exchange as soon as the window has room; LocalError when the IKE SA is closed."""

    @abstractmethod
    def inform(self, *payloads: Packet) -> Exchange:
        """Send these payloads in an INFORMATIONAL exchange (section 1.4)."""

    @abstractmethod
    def liveness(self) -> Exchange:
        """Check that the peer is alive (section 2.4)."""

    @abstractmethod
    def rekey(self) -> Exchange:
        """Rekey this IKE SA (section 1.3.2). The new one takes over its Child SAs."""

    @abstractmethod
    def reauthenticate(self) -> SaRecord:
        """Set up a new IKE SA from scratch to replace this one (section 2.8.3); returns the new one."""

    @abstractmethod
    def create_child(self, config: ChildConfig | None = None, packet: bytes | None = None) -> Exchange:
        """Set up a further Child SA (section 1.3.1)."""

    @abstractmethod
    def rekey_child(self, child: ChildSa) -> Exchange:
        """Rekey a Child SA (section 1.3.3)."""

    @abstractmethod
    def delete_child(self, *children: ChildSa) -> Exchange:
        """Delete Child SAs (section 1.4.1)."""

    @abstractmethod
    def delete_ike(self, why: Closing = Closing.BY_US) -> Exchange:
        """Delete this IKE SA with all its Child SAs (section 1.4.1)."""

    # Messages

    @property
    @abstractmethod
    def listening(self) -> bool:
        """Whether the peer may send requests."""

    @abstractmethod
    def transmit(self, message: Outgoing, exchange_type: int, message_id: int, request: Message | None) -> Kept:
        """Encrypt a message and send it; returns it for retransmission. An answer goes to its ``request``'s source."""

    @abstractmethod
    def retransmit(self, kept: Kept, request: Datagram | None = None) -> None:
        """Retransmit a message, bit for bit (section 2.1)."""

    @abstractmethod
    def accept(self, message: Message) -> None:
        """Record a new message whose ICV, if it has one, has verified."""

    # Life

    @abstractmethod
    def derive_keys(self, suite: Suite, shared: bytes, old: SaRecord | None = None) -> None:
        """Derive SKEYSEED and SK_* (section 2.14; 2.18 for a successor of ``old``)."""

    @abstractmethod
    def adopt(self, keys: SkKeys) -> None:
        """Use these keys from now on. SK_a* and SK_e* are the same as before."""

    @abstractmethod
    def establish(self, local_id: Identity, remote_id: Identity) -> None:
        """Mark the IKE SA as established: both peers are authenticated."""

    @abstractmethod
    def start_clocks(self, old: SaRecord | None = None) -> None:
        """Start the lifetime and the dead peer detection. A successor takes the reauthentication time of ``old``."""

    @abstractmethod
    def stop_clocks(self) -> None:
        """Stop the lifetime and the dead peer detection."""

    @abstractmethod
    def take_over(self) -> None:
        """Take over from the predecessor."""

    @abstractmethod
    def add_child(self, child: ChildSa) -> None:
        """Add a Child SA. Traffic may use it from now on."""

    @abstractmethod
    def remove_children(
        self, spis: Iterable[int], *, by_peer: bool, reason: str = "deleted", code: Closing | None = None
    ) -> None:
        """Remove Child SAs by their inbound SPIs; unknown SPIs are ignored."""

    @abstractmethod
    def fail(self, error: FynxError, last: Exchange | None = None) -> None:
        """Fail to set up the IKE SA. ``last`` is a final exchange that tells the peer."""

    @abstractmethod
    def closed(self, reason: str, code: Closing, *, by_peer: bool = False) -> None:
        """Close an established IKE SA: it was deleted, or the peer is dead."""

    @abstractmethod
    def broken(self, reason: str, *, by_peer: bool) -> None:
        """Close the IKE SA, without a Delete, after INVALID_SYNTAX inside SK was sent or received (section 2.21.3)."""

    @abstractmethod
    def forget(self) -> None:
        """Forget the IKE SA at once."""

    @abstractmethod
    def discard(self) -> None:
        """Forget an ended IKE SA: it no longer answers retransmissions."""

    @abstractmethod
    def evict(self) -> None:
        """Make room for another IKE SA: abandon a half-open one, or discard one that failed and lingers."""
