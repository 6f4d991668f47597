# SPDX-License-Identifier: GPL-2.0-or-later
"""Tunnel mode on bytes: the outer header at the entry, and the change of the inner header at the exit.

RFC 4301 section 5.1.2 with its tables for IPv4 and IPv6. RFC 7296 section 2.24 makes the ECN part mandatory for every
Child SA in tunnel mode. Inner and outer address family are independent (note 1 of the tables).
"""

from __future__ import annotations

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp.ip import DF, HOP_BY_HOP, PROTO_ESP, PROTO_IPV4, PROTO_IPV6, ip_header, ip_version

ECT_1, ECT_0, CE = 1, 2, 3
_NEXT_HEADERS = {PROTO_IPV4: 4, PROTO_IPV6: 6}

# ECN_EXIT[inner][outer] is the inner ECN field after the tunnel: "If the ECN field in the inner header is set to ECT(0)
# or ECT(1), and if the ECN field in the outer header is set to Congestion Experienced (CE), then set the ECN field in
# the inner header to CE; otherwise, make no change" (RFC 4301 section 5.1.2.1, note 6).
ECN_EXIT = (
    (0, 0, 0, 0),
    (ECT_1, ECT_1, ECT_1, CE),
    (ECT_0, ECT_0, ECT_0, CE),
    (CE, CE, CE, CE),
)


def traffic_class(packet: bytes) -> int:
    """The octet of DSCP and ECN: IPv4's Type of Service, IPv6's Traffic Class."""
    if ip_version(packet) == 4:
        return packet[1]
    return (packet[0] << 4 | packet[1] >> 4) & 0xFF


def with_traffic_class(packet: bytes, value: int) -> bytes:
    """The packet with another DSCP and ECN octet, and an updated IPv4 checksum."""
    if ip_version(packet) == 6:
        return bytes((0x60 | value >> 4, (value & 15) << 4 | packet[1] & 15)) + packet[2:]
    return _resum(packet, 1, value)


def forwarded(packet: bytes) -> bytes:
    """The packet with its TTL or Hop Limit decremented, as by a gateway that forwards it (note 2).

    Raises LocalError if the TTL is used up.
    """
    at = 8 if ip_version(packet) == 4 else 7
    ttl = packet[at]
    if ttl <= 1:
        raise LocalError(f"cannot forward a packet with a TTL or Hop Limit of {ttl}")
    if at == 7:
        return packet[:7] + bytes((ttl - 1,)) + packet[8:]
    return _resum(packet, 8, ttl - 1)


def _resum(packet: bytes, at: int, value: int) -> bytes:
    """An IPv4 packet with one octet changed and its header checksum updated by the difference (RFC 1624 equation 3).

    By the difference, so that a wrong checksum stays wrong.
    """
    changed = packet[:at] + bytes((value,)) + packet[at + 1 :]
    word = at & ~1
    old, new = int.from_bytes(packet[word : word + 2], "big"), int.from_bytes(changed[word : word + 2], "big")
    if old == new:
        return packet
    total = (int.from_bytes(packet[10:12], "big") ^ 0xFFFF) + (old ^ 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return changed[:10] + (total ^ 0xFFFF).to_bytes(2, "big") + changed[12:]


def enter(
    inner: bytes,
    src: str,
    dst: str,
    length: int,
    *,
    protocol: int = PROTO_ESP,
    ttl: int = 64,
    dscp: int | None = None,
    ecn: int | None = None,
    df: bool | None = None,
    identification: int = 0,
    flow_label: int = 0,
) -> bytes:
    """The outer IP header for an inner packet (RFC 4301 section 5.1.2), 20 or 40 octets.

    ``length`` is the number of octets after the header. None means the table's rule: DSCP and ECN are copied from the
    inner header, DF is copied from an inner IPv4 header and set for an inner IPv6 one, which no router may fragment.
    ``identification`` is used only without DF, and must be unique then.
    Raises MalformedError if the inner packet is not an IP packet, LocalError for invalid addresses or lengths.
    """
    version = ip_version(inner)
    tos = traffic_class(inner)
    tos = (tos >> 2 if dscp is None else dscp) << 2 | (tos & 3 if ecn is None else ecn)
    if df is None:
        df = version == 6 or bool(int.from_bytes(inner[6:8], "big") & DF)
    fields = {"protocol": protocol, "ttl": ttl, "tos": tos, "identification": identification, "flow_label": flow_label}
    return ip_header(src, dst, length, df=df, **fields)


def inner_packet(payload: bytes, next_header: int) -> bytes:
    """The IP packet in the payload of a tunnel-mode SA, without the TFC padding behind it (RFC 4303 section 2.7).

    ``next_header`` is 4 for IPv4 and 41 for IPv6 (section 2.6). Raises MalformedError if the packet has the other
    version, a truncated header, or a length greater than the payload's. A jumbogram does not fit into an ESP packet.
    """
    version = ip_version(payload)
    if _NEXT_HEADERS.get(next_header) != version:
        raise MalformedError(f"expected next header {4 if version == 4 else 41} for IPv{version}, found {next_header}")
    if version == 4:
        header, total = (payload[0] & 15) * 4, int.from_bytes(payload[2:4])
        least = 20
    else:
        header = least = 40
        total = 40 + int.from_bytes(payload[4:6])
        if total == 40 and payload[6] == HOP_BY_HOP:
            raise MalformedError("expected an inner packet of at most 65,535 octets, found a jumbogram")
    if not least <= header <= total <= len(payload):
        raise MalformedError(
            f"expected an inner IPv{version} packet of {total} octets (header {header}), found {len(payload)}"
        )
    return payload[:total]


def leave(inner: bytes, outer_traffic_class: int) -> bytes:
    """The inner packet after the tunnel: only its ECN field may change (RFC 7296 section 2.24).

    The DSCP of the outer header is not copied ("By default, DS propagation from an unprotected domain to a protected
    domain is not permitted", RFC 4301 section 5.1.2).
    """
    tos = traffic_class(inner)
    ecn = ECN_EXIT[tos & 3][outer_traffic_class & 3]
    return inner if ecn == tos & 3 else with_traffic_class(inner, tos & 0xFC | ecn)
