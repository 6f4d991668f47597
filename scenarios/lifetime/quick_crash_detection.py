# SPDX-License-Identifier: GPL-2.0-or-later
"""Quick crash detection."""

from __future__ import annotations

from fynx_scapy import PeerFields
from fynx_scapy.events import CrashDetected, SaDeleted
from fynx_scapy.exchanges import crash_token
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2


@scenario(
    "RFC 6290 section 4.5",
    requirements=(
        "7296-2.21.4-03",
        "7296-2.21.4-04",
    ),
)
def quick_crash_detection(run: Run) -> None:
    """A peer that lost its state shows its QCD token, and the IKE SA is deleted at once, also after a rekey."""
    secret: PeerFields = {"crash_secrets": b"s" * 32}
    for rekeyed in (False, True):
        s = run.session("after a rekey" if rekeyed else "", peer=secret)
        s.connect()
        # <--  HDR, SK {IDr, AUTH, N(QCD_TOKEN), SAr2, TSi, TSr}
        expect(s.events).at("responder").sent(1).notifies("QUICK_CRASH_DETECTION")
        sa = s.sa
        if rekeyed:
            sa.rekey()
            s.network.run()
            sa = next(found for found in s.client.sas.values() if found.established)
        s.peer.lose_state()
        sa.liveness()
        s.network.run()
        # HDR, SK {}  -->
        # <--  HDR, N(INVALID_IKE_SPI), N(QCD_TOKEN)
        answer = expect(s.events).at("responder").sent(-1).response().message_id(0 if rekeyed else 2)
        answer.notifies("INVALID_IKE_SPI").has(IKEv2, init_SPI=sa.spi_i, resp_SPI=sa.spi_r)
        answer.notify_data("QUICK_CRASH_DETECTION").equals(crash_token(b"s" * 32, sa.spi_i, sa.spi_r))
        expect(s.events).at("initiator").has(CrashDetected, times=1).has(SaDeleted, child_spis=())


if __name__ == "__main__":
    main(__file__)
