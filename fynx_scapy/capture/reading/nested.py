# SPDX-License-Identifier: GPL-2.0-or-later
"""IPsec inside ESP: the ESP, AH and WESP packets in what was decrypted, and whether that agrees with its next header.

RFC 4301 section 4.5 has such SAs. IKE inside ESP is counted and not followed: its place in its conversation would only
be known after ESP was decrypted.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fynx_scapy.capture.headers.ipsec import ESP_HEADER, contradiction
from fynx_scapy.capture.headers.kinds import TCP, UDP
from fynx_scapy.capture.headers.tunnels import PORTS, PROTOCOLS
from fynx_scapy.capture.reading.flows import EspFlow
from fynx_scapy.capture.reading.losses import Loss, several
from fynx_scapy.capture.reading.packets import (
    IKE_PORTS,
    IPSEC_PROTOCOLS,
    IPV6_FRAGMENT,
    IPV6_OPTIONS,
    NATT_PORT,
    IpsecPacket,
)
from fynx_scapy.capture.reading.walk import Walk

IPV4, IPV6 = 4, 41
_MAY_NEST = frozenset({*IPSEC_PROTOCOLS, *PROTOCOLS, *IPV6_OPTIONS, IPV6_FRAGMENT})
MOST_PROBLEMS, MOST_FLOWS, MOST_SEEN = 10_000, 10_000, 10_000
_ORDINARY = struct.Struct("!BxH2xHxB10xI")  # IPv4 without options: length, flags and offset, protocol, ports


@dataclass(slots=True)
class Nested:
    """Finds the IPsec packets in what ESP carries.

    ``problems`` are those that cannot be read, at most 10,000, ``flows`` the others, by protocol, SPI and addresses.
    """

    ports: frozenset[int] = frozenset()
    problems: list[IpsecPacket] = field(default_factory=list)
    flows: dict[tuple[str, int, str, str], EspFlow] = field(default_factory=dict)
    _more: int = 0
    _messages: Counter[str] = field(default_factory=Counter)
    _walk: Walk = field(init=False)
    _known: dict[int, frozenset[bytes]] = field(init=False)
    _seen: set[int] = field(default_factory=set)  # protocol and ports of packets without IPsec

    def __post_init__(self) -> None:
        self._walk = Walk(self.ports)
        tcp = {NATT_PORT, *self.ports}
        known = {TCP: tcp, UDP: {*IKE_PORTS, *PORTS, *tcp}}
        self._known = {protocol: frozenset(port.to_bytes(2) for port in ports) for protocol, ports in known.items()}

    def quiet(self, following: int, content: bytes) -> bool:
        """Whether content agrees with its next header, and certainly has no IPsec. For every packet, so it is quick."""
        if following == IPV4 and len(content) >= _ORDINARY.size:
            first, length, fragment, protocol, ports = _ORDINARY.unpack_from(content)
            if first == 0x45 and length <= len(content) and not fragment & 0x3FFF:
                key = protocol << 32 | ports
                if key in self._seen:
                    return True
                if found := self._carries_none(protocol, content, 20):
                    if len(self._seen) >= MOST_SEEN:
                        self._seen.clear()
                    self._seen.add(key)
                return found
        if contradiction(following, content):
            return False
        if following == IPV4:
            protocol, at = content[9], (content[0] & 15) * 4
            if content[6] & 0x3F or content[7]:
                return protocol not in _MAY_NEST and protocol != UDP
        elif following == IPV6:
            protocol, at = content[6], 40
        else:
            protocol, at = following, 0
        return self._carries_none(protocol, content, at)

    def _carries_none(self, protocol: int, content: bytes, at: int) -> bool:
        ports = self._known.get(protocol)
        if ports is None:
            return protocol not in _MAY_NEST
        return content[at : at + 2] not in ports and content[at + 2 : at + 4] not in ports

    def packets(self, outer: IpsecPacket, following: int, content: bytes) -> Iterable[IpsecPacket]:
        """The ESP, AH and WESP packets in what ``outer`` carries, and what cannot be read."""
        if self.quiet(following, content) or contradiction(following, content):
            return
        for found in self._walk.inside(outer, following, content):
            if found.kind in ("ike", "ikev1"):
                self._messages[found.kind.replace("ike", "IKE")] += 1
            elif found.kind not in ("ipcomp", "keepalive"):  # those have no IPsec in them
                if found.kind == "esp" and len(found.data) < ESP_HEADER and not found.fault:
                    found = replace(
                        found, odd=f"expected an ESP header of {ESP_HEADER} octets, found {len(found.data)}"
                    )
                if found.fault:
                    self._problem(found)
                elif found.kind in ("esp", "ah"):
                    self._count(found)
                yield found

    def _count(self, packet: IpsecPacket) -> None:
        spi, sequence = struct.unpack_from("!II", packet.data, 4 if packet.kind == "ah" else 0)
        key = (packet.kind, spi, packet.src, packet.dst)
        if key not in self.flows and len(self.flows) < MOST_FLOWS:
            self.flows[key] = EspFlow(*key, packet.frame.number, packet.frame.time)
        if key in self.flows:
            self.flows[key].count(sequence, len(packet.data), packet.frame.time, packet.frame.number)

    def rest(self) -> Iterable[IpsecPacket]:
        """At the end of a pass, what was never completed."""
        for found in self._walk.rest():
            if found.kind == "fragment":
                self._problem(found)
                yield found

    def finish(self) -> None:
        """Note what was never completed as problems."""
        for _ in self.rest():
            pass

    def _problem(self, packet: IpsecPacket) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(packet)
        else:
            self._more += 1

    def losses(self) -> list[Loss]:
        """What was left out inside ESP."""
        found = [Loss(loss.what, loss.count, f"inside ESP: {loss.text}") for loss in self._walk.losses]
        for kind, count in self._messages.items():
            found.append(Loss("nested", count, f"{several(count, 'packet')} not looked into: {kind} inside ESP"))
        if self._more:
            text = f"inside ESP: {several(self._more, 'problem')} beyond the limit of {MOST_PROBLEMS}"
            found.append(Loss("problems", self._more, text))
        return found
