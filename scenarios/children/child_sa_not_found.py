# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeying a Child SA that the peer has lost."""

from __future__ import annotations

from fynx_scapy.events import MessageSent
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_Notify


@scenario(
    "RFC 7296 section 2.25",
    requirements=("7296-2.25-05", "7296-2.25-06", "7296-2.25.1-03", "7296-3.10-01"),
)
def child_sa_not_found(run: Run) -> None:
    """A rekey of an unknown SPI is answered with CHILD_SA_NOT_FOUND; a new Child SA replaces the lost one."""
    s = run.session()
    s.connect()
    old = s.child
    s.peer_sa.remove_children(list(s.peer_sa.children), by_peer=False)

    # HDR, SK {N(REKEY_SA, spi), SA, Ni, TSi, TSr}  -->
    # <--  HDR, SK {N(CHILD_SA_NOT_FOUND, spi)}
    answer = s.rekey_child()
    spi = old.inbound.spi.to_bytes(4)
    expect(answer).has(IKEv2_Notify, type=NotifyType.CHILD_SA_NOT_FOUND, proto=ProtocolId.ESP, SPI=spi)
    # HDR, SK {SA, Ni, TSi, TSr}  -->
    # <--  HDR, SK {SA, Nr, TSi, TSr}
    expect(s.child is not old, "another Child SA").holds()
    expect(len(s.sa.children), "Child SAs").equals(1)
    # "silently delete the Child SA": IKE_SA_INIT, IKE_AUTH, the rekey and the new one are all that we sent.
    expect(s.events).at("initiator").has(MessageSent, times=4)
    s.ping("10.2.0.1")


if __name__ == "__main__":
    main(__file__)
