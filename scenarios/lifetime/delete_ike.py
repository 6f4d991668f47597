# SPDX-License-Identifier: GPL-2.0-or-later
"""Deleting an IKE SA and its Child SAs."""

from __future__ import annotations

from fynx_scapy.errors import LocalError
from fynx_scapy.events import SaDeleted
from fynx_scapy.harness import Run, answers_on, expect, main, scenario
from fynx_scapy.iana import ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_Delete


@scenario(
    "RFC 7296 section 1.4.1",
    requirements=("7296-1.4.1-i03", "7296-1.4.1-i04", "7296-1.4.1-03", "7296-2.4-i04", "7296-3.11-03", "7296-2.4-13"),
    live="in part",
)
def delete_ike(run: Run) -> None:
    """The Delete has no SPI, the response is empty, and the Child SAs are deleted with their IKE SA."""
    s = run.session()
    s.connect()
    sa, child = s.sa, s.child

    # HDR, SK {D(IKE)}  -->
    # <--  HDR, SK {}
    answer = s.delete()
    expect(s.events).at("initiator").sent(-1).has(IKEv2_Delete, proto=ProtocolId.IKE, SPIsize=0, SPI=[])
    expect(answer).exchange("INFORMATIONAL").empty()
    for who, spi in zip(s.ends, (child.inbound.spi, child.outbound.spi), strict=False):
        expect(s.events).at(who).has(SaDeleted, times=1, child_spis=()).has(SaDeleted, times=1, child_spis=(spi,))

    expect(s.liveness).raises(LocalError, "open")
    # HDR, SK {}  -->     on the deleted IKE SA: 7296-1.4.1-03
    expect(answers_on(s, sa), "an answer on the IKE SA that was deleted").fails()


if __name__ == "__main__":
    main(__file__)
