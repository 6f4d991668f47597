# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that answer by lot, each time anew or always the same: every scan ends, in words and JSON that can be shown."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from fynx_scapy.harness import Unreached
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Address, Datagram, notify
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_SA, parse_message
from fynx_scapy.scan import text
from tests.examples import examples
from tests.scan.hosts import THEM, US, Odd, answer, responder, scan_of
from tests.scan.test_hostile import accepted, is_init, octets

WAYS = (
    "right", "right", "right", "silent", "random", "error", "accepts", "cookie", "group", "changed", "cut", "puzzle",
    "redirect", "many",
)  # fmt: skip
DATAGRAMS = 150


def _liar(seed: int, ways: list[str], *, steady: bool) -> Odd:
    """A host that answers in one of these ``ways``; a ``steady`` one answers the same octets always the same."""
    right, lots = responder("aes128gcm16-prfsha256-x25519,aes256-sha256-prfsha256-modp2048"), random.Random(seed)

    def good(data: bytes) -> list[bytes]:
        right.receive(Datagram(data, THEM, Address(US, 500)), right.now + 1)
        return [each.data for each in right.datagrams()]

    def changed(data: bytes, lot: random.Random) -> Iterable[bytes]:
        for wire in good(data):
            octets_ = bytearray(wire)
            octets_[lot.randrange(8, len(octets_))] = lot.randrange(256)
            yield bytes(octets_)

    def says(data: bytes, kind: int, more: bytes = b"") -> list[bytes]:
        return [answer(data, notify(kind, more))]

    def puzzle(data: bytes, lot: random.Random) -> list[bytes]:
        posed = notify(NotifyType.PUZZLE, bytes([0, 5, lot.choice([2, 255])]))
        return [answer(data, notify(NotifyType.COOKIE, bytes(8)), posed)]

    told: dict[str, Callable[[bytes, random.Random], Iterable[bytes]]] = {
        "right": lambda data, lot: good(data),
        "silent": lambda data, lot: [],
        "random": lambda data, lot: [octets(data, lot.choice([4, 60, 3000]), seed)],
        "error": lambda data, lot: says(data, lot.choice(list(NotifyType)), lot.randbytes(lot.randrange(5))),
        "accepts": lambda data, lot: [accepted(data)],
        "cookie": lambda data, lot: says(data, NotifyType.COOKIE, lot.randbytes(8)),
        "group": lambda data, lot: says(data, NotifyType.INVALID_KE_PAYLOAD, lot.choice([b"\0\x1f", b"\xfd\xe8"])),
        "changed": changed,
        "cut": lambda data, lot: [wire[: lot.randrange(len(wire))] for wire in good(data)],
        "puzzle": puzzle,
        "redirect": lambda data, lot: says(data, NotifyType.REDIRECT, b"\1\4\xc0\0\2\x63"),
        "many": lambda data, lot: good(data) * 80,
    }

    def answers(data: bytes) -> Iterable[bytes]:
        lot = random.Random(f"{seed} {data[28:].hex()}") if steady else lots
        way = lot.choice(ways)
        return told[way](data, lot) if _is_whole(data) else []

    return Odd(answers)


def _is_whole(data: bytes) -> bool:
    """Whether it is IKE_SA_INIT with the payloads that it must have: no wrong request."""
    if len(data) != int.from_bytes(data[24:28]) or not is_init(data):
        return False
    _, payloads = parse_message(data)
    return {IKEv2_SA, IKEv2_KE} <= {type(each) for each in payloads} and all(
        each.prop for each in payloads if isinstance(each, IKEv2_SA)
    )


def check(seed: int, ways: list[str], *, steady: bool) -> None:
    with scan_of(_liar(seed, ways, steady=steady), datagrams=DATAGRAMS, wrong_requests=seed % 2 == 0) as scan:
        try:
            scan.run()
        except Unreached:
            assert scan.result.first_answer == ""
        assert json.loads(json.dumps(scan.result.as_dict()))["format"] == 1
        assert all(line.isprintable() for line in text.lines(scan.result))
    assert scan.line.sent <= DATAGRAMS
    assert len(scan.line.prober.heard) <= 64


@pytest.mark.parametrize("steady", [True, False])
def test_every_way_of_answering_at_once(steady: bool) -> None:
    check(7, list(WAYS), steady=steady)


@pytest.mark.slow
@given(st.integers(0, 1 << 32), st.lists(st.sampled_from(WAYS), min_size=1, max_size=6), st.booleans())
@settings(max_examples=examples(20))
def test_hosts_by_lot(seed: int, ways: list[str], steady: bool) -> None:
    check(seed, ways, steady=steady)
