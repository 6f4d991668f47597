# SPDX-License-Identifier: GPL-2.0-or-later
"""INITIAL_CONTACT from a peer that has lost its state."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.events import IkeSaEstablished, SaDeleted
from fynx_scapy.exchanges import Informational, notify
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType


@scenario("RFC 7296 section 2.4", requirements=("7296-2.4-01", "7296-2.4-03", "7296-2.4-05"))
def initial_contact(run: Run) -> None:
    """INITIAL_CONTACT in IKE_AUTH makes the responder delete that identity's old SAs; elsewhere it is ignored."""
    config = IkeConfig(
        local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("secret"), initial_contact=True
    )
    s = run.session("after a crash", config=config)
    s.connect()
    before = s.sa
    # The initiator loses its state, as after a reboot.
    before.forget()
    # HDR, SK {IDi, N(INITIAL_CONTACT), IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    s.client.connect(s.config, s.network.now)
    s.network.run()
    expect(s.events).at("initiator").sent(-1).exchange("IKE_AUTH").notifies("INITIAL_CONTACT")
    theirs = expect(s.events).at("responder").has(IkeSaEstablished, times=2)
    theirs.has(SaDeleted, times=1, child_spis=(), by_peer=True, spi_i=before.spi_i)
    expect(sum(sa.established for sa in s.peer.sas.values()), "IKE SAs at the responder").equals(1)

    s = run.session("in INFORMATIONAL")
    s.connect()
    other = s.client.connect(s.config, s.network.now)
    s.network.run()
    # HDR, SK {N(INITIAL_CONTACT)}  -->
    # <--  HDR, SK {}
    other.start(Informational(other, notify(NotifyType.INITIAL_CONTACT)))
    s.network.run()
    expect(s.events).lacks(SaDeleted)
    s.ping()


if __name__ == "__main__":
    main(__file__)
