# SPDX-License-Identifier: GPL-2.0-or-later
"""3GPP's notify types and the structure of their data (TS 24.302, TS 24.502), and other private numbers."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy import iana, private_use
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import CpAttribute, NotifyType, lookup, name_of
from fynx_scapy.layers.ikev2 import (
    ConfigurationAttribute,
    IKEv2_CP,
    IKEv2_Notify,
    Notify_3gppAddress4,
    Notify_3gppAddress6,
    Notify_BackoffTimer,
    Notify_DeviceIdentity,
    Notify_NasTcpPort,
    parse_payloads,
)


def parsed(kind: int, octets: bytes) -> Any:
    (layer,) = parse_payloads(kind, octets)
    assert not layer.malformed
    return layer


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (8192, "PDN_CONNECTION_REJECTION"), (9002, "NO_APN_SUBSCRIPTION"), (41041, "BACKOFF_TIMER"),
        (41101, "DEVICE_IDENTITY"), (41304, "P-CSCF_RESELECTION_SUPPORT"), (51015, "N1_MODE_CAPABILITY"),
        (55501, "5G_QOS_INFO"), (12345, "MS_NOTIFY_STATUS"), (40969, "RADIUS_ATTRIBUTE"),
    ],
)  # fmt: skip
def test_names_of_notify_types(number: int, name: str) -> None:
    assert name_of(NotifyType, number) == name
    assert lookup(NotifyType, name) == number
    layer = parsed(41, bytes(IKEv2_Notify(type=name)))
    assert (layer.type, layer.mysummary()) == (number, f"N({name})")


def test_no_private_name_is_a_registered_one() -> None:
    for registry, names in private_use.NAMES.items():
        members = getattr(iana, registry)
        assert not set(names) & set(members._value2member_map_)
        assert not set(names.values()) & set(members.__members__)


@pytest.mark.parametrize(
    ("octet", "seconds", "text"),
    [  # TS 24.008 table 10.5.163a
        (0x21, 3600, "1 hour"),
        (0x45, 180000, "50 hours"),
        (0x02, 1200, "20 minutes"),
        (0x61, 2, "2 seconds"),
        (0x81, 30, "30 seconds"),
        (0x82, 60, "1 minute"),
        (0xA5, 300, "5 minutes"),
        (0xC1, 1152000, "320 hours"),
        (0xE0, None, "deactivated"),
        (0x00, 0, "0 seconds"),
    ],
)
def test_backoff_timer(octet: int, seconds: int | None, text: str) -> None:
    for number in (41041, 55507):
        data = parsed(41, bytes(IKEv2_Notify(type=number, notify=bytes((1, octet))))).notify
        assert (data.seconds, data.text) == (seconds, text)
        assert bytes(IKEv2_Notify(type=number, notify=Notify_BackoffTimer(timer=octet)))[8:] == bytes((1, octet))


@pytest.mark.parametrize(
    ("data", "octets", "text"),
    [
        ({"identity": "490154203237518"}, "000901" + "94104502237315f8", "IMEI 490154203237518"),
        (
            {"identity_type": 2, "identity": "4901542032375186"},
            "000902" + "9410450223731568",
            "IMEISV 4901542032375186",
        ),
        ({}, "000101", "IMEI"),
        ({"identity_type": 3, "identity": b"\xab"}, "000203ab", "identity type 3"),
    ],
)
def test_device_identity(data: dict[str, Any], octets: str, text: str) -> None:
    sent = bytes(IKEv2_Notify(type="DEVICE_IDENTITY", notify=Notify_DeviceIdentity(**data)))
    assert sent[8:].hex() == octets
    found = parsed(41, sent).notify
    assert (found.text, bytes(found).hex()) == (text, octets)


def test_a_device_identity_that_does_not_fit_stays_octets() -> None:
    (layer,) = parse_payloads(41, bytes(IKEv2_Notify(type="DEVICE_IDENTITY", notify=bytes.fromhex("00090194"))))
    assert layer.notify == bytes.fromhex("00090194")
    assert "identity of 8 octets, 1 left" in layer.malformed


def test_digits_are_checked() -> None:
    with pytest.raises(ConfigError, match="expected decimal digits for identity, found '12x'"):
        Notify_DeviceIdentity(identity="12x")


def test_addresses_and_port() -> None:
    for name, data, text in (
        ("NAS_IP4_ADDRESS", Notify_3gppAddress4(address="10.0.0.1"), "10.0.0.1"),
        ("UP_IP6_ADDRESS", Notify_3gppAddress6(address="2001:db8::1"), "2001:db8::1"),
        ("NAS_TCP_PORT", Notify_NasTcpPort(port=20000), "port 20000"),
    ):
        assert parsed(41, bytes(IKEv2_Notify(type=name, notify=data))).notify.text == text


def test_private_configuration_attributes() -> None:
    sent = IKEv2_CP(attributes=[ConfigurationAttribute(type="INTERNAL_IP4_SERVER", value="10.0.0.1"),
                                ConfigurationAttribute(type=28672, value=b"hello")])  # fmt: skip
    server, banner = parsed(47, bytes(sent)).attributes
    assert (server.type, server.value) == (23456, "10.0.0.1")
    assert name_of(CpAttribute, banner.type) == "UNITY_BANNER"
