# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for datagrams: lost, repeated, late, out of order, replayed, from elsewhere, in fragments."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.harness.verbs.mutation import CHECKS, Scene, Sending, datagram_verb, lasting_datagram_verb
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.message import Datagram
from fynx_scapy.ike.wire.taps import Delayed
from fynx_scapy.layers.ikeheader import HEADER_SIZE, LENGTH, MESSAGE_ID
from fynx_scapy.layers.ikev2 import build_message, build_payloads, first_type

_GENERIC_SIZE = 4


@datagram_verb
def lose(_: Scene, _datagrams: list[Datagram]) -> Sending:
    """Lose the first transmission."""
    return []


@lasting_datagram_verb
def lose_all(_: Scene, _datagrams: list[Datagram]) -> Sending:
    """Lose every transmission."""
    return []


@datagram_verb
def send_again(_: Scene, datagrams: list[Datagram], times: int = 1) -> Sending:
    """Send the message once more, bit for bit, so many times."""
    return [each for each in datagrams for _ in range(times + 1)]


@datagram_verb
def delay(_: Scene, datagrams: list[Datagram], seconds: float) -> Sending:
    """Send it so much later. LocalError for a time that is not positive."""
    if not seconds > 0:
        raise LocalError(f"expected more than 0 seconds, found {seconds}")
    return [Delayed(datagram, seconds) for datagram in datagrams]


@datagram_verb
def backwards(_: Scene, datagrams: list[Datagram]) -> Sending:
    """Send the fragments of the message in the opposite order."""
    return datagrams[::-1]


@datagram_verb
def replay(scene: Scene, datagrams: list[Datagram], back: int = 1) -> Sending:
    """Send an earlier datagram of ours before it; 1 is the latest."""
    if len(scene.sent) < back:
        raise LocalError(f"expected {back} datagrams before this one, found {len(scene.sent)}")
    return [scene.sent[-back], *datagrams]


@datagram_verb
def flood(_: Scene, datagrams: list[Datagram], count: int) -> Sending:
    """Send it so many times, each with another message ID in its header, and then as it is."""
    first = datagrams[0]
    number = int.from_bytes(first.data[MESSAGE_ID:LENGTH])
    wrong = [replace(first, data=_with_id(first.data, (number + offset) % (1 << 32))) for offset in range(1, count + 1)]
    return [*wrong, *datagrams]


def _with_id(data: bytes, number: int) -> bytes:
    return data[:MESSAGE_ID] + number.to_bytes(4) + data[LENGTH:]


@lasting_datagram_verb
def fragments(
    scene: Scene, datagrams: list[Datagram], into: int, plan: tuple[tuple[int, int], ...] = (), *, spoil: int = 0
) -> Sending:
    """Send the message in fragments (RFC 7383), ``into`` of equal size, in the order and with the numbers of ``plan``.

    An element of the plan is (Fragment Number, Total Fragments); the part of the message is the one with that number,
    or the nearest. Without a plan they are right. ``spoil`` is the place in the plan whose ICV is wrong, from 1.
    """
    message, protector = scene.message, scene.sa.envelope._outbound
    if protector is None or not message.encrypted:
        raise LocalError("expected a message inside SK to split into fragments")
    content = build_payloads(message.payloads)
    step = -(-len(content) // into) or 1
    edges = [min(at, len(content)) for at in range(0, step * into + 1, step)]
    parts = [content[low:high] for low, high in pairwise(edges)]
    sent = []
    for place, (number, total) in enumerate(plan or [(n, into) for n in range(1, into + 1)], 1):
        part = parts[min(max(number, 1), into) - 1]
        first = first_type(message.payloads) if number == 1 else 0
        plaintext = protector.pad(part)
        size = _GENERIC_SIZE + 4 + protector.iv_size + len(plaintext) + protector.icv_size
        head = bytearray(build_message(message.header, []))
        head[16], head[LENGTH:HEADER_SIZE] = int(PayloadType.SKF), (HEADER_SIZE + size).to_bytes(4)
        head += bytes([first, 0]) + size.to_bytes(2) + number.to_bytes(2) + total.to_bytes(2)
        data = bytes(head) + protector.seal(bytes(head), plaintext, scene.sa.envelope._iv(protector))
        if place == spoil:
            data = data[:-1] + bytes([data[-1] ^ 1])
        sent.append(replace(datagrams[0], data=data))
    return sent


def _check_plan(into: int, plan: tuple[tuple[int, int], ...] = (), *, spoil: int = 0) -> None:
    if not 1 <= into <= 0xFFFF:
        raise ConfigError(f"expected 1 to 65,535 fragments, found {into}")
    for number, total in plan:
        if not (0 <= number <= 0xFFFF and 0 <= total <= 0xFFFF):
            raise ConfigError(f"expected fragment numbers of two octets, found {number} of {total}")


CHECKS["fragments"] = _check_plan
