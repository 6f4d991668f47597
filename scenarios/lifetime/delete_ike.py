# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE SA is deleted by either peer."""

from __future__ import annotations

from fynx_scapy.errors import LocalError
from fynx_scapy.events import MessageSent, SaDeleted
from fynx_scapy.harness import EVERY, Run, answers_on, expect, main, scenario
from fynx_scapy.iana import ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_Delete


@scenario(
    "RFC 7296 section 1.4.1",
    roles=EVERY,
    requirements=("7296-1.4.1-i03", "7296-1.4.1-i04", "7296-1.4.1-03", "7296-2.4-i04", "7296-3.11-03", "7296-2.4-13"),
    live=True,
)
def delete_ike(run: Run) -> None:
    """The Delete has no SPI, the response is empty, and the Child SAs are deleted with their IKE SA."""
    run.establish()
    sa, child = run.s.sa, run.s.child
    # HDR, SK {D(IKE)}  -->
    # <--  HDR, SK {}
    expect(run.s.delete()).exchange("INFORMATIONAL").response().empty()
    expect(run.messages(MessageSent)[-1]).has(IKEv2_Delete, proto=ProtocolId.IKE, SPI=[])
    run.event(SaDeleted, by_peer=False, child_spis=())
    run.event(SaDeleted, by_peer=False, child_spis=(child.inbound.spi,))
    run.no_ike_sa()
    if run.role.asynchronous:
        return  # its IpsecSession has ended
    expect(run.s.liveness).raises(LocalError, "open")
    # HDR, SK {}  -->     on the deleted IKE SA: 7296-1.4.1-03
    expect(answers_on(run.s, sa), "an answer on the IKE SA that was deleted").fails()


@scenario("RFC 7296 section 1.4.1", roles=EVERY)
def delete_ike_by_peer(run: Run) -> None:
    """The peer deletes the IKE SA, and both peers delete its Child SA with it."""
    run.establish()
    run.peer.delete_ike()
    # <--  HDR, SK {D(IKE)}
    # HDR, SK {}  -->
    run.event(SaDeleted, by_peer=True, child_spis=())
    run.no_ike_sa()


if __name__ == "__main__":
    main(__file__)
