# SPDX-License-Identifier: GPL-2.0-or-later
"""The Traffic Selector payloads (RFC 7296 section 3.13); Fibre Channel selectors (RFC 4595), labels (RFC 9478)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.fields import IP6Field, IPField

from fynx_scapy.iana import PayloadType, TsType
from fynx_scapy.layers.ikev2.fields import CountOf, Length, Octet, OctetEnum, Octets, Reserved, Short
from fynx_scapy.layers.ikev2.lists import Structures
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.layers.ikev2.structure import Structure

SELECTORS: dict[int, type[TrafficSelector]] = {}
"""The class of each traffic selector type."""


class TrafficSelector(Structure):
    """A traffic selector (RFC 7296 section 3.13.1). Subclasses register themselves by ``selector_type``."""

    name = "IKEv2 Traffic Selector"
    size_at = 2
    fields_desc = [
        OctetEnum("TS_type", 0, TsType),
        Octet("IP_protocol_ID", 0),
        Length(),
        Octets("load"),
    ]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kind = cls.__dict__.get("selector_type")
        if kind is not None:
            SELECTORS[int(kind)] = cls


def selector_class(octets: bytes, offset: int) -> type[TrafficSelector]:
    """The class of the traffic selector that begins at ``offset``."""
    return SELECTORS.get(octets[offset], RawTrafficSelector)


class RawTrafficSelector(TrafficSelector):
    """A traffic selector of unknown type: ``load`` is everything after its length."""

    name = "IKEv2 Unknown Traffic Selector"
    fields_desc = [*TrafficSelector.fields_desc]


class IPv4TrafficSelector(TrafficSelector):
    """A range of IPv4 addresses and ports for a protocol (RFC 7296 section 3.13.1)."""

    name = "IKEv2 IPv4 Traffic Selector"
    selector_type = TsType.TS_IPV4_ADDR_RANGE
    fields_desc = [
        OctetEnum("TS_type", TsType.TS_IPV4_ADDR_RANGE, TsType),
        Octet("IP_protocol_ID", 0),
        Length(),
        Short("start_port", 0),
        Short("end_port", 65535),
        IPField("starting_address_v4", "192.168.0.1"),
        IPField("ending_address_v4", "192.168.0.255"),
    ]


class IPv6TrafficSelector(TrafficSelector):
    """A range of IPv6 addresses and ports for a protocol (RFC 7296 section 3.13.1)."""

    name = "IKEv2 IPv6 Traffic Selector"
    selector_type = TsType.TS_IPV6_ADDR_RANGE
    fields_desc = [
        OctetEnum("TS_type", TsType.TS_IPV6_ADDR_RANGE, TsType),
        Octet("IP_protocol_ID", 0),
        Length(),
        Short("start_port", 0),
        Short("end_port", 65535),
        IP6Field("starting_address_v6", "2001::"),
        IP6Field("ending_address_v6", "2001::"),
    ]


class FCTrafficSelector(TrafficSelector):
    """A range of Fibre Channel addresses, R_CTL and type values (RFC 4595 section 4.4)."""

    name = "IKEv2 Fibre Channel Traffic Selector"
    selector_type = TsType.TS_FC_ADDR_RANGE
    fields_desc = [
        OctetEnum("TS_type", TsType.TS_FC_ADDR_RANGE, TsType),
        Octet("IP_protocol_ID", 0),
        Length(),
        Octet("res", 0),
        Reserved("starting_address_FC"),
        Octet("res2", 0),
        Reserved("ending_address_FC"),
        Octet("starting_R_CTL", 0),
        Octet("ending_R_CTL", 0),
        Octet("starting_type", 0),
        Octet("ending_type", 0),
    ]


EncryptedTrafficSelector = FCTrafficSelector
"""Scapy's name of :class:`FCTrafficSelector`."""


class SecurityLabelTrafficSelector(TrafficSelector):
    """A security label (RFC 9478 section 3): opaque octets that select no packet."""

    name = "IKEv2 Security Label Traffic Selector"
    selector_type = TsType.TS_SECLABEL
    fields_desc = [
        OctetEnum("TS_type", TsType.TS_SECLABEL, TsType),
        Octet("IP_protocol_ID", 0),
        Length(),
        Octets("label"),
    ]


class IKEv2_TSi(IKEv2_Payload):
    """The Traffic Selector payload of the initiator (RFC 7296 section 3.13): a list of selectors."""

    name = "IKEv2 Traffic Selector - Initiator"
    payload_type = PayloadType.TSi
    fields_desc = [
        *GENERIC,
        CountOf("number_of_TSs", "traffic_selector"),
        Reserved(),
        Structures("traffic_selector", selector_class),
    ]

    def read(self, octets: bytes) -> None:
        super().read(octets)
        number, selectors = self.fields["number_of_TSs"], self.fields["traffic_selector"]
        if number != len(selectors):
            self.note_fault(f"expected {number} selectors (offset 4 of the payload), found {len(selectors)}")


class IKEv2_TSr(IKEv2_TSi):
    """The Traffic Selector payload of the responder; see :class:`IKEv2_TSi`."""

    name = "IKEv2 Traffic Selector - Responder"
    payload_type = PayloadType.TSr


__all__ = [
    "EncryptedTrafficSelector",
    "FCTrafficSelector",
    "IKEv2_TSi",
    "IKEv2_TSr",
    "IPv4TrafficSelector",
    "IPv6TrafficSelector",
    "RawTrafficSelector",
    "SecurityLabelTrafficSelector",
    "TrafficSelector",
]
