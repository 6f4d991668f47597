# SPDX-License-Identifier: GPL-2.0-or-later
"""Narrowing of traffic selectors."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Packet

from fynx_scapy.errors import LocalError
from fynx_scapy.events import ChildSaInstalled
from fynx_scapy.exchanges import selectors
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario(
    "RFC 7296 section 2.9",
    requirements=("7296-2.9-01", "7296-2.9-02", "7296-2.9-i03", "7296-2.9-i04", "7296-2.9-04"),
    live="in part",
)
def ts_narrowing(run: Run) -> None:
    """The responder narrows the selectors to its policy, and keeps those of the packet that triggered the SA."""
    if run.live:
        _live(run)
        return
    s = run.session("no packet waits", local_ts="10.1.0.0/16", remote_ts="10.2.0.0/16",
                    peer={"local_ts": "10.2.3.0/24", "remote_ts": "10.1.0.0/16"})  # fmt: skip
    s.sa_init()
    # HDR, SK {…, TSi(10.1.0.0/16), TSr(10.2.0.0/16)}  -->
    # <--  HDR, SK {…, TSi(10.1.0.0/16), TSr(10.2.3.0/24)}
    answer = s.auth()
    expect(written(answer[IKEv2_TSi]), "TSi").equals(["10.1.0.0/16"])
    expect(written(answer[IKEv2_TSr]), "TSr").equals(["10.2.3.0/24"])
    expect(s.events).at("initiator").has(ChildSaInstalled, remote_ts=("10.2.3.0/24",))
    expect(s.ping("10.2.3.9")).has(ICMP, type=0)
    expect(lambda: s.ping("10.2.4.9")).raises(LocalError, "traffic selectors")

    s = run.session("a packet waits, and policy has room for it", local_ts="10.1.0.0/16", remote_ts="10.2.0.0/16",
                    peer={"local_ts": ("10.2.3.0/24", "10.2.7.0/24"), "remote_ts": "10.1.0.0/16"})  # fmt: skip
    s.sa_init()
    # HDR, SK {…, TSi(10.1.0.5[udp/4000], 10.1.0.0/16), TSr(10.2.7.7[udp/7], 10.2.0.0/16)}  -->
    answer = s.auth(IP(src="10.1.0.5", dst="10.2.7.7") / UDP(sport=4000, dport=7))
    request = expect(s.events).at("initiator").sent(0, "IKE_AUTH").packet
    expect(written(request[IKEv2_TSi]), "TSi").equals(["10.1.0.5/32[udp/4000]", "10.1.0.0/16"])
    expect(written(request[IKEv2_TSr]), "TSr").equals(["10.2.7.7/32[udp/7]", "10.2.0.0/16"])
    # <--  HDR, SK {…, TSi(10.1.0.5[udp/4000], …), TSr(10.2.7.7[udp/7], …)}
    expect(written(answer[IKEv2_TSi])[0], "first TSi").equals("10.1.0.5/32[udp/4000]")
    expect(written(answer[IKEv2_TSr])[0], "first TSr").equals("10.2.7.7/32[udp/7]")
    expect(written(answer[IKEv2_TSr])[1:], "TSr").equals(["10.2.3.0/24", "10.2.7.0/24"])
    expect(s.send(IP(src="10.1.0.5", dst="10.2.7.7") / UDP(sport=4000, dport=7))).has(UDP, sport=7)

    s = run.session("a packet waits, but policy has no room for it", local_ts="10.1.0.0/16", remote_ts="10.2.0.0/16",
                    peer={"local_ts": "10.2.3.0/24", "remote_ts": "10.1.0.0/16"})  # fmt: skip
    s.sa_init()
    # <--  HDR, SK {…, TSi(…), TSr(10.2.3.0/24)}
    answer = s.auth(IP(src="10.1.0.5", dst="10.2.7.7") / UDP(sport=4000, dport=7))
    expect(written(answer[IKEv2_TSr]), "TSr").equals(["10.2.3.0/24"])


def _live(run: Run) -> None:
    """Request all addresses: a live responder may accept them or narrow them, but not add others."""
    s = run.session("all addresses are asked for")
    (child,) = s.config.children
    wide = "::/0" if child.remote_ts[0].version == 6 else "0.0.0.0/0"
    s.config = s.config.replace(children=(child.replace(remote_ts=wide),))
    s.sa_init()
    # HDR, SK {…, TSi, TSr(0.0.0.0/0)}  -->
    # <--  HDR, SK {…, TSi, TSr(of policy)}
    answer = s.auth()
    expect(answer).has(IKEv2_SA, IKEv2_TSi, IKEv2_TSr)
    for payload, asked in ((IKEv2_TSi, child.local_ts), (IKEv2_TSr, s.config.children[0].remote_ts)):
        for selector in selectors(answer[payload]):
            expect(any(one.covers(selector) for one in asked), f"{selector} to lie within what was asked").holds()
    run.embedded("a packet that waits")
    expect(s.ping()).has(ICMP, type=0)


def written(payload: Packet) -> list[str]:
    """The selectors of a TS payload, written as in a configuration."""
    return [str(selector) for selector in selectors(payload)]


if __name__ == "__main__":
    main(__file__)
