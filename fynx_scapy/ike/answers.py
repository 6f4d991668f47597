# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer's requests: answer them, answer retransmissions, or refuse them (RFC 7296 sections 2.1 and 2.21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fynx_scapy.errors import FynxError, LocalError, PeerError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.passing import Holding, Passing
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.chains import Chain, Chains
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.events import RequestRefused
from fynx_scapy.ike.exchanges.informational import GivenUp
from fynx_scapy.ike.life import succession
from fynx_scapy.ike.message import Datagram, Header, Message, Next, Outgoing, notify
from fynx_scapy.ike.reassembly import Reassembly
from fynx_scapy.ike.strangers import puzzles
from fynx_scapy.ike.wire import rules
from fynx_scapy.ike.wire.window import ResponseWindow

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


@dataclass(slots=True)
class _Attempt:
    """The answer to one request in the making."""

    exchange: Exchange | None = None
    chain: Chain | None = None
    answered: bool = False
    """Whether the answer was sent."""


class Answers(ResponseWindow):
    """The peer's requests on an IKE SA, and our answers."""

    def __init__(self, sa: SaRecord, fragments: Reassembly) -> None:
        super().__init__()
        self._sa = sa
        self._fragments = fragments
        self._raised: BaseException | None = None

    def stop(self) -> None:
        """Stop all exchanges that wait for a further request: the IKE SA has ended."""
        self._sa.of(Chains).stop("the IKE SA ended")

    def receive(self, datagram: Datagram, header: Header) -> None:
        """Handle a request. IntegrityError and MalformedError change nothing."""
        sa, message_id = self._sa, header.message_id
        kept = self.answered(message_id)
        if kept is not None:
            request, answer = kept
            if request == datagram.data or self._fragments.repeats(datagram, header):
                return sa.retransmit(answer, datagram)
            reason = f"expected a retransmission of request {message_id}, found a different message"
            return sa.drop(datagram, DropReason.MESSAGE_ID, reason)
        if not sa.listening:
            return sa.drop(datagram, DropReason.STATE, f"expected no request in the state {sa.state.value}")
        if not self.accepts(message_id):
            if message_id >= self.expected + self.size:
                # A message ID below the window is an old datagram that the network delayed.
                hooks.ahead(sa, datagram, header)
            reason = f"expected a request with message ID {self.expected}, found {message_id}"
            return sa.drop(datagram, DropReason.MESSAGE_ID, reason)
        if (wrong := puzzles.auth_fault(sa, datagram, header)) is not None:
            return sa.drop(datagram, DropReason.PUZZLE, wrong)
        message = self._fragments.open(datagram, header)
        puzzles.solved(sa)
        if message is None:
            return None
        self.advance(message_id)
        sa.accept(message)
        succession.inherit_if_used(sa, message)
        self._answer(message)
        if (raised := self._raised) is not None:
            self._raised = None
            raise raised
        return None

    def _answer(self, request: Message) -> None:
        """Run the exchange that answers this request. An error that it raises is answered with a Notify."""
        attempt = _Attempt()
        with Passing(lambda error: self._give_up(request, attempt, error)):
            self._run(request, attempt)

    def _run(self, request: Message, attempt: _Attempt) -> None:
        sa, kind = self._sa, request.header_fields.exchange
        chains = sa.of(Chains)
        responder = GivenUp if chains.given_up(request) else sa.endpoint.responder_for(request)
        try:
            attempt.chain = chain = chains.claim(request)
            attempt.exchange = exchange = chain.exchange if chain else responder(sa) if responder else None
            row = exchange.row(kind) if exchange else None
            rules.check(request, row.request if row else None)
            if exchange is None or row is None:
                raise LocalError(f"no exchange answers {request.header_fields.exchange_name}")
            rules.check_phase(request, row.phase or exchange.phase, connecting=sa.connecting)
            hooks.take(exchange, request)
            steps = chain.steps if chain else exchange.respond(request)
            answer = _answer_of(exchange, steps, request if chain else None)
            hooks.offer(exchange, answer, request)
            self._send(answer, request)
        except PeerError as error:
            return self._refuse(request, error, attempt)
        except FynxError as error:
            # Section 3.10.1: INVALID_SYNTAX answers every error without a specific notify: a payload that the exchange
            # could not read, or an answer that could not be built.
            return self._refuse(request, PeerError(NotifyType.INVALID_SYNTAX, reason=str(error)), attempt)
        attempt.answered = True
        try:
            hooks.sent(exchange, answer)
        finally:
            exchange.rounds[kind] += 1
            then = answer.then or self._after(exchange, steps)
            if then is not None:
                sa.of(Chains).wait(exchange, steps, then, kind)
        return None

    def _give_up(self, request: Message, attempt: _Attempt, error: BaseException) -> None:
        """Answer a request although something unexpected ended its exchange: the peer must not wait for ever.

        A first request gets no answer and leaves no state: its retransmission is a new request.
        """
        sa = self._sa
        if attempt.answered:
            return None
        if not request.encrypted:
            return sa.forget()
        text = f"{type(error).__name__} in a step of {type(attempt.exchange).__name__}"
        refusal = PeerError(NotifyType.TEMPORARY_FAILURE, reason=text)
        self._refuse(request, refusal, attempt)
        if sa.connecting:
            sa.fail(refusal)
        return None

    def _after(self, exchange: Exchange, steps: Steps) -> Next | None:
        """Run the step of an exchange after its answer was sent; returns the request that it then waits for, if any.

        If this step fails, the states of the two peers differ: the IKE SA is broken.
        """
        try:
            then = next(steps, None)
            if isinstance(then, Outgoing):
                steps.close()
                raise LocalError(f"{type(exchange).__name__} gave a second answer to one request")
        except FynxError as error:
            self._sa.broken(f"the exchange failed after its answer was sent: {error}", by_peer=False)
            return None
        return then

    def _send(self, answer: Outgoing, request: Message, *, keep: bool = True) -> None:
        sa, header = self._sa, request.header_fields
        # A tap's author is told of its exception once the request, which was taken, has been answered.
        kept = None
        with Holding(lambda error: error is sa.endpoint.taps.raised) as tap:
            kept = sa.transmit(answer, header.exchange, header.message_id, request)
        if kept is None:
            self._raised = tap.error
            with sa.endpoint.taps.paused():
                kept = sa.transmit(answer, header.exchange, header.message_id, request)
        if keep:
            self.keep(header.message_id, request.wires[0], kept)

    def _refuse(self, request: Message, error: PeerError, attempt: _Attempt) -> None:
        """Answer a request with the Notify of its error (section 2.21)."""
        sa, exchange, chain = self._sa, attempt.exchange, attempt.chain
        initial = not request.encrypted
        if initial and error.notify_type == NotifyType.INVALID_SYNTAX:
            # Section 3.10.1: INVALID_SYNTAX is sent in encrypted packets only.
            sa.drop(Datagram(request.wire, request.local, request.remote), DropReason.SYNTAX, error.reason)
            return sa.forget()
        refusal = error.payloads or [notify(error.notify_type, error.data, protocol=error.protocol, spi=error.spi)]
        answer = Outgoing([*refusal], encrypted=not initial)
        if initial:
            # Section 2.6: there is no IKE SA, so the responder's SPI stays zero and no state is kept.
            answer.header.resp_SPI = bytes(8)
        self._send(answer, request, keep=not initial)
        self._report(request, error)
        if exchange is not None:
            exchange.refused(error)
        if chain is not None:
            chain.steps.close()
            if sa.connecting:
                # A peer must not skip a refused round by going on with IKE_AUTH.
                sa.fail(error)
        if request.encrypted and error.notify_type == NotifyType.INVALID_SYNTAX:
            sa.broken(f"answered INVALID_SYNTAX: {error.reason}", by_peer=False)
        return None

    def _report(self, request: Message, error: PeerError) -> None:
        sa, header = self._sa, request.header_fields
        error.about(exchange=header.exchange_name, message_id=header.message_id, **sa.identity)
        sa.emit(
            RequestRefused(
                *sa.stamp,
                exchange=header.exchange,
                message_id=header.message_id,
                notify_type=error.notify_type,
                code=error.code,
                reason=error.reason,
                remote=request.remote,
            )
        )


def _answer_of(exchange: Exchange, steps: Steps, request: Message | None) -> Outgoing:
    """The answer of an exchange to its first request (``request`` is None) or to a further one.

    LocalError when the exchange yields no answer.
    """
    try:
        answer = next(steps) if request is None else steps.send(request)
    except StopIteration:
        answer = None
    if not isinstance(answer, Outgoing):
        steps.close()
        raise LocalError(f"expected an answer from {type(exchange).__name__}, found none")
    return answer
