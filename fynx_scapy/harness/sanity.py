# SPDX-License-Identifier: GPL-2.0-or-later
"""The sane conversation: IKE_SA_INIT, IKE_AUTH, a liveness check and a Delete, with nothing wrong in any of them.

It is held with a live peer before the first case, after the last, and after every suspicious answer: the peer must
have lived.
"""

from __future__ import annotations

import contextlib
import enum
import time
from dataclasses import dataclass, replace

from fynx_scapy.errors import FynxError
from fynx_scapy.harness.reachability import Watcher, watching
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.events import IkeSaFailed
from fynx_scapy.net.silence import heard
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.text import printable

ATTEMPTS = 3
"""How often a conversation is begun before the peer counts as dead: a datagram may have been lost."""
PAUSE = 0.5
"""Seconds between two attempts."""


class Stretch(enum.IntEnum):
    """How far a conversation came."""

    NOTHING = 0
    ANSWER = 1
    """The peer answered IKE_SA_INIT, with an error or a cookie too."""
    INIT = 2
    AUTH = 3
    LIVENESS = 4
    """All of it."""


@dataclass(frozen=True, slots=True)
class Health:
    """How far a sane conversation came, and what stopped it."""

    reached: Stretch
    reason: str = ""
    left: tuple[str, ...] = ()
    """What may be left at the peer, in words."""
    waited: float = 0.0
    """For how many seconds it had to be tried again, where that was longer than a lost datagram explains."""

    @property
    def sane(self) -> bool:
        """Whether it came to its end."""
        return self.reached is Stretch.LIVENESS


def converse(target: Target, watch: Watcher | None = None, name: str = "sane conversation") -> Health:
    """Hold one sane conversation. Raises none of our errors."""
    network = UdpNetwork(open_socket=target.open_socket)
    try:
        session = target.session(target.config({}), network)
    except FynxError as error:
        network.close()
        return Health(Stretch.NOTHING, printable(str(error)))
    stop_watching = watching(watch, network, name)
    reached, reason = Stretch.NOTHING, ""
    try:
        session.sa_init()
        reached = Stretch.INIT if session.sa.connecting else Stretch.NOTHING
        session.auth()
        reached = Stretch.AUTH if session.sa.established else reached
        session.liveness()
        reached = Stretch.LIVENESS
    except FynxError as error:
        events = [event for _, event in network.events]
        failures = [event.reason for event in events if isinstance(event, IkeSaFailed)]
        reason = printable(failures[-1] if failures else str(error))
        if reached is Stretch.NOTHING and heard(events):
            reached = Stretch.ANSWER
    finally:
        left: tuple[str, ...] = ()
        with contextlib.suppress(FynxError):
            left = session.leave().left
        stop_watching()
    return Health(reached, reason, left)


def alive(
    target: Target,
    least: Stretch,
    watch: Watcher | None = None,
    *,
    attempts: int = ATTEMPTS,
    pause: float = PAUSE,
    patience: float = 0.0,
) -> Health:
    """Hold the sane conversation until it comes as far as ``least``; returns the last, with the seconds that it took.

    It is held ``attempts`` times, and on until ``patience`` seconds are over: a peer that has too many half-open IKE
    SAs takes no new one until it has forgotten some.
    """
    began, attempt = time.monotonic(), 0
    while True:
        health = converse(target, watch, "sane conversation")
        attempt, waited = attempt + 1, time.monotonic() - began
        if health.reached >= least or (attempt >= attempts and waited >= patience):
            return replace(health, waited=waited if attempt > attempts else 0.0)
        time.sleep(pause)
