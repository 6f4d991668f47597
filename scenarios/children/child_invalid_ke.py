# SPDX-License-Identifier: GPL-2.0-or-later
"""INVALID_KE_PAYLOAD when a Child SA is rekeyed."""

from __future__ import annotations

from fynx_scapy.events import PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import KeMethod, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_KE


@scenario(
    "RFC 7296 section 1.3",
    requirements=("7296-1.3-04", "7296-1.3-06", "7296-3.4-04", "7296-1.3-i01"),
)
def child_invalid_ke(run: Run) -> None:
    """After INVALID_KE_PAYLOAD, CREATE_CHILD_SA is sent again with the right method and the next message ID."""
    offer = "aes128gcm16-x25519-ecp256"
    s = run.session(esp_proposals=offer, peer={"esp_proposals": "aes128gcm16-ecp256"})
    s.connect()
    # HDR, SK {N(REKEY_SA), SA, Ni, KEi(x25519), TSi, TSr}  -->
    # <--  HDR, SK {N(INVALID_KE_PAYLOAD, ecp256)}
    # HDR, SK {N(REKEY_SA), SA, Ni, KEi(ecp256), TSi, TSr}  -->
    # <--  HDR, SK {SA, Nr, KEr(ecp256), TSi, TSr}
    answer = s.rekey_child()
    expect(answer).message_id(3).has(IKEv2_KE, group=KeMethod.ECP_256)
    group = int(KeMethod.ECP_256).to_bytes(2)
    expect(s.events).at("initiator").has(PeerNotified, notify_type=NotifyType.INVALID_KE_PAYLOAD, data=group)
    s.ping("10.2.0.1")


if __name__ == "__main__":
    main(__file__)
