# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutations of octets, named by their purpose."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

# Each takes the octets to change, another message to take octets from, and the randomness.


def flip_bit(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Flip one bit."""
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def flip_bits(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Flip a few bits."""
    for _ in range(chance.randint(1, 8)):
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def set_octets(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Set octets to their smallest or largest value."""
    for _ in range(chance.randint(1, 4)):
        octets[chance.randrange(len(octets))] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))


def wrong_length(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Set two octets that may be a length: zero, too small, too large."""
    at = chance.randrange(len(octets))
    octets[at : at + 2] = chance.choice(
        (0, 1, 3, 4, 5, 7, 8, 9, 0x7FFF, 0xFFFF, len(octets), len(octets) - at)
    ).to_bytes(2)


def wrong_type(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Change the first payload type, the exchange type, the version or the flags."""
    if len(octets) > 19:
        octets[chance.choice((16, 16, 17, 18, 19))] = chance.choice((chance.randrange(33, 60), chance.randrange(256)))


def cut(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Remove the end."""
    del octets[chance.randrange(len(octets)) :]


def grow(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Add octets after the end."""
    octets += chance.randbytes(chance.randint(1, 64)) if chance.random() < 0.5 else other[: chance.randint(1, 512)]


def lose(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Remove a slice from the middle."""
    at = chance.randrange(len(octets))
    del octets[at : at + chance.randint(1, 32)]


def repeat(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Duplicate a slice."""
    at = chance.randrange(len(octets))
    octets[at:at] = octets[at : at + chance.randint(1, 64)]


def splice(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Join the head of one message and the tail of another."""
    octets[chance.randrange(len(octets)) :] = other[chance.randrange(len(other)) :]


def overwrite(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Insert a slice of another message."""
    at, source = chance.randrange(len(octets)), chance.randrange(len(other))
    size = chance.randint(1, 48)
    octets[at : at + size] = other[source : source + size]


Mutation = Callable[[bytearray, bytes, random.Random], None]
# The first ones keep lengths, so they get further in; they are chosen more often.
MUTATIONS: Sequence[Mutation] = (
    flip_bit, flip_bit, flip_bit, flip_bit, flip_bit, set_octets, set_octets,
    flip_bits, set_octets, wrong_length, wrong_type, cut, grow, lose, repeat, splice, overwrite,
)  # fmt: skip


def mutated(octets: bytes, other: bytes, chance: random.Random) -> bytes:
    """Apply one to three mutations in sequence."""
    found = bytearray(octets)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
        if found:
            chance.choice(MUTATIONS)(found, other or b"\0", chance)
    return bytes(found)
