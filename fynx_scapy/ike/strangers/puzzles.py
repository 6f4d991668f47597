# SPDX-License-Identifier: GPL-2.0-or-later
"""Puzzles: an initiator must spend work before we do (RFC 8019).

A solution is four different keys with which the PRF of a string ends in many zero bits. The string is the cookie in
IKE_SA_INIT, and Nr | SPIr in IKE_AUTH.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fynx_scapy.crypto.prf import prf
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import NotifyType, PayloadType, Prf, TransformType
from fynx_scapy.ike.events import PuzzleIgnored, PuzzleSolved
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing, notify
from fynx_scapy.ike.strangers.cookies import Puzzle
from fynx_scapy.layers.ikeheader import HEADER_SIZE
from fynx_scapy.layers.ikev2 import IKEv2_PS

if TYPE_CHECKING:
    from fynx_scapy.ike.config import IkeConfig
    from fynx_scapy.ike.core.record import SaRecord

KEYS = 4
EASIEST = 8
"""The fewest zero bits that we accept if the initiator chooses the difficulty."""
_KEY_SIZE = 4


def zero_bits(prf_id: int, solution: bytes, string: bytes) -> int | None:
    """The smallest number of trailing zero bits for the four keys of a solution (RFC 8019 section 7.1.4).

    None when the solution is not four different keys for the PRF.
    """
    size, rest = divmod(len(solution), KEYS)
    try:
        function = prf(prf_id)
    except ConfigError:
        return None
    if rest or not 1 <= size <= function.key_size:
        return None
    keys = {solution[at : at + size] for at in range(0, len(solution), size)}
    return min(_zeros(function(key, string)) for key in keys) if len(keys) == KEYS else None


def _zeros(result: bytes) -> int:
    number = int.from_bytes(result)
    return (number & -number).bit_length() - 1 if number else 8 * len(result)


def solve(prf_id: int, difficulty: int, string: bytes, effort: int) -> tuple[bytes, int] | None:
    """Find four keys; returns them and the number of PRF computations. None when ``effort`` PRFs were not enough.

    A difficulty of 0 lets us choose: we spend about an eighth of the effort (RFC 8019 section 7.1.1.1).
    """
    function = prf(prf_id)
    bits = difficulty or max(EASIEST, (effort // 8 // KEYS).bit_length() - 1)
    mask = (1 << bits) - 1
    tail = -(-bits // 8)
    keys: list[bytes] = []
    for number in range(effort):
        key = number.to_bytes(_KEY_SIZE)
        if not int.from_bytes(function(key, string)[-tail:]) & mask:
            keys.append(key)
            if len(keys) == KEYS:
                return b"".join(keys), number + 1
    return None


def common_prf(offered: Iterable[int], configs: Sequence[IkeConfig]) -> int | None:
    """The first offered PRF that one of the configurations has, too (RFC 8019 section 7.1.1.2)."""
    ours = {t.id for c in configs for p in c.proposals for t in p.of_type(TransformType.PRF)}
    return next((number for number in offered if number in ours), None)


@dataclass(slots=True)
class Posed:
    """The puzzles of one IKE SA."""

    sa: SaRecord
    work: int = 0
    """How many PRF computations the peer's puzzles have taken so far."""
    solution: IKEv2_PS | None = None
    """The solution to send in IKE_AUTH."""
    puzzle: Puzzle | None = None
    """Our puzzle, which the peer must solve for IKE_AUTH."""


# The initiator


def solution(sa: SaRecord, answer: Message, string: bytes) -> IKEv2_PS | None:
    """The PS payload for the puzzle in an answer; None when there is no puzzle, or when it is too hard.

    RFC 8019 section 9: beyond a maximum we do not try, and report that. The maximum covers all puzzles of an IKE SA,
    since an attacker on the path can pose them, too.
    """
    posed = answer.notify(NotifyType.PUZZLE)
    data = bytes(posed.notify or b"") if posed is not None else b""
    if len(data) != 3:
        return None
    prf_id, difficulty, effort = int.from_bytes(data[:2]), data[2], sa.config.puzzle_effort - sa.of(Posed).work
    ours = {t.id for p in sa.config.proposals for t in p.of_type(TransformType.PRF)}
    # A solution takes 4 * 2^n PRFs on average; one attempt in twenty takes more than twice that.
    expected = KEYS << difficulty
    tried = prf_id in ours and expected <= effort
    solved_puzzle = solve(prf_id, difficulty, string, 2 * effort) if tried else None
    sa.of(Posed).work += solved_puzzle[1] if solved_puzzle else effort if tried else 0
    if solved_puzzle is None:
        sa.emit(PuzzleIgnored(*sa.stamp, prf=prf_id, difficulty=difficulty, effort=effort))
        return None
    sa.emit(PuzzleSolved(*sa.stamp, prf=prf_id, difficulty=difficulty, work=solved_puzzle[1]))
    return IKEv2_PS(load=solved_puzzle[0])


def solve_for_auth(sa: SaRecord, answer: Message) -> None:
    """Solve the puzzle in an answer that accepts IKE_SA_INIT; IKE_AUTH sends the solution (RFC 8019 section 7.2.2)."""
    sa.of(Posed).solution = solution(sa, answer, sa.nonce_r + sa.spi_r)


def add_solution(sa: SaRecord, message: Outgoing) -> None:
    """HDR, PS, SK {…}: put the solution before SK (RFC 8019 section 7.2.2)."""
    payload = sa.of(Posed).solution
    if payload is not None:
        message.outer.append(payload)


# The responder


def pose_for_auth(sa: SaRecord, answer: Outgoing, puzzle: Puzzle | None) -> None:
    """Add PUZZLE to the answer to IKE_SA_INIT if the initiator solved one already (RFC 8019 section 7.2.1)."""
    sa.of(Posed).puzzle = puzzle
    if puzzle is not None:
        answer.payloads.append(notify(NotifyType.PUZZLE, puzzle.prf.to_bytes(2) + bytes([puzzle.difficulty])))


def solved(sa: SaRecord) -> None:
    """Accept the solution: the ICV that covers it has verified, if only that of the first fragment."""
    sa.of(Posed).puzzle = None


def auth_fault(sa: SaRecord, datagram: Datagram, header: Header) -> str | None:
    """Why an IKE_AUTH request is dropped before it is decrypted, or None (RFC 8019 section 7.2.4)."""
    puzzle = sa.of(Posed).puzzle
    if puzzle is None:
        return None
    data = datagram.data
    if header.next_payload != PayloadType.PS or len(data) < 32:
        return "expected a puzzle solution before SK, found none"
    load = data[32 : HEADER_SIZE + int.from_bytes(data[30:32])]
    bits = zero_bits(puzzle.prf, load, sa.nonce_r + sa.spi_r)
    if bits is None or bits < puzzle.difficulty:
        return f"expected a puzzle solution of {puzzle.difficulty} zero bits with {Prf(puzzle.prf).name}, found {bits}"
    return None
