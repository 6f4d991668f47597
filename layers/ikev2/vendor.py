# SPDX-License-Identifier: GPL-2.0-or-later
"""The Vendor ID payload (RFC 7296 section 3.12), and the names of common vendor IDs.

Most vendor IDs are the MD5 of a text, some cut short, some with a version behind it. The tables hold the texts. Facts
are from strongSwan's, Wireshark's and ike-scan's lists.
"""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.fields import Text, readable
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.text import LONGEST, printable


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


_NATT = "draft-ietf-ipsec-nat-t-ike"
_HASHED = (  # the vendor ID is the MD5 of this text
    "strongSwan", "MS-Negotiation Discovery Capable", "Vid-Initial-Contact", "IKE CGA version 1", "MS-MamieExists",
    "NLBS_PRESENT", "MSFT IPsec Security Realm Id", "Microsoft Xbox One 2013", "Xbox IKEv2 Negotiation", "GSSAPI",
    "A GSS-API Authentication Method for IKE", "A GSS-API Authentication Method for IKE\n", "KAME/racoon",
    "ESPThruNAT", "Testing NAT-T RFC", "draft-huttunen-ipsec-esp-in-udp-00.txt", _NATT, f"{_NATT}-02\n",
    *(f"{_NATT}-{version:02}" for version in range(10)),
    *(f"draft-stenberg-ipsec-nat-traversal-{version:02}" for version in (1, 2)),
    *(f"strongSwan 4.{minor}.{patch}" for minor in range(7) for patch in range(18)),
    *(f"SSH Sentinel{version}" for version in ("", " 1.1", " 1.2", " 1.3", " 1.4", " 1.4.1")),
    *(f"Ssh Communications Security IPSEC Express version {v}" for v in ("1.1.0", "1.1.1", "1.1.2", "1.2.1", "1.2.2")),
    *(f"SSH Communications Security IPSEC Express version {v}" for v in (
        "2.0.0", "2.1.0", "2.1.1", "2.1.2", "3.0.0", "3.0.1", "4.0.0", "4.0.1", "4.1.0", "4.1.1", "4.2.0", "5.0",
        "5.0.0", "5.1.0", "5.1.1",
    )),
)  # fmt: skip

VENDORS: dict[bytes, str] = {
    **{_md5(text): text.replace("\n", "\\n") for text in _HASHED},
    _md5("RFC 3947"): "NAT traversal (RFC 3947)",
    b"CISCO-DELETE-REASON": "Cisco Delete Reason",
    b"CISCOVPN-REV-02": "Cisco VPN revision 2",
    b"CISCO-DYNAMIC-ROUTE": "Cisco Dynamic Route",
    b"FLEXVPN-SUPPORTED": "Cisco FlexVPN",
    bytes.fromhex("2d7922c6b301d9b0e1342739e9cfbbd5"): "Cisco Delete with Reason",
    bytes.fromhex("20a3622c1cea7ce37bee3ca484425276"): "IPsec-Tools (racoon)",
    bytes.fromhex("f14b94b7bff1fef02773b8c49feded26"): "Shrew Soft",
    bytes.fromhex("8404adf9cda05760b2ca292e4bff537b"): "Sidewinder",
    bytes.fromhex("325df29a2319f2dd"): "draft-ietf-ipsec-antireplay-00",
    bytes.fromhex("8db7a41811221660"): "draft-ietf-ipsec-heartbeats-00",
    bytes.fromhex("b858d1addd08c1e8adafea150608aa4497aa6cc8"): "ZyXEL ZyWALL router",
    bytes.fromhex("f758f22668750f03b08df6ebe1d0"): "ZyXEL ZyWALL USG 100",
    bytes.fromhex("625027749d5ab97f5616c1602765cf480a3b7d0b"): "ZyXEL ZyWALL",
    bytes.fromhex("ca3e2b854ba8030017dc1023a4fde2041f9f7463"): "Aruba remote access point",
    bytes.fromhex("3c8e70bdf9c7d74add53e4100915dc2e4bb51274"): "Aruba controller",
    bytes.fromhex("88f0e3149b3fa48b05aa7f685f0b766be186ccb8"): "Aruba VIA client",
}
"""Whole vendor IDs and their names."""

_NETSCREEN = (
    "299ee8289f40a8973bc78687e2e7226b532c3b76", "3a15e1f3cf2a63582e3ac82d1c64cbe3b6d779e7",
    "47d2b126bfcd83489760e2cf8c5d4d5a03497c15", "4a4340b543e02b84c88a8b96a8af9ebe77d9accc",
    "64405f46f03b7660a23be116a1975058e69e8387", "699369228741c6d4ca094c93e242c9de19e7b7c6",
    "8c0dc6cf62a0ef1b5c6eabd1b67ba69866adf16a", "92d27a9ecb31d99246986d3453d0c3d57a222a61",
    "9b096d9ac3275a7d6fe8b91c583111b09efed1a0", "bf03746108d746c904f1f3547de24f78479fed12",
    "c2e80500f4cc5fbf5daaeed3bb59abaeee56c652", "c8660a62b03b1b6130bf781608d32a6a8d0fb89f",
    "f885da40b1e7a9abd17655ec5bbec0f21f0ed52e", "2a2bcac19b8e91b426107807e02e7249569d6fd3",
    "166f932d55eb64d8e4df4fd37e2313f0d0fd8451", "a35bfd05ca1ac0b3d2f24e9e82bfcbff9c9e52b5",
)  # fmt: skip

PREFIXES: tuple[tuple[bytes, str], ...] = (
    (_md5("MS NT5 ISAKMPOAKLEY"), "MS NT5 ISAKMPOAKLEY"),  # Windows
    (bytes.fromhex("01528bbbc00696121849ab9a1c5b2a51"), "Microsoft Windows"),
    (_md5("FRAGMENTATION"), "FRAGMENTATION"),  # of IKEv1 messages, by Microsoft and Cisco
    (bytes.fromhex("afcad71368a1f1c96b8696fc7757"), "Dead Peer Detection (RFC 3706)"),
    (_md5("CISCO-UNITY")[:14], "Cisco Unity"),
    (bytes.fromhex("1f07f70eaa6514d3b0fa96542a"), "Cisco VPN Concentrator"),
    (_md5("draft-ietf-ipsra-isakmp-xauth-06.txt")[:8], "XAUTH (draft-ietf-ipsra-isakmp-xauth-06)"),
    (_md5("FORTIGATE")[:12], "Fortinet FortiGate"),
    (bytes.fromhex("f4ed19e0c114eb516faaac0ee37daf2807b4381f"), "Check Point"),
    *((bytes.fromhex(digits), "Juniper NetScreen") for digits in _NETSCREEN),
    (bytes.fromhex("47bbe7c993f1fc13b4e6d0db565c68e5"), "SafeNet SoftRemote"),
    (bytes.fromhex("da8e9378"), "SafeNet or WatchGuard"),
    (bytes.fromhex("404bf439522ca3f6"), "SonicWall"),
    (bytes.fromhex("c6f57ac398f493208145b758"), "NCP server"),
    (bytes.fromhex("eb4c1b788afd4a9cb7730a68"), "NCP client"),
    (b"HeartBeat_Notify", "HeartBeat_Notify"),
    (b"BNES", "Nortel Contivity"),
    (b"TIMESTEP", "TimeStep"),
)
"""How longer vendor IDs begin, and their names: what follows is a version, a product or flags."""


def vendor_name(octets: bytes) -> str | None:
    """The name of a vendor ID, with what follows a known beginning; the text of a printable one, else None.

    >>> vendor_name(bytes.fromhex("1e2b516905991c7d7c96fcbfb587e46100000009"))
    'MS NT5 ISAKMPOAKLEY, version 9'
    """
    if octets in VENDORS:
        return VENDORS[octets]
    for prefix, name in PREFIXES:
        if octets.startswith(prefix):
            return ", ".join([name, *_rest(name, octets[len(prefix) :])])
    text = readable(octets)
    return printable(text, LONGEST) if octets and text != octets.hex() else None


def _rest(name: str, rest: bytes) -> Iterator[str]:
    """What follows a known beginning: a version, flags, or octets whose meaning we do not know."""
    if not rest:
        return
    if name == "FRAGMENTATION":
        yield f"flags {rest.hex()}"
    elif len(rest) == 2:
        yield f"version {rest[0]}.{rest[1]}"
    elif len(rest) == 4 and name in ("MS NT5 ISAKMPOAKLEY", "Microsoft Windows"):
        yield f"version {int.from_bytes(rest)}"
    else:
        yield printable(rest.hex(), LONGEST)


class IKEv2_VendorID(IKEv2_Payload):
    """The Vendor ID payload: ``vendorID`` takes bytes or text; ``vendor`` is its name if known."""

    name = "IKEv2 Vendor ID"
    payload_type = PayloadType.V
    fields_desc = [*GENERIC, Text("vendorID")]

    @property
    def vendor(self) -> str | None:
        """The name of a known vendor ID, or the text of a printable one, else None."""
        return vendor_name(bytes(self.get_field("vendorID").i2m(self, self.internal("vendorID"))))

    def mysummary(self) -> str:
        return f"V({self.vendor})" if self.vendor else "V"


__all__ = ["VENDORS", "IKEv2_VendorID", "vendor_name"]
