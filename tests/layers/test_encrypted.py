# SPDX-License-Identifier: GPL-2.0-or-later
"""SK, SKF and ESP, encrypted and decrypted; dissection of UDP port 4500."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, ESP, NAT_KEEPALIVE, NON_ESP
from scapy.packet import Packet, Raw

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.crypto.transforms import keyword
from fynx_scapy.errors import FynxError, LocalError, MalformedError
from fynx_scapy.iana import TransformType
from fynx_scapy.layers.esp import ESP_Decrypted, ESP_Malformed, inner_packet, opened_esp
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_AUTH,
    IKEv2_Decrypted,
    IKEv2_Delete,
    IKEv2_Encrypted,
    IKEv2_Encrypted_Fragment,
    IKEv2_IDi,
    IKEv2_KE,
    IKEv2_Malformed,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_SA,
    build_message,
    build_payloads,
    errors,
    opened,
    parse_message,
    unchain,
)
from tests.layers.packets import clear_cache, messages
from tests.layers.test_captures import pasted
from tests.shared import shared

INNER = [IKEv2_IDi(ID="moon.example"), IKEv2_AUTH(auth_type=2, load=b"a" * 32), IKEv2_Notify(type="INITIAL_CONTACT")]
IV, ICV = b"i" * 8, b"c" * 16


def sealed(plaintext: bytes, next_payload: int = 35, iv: bytes = IV, icv: bytes = ICV) -> bytes:
    """A message whose SK "encrypts" to the plaintext itself."""
    header = IKEv2(init_SPI="11" * 8, resp_SPI="22" * 8, exch_type="IKE_AUTH", flags="Initiator", id=1)
    return build_message(header, [IKEv2_Encrypted(next_payload=next_payload, load=iv + plaintext + icv)])


# -- SK ----------------------------------------------------------------------------------------------------------------


def test_nothing_follows_a_sealed_payload() -> None:
    octets = sealed(b"secret", next_payload=35)
    packet = IKEv2(octets)
    assert packet.next_payload == 46
    assert packet[IKEv2_Encrypted].next_payload == 35
    assert packet[IKEv2_Encrypted].load == IV + b"secret" + ICV
    assert not packet[IKEv2_Encrypted].payload
    assert errors(packet) == []
    trailing = IKEv2(octets[:24] + (len(octets) + 3).to_bytes(4) + octets[28:] + b"abc")
    assert errors(trailing) == [f"3 octets after the last payload at offset {len(octets)}"]
    assert trailing[IKEv2_Malformed].data == b"abc"


def test_a_fragment() -> None:
    octets = bytes(IKEv2() / IKEv2_Encrypted_Fragment(next_payload=35, frag_number=2, frag_total=3, load=b"x" * 40))
    layer = IKEv2(octets)[IKEv2_Encrypted_Fragment]
    assert (layer.next_payload, layer.frag_number, layer.frag_total, layer.load) == (35, 2, 3, b"x" * 40)
    assert not layer.payload


@pytest.mark.parametrize("padding", [b"", b"\0\1\2"])
def test_an_opened_message(padding: bytes) -> None:
    plaintext = build_payloads(INNER) + padding + bytes((len(padding),))
    octets = sealed(plaintext)
    packet = opened(octets, plaintext, len(IV), len(ICV))
    assert packet[IKEv2_IDi].text == "moon.example"
    assert packet[IKEv2_AUTH].load == b"a" * 32
    view = packet[IKEv2_Decrypted]
    assert (view.iv, view.padding, view.pad_length, view.icv) == (IV, padding, len(padding), ICV)
    assert view.length == len(octets) - 28
    assert packet.do_build() == clear_cache(packet.copy()).do_build() == octets
    assert pasted(packet.command()).do_build() == octets
    header, payloads = unchain(packet)
    assert [type(layer) for layer in payloads] == [IKEv2_Decrypted]
    assert build_message(header, payloads) == octets
    assert "moon.example" in packet.show(dump=True)
    assert "IDi, AUTH, N(INITIAL_CONTACT)" in packet.summary()


def test_a_made_view_computes_its_lengths() -> None:
    packet = IKEv2() / IKEv2_Decrypted(iv=IV, padding=b"\0\0", icv=ICV) / INNER[0] / INNER[1]
    assert packet[IKEv2_Decrypted].next_payload == 35
    inner = build_payloads(INNER[:2])
    octets = bytes(packet)
    assert octets[28] == 35
    assert int.from_bytes(octets[30:32]) == len(octets) - 28 == 4 + 8 + len(inner) + 2 + 1 + 16
    assert octets[32:] == IV + inner + b"\0\0" + b"\2" + ICV
    assert build_message(*unchain(packet)) == octets


def test_opened_with_sizes_that_do_not_fit() -> None:
    plaintext = build_payloads(INNER) + b"\0"
    octets = sealed(plaintext)
    for arguments in ((plaintext, 9, 16), (plaintext[1:], 8, 16), (b"", 8, 16)):
        with pytest.raises(MalformedError):
            opened(octets, *arguments)
    with pytest.raises(LocalError, match="expected an Encrypted payload"):
        opened(bytes(IKEv2() / IKEv2_Nonce()), plaintext, 8, 16)


@pytest.mark.parametrize("plaintext", [b"\xff", b"\0\0\0\xff", b"\x23\0\0\5a\0", b"\0\0\0\1\0", b"\0"])
def test_malformed_content_is_said_with_its_offset(plaintext: bytes) -> None:
    octets = sealed(plaintext)
    packet = opened(octets, plaintext, 8, 16)
    assert errors(packet)
    assert any("offset 4" in text or "pad length" in text for text in errors(packet))
    assert packet.do_build() == octets


# -- what the captures hold --------------------------------------------------------------------------------------------


def protectors(keys: dict[str, object]) -> list[tuple[bytes, bytes, list[Protector]]]:
    """SPIs of each IKE SA of a lab capture's keys.json and the protectors of both directions, initiator's first."""
    found = []
    for sa in keys["ike_sas"]:  # type: ignore[attr-defined]
        encr = integ = None
        for word in sa["proposal"].removeprefix("IKE:").split("/"):
            for transform in keyword(STRONGSWAN_WORDS.get(word, "")) if word in STRONGSWAN_WORDS else ():
                if transform.type == TransformType.ENCR:
                    encr = encryption(transform.id, transform.key_length)
                if transform.type == TransformType.INTEG:
                    integ = integrity(transform.id)
        if encr is None:
            continue
        secret = {name: bytes.fromhex(value) for name, value in sa["keys"].items()}
        pair = [Protector(encr, integ, secret["SK_E" + who], secret.get("SK_A" + who, b"")) for who in ("I", "R")]
        found.append((bytes.fromhex(sa["spi_i"]), bytes.fromhex(sa["spi_r"]), pair))
    return found


STRONGSWAN_WORDS = {
    "AES_GCM_16_128": "aes128gcm16",
    "AES_GCM_16_256": "aes256gcm16",
    "AES_CCM_16_128": "aes128ccm16",
    "CHACHA20_POLY1305": "chacha20poly1305",
    "CHACHA20_POLY1305_256": "chacha20poly1305",
    "AES_CBC_128": "aes128",
    "AES_CBC_256": "aes256",
    "AES_CTR_128": "aes128ctr",
    "3DES_CBC": "3des",
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha256",
    "HMAC_SHA2_384_192": "sha384",
    "HMAC_SHA2_512_256": "sha512",
    "AES_XCBC_96": "aesxcbc",
}


def opened_messages() -> Iterator[tuple[str, Packet, bytes]]:
    """Every SK of the lab captures that its keys open: where, the opened packet, the message with its plaintext."""
    tables = {
        path.name: protectors(json.loads(path.read_text())) for path in shared("captures/lab").glob("*.keys.json")
    }
    for where, layer, octets in messages("lab"):
        if IKEv2_Encrypted not in layer:
            continue
        load = layer[IKEv2_Encrypted].load
        for spi_i, spi_r, pair in tables[where.split(".pcap")[0] + ".keys.json"]:
            if (layer.init_SPI, layer.resp_SPI) != (spi_i, spi_r):
                continue
            protector = pair[0 if int(layer.flags) & 8 else 1]
            prefix = octets[: len(octets) - len(load)]
            try:
                plaintext = protector.open(prefix, load)
            except FynxError:
                continue
            iv, icv = protector.iv_size, protector.icv_size
            view = prefix + load[:iv] + plaintext + load[len(load) - icv :]
            yield where, opened(octets, plaintext, iv, icv), view
            break


def test_every_opened_message_builds_back() -> None:
    shapes: dict[tuple[str, ...], int] = {}
    for where, packet, octets in opened_messages():
        assert errors(packet) == [], where
        assert clear_cache(packet).do_build() == octets, where
        shape = tuple(layer.name for layer in packet.iterpayloads())
        if shape not in shapes:
            assert pasted(packet.command()).do_build() == octets, where
            assert packet.summary()
            assert packet.show(dump=True)
        shapes[shape] = shapes.get(shape, 0) + 1
    assert sum(shapes.values()) > 250
    seen = {name for shape in shapes for name in shape}
    for cls in (IKEv2_AUTH, IKEv2_SA, IKEv2_KE, IKEv2_Delete, IKEv2_Notify):
        assert cls._name in seen


# -- ESP and its port --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "next_header"),
    [
        (IP(src="10.0.0.1", dst="10.0.0.2") / ICMP() / b"ping", 4),
        (IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=7, dport=7) / b"echo", 41),
        (TCP(sport=1024, dport=1025, chksum=0x1234) / b"data", 6),
        (None, 59),
    ],
)
def test_an_opened_esp_packet(inner: Packet | None, next_header: int) -> None:
    for behind, padding in ((b"", b""), (b"", b"\1\2"), (bytes(9), b"\1\2\3")):
        if inner is not None and next_header == 6 and behind:
            continue  # only tunnel mode can tell TFC padding from content (RFC 4303 section 2.7)
        octets = b"" if inner is None else bytes(inner)
        plaintext = octets + behind + padding + bytes((len(padding), next_header))
        packet = b"\1\2\3\4\0\0\0\7" + IV + plaintext + ICV
        view = opened_esp(packet, plaintext, len(IV), len(ICV))
        assert (view.spi, view.seq, view.nh, view.padlen) == (0x01020304, 7, next_header, len(padding))
        assert (view.iv, view.icv, view.padding, view.tfc) == (IV, ICV, padding, behind)
        assert bool(view.payload) == (inner is not None)
        assert inner is None or type(view.payload) is type(inner)
        assert clear_cache(view).do_build() == packet
        assert pasted(view.command()).do_build() == packet
        assert view.malformed is None


def test_a_made_esp_view_computes_next_header_and_pad_length() -> None:
    for inner, number in ((IP(), 4), (IPv6(), 41), (TCP(), 6)):
        octets = bytes(ESP_Decrypted(iv=IV, padding=b"\1\2", icv=ICV) / inner)
        assert octets[-18:-16] == bytes((2, number))
    assert bytes(ESP_Decrypted())[-1] == 59
    assert bytes(IP() / ESP_Decrypted() / IP())[9] == 50


def test_esp_that_does_not_fit() -> None:
    packet = b"\0\0\0\1\0\0\0\1" + IV + b"\xff\x04" + ICV
    view = opened_esp(packet, b"\xff\x04", 8, 16)
    assert "pad length 255" in (view.malformed or "")
    assert bytes(view) == packet
    with pytest.raises(MalformedError):
        opened_esp(packet, b"\x04", 8, 16)


def test_octets_are_sealed_until_they_are_opened() -> None:
    assert isinstance(ESP_Decrypted(bytes(20)), ESP)
    assert isinstance(ESP_Decrypted(b"abc"), ESP_Malformed)
    assert isinstance(IKEv2_Decrypted(bytes(IKEv2_Decrypted(iv=IV))), IKEv2_Encrypted)


@pytest.mark.parametrize("ip", [IP, IPv6])
def test_what_comes_on_port_4500(ip: type) -> None:
    def seen(octets: bytes) -> Packet:
        return ip(bytes(ip() / UDP(sport=4500, dport=4500) / Raw(octets)))[UDP].payload

    assert isinstance(seen(b"\xff"), NAT_KEEPALIVE)
    assert isinstance(seen(b"\xfe"), ESP_Malformed)
    assert isinstance(seen(bytes(4)), NON_ESP)
    assert isinstance(seen(bytes(4) + b"short").payload, IKEv2_Malformed)
    assert isinstance(seen(bytes(4) + bytes(IKEv2())).payload, IKEv2)
    assert isinstance(seen(b"\1\2\3\4\5\6\7\x08"), ESP)
    short = seen(b"\1\2\3")
    assert short.malformed == "expected an ESP header of 8 octets, found 3"
    assert bytes(short) == b"\1\2\3"
    assert "expected an ESP header" in short.summary()


@pytest.mark.parametrize("ip", [IP, IPv6])
def test_esp_and_ah_over_ip(ip: type) -> None:
    assert ESP_Malformed in ip(_with_protocol(ip, 50, b"abc"))
    assert ip(_with_protocol(ip, 50, bytes(8)))[ESP].spi == 0
    ah = AH(spi=7, seq=8, nh=4, payloadlen=4, icv=b"c" * 12)
    octets = bytes(ip() / ah / IP() / UDP())
    assert (ip(octets)[AH].spi, ip(octets)[AH].icv) == (7, b"c" * 12)


def _with_protocol(ip: type, number: int, octets: bytes) -> bytes:
    field = {"nh": number} if ip is IPv6 else {"proto": number}
    return bytes(ip(**field) / Raw(octets))


def test_inner_packet_never_raises() -> None:
    assert inner_packet(4, b"") is None
    assert isinstance(inner_packet(250, b"abc"), Raw)
    for octets in (b"\x45", b"\x60" * 3, b"\x4f" * 21):
        packet = inner_packet(4, octets)
        assert packet is not None
        assert bytes(packet) == octets


def test_parse_message_of_less_than_a_header() -> None:
    with pytest.raises(MalformedError, match="expected an IKE header of 28 octets, found 27"):
        parse_message(bytes(27))
