# SPDX-License-Identifier: GPL-2.0-or-later
"""Narrowing of traffic selectors."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP
from scapy.packet import Packet

from fynx_scapy.errors import LocalError
from fynx_scapy.exchanges import selectors
from fynx_scapy.harness import INITIATORS, RESPONDERS, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario(
    "RFC 7296 section 2.9", roles=INITIATORS, requirements=("7296-2.9-i04", "7296-2.9-04"),
    ours={"child": {"remote_ts": "0.0.0.0/0"}}, live=True,
)  # fmt: skip
def ts_narrowing(run: Run) -> None:
    """All addresses are asked for: the responder may narrow the selectors to its policy, but not add others."""
    run.establish()
    # HDR, SK {…, TSi, TSr(0.0.0.0/0)}  -->
    # <--  HDR, SK {…, TSi, TSr(of its policy)}
    request, answer = run.requests("IKE_AUTH")[-1], run.answer("IKE_AUTH")
    expect(answer).has(IKEv2_SA, IKEv2_TSi, IKEv2_TSr)
    for payload in (IKEv2_TSi, IKEv2_TSr):
        asked = selectors(request[payload])
        for selector in selectors(answer[payload]):
            expect(any(one.covers(selector) for one in asked), f"{selector} to lie within what was asked").holds()
    run.send_traffic(count=1)
    run.agree()


@scenario("RFC 7296 section 2.9", needs={"narrowing"}, requirements=("7296-2.9-i04", "7296-2.9-01"), roles=INITIATORS,
          config={"remote_ts": ("10.1.0.0/25",), "local_ts": ("10.2.0.0/28",)},
          ours={"child": {"local_ts": "10.1.0.0/24", "remote_ts": "10.2.0.0/24"}})  # fmt: skip
def ts_narrowed_by_peer(run: Run) -> None:
    """We ask for more than the peer allows, and it narrows both selectors to what it is configured for."""
    run.establish()
    answer = run.answer("IKE_AUTH")
    expect(written(answer[IKEv2_TSi]), "TSi").equals(["10.1.0.0/25"])
    expect(written(answer[IKEv2_TSr]), "TSr").equals(["10.2.0.0/28"])
    expect([str(ts) for ts in run.s.child.local_ts], "our selectors").equals(["10.1.0.0/25"])
    expect([str(ts) for ts in run.s.child.remote_ts], "the peer's selectors").equals(["10.2.0.0/28"])
    run.send_traffic(count=1)
    run.agree()
    expect(lambda: run.s.ping("10.2.0.99")).raises(LocalError)


@scenario("RFC 7296 section 2.9", needs={"narrowing"}, requirements=("7296-2.9-i04",), roles=RESPONDERS,
          ours={"child": {"local_ts": "10.1.0.0/26", "remote_ts": "10.2.0.0/27"}})  # fmt: skip
def ts_narrowed_by_us(run: Run) -> None:
    """The peer asks for more than we allow, and accepts our narrowed selectors."""
    run.establish()
    expect([str(ts) for ts in run.s.child.local_ts], "our selectors").equals(["10.1.0.0/26"])
    run.send_traffic(count=1)
    run.agree()


@scenario("RFC 7296 section 2.9", requirements=("7296-2.9-01", "7296-2.9-02", "7296-2.9-i03", "7296-2.9-04"))
def ts_of_a_packet(run: Run) -> None:
    """The responder keeps the selectors of the packet that triggered the SA, if its policy has room for it."""
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


def written(payload: Packet) -> list[str]:
    """The selectors of a TS payload, written as in a configuration."""
    return [str(selector) for selector in selectors(payload)]


if __name__ == "__main__":
    main(__file__)
