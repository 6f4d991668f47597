# SPDX-License-Identifier: GPL-2.0-or-later
"""An initiator that guesses the wrong key exchange method."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import KeMethod
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_KE, IKEv2_SA


@scenario(
    "RFC 7296 section 1.2",
    requirements=(
        "7296-1.2-i02", "7296-1.2-04", "7296-1.2-05", "7296-1.3-i01", "7296-2.6-i02", "7296-2.2-i01", "7296-3.3.6-10",
        "7296-3.3.6-09", "7296-3.4-04", "7296-2.15-i03",
    ),
)  # fmt: skip
def invalid_ke(run: Run) -> None:
    """The responder asks for another key exchange method with INVALID_KE_PAYLOAD.

    The initiator starts with X25519. The responder accepts only ECP-256, which was also offered. The second request
    has a KE payload of that group and the same offer as the first one.
    """
    both = "aes128gcm16-prfsha256-x25519-ecp256"
    s = run.session(proposals=both, peer={"proposals": "aes128gcm16-prfsha256-ecp256"})
    s.sa_init()
    ours, theirs = expect(s.events).at("initiator"), expect(s.events).at("responder")

    # HDR(A,0), SAi1(X25519, ECP-256), KEi(X25519), Ni  -->
    first = ours.sent(0).message_id(0).has(IKEv2_KE, group=KeMethod.CURVE25519).packet
    # <--  HDR(A,0), N(INVALID_KE_PAYLOAD, ECP-256)
    refusal = theirs.sent(0).message_id(0).notifies("INVALID_KE_PAYLOAD").lacks(IKEv2_SA)
    refusal.notify_data("INVALID_KE_PAYLOAD").equals(b"\x00\x13")
    expect(refusal.packet.resp_SPI, "responder SPI").equals(bytes(8))

    # HDR(A,0), SAi1(X25519, ECP-256), KEi(ECP-256), Ni  -->
    second = ours.sent(1).message_id(0).has(IKEv2_KE, group=19).packet
    expect(second[IKEv2_SA].octets() == first[IKEv2_SA].octets(), "the same offer again").holds()
    # <--  HDR(A,B), SAr1(ECP-256), KEr(ECP-256), Nr
    theirs.sent(1).has(IKEv2_KE, group=19)
    expect(str(s.sa.suite), "suite").equals("aes128gcm16-prfsha256-ecp256")

    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    expect(s.auth()).has(IKEv2_AUTH)
    expect(s.events).has(IkeSaEstablished, times=2)


if __name__ == "__main__":
    main(__file__)
