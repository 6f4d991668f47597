# SPDX-License-Identifier: GPL-2.0-or-later
"""Child SAs in transport mode: traffic between the two hosts themselves, without an outer IP header."""

from __future__ import annotations

from fynx_scapy import ChildConfig, IkeConfig
from fynx_scapy.events import ChildSaInstalled
from fynx_scapy.exchanges import selectors
from fynx_scapy.harness import EVERY, INITIATORS, PeerChild, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_SA, IKEv2_TSi, IKEv2_TSr
from fynx_scapy.scenarios.esp.tunnels import extended, travels
from fynx_scapy.scenarios.rekey.rekey_child import child_rekeyed
from fynx_scapy.taps import DatagramKind

CHILD = ChildConfig(mode="transport", local_ts=("0.0.0.0/0",), remote_ts=("0.0.0.0/0",))
CONFIG = IkeConfig(local_id="alice", remote_id="bob", auth="fynx", children=(CHILD,))
"""Our configuration between any two hosts."""
HOSTS = {"mode": "transport", "local_ts": ("10.9.0.2/32",), "remote_ts": ("10.9.0.1/32",)}
HOSTS6 = {"mode": "transport", "local_ts": ("fd09::2/128",), "remote_ts": ("fd09::1/128",)}
PROTOCOLS = tuple(
    PeerChild(name=name, mode="transport", local_ts=(f"10.9.0.2/32[{name}]",), remote_ts=(f"10.9.0.1/32[{name}]",))
    for name in ("icmp", "udp")
)


def _hosts(run: Run, *, ipv6: bool = False) -> None:
    # HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr, N(USE_TRANSPORT_MODE)}
    run.establish()
    hosts = {run.here.address(ipv6=ipv6), run.there.address(ipv6=ipv6)}
    for message in (run.requests("IKE_AUTH")[-1], run.answer("IKE_AUTH")):
        expect(message).notifies("USE_TRANSPORT_MODE")
        found = {str(ts).partition("/")[0] for kind in (IKEv2_TSi, IKEv2_TSr) for ts in selectors(message[kind])}
        expect(found, "addresses in the traffic selectors").equals(hosts)
    expect(run.s.child.hosts is not None, "transport mode").holds()
    run.send_traffic(hosts=True, ipv6=ipv6)
    travels(run, DatagramKind.ESP)
    run.agree()


@scenario(
    "RFC 7296 section 1.3.1",
    roles=EVERY,
    needs={"transport"},
    requirements=("7296-1.3.1-01", "7296-1.3.1-02", "7296-2.23.1-01", "7296-2.23.1-04", "7296-2.23.1-05"),
    config=HOSTS,
)
def transport_mode(run: Run) -> None:
    """USE_TRANSPORT_MODE is requested and accepted."""
    _hosts(run)


@scenario(
    "RFC 4303 section 3.1.1", roles=EVERY, needs={"transport", "esn"}, config={**HOSTS, "esp": "aes256-sha256-esn"}
)
def transport_esn(run: Run) -> None:
    """Transport mode with CBC, HMAC and ESN."""
    _hosts(run)
    extended(run)


@scenario("RFC 4303 section 3.1.1", roles=EVERY, needs={"transport", "ipv6"}, config=HOSTS6, site={"ipv6": True})
def transport_ipv6(run: Run) -> None:
    """Transport mode over IPv6."""
    _hosts(run, ipv6=True)


@scenario(
    "RFC 7296 section 1.3.3",
    roles=EVERY,
    needs={"transport", "rekey"},
    requirements=("7296-1.3.1-01", "7296-1.3.1-02"),
    config=HOSTS,
)
def transport_rekey(run: Run) -> None:
    """Either peer rekeys a Child SA in transport mode; the new one is in transport mode too."""
    run.establish()
    for by_us in (True, False):
        child_rekeyed(run, by_us=by_us)
        expect(run.s.child.hosts is not None, "transport mode again").holds()
        run.send_traffic(count=1, hosts=True)
    run.agree()
    for message in (*run.requests("CREATE_CHILD_SA"), *run.answers("CREATE_CHILD_SA")):
        if IKEv2_SA in message:
            expect(message).notifies("USE_TRANSPORT_MODE")


@scenario(
    "RFC 7296 section 1.3.1",
    roles=INITIATORS,
    needs={"transport", "several"},
    requirements=("7296-1.3.1-01", "7296-1.3.1-02", "7296-1.3-01"),
    config={"children": PROTOCOLS},
)
def transport_child(run: Run) -> None:
    """A second Child SA in transport mode, for another protocol between the same hosts."""
    run.establish()
    # HDR, SK {SA, Ni, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->   <--  HDR, SK {SA, Nr, TSi, TSr, N(USE_TRANSPORT_MODE)}
    run.s.create_child(run.config().children[1])
    expect(run.answer("CREATE_CHILD_SA")).has(IKEv2_SA).notifies("USE_TRANSPORT_MODE")
    modes = [event.mode for event in run.events if isinstance(event, ChildSaInstalled)]
    expect(modes, "modes of our Child SAs").equals(["transport"] * 2)
    run.send_traffic(hosts=True)
    run.agree()


if __name__ == "__main__":
    main(__file__)
