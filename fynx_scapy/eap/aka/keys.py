# SPDX-License-Identifier: GPL-2.0-or-later
"""The keys of EAP-AKA (RFC 4187 section 7) and EAP-AKA' (RFC 9048 section 3.3), and what is made with them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from scapy.layers.eap import EAP

from fynx_scapy.crypto.fips186 import generate
from fynx_scapy.crypto.milenage import SQN, Vector
from fynx_scapy.crypto.prf import prf
from fynx_scapy.iana import Prf
from fynx_scapy.layers.ikev2.eap.aka import AKA_TYPE, AT_MAC

KDF = 1
"""The one key derivation function of EAP-AKA' (RFC 9048 section 3.3)."""
_MAC_SIZE = 16
_MSK = 64
_FC = b"\x20"
"""Which key this is of those that 3GPP TS 33.220 derives (3GPP TS 33.402 annex A.2)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What an authentication yields. The repr shows no key."""

    hash: str
    """The hash of AT_MAC and AT_CHECKCODE."""
    k_encr: bytes = field(repr=False)
    k_aut: bytes = field(repr=False)
    msk: bytes = field(repr=False)
    emsk: bytes = field(repr=False)
    k_re: bytes = field(default=b"", repr=False)
    """For fast re-authentication with EAP-AKA'."""

    def mac(self, octets: bytes) -> bytes:
        """AT_MAC over an EAP packet whose MAC is zero (RFC 4187 section 10.15, RFC 9048 section 3.4.2)."""
        return hmac.digest(self.k_aut, octets, self.hash)[:_MAC_SIZE]

    def verified(self, packet: EAP) -> bool:
        """Whether the MAC of a packet that has one is right."""
        wanted = self.mac(bytes(_with_mac(packet, bytes(_MAC_SIZE))))
        return hmac.compare_digest(wanted, bytes(packet[AT_MAC].value))

    def sealed(self, packet: EAP) -> EAP:
        """The packet with its MAC. Its identifier must be set."""
        return _with_mac(packet, self.mac(bytes(_with_mac(packet, bytes(_MAC_SIZE)))))


def keys(identity: bytes, vector: Vector) -> Keys:
    """Those of EAP-AKA."""
    master = hashlib.sha1(identity + vector.ik + vector.ck, usedforsecurity=False).digest()
    made = generate(master, 32 + 2 * _MSK)
    return Keys("sha1", k_encr=made[:16], k_aut=made[16:32], msk=made[32:96], emsk=made[96:])


def keys_prime(identity: bytes, vector: Vector, network: bytes) -> Keys:
    """Those of EAP-AKA', for a network name."""
    ck, ik = bound(vector, network)
    made = prf(Prf.PRF_HMAC_SHA2_256).plus(ik + ck, b"EAP-AKA'" + identity, 208)
    return Keys("sha256", k_encr=made[:16], k_aut=made[16:48], k_re=made[48:80], msk=made[80:144], emsk=made[144:])


def bound(vector: Vector, network: bytes) -> tuple[bytes, bytes]:
    """CK' and IK', which are bound to the name of a network (3GPP TS 33.402 annex A.2)."""
    hidden = vector.autn[:SQN]  # SQN xor AK
    text = _FC + network + len(network).to_bytes(2) + hidden + SQN.to_bytes(2)
    made = hmac.digest(vector.ck + vector.ik, text, "sha256")
    return made[:16], made[16:]


def checkcode(kind: int, exchanged: Iterable[EAP]) -> bytes:
    """AT_CHECKCODE over the identity packets; empty for none (RFC 4187 section 10.13, RFC 9048 section 3.4.3)."""
    octets = b"".join(bytes(each) for each in exchanged)
    if not octets:
        return b""
    return hashlib.new("sha1" if kind == AKA_TYPE else "sha256", octets, usedforsecurity=False).digest()


def _with_mac(packet: EAP, value: bytes) -> EAP:
    """A copy whose MAC is that. "The value field of the MAC attribute is set to zero", its reserved octets, too."""
    made = packet.copy()
    made.attributes = [AT_MAC(value=value) if isinstance(each, AT_MAC) else each for each in packet.attributes]
    return made
