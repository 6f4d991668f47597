# SPDX-License-Identifier: GPL-2.0-or-later
"""Malformed octets: no exception, no octet is lost, and the fault is reported."""

from __future__ import annotations

import functools

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from scapy.layers.inet import IP, UDP
from scapy.packet import Packet

from fynx_scapy.layers import ikev2
from fynx_scapy.layers.esp import inner_packet, opened_esp
from fynx_scapy.layers.ikev2 import (
    PAYLOADS,
    IKEv2,
    IKEv2_Malformed,
    build_message,
    build_payloads,
    errors,
    opened,
    parse_message,
    parse_payloads,
)
from fynx_scapy.layers.ikev2.attribute import Attribute
from fynx_scapy.layers.ikev2.structure import Structure
from fynx_scapy.text import counted
from tests.examples import examples
from tests.layers.packets import clear_cache, messages, sa_init

STRUCTURES = [
    cls for name in ikev2.__all__ if isinstance(cls := getattr(ikev2, name), type) and issubclass(cls, Structure)
]


@functools.cache
def real_messages() -> list[bytes]:
    return sorted({octets for _, _, octets in messages("lab")})[::7]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(st.sampled_from(real_messages())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(octets)))
        match draw(st.integers(0, 3)):
            case 0:
                octets[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                octets[at:at] = draw(st.binary(max_size=6))
            case 2:
                del octets[at : at + draw(st.integers(1, 8))]
            case 3:
                octets[at : at + 2] = draw(st.sampled_from([b"\0\0", b"\xff\xff", b"\0\4", b"\0\7", b"\x2e\0"]))
    return bytes(octets)


def assert_kept(packet: Packet, octets: bytes) -> None:
    assert clear_cache(packet.copy()).do_build() == octets
    errors(packet)
    packet.summary()


@given(mutated())
@settings(max_examples=examples(150))
def test_mutated_messages(octets: bytes) -> None:
    if not octets:
        return
    packet = IKEv2(octets)
    if isinstance(packet, (IKEv2, IKEv2_Malformed)):  # else the version says IKEv1
        assert_kept(packet, octets)
        packet.show(dump=True)
    if len(octets) >= 28:
        header, payloads = parse_message(octets)
        assert build_message(header, payloads) == octets


@given(st.binary(max_size=120))
def test_any_octets_as_a_datagram(octets: bytes) -> None:
    datagram = bytes(IP() / UDP(sport=500, dport=500) / octets)
    assert bytes(IP(datagram)) == datagram
    if octets and not 0 < len(octets) <= 4:
        marked = bytes(IP() / UDP(sport=4500, dport=4500) / (bytes(4) + octets))
        assert bytes(IP(marked)) == marked


@given(st.sampled_from([*sorted(PAYLOADS), 1, 200]), st.binary(max_size=80))
@settings(max_examples=examples(300))
def test_any_octets_as_a_payload(kind: int, body: bytes) -> None:
    octets = bytes(2) + (4 + len(body)).to_bytes(2) + body
    layers = parse_payloads(kind, octets)
    assert len(layers) == 1
    assert layers[0].payload_type == kind
    assert build_payloads(layers) == octets
    assert_kept(layers[0], octets)


@given(st.sampled_from(STRUCTURES), st.binary(min_size=1, max_size=60))
@settings(max_examples=examples(300))
def test_any_octets_as_any_structure(cls: type[Structure], octets: bytes) -> None:
    layer = cls(octets)
    assert layer.build() == octets
    layer.show(dump=True)
    if isinstance(layer, IKEv2_Malformed):
        assert layer.malformed


@given(st.binary(min_size=1, max_size=60), st.integers(0, 60))
def test_any_octets_as_content(plaintext: bytes, kind: int) -> None:
    from tests.layers.test_encrypted import sealed

    octets = sealed(plaintext, next_payload=kind)
    assert opened(octets, plaintext, 8, 16).do_build() == octets
    if len(plaintext) > 1:
        packet = bytes(8) + b"i" * 8 + plaintext + b"c" * 16
        assert opened_esp(packet, plaintext, 8, 16).build() == packet
    inner_packet(kind, plaintext)


def test_a_malformed_payload_in_the_middle_leaves_the_others() -> None:
    octets = bytearray(bytes(sa_init()))
    # The first transform attribute says 64 KiB.
    at = octets.index(b"\x80\x0e\x01\x00")
    octets[at : at + 4] = b"\x00\x0e\xff\xff"
    packet = IKEv2(bytes(octets))
    wrong = packet[IKEv2_Malformed]
    assert wrong.payload_type == 33
    assert wrong.error == f"IKEv2 Transform Attribute: length 65535, but 0 octets left at offset {at + 2}"
    assert ikev2.IKEv2_KE in packet
    assert ikev2.IKEv2_Nonce in packet
    assert bytes(packet) == octets
    assert wrong.error in packet.show(dump=True)
    assert "malformed" in packet.summary()


@pytest.mark.parametrize("excess", [1, 4, 40])
def test_octets_behind_the_message_are_said(excess: int) -> None:
    octets = bytes(sa_init()) + b"x" * excess
    packet = IKEv2(octets)
    assert errors(packet) == [
        f"{counted(excess, 'octet')} after the end of the message at offset {len(octets) - excess}"
    ]
    assert bytes(packet) == octets


def test_a_length_that_is_too_large_is_said() -> None:
    octets = bytes(sa_init())
    packet = IKEv2(octets[:24] + b"\xff" * 4 + octets[28:])
    assert packet.malformed == f"length 4294967295, but {len(octets)} octets, at offset 24"
    assert ikev2.IKEv2_Nonce in packet


def test_one_structure_read_alone() -> None:
    assert (
        ikev2.IKEv2_KE(b"\0\0").malformed
        == "IKEv2 Key Exchange: 2 octets left, too few for its length field at offset 0"
    )
    wrong = ikev2.IKEv2_KE(b"\0\0\0\5x")
    assert (type(wrong), wrong.payload_type, bytes(wrong)) == (IKEv2_Malformed, 34, b"\0\0\0\5x")
    proposal = bytes(ikev2.IKEv2_Proposal())
    assert bytes(ikev2.IKEv2_Proposal(proposal + b"behind")) == proposal + b"behind"


ATTRIBUTES = [cls for cls in STRUCTURES if issubclass(cls, Attribute)] + [ikev2.IKEv2_TransformAttribute]


@pytest.mark.parametrize("cls", ATTRIBUTES)
@pytest.mark.parametrize("kind", [1, 2, 4, 14])
def test_no_attribute_is_too_large_to_be_shown(cls: type[Attribute], kind: int) -> None:
    """Python refuses to write out numbers of more than 4,300 digits, which are 1,786 octets."""
    layer = cls(kind.to_bytes(2) + (1800).to_bytes(2) + b"\xff" * 1800)
    assert layer.malformed is None
    assert "ff" in layer.show(dump=True)
    for text in (layer.summary(), repr(layer), layer.command()):
        assert text


@pytest.mark.parametrize("value", [b"", b"\x80", b"\0\0\1\0", b"\xff" * 1800], ids=len)
def test_a_key_length_is_two_octets(value: bytes) -> None:
    """RFC 7296 section 3.3.5."""
    attributes = [ikev2.IKEv2_TransformAttribute(AF=0, type=14, value=value)]
    transform = ikev2.IKEv2_Transform(bytes(ikev2.IKEv2_Transform(transform_id=20, attributes=attributes)))
    assert transform.key_length is None
    assert transform.mysummary().endswith("/?")
    assert transform.attributes[0].value == value


def test_no_object_identifier_is_too_large_to_be_shown() -> None:
    """A name with a type of 2,100 septets: shown as its octets."""
    oid = b"\x06" + b"\x82" + (2100).to_bytes(2) + b"\x2a" + b"\xff" * 2098 + b"\x01"
    pair = b"\x30\x82" + (len(oid) + 3).to_bytes(2) + oid + b"\x0c\x01x"
    rdn = b"\x31\x82" + len(pair).to_bytes(2) + pair
    layer = ikev2.IKEv2_IDi(bytes(ikev2.IKEv2_IDi(IDtype=9, ID=b"\x30\x82" + len(rdn).to_bytes(2) + rdn)))
    assert layer.text == layer.data.hex()
    assert layer.text in layer.show(dump=True)
