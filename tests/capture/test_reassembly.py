# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of IKE messages in a capture (RFC 7383): real ones joined, and those that do not fit together."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.capture.dissect import dissect
from fynx_scapy.capture.reading.reassembly import MOST_MESSAGES, MOST_OCTETS, FragmentJoiner
from fynx_scapy.capture.showing.text import line
from fynx_scapy.keylog import KeyLog
from tests.capture.build import ike
from tests.examples import examples
from tests.shared import shared


def records_of(name: str) -> list[dict[str, Any]]:
    return [record for record in dissect(shared(f"captures/lab/{name}.pcap")) if record["kind"] == "ike"]


def test_the_last_fragment_of_a_message_has_its_payloads() -> None:
    records = {record["number"]: record["payloads"][-1] for record in records_of("cert-rsa-frag")}
    # HDR, SKF(NextPld=IDi, 1/4) {...}, SKF(0, 2/4) {...}, SKF(0, 3/4) {...}, SKF(0, 4/4) {...}  -->
    for number, skf in records.items():
        assert ("payloads" in skf) == (number in (6, 10) or skf["type"] == "SK"), number
    assert records[6]["reassembled_from"] == [3, 4, 5, 6]
    types = [payload["type"] for payload in records[6]["payloads"]]
    assert types == ["IDi", "CERT", "N", "CERTREQ", "IDr", "AUTH", "SA", "TSi", "TSr", "N", "N", "N"]
    assert [payload["type"] for payload in records[10]["payloads"]] == ["IDr", "CERT", "AUTH", "SA", "TSi", "TSr"]
    assert records[10]["payloads"][0]["text"] == "bob.example"
    joined = "".join(records[number]["plaintext"] for number in (7, 8, 9, 10))
    assert records[10]["payloads"][1]["cert_data"] in joined


def test_every_fragmented_message_of_the_lab_is_whole() -> None:
    seen = 0
    for name in ("cert-rsa-frag", "psk-frag-intermediate"):
        for record in records_of(name):
            last = record["payloads"][-1] if record["payloads"] else {"type": ""}
            if last["type"] == "SKF" and last["frag_number"] == last["frag_total"]:
                seen += 1
                assert last["payloads"]
                assert record["error"] is None
                assert f"SKF {last['frag_total']}/{last['frag_total']} {{" in line(record)
    assert seen == 8


def test_without_keys_nothing_is_joined() -> None:
    records = list(dissect(shared("captures/lab/cert-rsa-frag.pcap"), KeyLog()))
    fragments = [r["payloads"][-1] for r in records if r["kind"] == "ike" and r["payloads"][-1]["type"] == "SKF"]
    assert len(fragments) == 8
    assert not any("payloads" in fragment or "plaintext" in fragment for fragment in fragments)
    assert all(fragment["load"] for fragment in fragments)


MESSAGE = ike(b"response")


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=12), st.integers(0, 2**32))
def test_any_order_and_any_duplicates(pieces: list[bytes], seed: int) -> None:
    rng = random.Random(seed)
    total = len(pieces)
    numbers = list(range(1, total + 1))
    stream = numbers + rng.choices(numbers, k=3)
    rng.shuffle(stream)
    last = max(stream.index(number) for number in numbers)
    reassembly = FragmentJoiner()
    for at, number in enumerate(stream[: last + 1]):
        following = 35 if number == 1 else 0
        joined = reassembly.add(MESSAGE, (number, total), following, pieces[number - 1], at)
        assert (joined is None) == (at != last)
    assert joined is not None
    assert joined.first == 35
    assert joined.content == b"".join(pieces)
    assert joined.packets == [stream.index(number) for number in numbers]
    assert not reassembly.incomplete()


def test_sets_of_fragments_are_not_mixed() -> None:
    reassembly = FragmentJoiner()
    assert reassembly.add(MESSAGE, (1, 2), 35, b"old", 1) is None
    assert reassembly.add(MESSAGE, (3, 3), 0, b"c", 2) is None
    assert reassembly.add(MESSAGE, (2, 2), 0, b"old", 3) is None
    assert reassembly.add(MESSAGE, (1, 3), 35, b"a", 4) is None
    joined = reassembly.add(MESSAGE, (2, 3), 0, b"b", 5)
    assert joined == (35, b"abc", [4, 5, 2])


@pytest.mark.parametrize("numbers", [(0, 1), (1, 0), (2, 1)])
def test_numbers_that_cannot_be_right(numbers: tuple[int, int]) -> None:
    reassembly = FragmentJoiner()
    assert reassembly.add(MESSAGE, numbers, 35, b"x", 1) is None
    assert not reassembly.incomplete()


def test_other_messages_are_others() -> None:
    reassembly = FragmentJoiner()
    for at in (0, 8, 18, 19, 23):
        changed = bytearray(MESSAGE)
        changed[at] ^= 1
        assert reassembly.add(bytes(changed), (1, 2), 35, b"x", 1) is None
    assert reassembly.add(MESSAGE, (2, 2), 0, b"y", 2) is None
    assert reassembly.incomplete() == 6


def test_memory_is_bounded() -> None:
    reassembly = FragmentJoiner()
    for number in range(2 * MOST_MESSAGES):
        reassembly.add(number.to_bytes(8) + MESSAGE[8:], (1, 2), 35, b"x", 1)
    assert reassembly.incomplete() == MOST_MESSAGES
    reassembly = FragmentJoiner()
    for number in range(1, 4):
        assert reassembly.add(MESSAGE, (number, 9), 0, bytes(MOST_OCTETS // 2), number) is None
        assert reassembly.incomplete() == (number != 3)


FAULTS = {
    "number 0": ([((0, 2), 35, b"a")], "expected a number from 1 to the total"),
    "number above the total": ([((3, 2), 0, b"a")], "expected a number from 1 to the total"),
    "total 0": ([((1, 0), 35, b"a")], "expected a number from 1 to the total"),
    "a smaller total": ([((1, 3), 35, b"a"), ((2, 2), 0, b"b")], "have a total of 3"),
    "other octets": ([((1, 3), 35, b"a"), ((1, 3), 35, b"x")], "other octets than the same fragment in packet 0"),
    "next payload in fragment 2": ([((2, 3), 35, b"a")], "next payload 35, expected 0"),
    "no next payload in fragment 1": ([((1, 3), 0, b"a")], "next payload 0, expected the type"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_with_a_fragment_is_named(name: str) -> None:
    fragments, text = FAULTS[name]
    reassembly = FragmentJoiner()
    for packet, (numbers, following, content) in enumerate(fragments):
        assert reassembly.add(MESSAGE, numbers, following, content, packet) is None
    assert text in reassembly.fault


def test_messages_that_are_never_completed_are_named() -> None:
    reassembly = FragmentJoiner()
    assert reassembly.add(MESSAGE, (1, 3), 35, b"a", 4) is None
    assert reassembly.add(MESSAGE, (3, 3), 0, b"c", 6) is None
    (loss,) = reassembly.losses()
    assert loss.count == 1
    assert loss.text == (
        "1 fragmented IKE message never completed; of the first, with 3 fragments, the capture has 1 in packet 4, "
        "3 in packet 6"
    )
    assert reassembly.add(MESSAGE, (2, 3), 0, b"b", 7) is not None
    assert reassembly.add(MESSAGE, (1, 3), 35, b"a", 8) is None  # a retransmission of a part of it
    assert not reassembly.fault
    assert not reassembly.losses()
