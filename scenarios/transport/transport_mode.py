# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode between two hosts."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from fynx_scapy import ChildConfig, IkeConfig
from fynx_scapy.events import ChildSaInstalled, EspSent
from fynx_scapy.exchanges import selectors
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_TSi, IKEv2_TSr

CHILD = ChildConfig(mode="transport", local_ts=("0.0.0.0/0",), remote_ts=("0.0.0.0/0",))
CONFIG = IkeConfig(local_id="alice", remote_id="bob", auth="fynx", children=(CHILD,))


@scenario(
    "RFC 7296 section 1.3.1",
    requirements=(
        "7296-1.3.1-01",
        "7296-1.3.1-02",
        "7296-2.23.1-01",
        "7296-2.23.1-04",
        "7296-2.23.1-05",
        "7296-1.3-01",
    ),
)
def transport_mode(run: Run) -> None:
    """USE_TRANSPORT_MODE is requested and accepted: in IKE_AUTH, in rekeys, and for further Child SAs."""
    s = run.session(config=CONFIG)
    s.sa_init()
    # HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr, N(USE_TRANSPORT_MODE)}
    expect(s.auth()).notifies("USE_TRANSPORT_MODE")
    asked = expect(s.events).at("initiator").sent(0, "IKE_AUTH").packet
    expect([str(ts) for name in (IKEv2_TSi, IKEv2_TSr) for ts in selectors(asked[name])], "asked for").equals(
        ["192.0.2.1/32", "192.0.2.2/32"]
    )
    (peer,) = s.peer.sas.values()
    expect([str(ts) for ts in s.child.local_ts + s.child.remote_ts]).equals(["192.0.2.1/32", "192.0.2.2/32"])
    expect(s.ping(size=0)).has(IP, src="192.0.2.2", dst="192.0.2.1").has(ICMP, type=0)

    # HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->   and the other way round
    for end in (s.sa, peer):
        end.rekey_child(next(iter(end.children.values())))
        s.network.run()
        s.ping()
    # HDR, SK {SA, Ni, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->
    udp = ("0.0.0.0/0[udp]",)
    s.sa.create_child(CHILD.replace(local_ts=udp, remote_ts=udp))
    s.network.run()
    echo = s.send(IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=4000, dport=7) / Raw(b"to and fro"))
    expect(echo).has(UDP, sport=7).has(Raw, load=b"to and fro")
    expect(s.events).at("initiator").has(ChildSaInstalled, times=4, mode="transport").lacks(
        ChildSaInstalled, mode="tunnel"
    )
    expect(s.events).at("initiator").has(EspSent, spi=s.child.outbound.spi)


if __name__ == "__main__":
    main(__file__)
