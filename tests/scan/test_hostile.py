# SPDX-License-Identifier: GPL-2.0-or-later
"""No host makes a scan go on for ever, take much memory or say what it must not: there is a ceiling on everything."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from fynx_scapy.harness import Unreached
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Address, Datagram, Header, notify
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, IKE_HEADER
from fynx_scapy.layers.ikev2 import (
    IKEv2_CERTREQ,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Payload,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_VendorID,
    parse_message,
)
from fynx_scapy.scan import ScanResult, ikev1, text
from fynx_scapy.scan.answer import LONGEST, Answer, Kind
from fynx_scapy.scan.catalogue import KE
from tests.scan.hosts import THEM, US, Odd, answer, responder, scan_of


def octets(data: bytes, size: int, seed: int = 0) -> bytes:
    """A response to a request with random octets behind its header."""
    spi = data[:8]
    body = random.Random(f"{seed} {spi.hex()}").randbytes(size)
    return IKE_HEADER.pack(spi, b"\2" * 8, body[0], 0x20, 34, FLAG_RESPONSE, 0, 28 + size) + body


def accepted(data: bytes, *more: IKEv2_Payload) -> bytes:
    """An answer that accepts the first transform of each type, with the KE payload's group if that was offered."""
    _, payloads = parse_message(data)
    sa = next(each for each in payloads if isinstance(each, IKEv2_SA))
    ke = next(each for each in payloads if isinstance(each, IKEv2_KE))
    proposal = IKEv2_Proposal(proposal=1)
    kinds: dict[int, object] = {}
    for each in sa.prop[0].trans:
        if each.transform_type != KE or each.transform_id == ke.group:
            transform = IKEv2_Transform(transform_type=each.transform_type, transform_id=each.transform_id)
            transform.attributes = each.attributes
            kinds.setdefault(each.transform_type, transform)
    proposal.trans = list(kinds.values())
    chosen = [IKEv2_SA(prop=[proposal]), IKEv2_KE(group=ke.group, ke=b"\1" * 32), IKEv2_Nonce(nonce=b"n" * 32)]
    return answer(data, *chosen, *more, resp_SPI=b"\3" * 8)


def is_init(data: bytes) -> bool:
    return Header.parse(data).version == 0x20 and Header.parse(data).exchange == 34


@pytest.mark.parametrize("size", [4, 60, 3000, LONGEST + 100])
def test_random_octets(size: int) -> None:
    with scan_of(Odd(lambda data: [octets(data, size)])) as scan:
        result = scan.run()
    assert result.first_answer.startswith("malformed: ")
    assert result.ike.proposals == []
    assert scan.line.sent < 400


def test_cookies_without_end() -> None:
    serial = itertools.count(1)
    host = Odd(lambda data: [answer(data, notify(NotifyType.COOKIE, next(serial).to_bytes(16)))])
    with scan_of(host) as scan:
        result = scan.run()
    assert result.stopped == "the host asked for more than 4 cookies in a row"
    assert host.received <= 5


@pytest.mark.parametrize("size", [0, 65, 5000])
def test_cookies_of_wrong_length(size: int) -> None:
    """RFC 7296 section 2.6 and 3.10.1: a cookie has 1 to 64 octets."""
    host = Odd(lambda data: [answer(data, notify(NotifyType.COOKIE, bytes(size)))] if is_init(data) else [])
    with scan_of(host, wrong_requests=False) as scan:
        result = scan.run()
    assert f"malformed: IKEv2 Cookie: expected 1 to 64 octets, found {size} at" in str(result.first_answer)
    assert host.received < 40


def test_other_groups_without_end() -> None:
    """INVALID_KE_PAYLOAD with another of the offered groups each time, and with one that was not offered."""
    for groups in ([31, 19, 20, 21, 14], [4711]):
        turns = itertools.cycle(groups)
        host = Odd(
            lambda data, turns=turns: [answer(data, notify(NotifyType.INVALID_KE_PAYLOAD, next(turns).to_bytes(2)))]  # type: ignore[misc]
        )
        with scan_of(host, wrong_requests=False, datagrams=120) as scan:
            result = scan.run()
        assert result.first_answer.startswith("INVALID_KE_PAYLOAD")
        assert host.received <= 120


def test_a_host_that_accepts_everything() -> None:
    """What it accepts is everything; what it leaves half-open is limited, by the ceiling for each half minute."""
    host = Odd(lambda data: [accepted(data)] if is_init(data) else [])
    with scan_of(host, wrong_requests=False, datagrams=40, half_open=5) as scan:
        result = scan.run()
    assert result.stopped == "the ceiling of 40 datagrams was reached"
    # 5 at once, and 5 more every 30 seconds
    assert result.counts["half_open_left"] > 20
    assert result.counts["seconds"] >= (result.counts["half_open_left"] / 5 - 1) * 30


def test_contradictions_end() -> None:
    """A host that accepts and refuses by lot."""
    lot = random.Random(3)

    def answers(data: bytes) -> Iterable[bytes]:
        yes = lot.random() < 0.4
        kind, more = (NotifyType.INVALID_KE_PAYLOAD, b"\0\x1f") if yes else (NotifyType.NO_PROPOSAL_CHOSEN, b"")
        return [answer(data, notify(kind, more))]

    with scan_of(Odd(answers), wrong_requests=False, datagrams=100) as scan:
        result = scan.run()
    assert scan.line.sent <= 100
    assert result.complete == (result.stopped == "")


def test_a_flood() -> None:
    """Thousands of answers to each request, of which most are none: the right one is found, and little is kept."""
    right = responder("aes128gcm16-prfsha256-x25519")
    us = Address(US, 500)

    def answers(data: bytes) -> Iterable[bytes]:
        right.receive(Datagram(data, THEM, us), right.now + 1)
        good = [each.data for each in right.datagrams()]
        junk = [octets(bytes([n % 256]) * 8, 100) for n in range(200)]
        return [*junk, *good]

    with scan_of(Odd(answers), wrong_requests=False, checks=0) as scan:
        result = scan.run()
    assert [len(each.box) for each in result.ike.proposals] == [3]
    assert result.counts["strays"] > 1000
    assert len(scan.line.prober.heard) <= 64


def test_a_huge_answer_is_read_no_further() -> None:
    assert Answer.read(octets(bytes(8), LONGEST)).fault == f"longer than {LONGEST} octets"
    many = IKEv2_SA(prop=[])
    request = answer(octets(bytes(8), 4)[:24] + (28).to_bytes(4), many, IKEv2_KE(group=31, ke=b""))
    assert Answer.read(request).kind is Kind.ACCEPTED
    assert Answer.read(request).chosen == ()
    transforms = [IKEv2_Transform(transform_type=1, transform_id=n) for n in range(250)]
    wide = answer(request, IKEv2_SA(prop=[IKEv2_Proposal(trans=transforms)] * 5), IKEv2_KE(group=31, ke=b""))
    assert len(wide) < LONGEST
    assert Answer.read(wide).fault.startswith("expected at most 1024 proposals, transforms")


@given(st.binary(max_size=200), st.sampled_from([0x10, 0x20, 0x21, 0x30]), st.integers(0, 255))
def test_any_octets_can_be_read(body: bytes, version: int, first: int) -> None:
    """Nothing that a host sends raises, whatever it calls itself."""
    wire = IKE_HEADER.pack(bytes(8), bytes(8), first, version, 34, FLAG_RESPONSE, 0, 28 + len(body)) + body
    for octets_ in (wire, body):
        read = Answer.read(octets_)
        assert read.text.isprintable()
        assert ikev1.read(read).text.isprintable()
        assert isinstance(read.chosen, tuple)


def test_a_host_that_falls_silent() -> None:
    """After some answers nothing comes: the scan pauses, and ends with what it found."""
    right, count = responder("aes128gcm16-prfsha256-x25519"), itertools.count()

    class Dying(type(right)):  # type: ignore[misc]
        def receive(self, datagram: Datagram, now: float) -> None:
            if next(count) < 7:
                super().receive(datagram, now)

    right.__class__ = Dying
    said: list[str] = []
    with scan_of(right, wrong_requests=False, told=said.append) as scan:
        result = scan.run()
    assert result.stopped == "the host at 192.0.2.2:500 stopped answering"
    assert [each for each in said if "pausing" in each] == [
        f"the host has stopped answering: pausing for {seconds} seconds" for seconds in (10, 20, 40)
    ]
    assert (len(result.ike.proposals), result.ike.complete) == (1, False)
    assert next(iter(text.lines(result))) == (
        "192.0.2.2:500: accepted; NOT COMPLETE: the host at 192.0.2.2:500 stopped answering"
    )


def test_a_host_that_refuses_in_silence() -> None:
    """What it does not accept it does not answer: the scan asks whether it lives, and finds the same."""
    right = responder("aes256-sha1-prfsha1-modp1024-x25519")

    class Quiet(type(right)):  # type: ignore[misc]
        def transmit(self, message: object, datagrams: list[Datagram], attempt: int = 0) -> None:
            if not any(b"\0\0\0\x08\0\0\0\x0e" in each.data for each in datagrams):
                super().transmit(message, datagrams, attempt)

    right.__class__ = Quiet
    with scan_of(right, wrong_requests=False) as scan:
        result = scan.run()
    assert [len(values) for values in result.ike.proposals[0].box] == [1, 1, 1, 2]
    assert any("met with silence, taken as refused" in note for note in result.notes)


def test_what_a_host_says_is_printable() -> None:
    ugly = "\x1b[31mred\u202e\n"
    host = Odd(
        lambda data: (
            [accepted(data, IKEv2_VendorID(vendorID=ugly.encode()), IKEv2_CERTREQ(cert_authority=b"\x1b[1m" * 10))]
            if is_init(data)
            else []
        )
    )
    with scan_of(host, datagrams=8) as scan:
        result = scan.run()
    told = "\n".join(text.lines(result))
    assert ugly.encode().hex() in told
    assert result.as_dict()["responder"]["certificate_authorities"] == [(b"\x1b[1m" * 5).hex()]
    assert all(line.isprintable() for line in told.split("\n"))


def test_a_result_is_printable_whatever_is_in_it() -> None:
    result = ScanResult("\x1b[31mhost", first_answer="\u202egnp.exe", stopped="\n\nINJECTED")
    assert next(text.lines(result)) == "\\x1b[31mhost: \\u202egnp.exe; NOT COMPLETE: \\n\\nINJECTED"


def test_an_answer_from_elsewhere_is_none() -> None:
    """A forged refusal of each request, with the right SPI, comes before the host's answer."""
    elsewhere, us = Address("192.0.2.66", 500), Address(US, 500)

    def forge(now: float, datagram: Datagram) -> Iterable[Datagram]:
        if datagram.remote != THEM:
            return [datagram]
        forged = answer(datagram.data, notify(NotifyType.NO_PROPOSAL_CHOSEN))
        return [Datagram(forged, elsewhere, us), datagram]

    with scan_of(responder("aes128gcm16-prfsha256-x25519"), wrong_requests=False) as scan:
        scan.line.network.intercept(forge)
        result = scan.run()
    assert len(result.ike.proposals) == 1
    assert result.counts["strays"] > 10


def test_only_the_host_is_asked() -> None:
    """Nothing is sent elsewhere, and nothing from elsewhere is read."""
    host = responder("aes128gcm16-prfsha256-x25519")
    with scan_of(host, wrong_requests=False) as scan:
        network = scan.line.network
        sent: set[tuple[str, str]] = set()
        network.observe(lambda now, datagram, fate: sent.add((datagram.local.host, datagram.remote.host)))
        scan.run()
    assert sent == {("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1")}


def test_silence_is_told_with_its_causes() -> None:
    with scan_of(Odd(lambda data: ())) as scan, pytest.raises(Unreached, match="non-ESP marker"):
        scan.run()
