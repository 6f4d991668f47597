# SPDX-License-Identifier: GPL-2.0-or-later
"""Simultaneous rekeys."""

from __future__ import annotations

from fynx_scapy import Session
from fynx_scapy.events import ChildSaRekeyed, IkeSaRekeyed, MessageSent, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikev2 import IKEv2_Nonce, IKEv2_SA
from fynx_scapy.taps import RESPONSE


@scenario(
    "RFC 7296 section 2.8.1",
    requirements=("7296-2.8.1-03", "7296-2.8.2-01", "7296-2.25.1-02", "7296-2.25.2-01", "7296-2.3-04"),
)
def rekey_collision(run: Run) -> None:
    """Two rekeys cross: the SA with the lowest nonce is deleted by its creator, and one SA remains."""
    # HDR, SK {N(REKEY_SA), SA, Ni, …}  -->  and at the same time  <--  HDR, SK {N(REKEY_SA), SA, Ni, …}
    s = run.session("Child SAs")
    s.connect()
    s.sa.rekey_child(s.child)
    s.peer_sa.rekey_child(*s.peer_sa.children.values())
    s.network.run()
    expect(s.events).has(ChildSaRekeyed, times=4)
    who, lowest, other = proposed(s)
    # HDR, SK {D(ESP, the one with the lowest nonce)}  -->  or  <--
    expect(s.events).at(who).has(SaDeleted, times=1, child_spis=(int.from_bytes(lowest),), by_peer=False)
    expect([spi.to_bytes(4) for spi in (s.child.inbound.spi, s.child.outbound.spi)], "SPIs left").contains(other)
    expect(len(s.sa.children), "Child SAs of ours").equals(1)
    expect(len(s.peer_sa.children), "Child SAs of the peer's").equals(1)
    s.ping("10.2.0.1")

    # HDR, SK {SA, Ni, KEi}  -->  and at the same time  <--  HDR, SK {SA, Ni, KEi}
    s = run.session("IKE SAs")
    s.connect()
    s.sa.rekey()
    s.peer_sa.rekey()
    s.network.run()
    expect(s.events).has(IkeSaRekeyed, times=4)
    who, lowest, other = proposed(s)
    # HDR, SK {D(IKE)}  -->  or  <--  on the one with the lowest nonce
    expect(s.events).at(who).has(SaDeleted, times=1, child_spis=(), spi_i=lowest, by_peer=False)
    expect(s.sa.spi_i, "the initiator's SPI of the remaining SA").equals(other)
    expect(len(s.sa.children), "Child SAs of the IKE SA that remains").equals(1)
    s.ping("10.2.0.1")
    s.liveness()


def proposed(s: Session) -> tuple[str, bytes, bytes]:
    """The creator of the SA with the lowest of the four nonces, that SA's SPI, and the SPI of the other SA."""
    nonces: dict[bytes, str] = {}
    spis: dict[str, bytes] = {}
    for who, event in s.events:
        if not isinstance(event, MessageSent):
            continue
        found = {type(payload): payload for payload in event.payloads}
        if event.header.exch_type != ExchangeType.CREATE_CHILD_SA or IKEv2_Nonce not in found:
            continue
        asked = not int(event.header.flags) & RESPONSE
        maker = who if asked else {"initiator": "responder", "responder": "initiator"}[who]
        nonces[bytes(found[IKEv2_Nonce].nonce)] = maker
        if asked:
            spis[maker] = bytes(found[IKEv2_SA].prop[0].SPI)
    expect(len(nonces), "nonces").equals(4)
    loser = nonces[min(nonces)]
    (other,) = (spi for maker, spi in spis.items() if maker != loser)
    return loser, spis[loser], other


if __name__ == "__main__":
    main(__file__)
