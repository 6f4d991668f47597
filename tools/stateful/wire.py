# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages with the keys of an IKE SA, from a peer that ignores all rules.

It runs in its victim's process, so it uses the victim's `SaRecord`.
"""

from __future__ import annotations

import random

from fynx_scapy.crypto.protector import Protector
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, HEADER_SIZE, LENGTH, NEXT_PAYLOAD, VERSION_2
from fynx_scapy.layers.ikev2 import IKEv2, build_message

Chance = random.Random


def header(
    sa: SaRecord, exchange: int, message_id: int, *, response: bool, flags: int | None = None, version: int = VERSION_2
) -> IKEv2:
    """The header of a message that the peer of ``sa`` sends; ``flags`` replaces the correct flags."""
    right = (0 if sa.initiator else FLAG_INITIATOR) | (FLAG_RESPONSE if response else 0)
    return IKEv2(
        init_SPI=sa.spi_i,
        resp_SPI=sa.spi_r,
        version=version,
        exch_type=exchange,
        flags=right if flags is None else flags,
        id=message_id & 0xFFFFFFFF,
    )


def seal(
    sa: SaRecord,
    chance: Chance,
    head: IKEv2,
    first: int,
    content: bytes,
    numbers: bytes = b"",
    padding: bytes | None = None,
) -> bytes:
    """A message with SK, or with SKF if there are ``numbers``, encrypted with the key of the peer of ``sa``."""
    keys, integ = sa.keys, sa.suite.integrity()
    by_initiator = (keys.sk_ei, keys.sk_ai), (keys.sk_er, keys.sk_ar)
    protector = Protector(sa.suite.encryption(), integ, *by_initiator[sa.initiator])
    plaintext = protector.pad(content) if padding is None else content + padding
    plaintext += bytes(-len(plaintext) % protector.block_size)
    size = 4 + len(numbers) + protector.iv_size + len(plaintext) + protector.icv_size
    prefix = bytearray(build_message(head, []))
    prefix[NEXT_PAYLOAD] = PayloadType.SKF if numbers else PayloadType.SK
    prefix[LENGTH:HEADER_SIZE] = ((HEADER_SIZE + size) & 0xFFFFFFFF).to_bytes(4)
    prefix += bytes((first, 0)) + (size & 0xFFFF).to_bytes(2) + numbers
    return bytes(prefix) + protector.seal(bytes(prefix), plaintext, chance.randbytes(protector.iv_size))


def fragments(sa: SaRecord, chance: Chance, head: IKEv2, first: int, content: bytes) -> list[bytes]:
    """SKF messages: in any order, some twice, some missing, with totals that may not agree (RFC 7383 section 2.6)."""
    total = chance.choice((1, 2, 2, 3, 5, 9))
    each = max(1, -(-len(content) // total))
    wires = []
    for number in range(1, total + 1):
        said = (number, total)
        if chance.random() < 0.1:
            said = chance.choice(((0, total), (number, 0), (total + 1, total), (number, 0xFFFF), (number, total + 1)))
        chunk = content[(number - 1) * each : number * each]
        numbers = b"".join(value.to_bytes(2) for value in said)
        wires.append(seal(sa, chance, head, first if number == 1 else 0, chunk, numbers))
    way = chance.random()
    if way < 0.4:
        chance.shuffle(wires)
    elif way < 0.6:
        wires = wires[:-1]
    elif way < 0.7:
        wires += wires
    return wires
