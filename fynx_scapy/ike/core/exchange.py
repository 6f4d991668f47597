# SPDX-License-Identifier: GPL-2.0-or-later
"""What every exchange is: a class with both roles side by side, each a generator that reads like the RFC's ladder.

``initiate`` yields requests and is sent the answers. ``respond`` is handed the request and yields its answer; when more
is to follow, it is sent the next request. What it does behind ``yield answer`` is done once the answer is out, and it
may wait for the next request then, by ``request = yield Next(...)``. Either side may go on in another exchange type.
Message IDs, retransmission, sealing and the window are the IKE SA's business.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from scapy.packet import Packet

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.message import Message, Next, Outgoing, Payloads, notify
from fynx_scapy.ike.wire.rules import ANYTHING, Phase, Round, Rule
from fynx_scapy.ike.wire.window import Kept

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.terms.timeouts import Retransmission
    from fynx_scapy.layers.ikev2 import IKEv2_Notify

Steps = Generator[Outgoing | Next, Message, None]


class Exchange:
    """One exchange in flight. ``answer`` is the last response received, ``error`` why it failed."""

    exchange_type: ClassVar[int]
    rules: tuple[Round, ...] = (Round(ANYTHING, ANYTHING),)
    """What its messages may hold, by exchange type and round; the last row of a type goes for all that follow.

    A class that says nothing takes anything inside SK.
    """
    phase: ClassVar[Phase] = Phase.ESTABLISHED
    """When it may come; a row may say otherwise for its round."""
    replaces_ike: ClassVar[bool] = False
    """Whether it makes the successor of the IKE SA."""
    touches_children: ClassVar[bool] = False
    """Whether it creates, rekeys or closes a Child SA: the IKE SA is not rekeyed meanwhile (section 2.25.1)."""
    alone: bool = False
    """Whether no other request of ours may be in flight with it."""

    makes_child: ClassVar[bool] = False
    """Whether it makes a Child SA: what names one that we do not know may mean that one."""
    extensible: ClassVar[bool] = True
    """Whether extensions may add to its messages."""
    notes_itself: ClassVar[bool] = False
    """Whether it calls `hooks.note` itself, as it alone knows when a message counts."""

    def __init__(self, sa: SaRecord) -> None:
        self.sa = sa
        self.done = False
        self.error: FynxError | None = None
        self.answer: Message | None = None
        self.rounds: Counter[int] = Counter()
        """How many rounds are over, by exchange type: a request repeated with another key exchange method counts."""
        self.followed_up = False
        """Whether it has gone on in another exchange type than it began with."""

    @property
    def about(self) -> SaRecord:
        """The IKE SA whose extensions take part: the one that it makes, once that is there, else its own."""
        return self.sa

    def row(self, exchange_type: int) -> Round | None:
        """The row of the present round, in which messages have this type; None when they must not come at all."""
        rows = [row for row in self.rules if self._type(row.exchange_type) == exchange_type]
        return rows[min(self.rounds[exchange_type], len(rows) - 1)] if rows else None

    def rule(self, exchange_type: int, *, response: bool) -> Rule | None:
        """What the request or the response of the present round may hold; None when it must not come at all."""
        row = self.row(exchange_type)
        if row is None:
            return None
        return row.response if response else row.request

    def type_of(self, request: Outgoing) -> int:
        """The exchange type of a request of its own."""
        return self._type(request.exchange_type)

    def _type(self, exchange_type: int | None) -> int:
        return self.exchange_type if exchange_type is None else exchange_type

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

    def request(self, *payloads: Packet, encrypted: bool = True, exchange_type: int | None = None) -> Outgoing:
        """A request to be yielded by ``initiate``; with ``exchange_type`` the exchange goes on in that type."""
        return Outgoing(list(payloads), encrypted, exchange_type=exchange_type)

    def response(
        self,
        *payloads: Packet,
        encrypted: bool = True,
        more: bool = False,
        then: int | None = None,
        link: bytes | None = None,
        refers: Callable[[Message], bool] | None = None,
    ) -> Outgoing:
        """An answer to be yielded by ``respond``. When more is to follow, the yield gives the next request.

        ``more``: that request has the type of the one that is answered; ``then``: it has this type. ``link``: an
        ADDITIONAL_KEY_EXCHANGE with this data is appended, which the next request must bring back (RFC 9370 section
        2.2.4). ``refers``: the next request is the first one of its type for which this is true.
        """
        answer = Outgoing(list(payloads), encrypted)
        if link is not None:
            answer.payloads.append(notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, link))
            # As it was sent: a tap may have written another one.
            refers = refers or (lambda request: _links(request) == _links(answer.sent))
        if more or then is not None or refers is not None:
            answer.then = Next(then, refers)
        return answer

    def doubts(self, answer: Message) -> bool:
        """Whether an answer in the clear is worth waiting for a better one (section 2.21.1)."""
        return False

    def failed(self, error: FynxError) -> None:
        """The exchange we began came to nothing: what that means for the IKE SA. By default nothing."""

    def refused(self, error: FynxError) -> None:
        """A request was answered with an error, or the next one did not come: what that means for the IKE SA.

        By default nothing.
        """


def link(answer: Message) -> list[IKEv2_Notify]:
    """The ADDITIONAL_KEY_EXCHANGE of an answer, which the next request must bring back (RFC 9370 section 2.2.4)."""
    return [notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, data) for data in _links(answer)[:1]]


def _links(message: Payloads) -> list[bytes]:
    return [bytes(note.notify or b"") for note in message.notifies(NotifyType.ADDITIONAL_KEY_EXCHANGE)]


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
    held: deque[tuple[Exchange, Steps, Outgoing]] = field(default_factory=deque)
    """Further rounds of exchanges that have begun; they go before those that have not."""

    @property
    def in_flight(self) -> list[Exchange]:
        """The exchanges that have begun and not ended."""
        return [*(pending.exchange for pending in self.pending.values()), *(held[0] for held in self.held)]

    @property
    def open(self) -> bool:
        """Whether another request may leave now.

        "when the initiator needs to make a request X, it MUST wait until it has received responses to all requests up
        through request X-N"
        """
        return not self.pending or self.next_id < min(self.pending) + self.size
