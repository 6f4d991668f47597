# SPDX-License-Identifier: GPL-2.0-or-later
"""A forged error in response to IKE_SA_INIT."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished, IkeSaFailed
from fynx_scapy.harness import Run, deliver, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 2.21.1",
    requirements=(
        "7296-2.21.1-i01",
        "7296-2.21.1-i02",
    ),
)
def error_init_forged_refusal(run: Run) -> None:
    """An unprotected error in response to IKE_SA_INIT is not acted on while a valid response may still come."""
    s = run.session()
    sa = s.client.connect(s.config, s.network.now)
    refusal = IKEv2(init_SPI=sa.spi_i, exch_type="IKE_SA_INIT", flags=0x20) / IKEv2_Notify(type="NO_PROPOSAL_CHOSEN")
    # <--  HDR, N(NO_PROPOSAL_CHOSEN), forged
    deliver(s, bytes(refusal), to="initiator")
    # <--  HDR, SAr1, KEr, Nr
    expect(s.events).has(IkeSaEstablished, times=2).lacks(IkeSaFailed)


if __name__ == "__main__":
    main(__file__)
