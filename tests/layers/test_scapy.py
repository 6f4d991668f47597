# SPDX-License-Identifier: GPL-2.0-or-later
"""The layers behave as users of Scapy expect: names, lists, alternatives, tools, load orders."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys

import pytest
from scapy.config import conf
from scapy.fields import RawVal
from scapy.layers.inet import IP, UDP
from scapy.layers.isakmp import ISAKMP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw, explore, fuzz, ls
from scapy.utils import rdpcap, wrpcap

from fynx_scapy.errors import ConfigError
from fynx_scapy.layers.esp import ESP
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_AUTH,
    IKEv2_CERTREQ,
    IKEv2_IDi,
    IKEv2_KE,
    IKEv2_Malformed,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Payload,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TransformAttribute,
    IKEv2_TSi,
    IPv4TrafficSelector,
    build_message,
    build_payloads,
    chain,
    first_type,
    parse_payloads,
    unchain,
)
from fynx_scapy.layers.ikev2.payload import MAXIMUM_PAYLOADS, PAYLOADS
from fynx_scapy.layers.ikev2.structure import Structure
from tests.layers.packets import sa_init

# -- values ------------------------------------------------------------------------------------------------------------


def test_explicit_values_win() -> None:
    packet = (
        IKEv2(next_payload=7, length=5, version=0x31, init_SPI=b"abc")
        / IKEv2_SA(next_payload=9, length=3, prop=IKEv2_Proposal(next_payload=4, length=1, trans_nb=8, SPIsize=2))
        / IKEv2_Nonce(length=0xFFFF)
    )
    octets = bytes(packet)
    assert octets[:8] == b"abc" + bytes(5)
    assert (octets[16], octets[17], octets[24:28]) == (7, 0x31, b"\0\0\0\5")
    assert octets[28:32] == b"\x09\0\0\x03"
    assert octets[32:40] == b"\x04\0\0\x01\x01\x01\x02\x08"
    assert octets[40:44] == b"\0\0\xff\xff"


def test_raw_values_are_put_in_as_they_are() -> None:
    octets = bytes(IKEv2_KE(group=RawVal(b"\1\2\3"), ke=RawVal(b"abc")))
    assert octets == b"\0\0\0\x0b" + b"\1\2\3" + b"\0\0" + b"abc"


def test_a_value_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match=r"IKEv2_KE.group=65536 cannot be sent"):
        bytes(IKEv2_KE(group=65536))


def test_names_and_numbers_serve() -> None:
    assert IKEv2(exch_type="IKE_AUTH").exch_type == IKEv2(exch_type=35).exch_type == 35
    assert IKEv2_Notify(type="COOKIE").type == 16390
    assert IKEv2_Payload(payload_type="SK").payload_type == 46
    assert IKEv2_SA(next_payload="Notify").next_payload == 41  # Scapy's name
    packet = IKEv2()
    packet.exch_type = "INFORMATIONAL"
    assert packet.exch_type == 37
    assert IKEv2(flags="Initiator+Response").flags == 0x28


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (lambda: IKEv2(exch_type="IKE_SA_INT"), "IKE_SA_INIT"),
        (lambda: IKEv2_Notify(type="NO_PROPOSAL_CHOOSEN"), "NO_PROPOSAL_CHOSEN"),
        (lambda: IKEv2_Transform(transform_type="ENCR", transform_id="ENCR_AES_GCM16"), "ENCR_AES_GCM_16"),
        (lambda: IKEv2_KE(group="CURVE25518"), "CURVE25519"),
        (lambda: IKEv2(flags="Initator"), "Initiator"),
        (lambda: IKEv2_AUTH(auth_type="Digital Signatur"), "Digital_Signature"),
    ],
)
def test_a_wrong_name_suggests_the_nearest(make: object, nearest: str) -> None:
    with pytest.raises(ConfigError, match=nearest):
        make()  # type: ignore[operator]


def test_a_transform_name_needs_its_type() -> None:
    with pytest.raises(ConfigError, match="transform_type"):
        IKEv2_Transform(transform_type=99, transform_id="ENCR_AES_CBC")


@pytest.mark.parametrize("make", [lambda: IKEv2_KE(ke="no hex"), lambda: IKEv2_Nonce(nonce=7)])
def test_octets_are_bytes_or_hex(make: object) -> None:
    with pytest.raises(ConfigError, match="bytes or hexadecimal digits"):
        make()  # type: ignore[operator]


def test_an_spi_that_is_too_long() -> None:
    with pytest.raises(ConfigError, match=r"at most 8 octets for .*, found 9"):
        IKEv2(init_SPI=bytes(9))


def test_an_unknown_field() -> None:
    with pytest.raises(AttributeError, match="nonse"):
        IKEv2_Nonce(nonse=b"x")


def test_defaults_are_not_shared() -> None:
    IKEv2_SA().prop.append(IKEv2_Proposal())
    assert IKEv2_SA().prop == []


def test_flags_can_be_changed_in_place() -> None:
    packet = IKEv2(bytes(IKEv2()))
    packet.flags.Response = True
    assert bytes(packet)[19] == 0x20


def test_a_change_in_a_list_is_sent() -> None:
    packet = IKEv2(bytes(sa_init()))
    packet[IKEv2_Transform].key_length = 128
    packet[IKEv2_SA].prop[0].trans.pop()
    packet[IKEv2_SA].prop[0].length = packet[IKEv2_SA].prop[0].trans_nb = packet[IKEv2_SA].length = None
    packet[IKEv2_SA].prop[0].trans[-1].next_payload = packet.length = None
    again = IKEv2(bytes(packet))
    assert [transform.transform_type for transform in again[IKEv2_SA].prop[0].trans] == [1, 2]
    assert again[IKEv2_Transform].key_length == 128


@pytest.mark.parametrize("value", [128, 256])
def test_key_length_can_be_read_and_set(value: int) -> None:
    transform = IKEv2_Transform(attributes=[IKEv2_TransformAttribute(type=99, value=1)])
    assert transform.key_length is None
    transform.key_length = value
    assert transform.key_length == value
    assert [attribute.type for attribute in transform.attributes] == [14, 99]
    transform.key_length = None
    assert [attribute.type for attribute in transform.attributes] == [99]
    assert IKEv2_Transform(bytes(IKEv2_Transform(key_length=value))).key_length == value


def test_lists_take_bytes_and_chains() -> None:
    transforms = IKEv2_Transform(transform_type="PRF", transform_id=5) / IKEv2_Transform(transform_type="KE")
    proposal = IKEv2_Proposal(trans=transforms)
    assert len(proposal.trans) == 2
    assert bytes(proposal)[7] == 2
    assert bytes(IKEv2_SA(prop=bytes(proposal))) == bytes(IKEv2_SA(prop=[proposal]))


def test_a_field_does_not_hide_an_attribute() -> None:
    """A field that is called like a method or slot could not be read."""

    def below(cls: type[Structure]) -> list[type[Structure]]:
        return [cls, *(one for sub in cls.__subclasses__() for one in below(sub))]

    for cls in below(Structure):
        for field in cls.fields_desc:
            assert not [base for base in cls.__mro__ if field.name in base.__dict__], (cls, field.name)


def test_a_slot_that_scapy_sets_to_none_is_none_until_it_is_set() -> None:
    """Ours stay empty: a template of values for all of them would take half of the time of making a layer."""

    def nothing(packet: Packet) -> set[str]:
        return {slot for slot in Packet.__slots__ if getattr(packet, slot, "") is None}

    fresh, read = IKEv2_Nonce(nonce=b"1"), parse_payloads(40, bytes(IKEv2_Nonce(nonce=b"1")))[0]
    assert nothing(fresh) == nothing(read) == nothing(Raw()) > {"parent", "sniffed_on", "wirelen"}
    fresh.sniffed_on = "eth0"
    assert fresh.sniffed_on == "eth0"
    assert (IKEv2() / fresh).nonce == b"1"
    with pytest.raises(AttributeError, match="nonsense"):
        fresh.nonsense  # noqa: B018 -- asking is the test


# -- chains and lists --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
def test_slash_sets_the_next_payload(kind: int) -> None:
    packet = IKEv2() / PAYLOADS[kind]()
    assert packet.next_payload == kind
    assert bytes(packet)[16] == kind
    assert type(IKEv2(bytes(packet)).payload) is PAYLOADS[kind]
    assert (IKEv2_Nonce() / PAYLOADS[kind]()).next_payload == kind


def test_an_unknown_payload_is_kept_byte_for_byte() -> None:
    packet = IKEv2() / IKEv2_Payload(payload_type=200, flags="critical", load="c0ffee") / IKEv2_Nonce(nonce=b"n")
    assert packet.next_payload == 200
    octets = bytes(packet)
    seen = IKEv2(octets)
    assert seen.payload.payload_type == 200
    assert seen.payload.critical
    assert seen.payload.load == bytes.fromhex("c0ffee")
    assert seen.payload.malformed is None
    assert IKEv2_Nonce in seen
    assert bytes(seen) == octets
    header, payloads = unchain(seen)
    assert first_type(payloads) == 200
    assert build_message(header, payloads) == octets


def test_list_and_chain_are_the_same_message() -> None:
    packet = sa_init()
    header, payloads = unchain(packet)
    assert [type(layer).__name__ for layer in payloads] == ["IKEv2_SA", "IKEv2_KE", "IKEv2_Nonce", "IKEv2_Notify"]
    assert not any(layer.payload for layer in payloads)
    assert packet[IKEv2_KE].payload  # the packet that was taken apart is whole
    assert build_message(header, payloads) == bytes(packet) == bytes(chain(header, payloads))
    assert build_payloads(payloads) == bytes(packet)[28:]
    assert build_payloads([packet.payload]) == bytes(packet)[28:]  # a chain as one element
    assert build_payloads([]) == b""
    assert build_payloads(payloads, last=99)[-8] == 99
    assert [type(layer) for layer in parse_payloads(33, build_payloads(payloads))] == [type(x) for x in payloads]


def test_a_message_of_very_many_payloads() -> None:
    many = MAXIMUM_PAYLOADS + 50
    octets = build_message(IKEv2(), [IKEv2_Nonce(nonce=b"n")] * many)
    packet = IKEv2(octets)
    assert packet.do_build() == octets
    assert packet.lastlayer().error == f"more than {MAXIMUM_PAYLOADS} payloads, at offset {28 + 5 * MAXIMUM_PAYLOADS}"
    assert IP() / UDP() / packet
    assert bytes(packet.copy()) == octets
    packet.show(dump=True)
    assert bytes(IP() / UDP() / packet).endswith(octets)


def test_layers_are_found_by_class_and_name() -> None:
    packet = Ether(bytes(Ether() / IP() / UDP() / sa_init()))
    assert IKEv2_KE in packet
    assert "IKEv2_KE" in packet
    assert packet[IKEv2_SA].prop[0].proto == 1
    assert packet[IKEv2_Transform].transform_id == 20
    assert IKEv2_AUTH not in packet


def test_a_capture_written_and_read(tmp_path: object) -> None:
    path = f"{tmp_path}/one.pcap"
    wrpcap(path, [Ether() / IP() / UDP() / sa_init(), Ether() / IP() / UDP(dport=4500) / sa_init()])
    for packet in rdpcap(path):
        assert IKEv2_KE in packet
        assert bytes(packet[IKEv2]) == bytes(sa_init())


# -- tools -------------------------------------------------------------------------------------------------------------


def test_show2_computes() -> None:
    shown = sa_init().show2(dump=True)
    for part in ("next_payload= KE", "trans_nb  = 3", "length    = 40", "value     = 256", "CURVE25519"):
        assert part in shown


def test_sprintf() -> None:
    packet = IKEv2(bytes(sa_init()))
    text = packet.sprintf("%IKEv2.exch_type% %IKEv2.flags% %IKEv2_KE.group% {IKEv2_SA:%IKEv2_SA.length%}")
    assert text == "IKE_SA_INIT Initiator CURVE25519 40"


def test_ls_and_explore(capsys: pytest.CaptureFixture[str]) -> None:
    for cls in [IKEv2, IKEv2_Malformed, IPv4TrafficSelector, *PAYLOADS.values()]:
        ls(cls)
        ls(cls, verbose=True)
    ls(sa_init())
    ls("IKEv2_SA")
    out = capsys.readouterr().out
    assert "prop" in out
    assert "IKEv2_SA " in out
    explore("scapy.layers.fynx_ikev2")
    assert "IKEv2_TSr" in capsys.readouterr().out
    explore("scapy.layers.fynx_esp")
    assert "ESP_Decrypted" in capsys.readouterr().out
    assert not [name for name in conf.layers.ldict if name.startswith("fynx_scapy.layers")]


def test_fuzz() -> None:
    packet = fuzz(IKEv2() / IKEv2_SA(prop=[IKEv2_Proposal(trans=[IKEv2_Transform()])]) / IKEv2_KE() / IKEv2_Notify())
    seen = {bytes(packet) for _ in range(20)}
    assert len(seen) == 20
    assert all(octets[16] == 33 for octets in seen)
    assert bytes(fuzz(IKEv2() / IKEv2_SA()))
    for cls in PAYLOADS.values():
        assert bytes(fuzz(cls()))
    # The class itself was not touched.
    assert bytes(IKEv2_KE()) == bytes.fromhex("0000000800000000")


def test_copies_are_equal_and_apart() -> None:
    packet = IKEv2(bytes(sa_init()))
    twin = packet.copy()
    assert twin == packet
    twin[IKEv2_SA].prop[0].trans.clear()
    assert len(packet[IKEv2_SA].prop[0].trans) == 3
    assert bytes(pickle.loads(pickle.dumps(packet))) == bytes(packet)


def test_command_of_a_made_packet() -> None:
    packet = sa_init() / IKEv2_Payload(payload_type=200, load=b"x") / IKEv2_Notify(type="COOKIE", notify=b"c")
    names = {cls.__name__: cls for cls in conf.layers}
    names |= {name: cls for name, cls in globals().items() if isinstance(cls, type)}
    assert bytes(eval(packet.command(), names)) == bytes(packet)


def test_repr_shows_what_people_read() -> None:
    assert "C=CH, O=Lab, CN=moon" in repr(IKEv2_IDi(ID="C=CH, O=Lab, CN=moon"))
    assert "CURVE25519" in repr(IKEv2_KE(group=31))
    assert "10.0.0.1" in repr(IKEv2_TSi(traffic_selector=[IPv4TrafficSelector(starting_address_v4="10.0.0.1")]))


def test_a_foreign_layer_in_a_list() -> None:
    assert build_payloads([IKEv2_Nonce(nonce=b"n"), Raw(b"tail")]) == b"\0\0\0\5n" + b"tail"


# -- what shares the ports ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", [500, 4500])
def test_ikev1_goes_to_isakmp(port: int) -> None:
    marker = bytes(4) if port == 4500 else b""
    octets = bytes(Ether() / IP() / UDP(sport=port, dport=port) / Raw(marker + bytes(ISAKMP(init_cookie=b"a" * 8))))
    packet = Ether(octets)
    assert ISAKMP in packet
    assert IKEv2 not in packet


def test_a_short_datagram_is_said() -> None:
    packet = Ether(bytes(Ether() / IP() / UDP(sport=500, dport=500) / Raw(b"short")))
    assert packet[IKEv2_Malformed].malformed == "expected an IKE header of 28 octets, found 5"
    assert bytes(packet)[-5:] == b"short"


def test_a_higher_major_version_is_read() -> None:
    assert IKEv2(bytes(IKEv2(version=0x30))).version == 0x30


LOAD_ORDERS = {
    "contrib first": "load_contrib('ikev2'); old = IKEv2; import fynx_scapy.layers.ikev2 as ours",
    "contrib last": "import fynx_scapy.layers.ikev2 as ours; load_contrib('ikev2'); old = IKEv2",
}


@pytest.mark.slow
@pytest.mark.parametrize("order", LOAD_ORDERS)
def test_loaded_beside_scapys_contrib_layer(order: str) -> None:
    program = f"""
from scapy.all import *
{LOAD_ORDERS[order]}
assert old is not ours.IKEv2
octets = bytes(IP()/UDP()/ours.IKEv2(exch_type=34)/ours.IKEv2_Nonce(nonce=b"n"*16))
packet = IP(octets)
assert type(packet[UDP].payload) is ours.IKEv2, packet
assert ours.IKEv2_Nonce in packet
marked = IP(bytes(IP()/UDP(dport=4500)/ours.IKEv2(exch_type=34)/ours.IKEv2_Nonce()))
assert type(marked[NON_ESP].payload) is ours.IKEv2
assert type(IP(bytes(IP()/UDP(sport=500,dport=500)/ISAKMP(init_cookie=b"a"*8)))[UDP].payload) is ISAKMP
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_folder_refuses_another_name() -> None:
    program = "import sys; sys.path.insert(0, '.'); import layers"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "import fynx_scapy.layers, not layers" in done.stderr


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Ether(bytes(Ether() / IP() / UDP() / sa_init())).summary()
    assert caplog.records == []


def test_certreq_and_esp_stay_apart() -> None:
    assert IKEv2_CERTREQ(cert_authority=b"a" * 40).authorities == [b"a" * 20] * 2
    assert isinstance(IP(bytes(IP() / ESP(spi=1, seq=2, data=b"x" * 8)))[ESP], Packet)
