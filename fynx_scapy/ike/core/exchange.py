# SPDX-License-Identifier: GPL-2.0-or-later
"""What every exchange is: a class with both roles side by side, each a generator that reads like the RFC's ladder.

``initiate`` yields requests and is sent the answers; ``respond`` is handed the request, yields its answer, and is
sent the next request of the same exchange, if there is one. Message IDs, retransmission, sealing and the window are
the IKE SA's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from scapy.packet import Packet

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.message import Message, Outgoing
from fynx_scapy.ike.wire.rules import Round, Rule
from fynx_scapy.ike.wire.window import Kept

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.terms.patience import Retransmission

Steps = Generator[Outgoing, Message, None]


class Exchange:
    """One exchange in flight. ``answer`` is the last response received, ``error`` why it failed."""

    exchange_type: ClassVar[int]
    rules: tuple[Round, ...] = ()
    """What its messages may hold, round by round; the last one goes for all that follow. None: no message at all."""
    authenticates: ClassVar[bool] = False
    """Whether it belongs before both ends are authenticated, and nowhere else."""
    replaces_ike: ClassVar[bool] = False
    """Whether it makes the successor of the IKE SA."""
    touches_children: ClassVar[bool] = False
    """Whether it creates, rekeys or closes a Child SA: the IKE SA is not rekeyed meanwhile (section 2.25.1)."""
    alone: ClassVar[bool] = False
    """Whether no other request of ours may be in flight with it."""

    makes_child: ClassVar[bool] = False
    """Whether it makes a Child SA: what names one that we do not know may mean that one."""

    def __init__(self, sa: SaRecord) -> None:
        self.sa = sa
        self.done = False
        self.error: FynxError | None = None
        self.answer: Message | None = None
        self.round = 0

    def rule(self, *, response: bool) -> Rule | None:
        """What the request or the response of the present round may hold; None when it must not come at all."""
        if not self.rules:
            return None
        present = self.rules[min(self.round, len(self.rules) - 1)]
        return present.response if response else present.request

    @property
    def subjects(self) -> frozenset[int]:
        """The Child SAs that it replaces or closes, by their inbound SPIs: no two requests are about the same."""
        return frozenset()

    @property
    def schedule(self) -> Retransmission:
        """When its requests go out again."""
        return self.sa.config.retransmission

    def initiate(self) -> Steps:
        """The initiator's side."""
        raise LocalError(f"{type(self).__name__} has no initiator's side")

    def respond(self, request: Message) -> Steps:
        """The responder's side."""
        raise LocalError(f"{type(self).__name__} has no responder's side")

    def request(self, *payloads: Packet, encrypted: bool = True) -> Outgoing:
        """A request to be yielded by ``initiate``."""
        return Outgoing(list(payloads), encrypted)

    def response(self, *payloads: Packet, encrypted: bool = True, more: bool = False) -> Outgoing:
        """An answer to be yielded by ``respond``; with ``more`` the yield gives the exchange's next request."""
        return Outgoing(list(payloads), encrypted, more=more)

    def doubts(self, answer: Message) -> bool:
        """Whether an answer in the clear is worth waiting for a better one (section 2.21.1)."""
        return False

    def failed(self, error: FynxError) -> None:
        """The exchange we began came to nothing: what that means for the IKE SA. By default nothing."""

    def refused(self, error: FynxError) -> None:
        """The request we were asked was answered with an error: what that means for the IKE SA. By default nothing."""


When = Callable[[Message], bool]
E = TypeVar("E", bound=type[Exchange])
_RESPONDERS: dict[int, list[tuple[When | None, type[Exchange]]]] = {}


def exchange(exchange_type: int, when: When | None = None) -> Callable[[E], E]:
    """Register the class that answers requests of this type (those that ``when`` picks come first)."""

    def register(cls: E) -> E:
        cls.exchange_type = exchange_type
        rows = _RESPONDERS.setdefault(exchange_type, [])
        rows.append((when, cls))
        rows.sort(key=lambda row: row[0] is None)
        return cls

    return register


def responder_for(request: Message) -> type[Exchange] | None:
    """The class that answers this request, or None."""
    rows = _RESPONDERS.get(request.header.exchange, [])
    return next((cls for when, cls in rows if when is None or when(request)), None)


def responders() -> list[type[Exchange]]:
    """Every class that answers requests."""
    return [cls for rows in _RESPONDERS.values() for _, cls in rows]


# What is in flight


@dataclass(slots=True)
class Pending:
    """A request of ours that waits for its answer."""

    exchange: Exchange
    steps: Steps
    kept: Kept
    timer: Timer | None = None
    doubt: Timer | None = None
    """Set while an error that anybody may have sent waits for a better answer (section 2.21.1)."""


@dataclass
class RequestWindow:
    """Our requests, and those that wait their turn (section 2.3)."""

    size: int = 1
    next_id: int = 0
    pending: dict[int, Pending] = field(default_factory=dict)
    waiting: deque[Exchange] = field(default_factory=deque)

    @property
    def open(self) -> bool:
        """Whether another request may leave now.

        "when the initiator needs to make a request X, it MUST wait until it has received responses to all requests up
        through request X-N"
        """
        return not self.pending or self.next_id < min(self.pending) + self.size
