# SPDX-License-Identifier: GPL-2.0-or-later
"""The Vendor ID payload (RFC 7296 section 3.12), and the names of common vendor IDs."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.fields import Text, readable
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.text import LONGEST, printable

_MICROSOFT = "1e2b516905991c7d7c96fcbfb587e461"

VENDORS: dict[bytes, str] = {
    bytes.fromhex("882fe56d6fd20dbc2251613b2ebe5beb"): "strongSwan",
    bytes.fromhex("afcad71368a1f1c96b8696fc77570100"): "Dead Peer Detection (RFC 3706)",
    bytes.fromhex("4048b7d56ebce88525e7de7f00d6c2d380000000"): "IKE Fragmentation (Microsoft, Cisco)",
    bytes.fromhex("4a131c81070358455c5728f20e95452f"): "NAT traversal (RFC 3947)",
    bytes.fromhex("12f5f28c457168a9702d9fe274cc0100"): "Cisco Unity",
    bytes.fromhex("434953434f2d44454c4554452d524541534f4e"): "Cisco Delete Reason",
    bytes.fromhex("434953434f56504e2d5245562d3032"): "Cisco VPN revision 2",
    bytes.fromhex("434953434f2d44594e414d49432d524f555445"): "Cisco Dynamic Route",
    bytes.fromhex("464c455856504e2d535550504f52544544"): "Cisco FlexVPN",
    bytes.fromhex("09002689dfd6b712"): "XAUTH (draft-ietf-ipsec-isakmp-xauth-06)",
    bytes.fromhex("fb1de3cdf341b7ea16b7e5be0855f120"): "Microsoft Initial Contact capable",
    bytes.fromhex("26244d38eddb61b3172a36e3d0cfb819"): "Microsoft vid-MS-Negotiation-Discovery capable",
    bytes.fromhex("e3a5966a76379fe707228231e5ce8652"): "Microsoft NLBS present",
    bytes.fromhex("01528bbbc00696121849ab9a1c5b2a51"): "Microsoft (initial release)",
    **{bytes.fromhex(_MICROSOFT) + bytes((0, 0, 0, n)): f"Microsoft IPsec, version {n}" for n in range(2, 10)},
}
"""Common vendor IDs and their meaning. Sources: strongSwan's and Wireshark's tables."""


class IKEv2_VendorID(IKEv2_Payload):
    """The Vendor ID payload: ``vendorID`` takes bytes or text; ``vendor`` is its name if known."""

    name = "IKEv2 Vendor ID"
    payload_type = PayloadType.V
    fields_desc = [*GENERIC, Text("vendorID")]

    @property
    def vendor(self) -> str | None:
        """The name of a known vendor ID, or the text of a printable one, else None."""
        octets = bytes(self.get_field("vendorID").i2m(self, self.internal("vendorID")))
        text = readable(octets)
        return VENDORS.get(octets) or (printable(text, LONGEST) if octets and text != octets.hex() else None)

    def mysummary(self) -> str:
        return f"V({self.vendor})" if self.vendor else "V"


__all__ = ["VENDORS", "IKEv2_VendorID"]
