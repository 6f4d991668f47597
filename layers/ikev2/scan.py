# SPDX-License-Identifier: GPL-2.0-or-later
"""A complete request for scans, which IKEv2 hosts answer (Scapy's ``ikev2scan()`` sends an incomplete one)."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet
from scapy.volatile import RandBin

from fynx_scapy.iana import Encr, ExchangeType, Integ, KeMethod, Prf, ProtocolId, TransformType
from fynx_scapy.layers.ikev2.header import IKEv2
from fynx_scapy.layers.ikev2.ke import IKEv2_KE
from fynx_scapy.layers.ikev2.nonce import IKEv2_Nonce
from fynx_scapy.layers.ikev2.sa import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform

_KEY_SIZE = 32
_NONCE_SIZE = 32


def _proposal(number: int, encryption: list[tuple[int, int]], integrity: list[int]) -> IKEv2_Proposal:
    kind = TransformType
    ciphers = [IKEv2_Transform(transform_type=kind.ENCR, transform_id=n, key_length=bits) for n, bits in encryption]
    others = [
        *((kind.PRF, prf) for prf in (Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA1)),
        *((kind.INTEG, number) for number in integrity),
        *((kind.KE, method) for method in (KeMethod.CURVE25519, KeMethod.ECP_256, KeMethod.MODP_2048)),
    ]
    transforms = ciphers + [IKEv2_Transform(transform_type=t, transform_id=n) for t, n in others]
    return IKEv2_Proposal(proposal=number, proto=ProtocolId.IKE, trans=transforms)


def scan_request(host: str, port: int = 500) -> Packet:
    """A complete IKE_SA_INIT request (RFC 7296 section 1.2) to ``host``, as an IP packet for ``sr1()``.

    It offers common algorithms, and includes KE and Nonce payloads; without them it would be dropped. SPI, nonce and
    public value are random octets. Any 32 octets are a valid public value of Curve25519.
    """
    proposals = [
        _proposal(1, [(Encr.ENCR_AES_GCM_16, 256), (Encr.ENCR_AES_GCM_16, 128)], []),
        _proposal(
            2,
            [(Encr.ENCR_AES_CBC, 256), (Encr.ENCR_AES_CBC, 128)],
            [Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA1_96],
        ),
    ]
    return (
        (IPv6 if ":" in host else IP)(dst=host)
        / UDP(sport=port, dport=port)
        / IKEv2(init_SPI=RandBin(8)._fix(), exch_type=ExchangeType.IKE_SA_INIT, flags="Initiator")
        / IKEv2_SA(prop=proposals)
        / IKEv2_KE(group=KeMethod.CURVE25519, ke=RandBin(_KEY_SIZE)._fix())
        / IKEv2_Nonce(nonce=RandBin(_NONCE_SIZE)._fix())
    )


__all__ = ["scan_request"]
