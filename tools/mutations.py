# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutations of octets, named by intent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

# Each takes the octets to change, another message to take octets from, and the randomness.


def flip_bit(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """One bit turned over, and all else as it was."""
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def flip_bits(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A few bits turned over."""
    for _ in range(chance.randint(1, 8)):
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def set_octets(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Octets at the ends of their range."""
    for _ in range(chance.randint(1, 4)):
        octets[chance.randrange(len(octets))] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))


def wrong_length(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Two octets that may be a length: zero, too small, too large."""
    at = chance.randrange(len(octets))
    octets[at : at + 2] = chance.choice(
        (0, 1, 3, 4, 5, 7, 8, 9, 0x7FFF, 0xFFFF, len(octets), len(octets) - at)
    ).to_bytes(2)


def wrong_type(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Another payload type where the chain begins, or another exchange, version or flags."""
    if len(octets) > 19:
        octets[chance.choice((16, 16, 17, 18, 19))] = chance.choice((chance.randrange(33, 60), chance.randrange(256)))


def cut(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """The end is missing."""
    del octets[chance.randrange(len(octets)) :]


def grow(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Something stands behind the end."""
    octets += chance.randbytes(chance.randint(1, 64)) if chance.random() < 0.5 else other[: chance.randint(1, 512)]


def lose(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A slice in the middle is missing."""
    at = chance.randrange(len(octets))
    del octets[at : at + chance.randint(1, 32)]


def repeat(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A slice comes twice."""
    at = chance.randrange(len(octets))
    octets[at:at] = octets[at : at + chance.randint(1, 64)]


def splice(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """The head of one message, the tail of another."""
    octets[chance.randrange(len(octets)) :] = other[chance.randrange(len(other)) :]


def overwrite(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A slice of another message in the middle."""
    at, source = chance.randrange(len(octets)), chance.randrange(len(other))
    size = chance.randint(1, 48)
    octets[at : at + size] = other[source : source + size]


Mutation = Callable[[bytearray, bytes, random.Random], None]
# The first ones keep lengths, and so get further in; they come more often.
MUTATIONS: Sequence[Mutation] = (
    flip_bit, flip_bit, flip_bit, flip_bit, flip_bit, set_octets, set_octets,
    flip_bits, set_octets, wrong_length, wrong_type, cut, grow, lose, repeat, splice, overwrite,
)  # fmt: skip


def mutated(octets: bytes, other: bytes, chance: random.Random) -> bytes:
    """One to three mutations, one upon the other."""
    found = bytearray(octets)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
        if found:
            chance.choice(MUTATIONS)(found, other or b"\0", chance)
    return bytes(found)
