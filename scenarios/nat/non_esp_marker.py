# SPDX-License-Identifier: GPL-2.0-or-later
"""The non-ESP marker on other ports."""

from __future__ import annotations

from fynx_scapy import Address
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.taps import DatagramKind


@scenario("RFC 3948 section 2.2", requirements=("3948-2.2-i01", "7296-2.23-01"))
def non_esp_marker(run: Run) -> None:
    """The non-ESP marker is sent with every IKE message on any port; without it no message is understood."""
    s = run.session("both", peer={"marker_always": True, "natt_port": 14500})
    s.client.config = s.client.config.replace(marker_always=True, natt_port=14501)
    s.config = s.config.replace(remote=Address("192.0.2.2", 14500), remote_natt_port=14500, force_encapsulation=True)
    seen = []
    s.network.observe(lambda time, datagram, fate: seen.append(datagram))
    # 00000000, HDR(A,0), …  -->   <--  00000000, HDR(A,B), …
    s.connect()
    s.ping()
    s.liveness()
    ike = [d for d in seen if d.kind is DatagramKind.IKE]
    expect([d.wire[:4] for d in ike], "non-ESP markers").equals([bytes(4)] * 6)
    expect({d.local.port for d in seen}, "ports, those of ESP included").equals({14500, 14501})

    s = run.session("one only")
    s.client.config = s.client.config.replace(marker_always=True)
    s.client.connect(s.config, s.network.now)
    s.network.run(1.0)
    expect(s.peer.sas, "IKE SAs of the peer").fails()


if __name__ == "__main__":
    main(__file__)
