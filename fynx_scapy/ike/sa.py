# SPDX-License-Identifier: GPL-2.0-or-later
"""An IKE SA: its keys, its windows, its Child SAs, and its exchanges in flight (RFC 7296 section 2).

All input goes through `receive`, all output through `transmit`. An exchange in flight is an Exchange object, not a
state of the IKE SA.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import SkKeys, derive_sk, rekey_skeyseed, skeyseed
from fynx_scapy.errors import (
    Closing,
    FynxError,
    HalfOpen,
    IntegrityError,
    LocalError,
    MalformedError,
    PeerError,
    SessionClosed,
)
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.states import State as State
from fynx_scapy.ike.child.traps import Traps
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import (
    IkeSaEstablished,
    IkeSaFailed,
    IntegrityFailed,
    KeysDerived,
    SaDeleted,
)
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.extensions.cp import ConfigurationPayload
from fynx_scapy.ike.life import succession
from fynx_scapy.ike.life.dpd import Watch
from fynx_scapy.ike.life.lifetimes import ChildLife, IkeLife
from fynx_scapy.ike.life.reauthentication import reauthenticate
from fynx_scapy.ike.message import Address, Datagram, Header
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.path.keepalive import Keepalives
from fynx_scapy.ike.reassembly import Reassembly
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.sa_messages import SaMessages
from fynx_scapy.ike.strangers import protection, unprotected
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.terms.cp import Settings
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.layers.ikev2 import IKEv2_Delete

X = TypeVar("X", bound=Exchange)


class IkeSa(SaMessages):
    """An IKE SA of an endpoint. The endpoint creates it.

    ``spi_i`` and ``spi_r`` have eight octets each; times are in seconds.
    """

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
        super().__init__(endpoint, configs, initiator=initiator, spi_i=spi_i, spi_r=spi_r, local=local, remote=remote)
        self.fragments = Reassembly(self)
        self.requests: Requests = Requests(self, self.fragments)
        self.answers: Answers = Answers(self, self.fragments)
        self.watch: Watch | None = None
        self._unwanted = False

    if TYPE_CHECKING:
        # Users of the engine see the related IKE SAs as IkeSa, too.
        predecessor: IkeSa | None
        replacement: IkeSa | None

        @property
        def successor(self) -> IkeSa | None: ...

        @property
        def newest(self) -> IkeSa: ...

    @property
    def settings(self) -> Settings | None:
        """The settings from the peer's CFG_REPLY or CFG_SET (section 2.19), or None."""
        return self.of(ConfigurationPayload).settings

    @property
    def listening(self) -> bool:
        """Whether the peer may send requests. While an IKE SA comes up, only its initiator may."""
        return self.state is not State.CLOSED and not (self.initiator and self.connecting)

    # Called to start exchanges

    def start(self, exchange: X) -> X:
        """Begin an exchange as soon as the window has room; returns it. LocalError when the IKE SA is closed."""
        if self.successor is not None:
            exchange.sa = self.successor
            return self.successor.start(exchange)
        if self.state is State.CLOSED:
            text = f"expected an open IKE SA to start an exchange on, found {self!r}{self._why()}"
            raise SessionClosed(text, self.closing)
        return self.requests.start(exchange)

    def _why(self) -> str:
        """Why it is closed, to follow its repr."""
        return f": {self.ended}" if self.ended else ""

    def delete_ike(self, why: Closing = Closing.BY_US) -> Exchange:
        """Delete this IKE SA with all its Child SAs (section 1.4.1).

        If we are still setting it up, it is deleted once it is established. LocalError when it is closed, or when the
        peer is setting it up.
        """
        if self.state is State.CLOSED or (self.connecting and not self.initiator):
            text = f"expected an open IKE SA to delete, found {self!r}{self._why()}"
            raise SessionClosed(text, self.closing) if self.state is State.CLOSED else LocalError(text)
        self.closing, self._unwanted = why, self.connecting
        if not self.connecting:
            self.state = State.DELETING
        return self.requests.start(Informational(self, IKEv2_Delete(proto=int(ProtocolId.IKE))))

    def inform(self, *payloads: Packet) -> Exchange:
        """Send these payloads in an INFORMATIONAL exchange (section 1.4)."""
        return self.start(Informational(self, *payloads))

    def liveness(self) -> Exchange:
        """Check that the peer is alive (section 2.4)."""
        return self.start(Liveness(self))

    def rekey(self) -> Exchange:
        """Rekey this IKE SA (section 1.3.2). The new one takes over its Child SAs."""
        return self.start(RekeyIke(self))

    def reauthenticate(self) -> SaRecord:
        """Set up a new IKE SA from scratch to replace this one (section 2.8.3); returns the new one."""
        return reauthenticate(self)

    def rekey_child(self, child: ChildSa) -> Exchange:
        """Rekey a Child SA (section 1.3.3)."""
        return self.start(RekeyChild(self, child))

    def create_child(self, config: ChildConfig | None = None, packet: bytes | None = None) -> Exchange:
        """Set up a further Child SA (section 1.3.1)."""
        return self.start(CreateChild(self, config, packet))

    def delete_child(self, *children: ChildSa) -> Exchange:
        """Delete Child SAs; the peer answers with the SPIs of the other direction (section 1.4.1).

        LocalError when one of them is not a Child SA of this IKE SA.
        """
        for child in children:
            if self.children.get(child.inbound.spi) is not child:
                raise LocalError(f"expected a Child SA of {self!r}, found {child.name!r}, which was deleted or moved")
        spis = [child.inbound.spi.to_bytes(4) for child in children]
        return self.start(Informational(self, IKEv2_Delete(proto=int(ProtocolId.ESP), SPI=spis)))

    # Called by exchanges

    def derive_keys(self, suite: Suite, shared: bytes, old: SaRecord | None = None) -> None:
        """Derive SKEYSEED and SK_* (section 2.14; 2.18 for a successor of ``old``), and use them from now on."""
        if suite.prf is None or suite.ke is None:
            raise LocalError("expected a suite with a PRF and a key exchange method for an IKE SA")
        prf = suite.prf_function()
        encr, integ = suite.encryption(), suite.integrity()
        if old is None:
            seed = skeyseed(prf, self.nonce_i, self.nonce_r, shared)
        else:
            # Section 2.18: SKEYSEED uses the PRF of the old IKE SA, everything after it that of the new one.
            seed = rekey_skeyseed(old.suite.prf_function(), old.keys.sk_d, shared, self.nonce_i, self.nonce_r)
        keys = derive_sk(prf, encr, integ, seed, self.nonce_i, self.nonce_r, self.spi_i, self.spi_r)
        self._suite = suite
        self.envelope.protect(suite, keys, initiator=self.initiator)
        self.adopt(keys, (shared,) if shared else ())
        if old is None:
            nat.float_ports(self)

    def adopt(self, keys: SkKeys, secrets: tuple[bytes, ...] = ()) -> None:
        """Use these keys from now on. SK_a* and SK_e* are the same as before."""
        self._keys, suite = keys, self.suite
        assert suite.prf is not None
        assert suite.ke is not None
        self.emit(
            KeysDerived(
                *self.stamp,
                keys=keys,
                encr=suite.encr,
                prf=suite.prf,
                integ=suite.integ,
                ke=suite.ke,
                ke_secrets=secrets,
            )
        )

    def establish(self, local_id: Identity, remote_id: Identity) -> None:
        """Mark the IKE SA as established: both peers are authenticated."""
        self.state = State.ESTABLISHED
        self.local_id, self.remote_id = local_id, remote_id
        self.authenticated_by = self.answers.expected - 1
        self.endpoint.of(Keepalives).start(self)
        self.start_clocks()
        self._meet_deadline()
        self.endpoint.of(Admission).leave(self)
        ours, theirs, took = str(local_id), str(remote_id), self.now - self.begun_at
        how = self.peer_proof.by if self.peer_proof is not None else ""
        self.emit(
            IkeSaEstablished(
                *self.stamp, local_id=ours, remote_id=theirs, initiator=self.initiator, seconds=took, proof=how
            )
        )
        hooks.established(self)
        if self._unwanted:
            self.state = State.DELETING

    def add_child(self, child: ChildSa) -> None:
        """Add a Child SA. Traffic may use it from now on."""
        self.refused_since = None
        child.ends, child.installed_at = (self.local.host, self.remote.host), self.now
        self.children[child.inbound.spi] = child
        child.life = ChildLife(self, child)
        self.endpoint.add_child(self, child)
        self.endpoint.of(Traps).release()

    def remove_children(
        self, spis: Iterable[int], *, by_peer: bool, reason: str = "deleted", code: Closing | None = None
    ) -> None:
        """Remove Child SAs by their inbound SPIs; unknown SPIs are ignored.

        ``code`` says why, by default whether we deleted them or the peer.
        """
        gone = [child for spi in list(spis) if (child := self.children.pop(spi, None)) is not None]
        for child in gone:
            self.endpoint.remove_child(child)
        for other in self.children.values() if gone else ():
            if any(other.replaces is child for child in gone):
                # Section 2.8: a request to close the replaced SA shows that the peer is ready for the new one.
                other.ready = True
        if gone:
            spis = tuple(child.inbound.spi for child in gone)
            why = code or gone[0].fate or (Closing.BY_PEER if by_peer else Closing.BY_US)
            self.emit(SaDeleted(*self.stamp, child_spis=spis, reason=reason, by_peer=by_peer, code=why))

    def fail(self, error: FynxError, last: Exchange | None = None) -> None:
        """Fail to set up the IKE SA. ``last`` is a final exchange that tells the peer."""
        if self.state is State.CLOSED:
            return
        self._failed(error)
        if last is not None:
            self.start(last)
        self._close(lingers=last is not None or not self.initiator, last=last)

    def _failed(self, error: FynxError) -> None:
        error.about(**self.identity)
        kind, self.ended = error.notify_type if isinstance(error, PeerError) else None, str(error)
        self.emit(
            IkeSaFailed(*self.stamp, code=error.code, reason=str(error), notify_type=kind, initiator=self.initiator)
        )

    def closed(self, reason: str, code: Closing, *, by_peer: bool = False) -> None:
        """Close an established IKE SA: it was deleted, or the peer is dead."""
        if self.state is not State.CLOSED:
            self.closing = code = Closing.REPLACED if self.closing is Closing.REPLACED else code
            if self.peer_rekeyed is not None:
                # Section 2.8.2: the peer did not see our own rekey; forget it.
                succession.hand_over(self, self.peer_rekeyed.sa)
            self.ended = reason
            self._close(lingers=True)
            self.emit(SaDeleted(*self.stamp, reason=reason, by_peer=by_peer, code=code))

    def broken(self, reason: str, *, by_peer: bool) -> None:
        """Close the IKE SA, without a Delete, after INVALID_SYNTAX inside SK was sent or received.

        RFC 7296 section 2.21.3. `IkeConfig.invalid_syntax_is_fatal` can keep the IKE SA open on our side.
        """
        if self.config.invalid_syntax_is_fatal:
            if self.connecting:
                self.fail(PeerError(NotifyType.INVALID_SYNTAX, reason=reason))
            else:
                self.closed(reason, Closing.INVALID, by_peer=by_peer)

    def forget(self) -> None:
        """Forget the IKE SA at once: a refused IKE_SA_INIT request creates no state."""
        self._close(lingers=False)

    def _close(self, *, lingers: bool, last: Exchange | None = None) -> None:
        """End everything in flight except ``last``. If it lingers, it still answers retransmissions from its cache."""
        self.state = State.CLOSED
        self.predecessor = None
        self.endpoint.of(Keepalives).stop(self)
        self.stop_clocks()
        self._meet_deadline()
        self.line.spis.discard(self.own_spi)
        children = list(self.children)
        self.remove_children(children, by_peer=False, reason="the IKE SA ended", code=Closing.WITH_IKE_SA)
        self.answers.stop()
        self.requests.stop(last)
        self.fragments.clear()
        if lingers:
            self.endpoint.linger(self)
        else:
            self.discard()
        # Last, so that an extension that fails here keeps no place of an IKE SA that has ended.
        hooks.closed(self)

    def take_over(self) -> None:
        """Take over from the predecessor."""
        hooks.took_over(self)

    def start_clocks(self, old: SaRecord | None = None) -> None:
        """Start the lifetime and the dead peer detection. A successor takes the reauthentication time of ``old``."""
        before = old.life if isinstance(old, IkeSa) else None
        self.life, self.watch = IkeLife(self, before), Watch(self)

    def stop_clocks(self) -> None:
        """Stop the lifetime and the dead peer detection."""
        for clock in (self.life, self.watch):
            if clock is not None:
                clock.stop()

    def _meet_deadline(self) -> None:
        """Cancel the timer that waits for IKE_AUTH, or for the peer's Delete."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def discard(self) -> None:
        """Forget an ended IKE SA: it no longer answers retransmissions."""
        if self._successor is not None:
            # Keep no reference to the IKE SAs between this one and the newest one.
            self._successor, self._superseded = None, True
            self.rekeyed = self.peer_rekeyed = None
        # Some fragments of the last answer may have arrived.
        self.fragments.clear()
        self.requests.clear()
        self.answers.clear()
        self.endpoint.release(self)

    def expire_half_open(self, now: float) -> None:
        """Abandon the IKE SA: the initiator did not authenticate in time (section 2.6)."""
        if self.connecting:
            self._abandon(f"expected IKE_AUTH within {self.config.half_open_lifetime:g} s")

    def evict(self) -> None:
        """Make room for another IKE SA: abandon a half-open one, or discard one that failed and lingers."""
        if self.connecting:
            self._abandon("expected IKE_AUTH before the limit of half-open IKE SAs was reached")
        else:
            self.discard()

    def _abandon(self, reason: str) -> None:
        self._failed(HalfOpen(reason))
        # There is no answer to keep for retransmissions.
        self.forget()

    # Input

    def receive(self, datagram: Datagram, header: Header) -> None:
        """Handle a datagram with the SPIs of this IKE SA.

        Nothing changes before its ICV has verified. Errors in it become events.
        """
        try:
            if (wrong := protection.fault(self, datagram, header)) is not None:
                if not unprotected.in_the_clear(self, datagram, header):
                    self.drop(datagram, DropReason.UNPROTECTED, wrong)
            elif header.response:
                self.requests.receive(datagram, header)
            else:
                self.answers.receive(datagram, header)
        except IntegrityError:
            self.endpoint.counts.drop(DropReason.INTEGRITY)
            self.emit(IntegrityFailed(*self.stamp, spi=None, data=datagram.data, remote=datagram.remote))
        except MalformedError as error:
            self.drop(datagram, DropReason.MALFORMED, str(error))
