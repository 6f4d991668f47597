# SPDX-License-Identifier: GPL-2.0-or-later
"""Further faults, chosen later: headers, notifies, selectors and packets that an endpoint sends wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import DatagramKind
from fynx_scapy.layers.ikev2 import IKEv2_CP, IKEv2_Notify, IKEv2_TSi, IKEv2_VendorID
from tests.faults.fault import Faulty, later

_RESPONSE = 0x20


def _is_response(message: Any) -> bool:
    return bool(int(message.header.flags) & _RESPONSE)


# Headers


@later("header", "7296-3.1-10", "7296-1-i01")
def sends_requests_again_as_responses(bad: Faulty) -> None:
    """Sends each request inside SK a second time, with the Response flag."""

    def change(message, datagrams, attempt):
        if _is_response(message) or not message.encrypted:
            return datagrams
        marked = [
            replace(one, data=one.data[:19] + bytes([one.data[19] | _RESPONSE]) + one.data[20:]) for one in datagrams
        ]
        return [*datagrams, *marked]

    bad.tap(change, "datagrams")


@later("header", "7296-2.6-01")
def chooses_spis_by_counting(bad: Faulty) -> None:
    """Counts its IKE SPIs from 1, after every restart anew."""
    numbers = iter(range(1, 1000))
    bad.swap(Endpoint, "new_ike_spi", lambda original, endpoint: next(numbers).to_bytes(8))


@later("versioning/forward-compat", "7296-3.12-02", "7296-2.5-10")
def sends_critical_vendor_ids(bad: Faulty) -> None:
    """Adds a critical Vendor ID to its responses."""

    def tap(message):
        if _is_response(message):
            message.payloads.append(IKEv2_VendorID(flags=0x80, vendorID=b"faulty"))

    bad.tap(tap)


@later("sk", "7296-3.2-i01", connects=False)
def names_no_payload_in_sk(bad: Faulty) -> None:
    """Sends zero as the Next Payload of SK, whatever is inside."""

    def tap(message):
        if message.encrypted:
            message.sk.next_payload = 0

    bad.tap(tap)


# Notifies, selectors and configuration


@later("payload-format", "7296-3.10-i01")
def sends_spis_in_every_notify(bad: Faulty) -> None:
    """Puts an SPI of a Child SA into notifies that have none."""

    def change(note):
        if not note.SPI:
            note.proto, note.SPI = ProtocolId.ESP, b"\1\2\3\4"

    bad.each_notify(change)


@later("payload-format", "7296-3.10-03")
def sends_its_ike_spi_in_notifies(bad: Faulty) -> None:
    """Puts the SPI of the IKE SA into notifies about it."""

    def change(note):
        if not note.SPI:
            note.proto, note.SPI = ProtocolId.IKE, b"\1" * 8

    bad.each_notify(change)


@later("create-child", "7296-2.22-04", "7296-2.22-i01", "7296-2.22-03")
def agrees_to_compression_unasked(bad: Faulty) -> None:
    """Says in every response inside SK that it compresses, twice."""

    def tap(message):
        if message.encrypted and _is_response(message):
            note = IKEv2_Notify(type=NotifyType.IPCOMP_SUPPORTED, notify=b"\0\1\3")
            message.payloads += [note, note.copy()]

    bad.tap(tap)


@later("ts", "7296-3.13.1-01", "7296-3.13.1-02", connects=False)
def sends_odd_ports_of_any_protocol(bad: Faulty) -> None:
    """Writes the ports of any protocol as 1 to 65534."""

    def tap(message):
        for payload in message.all(IKEv2_TSi):
            for one in payload.traffic_selector:
                if not one.IP_protocol_ID:
                    one.start_port, one.end_port = 1, 65534

    bad.tap(tap)


@later("rekey", "7296-2.9.2-04")
def rekeys_with_selectors_of_a_packet(bad: Faulty) -> None:
    """Puts the selectors of a packet first when it rekeys a Child SA."""

    def tap(message):
        if _is_response(message) or not list(message.notifies(NotifyType.REKEY_SA)):
            return
        for payload in message.all(IKEv2_TSi):
            first = payload.traffic_selector[0].copy()
            first.ending_address_v4 = first.starting_address_v4
            payload.traffic_selector.insert(0, first)

    bad.tap(tap)


@later("cp", "7296-3.15.1-07", "7296-3.15.1-16")
def asks_with_values(bad: Faulty) -> None:
    """Asks for a netmask and the supported attributes with values in the request."""

    def tap(message):
        for payload in [] if _is_response(message) else message.all(IKEv2_CP):
            for one in payload.attributes:
                if one.type in (2, 14):
                    one.value = b"\xff\xff\xff\0" if one.type == 2 else b"\0\1"

    bad.tap(tap)


@later("cp", "7296-2.20-03")
def does_not_answer_for_its_version(bad: Faulty) -> None:
    """Answers a request for its version with another attribute."""

    def tap(message):
        for payload in message.all(IKEv2_CP) if _is_response(message) else ():
            for one in payload.attributes:
                if one.type == 7:
                    one.type, one.value = 16390, b"\1\2\3\4"

    bad.tap(tap)


# ESP


@later("esp-format", "4303-2-01")
def puts_esp_into_udp_without_a_nat(bad: Faulty) -> None:
    """Sends ESP in UDP although there is no NAT."""

    def change(message, datagrams, attempt):
        def moved(one):
            there, here = one.remote._replace(port=4500), one.local._replace(port=4500)
            return replace(one, kind=DatagramKind.ESP_IN_UDP, local=here, remote=there)

        return [moved(one) if one.kind is DatagramKind.ESP else one for one in datagrams]

    bad.tap(change, "datagrams")


@later("udp-encap", "3948-1-03", "4303-2.1-06", connects=False)
def sends_esp_with_an_spi_of_zero(bad: Faulty) -> None:
    """Sends ESP packets with the SPI zero."""
    bad.tap(lambda message: setattr(message.parts, "spi", 0), "parts")
