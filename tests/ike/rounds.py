# SPDX-License-Identifier: GPL-2.0-or-later
"""Exchanges of several rounds that are made up, and what their tests have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.chains import Chains
from fynx_scapy.ike.core.exchange import Exchange, link
from fynx_scapy.ike.core.registry import DEFAULT, exchange
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.wire.rules import ONE, P, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_VendorID
from tests.ike.pair import Pair, alice, bob

FOLLOWUP = ExchangeType.IKE_FOLLOWUP_KE
LINK = NotifyType.ADDITIONAL_KEY_EXCHANGE
TWO = (2, 2)
OURS = range(240, 244)
"""Private exchange types, of which nothing but what is here is registered."""


def say(text: bytes) -> IKEv2_VendorID:
    return IKEv2_VendorID(vendorID=text)


def heard(message) -> bytes:
    return bytes(message.one(IKEv2_VendorID).vendorID)


class Talk(Exchange):
    """Several rounds. Both ends note what they heard; ``ends`` are the responders, ``errors`` what the hooks got."""

    ends: ClassVar[list[Talk]] = []
    errors: ClassVar[list[tuple[str, str]]] = []
    fails_in = 0
    given_up = 0

    def __init__(self, sa, name: bytes = b"a"):
        super().__init__(sa)
        self.name = name
        self.heard: list[bytes] = []

    def took(self, request) -> None:
        self.heard.append(heard(request))
        if len(self.heard) == self.fails_in:
            raise PeerError(NotifyType.TEMPORARY_FAILURE, reason="not now")

    def failed(self, error) -> None:
        self.errors.append(("failed", str(error)))

    def refused(self, error) -> None:
        self.given_up += 1
        self.errors.append(("refused", str(error)))


class Chat(Talk):
    """Three rounds: the first has a type of its own, the others are IKE_FOLLOWUP_KE, linked as RFC 9370 says."""

    rules = (
        Round(Rule({P.V: ONE, P.N: (0, 0)}), Rule({P.V: ONE, P.N: ONE})),
        Round(Rule({P.V: ONE, P.N: ONE}), Rule({P.V: ONE, P.N: ONE}), exchange_type=FOLLOWUP),
        Round(Rule({P.V: TWO, P.N: ONE}), Rule({P.V: ONE, P.N: (0, 0)}), exchange_type=FOLLOWUP),
    )

    def initiate(self):
        # HDR(240), SK {V}  -->   <--  HDR(240), SK {V, N(link1)}
        answer = yield self.request(say(self.name + b"1"))
        self.heard.append(heard(answer))
        # HDR(IKE_FOLLOWUP_KE), SK {V, N(link1)}  -->   <--  HDR(IKE_FOLLOWUP_KE), SK {V, N(link2)}
        answer = yield self.request(say(self.name + b"2"), *link(answer), exchange_type=FOLLOWUP)
        self.heard.append(heard(answer))
        # HDR(IKE_FOLLOWUP_KE), SK {V, V, N(link2)}  -->   <--  HDR(IKE_FOLLOWUP_KE), SK {V}
        last = [say(self.name + b"3"), say(b"goodbye"), *link(answer)]
        answer = yield self.request(*last, exchange_type=FOLLOWUP)
        self.heard.append(heard(answer))

    def respond(self, request):
        self.ends.append(self)
        draw = self.sa.endpoint.randomness.octets
        self.took(request)
        request = yield self.response(say(heard(request).upper()), then=FOLLOWUP, link=draw(8))
        self.took(request)
        request = yield self.response(say(heard(request).upper()), link=draw(8))
        self.took(request)
        yield self.response(say(heard(request).upper()))


class Plain(Talk):
    """Two rounds of one type, without a link."""

    rules = (Round(Rule({P.V: ONE}), Rule({P.V: ONE})),)

    def initiate(self):
        for number in b"12":
            answer = yield self.request(say(self.name + bytes([number])))
            self.heard.append(heard(answer))

    def respond(self, request):
        self.ends.append(self)
        self.took(request)
        request = yield self.response(say(heard(request).upper()), more=True)
        self.took(request)
        yield self.response(say(heard(request).upper()))


class Opening(Talk):
    """The first round of `Chat`, by somebody who never goes on."""

    exchange_type = 240
    rules = Chat.rules

    def initiate(self):
        self.link = link((yield self.request(say(self.name))))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    before = dict(DEFAULT._exchanges)
    for key in [key for key in before if key[0] in OURS]:
        del DEFAULT._exchanges[key]
    exchange(240)(Chat)
    exchange(241)(Plain)
    Talk.ends.clear()
    Talk.errors.clear()
    yield
    DEFAULT._exchanges.clear()
    DEFAULT._exchanges.update(before)


def up(role: str = "alice", window: int = 4, **changes) -> tuple[Pair, IkeSa, IkeSa]:
    """A pair, the IKE SA of the end that begins, and the other's."""
    pair = Pair(bob(window=window, **changes))
    ours = pair.connect(alice(window=window, **changes))
    pair.alice.now = pair.bob.now = pair.network.now
    return (pair, ours, pair.bobs) if role == "alice" else (pair, pair.bobs, ours)


def waiting(sa) -> int:
    return len(sa.of(Chains))


def run(pair: Pair, seconds: float) -> None:
    pair.network.run(until=pair.network.now + seconds)
    pair.alice.now = pair.bob.now = pair.network.now


def once(endpoint, kind: int, number: int, response: bool, what) -> None:
    """``what`` is done to the datagrams of one message of that type, the ``number``-th, when it leaves first."""
    seen = []

    def tap(message, datagrams, attempt):
        header = datagrams[0].data
        if header[18] != kind or bool(header[19] & 0x20) != response or attempt:
            return datagrams
        seen.append(message)
        return what(datagrams) if len(seen) == number else datagrams

    endpoint.taps.add("datagrams", tap)
