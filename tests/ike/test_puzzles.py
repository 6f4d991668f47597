# SPDX-License-Identifier: GPL-2.0-or-later
"""Puzzles, posed and solved, in IKE_SA_INIT and in IKE_AUTH (RFC 8019)."""

from __future__ import annotations

import hmac

import pytest

from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, Prf
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.events import IkeSaFailed, IntegrityFailed, MessageDropped, MessageSent, PuzzleIgnored, PuzzleSolved
from fynx_scapy.ike.message import Datagram, Header, notify
from fynx_scapy.ike.strangers.cookies import Initial
from fynx_scapy.ike.strangers.puzzles import KEYS, Posed, solve, zero_bits
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_PS, build_message
from tests.ike.pair import ALICE, Pair, alice, bob
from tools.flood import request

COOKIE = bytes.fromhex("739ae7492d8a810cf5e8dc0f9626c9dda773c5a3")
SHA256 = Prf.PRF_HMAC_SHA2_256


def posing(*levels: tuple[int, int], **changes) -> Pair:
    return Pair(endpoint=EndpointConfig(puzzle_levels=levels or ((0, 9),), puzzle_legacy=0.0, **changes))


def sent(pair: Pair, who: str, exchange: int) -> list[list[int]]:
    """The payload types of that end's messages of an exchange."""
    return [
        [payload.payload_type for payload in event.payloads]
        for event in pair.of(who, MessageSent)
        if event.header.exch_type == exchange
    ]


# The puzzle itself (RFC 8019 sections 4.4 and 7.1.3)


def test_each_key_is_counted_and_the_worst_one_decides():
    found = solve(SHA256, 8, COOKIE, 100_000)
    assert found is not None
    keys = [found[0][at : at + 4] for at in range(0, 16, 4)]
    each = [f"{int.from_bytes(hmac.digest(key, COOKIE, 'sha256')):b}" for key in keys]
    bits = [len(digits) - len(digits.rstrip("0")) for digits in each]
    assert zero_bits(SHA256, found[0], COOKIE) == min(bits) >= 8
    # One of four is no work at all.
    worst = b"".join(keys[:3]) + b"\xff\xff\xff\xff"
    assert (zero_bits(SHA256, worst, COOKIE) or 0) < 8


@pytest.mark.parametrize("prf_id", [SHA256, Prf.PRF_HMAC_SHA1, Prf.PRF_AES128_CMAC, Prf.PRF_AES128_XCBC])
def test_what_is_solved_verifies(prf_id):
    found = solve(prf_id, 8, b"string", 100_000)
    assert found is not None
    keys, work = found
    assert KEYS <= work <= 100_000
    assert (zero_bits(prf_id, keys, b"string") or 0) >= 8
    assert (zero_bits(prf_id, keys, b"another") or 0) < 8


def test_effort_is_bounded():
    assert solve(SHA256, 24, b"string", 1000) is None


def test_a_difficulty_of_zero_is_ours_to_choose():
    found = solve(SHA256, 0, b"string", 1 << 14)
    assert found is not None
    assert (zero_bits(SHA256, found[0], b"string") or 0) >= 9


@pytest.mark.parametrize(
    "solution",
    [b"", b"12345", b"aaaaaaaaaaaaaaaa", bytes(4 * 33)],
    ids=["empty", "not four", "four times the same", "longer than the PRF's key"],
)
def test_what_is_no_solution_has_no_zero_bits(solution):
    assert zero_bits(SHA256, solution, b"string") is None


def test_an_unknown_prf_has_no_solution():
    assert zero_bits(9999, b"abcd", b"string") is None


def test_the_offered_prfs_are_read_without_a_layer():
    data = request()
    initial = Initial.read(Header.parse(data), data)
    assert SHA256 in initial.prfs()
    assert Prf.PRF_HMAC_SHA2_384 in initial.prfs()
    assert initial.cookie is None
    assert initial.solution is None


# IKE_SA_INIT


def test_a_puzzle_is_solved_and_the_handshake_goes_on():
    pair = posing()
    # HDR(A,0), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(COOKIE), N(PUZZLE)
    # HDR(A,0), N(COOKIE), PS, SAi1, KEi, Ni  -->   <--  HDR(A,B), SAr1, KEr, Nr
    assert pair.connect().established
    assert len(pair.of("alice", PuzzleSolved)) == 1
    first, second = sent(pair, "alice", ExchangeType.IKE_SA_INIT)
    assert second[:3] == [PayloadType.N, PayloadType.PS, PayloadType.SA]
    assert second[2:] == first
    assert sent(pair, "bob", ExchangeType.IKE_SA_INIT)[0] == [PayloadType.N, PayloadType.N]


def test_the_initiator_may_choose_the_difficulty():
    pair = posing((0, 0))
    assert pair.connect(alice(puzzle_effort=1 << 14)).established


def test_one_who_does_not_solve_puzzles_sends_the_cookie_alone_and_is_asked_again():
    pair = posing()
    sa = pair.connect(alice(puzzle_effort=0))
    assert not sa.established
    assert all(PayloadType.PS not in types for types in sent(pair, "alice", ExchangeType.IKE_SA_INIT))
    assert pair.of("alice", PuzzleIgnored)[0].difficulty == 9
    assert "at most 5 requests to retry IKE_SA_INIT" in pair.of("alice", IkeSaFailed)[0].reason


def test_some_who_do_not_solve_puzzles_are_served():
    pair = Pair(endpoint=EndpointConfig(puzzle_levels=((0, 9),), puzzle_legacy=1.0))
    assert pair.connect(alice(puzzle_effort=0)).established


def test_all_puzzles_together_take_no_more_than_one_may():
    pair = Pair()
    sa = pair.alice.connect(alice(puzzle_effort=1 << 12), 0.0)
    for number in range(5):
        # <--  HDR, N(COOKIE), N(PUZZLE)     from anybody who has seen SPIi
        posed = [notify(NotifyType.COOKIE, b"cookie %d" % number), notify(NotifyType.PUZZLE, b"\0\x05\x08")]
        header = IKEv2(init_SPI=sa.spi_i, exch_type=ExchangeType.IKE_SA_INIT, flags=0x20, id=0)
        pair.alice.receive(Datagram(build_message(header, posed), sa.local, sa.remote), 0.0)
    events = pair.alice.events()
    assert 1 <= len([e for e in events if isinstance(e, PuzzleSolved)]) <= 4
    assert any(isinstance(e, PuzzleIgnored) for e in events)
    assert sa.of(Posed).work <= 1 << 13


def test_too_hard_a_puzzle_is_ignored():
    pair = posing((0, 60))
    assert not pair.connect().established
    assert len(pair.of("alice", PuzzleIgnored)) == 6


def test_levels_rise_with_the_load():
    pair = posing((0, 8), (1, 10), (50, 30))
    pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run(1.0)
    assert pair.bob.half_open == 1
    pair.alice.connect(alice(), pair.network.now)
    pair.network.run(2.0)
    assert [event.difficulty for event in pair.of("alice", PuzzleSolved)] == [8, 10]


def test_an_easy_puzzle_that_was_solved_is_followed_by_a_harder_one():
    pair = posing((0, 8))

    def harder(message) -> None:
        if message.notify(NotifyType.PUZZLE) and len(pair.of("alice", PuzzleSolved)) == 0:
            object.__setattr__(pair.bob.admission._config, "puzzle_levels", ((0, 10),))

    pair.bob.taps.add("payloads", harder)
    assert pair.connect().established
    assert [event.difficulty for event in pair.of("alice", PuzzleSolved)] == [8, 10]


@pytest.mark.parametrize("spoilt", [b"", b"\0\0\0\0", bytes(range(16)), bytes(400)])
def test_a_wrong_solution_is_worth_nothing(spoilt):
    pair = posing((0, 10))

    def spoil(message) -> None:
        for payload in message.all(IKEv2_PS):
            payload.load = spoilt

    pair.alice.taps.add("payloads", spoil)
    assert not pair.connect().established
    assert pair.bob.half_open == 0


def test_a_solution_opens_one_ike_sa():
    pair = posing()
    pair.alice.connect(alice(), 0.0, authenticate=False)
    again: list[Datagram] = []

    def watch(now, datagram):
        if datagram.local.host == ALICE and datagram.data[16] == PayloadType.N:
            again.append(datagram)

    pair.network.intercept(watch)
    pair.network.run(1.0)
    assert pair.bob.half_open == 1
    # The same cookie and solution, and one octet that differs, so that it is no retransmission.
    changed = bytearray(again[0].data)
    changed[-1] ^= 1
    pair.bob.receive(Datagram(bytes(changed), again[0].remote, again[0].local), pair.network.now)
    (answer,) = pair.bob.datagrams()
    assert answer.data[34:36] == NotifyType.COOKIE.to_bytes(2)
    assert pair.bob.half_open == 1


def test_a_solution_that_comes_late_is_worth_nothing():
    pair = posing(puzzle_lifetime=0.001)
    assert not pair.connect().established


def test_a_puzzle_without_a_cookie_is_ignored():
    pair = Pair()
    forged: list[Datagram] = []

    def forge(now, datagram):
        if datagram.local.host == ALICE and not forged:
            header = IKEv2(init_SPI=datagram.data[:8], exch_type=ExchangeType.IKE_SA_INIT, flags=0x20, id=0)
            wire = build_message(header, [notify(NotifyType.PUZZLE, b"\0\x05\x09")])
            forged.append(Datagram(wire, datagram.remote, datagram.local))
            return [forged[0], datagram]
        return None

    pair.network.intercept(forge)
    assert pair.connect().established
    assert "expected a COOKIE beside PUZZLE" in pair.of("alice", MessageDropped)[0].reason


def test_without_a_common_prf_there_is_no_puzzle():
    pair = Pair(bob(proposals="aes128gcm16-prfsha512-x25519"), endpoint=EndpointConfig(puzzle_levels=((0, 9),)))
    assert not pair.connect(alice(proposals="aes128gcm16-prfsha256-x25519")).established
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.NO_PROPOSAL_CHOSEN


# IKE_AUTH


def test_a_puzzle_before_ike_auth_stands_outside_sk():
    pair = posing(puzzle_auth_difficulty=8)
    # <--  HDR(A,B), SAr1, KEr, Nr, N(PUZZLE)
    # HDR, PS, SK {IDi, AUTH, SAi2, TSi, TSr}  -->
    assert pair.connect().established
    assert len(pair.of("alice", PuzzleSolved)) == 2
    (auth,) = [e for e in pair.of("alice", MessageSent) if e.header.exch_type == ExchangeType.IKE_AUTH]
    assert auth.wire[0][16] == PayloadType.PS
    assert auth.wire[0][28] == PayloadType.SK


def test_ike_auth_has_a_puzzle_only_where_ike_sa_init_had_one():
    pair = Pair(endpoint=EndpointConfig(cookie_threshold=0, puzzle_auth_difficulty=8))
    assert pair.connect().established
    assert not pair.of("alice", PuzzleSolved)


@pytest.mark.parametrize("solution", [None, b"", bytes(range(16))], ids=["none", "empty", "wrong"])
def test_ike_auth_without_its_solution_is_silently_discarded(solution):
    pair = posing(puzzle_auth_difficulty=20)

    def spoil(message) -> None:
        if message.encrypted and message.outer:
            message.outer[:] = [] if solution is None else [IKEv2_PS(load=solution)]

    pair.alice.taps.add("payloads", spoil)
    sa = pair.alice.connect(alice(puzzle_effort=1 << 18), 0.0)
    sa.of(Posed).solution = IKEv2_PS(load=bytes(16))
    pair.network.run(3.0)
    assert not sa.established
    assert not sent(pair, "bob", ExchangeType.IKE_AUTH)
    assert any("puzzle solution" in event.reason for event in pair.of("bob", MessageDropped))


def test_a_solution_that_is_not_authentic_opens_nothing():
    pair = posing(puzzle_auth_difficulty=8)
    forged: list[Datagram] = []

    def forge(now, datagram):
        # HDR, PS, SK {…} with a right solution and a wrong ICV, in the place of the peer's own
        if datagram.local.host == ALICE and datagram.data[18] == ExchangeType.IKE_AUTH and not forged:
            wrong = datagram.data[:-1] + bytes([datagram.data[-1] ^ 1])
            forged.append(Datagram(wrong, datagram.local, datagram.remote))
            return forged
        return None

    pair.network.intercept(forge)
    pair.alice.connect(alice(), 0.0)
    pair.network.run(lambda: bool(pair.of("bob", IntegrityFailed)))
    assert pair.bobs.of(Posed).puzzle is not None
    pair.network.run()
    assert pair.bobs.established
    assert pair.bobs.of(Posed).puzzle is None
