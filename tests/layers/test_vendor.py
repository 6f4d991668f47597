# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of vendor IDs, most of which are the MD5 of a text (RFC 7296 section 3.12)."""

from __future__ import annotations

import hashlib

import pytest

from fynx_scapy.layers.ikev2 import IKEv2_VendorID
from fynx_scapy.layers.ikev2.vendor import PREFIXES, VENDORS, vendor_name
from fynx_scapy.text import LONGEST


@pytest.mark.parametrize(
    ("digits", "name"),
    [
        # a Windows 10 client, as tshark and strongSwan name them
        ("fb1de3cdf341b7ea16b7e5be0855f120", "MS-Negotiation Discovery Capable"),
        ("26244d38eddb61b3172a36e3d0cfb819", "Vid-Initial-Contact"),
        ("e3a5966a76379fe707228231e5ce8652", "IKE CGA version 1"),
        ("1e2b516905991c7d7c96fcbfb587e46100000009", "MS NT5 ISAKMPOAKLEY, version 9"),
        ("1e2b516905991c7d7c96fcbfb587e461", "MS NT5 ISAKMPOAKLEY"),
        ("1e2b516905991c7d7c96fcbfb587e461000000040d000014", "MS NT5 ISAKMPOAKLEY, 000000040d000014"),
        ("214ca4faffa7f32d6748e5303395ae83", "MS-MamieExists"),
        ("01528bbbc00696121849ab9a1c5b2a5100000002", "Microsoft Windows, version 2"),
        ("4048b7d56ebce88525e7de7f00d6c2d3", "FRAGMENTATION"),
        ("4048b7d56ebce88525e7de7f00d6c2d380000000", "FRAGMENTATION, flags 80000000"),
        ("4048b7d56ebce88525e7de7f00d6c2d3c0000000", "FRAGMENTATION, flags c0000000"),
        ("afcad71368a1f1c96b8696fc77570100", "Dead Peer Detection (RFC 3706), version 1.0"),
        ("12f5f28c457168a9702d9fe274cc0100", "Cisco Unity, version 1.0"),
        ("1f07f70eaa6514d3b0fa96542a500407", "Cisco VPN Concentrator, 500407"),
        ("09002689dfd6b712", "XAUTH (draft-ietf-ipsra-isakmp-xauth-06)"),
        ("4a131c81070358455c5728f20e95452f", "NAT traversal (RFC 3947)"),
        ("90cb80913ebb696e086381b5ec427b1f", "draft-ietf-ipsec-nat-t-ike-02\\n"),
        ("882fe56d6fd20dbc2251613b2ebe5beb", "strongSwan"),
        ("7003cbc1097dbe9c2600ba6983bc8b35", "KAME/racoon"),
        ("699369228741c6d4ca094c93e242c9de19e7b7c60000000500000500", "Juniper NetScreen, 0000000500000500"),
        ("8299031757a36082c6a621de00050282", "Fortinet FortiGate, 00050282"),
        ("f4ed19e0c114eb516faaac0ee37daf2807b4381f", "Check Point"),
        (b"CISCO-DELETE-REASON".hex(), "Cisco Delete Reason"),
        (b"OE-Libreswan-4.10".hex(), "OE-Libreswan-4.10"),
        ("ffff", None),
        ("", None),
    ],
)
def test_names(digits: str, name: str | None) -> None:
    assert vendor_name(bytes.fromhex(digits)) == name
    layer = IKEv2_VendorID(vendorID=bytes.fromhex(digits))
    assert layer.vendor == name
    assert layer.mysummary() == (f"V({name})" if name else "V")


def test_versions_of_strongswan_are_hashes_of_their_name() -> None:
    assert vendor_name(hashlib.md5(b"strongSwan 4.3.5").digest()) == "strongSwan 4.3.5"


def test_no_whole_name_hides_behind_the_beginning_of_another() -> None:
    for prefix, name in PREFIXES:
        assert not [known for known in VENDORS if known.startswith(prefix)], name
    beginnings = [prefix for prefix, _ in PREFIXES]
    assert not [(a, b) for a in beginnings for b in beginnings if a != b and a.startswith(b)]


@pytest.mark.parametrize("rest", [b"\x1b[31m", b"\0" * 3000])
def test_what_a_peer_sends_behind_a_known_beginning_is_printable_and_short(rest: bytes) -> None:
    name = vendor_name(b"BNES" + rest)
    assert name is not None
    assert name.isprintable()
    assert len(name) < LONGEST + 100
