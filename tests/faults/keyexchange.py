# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of IKE_SA_INIT: cookies, nonces, and the key exchange."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.crypto.ke import key_exchange
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, TransformType
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.core import keyshare
from fynx_scapy.ike.core.keyshare import KeyShare, Rejection
from fynx_scapy.ike.exchanges.ike_sa_init import IkeSaInit
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.router import Router
from fynx_scapy.ike.strangers import admission
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.strangers.cookies import Cookies, Initial, Ticket
from fynx_scapy.ike.terms.proposals import KE
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA
from tests.faults.fault import Faulty, fault, is_request

# Cookies


@fault("cookie", "7296-2.6-06")
def takes_any_cookie(bad: Faulty) -> None:
    """Takes any cookie for a valid one."""
    bad.swap(
        Cookies,
        "check",
        lambda original, cookies, cookie, *rest: (
            original(cookies, cookie, *rest) or (Ticket(None, 0.0) if cookie else None)
        ),
    )


@fault("cookie", "7296-2.6-06")
def takes_a_cookie_from_any_address(bad: Faulty) -> None:
    """Takes a cookie from another address than the one to which it was sent."""

    def value(original, cookies, front, nonce, remote, spi_i):
        return original(cookies, front, nonce, Address("0.0.0.0", 0), spi_i)

    bad.swap(Cookies, "_value", value)


@fault("cookie", "7296-2.6-06")
def takes_a_cookie_for_any_nonce(bad: Faulty) -> None:
    """Takes a cookie in a request with another nonce."""

    def value(original, cookies, front, nonce, remote, spi_i):
        return original(cookies, front, b"", remote, spi_i)

    bad.swap(Cookies, "_value", value)


@fault("cookie", "7296-2.6-06")
def drops_wrong_cookies(bad: Faulty) -> None:
    """Drops a request with a wrong cookie instead of treating it like one without."""

    def receive(original, router, datagram, header):
        cookie, endpoint = Initial.read(header, datagram.data), bad.endpoint
        known = endpoint.of(Admission)._cookies
        if cookie.cookie is not None and not known.check(
            cookie.cookie, cookie.nonce or b"", datagram.remote, header.spi_i, endpoint.now
        ):
            return endpoint.drop(datagram, DropReason.INVALID_INITIAL, "a wrong cookie")
        return original(router, datagram, header)

    bad.swap(Router, "_receive_initial", receive)


def _with_cookie(message) -> bool:
    return is_request(message, ExchangeType.IKE_SA_INIT) and message.has_notify(NotifyType.COOKIE)


@fault("cookie", "7296-2.6-04")
def puts_the_cookie_last(bad: Faulty) -> None:
    """Returns the cookie as the last payload."""

    def tap(message):
        if _with_cookie(message):
            message.payloads.append(message.payloads.pop(0))

    bad.tap(tap)


@fault("cookie", "7296-2.6-04")
def shortens_the_cookie(bad: Faulty) -> None:
    """Returns the cookie without its last octet."""

    def tap(message):
        if _with_cookie(message):
            cookie = message.notify(NotifyType.COOKIE)
            cookie.notify = bytes(cookie.notify)[:-1]

    bad.tap(tap)


@fault("cookie", "7296-2.6-04")
def draws_another_nonce_for_a_cookie(bad: Faulty) -> None:
    """Sends another nonce in the request that returns a cookie."""

    def tap(message):
        if _with_cookie(message):
            message.get(IKEv2_Nonce).nonce = bad.endpoint.randomness.octets(32)

    bad.tap(tap)


@fault("cookie", "7296-2.6-02", "7296-2.6-i04")
def never_asks_for_a_cookie(bad: Faulty) -> None:
    """Asks for no cookie, however many half-open IKE SAs there are."""
    bad.swap_function(admission._reached, lambda original, count, threshold: False)


@fault("cookie", "7296-2.6-03")
def sends_a_long_cookie(bad: Faulty) -> None:
    """Asks for a cookie of more than 64 octets."""
    bad.swap(Cookies, "_value", lambda original, *rest: original(*rest) + bytes(40))


@fault("cookie", "7296-2.6-i05")
def follows_cookies_for_ever(bad: Faulty) -> None:
    """Returns one cookie after the other as long as it is asked to."""

    def initiate(original, exchange):
        exchange.sa.config = exchange.sa.config.replace(cookies=1000)
        return (yield from original(exchange))

    bad.swap(IkeSaInit, "initiate", initiate)


# Nonces


@fault("nonce", "7296-3.9-01", "7296-2.10-01")
def takes_any_nonce(bad: Faulty) -> None:
    """Takes a nonce of any length."""
    bad.swap_function(keyshare.check_nonce, lambda original, nonce, suite: None)


@fault("nonce", "7296-3.9-01")
def refuses_long_nonces(bad: Faulty) -> None:
    """Refuses a nonce of more than 64 octets."""

    def check(original, nonce, suite):
        original(nonce, suite)
        if len(nonce) > 64:
            raise PeerError(NotifyType.INVALID_SYNTAX, reason="a long nonce")

    bad.swap_function(keyshare.check_nonce, check)


@fault("nonce", "7296-3.9-02")
def repeats_its_nonce(bad: Faulty) -> None:
    """Uses the same nonce in every exchange."""
    first: list[bytes] = []

    def own(original, sa, prfs):
        drawn = original(sa, prfs)
        if not first or len(first[0]) < len(drawn):
            first[:] = [drawn]
        return first[0]

    bad.swap_function(keyshare.own_nonce, own)


# Key exchange


@fault("ke", "7296-1.3-i01", "7296-3.4-04", "7296-1.2-i02")
def asks_for_no_group(bad: Faulty) -> None:
    """Sends INVALID_KE_PAYLOAD without a group."""

    def change(payload):
        payload.notify = b""

    bad.each_notify(change, NotifyType.INVALID_KE_PAYLOAD)


@fault("ke", "7296-3.4-04", "7296-3.4-02", "7296-1.3-06", "7296-1.2-i02")
def takes_a_key_exchange_of_any_group(bad: Faulty) -> None:
    """Takes a KE payload of another group than the one that it chooses, instead of asking for that one."""

    def answered(original, choice, request, random):
        ke, chosen = request.get(IKEv2_KE), choice.suite.ke
        if ke is not None and chosen is not None and ke.group != chosen.id:
            other = Transform(TransformType.KE, ke.group)
            choice = replace(choice, transforms=tuple(other if t.type == KE else t for t in choice.transforms))
        return original(choice, request, random)

    bad.swap_function(keyshare.answered_secret, answered)


@fault("ke", "7296-3.4-01")
def takes_any_public_value(bad: Faulty) -> None:
    """Takes a public value of zero, or of a wrong length."""

    def answered(original, choice, request, random):
        try:
            return original(choice, request, random)
        except PeerError as error:
            ke = request.get(IKEv2_KE)
            if error.notify_type != NotifyType.INVALID_SYNTAX or ke is None:
                raise
            return [IKEv2_KE(group=ke.group, ke=key_exchange(ke.group).generate(random).public)], bytes(32)

    bad.swap_function(keyshare.answered_secret, answered)


@fault("ke", "7296-1.2-04", "7296-3.3.6-09")
def sends_the_refused_group_again(bad: Faulty) -> None:
    """Answers INVALID_KE_PAYLOAD with a KE payload of the same group."""

    def retried(original, sa, request, answer):
        ours = request.sent.get(IKEv2_KE)
        if ours is None or not answer.has_notify(NotifyType.INVALID_KE_PAYLOAD):
            return original(sa, request, answer)
        return KeyShare.generate(ours.group, sa.endpoint.randomness.octets)

    bad.swap_function(keyshare.retried_share, retried)


@fault("ke", "7296-1.3-i01")
def follows_to_a_group_not_offered(bad: Faulty) -> None:
    """Follows INVALID_KE_PAYLOAD to a group that it did not offer."""

    def read(original, cls, sa, sent, answer):
        rejection = original(cls, sa, sent, answer)
        if rejection is None or rejection.wanted in (None, rejection.sent):
            return rejection
        try:
            key_exchange(rejection.wanted)
        except ConfigError:
            return rejection
        return replace(rejection, fault=None)

    bad.swap(Rejection, "read", read)


@fault("ke", "7296-1.2-05", "7296-3.3.6-10")
def offers_only_the_wanted_group(bad: Faulty) -> None:
    """Offers only the wanted group when it follows INVALID_KE_PAYLOAD."""
    groups: dict[bytes, int] = {}

    def tap(message):
        if not is_request(message, ExchangeType.IKE_SA_INIT):
            return
        group = message.get(IKEv2_KE).group
        if group == groups.setdefault(bytes(message.header.init_SPI), group):
            return
        for proposal in message.get(IKEv2_SA).prop:
            proposal.trans = [t for t in proposal.trans if t.transform_type != KE or t.transform_id == group]

    bad.tap(tap)
