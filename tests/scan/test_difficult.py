# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts and networks that make a scan difficult: slow, lossy, restarting, asking for key exchange methods too soon."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import pytest

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, Datagram, IcmpError, notify
from fynx_scapy.layers.ikev2 import IKEv2_SA, parse_message
from fynx_scapy.scan.answer import transforms_of
from fynx_scapy.scan.catalogue import KE, Box
from tests.scan.hosts import THEM, US, Odd, answer, responder, scan_of
from tests.scan.policy import host
from tests.scan.test_policies import COMBINED, NORMAL, TEXTS, texts

SUITE = "aes128gcm16-prfsha256-x25519"


def counting(made: Endpoint, act: Callable[[int], bool]) -> Endpoint:
    """A host that hears only those datagrams for whose number, from 1, ``act`` is true."""
    numbers, hear = itertools.count(1), made.receive

    def receive(datagram: Datagram, now: float) -> None:
        if act(next(numbers)):
            hear(datagram, now)

    made.receive = receive  # type: ignore[method-assign]
    return made


def test_a_network_that_loses_datagrams() -> None:
    """A request is sent again; what is met with silence is asked again later than the control question."""
    with scan_of(responder(SUITE), wrong_requests=False, tries=5) as scan:
        scan.line.network.wire.loss = 0.2
        result = scan.run()
    assert (texts(result), result.complete) == ([SUITE], True)
    assert result.counts["sent_again"] > 2


def test_a_host_that_becomes_slow() -> None:
    """Answers come after 20 ms first, then after 4 s: a quick host's request has been given up by then."""

    def slower(now: float, datagram: Datagram) -> None:
        scan.line.network.wire.delay = 0.01 if scan.line.sent < 8 else 2.0

    with scan_of(responder(SUITE), wrong_requests=False) as scan:
        scan.line.network.intercept(slower)
        result = scan.run()
    assert (texts(result), result.complete) == ([SUITE], True)


def test_a_host_that_restarts() -> None:
    """Its port is closed for a while, as ICMP says; the scan pauses and goes on."""
    said: list[str] = []

    def open_again(number: int) -> bool:
        closed = number > 8 and scan.line.now < 12
        if closed:
            us = scan.line.local
            error = IcmpError(us, THEM, THEM.host, 3, 3, "port unreachable", None)
            scan.line.prober.receive_icmp(error, scan.line.now)
        return not closed

    with scan_of(counting(responder(SUITE), open_again), wrong_requests=False, told=said.append) as scan:
        result = scan.run()
    assert "the host has stopped answering: pausing for 10 seconds" in said
    assert (texts(result), result.complete) == ([SUITE], True)


def _groups(data: bytes) -> list[int]:
    _, payloads = parse_message(data)
    sa = next(each for each in payloads if isinstance(each, IKEv2_SA))
    return [value.id for each in sa.prop for value in transforms_of(each) if value.type == KE]


@pytest.mark.parametrize("policy", [(COMBINED,), (COMBINED, NORMAL)], ids=["one", "two"])
def test_a_host_that_looks_at_the_group_first(policy: tuple[Box, ...]) -> None:
    """It asks for one of its groups whatever the ciphers are: that accepts nothing, and real requests are needed."""
    mine = [value.id for box in policy for values in box for value in values if value.type == KE]

    def instead(data: bytes, group: int) -> Iterable[bytes] | None:
        wanted = next((each for each in mine if each in _groups(data)), None)
        if group in mine or wanted is None:
            return None
        return [answer(data, notify(NotifyType.INVALID_KE_PAYLOAD, wanted.to_bytes(2)))]

    with scan_of(host(*policy, decoy=instead), wrong_requests=False) as scan:
        result = scan.run()
    assert texts(result) == TEXTS[: len(policy)]
    assert scan.asker.decoy is None


def test_a_host_that_asks_for_a_group_that_was_not_offered() -> None:
    """It has one favourite, and asks for it always: that is no acceptance."""
    odd = Odd(lambda data: [answer(data, notify(NotifyType.INVALID_KE_PAYLOAD, b"\0\x0e"))] if data[17] == 0x20 else [])
    with scan_of(odd, wrong_requests=False) as scan:
        result = scan.run()
    assert texts(result) == []
    assert any("answered with INVALID_KE_PAYLOAD 14, taken as refused" in note for note in result.notes)


@pytest.mark.parametrize("rate", [2.0, 50.0])
def test_the_rate_is_kept(rate: float) -> None:
    """Between any two datagrams that we send, those that are sent again too."""
    with scan_of(responder(SUITE), rate=rate, tries=2, datagrams=60) as scan:
        sent: list[float] = []
        scan.line.network.wire.loss = 0.1
        scan.line.network.observe(lambda now, datagram, fate: sent.append(now) if datagram.local.host == US else None)
        scan.run()
    assert len(sent) > 30
    assert min(after - before for before, after in itertools.pairwise(sent)) >= 1 / rate - 1e-9


def test_an_answer_to_an_earlier_request_is_none() -> None:
    """The answer of the request before, again and first: its SPI is another one."""
    right, before = responder(SUITE), [b""]

    def answers(data: bytes) -> Iterable[bytes]:
        right.receive(Datagram(data, THEM, Address(US, 500)), right.now + 1)
        good = [each.data for each in right.datagrams()]
        late, before[:] = before[:1], good or before
        return [*late, *good]

    with scan_of(Odd(answers), wrong_requests=False) as scan:
        result = scan.run()
    assert texts(result) == [SUITE]
