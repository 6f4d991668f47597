# SPDX-License-Identifier: GPL-2.0-or-later
"""Values that an edit may give a field: neighbours, limits, known and unknown numbers, addresses, whole payloads."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from fynx_scapy.iana import CpAttribute, ExchangeType, IanaRegistry, NotifyType, PayloadType

Chance = random.Random

EDGES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 32, 64, 127, 128, 255, 256, 1500)
"""Sizes at which code is likely to decide."""
IPV4 = ("0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "10.0.0.0", "192.0.2.255")
IPV6 = ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1", "ff02::1", "::ffff:10.0.0.1", "2001:db8::")


def near(chance: Chance, now: int, most: int) -> int:
    """A neighbour of a number."""
    return (now + chance.choice((-1, 1, -1, 1, -2, 2, 4, -4, 8))) % (most + 1)


def limit(chance: Chance, now: int, most: int) -> int:
    """A number at a limit: of its field, of signed arithmetic, of an octet."""
    return min(most, chance.choice((0, 0, 1, most, most, most - 1, most // 2, most // 2 + 1, 255, 256)))


def bit(chance: Chance, now: int, most: int) -> int:
    """A number with one bit changed."""
    return now ^ (1 << chance.randrange(most.bit_length()))


def any_number(chance: Chance, now: int, most: int) -> int:
    """Any number."""
    return chance.randint(0, most)


Numbers = Callable[[Chance, int, int], int]
NUMBERS: Mapping[str, Numbers] = {"near": near, "limit": limit, "bit": bit, "any": any_number}


def known(chance: Chance, registry: type[IanaRegistry]) -> int:
    """A number of a registry."""
    return int(chance.choice(list(registry)))


def unknown(chance: Chance, registry: type[IanaRegistry], most: int) -> int:
    """A number that a registry does not have, near its last one or anywhere."""
    have = {int(member) for member in registry}
    tries = (max(have) + 1, most, most - 1, chance.randint(0, most), chance.randint(0, most), chance.randint(0, most))
    return next((number for number in chance.sample(tries, len(tries)) if number not in have and number <= most), most)


def octets(chance: Chance, most: int = 1500) -> bytes:
    """Random octets, with a length at some edge."""
    return chance.randbytes(min(most, chance.choice(EDGES)))


# Whole payloads, as (type, flags, octets after the generic header).


def _notify(chance: Chance, spis: Sequence[bytes]) -> tuple[int, bytes]:
    kind = known(chance, NotifyType) if chance.random() < 0.7 else unknown(chance, NotifyType, 65535)
    spi = chance.choice((b"", b"", *spis, chance.randbytes(4), chance.randbytes(8)))
    size = len(spi) if chance.random() < 0.95 else chance.randrange(256)
    data = chance.choice((b"", octets(chance, 64), octets(chance), b"\0\x13", bytes(2), *spis))
    return PayloadType.N, bytes((chance.choice((0, 1, 3, 3, 2, 255)), size)) + kind.to_bytes(2) + spi + data


def _delete(chance: Chance, spis: Sequence[bytes]) -> tuple[int, bytes]:
    protocol = chance.choice((1, 3, 3, 3, 2, 0, 255))
    count = chance.choice((0, 1, 1, 2, 3, 300 if chance.random() < 0.1 else 1))
    chosen = [chance.choice((*spis, chance.randbytes(4))) for _ in range(count)]
    size = 4 if protocol != 1 else 0
    said = count if chance.random() < 0.9 else chance.randrange(65536)
    return PayloadType.D, bytes((protocol, size)) + said.to_bytes(2) + b"".join(chosen)


def _cp(chance: Chance, spis: Sequence[bytes]) -> tuple[int, bytes]:
    body = bytes((chance.choice((1, 1, 2, 3, 4, 0, 255)), 0, 0, 0))
    for _ in range(chance.choice((0, 1, 2, 5, 40))):
        kind = int(chance.choice(list(CpAttribute))) if chance.random() < 0.9 else chance.randrange(65536)
        value = chance.choice((b"", bytes(4), bytes(16), bytes(17), octets(chance, 40)))
        size = len(value) if chance.random() < 0.97 else chance.randrange(65536)
        body += kind.to_bytes(2) + size.to_bytes(2) + value
    return PayloadType.CP, body


def _transform(chance: Chance, *, last: bool) -> bytes:
    kind, number = chance.choice((1, 1, 2, 3, 4, 5, 6, 13, chance.randrange(256))), chance.choice((0, 12, 14, 20, 31))
    attribute = chance.choice(
        (b"", b"\x80\x0e\x01\0", b"\x80\x0e\0\x80", b"\0\x0e\0\0", b"\x80\0\0\0", b"\0\x0e\0\xff")
    )
    size = 8 + len(attribute)
    return bytes((0 if last else 3, 0)) + size.to_bytes(2) + bytes((kind, 0)) + number.to_bytes(2) + attribute


def _sa(chance: Chance, spis: Sequence[bytes]) -> tuple[int, bytes]:
    body, proposals = b"", chance.choice((0, 1, 1, 2, 20))
    for number in range(1, proposals + 1):
        count = chance.choice((0, 1, 3, 5, 40))
        spi = chance.choice((b"", chance.randbytes(4), chance.randbytes(4), chance.randbytes(8), bytes(4)))
        inner = b"".join(_transform(chance, last=at == count - 1) for at in range(count))
        head = bytes((0 if number == proposals else 2, 0)) + (8 + len(spi) + len(inner)).to_bytes(2)
        body += head + bytes((number, chance.choice((1, 3, 3, 2, 0)), len(spi), count)) + spi + inner
    return PayloadType.SA, body


def _selectors(chance: Chance, spis: Sequence[bytes]) -> tuple[int, bytes]:
    one = b"\x07\0\0\x10\0\0\xff\xff" + bytes(4) + b"\xff" * 4
    six = b"\x08\0\0\x28\0\0\xff\xff" + bytes(16) + b"\xff" * 16
    count = chance.choice((0, 1, 2, 16, 255))
    inner = b"".join(chance.choice((one, one, six, one[:8] + one[12:] + one[8:12])) for _ in range(count))
    said = count if chance.random() < 0.9 else chance.randrange(256)
    return chance.choice((PayloadType.TSi, PayloadType.TSr)), bytes((said, 0, 0, 0)) + inner


def _anything(chance: Chance, spis: Sequence[bytes]) -> tuple[int, bytes]:
    kind = int(chance.choice(list(PayloadType))) if chance.random() < 0.7 else chance.randrange(1, 256)
    return kind, octets(chance)


_PAYLOADS = (_notify, _notify, _notify, _delete, _cp, _sa, _selectors, _anything, _anything)


def payload(chance: Chance, spis: Sequence[bytes]) -> tuple[int, int, bytes]:
    """A payload that nobody expects: well formed or nearly, with the SPIs of known SAs among others."""
    kind, body = chance.choice(_PAYLOADS)(chance, spis)
    return int(kind), chance.choice((0, 0, 0, 0x80, 0x7F)), body


def exchange_type(chance: Chance) -> int:
    """An exchange type, known or not."""
    return int(chance.choice(list(ExchangeType))) if chance.random() < 0.8 else chance.choice((0, 33, 48, 240, 255))
