# SPDX-License-Identifier: GPL-2.0-or-later
"""One IKE SA: its keys, its windows, its Child SAs, and the exchanges in flight (RFC 7296 section 2).

There is one way in (`receive`) and one way out (`transmit`). What is in flight is an Exchange object, never a state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fynx_scapy.crypto.keymat import SkKeys, derive_sk, rekey_skeyseed, skeyseed
from fynx_scapy.errors import FynxError, IntegrityError, LocalError, MalformedError, PeerError, Timeout
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike import protection
from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.basics.states import State as State
from fynx_scapy.ike.basics.states import change
from fynx_scapy.ike.child.setup import ChildSa
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.core.window import Kept
from fynx_scapy.ike.events import (
    Event,
    IkeSaEstablished,
    IkeSaFailed,
    IntegrityFailed,
    KeysDerived,
    MessageDropped,
    MessageReceived,
    MessageSent,
    PeerNotified,
    Retransmitted,
    SaDeleted,
)
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyedIke, RekeyIke
from fynx_scapy.ike.extensions.window_size import announce
from fynx_scapy.ike.extensions.window_size import note as note_window
from fynx_scapy.ike.life import succession
from fynx_scapy.ike.life.dpd import Watch
from fynx_scapy.ike.life.lifetimes import ChildLife, IkeLife
from fynx_scapy.ike.life.reauthentication import reauthenticate, replace_refused
from fynx_scapy.ike.message import INITIATOR, RESPONSE, Address, Datagram, Header, Message, Outgoing
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.strangers import hints
from fynx_scapy.ike.strangers.cookies import Puzzle
from fynx_scapy.ike.terms import cp
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.pool import Lease
from fynx_scapy.ike.terms.proposals import Choice, Offer, Suite, choose
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.fragments import Reassembly, room
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_PS

if TYPE_CHECKING:
    from fynx_scapy.ike.basics.timers import Timer
    from fynx_scapy.ike.endpoint import Endpoint
    from fynx_scapy.ike.path.keepalive import Path


class IkeSa:
    """One IKE SA of one endpoint.

    Made by the endpoint; ``spi_i`` and ``spi_r`` are eight octets each, times are seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        configs: Sequence[IkeConfig],
        *,
        initiator: bool,
        spi_i: bytes,
        spi_r: bytes,
        local: Address,
        remote: Address,
    ):
        self.endpoint = endpoint
        self.config = configs[0]
        self.candidates = list(configs)
        self.initiator = initiator
        self.spi_i, self.spi_r = spi_i, spi_r
        self.local, self.remote = local, remote
        self._state = State.CONNECTING
        self.now = endpoint.now
        self.requests = Requests(self)
        self.answers = Answers(self)
        self.fragments = Reassembly(self)
        self.children: dict[int, ChildSa] = {}
        self.local_id: Identity | None = None
        self.remote_id: Identity | None = None
        self.nonce_i = self.nonce_r = b""
        self.init_sent = self.init_received = b""
        self.nat_before_us = self.nat_before_peer = self.nat_forced = False
        self.path: Path | None = None
        self.newest = {False: -1, True: -1}
        self.left: nat.Left | None = None
        self.own_fragments = self.peer_fragments = False
        self.peer_signature_hashes: tuple[int, ...] = ()
        self.peer_childless = False
        self.settings: cp.Settings | None = None
        self.leases: list[Lease] = []
        self.tokens: list[bytes] = []
        self.limits = hints.Limiter()
        self.authenticated_by = -1
        self.deleted_early: set[int] = set()
        self._unwanted = False
        self.auth_puzzle: Puzzle | None = None
        self.puzzle_work = 0
        self.auth_solution: IKEv2_PS | None = None
        self.rekeying: RekeyIke | None = None
        self.rekeyed: RekeyedIke | None = None
        self.peer_rekeyed: RekeyedIke | None = None
        self._successor: IkeSa | None = None
        self._superseded = False
        self.predecessor: IkeSa | None = None
        self.replacement: IkeSa | None = None
        self.deadline: Timer | None = None
        self.line = succession.Line(self)
        self.life: IkeLife | None = None
        self.watch: Watch | None = None
        self.refused_since: float | None = None
        self.last_heard = self.last_sent = endpoint.now
        self._suite: Suite | None = None
        self._keys: SkKeys | None = None
        self.envelope = Envelope(endpoint.taps, endpoint.randomness.octets)

    # What others ask about

    @property
    def state(self) -> State:
        """Where it stands; each change is held against the table of `states`."""
        return self._state

    @state.setter
    def state(self, new: State) -> None:
        self._state = change(self._state, new)

    @property
    def successor(self) -> IkeSa | None:
        """The IKE SA that took its place; the last of its line, once it has been let go itself."""
        return self.line.last if self._superseded else self._successor

    @successor.setter
    def successor(self, new: IkeSa) -> None:
        self._successor = new

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
    def listening(self) -> bool:
        """Whether the peer may ask for something: not before it is authenticated, unless we wait for just that."""
        return self.state is not State.CLOSED and not (self.initiator and self.connecting)

    @property
    def creating(self) -> bool:
        """Whether a request of ours for a Child SA is in flight."""
        return any(pending.exchange.makes_child for pending in self.requests.pending.values())

    @property
    def nat(self) -> bool:
        """Whether a NAT stands between us, so that ESP goes in UDP (section 2.23)."""
        return self.nat_before_us or self.nat_before_peer or self.nat_forced

    @property
    def own_spi(self) -> bytes:
        """The SPI by which this end finds it."""
        return self.spi_i if self.initiator else self.spi_r

    def __repr__(self) -> str:
        return f"<IkeSa {self.spi_i.hex()}_i {self.spi_r.hex()}_r {self.state.value}>"

    def emit(self, kind: type[Event], **fields: Any) -> None:
        """Tell that something happened to this SA."""
        self.endpoint.emit(kind(time=self.now, spi_i=self.spi_i, spi_r=self.spi_r, **fields))

    # What a caller or an exchange starts

    def start(self, exchange: Exchange) -> Exchange:
        """Begin an exchange as soon as the window has room; LocalError when the SA is closed.

        Returns it, to be looked at later.
        """
        if self.successor is not None:
            exchange.sa = self.successor
            return self.successor.start(exchange)
        if self.state is State.CLOSED:
            raise LocalError(f"expected an IKE SA that is open, found {self!r}")
        return self.requests.start(exchange)

    def delete_ike(self) -> Exchange:
        """Delete this IKE SA and with it all its Child SAs (section 1.4.1); one that we begin, as soon as it is up."""
        if self.state is State.CLOSED or (self.connecting and not self.initiator):
            raise LocalError(f"expected an IKE SA that is open, found {self!r}")
        self._unwanted = self.connecting
        if not self.connecting:
            self.state = State.DELETING
        return self.requests.start(Informational(self, IKEv2_Delete(proto=int(ProtocolId.IKE))))

    def liveness(self) -> Exchange:
        """Ask whether the peer lives (section 2.4)."""
        return self.start(Liveness(self))

    def rekey(self) -> Exchange:
        """Replace this IKE SA (section 1.3.2); its Child SAs move over."""
        return self.start(RekeyIke(self))

    def reauthenticate(self) -> IkeSa:
        """Set up an IKE SA from scratch that takes the place of this one (section 2.8.3); returns it."""
        return reauthenticate(self)

    def rekey_refused(self) -> None:
        """The peer answered the rekey of this IKE SA, or of a Child SA, with NO_ADDITIONAL_SAS (section 4)."""
        replace_refused(self)

    def rekey_child(self, child: ChildSa) -> Exchange:
        """Replace a Child SA (section 1.3.3)."""
        return self.start(RekeyChild(self, child))

    def create_child(self, config: ChildConfig | None = None, packet: bytes | None = None) -> Exchange:
        """Set up a further Child SA (section 1.3.1)."""
        return self.start(CreateChild(self, config, packet))

    def delete_child(self, *children: ChildSa) -> Exchange:
        """Delete Child SAs; the peer answers with the SPIs of the other direction (section 1.4.1)."""
        for child in children:
            if self.children.get(child.inbound.spi) is not child:
                raise LocalError(f"expected a Child SA of {self!r}, found {child.name!r}, which is gone or another's")
        spis = [child.inbound.spi.to_bytes(4) for child in children]
        return self.start(Informational(self, IKEv2_Delete(proto=int(ProtocolId.ESP), SPI=spis)))

    # What exchanges tell

    def choose_ike(self, offered: Sequence[Offer], group: int) -> Choice | None:
        """The first configuration that accepts one of the offers.

        Those that cannot live with the choice are out from now on.
        """
        for config in self.candidates:
            choice = choose(offered, config.proposals, prefer_ke=group)
            if choice is not None:
                chosen = [Offer(choice.number, choice.protocol, b"", choice.transforms)]
                self.candidates = [c for c in self.candidates if choose(chosen, c.proposals) is not None]
                self.config = config
                return choice
        return None

    def choose_config(self, local: Identity | None, remote: Identity) -> IkeConfig | None:
        """The configuration for these identities; one that names the peer goes before one that takes anybody."""
        fitting = [c for c in self.candidates if c.accepts_identities(local, remote)]
        return min(fitting, key=lambda c: c.remote_id is None, default=None)

    def derive_keys(self, suite: Suite, shared: bytes, old: IkeSa | None = None) -> None:
        """SKEYSEED and SK_* (section 2.14; 2.18 for a successor of ``old``), and the protectors of both directions."""
        prf = suite.prf_function()
        encr, integ = suite.encryption(), suite.integrity()
        if old is None:
            seed = skeyseed(prf, self.nonce_i, self.nonce_r, shared)
        else:
            # Section 2.18: by the PRF of the old IKE SA; what follows is by the new one's.
            seed = rekey_skeyseed(old.suite.prf_function(), old.keys.sk_d, shared, self.nonce_i, self.nonce_r)
        keys = derive_sk(prf, encr, integ, seed, self.nonce_i, self.nonce_r, self.spi_i, self.spi_r)
        self._suite, self._keys = suite, keys
        self.envelope.protect(suite, keys, initiator=self.initiator)
        secrets = (shared,) if shared else ()
        self.emit(
            KeysDerived,
            keys=keys,
            encr=suite.encr,
            prf=suite.prf,
            integ=suite.integ,
            ke=suite.ke,
            ke_secrets=secrets,
        )
        if old is None:
            nat.float_ports(self)

    def establish(self, local_id: Identity, remote_id: Identity) -> None:
        """Both ends are authenticated."""
        self.state = State.ESTABLISHED
        self.local_id, self.remote_id = local_id, remote_id
        self.authenticated_by = self.answers.expected - 1
        self.answers.size = self.config.window
        self.endpoint.keepalives.start(self)
        self.start_clocks()
        self._meet_deadline()
        self.endpoint.admission.leave(self)
        self.emit(IkeSaEstablished, local_id=str(local_id), remote_id=str(remote_id), initiator=self.initiator)
        if self._unwanted:
            self.state = State.DELETING

    def add_child(self, child: ChildSa) -> None:
        """Take in a Child SA; traffic may use it from now on."""
        self.refused_since = None
        self.children[child.inbound.spi] = child
        self.endpoint.children[child.inbound.spi] = (self, child)
        child.life = ChildLife(self, child)
        self.endpoint.traps.release()

    def remove_children(self, spis: Iterable[int], *, by_peer: bool, reason: str = "deleted") -> None:
        """Drop Child SAs by their inbound SPIs; unknown ones are ignored."""
        gone = [child for spi in list(spis) if (child := self.children.pop(spi, None)) is not None]
        for child in gone:
            self.endpoint.remove_child(child)
            for other in self.children.values():
                if other.replaces is child:
                    # Section 2.8: a request to close the replaced SA shows that the peer is ready for the new one.
                    other.ready = True
        if gone:
            spis = tuple(child.inbound.spi for child in gone)
            self.emit(SaDeleted, child_spis=spis, reason=reason, by_peer=by_peer)

    def fail(self, error: FynxError, last: Exchange | None = None) -> None:
        """The IKE SA does not come up. ``last`` is one more exchange to tell the peer."""
        if self.state is State.CLOSED:
            return
        kind = error.notify_type if isinstance(error, PeerError) else None
        self.emit(IkeSaFailed, code=error.code, reason=str(error), notify_type=kind)
        if last is not None:
            self.start(last)
        self._close(lingers=last is not None or not self.initiator, last=last)

    def closed(self, reason: str, *, by_peer: bool = False) -> None:
        """It ended as an established IKE SA does: by a Delete, or because the peer is dead."""
        if self.state is not State.CLOSED:
            if self.peer_rekeyed is not None:
                # Section 2.8.2: the peer did not see our own rekey; forget it.
                succession.hand_over(self, self.peer_rekeyed.sa)
            self._close(lingers=True)
            self.emit(SaDeleted, reason=reason, by_peer=by_peer)

    def broken(self, reason: str, *, by_peer: bool) -> None:
        """INVALID_SYNTAX was answered inside SK, by either end: that ends the IKE SA at both, without a Delete.

        RFC 7296 section 2.21.3. A configuration that says otherwise lets it stand at this end.
        """
        if self.config.invalid_syntax_is_fatal:
            if self.connecting:
                self.fail(PeerError(NotifyType.INVALID_SYNTAX, reason=reason))
            else:
                self.closed(reason, by_peer=by_peer)

    def forget(self) -> None:
        """Leave no trace: an IKE_SA_INIT request that was refused creates no state."""
        self._close(lingers=False)

    def _close(self, *, lingers: bool, last: Exchange | None = None) -> None:
        """End everything in flight but ``last``. A lingering SA still answers retransmissions from its cache."""
        self.state = State.CLOSED
        self.predecessor = None
        self.endpoint.keepalives.stop(self)
        self.stop_clocks()
        self._meet_deadline()
        self.line.spis.discard(self.own_spi)
        self.remove_children(list(self.children), by_peer=False, reason="the IKE SA ended")
        self.answers.stop()
        self.requests.stop(last)
        cp.release(self)
        self.fragments.clear()
        if lingers:
            self.endpoint.linger(self)
        else:
            self.let_go()

    def take_over(self) -> None:
        """It is the one to use from now on: promise the peer our window (section 2.3)."""
        announce(self)

    def start_clocks(self, old: IkeSa | None = None) -> None:
        """Watch over its lifetime, and over whether the peer lives; a successor knows how long ``old`` has lived."""
        self.life, self.watch = IkeLife(self, old.life if old else None), Watch(self)

    def stop_clocks(self) -> None:
        for clock in (self.life, self.watch):
            if clock is not None:
                clock.stop()

    def _meet_deadline(self) -> None:
        """Nobody waits for IKE_AUTH, or for the peer's Delete, any more; and nothing holds on to this SA for that."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def let_go(self) -> None:
        """It answers nothing any more, not even a retransmission."""
        if self._successor is not None:
            # What came between it and the last of its line is nobody's any more.
            self._successor, self._superseded = None, True
            self.rekeyed = self.peer_rekeyed = None
        # The answer to its last request may have come in part.
        self.fragments.clear()
        self.requests.clear()
        self.answers.clear()
        self.endpoint.release(self)

    def expire_half_open(self, now: float) -> None:
        """The initiator did not authenticate in time (section 2.6: state must not pile up)."""
        self.now = now
        if self.connecting:
            self._abandon(f"expected IKE_AUTH within {self.config.half_open_lifetime:g} s")

    def give_way(self) -> None:
        """The place of a half-open IKE SA, or of one that failed and lingers, is needed for another one."""
        self.now = self.endpoint.now
        if self.connecting:
            self._abandon("expected IKE_AUTH before the place was needed for another IKE SA")
        else:
            self.let_go()

    def _abandon(self, reason: str) -> None:
        error = Timeout(reason)
        self.emit(IkeSaFailed, code=error.code, reason=str(error), notify_type=None)
        # Nobody has been answered anything worth keeping.
        self.forget()

    # The way out

    def transmit(self, message: Outgoing, exchange_type: int, message_id: int, request: Message | None) -> Kept:
        """Seal a message, put it on the wire, and return it as kept.

        An answer goes to where its ``request`` came from.
        """
        flags = (INITIATOR if self.initiator else 0) | (RESPONSE if request else 0)
        defaults = {
            "init_SPI": self.spi_i,
            "resp_SPI": self.spi_r,
            "exch_type": int(exchange_type),
            "flags": flags,
            "id": message_id,
        }
        for name, value in defaults.items():
            if name not in message.header.fields:
                setattr(message.header, name, value)
        local, remote = (request.local, request.remote) if request else (self.local, self.remote)
        wires, plaintext = self.envelope.seal(message, room(self, remote))
        if exchange_type == ExchangeType.IKE_SA_INIT:
            self.init_sent = wires[0]
        datagrams = [Datagram(wire, local, remote) for wire in wires]
        kept = Kept(message, message_id, exchange_type, datagrams, request is None)
        self.emit(
            MessageSent,
            header=message.header,
            payloads=(*message.outer, *message.payloads),
            plaintext=plaintext,
            wire=tuple(wires),
            local=local,
            remote=remote,
            changed=tuple(message.changed),
        )
        self._send(kept)
        if self.life is not None:
            self.life.message(sum(map(len, wires)))
        return kept

    def retransmit(self, kept: Kept, request: Datagram | None = None) -> None:
        """Send a kept message again, bit for bit (section 2.1).

        A request goes to where the peer is by now, an answer to where its ``request`` came from this time.
        """
        kept.attempt += 1
        kept.datagrams = nat.readdressed(
            kept.datagrams, request.local if request else self.local, request.remote if request else self.remote
        )
        self.emit(
            Retransmitted,
            message_id=kept.message_id,
            exchange=kept.exchange_type,
            request=kept.request,
            attempt=kept.attempt,
            datagrams=tuple(kept.datagrams),
        )
        self._send(kept)

    def _send(self, kept: Kept) -> None:
        self.last_sent = self.now
        if self.path is not None:
            self.path.last = self.now
        self.endpoint.transmit(kept.message, kept.datagrams, kept.attempt)

    # The way in

    def receive(self, datagram: Datagram, header: Header, now: float) -> None:
        """A datagram whose SPIs are ours.

        Nothing changes before its ICV has verified, and what is wrong with it becomes an event.
        """
        self.now = now
        try:
            if (wrong := protection.fault(self, datagram, header)) is not None:
                if not hints.in_the_clear(self, datagram, header):
                    self.drop(datagram, wrong)
            elif header.response:
                self.requests.receive(datagram, header)
            else:
                self.answers.receive(datagram, header)
        except IntegrityError:
            self.emit(IntegrityFailed, spi=None, data=datagram.data, remote=datagram.remote)
        except MalformedError as error:
            self.drop(datagram, str(error))

    def drop(self, datagram: Datagram, reason: str) -> None:
        self.emit(MessageDropped, reason=reason, data=datagram.data, remote=datagram.remote)

    def accept(self, message: Message) -> None:
        """A message is new and, where it can be, authentic: note it, and follow the peer's address where we may."""
        self.last_heard = self.now
        if self.life is not None:
            self.life.message(sum(map(len, message.wires)))
        if not message.encrypted:
            self.init_received = message.wire
        if message.encrypted:
            nat.follow_message(self, message)
        self.emit(
            MessageReceived,
            header=message.layer,
            payloads=tuple(message.payloads),
            plaintext=message.plaintext,
            wire=message.wires,
            local=message.local,
            remote=message.remote,
        )
        note_window(self, message)
        for note in message.notifies():
            self.emit(
                PeerNotified,
                notify_type=note.type,
                data=bytes(note.notify or b""),
                protocol=note.proto or 0,
                spi=bytes(note.SPI or b""),
                encrypted=message.encrypted,
            )
