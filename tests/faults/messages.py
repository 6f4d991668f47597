# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in the protection of messages, message IDs, windows and retransmission."""

from __future__ import annotations

from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import IntegrityError, MalformedError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.exchange import RequestWindow
from fynx_scapy.ike.life import collisions
from fynx_scapy.ike.message import Outgoing, notify
from fynx_scapy.ike.reassembly import room
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.router import Router
from fynx_scapy.ike.sa_messages import SaMessages
from fynx_scapy.ike.terms.timeouts import Retransmission
from fynx_scapy.ike.wire import rules
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.window import ResponseWindow
from tests.faults.ciphers import unverified
from tests.faults.fault import Faulty, fault, header_of

# Protection


@fault("sk", "7296-3.14-06", "7296-1.2-02")
def takes_any_icv(bad: Faulty) -> None:
    """Takes an IKE message whose ICV is wrong."""

    def open_(original, protector, prefix, body):
        try:
            return original(protector, prefix, body)
        except IntegrityError:
            if len(body) < protector.iv_size + protector.icv_size:
                raise
            iv, end = body[: protector.iv_size], len(body) - protector.icv_size
            return unverified(protector.encr, protector._key_e, iv, body[protector.iv_size : end])

    bad.swap(Protector, "open", open_)


@fault("sk", "7296-3.14-06")
def moves_its_window_before_the_icv(bad: Faulty) -> None:
    """Counts a request as received before its ICV has verified."""

    def receive(original, answers, datagram, header):
        try:
            original(answers, datagram, header)
        except IntegrityError:
            if answers.accepts(header.message_id):
                answers.advance(header.message_id)
            raise

    bad.swap(Answers, "receive", receive)


@fault("sk", "7296-1.2-i01", "7296-2.14-i02")
def takes_its_own_messages(bad: Faulty) -> None:
    """Takes a message that is protected with the keys of its own direction."""

    def open_(original, envelope, datagram, header, place=None):
        try:
            return original(envelope, datagram, header, place)
        except IntegrityError:
            if envelope._outbound is None:
                raise
            kept, envelope._inbound = envelope._inbound, envelope._outbound
            try:
                return original(envelope, datagram, header, place)
            finally:
                envelope._inbound = kept

    def receive(original, router, datagram):
        header = header_of(datagram)
        for spi in (header.spi_i, header.spi_r) if header is not None else ():
            sa = router.sas.get(spi)
            if header is not None and sa is not None and {sa.spi_i, sa.spi_r} == {header.spi_i, header.spi_r}:
                return sa.receive(datagram, header)
        return original(router, datagram)

    bad.swap(Envelope, "open", open_)
    bad.swap(Router, "receive", receive)


@fault("sk", "7296-3.14-03")
def uses_one_iv(bad: Faulty) -> None:
    """Uses the same IV for every message."""
    bad.swap(Envelope, "_iv", lambda original, envelope, protector: bytes(protector.iv_size))


@fault("sk", "7296-3.14-05")
def refuses_more_padding_than_necessary(bad: Faulty) -> None:
    """Refuses an SK payload with more padding than the block size requires."""

    def unpad(original, protector, plaintext):
        if plaintext and plaintext[-1] >= protector.block_size:
            raise MalformedError("more padding than necessary")
        return original(protector, plaintext)

    bad.swap(Protector, "unpad", unpad)


@fault("sk", "7296-3.14-04")
def refuses_padding_that_is_not_zero(bad: Faulty) -> None:
    """Refuses an SK payload whose padding is not zeros."""

    def unpad(original, protector, plaintext):
        content = original(protector, plaintext)
        if any(plaintext[len(content) : -1]):
            raise MalformedError("padding that is not zero")
        return content

    bad.swap(Protector, "unpad", unpad)


@fault("sk", "7296-3.14-05")
def takes_a_pad_length_beyond_the_payloads(bad: Faulty) -> None:
    """Takes a Pad Length that is larger than the plaintext for no padding."""

    def unpad(original, protector, plaintext):
        try:
            return original(protector, plaintext)
        except MalformedError:
            return plaintext[:-1]

    bad.swap(Protector, "unpad", unpad)


# Message IDs and windows


@fault("message-id/window", "7296-2.3-09")
def answers_outside_its_window(bad: Faulty) -> None:
    """Answers a request with a message ID above its window."""
    bad.swap(
        ResponseWindow,
        "accepts",
        lambda original, window, message_id: original(window, message_id) or message_id >= window.expected,
    )


@fault("message-id/window", "7296-2.3-09")
def answers_invalid_message_id(bad: Faulty) -> None:
    """Answers a request outside its window with INVALID_MESSAGE_ID, in a response."""

    def ahead(original, sa, datagram, header):
        original(sa, datagram, header)
        message = sa.envelope.open(datagram, header)
        refusal = Outgoing([notify(NotifyType.INVALID_MESSAGE_ID, header.message_id.to_bytes(4))])
        sa.transmit(refusal, header.exchange, header.message_id, message)

    bad.swap_function(hooks.ahead, ahead)


@fault("message-id/window", "7296-2.3-10")
def complains_about_every_message_id(bad: Faulty) -> None:
    """Sends INVALID_MESSAGE_ID for every request outside its window, without a limit."""

    def ahead(original, sa, datagram, header):
        sa.envelope.open(datagram, header)
        sa.inform(notify(NotifyType.INVALID_MESSAGE_ID, header.message_id.to_bytes(4)))

    bad.swap_function(hooks.ahead, ahead)


def _in_any_phase(bad: Faulty, *exchange_types: int) -> None:
    def check(original, request, phase, *, connecting):
        if request.header_fields.exchange not in exchange_types:
            original(request, phase, connecting=connecting)

    bad.swap_function(rules.check_phase, check)


@fault("message-id/window", "7296-1-01", "7296-1-i03")
def creates_child_sas_before_authentication(bad: Faulty) -> None:
    """Sets up a Child SA for a peer that has not authenticated."""

    def objection(original, sa):
        if not sa.connecting:
            original(sa)

    _in_any_phase(bad, ExchangeType.CREATE_CHILD_SA)
    bad.swap_function(collisions.object_to_child, objection)


@fault("message-id/window", "7296-1-01", "7296-1.4-01")
def informs_before_authentication(bad: Faulty) -> None:
    """Acts on an INFORMATIONAL request of a peer that has not authenticated."""
    _in_any_phase(bad, ExchangeType.INFORMATIONAL)


@fault("message-id/window", "7296-2.3-02", "7296-2.3-05", "7296-2.3-06")
def ignores_the_peers_window(bad: Faulty) -> None:
    """Sends requests without waiting for answers to earlier ones."""
    bad.swap(RequestWindow, "open", lambda original, window: True)
    bad.swap(Requests, "open", lambda original, requests: not requests._sa.connecting or original(requests))


@fault("message-id/window", "7296-2.2-i02", "7296-1-i01")
def takes_any_message_id_in_a_response(bad: Faulty) -> None:
    """Takes a response with another message ID for the answer to the request that waits."""

    def receive(original, requests, datagram, header):
        waiting = [p for p in requests.pending.values() if p.kept.exchange_type == header.exchange]
        if header.message_id not in requests.pending and waiting:
            header = header._replace(message_id=waiting[0].kept.message_id)
        original(requests, datagram, header)

    bad.swap(Requests, "receive", receive)


@fault("message-id/window", "7296-2.3-04")
def answers_nothing_while_it_waits(bad: Faulty) -> None:
    """Does not answer a request while its own request is unanswered."""

    def receive(original, answers, datagram, header):
        if not answers._sa.requests.pending:
            original(answers, datagram, header)

    bad.swap(Answers, "receive", receive)


# Retransmission


@fault("retransmission", "7296-2.1-02", "7296-2.1-04")
def executes_retransmissions(bad: Faulty) -> None:
    """Executes a retransmitted request again."""
    bad.swap(ResponseWindow, "answered", lambda original, window, message_id: None)
    bad.swap(
        ResponseWindow,
        "accepts",
        lambda original, window, message_id: original(window, message_id) or 0 < message_id == window.expected - 1,
    )


def _resealed(bad: Faulty, request: bool) -> None:
    """Seal a message again when it is retransmitted."""

    def retransmit(original, sa, kept, *rest):
        if kept.request is request and kept.exchange_type != ExchangeType.IKE_SA_INIT:
            message = sa.envelope.reopened(kept.datagrams)
            with sa.endpoint.taps.paused():
                wires, _ = sa.envelope.seal(message, room(sa, kept.datagrams[0].remote))
            kept.datagrams = [
                type(old)(wire, old.local, old.remote) for old, wire in zip(kept.datagrams, wires, strict=False)
            ]
        original(sa, kept, *rest)

    bad.swap(SaMessages, "retransmit", retransmit)


@fault("retransmission", "7296-2.1-02", "7296-2.1-04", "7296-2.3-08")
def seals_answers_again(bad: Faulty) -> None:
    """Answers a retransmitted request with the same payloads in a new message."""
    _resealed(bad, request=False)


@fault("retransmission", "7296-2.1-07", "7296-2.1-03", "7296-2.3-07")
def seals_requests_again(bad: Faulty) -> None:
    """Retransmits a request with another IV."""
    _resealed(bad, request=True)


@fault("retransmission", "7296-2.1-04", "7296-2.1-02")
def forgets_answers_at_once(bad: Faulty) -> None:
    """Does not answer a retransmitted request."""
    bad.swap(ResponseWindow, "keep", lambda original, window, message_id, request, answer: None)


@fault("retransmission", "7296-2.1-06", "7296-1-i02")
def never_retransmits(bad: Faulty) -> None:
    """Never sends a request again."""

    def retransmit(original, sa, kept, *rest):
        if kept.request:
            kept.attempt += 1
        else:
            original(sa, kept, *rest)

    bad.swap(SaMessages, "retransmit", retransmit)


@fault("retransmission", "7296-2.4-08")
def retransmits_at_a_constant_rate(bad: Faulty) -> None:
    """Waits for the same time before every retransmission."""
    bad.swap(Retransmission, "wait", lambda original, schedule, attempt: original(schedule, 0))


@fault("retransmission", "7296-2.1-01")
def repeats_answers_unasked(bad: Faulty) -> None:
    """Sends an answer a second time although the request did not come again."""

    def transmit(original, sa, message, exchange_type, message_id, request):
        kept = original(sa, message, exchange_type, message_id, request)
        if request is not None:
            again = list(kept.datagrams)
            sa.endpoint.timers.set(sa.now + 1.0, lambda now: sa.endpoint.transmit(None, again))
        return kept

    bad.swap(SaMessages, "transmit", transmit)
