# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in IKE_AUTH, and in the answers to errors."""

from __future__ import annotations

from fynx_scapy.errors import AuthenticationError, Closing, IntegrityError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.auth.authenticator import Authenticator
from fynx_scapy.ike.exchanges import ike_auth
from fynx_scapy.ike.exchanges.create_child import ChildExchange, CreateChild
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.exchanges.ike_sa_init import IkeSaInit
from fynx_scapy.ike.message import Message, unprocessed
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.sa_messages import SaMessages
from fynx_scapy.ike.strangers import replies, unprotected
from fynx_scapy.ike.wire import rules
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_EAP,
    IKEv2_IDr,
    IKEv2_Nonce,
    build_message,
    parse_message,
)
from tests.faults.fault import Faulty, fault

# Authentication


@fault("auth", "7296-1.2-02", "7296-1.2-03", "7296-2.15-i05")
def takes_any_auth(bad: Faulty) -> None:
    """Takes an AUTH payload that does not verify."""

    def verify(original, auth, message):
        try:
            original(auth, message)
        except AuthenticationError:
            if message.get(IKEv2_AUTH) is None:
                raise

    bad.swap(Authenticator, "verify", verify)


@fault("auth", "7296-1.2-03", "7296-2.21.2-01")
def takes_any_identity(bad: Faulty) -> None:
    """Takes a peer that proves another identity than the configured one."""

    def choose(original, sa, local, remote):
        return original(sa, local, remote) or sa.candidates[0]

    def initiate(original, exchange):
        exchange.sa.config = exchange.sa.config.replace(remote_id=None)
        return (yield from original(exchange))

    bad.swap_function(ike_auth._choose_config, choose)
    bad.swap(IkeAuth, "initiate", initiate)


@fault("auth", "7296-2.15-i03")
def authenticates_its_first_request(bad: Faulty) -> None:
    """Computes its AUTH over its first IKE_SA_INIT request, not over the last one."""
    first: dict[bytes, bytes] = {}

    def transmit(original, sa, *rest):
        kept = original(sa, *rest)
        sa.init_sent = first.setdefault(sa.own_spi, sa.init_sent)
        return kept

    bad.swap(SaMessages, "transmit", transmit)


@fault("auth", "7296-2.15-i02")
def authenticates_what_it_understood(bad: Faulty) -> None:
    """Computes the peer's AUTH over the payloads of IKE_SA_INIT that it knows, not over the message as it came."""

    def accept(original, sa, message):
        original(sa, message)
        if not message.encrypted:
            header, payloads = parse_message(message.wire)
            header.next_payload, header.length = None, None
            known = [payload for payload in payloads if not unprocessed(payload)]
            for payload in known:
                payload.next_payload = None
            sa.init_received = build_message(header, known)

    bad.swap(SaMessages, "accept", accept)


@fault("auth", "7296-1.2-i05")
def uses_a_nonce_of_ike_auth(bad: Faulty) -> None:
    """Derives the keys of the first Child SA with a nonce that IKE_AUTH should not hold."""

    def answer(original, exchange, request):
        sa, nonce = exchange.sa, request.get(IKEv2_Nonce)
        kept = sa.nonce_i
        sa.nonce_i = kept if nonce is None else bytes(nonce.nonce)
        try:
            return original(exchange, request)
        finally:
            sa.nonce_i = kept

    bad.swap(IkeAuth, "_child_answer", answer)


@fault("auth", "7296-3.5-i01")
def wants_the_address_as_identity(bad: Faulty) -> None:
    """Refuses a peer whose identity is another IP address than the one that it sends from."""

    def choose(original, sa, local, remote):
        is_address = remote.type in (1, 5)
        return None if is_address and str(remote) != sa.remote.host else original(sa, local, remote)

    bad.swap_function(ike_auth._choose_config, choose)


@fault("eap", "7296-2.16-02", "7296-2.16-10", "7296-2.16-03")
def takes_a_missing_auth(bad: Faulty) -> None:
    """Takes an initiator that asks for EAP, by leaving out AUTH, for authenticated."""

    def verify(original, auth, message):
        auth.remember(message, ours=False)
        if message.get(IKEv2_AUTH) is not None:
            original(auth, message)

    bad.swap(Authenticator, "verify", verify)


@fault("eap", "7296-2.16-01", "7296-5-05", "7296-2.16-02")
def takes_eap_success_for_auth(bad: Faulty) -> None:
    """Takes a responder that sends EAP, and no AUTH, for authenticated."""

    def heed(original, answer, auth):
        if answer.get(IKEv2_EAP) is None or answer.get(IKEv2_IDr) is None:
            original(answer, auth)

    def verify(original, auth, message):
        auth.remember(message, ours=False)
        if message.get(IKEv2_AUTH) is not None or message.get(IKEv2_EAP) is None:
            original(auth, message)

    bad.swap_function(ike_auth._heed_refusal, heed)
    bad.swap(Authenticator, "verify", verify)


# Errors


@fault("errors", "7296-2.21.4-05", "7296-2.4-05")
def believes_unprotected_notifies(bad: Faulty) -> None:
    """Closes the IKE SA when an unprotected INVALID_IKE_SPI or INVALID_SPI says that the peer has lost an SA."""
    bad.swap_function(
        unprotected.suspect, lambda original, sa, kind: sa.closed("unprotected Notify", Closing.PEER_RESTARTED)
    )


@fault("errors", "7296-2.21.4-05", "7296-1.5-03")
def answers_unprotected_notifies(bad: Faulty) -> None:
    """Answers an unprotected INVALID_SPI or INVALID_IKE_SPI."""

    def clear(original, sa, datagram, header):
        sa.endpoint.reject(datagram, header, NotifyType.INVALID_SYNTAX)
        return original(sa, datagram, header)

    def stray(original, endpoint, datagram, header):
        found = original(endpoint, datagram, header)
        if found:
            endpoint.reject(datagram, header, NotifyType.INVALID_IKE_SPI)
        return found

    bad.swap_function(unprotected.in_the_clear, clear)
    bad.swap_function(unprotected.stray, stray)


@fault("errors", "7296-2.21.4-01")
def answers_unknown_responses(bad: Faulty) -> None:
    """Answers a response with unknown SPIs."""

    def unknown(original, endpoint, datagram, header):
        if header.response:
            return endpoint.reject(datagram, header, NotifyType.INVALID_IKE_SPI)
        return original(endpoint, datagram, header)

    bad.swap_function(replies.unknown_spi, unknown)


@fault("errors", "7296-2.21.4-03", "7296-1.5-i02")
def answers_unknown_spis_with_others(bad: Faulty) -> None:
    """Sends INVALID_IKE_SPI with SPIs and a message ID of zero."""

    def reject(original, endpoint, datagram, header, kind, *rest, **named):
        if kind == NotifyType.INVALID_IKE_SPI:
            header = header._replace(spi_i=bytes(8), spi_r=bytes(8), message_id=0)
        return original(endpoint, datagram, header, kind, *rest, **named)

    bad.swap_function(replies.reject, reject)


@fault("errors", "7296-2.21.1-i01", "7296-2.21.1-i02")
def believes_an_unprotected_refusal(bad: Faulty) -> None:
    """Gives up at once after an error Notify in IKE_SA_INIT, which anybody can forge."""
    bad.swap(IkeSaInit, "doubts", lambda original, exchange, answer: False)


@fault("errors", "7296-1.2-i03", "7296-2.21.2-04")
def ends_the_ike_sa_with_its_first_child(bad: Faulty) -> None:
    """Fails the whole IKE_AUTH when only the Child SA is refused."""

    def answer(original, exchange, request):
        payloads = original(exchange, request)
        errors = [p.type for p in payloads if getattr(p, "type", 16384) < 16384]
        if errors:
            raise PeerError(errors[0], reason="no Child SA")
        return payloads

    def take(original, exchange, child, sent, message):
        original(exchange, child, sent, message)
        if message.error() is not None:
            exchange.sa.delete_ike(Closing.REJECTED)

    bad.swap(IkeAuth, "_child_answer", answer)
    bad.swap(IkeAuth, "_take_child", take)


@fault("errors", "7296-2.21.3-i01")
def goes_on_after_invalid_syntax(bad: Faulty) -> None:
    """Keeps the IKE SA after INVALID_SYNTAX inside SK."""
    bad.swap(IkeSa, "broken", lambda original, sa, reason, *, by_peer: None)


@fault("errors", "7296-2.21.3-01", "7296-3.10.1-04", "7296-2.21-i01")
def is_silent_about_malformed_requests(bad: Faulty) -> None:
    """Does not answer an authentic request that is malformed."""

    def refuse(original, answers, request, error, attempt):
        if error.notify_type != NotifyType.INVALID_SYNTAX:
            original(answers, request, error, attempt)

    bad.swap(Answers, "_refuse", refuse)


@fault("errors", "7296-3.10.1-01")
def ignores_unknown_errors_in_responses(bad: Faulty) -> None:
    """Takes a response with an error of an unknown type for a good one."""
    known = {int(kind) for kind in NotifyType}

    def error(original, message):
        found = original(message)
        return None if found is not None and found.type not in known else found

    bad.swap(Message, "error", error)


@fault("errors", "7296-3.10.1-02")
def refuses_unknown_errors_in_requests(bad: Faulty) -> None:
    """Refuses a request with an error Notify of an unknown type."""
    known = {int(kind) for kind in NotifyType}
    bad.refuse(lambda message: any(n.type < 16384 and n.type not in known for n in message.notifies()))


@fault("errors", "7296-2.21.2-i01", "7296-2.21.2-01")
def refuses_authentication_in_the_clear(bad: Faulty) -> None:
    """Sends AUTHENTICATION_FAILED outside of SK."""

    def tap(message):
        if message.has_notify(NotifyType.AUTHENTICATION_FAILED):
            message.encrypted = False

    bad.tap(tap)


@fault("errors", "7296-3.10.1-i01", "7296-3.14-06")
def answers_a_wrong_icv(bad: Faulty) -> None:
    """Answers a message whose ICV is wrong with INVALID_SYNTAX."""

    def receive(original, requests_or_answers, datagram, header):
        try:
            original(requests_or_answers, datagram, header)
        except IntegrityError:
            bad.endpoint.reject(datagram, header, NotifyType.INVALID_SYNTAX)
            raise

    bad.swap(Answers, "receive", receive)


@fault("errors", "7296-2.21.2-03")
def sets_up_an_ike_sa_after_a_malformed_request(bad: Faulty) -> None:
    """Skips malformed payloads in IKE_AUTH."""

    def check(original, message, rule):
        if message.header_fields.exchange == ExchangeType.IKE_AUTH:
            message.payloads = [payload for payload in message.payloads if not payload.malformed]
        original(message, rule)

    bad.swap_function(rules.check, check)


@fault("errors", "7296-2.21.2-01", "7296-1.2-i04")
def answers_after_a_failed_authentication(bad: Faulty) -> None:
    """Keeps an IKE SA whose authentication has failed, and goes on answering."""

    def refused(original, exchange, error):
        if not isinstance(error, PeerError) or error.notify_type != NotifyType.AUTHENTICATION_FAILED:
            return original(exchange, error)
        sa = exchange.sa
        return sa.establish(sa.config.local_id, sa.config.remote_id or sa.config.local_id)

    bad.swap(IkeAuth, "refused", refused)


@fault("errors", "7296-2.21.4-09")
def believes_protected_hints(bad: Faulty) -> None:
    """Closes the IKE SA after INVALID_SPI or INVALID_SELECTORS in an INFORMATIONAL request."""
    hints = (NotifyType.INVALID_SPI, NotifyType.INVALID_SELECTORS)

    def accept(original, sa, message):
        original(sa, message)
        if any(n.type in hints for n in message.notifies()) and sa.established:
            sa.endpoint.timers.set(sa.now, lambda now: sa.closed("a hint", Closing.BY_PEER))

    bad.swap(SaMessages, "accept", accept)


@fault("create-child", "7296-1.3.1-04")
def ends_the_ike_sa_with_a_refused_child(bad: Faulty) -> None:
    """Deletes the IKE SA when a further Child SA is refused."""

    def refused(original, exchange, error):
        original(exchange, error)
        exchange.sa.endpoint.timers.set(exchange.sa.now, lambda now: _delete(exchange.sa))

    def failed(original, exchange, error):
        original(exchange, error)
        _delete(exchange.sa)

    bad.swap(ChildExchange, "refused", refused)
    bad.swap(CreateChild, "failed", failed)


def _delete(sa) -> None:
    if sa.established:
        sa.delete_ike()
