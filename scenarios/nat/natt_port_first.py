# SPDX-License-Identifier: GPL-2.0-or-later
"""An initiator that starts on port 4500."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy import Address
from fynx_scapy.events import EspReceived
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.net import echo_request
from fynx_scapy.taps import Datagram, DatagramKind


@scenario(
    "RFC 7296 section 2.23",
    requirements=("7296-2.23-i01", "7296-2.23-04", "7296-2.23-13", "3948-2.2-i01", "7296-2-03"),
    live="in part",
)
def natt_port_first(run: Run) -> None:
    """All IKE messages use port 4500 without a NAT: ESP is sent without UDP, and accepted with it."""
    s = run.session()
    assert s.config.remote is not None
    s.config = s.config.replace(remote=Address(s.config.remote.host, s.config.remote_natt_port))
    seen: list[Datagram] = []
    s.network.observe(lambda _time, datagram, _fate: seen.append(datagram))
    s.connect()
    expect({d.local.port for d in seen}, "ports").equals({s.client.config.natt_port, s.config.remote_natt_port})
    carried = len(seen)
    # ESP  ==>  <==  ESP
    expect(s.ping()).has(ICMP, type=0)
    if not run.embedded("the marker of the peer's messages, and ESP in UDP where ESP goes without"):
        return
    expect({d.wire[:4] for d in seen[:carried]}, "non-ESP markers").equals({bytes(4)})
    expect(s.sa.nat, "a NAT").fails()
    expect({d.kind for d in seen[4:]}, "ESP").equals({DatagramKind.ESP})
    # UDP {ESP}  ==>
    data = s.child.outbound.seal(echo_request("10.1.0.1", "10.2.0.1"), 4)
    s.network.inject(Datagram(data, s.sa.local, s.sa.remote, DatagramKind.ESP_IN_UDP))
    s.network.run()
    expect(s.events).at("responder").has(EspReceived, times=2)


if __name__ == "__main__":
    main(__file__)
