# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts behind one NAT with the same selectors in transport mode."""

from __future__ import annotations

from fynx_scapy import Endpoint, SeededRandomness
from fynx_scapy.events import ChildSaFailed, ChildSaInstalled
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.net import Nat
from fynx_scapy.scenarios.transport.transport_mode import CHILD, CONFIG


@scenario("RFC 3948 section 5.2", requirements=("3948-5.2-01", "3948-5.2-02"))
def transport_mode_conflict(run: Run) -> None:
    """Both hosts have the NAT's address: the second one gets only what the first one does not have."""
    tcp, udp = (CHILD.replace(local_ts=(f"0.0.0.0/0[{name}]",)) for name in ("tcp", "udp"))
    s = run.session(config=CONFIG.replace(children=(tcp,)), peer={"remote_id": None, "children": (CHILD,)})
    s.network.add_nat(Nat({"192.0.2.1", "192.0.2.3"}, "198.51.100.1"))
    s.connect()
    second = Endpoint("192.0.2.3", randomness=SeededRandomness(f"{run.name} second"))
    s.network.add(second, "second")

    # HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi(tcp), TSr(tcp), N(USE_TRANSPORT_MODE)}  -->
    # <--  HDR, SK {IDr, AUTH, N(TS_UNACCEPTABLE)}
    sa = second.connect(s.config.replace(local_id="carol", children=(tcp,)), s.network.now)
    s.network.run()
    expect(sa.established, "the IKE SA").holds()
    expect(s.events).at("second").has(ChildSaFailed, times=1, notify_type=NotifyType.TS_UNACCEPTABLE)
    # HDR, SK {SA, Ni, TSi(udp), TSr(udp), N(USE_TRANSPORT_MODE)}  -->
    # <--  HDR, SK {SA, Nr, TSi(udp), TSr(udp), N(USE_TRANSPORT_MODE)}
    sa.create_child(udp)
    s.network.run()
    expect(s.events).at("second").has(ChildSaInstalled, times=1, mode="transport")


if __name__ == "__main__":
    main(__file__)
