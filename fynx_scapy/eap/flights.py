# SPDX-License-Identifier: GPL-2.0-or-later
"""Flights of TLS in EAP packets, in fragments of any size: the framing of EAP-TLS and its kin (RFC 5216 section 3)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from scapy.layers.eap import EAP

from fynx_scapy.checks import shown
from fynx_scapy.eap import packets
from fynx_scapy.eap.method import expect
from fynx_scapy.eap.tunnel import MOST_OCTETS
from fynx_scapy.errors import AuthenticationError, ConfigError

LENGTH, MORE, START = 0x80, 0x40, 0x20
FRAGMENT = 1024
"""Octets of TLS in a packet."""
MOST_FRAGMENTS = 1024
_HEADERS = 4 + 1 + 1 + 4
"""Header, type, flags and length of a packet."""


def check_fragment(size: int) -> None:
    """ConfigError for a size of fragments that no packet has, or none."""
    most = packets.LARGEST - _HEADERS
    if type(size) is not int or not 1 <= size <= most:
        raise ConfigError(f"expected fragments of TLS in EAP of 1 to {most} octets, found {shown(size)}")


@dataclass(slots=True)
class Flights:
    """One end of a conversation in flights."""

    layer: type[EAP]
    """The class of its packets, such as Scapy's ``EAP_TLS``."""
    code: int
    """Request for the server, response for the peer."""
    fragment: int = FRAGMENT

    def exchange(self, flight: bytes, *, start: bool = False) -> Generator[EAP, EAP, bytes]:
        """Send a flight, in as many packets as it takes, and return the other end's, put together."""
        pieces = [flight[at : at + self.fragment] for at in range(0, len(flight), self.fragment)] or [b""]
        for number, piece in enumerate(pieces, 1):
            more, first = number < len(pieces), number == 1
            length = len(flight) if first and more else None
            packet = yield self._packet(piece, length=length, more=more, start=start)
            if more and (_flags(self._check(packet)) & MORE or self._data(packet)):
                raise AuthenticationError(f"expected the acknowledgement of fragment {number}, found data")
        return (yield from self.gather(packet))

    def gather(self, packet: EAP) -> Generator[EAP, EAP, bytes]:
        """The other end's flight that begins with a packet: its fragments are acknowledged."""
        data, said, count = b"", None, 0
        while True:
            flags = _flags(self._check(packet))
            if flags & LENGTH:
                found = int.from_bytes(packets.data_of(packet)[1:5])
                if (said is not None and found != said) or found > MOST_OCTETS:
                    raise AuthenticationError(
                        f"expected one TLS message length of at most {MOST_OCTETS}, found {found}"
                    )
                said = found
            data += self._data(packet)
            count += 1
            if len(data) > (MOST_OCTETS if said is None else said) or count > MOST_FRAGMENTS:
                raise AuthenticationError(f"expected a flight of {said or MOST_OCTETS} octets, found more")
            if not flags & MORE:
                break
            packet = yield self._packet(b"")
        if said is not None and said != len(data):
            raise AuthenticationError(f"expected a flight of {said} octets, as its length says, found {len(data)}")
        return data

    def _packet(self, data: bytes, *, length: int | None = None, more: bool = False, start: bool = False) -> EAP:
        names = [field.name for field in self.layer.fields_desc]
        fields = {names[-1]: data, "L": int(length is not None), "M": int(more), "S": int(start)}
        if length is not None:
            fields[names[-2]] = length
        return self.layer(code=self.code, **fields)

    def _check(self, packet: EAP) -> EAP:
        found = expect(packet, self.layer)
        body = packets.data_of(found)
        if len(body) < (5 if body and body[0] & LENGTH else 1):
            raise AuthenticationError(f"expected flags and a length in {self.layer.__name__}, found {len(body)} octets")
        return found

    def _data(self, packet: EAP) -> bytes:
        body = packets.data_of(packet)
        return body[5:] if body[0] & LENGTH else body[1:]


def _flags(packet: EAP) -> int:
    return packets.data_of(packet)[0]


def is_start(packet: EAP) -> bool:
    """Whether a packet begins the method."""
    body = packets.data_of(packet)
    return bool(body) and bool(body[0] & START)
