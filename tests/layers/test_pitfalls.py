# SPDX-License-Identifier: GPL-2.0-or-later
"""One test for each fault of Scapy's own IKEv2 layer, which ours does not have."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import NAT_KEEPALIVE, NON_ESP
from scapy.packet import Raw

from fynx_scapy import iana
from fynx_scapy.layers.esp import ESP
from fynx_scapy.layers.ikev2 import (
    STRUCTURES,
    ConfigurationAttribute,
    GroupKeyBag,
    GsaPolicy,
    IKEv2,
    IKEv2_CP,
    IKEv2_Decrypted,
    IKEv2_Delete,
    IKEv2_EAP,
    IKEv2_GSA,
    IKEv2_IDi,
    IKEv2_KD,
    IKEv2_KE,
    IKEv2_Malformed,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_PS,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TransformAttribute,
    IKEv2_TSi,
    IPv6TrafficSelector,
    Notify_RedirectedFrom,
    build_message,
    errors,
    parse_message,
    scan_request,
    unchain,
)
from fynx_scapy.layers.ikev2.payload import PAYLOADS
from tests.layers.packets import sa_init

# -- building ----------------------------------------------------------------------------------------------------------


def test_key_length_is_sent() -> None:
    octets = bytes(IKEv2_Transform(transform_type="ENCR", transform_id="ENCR_AES_CBC", key_length=256))
    assert octets.hex() == "0000000c0100000c800e0100"


@pytest.mark.parametrize("number", [0, 1, 3])
def test_number_of_transforms_is_computed(number: int) -> None:
    octets = bytes(IKEv2_Proposal(trans=[IKEv2_Transform()] * number))
    assert octets[7] == number
    assert bytes(IKEv2_Proposal(trans_nb=9, trans=[IKEv2_Transform()] * number))[7] == 9


@pytest.mark.parametrize("number", [0, 1, 2])
def test_number_of_spis_is_computed(number: int) -> None:
    octets = bytes(IKEv2_Delete(proto="ESP", SPI=[b"abcd"] * number))
    assert octets[4:8] == bytes((3, 4 if number else 0, 0, number))
    assert octets[8:] == b"abcd" * number


def test_length_of_an_ipv6_selector() -> None:
    octets = bytes(IPv6TrafficSelector())
    assert len(octets) == 40
    assert octets[2:4] == bytes((0, 40))


def test_configuration_address_is_sent_as_address() -> None:
    octets = bytes(ConfigurationAttribute(type="INTERNAL_IP4_ADDRESS", value="10.0.0.1"))
    assert octets.hex() == "000100040a000001"


@pytest.mark.parametrize("ip", [IP, IPv6])
@pytest.mark.parametrize("ports", [{"dport": 4500}, {"sport": 4500}, {"sport": 4500, "dport": 4500}])
def test_port_4500_has_the_marker(ip: type, ports: dict[str, int]) -> None:
    packet = ip() / UDP(**ports) / sa_init()
    assert NON_ESP in packet
    octets = bytes(packet[UDP])
    assert octets[8:12] == bytes(4)
    assert octets[12:] == bytes(sa_init())
    assert int.from_bytes(octets[4:6]) == len(octets)
    seen = ip(bytes(packet))
    assert NON_ESP in seen
    assert seen[IKEv2].init_SPI == bytes(range(1, 9))
    assert bytes(seen) == bytes(packet)


@pytest.mark.parametrize("ports", [(4500, 500), (500, 4500)])
@pytest.mark.parametrize("marker", [b"", bytes(4)])
def test_between_500_and_4500_the_octets_tell_whether_there_is_a_marker(ports: tuple[int, int], marker: bytes) -> None:
    """A NAT may have turned one of them into the other (RFC 7296 section 2.23)."""
    octets = bytes(IP() / UDP(sport=ports[0], dport=ports[1]) / Raw(marker + bytes(sa_init())))
    seen = IP(octets)
    assert (NON_ESP in seen) == bool(marker)
    assert seen[IKEv2].init_SPI == bytes(range(1, 9))
    assert bytes(seen) == bytes(seen.copy()) == octets


def test_marker_follows_a_port_that_is_set_later() -> None:
    packet = UDP() / sa_init()
    assert NON_ESP not in packet
    packet.dport = 4500
    assert bytes(packet)[8:12] == bytes(4)
    assert NON_ESP in UDP(bytes(packet))


def test_marker_is_not_doubled() -> None:
    assert bytes(UDP(dport=4500) / NON_ESP() / sa_init())[8:] == bytes(4) + bytes(sa_init())
    assert bytes((UDP(dport=4500) / sa_init()).copy())[8:] == bytes(4) + bytes(sa_init())


def test_a_second_proposal_is_an_element_of_a_list() -> None:
    payload = IKEv2_SA(
        prop=[
            IKEv2_Proposal(proposal=1, trans=[IKEv2_Transform(), IKEv2_Transform()]),
            IKEv2_Proposal(proposal=2, trans=[IKEv2_Transform()]),
        ]
    )
    first, second = IKEv2_SA(bytes(payload)).prop
    assert (first.next_payload, second.next_payload) == (2, 0)
    assert [transform.next_payload for transform in first.trans] == [3, 0]
    assert [transform.next_payload for transform in second.trans] == [0]


def test_encrypted_payload_opens_to_layers() -> None:
    # The view itself is tested in test_encrypted.py.
    inner = IKEv2_Decrypted(iv=b"i" * 8, icv=b"c" * 16) / IKEv2_Nonce(nonce=b"n" * 16)
    assert IKEv2_Nonce in IKEv2() / inner


def test_scan_request_is_complete() -> None:
    request = scan_request("192.0.2.1")
    assert request[IP].dst == "192.0.2.1"
    assert len(request[IKEv2_KE].ke) == 32
    assert len(request[IKEv2_Nonce].nonce) == 32
    assert len(request[IKEv2_SA].prop) == 2
    assert bytes(request) == bytes(request)
    header, payloads = parse_message(bytes(request[IKEv2]))
    assert header.init_SPI != bytes(8)
    assert not any(layer.malformed for layer in payloads)
    assert scan_request("2001:db8::1")[IPv6].dst == "2001:db8::1"
    assert scan_request("192.0.2.1")[IKEv2].init_SPI != request[IKEv2].init_SPI


def test_a_list_of_layers_is_built_and_read_fast() -> None:
    """Stock Scapy: 2.4 ms to construct and build, 0.44 ms to dissect. Ours takes a tenth; this is the order of it."""

    def best(action: object, times: int = 20) -> float:
        took = []
        for _ in range(times):
            begin = time.perf_counter()
            action()  # type: ignore[operator]
            took.append(time.perf_counter() - begin)
        return min(took)

    header, payloads = unchain(sa_init())
    octets = build_message(header, payloads)
    assert best(lambda: build_message(header, payloads)) < 0.45e-3 * 3
    assert best(lambda: parse_message(octets)) < 0.2e-3 * 3


def test_alternatives_and_random_values_still_expand() -> None:
    packet = IKEv2() / IKEv2_KE(group=[14, 19])
    assert [int.from_bytes(bytes(one)[32:34]) for one in packet] == [14, 19]
    assert bytes(packet)[32:34] == bytes((0, 14))
    assert build_message(IKEv2(), [IKEv2_KE(group=[14, 19])])[32:34] == bytes((0, 14))


def test_building_changes_nothing() -> None:
    packet = sa_init()
    before = packet.command()
    assert bytes(packet) == bytes(packet)
    build_message(*unchain(packet))
    assert packet.command() == before


# -- dissecting --------------------------------------------------------------------------------------------------------


def test_any_number_of_transform_attributes() -> None:
    attributes = [
        IKEv2_TransformAttribute(type="Key_Length", value=256),
        IKEv2_TransformAttribute(type=99, value=b"some octets"),
        IKEv2_TransformAttribute(type=100, AF=0, value=7),
    ]
    octets = bytes(IKEv2_SA(prop=[IKEv2_Proposal(trans=[IKEv2_Transform(attributes=attributes), IKEv2_Transform()])]))
    payload = IKEv2_SA(octets)
    first, second = payload.prop[0].trans
    assert first.key_length == 256
    assert [attribute.type for attribute in first.attributes] == [14, 99, 100]
    assert first.attributes[1].value == b"some octets"
    assert second.attributes == []
    assert Raw not in payload
    assert bytes(payload) == octets


@pytest.mark.parametrize("length", [0, 1, 3])
def test_a_payload_length_below_its_header_is_said(length: int) -> None:
    octets = bytearray(bytes(sa_init()))
    octets[30:32] = length.to_bytes(2)
    packet = IKEv2(bytes(octets))
    assert packet.payload.payload_type == iana.PayloadType.SA
    assert f"length {length} is less than its header at offset 30" in packet[IKEv2_Malformed].error
    assert bytes(packet) == octets


def test_truncated_input_is_said_at_every_cut() -> None:
    octets = bytes(sa_init())
    for size in range(1, len(octets)):
        packet = IKEv2(octets[:size])
        assert errors(packet), size
        assert packet.do_build() == octets[:size]


def test_answers_pairs_exactly() -> None:
    request = IKEv2(init_SPI="11" * 8, exch_type="IKE_SA_INIT", flags="Initiator", id=0)
    response = IKEv2(init_SPI="11" * 8, resp_SPI="22" * 8, exch_type="IKE_SA_INIT", flags="Response", id=0)
    assert response.answers(request)
    assert not request.answers(request)
    assert not response.answers(response)
    for wrong in (
        {"init_SPI": "33" * 8},
        {"exch_type": "IKE_AUTH"},
        {"id": 1},
        {"flags": 0},
    ):
        other = response.copy()
        for name, value in wrong.items():
            setattr(other, name, value)
        assert not other.answers(request), wrong
    later = request.copy()
    later.exch_type, later.resp_SPI = "IKE_AUTH", "22" * 8
    answer = response.copy()
    answer.exch_type = "IKE_AUTH"
    assert answer.answers(later)
    answer.resp_SPI = "33" * 8
    assert not answer.answers(later)
    assert not answer.answers(Raw(b"x"))


def test_hashret_is_equal_for_request_and_response() -> None:
    request = IKEv2(init_SPI="11" * 8, exch_type="IKE_SA_INIT", flags="Initiator")
    response = IKEv2(init_SPI="11" * 8, resp_SPI="22" * 8, exch_type="IKE_SA_INIT", flags="Response")
    assert request.hashret() == response.hashret()
    for packet in (request, response):
        packet.exch_type = "IKE_AUTH"
    assert request.hashret() != response.hashret()
    request.resp_SPI = "22" * 8
    assert request.hashret() == response.hashret()
    response.id = 1
    assert request.hashret() != response.hashret()


@pytest.mark.parametrize("port", [500, 4500])
def test_request_and_response_pair_through_ip_and_udp(port: int) -> None:
    request = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=port, dport=port) / sa_init()
    answer = IKEv2(init_SPI="0102030405060708", resp_SPI="22" * 8, exch_type=34, flags="Response")
    response = IP(bytes(IP(src="192.0.2.2", dst="192.0.2.1") / UDP(sport=port, dport=port) / answer))
    assert response.answers(request)
    assert response.hashret() == request.hashret()


@pytest.mark.parametrize("kind", [1, 2, 3, 5, 9, 10, 11, 12, 13])
def test_every_id_type_has_its_name(kind: int) -> None:
    octets = bytes(IKEv2_IDi(IDtype=kind, ID=b"abcd"))
    layer = IKEv2_IDi(octets)
    assert iana.IdType(kind).name in layer.show(dump=True)
    assert bytes(layer) == octets


def test_notify_data_has_structure() -> None:
    for kind, structure in STRUCTURES.items():
        gateway: dict[str, Any] = {"gw_id": "192.0.2.1"} if issubclass(structure, Notify_RedirectedFrom) else {}
        octets = bytes(IKEv2_Notify(type=kind, notify=structure(**gateway)))
        layer = IKEv2_Notify(octets)
        assert bytes(layer) == octets
        if len(octets) > 8 and len(octets) - 8 >= structure.least:
            assert isinstance(layer.notify, structure), kind


def test_eap_gsa_kd_and_ps_have_layers() -> None:
    assert IKEv2_EAP(bytes(IKEv2_EAP(eap=b"\x01\x01\x00\x05\x01"))).eap.code == 1
    assert isinstance(IKEv2_GSA(bytes(IKEv2_GSA(policies=[GsaPolicy(SPI=b"abcd")]))).policies[0], GsaPolicy)
    assert isinstance(IKEv2_KD(bytes(IKEv2_KD(key_bags=[GroupKeyBag(SPI=b"abcd")]))).key_bags[0], GroupKeyBag)
    assert IKEv2_PS(bytes(IKEv2_PS(load=b"aabbccdd"))).solutions == [b"aa", b"bb", b"cc", b"dd"]


@pytest.mark.parametrize(
    ("registry", "numbers"),
    [
        (iana.ExchangeType, [39, 40, 41, 44]),
        (iana.TransformType, range(6, 15)),
        (iana.KeMethod, [35, 36, 37]),
        (iana.Encr, [11, 21, 29, 30, 31]),
        (iana.NotifyType, [48, 49, 16443, 16444, 16445, 16446]),
        (iana.TsType, [10]),
        (iana.CertEncoding, [14, 15]),
        (iana.CpAttribute, [27, 28, 29]),
    ],
)
def test_registries_reach_to_their_end(registry: type[iana.IanaRegistry], numbers: list[int]) -> None:
    assert {iana.name_of(registry, number).startswith("UNKNOWN") for number in numbers} == {False}


def test_transform_types_show_the_names_of_their_transforms() -> None:
    shown = IKEv2_Transform(transform_type="ADDKE1", transform_id="ML_KEM_768").show(dump=True)
    assert "ADDKE1" in shown
    assert "ML_KEM_768" in shown


def test_every_payload_type_has_a_layer() -> None:
    assert set(PAYLOADS) == set(range(33, 55))


# -- what users asked for ----------------------------------------------------------------------------------------------


def test_hex_keys() -> None:
    assert IKEv2_KE(ke="0x0102 03:04").ke == bytes((1, 2, 3, 4))
    assert IKEv2_Nonce(nonce="00ff" * 8).nonce == b"\x00\xff" * 8


def test_selectors_are_counted() -> None:
    octets = bytes(IKEv2_TSi(traffic_selector=[IPv6TrafficSelector(), IPv6TrafficSelector()]))
    assert octets[4] == 2
    assert IKEv2_CP(bytes(IKEv2_CP(attributes=[ConfigurationAttribute()] * 2))).attributes[1].type == 1


@pytest.mark.parametrize("ip", [IP, IPv6])
def test_nat_traversal_over_both_families(ip: type) -> None:
    esp = ip(bytes(ip() / UDP(sport=4500, dport=4500) / ESP(spi=0x01020304, seq=7, data=b"x" * 32)))
    assert (esp[ESP].spi, esp[ESP].seq) == (0x01020304, 7)
    keepalive = ip(bytes(ip() / UDP(sport=4500, dport=4500) / Raw(b"\xff")))
    assert NAT_KEEPALIVE in keepalive
    assert ESP in ip(bytes(ip() / ESP(spi=1, seq=1, data=b"x" * 16)))


def test_a_pickled_layer_is_the_same_layer() -> None:
    # Scapy would build it and dissect it, which makes another layer of what is wrong.
    proposal = IKEv2_Proposal(trans=[IKEv2_Transform(length=3)], trans_nb=9)
    layer = IKEv2_SA(prop=[proposal, b"octets"], length=5) / IKEv2_Nonce(nonce=b"n" * 16)
    copy = pickle.loads(pickle.dumps(layer))
    assert copy.command() == layer.command()
    assert bytes(copy) == bytes(layer)
    assert copy.payload.underlayer is copy
    wrong = IKEv2_Nonce(bytes(3))
    assert pickle.loads(pickle.dumps(wrong)).malformed == wrong.malformed
