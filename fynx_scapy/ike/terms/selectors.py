# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic selectors: ranges of addresses, ports and protocols (RFC 7296 sections 2.9 and 3.13)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scapy.packet import Packet

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import TsType
from fynx_scapy.layers.ikev2 import IPv4TrafficSelector, IPv6TrafficSelector
from fynx_scapy.text import counted

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
WITH_PORTS = (TCP, UDP, SCTP)
_PROTOCOLS = {"icmp": ICMP, "tcp": TCP, "udp": UDP, "icmpv6": ICMPV6, "sctp": SCTP}
_NAMES = {number: name for name, number in _PROTOCOLS.items()}


@dataclass(frozen=True, slots=True)
class Selector:
    """A range of addresses, a range of ports and a protocol.

    Addresses are integers, ports 0–65535; protocol 0 means any. For ICMP the port is type * 256 + code (section
    3.13.1).
    """

    version: int
    start: int
    end: int
    protocol: int = 0
    start_port: int = 0
    end_port: int = 65535

    @classmethod
    def of(cls, value: Selector | str) -> Selector:
        """Read a traffic selector as text; ConfigError when it is wrong. Examples:

        ``10.1.0.0/24``, ``10.1.0.1-10.1.0.9``, ``2001:db8::/64[udp/53]``, ``0.0.0.0/0[tcp]``, ``10.1.0.1[udp/1-99]``.
        """
        if isinstance(value, Selector):
            return value
        if not isinstance(value, str):
            raise ConfigError(f"expected a traffic selector as text, found {shown(value)}")
        text, _, rest = value.partition("[")
        protocol, low, high = 0, 0, 65535
        try:
            if rest:
                word, _, ports = rest.removesuffix("]").partition("/")
                protocol = _PROTOCOLS[word] if word in _PROTOCOLS else int(word or 0)
                if ports:
                    first, _, last = ports.partition("-")
                    low, high = int(first), int(last or first)
            if "-" in text:
                start, end = (ipaddress.ip_address(part.strip()) for part in text.split("-"))
            else:
                network = ipaddress.ip_network(text.strip(), strict=False)
                start, end = network[0], network[-1]
        except ValueError as error:
            raise ConfigError(
                f"expected a traffic selector such as 10.1.0.0/24 or 10.1.0.1[udp/53], found {value!r}: {error}"
            ) from None
        if (
            start.version != end.version
            or int(start) > int(end)
            or not 0 <= low <= high <= 65535
            or not 0 <= protocol <= 255
        ):
            raise ConfigError(f"expected a traffic selector with rising ranges of valid numbers, found {value!r}")
        return cls(start.version, int(start), int(end), protocol, low, high)

    @classmethod
    def parse(cls, layer: Packet) -> Selector | None:
        """Read a selector of a TS payload. None for an unknown type, MalformedError for an impossible range."""
        if isinstance(layer, IPv4TrafficSelector):
            first, last = layer.starting_address_v4, layer.ending_address_v4
        elif isinstance(layer, IPv6TrafficSelector):
            first, last = layer.starting_address_v6, layer.ending_address_v6
        else:
            return None
        start, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
        low, high = layer.start_port, layer.end_port
        # Section 3.13.1: OPAQUE is written as start 65535 and end 0.
        if int(start) > int(end) or (low > high and (low, high) != (65535, 0)):
            raise MalformedError(
                f"expected a traffic selector with rising ranges, found {first} port {low} to {last} port {high}"
            )
        return cls(start.version, int(start), int(end), layer.IP_protocol_ID or 0, low, high)

    def layer(self) -> Packet:
        """The selector as a layer of a TS payload."""
        common: dict[str, Any] = {
            "IP_protocol_ID": self.protocol,
            "start_port": self.start_port,
            "end_port": self.end_port,
        }
        first, last = self.addresses
        if self.version == 4:
            return IPv4TrafficSelector(
                TS_type=TsType.TS_IPV4_ADDR_RANGE, starting_address_v4=first, ending_address_v4=last, **common
            )
        return IPv6TrafficSelector(
            TS_type=TsType.TS_IPV6_ADDR_RANGE, starting_address_v6=first, ending_address_v6=last, **common
        )

    @property
    def plain(self) -> bool:
        """Whether its addresses decide alone: any protocol and all ports."""
        return not self.protocol and self.start_port == 0 and self.end_port == 65535

    @property
    def addresses(self) -> tuple[str, str]:
        """The first and the last address, as text."""
        family = ipaddress.IPv4Address if self.version == 4 else ipaddress.IPv6Address
        return str(family(self.start)), str(family(self.end))

    def intersect(self, other: Selector) -> Selector | None:
        """The traffic that both select, or None."""
        if self.version != other.version or (self.protocol and other.protocol and self.protocol != other.protocol):
            return None
        start, end = max(self.start, other.start), min(self.end, other.end)
        low, high = max(self.start_port, other.start_port), min(self.end_port, other.end_port)
        opaque = (65535, 0) in ((self.start_port, self.end_port), (other.start_port, other.end_port))
        if start > end or (low > high and not opaque):
            return None
        return replace(
            self, start=start, end=end, protocol=self.protocol or other.protocol, start_port=low, end_port=high
        )

    def covers(self, other: Selector) -> bool:
        """Whether this selects all the traffic that ``other`` selects."""
        opaque = (65535, 0)
        ports = (self.start_port, self.end_port), (other.start_port, other.end_port)
        return (
            self.version == other.version
            and self.protocol in (0, other.protocol)
            and self.start <= other.start
            and other.end <= self.end
            and (ports[0] == ports[1] if opaque in ports else ports[0][0] <= ports[1][0] and ports[1][1] <= ports[0][1])
        )

    def matches(self, address: int, version: int, protocol: int, port: int | None) -> bool:
        """Whether one side of a packet matches. ``port`` is None when the packet shows no ports."""
        if (
            version != self.version
            or not self.start <= address <= self.end
            or (self.protocol and protocol != self.protocol)
        ):
            return False
        if port is None:
            return (self.start_port == 0 and self.end_port == 65535) or (self.start_port, self.end_port) == (65535, 0)
        return self.start_port <= port <= self.end_port

    def __str__(self) -> str:
        first, last = self.addresses
        size = self.end - self.start + 1
        network = size & (size - 1) == 0 and self.start % size == 0
        length = (32 if self.version == 4 else 128) + 1 - size.bit_length()
        text = f"{first}/{length}" if network else f"{first}-{last}"
        ports = "" if (self.start_port, self.end_port) == (0, 65535) else f"/{self.start_port}"
        if ports and self.end_port != self.start_port:
            ports += f"-{self.end_port}"
        return f"{text}[{_NAMES.get(self.protocol, self.protocol)}{ports}]" if self.protocol or ports else text


def narrow(offered: Iterable[Selector], policy: Sequence[Selector]) -> tuple[Selector, ...]:
    """Narrow an offer to what the policy allows. The order of the offer stays, its first selector first (2.9)."""
    parts = [part for offer in offered for own in policy if (part := offer.intersect(own))]
    return tuple(dict.fromkeys(parts))


@dataclass(frozen=True, slots=True)
class Flow:
    """The fields of an IP packet that selectors match. The ports are None when the packet shows none."""

    version: int
    source: int
    destination: int
    protocol: int
    source_port: int | None
    destination_port: int | None
    fragment: bool = False
    """Whether it is a later fragment, not the first."""

    def __str__(self) -> str:
        kind = ipaddress.IPv4Address if self.version == 4 else ipaddress.IPv6Address
        ports = f"[{self.source_port}]", f"[{self.destination_port}]"
        source, destination = ports if self.protocol in WITH_PORTS and self.source_port is not None else ("", "")
        return f"{kind(self.source)}{source} > {kind(self.destination)}{destination}, protocol {self.protocol}"

    @classmethod
    def parse(cls, packet: bytes) -> Flow:
        """Read the IP header and the ports after it; MalformedError when ``packet`` is no IPv4 or IPv6 packet."""
        version = packet[0] >> 4 if packet else 0
        if version == 4 and len(packet) >= 20:
            offset, protocol = (packet[0] & 15) * 4, packet[9]
            if not 20 <= offset <= len(packet):
                raise MalformedError(f"an IPv4 packet of {len(packet)} octets says {offset} octets of header")
            source, destination = packet[12:16], packet[16:20]
            # A later fragment has no ports.
            first = not struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
        elif version == 6 and len(packet) >= 40:
            source, destination = packet[8:24], packet[24:40]
            offset, protocol, first = _behind_extensions(packet)
        else:
            raise MalformedError(
                f"expected an IPv4 or IPv6 packet, found {counted(len(packet), 'octet')} of version {version}"
            )
        ports: tuple[int | None, int | None] = (None, None)
        if first and protocol in WITH_PORTS and len(packet) >= offset + 4:
            ports = struct.unpack_from("!HH", packet, offset)
        elif first and protocol in (ICMP, ICMPV6) and len(packet) >= offset + 2:
            # Section 3.13.1: type and code take the place of both ports.
            kind = struct.unpack_from("!H", packet, offset)[0]
            ports = (kind, kind)
        return cls(version, int.from_bytes(source), int.from_bytes(destination), protocol, *ports, not first)

    def selectors(self) -> tuple[Selector, Selector]:
        """The very specific selectors that come first in an offer that this packet triggers (section 2.9)."""

        def one(address: int, port: int | None) -> Selector:
            # Allow any ICMP type and code: the reply has others than the request.
            low, high = (port, port) if port is not None and self.protocol in WITH_PORTS else (0, 65535)
            return Selector(self.version, address, address, self.protocol, low, high)

        return one(self.source, self.source_port), one(self.destination, self.destination_port)

    def pair(self) -> tuple[Selector, Selector]:
        """The selectors of its two addresses, for any protocol (section 2.9)."""
        return (
            Selector(self.version, self.source, self.source),
            Selector(self.version, self.destination, self.destination),
        )

    def fits(self, source: Iterable[Selector], destination: Iterable[Selector], *, fragments: bool = False) -> bool:
        """Whether some selector of each side matches this packet.

        With ``fragments``, a later fragment matches by addresses and protocol alone, since it has no ports.
        """
        if fragments and self.fragment:
            source = [replace(s, start_port=0, end_port=65535) for s in source]
            destination = [replace(s, start_port=0, end_port=65535) for s in destination]
        return any(s.matches(self.source, self.version, self.protocol, self.source_port) for s in source) and any(
            s.matches(self.destination, self.version, self.protocol, self.destination_port) for s in destination
        )


EXTENSIONS = (0, 43, 60, 135)
FRAGMENT = 44


def _behind_extensions(packet: bytes) -> tuple[int, int, bool]:
    """Skip the IPv6 extension headers (RFC 8200 section 4).

    Returns the offset and the protocol of what follows, and whether it has ports.
    """
    offset, protocol, first = 40, packet[6], True
    # After the Fragment header of a later fragment comes no header.
    while first and (protocol in EXTENSIONS or protocol == FRAGMENT):
        size = 8 if protocol == FRAGMENT or len(packet) < offset + 8 else (packet[offset + 1] + 1) * 8
        if len(packet) < offset + size:
            raise MalformedError(
                f"the IPv6 extension header at offset {offset} runs past the end of the packet of {len(packet)} octets"
            )
        if protocol == FRAGMENT:
            first = not struct.unpack_from("!H", packet, offset + 2)[0] & 0xFFF8
        offset, protocol = offset + size, packet[offset]
    return offset, protocol, first
