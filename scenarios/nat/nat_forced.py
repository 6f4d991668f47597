# SPDX-License-Identifier: GPL-2.0-or-later
"""Forced UDP encapsulation."""

from __future__ import annotations

from fynx_scapy.events import KeepaliveSent
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.taps import DatagramKind


@scenario("RFC 7296 section 2.23", requirements=("7296-2.23-05", "7296-2.23-03", "7296-2.23-09"), live="in part")
def nat_forced(run: Run) -> None:
    """A false NAT_DETECTION_SOURCE_IP forces UDP encapsulation, for firewalls that drop ESP."""
    s = run.session(peer=None if run.live else {"force_encapsulation": False})
    s.config = s.config.replace(force_encapsulation=True)
    seen = []
    s.network.observe(lambda time, datagram, fate: seen.append(datagram))
    # HDR(A,0), SAi1, KEi, Ni, N(NAT_DETECTION_SOURCE_IP, false), N(NAT_DETECTION_DESTINATION_IP)  -->
    s.connect()
    if s.live:
        # UDP {ESP}  ==>  <==  UDP {ESP}
        s.ping()
        carried = [datagram.kind for datagram in seen if datagram.kind is not DatagramKind.IKE]
        expect(carried, "ESP").equals([DatagramKind.ESP_IN_UDP] * 2)
        expect((s.sa.local.port, s.sa.remote.port), "ports").equals(
            (s.client.config.natt_port, s.config.remote_natt_port)
        )
        return
    (peer,) = s.peer.sas.values()
    expect(peer.nat_before_peer, "a NAT, as the peer sees it").holds()
    expect(s.sa.nat_before_us, "a NAT, as we see it").fails()
    expect([d.local.port for d in seen], "ports").equals([500, 500, 4500, 4500])
    # UDP {ESP}  ==>  <==  UDP {ESP}
    s.ping()
    expect([(d.kind, d.local.port) for d in seen[4:]], "ESP").equals([(DatagramKind.ESP_IN_UDP, 4500)] * 2)
    # There is no NAT mapping to keep alive
    s.network.run(100.0)
    expect(s.events).lacks(KeepaliveSent)


if __name__ == "__main__":
    main(__file__)
