# SPDX-License-Identifier: GPL-2.0-or-later
"""With whom conversations are held: a peer embedded in this process, or a live one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from fynx_scapy.errors import Closing, FynxError
from fynx_scapy.fuzz import playing
from fynx_scapy.fuzz.faults import Fault, Kind
from fynx_scapy.fuzz.growth import alive
from fynx_scapy.fuzz.steps import RESPONDER
from fynx_scapy.harness.target import Target
from fynx_scapy.iana import ExchangeType, ProtocolId
from fynx_scapy.ike.config import ChildConfig, IkeConfig, Psk, Retransmission
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import IkeSaRekeyed, MessageReceived
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2_SA
from fynx_scapy.net import guard
from fynx_scapy.net.cleanup import delete_again
from fynx_scapy.net.memory import Network
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session
from fynx_scapy.session_setup import INITIATOR, PeerFields, SessionSetup
from fynx_scapy.session_state import SessionState
from fynx_scapy.text import printable

SHORT = Retransmission(timeout=0.5, base=1.5, tries=1)
"""Nothing is lost between embedded ends: one retransmission shows how a repeated message is handled."""
LIVE = Retransmission(timeout=0.5, base=1.6, tries=2)
"""A live peer gets two more chances, because a datagram may be lost: it is given up after 2.6 seconds."""
RETRIES = 3
"""How often a live peer that is silent is asked again for a conversation without edits, and after how many seconds."""
PAUSE = 1.0
NOTHING = ("Timeout in sa_init", "Unreachable in sa_init")
"""How the text of a conversation begins in which the peer did not answer even the first request."""


def our_config() -> IkeConfig:
    """Our configuration towards the embedded peer: of every kind of field a little, and quick to negotiate."""
    child = ChildConfig(
        proposals=("aes128gcm16-x25519", "aes256-sha256"),
        local_ts=("10.1.0.0/16", "2001:db8:1::/64"),
        remote_ts=("10.2.0.0/16", "2001:db8:2::/64"),
    )
    return IkeConfig(
        local_id="alice",
        remote_id="bob",
        auth=Psk("fuzz"),
        children=(child,),
        proposals=("aes128gcm16-prfsha256-x25519-ecp256", "aes256-sha256-x25519"),
        cp_request=ConfigRequest(),
        retransmission=SHORT,
    )


def their_changes() -> PeerFields:
    """How the embedded peer differs from our mirror image."""
    return {"cp_request": None, "cp_reply": ConfigReply(pool=("10.1.0.0/24", "2001:db8:1::/120"), dns="10.2.0.53")}


class World(ABC):
    """Opens and closes conversations with one peer."""

    live = False
    asks = True
    """Whether the peer can be asked to begin an exchange."""

    def __init__(self) -> None:
        self.left: list[str] = []
        """What may be left at the peer, in words."""

    @abstractmethod
    def open(self) -> Session:
        """A session for the next conversation, without an IKE SA."""

    @abstractmethod
    def close(self, session: Session, *, doubtful: bool = False) -> None:
        """End a conversation, so that nothing is left at the peer. ``doubtful``: a Delete of an IKE SA was edited."""

    @abstractmethod
    def fault(self) -> str:
        """Hold a conversation without edits; returns what went wrong, or nothing."""

    def gone(self) -> Fault | None:
        """The fault of a peer that does not take part in a conversation without edits, or None."""
        told = self.fault()
        return Fault(Kind.SILENT, "silent", f"no conversation without edits any more: {told}") if told else None

    def wait(self) -> None:  # noqa: B027 -- only some worlds have a rate
        """Wait for the next turn, where cases are rate-limited."""

    def quiet(self) -> None:  # noqa: B027 -- only virtual time can pass at once
        """Wait until the peer has forgotten what it may forget."""

    def end(self) -> None:  # noqa: B027 -- only some worlds hold something
        """Release what the world holds."""


class EmbeddedWorld(World):
    """A peer in this process, in virtual time. ``prepare`` is called with its endpoint."""

    def __init__(self, seed: int | str, prepare: Callable[[Endpoint], object] | None = None) -> None:
        super().__init__()
        network = Network(seed=seed, history=0)
        session = Session(config=our_config(), peer=their_changes(), network=network, seed=seed)
        if prepare is not None:
            prepare(session.peer)
        network.carried = None
        self._setup = SessionSetup(network, session.client, session.peer, session.config)

    @classmethod
    def of(cls, session: Session) -> EmbeddedWorld:
        """The world of a session that is there already, with what its network keeps."""
        world = cls.__new__(cls)
        World.__init__(world)
        world._setup = SessionSetup(session.network, session.client, session.peer, session.config)
        return world

    def open(self) -> Session:
        """A new session between the two endpoints, whose IKE SAs have ended."""
        return _Joined(self._setup)

    def close(self, session: Session, *, doubtful: bool = False) -> None:
        """Delete the IKE SAs of both ends, and forget what was received."""
        playing.finish(session)
        for host in session.network.hosts.values():
            host.inbox.clear()

    def fault(self) -> str:
        """Hold a conversation without edits."""
        return playing.sane(self.open())

    def quiet(self) -> None:
        """Let an hour pass: every cache has expired then."""
        network = self._setup.network
        playing.finish(self.open())
        network.run(network.now + 3600.0)


class _Joined(Session):
    """A session of endpoints that are there already. It keeps nothing of the sessions before it."""

    def __init__(self, setup: SessionSetup) -> None:
        kept = setup.network.carried
        SessionState.__init__(self, setup, INITIATOR)
        self.network.carried = kept  # None where nothing is to be kept


def not_taken(session: Session) -> list[str]:
    """The IKE SAs that a peer set up when we rekeyed, and that our end did not take over, in words.

    Without their keys they cannot be deleted.
    """
    events = [event for who, event in session.network.events if who == session.name]
    taken = {spi for event in events if isinstance(event, IkeSaRekeyed) for spi in (event.new_spi_i, event.new_spi_r)}
    return [
        f"IKE SA with the peer's SPI {bytes(proposal.SPI).hex()}: set up in a rekey that our end did not complete"
        for event in events
        if isinstance(event, MessageReceived) and int(event.header.exch_type) == ExchangeType.CREATE_CHILD_SA
        for payload in event.payloads
        if isinstance(payload, IKEv2_SA) and int(event.header.flags) & FLAG_RESPONSE
        for proposal in payload.prop
        if proposal.proto == ProtocolId.IKE and bytes(proposal.SPI or b"") not in taken
    ]


class LiveWorld(World):
    """A live peer. At most ``rate`` cases are run a second; ``left`` is what may be left at the peer.

    ``pid`` is the process of the peer, if it is on this machine. With ``waits`` the peer begins each conversation,
    also those without edits, within so many seconds.
    """

    live = True
    asks = False

    def __init__(self, target: Target, rate: float, *, pid: int | None = None, waits: float | None = None) -> None:
        super().__init__()
        self.target = target.replace(retransmission=LIVE)
        self._interval, self._pid, self._waits = 1.0 / rate, pid, waits
        self._due = 0.0

    def open(self) -> Session:
        """A new session on new sockets, when the rate allows it. TransportError and ConfigError as in `Session`."""
        network = UdpNetwork(open_socket=self.target.open_socket)
        try:
            return self.target.session(self.target.config({}), network)
        except FynxError:
            network.close()
            raise

    def wait(self) -> None:
        """Wait for the next turn."""
        if (wait := self._due - time.monotonic()) > 0:
            time.sleep(wait)
        self._due = time.monotonic() + self._interval

    def close(self, session: Session, *, doubtful: bool = False) -> None:
        """Delete its IKE SAs at the peer, and note what may be left there."""
        again = [sa for sa in session.client.sas.values() if doubtful and sa.closing is Closing.BY_US]
        if again:
            session.client.taps.clear()
            delete_again(session.network, session.name, again)
        # One whose first Delete was answered, and not the second one, is gone.
        gone = {sa.spi_i.hex() for sa in again}
        self.left += [text for text in session.leave().left if not any(spi in text for spi in gone)]
        self.left += not_taken(session)

    def fault(self) -> str:
        """Hold a conversation without edits, and again if it fails: a datagram may have been lost."""
        told = ""
        for again in range(RETRIES):
            if again:
                time.sleep(PAUSE)
            session = self.open()
            if self._waits is not None:
                _, error = guard.attempt(lambda s=session: playing.establish(s, RESPONDER, wait=self._waits))
                told = "" if error is None else f"{type(error).__name__} while the peer should connect: {error}"
            else:
                told = playing.sane(session)
            guard.attempt(self.close, session)
            if not told:
                break
        return printable(told, 400)

    def gone(self) -> Fault | None:
        """The fault of a peer whose process has ended, which answers nothing, or which does not take part any more."""
        told = self.fault()
        if self._pid is not None and not alive(self._pid):
            return Fault(Kind.CRASH, f"crash of process {self._pid}", f"the process {self._pid} of the peer has ended")
        if not told:
            return None
        if told.startswith(NOTHING):
            return Fault(Kind.CRASH, "no answer", f"nothing answers at {self.target.address} any more: {told}")
        return Fault(Kind.SILENT, "silent", f"no conversation without edits any more: {told}")
