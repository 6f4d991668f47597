# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT keepalives."""

from __future__ import annotations

from fynx_scapy.events import KeepaliveSent
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.net import Nat
from fynx_scapy.taps import DatagramKind


@scenario(
    "RFC 3948 section 4",
    requirements=(
        "3948-2.3-01", "3948-2.3-04", "3948-2.3-05", "3948-4-01", "3948-4-02", "3948-4-03", "7296-2.23-11",
    ),
)  # fmt: skip
def nat_keepalive(run: Run) -> None:
    """The peer behind the NAT sends one octet after 20 seconds of silence, and only then."""
    s = run.session()
    s.network.add_nat(Nat({"192.0.2.1"}, "198.51.100.1"))
    seen = []
    s.network.observe(lambda time, datagram, fate: seen.append((time, datagram)))
    s.connect()
    (peer,) = s.peer.sas.values()
    heard = peer.last_heard

    # UDP {FF}  ==>   20 seconds after IKE_AUTH, and 20 seconds later
    s.network.run(50.0)
    sent = [time for time, d in seen if d.kind is DatagramKind.IKE and d.local.host == "192.0.2.1"][-1]
    keepalives = [(time, d) for time, d in seen if d.kind is DatagramKind.KEEPALIVE]
    expect([round(time - sent, 6) for time, _ in keepalives], "keepalives").equals([20.0, 40.0])
    expect({(d.wire, d.local.port, d.remote.port) for _, d in keepalives}).equals({(b"\xff", 4500, 4500)})
    # The peer sends none, and does not count ours as a sign of life
    expect(s.events).at("responder").lacks(KeepaliveSent)
    expect(peer.last_heard, "when the peer last heard from us").equals(heard)

    # ESP  ==>   also keeps the mapping alive: the next keepalive follows 20 seconds later
    s.ping()
    sent = [time for time, d in seen if d.kind is DatagramKind.ESP_IN_UDP and d.local.host == "192.0.2.1"][-1]
    s.network.run(75.0)
    expect(round(seen[-1][0] - sent, 6), "seconds until the next keepalive").equals(20.0)

    # HDR, SK {D}  -->  <--  HDR, SK {}   and there are no more
    s.delete()
    count = len(seen)
    s.network.run(200.0)
    expect(len(seen), "datagrams").equals(count)


if __name__ == "__main__":
    main(__file__)
