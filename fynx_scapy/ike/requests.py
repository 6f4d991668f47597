# SPDX-License-Identifier: GPL-2.0-or-later
"""Our requests: send them, match answers, retransmit, give up (RFC 7296 sections 2.1 to 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fynx_scapy.errors import FynxError, LocalError, MalformedError, PeerError, SessionClosed, Timeout, UnexpectedError
from fynx_scapy.iana import ExchangeType, NotifyType, name_of
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.passing import Passing
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.exchange import Exchange, Pending, RequestWindow, Steps
from fynx_scapy.ike.events import PeerDead
from fynx_scapy.ike.life import dpd
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing
from fynx_scapy.ike.reassembly import Reassembly
from fynx_scapy.ike.wire import rules
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


X = TypeVar("X", bound=Exchange)


class Requests(RequestWindow):
    """The exchanges that we have begun on an IKE SA."""

    def __init__(self, sa: SaRecord, fragments: Reassembly) -> None:
        super().__init__()
        self._sa = sa
        self._fragments = fragments

    @property
    def open(self) -> bool:
        """Whether we may send another request now. The window is one until both peers are authenticated."""
        return not self.pending if self._sa.connecting else super().open

    def start(self, exchange: X) -> X:
        """Begin an exchange as soon as the window has room; returns it."""
        self.waiting.append(exchange)
        self._pump()
        return exchange

    def stop(self, last: Exchange | None) -> None:
        """End all exchanges except ``last``, including those that have not begun: their IKE SA has ended."""
        ended = [pending for pending in self.pending.values() if pending.exchange is not last]
        exchanges = [*(pending.exchange for pending in ended), *(held[0] for held in self.held), *self.waiting]
        self.waiting.clear()
        for _, steps, _ in self.held:
            steps.close()
        self.held.clear()
        for pending in ended:
            self._done(pending)
            pending.steps.close()
        for exchange in exchanges:
            text = "the IKE SA ended before this exchange was complete"
            self._end(exchange, SessionClosed(text, self._sa.closing))

    def clear(self) -> None:
        """Forget all unanswered requests."""
        for pending in list(self.pending.values()):
            self._done(pending)

    def receive(self, datagram: Datagram, header: Header) -> None:
        """Handle an answer. After IntegrityError or MalformedError the request still waits for a good answer."""
        pending = self.pending.get(header.message_id)
        if pending is None or pending.kept.exchange_type != header.exchange:
            reason = f"expected no answer to {header.exchange_name} with message ID {header.message_id}"
            return self._sa.drop(datagram, DropReason.RESPONSE, reason)
        message = self._fragments.open(datagram, header)
        if message is None:
            return None
        exchange = pending.exchange
        wrong = _fault(message, exchange)
        if wrong and not message.encrypted:
            # It may be forged: go on waiting.
            return self._sa.drop(datagram, DropReason.RESPONSE, wrong)
        if not message.encrypted and exchange.doubts(message):
            return self._doubt(pending, message)
        return self._take(pending, message, wrong)

    def _doubt(self, pending: Pending, message: Message) -> None:
        """Wait for a better answer for a while: an unprotected answer that we cannot use may be forged (2.21.1)."""
        sa = self._sa
        if pending.doubt is None:

            def believe(now: float) -> None:
                self._take(pending, message, None)

            pending.doubt = sa.endpoint.timers.set(sa.now + sa.config.error_wait, believe)

    def _take(self, pending: Pending, message: Message, wrong: str | None) -> None:
        """Process an answer."""
        exchange, header = pending.exchange, message.header_fields
        self._done(pending)
        with self._ending(exchange, pending.steps):
            self._sa.accept(message)
        exchange.answer = message
        if wrong:
            pending.steps.close()
            return self._end(exchange, MalformedError(wrong).about(message_id=header.message_id))
        exchange.rounds[header.exchange] += 1
        self._advance(exchange, pending.steps, message)
        if message.encrypted and message.has_notify(NotifyType.INVALID_SYNTAX):
            self._sa.broken(f"{header.exchange_name} was answered with INVALID_SYNTAX", by_peer=True)
        return None

    def _pump(self) -> None:
        """Begin waiting exchanges while the window has room."""
        while self.held and self.open:
            self._send(*self.held.pop(0))
        while self.waiting and self.open and not self.held and self._may_begin(self.waiting[0]):
            exchange = self.waiting.pop(0)
            exchange.begun_at = self._sa.now
            self._advance(exchange, exchange.initiate(), None)

    def _may_begin(self, exchange: Exchange) -> bool:
        """Whether an exchange may run together with those in flight. Waiting exchanges keep their order.

        The Delete of the IKE SA is its last request. Nothing else may run during a rekey of the IKE SA (section 2.25).
        """
        in_flight = self.in_flight
        if any(other.alone for other in in_flight):
            return False
        if exchange.alone:
            return not in_flight
        return all(exchange.subjects.isdisjoint(other.subjects) for other in in_flight)

    def _advance(self, exchange: Exchange, steps: Steps, answer: Message | None) -> None:
        """Run the next step of our side of an exchange: send what it yields, or end it."""
        try:
            with self._ending(exchange, steps):
                if answer is not None:
                    hooks.take(exchange, answer)
                message = next(steps) if answer is None else steps.send(answer)
                if not isinstance(message, Outgoing):
                    raise LocalError(f"expected {type(exchange).__name__} to yield a request, but it waits for one")
                hooks.offer(exchange, message, None)
        except StopIteration:
            self._finish(exchange)
        except FynxError as error:
            steps.close()
            self._end(exchange, error.about(message_id=None if answer is None else answer.header_fields.message_id))
            self._show(error)
        else:
            exchange.followed_up |= exchange.type_of(message) != exchange.exchange_type
            # Section 2.2: IKE_SA_INIT and its retries have message ID 0.
            retry = exchange.type_of(message) == ExchangeType.IKE_SA_INIT and answer is not None
            if retry or self.open:
                self._send(exchange, steps, message, retry=retry)
            else:
                self.held.append((exchange, steps, message))

    def _send(self, exchange: Exchange, steps: Steps, message: Outgoing, *, retry: bool = False) -> None:
        """Send a request. If it cannot be built, its exchange ends and no message ID is used."""
        message_id = 0 if retry else self.next_id
        try:
            with self._ending(exchange, steps):
                kept = self._sa.transmit(message, exchange.type_of(message), message_id, None)
        except FynxError as error:
            steps.close()
            self._end(exchange, error)
            return self._show(error)
        if not retry:
            self.next_id += 1
        self._sa.endpoint.in_flight += message_id not in self.pending
        self.pending[message_id] = pending = Pending(exchange, steps, message, kept, self._sa.now + exchange.patience)
        # First, so that a request is sent again, or given up, whatever an extension says of it.
        self._arm(pending)
        return hooks.sent(exchange, message)

    def _finish(self, exchange: Exchange) -> None:
        """End an exchange whose steps are complete, and run the extensions."""
        try:
            with self._ending(exchange):
                hooks.ended(exchange)
        except FynxError as error:
            return self._end(exchange, error)
        return self._end(exchange, None)

    def _show(self, error: FynxError) -> None:
        """Raise an error of a tap, so that the author of the tap sees it. Ours are kept in `Exchange.error`."""
        if error is self._sa.endpoint.taps.raised:
            raise error

    def _ending(self, exchange: Exchange, steps: Steps | None = None) -> Passing:
        """End the exchange when something unexpected is raised here, such as by a tap: it must not stay in flight."""

        def end(error: BaseException) -> None:
            ours = isinstance(error, FynxError)
            if isinstance(error, StopIteration) or (ours and error is not self._sa.endpoint.taps.raised):
                return  # expected: the caller handles it
            if steps is not None:
                steps.close()
            text = f"{type(error).__name__} in a step of {type(exchange).__name__}"
            self._end(exchange, error if isinstance(error, FynxError) else UnexpectedError(text))

        return Passing(end)

    def _done(self, pending: Pending) -> None:
        for timer in (pending.timer, pending.doubt):
            if timer:
                timer.cancel()
        if self.pending.pop(pending.kept.message_id, None) is not None:
            self._sa.endpoint.in_flight -= 1

    def _end(self, exchange: Exchange, error: FynxError | None) -> None:
        if exchange.done:
            return
        exchange.complete(error)
        if error is not None:
            error.about(exchange=name_of(ExchangeType, exchange.exchange_type), **self._sa.identity)
            exchange.failed(error)
        self._pump()

    def _arm(self, pending: Pending) -> None:
        sa, schedule = self._sa, pending.exchange.schedule
        wait = schedule.wait(min(pending.kept.attempt, schedule.tries))
        pending.timer = sa.endpoint.timers.set(sa.now + wait, lambda now: self._overdue(pending, now))

    def _overdue(self, pending: Pending, now: float) -> None:
        """Retransmit a request; after the last try, the peer is dead (section 2.4)."""
        sa, kept = self._sa, pending.kept
        if kept.attempt < pending.exchange.schedule.tries or now < pending.until:
            try:
                sa.retransmit(kept)
            finally:
                self._arm(pending)  # also when a tap raises: the next retransmission is due all the same
            return None
        attempts = kept.attempt + 1
        self._done(pending)
        sa.emit(PeerDead(*sa.stamp, message_id=kept.message_id, attempts=attempts))
        error = Timeout(f"no answer from {sa.remote} to message {kept.message_id} after {counted(attempts, 'attempt')}")
        error.about(message_id=kept.message_id)
        return dpd.handle_dead_peer(sa, lambda: self._end(pending.exchange, error))


def _fault(message: Message, exchange: Exchange) -> str | None:
    """What is wrong with an answer, or None."""
    try:
        rules.check(message, exchange.rule(message.header_fields.exchange, response=True))
    except PeerError as error:
        return error.reason
    return None
