# SPDX-License-Identifier: GPL-2.0-or-later
"""Deleting a Child SA."""

from __future__ import annotations

from fynx_scapy.errors import LocalError
from fynx_scapy.events import SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario, takes_on
from fynx_scapy.iana import ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_Delete


@scenario(
    "RFC 7296 section 1.4.1",
    requirements=(
        "7296-1.4.1-01", "7296-1.4.1-02", "7296-1.4.1-03", "7296-1.4.1-i01", "7296-1.4.1-i02", "7296-3.11-i01",
        "7296-3.11-03", "7296-2.4-11",
    ),
    live="in part",
)  # fmt: skip
def delete_child(run: Run) -> None:
    """Each peer deletes its inbound ESP SA by SPI, and the IKE SA remains."""
    s = run.session()
    s.connect()
    child = s.child
    packet = s.echo()
    inbound, outbound = child.inbound.spi.to_bytes(4), child.outbound.spi.to_bytes(4)

    # HDR, SK {D(ESP, our inbound SPI)}  -->
    # <--  HDR, SK {D(ESP, their inbound SPI)}
    answer = s.delete(child)
    expect(s.events).at("initiator").sent(-1).has(IKEv2_Delete, proto=ProtocolId.ESP, SPIsize=4, SPI=[inbound])
    expect(answer).exchange("INFORMATIONAL").has(IKEv2_Delete, proto=ProtocolId.ESP, SPIsize=4, SPI=[outbound])
    expect(s.events).at("initiator").has(SaDeleted, times=1, child_spis=(child.inbound.spi,), by_peer=False)
    if not s.live:
        expect(s.events).at("responder").has(SaDeleted, times=1, child_spis=(child.outbound.spi,), by_peer=True)

    expect(lambda: s.ping()).raises(LocalError, "no")
    # ESP on the deleted Child SA
    expect(takes_on(s, s.sa, child, packet), "a reply on the Child SA that was deleted").fails()
    # HDR, SK {}  -->
    # <--  HDR, SK {}
    expect(s.liveness()).empty()


if __name__ == "__main__":
    main(__file__)
