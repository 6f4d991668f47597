# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile text in every field of every layer: no output of a layer has terminal control characters."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import scapy.all
from scapy.config import conf
from scapy.fields import IP6Field, IPField
from scapy.packet import Packet
from scapy.themes import NoTheme

from fynx_scapy import iana, layers
from fynx_scapy.errors import ConfigError
from fynx_scapy.ladder import payload_name
from fynx_scapy.layers import esp, ikev2
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Payload, der, group, parse_message, structure
from fynx_scapy.layers.ikev2.fields import Octets, Remark
from fynx_scapy.layers.ikev2.header import PAYLOADS
from fynx_scapy.layers.ikev2.records import payload_record
from tests.hostile import OCTETS, TEXT, unprintable


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    # The colours of show() are ours; Scapy also sets the prompt.
    monkeypatch.setattr(sys, "ps1", "", raising=False)
    monkeypatch.setattr(conf, "color_theme", NoTheme())


def kinds(base: type[Packet] = structure.Structure) -> set[type[Packet]]:
    found = {base} if base.__module__.startswith(layers.__name__) else set()
    return found.union(*(kinds(each) for each in base.__subclasses__()))


CLASSES = sorted(kinds() - {structure.Structure}, key=lambda cls: cls.__qualname__)
NAMES = vars(scapy.all) | vars(ikev2) | vars(esp) | vars(group) | {cls.__name__: cls for cls in CLASSES}


def pictures(packet: Packet) -> Iterator[tuple[str, str]]:
    yield "show", packet.show(dump=True)
    yield "show2", packet.show2(dump=True)
    yield "summary", packet.summary()
    yield "repr", repr(packet)
    yield "str", str(packet)
    yield "mysummary", str(packet.mysummary())
    yield "command", packet.command()
    for layer in packet.iterpayloads():
        yield "name", payload_name(layer)
        for name in ("text", "url", "vendor", "algorithm", "malformed"):
            yield name, str(getattr(layer, name, ""))
        for field in layer.fields_desc:
            yield field.name, str(field.i2repr(layer, layer.getfieldval(field.name)))
    if isinstance(packet, IKEv2_Payload):
        yield "record", repr(payload_record(packet))


def check(packet: Packet) -> None:
    for name, text in pictures(packet):
        assert not unprintable(text), f"{name} of {type(packet).__name__}: {text!r}"
    eval(packet.command(), NAMES)  # our own text, which has to stay Python


VALUES: tuple[Any, ...] = (OCTETS, TEXT, [OCTETS], [OCTETS, OCTETS], OCTETS * 600, TEXT[:3])


@pytest.mark.sample(3)
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_hostile_text_in_every_field_that_takes_it(cls: type[Packet]) -> None:
    taken = set()
    for field in cls.fields_desc:
        # Scapy looks a name up that is given for an address.
        for value in () if isinstance(field, IPField | IP6Field) else VALUES:
            # Not every field takes every value.
            with contextlib.suppress(ConfigError, TypeError, ValueError, AttributeError, LookupError, OverflowError):
                packet = cls(**{field.name: value})
                bytes(packet)
                taken.add(field.name)
                check(packet)
    wanted = {field.name for field in cls.fields_desc if isinstance(field, Octets | Remark) and field.name != "iv"}
    assert wanted - taken <= {"payload_type"}


def read(kind: int, body: bytes) -> Packet:
    """A payload as it comes from the wire, behind a header."""
    octets = IKEv2(next_payload=kind, exch_type=34, length=32 + len(body))
    data = bytes(octets) + bytes((0, 0)) + (4 + len(body)).to_bytes(2) + body
    header, payloads = parse_message(data)
    check(ikev2.chain(header, payloads))
    (payload,) = payloads
    check(payload)
    assert bytes(eval(payload.command(), NAMES)) == bytes(payload)
    return payload


@pytest.mark.sample(2)
@pytest.mark.parametrize("kind", sorted(PAYLOADS))
def test_hostile_octets_as_every_payload(kind: int) -> None:
    for head in (*(bytes(n) for n in range(9)), b"\1" * 4, b"\1" * 8):
        read(kind, head + OCTETS)


@pytest.mark.parametrize("kind", [35, 36, 50])
def test_every_type_of_identity(kind: int) -> None:
    for identity in range(16):
        read(kind, bytes((identity, 0, 0, 0)) + OCTETS)


@pytest.mark.parametrize("tag", [12, 19, 20, 22, 28, 30])
def test_distinguished_names(tag: int) -> None:
    value = TEXT.encode("utf-16-be" if tag == 30 else "utf-32-be" if tag == 28 else "utf-8")
    pair = der._element(48, der._element(6, bytes.fromhex("550403")) + der._element(tag, value))
    payload = read(35, b"\x09\0\0\0" + der._element(48, der._element(49, pair)))
    assert payload.text.startswith("CN=") or payload.text.isalnum()


@pytest.mark.sample(4)
@pytest.mark.parametrize("notify", [*iana.NotifyType, 9999])
def test_every_type_of_notify(notify: int) -> None:
    read(41, b"\1\0" + int(notify).to_bytes(2) + OCTETS)
    read(41, b"\1\4" + int(notify).to_bytes(2) + b"\x1b[2J" + OCTETS)


@pytest.mark.parametrize("gateway", range(5))
def test_gateways(gateway: int) -> None:
    read(41, b"\0\0" + iana.NotifyType.REDIRECT.to_bytes(2) + bytes((gateway, len(OCTETS))) + OCTETS + OCTETS)


@pytest.mark.sample(3)
@pytest.mark.parametrize("attribute", [*iana.CpAttribute, 9999])
def test_every_configuration_attribute(attribute: int) -> None:
    for octets in (OCTETS, TEXT.encode(), b"\x1b[2J", "\u202eevil".encode(), "ü".encode()):
        payload = read(47, b"\2\0\0\0" + int(attribute).to_bytes(2) + len(octets).to_bytes(2) + octets)
        assert payload.octets()[8:][4:] == octets


@pytest.mark.parametrize("encoding", range(16))
def test_every_encoding_of_a_certificate(encoding: int) -> None:
    read(37, bytes((encoding,)) + OCTETS)
    read(38, bytes((encoding,)) + OCTETS)


@pytest.mark.slow
@pytest.mark.parametrize("code", range(1, 5))
@pytest.mark.parametrize("method", [*range(60), 254, 255])
def test_every_method_of_eap(code: int, method: int) -> None:
    for data in (OCTETS, bytes((4,)) + OCTETS, bytes((len(OCTETS),)) + OCTETS):
        read(48, bytes((code, 7)) + (5 + len(data)).to_bytes(2) + bytes((method,)) + data)


@pytest.mark.parametrize("method", range(16))
def test_every_method_of_authentication(method: int) -> None:
    read(39, bytes((method, 0, 0, 0)) + bytes((len(OCTETS),)) + OCTETS * 2)
