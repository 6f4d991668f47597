# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeying a Child SA."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled, ChildSaRekeyed, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA, IKEv2_TSi


@scenario(
    "RFC 7296 section 1.3.3",
    requirements=("7296-1.3.3-01", "7296-2.8-02", "7296-1.3.3-i01", "7296-3.10-01", "7296-2.8-i01", "7296-1.3-03"),
    live="in part",
)
def rekey_child(run: Run) -> None:
    """A Child SA is rekeyed, with and without a key exchange, and no packet is lost."""
    for proposals in ("aes128gcm16", "aes128gcm16-x25519"):
        s = run.session(proposals, esp_proposals=proposals)
        if run.refused(s.connect()):
            continue
        old = s.child

        # HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->
        # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
        answer = s.rekey_child()
        if run.refused(answer):
            continue
        expect(answer).exchange("CREATE_CHILD_SA").has(IKEv2_SA, IKEv2_Nonce, IKEv2_TSi)
        expect(IKEv2_KE in answer, "a key exchange").equals("x25519" in proposals)
        asked = expect(s.events).at("initiator").sent(0, "CREATE_CHILD_SA")
        asked.has(IKEv2_Notify, type=NotifyType.REKEY_SA, proto=ProtocolId.ESP, SPI=old.inbound.spi.to_bytes(4))

        # HDR, SK {D(old)}  -->
        # <--  HDR, SK {D(old)}
        expect(s.events).has(ChildSaRekeyed, times=len(s.ends)).has(SaDeleted, times=len(s.ends))
        expect(s.events).has(ChildSaInstalled, times=2 * len(s.ends))
        expect(s.child is not old, "another Child SA").holds()
        s.ping()


if __name__ == "__main__":
    main(__file__)
