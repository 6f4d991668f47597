# SPDX-License-Identifier: GPL-2.0-or-later
"""INVALID_SPI outside an IKE SA."""

from __future__ import annotations

from typing import Any

from fynx_scapy.events import Suspected
from fynx_scapy.harness import Run, expect, forge, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 1.5",
    requirements=("7296-1.5-03",),
)
def error_stray_invalid_spi(run: Run) -> None:
    """INVALID_SPI outside an IKE SA is never answered.

    If it names an SPI that we send on, the peer gets a liveness check.
    """
    s = run.session()
    s.connect()
    # HDR(0,0), N(INVALID_SPI, unknown)  -->
    note = IKEv2_Notify(type="INVALID_SPI", notify=bytes.fromhex("aabbccdd"))
    zeros: dict[str, Any] = {"init_SPI": bytes(8), "resp_SPI": bytes(8), "flags": 0x08, "id": 0}
    expect(forge(s, note, to="initiator", **zeros), "answers").fails()
    expect(s.events).at("initiator").lacks(Suspected)
    # HDR(0,0), N(INVALID_SPI, ours)  -->
    note = IKEv2_Notify(type="INVALID_SPI", notify=s.child.outbound.spi.to_bytes(4))
    expect(forge(s, note, to="initiator", **zeros), "answers").fails()
    # HDR, SK {}  <--
    expect(s.events).at("initiator").has(Suspected, acted=True).sent(-1).exchange("INFORMATIONAL").empty()


if __name__ == "__main__":
    main(__file__)
