# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of exchanges. Each has a generator for both roles, which reads like the diagrams of the RFC.

``initiate`` yields requests and receives the answers. ``respond`` gets the request and yields the answer; if more
rounds follow, it receives the next request. Code after ``yield answer`` runs once the answer is sent. It may then wait
for the next request with ``request = yield Next(...)``. Both sides may go on in another exchange type. The IKE SA
handles message IDs, retransmission, encryption and the window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from scapy.packet import Packet

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.message import Message, Next, Outgoing, Payloads, notify
from fynx_scapy.ike.wire.given import read_payloads
from fynx_scapy.ike.wire.rules import ANYTHING, Phase, Round, Rule
from fynx_scapy.ike.wire.window import Kept

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.terms.timeouts import Retransmission
    from fynx_scapy.layers.ikev2 import IKEv2_Notify

Steps = Generator[Outgoing | Next, Message, None]


class Exchange:
    """An exchange in flight. ``answer`` is the last response received; ``error`` says why the exchange failed."""

    exchange_type: ClassVar[int]
    rules: tuple[Round, ...] = (Round(ANYTHING, ANYTHING),)
    """The payloads of its messages, by exchange type and round. The last row of a type applies to all later rounds.

    By default, any payloads inside SK are accepted.
    """
    phase: ClassVar[Phase] = Phase.ESTABLISHED
    """When it is allowed; a row may override this for its round."""
    replaces_ike: ClassVar[bool] = False
    """Whether it creates the successor of the IKE SA."""
    touches_children: ClassVar[bool] = False
    """Whether it creates, rekeys or closes a Child SA. The IKE SA is not rekeyed meanwhile (section 2.25.1)."""
    alone: bool = False
    """Whether none of our other requests may be in flight at the same time."""

    makes_child: ClassVar[bool] = False
    """Whether it creates a Child SA. Meanwhile the peer may refer to a Child SA that we do not know yet."""
    extensible: ClassVar[bool] = True
    """Whether extensions may add to its messages."""
    notes_itself: ClassVar[bool] = False
    """Whether it calls `hooks.note` itself, since only it knows when a message is valid."""

    def __init__(self, sa: SaRecord) -> None:
        self.sa = sa
        self.done = False
        self.begun_at = sa.now
        """When its first request was sent, on the clock of the endpoint."""
        self.error: FynxError | None = None
        self.answer: Message | None = None
        self.rounds: Counter[int] = Counter()
        """The number of complete rounds, by exchange type. A retry with another key exchange method counts as one."""
        self.patience = 0.0
        """How many seconds a request of it is sent again at least, if its schedule is shorter."""
        self.followed_up = False
        """Whether it has gone on in another exchange type."""
        self._awaited: list[Callable[[], object]] = []

    def complete(self, error: FynxError | None = None) -> None:
        """Mark it as done, and tell those who wait for it."""
        self.done, self.error = True, error
        awaited, self._awaited = self._awaited, []
        for told in awaited:
            told()

    def when_done(self, told: Callable[[], object]) -> None:
        """Have ``told()`` called once it is done, or at once if it is. ``told`` must not act on the endpoint."""
        if self.done:
            told()
        else:
            self._awaited.append(told)

    @property
    def about(self) -> SaRecord:
        """The IKE SA whose extensions are called: its own, or the new one that it has created."""
        return self.sa

    @property
    def first(self) -> bool:
        """Whether it is in its first round: later ones of IKE_AUTH may have ID and AUTH payloads, too (RFC 4739)."""
        return not self.rounds[self.exchange_type]

    def row(self, exchange_type: int) -> Round | None:
        """The row of the current round for messages of this type; None when they are not allowed."""
        rows = [row for row in self.rules if self._type(row.exchange_type) == exchange_type]
        return rows[min(self.rounds[exchange_type], len(rows) - 1)] if rows else None

    def rule(self, exchange_type: int, *, response: bool) -> Rule | None:
        """The rule for the request or the response of the current round; None when it is not allowed."""
        row = self.row(exchange_type)
        if row is None:
            return None
        return row.response if response else row.request

    def type_of(self, request: Outgoing) -> int:
        """The exchange type of one of its requests."""
        return self._type(request.exchange_type)

    def _type(self, exchange_type: int | None) -> int:
        return self.exchange_type if exchange_type is None else exchange_type

    @property
    def subjects(self) -> frozenset[int]:
        """The inbound SPIs of the Child SAs that it replaces or closes. No two requests in flight share one."""
        return frozenset()

    @property
    def schedule(self) -> Retransmission:
        """When to retransmit its requests."""
        return self.sa.config.retransmission

    def initiate(self) -> Steps:
        """The initiator's side; LocalError when the class has none."""
        raise LocalError(f"expected an exchange that we can initiate, found {type(self).__name__}")

    def respond(self, request: Message) -> Steps:
        """The responder's side; LocalError when the class has none."""
        raise LocalError(f"expected an exchange that can respond, found {type(self).__name__}")

    def request(self, *payloads: Packet | bytes, encrypted: bool = True, exchange_type: int | None = None) -> Outgoing:
        """A request for ``initiate`` to yield. With ``exchange_type``, the exchange goes on in that type.

        LocalError for what is no payload; see `read_payloads`.
        """
        return Outgoing(read_payloads(payloads), encrypted, exchange_type=exchange_type)

    def response(
        self,
        *payloads: Packet | bytes,
        encrypted: bool = True,
        more: bool = False,
        then: int | None = None,
        link: bytes | None = None,
        refers: Callable[[Message], bool] | None = None,
    ) -> Outgoing:
        """An answer for ``respond`` to yield. If another round follows, the yield returns the next request.

        ``more``: another round of the same exchange type follows. ``then``: another round of this type follows.
        ``link``: append an ADDITIONAL_KEY_EXCHANGE with this data; the next request must return it (RFC 9370 section
        2.2.4). ``refers``: the next request is the first one of its type for which this is true.
        """
        answer = Outgoing(read_payloads(payloads), encrypted)
        if link is not None:
            answer.payloads.append(notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, link))
            # Compare with what was sent: a tap may have changed it.
            refers = refers or (lambda request: _links(request) == _links(answer.sent))
        if more or then is not None or refers is not None:
            answer.then = Next(then, refers)
        return answer

    def doubts(self, answer: Message) -> bool:
        """Whether to wait for a better answer than this unprotected one (section 2.21.1)."""
        return False

    def failed(self, error: FynxError) -> None:
        """Handle the failure of an exchange that we began. By default the IKE SA is not affected."""

    def refused(self, error: FynxError) -> None:
        """Handle a request that we refused, or a next request that did not arrive.

        By default the IKE SA is not affected.
        """


def link(answer: Message) -> list[IKEv2_Notify]:
    """The ADDITIONAL_KEY_EXCHANGE of an answer, which the next request must return (RFC 9370 section 2.2.4)."""
    return [notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, data) for data in _links(answer)[:1]]


def _links(message: Payloads) -> list[bytes]:
    return [bytes(note.notify or b"") for note in message.notifies(NotifyType.ADDITIONAL_KEY_EXCHANGE)]


# Requests in flight


@dataclass(slots=True)
class Pending:
    """One of our requests that waits for its answer."""

    exchange: Exchange
    steps: Steps
    message: Outgoing
    """The request as layers."""
    kept: Kept
    until: float = 0.0
    """When we may give it up at the earliest."""
    timer: Timer | None = None
    doubt: Timer | None = None
    """Set while we wait for a better answer than an unprotected error (section 2.21.1)."""


@dataclass
class RequestWindow:
    """Our requests in flight, and those that wait for room in the window (section 2.3)."""

    size: int = 1
    next_id: int = 0
    pending: dict[int, Pending] = field(default_factory=dict)
    waiting: list[Exchange] = field(default_factory=list)  # an empty deque takes 760 octets, in every IKE SA
    held: list[tuple[Exchange, Steps, Outgoing]] = field(default_factory=list)
    """Further rounds of exchanges in progress. They are sent before new exchanges."""

    @property
    def in_flight(self) -> list[Exchange]:
        """The exchanges in progress."""
        return [*(pending.exchange for pending in self.pending.values()), *(held[0] for held in self.held)]

    @property
    def open(self) -> bool:
        """Whether we may send another request now.

        "when the initiator needs to make a request X, it MUST wait until it has received responses to all requests up
        through request X-N"
        """
        return not self.pending or self.next_id < min(self.pending) + self.size
