# SPDX-License-Identifier: GPL-2.0-or-later
"""A Child SA is deleted by either peer, and the IKE SA remains."""

from __future__ import annotations

from fynx_scapy.errors import LocalError
from fynx_scapy.events import MessageReceived, MessageSent, SaDeleted
from fynx_scapy.harness import EVERY, Run, expect, main, scenario, takes_on
from fynx_scapy.iana import ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_Delete


@scenario(
    "RFC 7296 section 1.4.1",
    roles=EVERY,
    requirements=(
        "7296-1.4.1-01", "7296-1.4.1-02", "7296-1.4.1-03", "7296-1.4.1-i01", "7296-1.4.1-i02", "7296-3.11-i01",
        "7296-3.11-03", "7296-2.4-11",
    ),
    live=True,
)  # fmt: skip
def delete_child(run: Run) -> None:
    """Each peer deletes its inbound ESP SA by SPI, and the IKE SA remains."""
    run.establish()
    child = run.s.child
    packet = run.s.echo()
    # HDR, SK {D(ESP, our inbound SPI)}  -->
    # <--  HDR, SK {D(ESP, their inbound SPI)}
    answer = run.s.delete(child)
    expect(answer).exchange("INFORMATIONAL").response()
    for message, spi in ((run.messages(MessageSent)[-1], child.inbound.spi), (answer, child.outbound.spi)):
        expect(message).has(IKEv2_Delete, proto=ProtocolId.ESP, SPI=[spi.to_bytes(4)])
    run.event(SaDeleted, by_peer=False, child_spis=(child.inbound.spi,))
    expect(lambda: run.s.ping()).raises(LocalError, "no")
    # ESP on the deleted Child SA
    expect(takes_on(run.s, run.s.sa, child, packet), "a reply on the Child SA that was deleted").fails()
    _ike_sa_remains(run)


@scenario(
    "RFC 7296 section 1.4.1", roles=EVERY, needs={"delete_child"}, requirements=("7296-1.4.1-01", "7296-1.4.1-03")
)
def delete_child_by_peer(run: Run) -> None:
    """The peer deletes the Child SA by its SPI, and we answer with ours; the IKE SA remains."""
    run.establish()
    child = run.s.child
    run.peer.delete_child()
    # <--  HDR, SK {D(ESP, their inbound SPI)}
    # HDR, SK {D(ESP, our inbound SPI)}  -->
    run.event(SaDeleted, by_peer=True, child_spis=(child.inbound.spi,))
    asked, answer = run.messages(MessageReceived)[-1], run.messages(MessageSent)[-1]
    for message, spi in ((asked, child.outbound.spi), (answer, child.inbound.spi)):
        expect(message).has(IKEv2_Delete, proto=ProtocolId.ESP, SPI=[spi.to_bytes(4)])
    _ike_sa_remains(run)


def _ike_sa_remains(run: Run) -> None:
    run.no_child_sa()
    # HDR, SK {}  -->
    # <--  HDR, SK {}
    expect(run.s.liveness()).empty()
    expect(run.peer.has(run.s.sa), "the IKE SA at the peer").holds()


if __name__ == "__main__":
    main(__file__)
