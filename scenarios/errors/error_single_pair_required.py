# SPDX-License-Identifier: GPL-2.0-or-later
"""SINGLE_PAIR_REQUIRED."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP

from fynx_scapy import ChildConfig
from fynx_scapy.errors import LocalError
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 2.9",
    requirements=("7296-2.9-01", "7296-1.2-i03"),
)
def error_single_pair_required(run: Run) -> None:
    """Address ranges are refused with SINGLE_PAIR_REQUIRED; the packet's addresses say which pair to use."""
    one = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", single_pair=True)
    s = run.session(peer={"children": (one,)})
    s.sa_init()
    # HDR, SK {…, TSi(10.1.0.0/24), TSr(10.2.0.0/24)}  -->
    # <--  HDR, SK {IDr, AUTH, N(SINGLE_PAIR_REQUIRED)}
    expect(s.auth()).has(IKEv2_AUTH).notifies("SINGLE_PAIR_REQUIRED").lacks(IKEv2_SA)
    # HDR, SK {…, TSi(10.1.0.5[icmp], 10.1.0.0/24), TSr(10.2.0.7[icmp], 10.2.0.0/24)}  -->
    # <--  HDR, SK {…, TSi(10.1.0.5…), TSr(10.2.0.7…)}
    s.sa.create_child(packet=bytes(IP(src="10.1.0.5", dst="10.2.0.7") / ICMP()))
    s.network.run()
    expect(s.ping("10.2.0.7", source="10.1.0.5")).has(ICMP, type=0)
    expect(lambda: s.ping("10.2.0.8", source="10.1.0.5")).raises(LocalError, "traffic selectors")


if __name__ == "__main__":
    main(__file__)
