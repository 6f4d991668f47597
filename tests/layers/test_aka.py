# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA, EAP-AKA' and EAP-SIM as layers (RFC 4187 sections 8 and 10, RFC 9048 section 3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.eap import EAP

from fynx_scapy.layers.ikev2 import IKEv2_EAP
from fynx_scapy.layers.ikev2.eap import EAP_AKA, EAP_SIM, EAP_AKA_Prime, EAP_Malformed, aka
from fynx_scapy.layers.ikev2.eap.aka import AKA_Attribute
from fynx_scapy.layers.ikev2.records import faults, payload_record

KINDS = (EAP_AKA, EAP_AKA_Prime, EAP_SIM)


@pytest.mark.parametrize(
    ("attribute", "octets"),
    [
        (aka.AT_RAND(value=b"r" * 16), "01050000" + "72" * 16),
        (aka.AT_RES(value=b"12345"), "03030028" + "3132333435" + "000000"),
        (aka.AT_AUTS(value=b"s" * 14), "0404" + "73" * 14),
        (aka.AT_IDENTITY(value="0carol"), "0e0300063063" + "61726f6c" + "0000"),
        (aka.AT_NOTIFICATION(number=16384), "0c014000"),
        (aka.AT_PERMANENT_ID_REQ(), "0a010000"),
        (aka.AT_KDF_INPUT(value="WLAN"), "17020004574c414e"),
        (aka.AT_KDF(), "18010001"),
        (aka.AT_CHECKCODE(value=b"c" * 20), "86060000" + "63" * 20),
        (aka.AT_BIDDING(number=0x8000), "88018000"),
        (AKA_Attribute(type=200, value=b"xy"), "c8017879"),
    ],
)
def test_attributes(attribute: AKA_Attribute, octets: str) -> None:
    assert bytes(attribute).hex() == octets
    read = EAP(bytes(EAP_AKA(attributes=[attribute]))).attributes[0]
    assert type(read) is type(attribute)
    assert bytes(read).hex() == octets


def test_a_packet_in_a_payload() -> None:
    packet = EAP_AKA_Prime(code=1, id=7, subtype="Challenge", attributes=[aka.AT_RAND(value=b"r" * 16), aka.AT_KDF()])
    payload = IKEv2_EAP(bytes(IKEv2_EAP(eap=packet)))
    assert payload.text == "request AKA' Challenge"
    assert payload.eap[aka.AT_RAND].value == b"r" * 16
    assert payload.eap[aka.AT_KDF].number == 1
    assert not list(faults(payload))
    found: Any = payload_record(payload)["eap"]
    assert found["attributes"][0]["value"] == "72" * 16


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ("0100", "expected at least 4 octets, found 2"),
        ("01000000", "AT_RAND: expected a length of at least 1, found 0"),
        ("01050000", "AT_RAND: length 20, but 4 octets left"),
        ("0b020000" + "00" * 4, "AT_MAC: value of 16 octets, 4 left"),
        ("0c02400000000000", "AT_NOTIFICATION: 4 octets too many"),
        ("0302ffff01020304", "AT_RES: value of 8192 octets, 4 left"),
        ("0e02000561626364", "AT_IDENTITY: value of 5 octets, 4 left"),
    ],
)
def test_lengths_that_lie(attributes: str, wanted: str) -> None:
    body = b"\x17\x01\0\0" + bytes.fromhex(attributes)
    octets = b"\x01\x05" + (4 + len(body)).to_bytes(2) + body
    packet = EAP(octets)
    assert isinstance(packet, EAP_Malformed)
    assert wanted in packet.malformed
    assert bytes(packet) == octets


@given(st.sampled_from(KINDS), st.sampled_from([1, 2]), st.binary(max_size=80))
def test_any_octets(kind: type[EAP], code: int, body: bytes) -> None:
    octets = bytes([code, 1]) + (5 + len(body)).to_bytes(2) + bytes([kind().type]) + body
    packet = EAP(octets)
    assert isinstance(packet, kind | EAP_Malformed)
    assert bytes(packet) == octets
    packet.show(dump=True)


@given(st.sampled_from(KINDS), st.lists(st.sampled_from(sorted(aka.CLASSES)), max_size=6), st.data())
def test_any_attributes(kind: type[EAP], types: list[int], data: st.DataObject) -> None:
    made = []
    for each in types:
        cls = aka.CLASSES[each]
        fields: dict[str, Any] = {}
        if issubclass(cls, aka._Sized):
            fields["value"] = data.draw(st.binary(max_size=30))
        elif "number" in cls._names:
            fields["number"] = data.draw(st.integers(0, 0xFFFF))
        made.append(cls(**fields))
    packet = kind(code=1, id=1, attributes=made)
    read = EAP(bytes(packet))
    assert type(read) is kind
    assert [(each.type, bytes(each)) for each in read.attributes] == [(each.type, bytes(each)) for each in made]
