# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded world: a recorded conversation is played, and a case changes one of its requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fynx_scapy.capture.follow.exchanges import (
    AUTH,
    CREATE_CHILD,
    DELETE_CHILD,
    DELETE_IKE,
    INFORMATIONAL,
    INIT,
    REKEY_CHILD,
    REKEY_IKE,
    kind_of,
)
from fynx_scapy.capture.replay import player
from fynx_scapy.capture.replay.recording import Recording
from fynx_scapy.errors import OutOfReach
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.embedded import EmbeddedDriver
from fynx_scapy.harness.worlds.target import TargetDriver
from fynx_scapy.harness.worlds.world import Driver, Unsupported, World
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session

KINDS = {
    "init": INIT, "auth": AUTH, "connect": AUTH, "liveness": INFORMATIONAL, "create_child": CREATE_CHILD,
    "rekey_child": REKEY_CHILD, "rekey_ike": REKEY_IKE, "delete_child": DELETE_CHILD, "delete_ike": DELETE_IKE,
}  # fmt: skip
"""Which recorded requests a base conversation is about."""


class Played:
    """A `Conversation` of a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._player: player.Player

    def begin(self, session: Session, timeout: float) -> Callable[[Callable[[], bool]], None]:
        """Have our requests be the recorded ones. The recorded Delete of the IKE SA is sent too."""
        self._player = player.Player(self._recording, session, timeout=timeout, loose=True)
        return self._player.begin()

    def knows(self, base: str) -> bool:
        """Whether a recording may have the requests of that base conversation."""
        return base in KINDS

    def fits(self, message: Outgoing, base: str) -> bool:
        """Whether it is a request of that kind, and of the step that is being played: no Delete after a rekey."""
        wanted, step = KINDS[base], self._player.current
        return step is not None and step.kind == wanted == kind_of(int(message.header.exch_type), message.payloads)


class RecordedWorld(World):
    """The requests of a recorded initiator, played to a ``target``, or to an embedded peer like the recorded responder.

    ``psk`` is the pre-shared key, by default that of the target, else the one beside the capture.
    """

    name = "recorded"
    alone = True

    def __init__(self, recording: Recording, target: Target | None = None, psk: bytes | str | None = None) -> None:
        self._recording, self._target = recording, target
        self._psk = psk if psk is not None else target.psk if target is not None else None
        self.live = target is not None
        self.conversation = Played(recording)

    def check(self, role: Role, given: Mapping[str, Any]) -> None:
        """Unsupported where we are to be the responder, and for a scenario that configures one of the ends."""
        if not role.begins:
            raise Unsupported("a recording is played as its initiator")
        super().check(role, given)
        wanted = sorted(name for name, value in given.items() if value is not None and name != "retransmission")
        if wanted:
            raise Unsupported(f"the scenario sets {', '.join(wanted)}, and the recording says how both are configured")

    def network(self, seed: str) -> Hosts:
        """A new network."""
        return Network(seed=seed) if self._target is None else UdpNetwork(open_socket=self._target.open_socket)

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session that is configured like the recorded initiator. ConfigError without a pre-shared key."""
        target = self._target
        if target is None:
            return player.session(self._recording, None, self._psk, network=network, seed=seed)
        return player.session(
            self._recording, target.address, self._psk, network=network, local=target.local, port=target.port,
            natt_port=target.natt_port, marker_always=target.marker_always,
        )  # fmt: skip

    def driver(self, session: Session) -> Driver:
        """What makes the peer act."""
        return EmbeddedDriver(session) if self._target is None else TargetDriver(None)

    def peer_config(self, setting: object) -> Any:
        """OutOfReach: the recording says how the peer is configured."""
        raise OutOfReach("the recording says how the peer is configured")
