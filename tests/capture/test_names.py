# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP methods, vendor IDs and notification data by name, in text, JSON and ladders."""

from __future__ import annotations

import pytest

from fynx_scapy.capture.dissect import dissect
from fynx_scapy.capture.showing.text import payloads as showing
from fynx_scapy.keylog import KeyLog
from fynx_scapy.ladder.names import payload_name
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_EAP, IKEv2_Notify, IKEv2_VendorID, parse_payloads
from fynx_scapy.layers.ikev2.records import payload_record
from tests.shared import shared


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("0101000501", "request Identity"),
        ("02010009016a6f686e", "response Identity"),
        ("020100060319", "response Nak"),
        ("010100160410" + "11" * 16, "request MD5"),
        ("010100060d20", "request TLS start"),
        ("010100061520", "request TTLS start"),
        ("020100060d00", "response TLS acknowledgement"),
        ("0201000b0dc0000000ff16", "response TLS fragment"),
        ("020100070d4016", "response TLS fragment"),
        ("020100070d0016", "response TLS"),
        ("010100050d", "request TLS"),
        ("0201000a1a0201000531", "response MSCHAPv2 Response"),
        ("0101000812010000", "request SIM Challenge"),
        ("0101000817010000", "request AKA Challenge"),
        ("0101000832010000", "request AKA' Challenge"),
        ("010100062b21", "request FAST start"),
        ("0101000e" + "fe0028af00000003" + "0100", "request EAP-5G 5G-Start"),
        ("0101000d" + "fe00372a00000001" + "01", "request WSC"),
        ("0101000d" + "fe00000000000019" + "20", "request PEAP"),
        ("0101000c" + "fe00013700000005", "request vendor 311 method 5"),
        ("02010008fe000000", "response expanded Nak"),
        ("01010006c801", "request method 200"),
        ("03010004", "success"),
        ("04010004", "failure"),
        ("09010004", "code 9"),
    ],
)
def test_eap_by_name(octets: str, text: str) -> None:
    layer = IKEv2_EAP(bytes(IKEv2_EAP(eap=octets)))
    assert (layer.malformed, layer.text, layer.mysummary()) == (None, text, f"EAP {text}")
    assert payload_record(layer)["text"] == text
    assert payload_name(layer) == f"EAP {text}"
    assert showing([payload_record(layer)]) == f"EAP {text}"


def test_an_eap_payload_that_is_empty_says_so() -> None:
    (layer,) = parse_payloads(48, bytes(4)[:2] + b"\0\4")
    assert layer.malformed == "expected an EAP message of at least 4 octets at offset 4 of the payload, found 0"
    assert layer.text == ""
    assert showing([payload_record(layer)]) == "EAP"


def test_names_of_vendors_and_notification_data_are_shown() -> None:
    windows = bytes.fromhex("fb1de3cdf341b7ea16b7e5be0855f120")
    sent = IKEv2() / IKEv2_VendorID(vendorID=windows) / IKEv2_Notify(type=41041, notify="0121")
    first, second = (payload_record(layer) for layer in parse_payloads(43, bytes(sent)[28:]))
    assert first["vendor"] == "MS-Negotiation Discovery Capable"
    assert (second["notify_type"], second["notify"]) == ("BACKOFF_TIMER", {"size": 1, "timer": 0x21, "text": "1 hour"})
    assert showing([first, second]) == "V(MS-Negotiation Discovery Capable), N(BACKOFF_TIMER 1 hour)"


def test_names_of_a_client_with_3gpp_access() -> None:
    (record,) = dissect(shared("cases/C08-3gpp-names/3gpp.pcap"), KeyLog())
    assert showing(record["payloads"]) == (
        "V(Cisco Delete Reason), N(NO_APN_SUBSCRIPTION), N(BACKOFF_TIMER 1 hour), CP, EAP"
    )
    assert {"type": "INTERNAL_IP4_SERVER", "value": "10.0.0.1"} in record["payloads"][3]["attributes"]


def test_names_of_a_windows_client() -> None:
    (record,) = dissect(shared("cases/C07-vendor-ids/msvid.pcap"), KeyLog())
    assert [payload["vendor"] for payload in record["payloads"]] == [
        "MS-Negotiation Discovery Capable", "Vid-Initial-Contact", "IKE CGA version 1",
        "MS NT5 ISAKMPOAKLEY, version 9", "FRAGMENTATION", "MS-MamieExists",
    ]  # fmt: skip
