# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for octets: what is inside SK, and what is on the wire.

Those of the wire change the first transmission only; the retransmission is honest, so that a message that was dropped
can be told from one that was not. `set_octets_for_good` and its like change every transmission, and AUTH covers what
they make of IKE_SA_INIT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fynx_scapy.errors import LocalError
from fynx_scapy.harness.verbs.mutation import (
    Scene,
    Sending,
    datagram_verb,
    lasting_datagram_verb,
    plaintext_verb,
    wire_verb,
)
from fynx_scapy.ike.message import Datagram
from fynx_scapy.layers.ikeheader import HEADER_SIZE, LENGTH


@plaintext_verb
def pad_length(_: Scene, octets: bytes, number: int) -> bytes:
    """Let SK say that it has so many octets of padding."""
    return octets[:-1] + bytes([number])


@plaintext_verb
def padding(_: Scene, octets: bytes, pad: bytes) -> bytes:
    """Use these octets as the padding of SK."""
    return octets[: len(octets) - 1 - octets[-1]] + pad + bytes([len(pad)])


@plaintext_verb
def truncate_inside(_: Scene, octets: bytes, count: int) -> bytes:
    """Cut so many octets off the end of what SK holds, padding included."""
    return _cut(octets, count)


@plaintext_verb
def flip_inside(_: Scene, octets: bytes, at: int, mask: int = 1) -> bytes:
    """Invert bits of the octet number ``at`` of what SK holds. The ICV covers the result."""
    return _flipped(octets, at, mask)


@plaintext_verb
def append_inside(_: Scene, octets: bytes, more: bytes) -> bytes:
    """Add octets behind the last payload inside SK, before the padding."""
    end = len(octets) - 1 - octets[-1]
    return octets[:end] + more + octets[end:]


@wire_verb
def flip_for_good(_: Scene, octets: bytes, at: int, mask: int = 1) -> bytes:
    """Invert bits of the octet number ``at`` of the message, in every transmission."""
    return _flipped(octets, at, mask)


@wire_verb
def append_for_good(_: Scene, octets: bytes, more: bytes, *, honest: bool = False) -> bytes:
    """Add octets behind the message, in every transmission. With ``honest`` the length in the header counts them."""
    whole = octets + more
    return whole[:LENGTH] + len(whole).to_bytes(4) + whole[HEADER_SIZE:] if honest else whole


@wire_verb
def truncate_for_good(_: Scene, octets: bytes, count: int, *, honest: bool = False) -> bytes:
    """Cut octets off the end, in every transmission. With ``honest`` the length in the header says so."""
    left = _cut(octets, count)
    return left[:LENGTH] + len(left).to_bytes(4) + left[HEADER_SIZE:] if honest else left


@datagram_verb
def flip(_: Scene, datagrams: list[Datagram], at: int, mask: int = 1) -> Sending:
    """Invert bits of the octet number ``at`` of each datagram."""
    return _each(datagrams, lambda data: _flipped(data, at, mask))


@datagram_verb
def flip_icv(_: Scene, datagrams: list[Datagram], mask: int = 1) -> Sending:
    """Invert bits of the last octet of the ICV."""
    return _each(datagrams, lambda data: _flipped(data, -1, mask))


@datagram_verb
def truncate(_: Scene, datagrams: list[Datagram], count: int) -> Sending:
    """Cut so many octets off the end of each datagram; the length in the header stays."""
    return _each(datagrams, lambda data: _cut(data, count))


@datagram_verb
def cut_to(_: Scene, datagrams: list[Datagram], size: int) -> Sending:
    """Send only the first ``size`` octets of each datagram."""
    return _each(datagrams, lambda data: data[:size])


@datagram_verb
def extend(scene: Scene, datagrams: list[Datagram], count: int) -> Sending:
    """Add so many random octets behind each datagram; the length in the header stays."""
    return _each(datagrams, lambda data: data + scene.randomness.octets(count))


@datagram_verb
def overwrite(_: Scene, datagrams: list[Datagram], at: int, octets: bytes) -> Sending:
    """Replace octets of each datagram, from the octet number ``at`` on."""
    return _each(datagrams, lambda data: data[:at] + octets + data[at + len(octets) :])


@datagram_verb
def put_before(_: Scene, datagrams: list[Datagram], octets: bytes) -> Sending:
    """Put octets before each datagram, such as a non-ESP marker where there must be none."""
    return _each(datagrams, lambda data: octets + data)


@datagram_verb
def octets_instead(_: Scene, datagrams: list[Datagram], octets: bytes) -> Sending:
    """Send these octets instead of each datagram."""
    return _each(datagrams, lambda _: octets)


@lasting_datagram_verb
def octets_instead_for_good(_: Scene, datagrams: list[Datagram], octets: bytes) -> Sending:
    """Send these octets instead of each datagram, in every transmission."""
    return _each(datagrams, lambda _: octets)


def _each(datagrams: list[Datagram], change: Callable[[bytes], bytes]) -> list[Datagram]:
    return [replace(datagram, data=change(datagram.data)) for datagram in datagrams]


def _cut(octets: bytes, count: int) -> bytes:
    if not 0 < count <= len(octets):
        raise LocalError(f"expected to cut off 1 to {len(octets)} octets, found {count}")
    return octets[:-count]


def _flipped(octets: bytes, at: int, mask: int) -> bytes:
    if not -len(octets) <= at < len(octets):
        raise LocalError(f"expected octet {at}, found {len(octets)} octets")
    changed = bytearray(octets)
    changed[at] ^= mask
    return bytes(changed)
