# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP encapsulation that is forced by a false NAT_DETECTION_SOURCE_IP."""

from __future__ import annotations

from fynx_scapy.events import KeepaliveSent, MessageSent
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.scenarios.esp.tunnels import travels
from fynx_scapy.taps import DatagramKind


@scenario(
    "RFC 7296 section 2.23",
    roles=EVERY,
    requirements=("7296-2.23-05", "7296-2.23-03", "7296-2.23-09"),
    ours={"force_encapsulation": True},
    live=True,
)
def nat_forced(run: Run) -> None:
    """We report a NAT that does not exist, for firewalls that drop ESP: both peers send ESP in UDP."""
    # HDR(A,0), SAi1, KEi, Ni, N(NAT_DETECTION_SOURCE_IP), N(NAT_DETECTION_DESTINATION_IP)  -->   ours is false
    run.establish()
    run.send_traffic(count=3)
    # UDP {ESP}  ==>  <==  UDP {ESP}
    travels(run, DatagramKind.ESP_IN_UDP)
    ours, theirs = run.s.sa.local.port, run.s.sa.remote.port
    expect((ours, theirs), "ports").equals((run.s.client.config.natt_port, run.s.config.remote_natt_port))
    last = [event for event in run.events if isinstance(event, MessageSent)][-1]
    expect((last.local.port, last.remote.port), "ports of IKE_AUTH").equals((ours, theirs))
    expect(run.s.sa.nat_before_us, "a NAT, as we see it").fails()
    # There is no NAT mapping to keep alive.
    expect(run.s.events).lacks(KeepaliveSent)
    run.agree()


if __name__ == "__main__":
    main(__file__)
