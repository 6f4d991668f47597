# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written into a configuration is read as people write it, and refused where it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.config import ChildConfig, IkeConfig, Psk, address
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.identity import Identity


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", Address("192.0.2.1", 500)),
        ("192.0.2.1:4500", Address("192.0.2.1", 4500)),
        ("2001:db8::1", Address("2001:db8::1", 500)),
        ("[2001:db8::1]", Address("2001:db8::1", 500)),
        ("[2001:db8::1]:4500", Address("2001:db8::1", 4500)),
        (("192.0.2.1", 7), Address("192.0.2.1", 7)),
    ],
)
def test_addresses(text, found):
    assert address(text) == found


@pytest.mark.parametrize("text", ["", "example.org", "192.0.2.1:ike", ("192.0.2.1", 65536), ("x", 1), "[::1]:-1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigError):
        address(text)


@pytest.mark.parametrize(
    ("key", "octets"), [("secret", b"secret"), ("x" * 64, b"x" * 64), ("0x00ff", b"\0\xff"), (b"\1", b"\1")]
)
@pytest.mark.requirements("7296-2.15-02", "7296-2.15-03")
def test_pre_shared_keys(key, octets):
    assert Psk(key).secret == octets
    assert "secret" not in repr(Psk(key)).replace("Psk", "")


@pytest.mark.parametrize("key", ["", b"", "0xzz"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ConfigError):
        Psk(key)


@pytest.mark.parametrize(
    "wrong",
    [{"auth": 7}, {"nonce_size": 15}, {"nonce_size": 257}, {"ke": "no such group"}, {"proposals": "nonsense"}],
)
def test_what_is_no_ike_sa_is_refused(wrong):
    with pytest.raises(ConfigError):
        IkeConfig(**{"auth": "secret", **wrong})


def test_an_unknown_field_is_named():
    with pytest.raises(ConfigError, match="has no field 'remotes'"):
        IkeConfig(auth="secret").replace(remotes="192.0.2.1")  # type: ignore[call-arg]  # a mistake that is to be refused


@pytest.mark.parametrize("wrong", [{"local_ts": ()}, {"replay_window": 0}])
def test_what_is_no_child_sa_is_refused(wrong):
    with pytest.raises(ConfigError):
        ChildConfig(**wrong)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("192.0.2.1", IdType.ID_IPV4_ADDR),
        ("2001:db8::1", IdType.ID_IPV6_ADDR),
        ("alice@example.org", IdType.ID_RFC822_ADDR),
        ("vpn.example.org", IdType.ID_FQDN),
    ],
)
def test_identities(text, kind):
    identity = Identity.of(text)
    assert identity.type == kind
    assert str(identity) == text
    assert Identity.of(identity) is identity
    assert Identity.parse(bytes([kind, 0, 0, 0]) + identity.data) == identity


def test_an_identity_of_octets_is_read_and_shown_as_hex_digits():
    assert str(Identity.of("keyid:00ff")) == "keyid:00ff"
    assert str(Identity(IdType.ID_DER_ASN1_DN, b"\x30\0")) == "ID_DER_ASN1_DN:3000"
    # Octets that do not fit their type are shown as they are.
    assert str(Identity(IdType.ID_IPV4_ADDR, b"abc")) == "ID_IPV4_ADDR:616263"


@pytest.mark.parametrize("text", ["", "keyid:xy"])
def test_what_is_no_identity_is_refused(text):
    with pytest.raises(ConfigError):
        Identity.of(text)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"configs": [3]}, r"expected Endpoint\.configs\[0\] to be an IkeConfig, found 3"),
        ({"config": IkeConfig}, r"expected Endpoint\.config to be an EndpointConfig, or None, found"),
        ({"taps": print}, r"expected Endpoint\.taps to be a Taps, or None, found"),
        ({"registry": 3}, r"expected Endpoint\.registry to be a Registry, or None, found 3"),
    ],
)
def test_an_endpoint_checks_what_it_is_made_of(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Endpoint("192.0.2.1", **arguments)
