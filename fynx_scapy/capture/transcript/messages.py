# SPDX-License-Identifier: GPL-2.0-or-later
"""One IKE message of a capture.

RFC 7296 section 3.1. The index keeps the octets. Payloads are decrypted on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.capture.reading.store import Stored
from fynx_scapy.capture.transcript.holder import Holder
from fynx_scapy.iana import ExchangeType, PayloadType, name_of
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, IKE_HEADER
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from scapy.packet import Packet

    from fynx_scapy.capture.follow.sas import IkeOpened

ENCRYPTED = (PayloadType.SK, PayloadType.SKF)


class CapturedMessage:
    """One IKE message. Its header fields are attributes; its payloads are decrypted on first use.

    ``index`` is its position among the capture's messages, ``number`` its packet number. ``copy`` is true if the same
    octets were captured before: it is a retransmission (RFC 7296 section 2.1), or, with ``twice``, the same packet,
    captured twice.
    """

    __slots__ = (
        "_holder",
        "copy",
        "dport",
        "dst",
        "exchange_type",
        "flags",
        "ident",
        "index",
        "kind",
        "length",
        "message_id",
        "missing",
        "number",
        "spi_i",
        "spi_r",
        "sport",
        "src",
        "tcp",
        "time",
        "twice",
        "version",
    )  # fmt: skip

    def __init__(self, holder: Holder, index: int, stored: Stored, copy: bool = False, twice: bool = False) -> None:
        self._holder, self.index, self.copy, self.twice = holder, index, copy, twice
        self.number, self.time, self.kind, self.missing, self.tcp, self.ident = (
            stored.number, stored.time, stored.kind, stored.missing, stored.tcp, stored.ident,
        )  # fmt: skip
        self.src, self.sport, self.dst, self.dport = stored.src, stored.sport, stored.dst, stored.dport
        self.length = len(stored.data)
        head = stored.data[: IKE_HEADER.size].ljust(IKE_HEADER.size, b"\0")
        self.spi_i, self.spi_r, _, self.version, self.exchange_type, self.flags, self.message_id, _ = IKE_HEADER.unpack(
            head
        )

    @property
    def data(self) -> bytes:
        """The octets, starting with the IKE header."""
        return self._holder.index.messages[self.index].data

    @property
    def request(self) -> bool:
        """Whether it is a request. Always true for IKEv1, whose header does not say."""
        return not self.flags & FLAG_RESPONSE

    @property
    def from_initiator(self) -> bool:
        """Whether the original initiator of its IKE SA sent it."""
        return bool(self.flags & FLAG_INITIATOR)

    @property
    def exchange(self) -> str:
        """The name of its exchange type."""
        return name_of(ExchangeType, self.exchange_type)

    @property
    def encrypted(self) -> bool:
        """Whether it has an SK or SKF payload."""
        return self.opened.opened is not None or any(layer.payload_type in ENCRYPTED for layer in self.payloads)

    @property
    def opened(self) -> IkeOpened:
        """The result of decrypting it: an IkeOpened (header, payloads, inner, opened, auth, errors)."""
        return self._holder.opened(self.index)

    @property
    def payloads(self) -> list[Packet]:
        """Its payloads as Scapy layers, as sent: SK is one of them."""
        return list(self.opened.payloads)

    @property
    def layers(self) -> list[Packet]:
        """Its payloads as Scapy layers. If SK was decrypted, the payloads inside it replace it."""
        found = self.opened
        inside = found.inner if found.inner is not None and found.inner is not found.payloads else None
        outer = list(found.payloads)
        if inside is None:
            return outer
        return [layer for layer in outer if layer.payload_type not in ENCRYPTED] + list(inside)

    @property
    def readable(self) -> list[Packet]:
        """Its `layers` without malformed ones, whose faults are in `errors`."""
        from fynx_scapy.layers.ikev2.payload import IKEv2_Payload

        return [layer for layer in self.layers if isinstance(layer, IKEv2_Payload)]

    @property
    def packet(self) -> Packet:
        """The message as one Scapy packet with decrypted payloads. Without a key, SK stays as it was sent."""
        from fynx_scapy.layers.ikev2 import IKEv2

        return IKEv2(self.opened.plain or self.data)

    @property
    def icv(self) -> str:
        """``ok``, ``bad``, or ``unchecked`` if it was not decrypted or has no ICV."""
        opened = self.opened.opened
        return "unchecked" if opened is None else str(opened.icv)

    @property
    def errors(self) -> list[str]:
        """What is wrong with the message."""
        return list(self.opened.errors)

    @property
    def retransmission(self) -> bool:
        """Whether it was sent again: the same octets in another packet (RFC 7296 section 2.1)."""
        return self.copy and not self.twice

    @property
    def title(self) -> str:
        """Exchange, direction and message ID: ``IKE_AUTH request 1``."""
        if self.version >> 4 == 1:
            return f"IKEv1 exchange {self.exchange_type}"
        return f"{self.exchange} {'request' if self.request else 'response'} {self.message_id}"

    @property
    def text(self) -> str:
        """The payloads in the notation of RFC 7296 appendix C: ``HDR, SK {IDi, AUTH, SA, TSi, TSr}``."""
        from fynx_scapy.ladder import payload_name

        if self.version >> 4 == 1:
            return counted(self.length, "octet")
        found = self.opened
        words = ["HDR"]
        for layer in found.payloads:
            if layer.payload_type not in ENCRYPTED:
                words.append(payload_name(layer, request=self.request))
                continue
            name = "SK" if found.fragment is None else f"SKF {found.fragment[0]}/{found.fragment[1]}"
            if found.inner is not None:
                inside = ", ".join(payload_name(inner, request=self.request) for inner in found.inner)
                words.append(f"{name} {{{inside}}}")
            else:
                words.append(
                    name if found.opened is not None and found.opened.plaintext is not None else f"{name} {{…}}"
                )
        return ", ".join(words)

    def show(self) -> None:
        """Print its layers with Scapy's ``show()``."""
        self.packet.show()

    def __repr__(self) -> str:
        copy = " captured twice" if self.twice else " again" if self.copy else ""
        return f"<{self.number}: {self.title} {self.src} > {self.dst}, {counted(self.length, 'octet')}{copy}>"
