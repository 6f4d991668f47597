# SPDX-License-Identifier: GPL-2.0-or-later
"""The layers of IKE messages, parsed when they are asked for.

Layers take a hundred times the memory of their octets. So only those of the latest messages are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from fynx_scapy.layers.ikeheader import IKE_HEADER, VERSION

if TYPE_CHECKING:
    from scapy.packet import Packet

MOST_OCTETS = 1 << 17
"""How many octets of messages are kept as layers, beside those of the message parsed last."""


class Outer(NamedTuple):
    """The header of a message, None if there is none of IKEv2, and its payloads. ``cut``: the last is incomplete."""

    header: Packet | None
    payloads: list[Packet]
    cut: bool


class Layers:
    """Parses messages, and keeps the layers of the latest."""

    __slots__ = ("_kept", "_octets")

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, int, bool], Any] = OrderedDict()
        self._octets = 0

    def outer(self, data: bytes, missing: int) -> Outer:
        """The layers of a message as it was sent. ``missing`` octets at its end are not in the capture."""
        return self._get((data, missing, False), lambda: _outer(data, missing))  # type: ignore[no-any-return]

    def inner(self, first: int, content: bytes) -> list[Packet]:
        """The payloads that were inside SK."""
        from fynx_scapy.layers.ikev2.header import parse_payloads

        return self._get((content, first, True), lambda: parse_payloads(first, content))  # type: ignore[no-any-return]

    def _get(self, key: tuple[bytes, int, bool], make: Callable[[], Any]) -> Any:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = self._kept[key] = make()
        self._octets += len(key[0])
        while self._octets > MOST_OCTETS and len(self._kept) > 1:
            key, dropped = self._kept.popitem(last=False)
            self._octets -= len(key[0])
            _unlink(dropped.payloads if isinstance(dropped, Outer) else dropped)
        return found


def _unlink(layers: Iterable[Any]) -> None:
    """Take the parent from every structure in these layers.

    Parents and children refer to each other. Without that, the layers are freed at once, and not by the garbage
    collector, which takes as long for the thousands of structures of one message as parsing them.
    """
    for layer in layers:
        for field in layer.packetfields:
            inside = layer.fields[field.name]
            if isinstance(inside, list):
                for each in inside:
                    each.parent = None
                _unlink(inside)


def _outer(data: bytes, missing: int) -> Outer:
    from fynx_scapy.layers.ikev2.header import parse_message
    from fynx_scapy.layers.ikev2.records import cut

    if len(data) < IKE_HEADER.size or data[VERSION] >> 4 != 2:
        return Outer(None, [], False)
    header, payloads = parse_message(data)
    return Outer(header, payloads, cut(payloads, missing))
