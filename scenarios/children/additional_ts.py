# SPDX-License-Identifier: GPL-2.0-or-later
"""ADDITIONAL_TS_POSSIBLE."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy import ChildConfig
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_TSr,
)


@scenario(
    "RFC 7296 section 2.9",
    requirements=("7296-2.9-03", "7296-2.9-i04"),
)
def additional_ts(run: Run) -> None:
    """A responder that narrows the selectors says that the others are possible in another Child SA."""
    near = ChildConfig(name="near", local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24")
    far = near.replace(name="far", local_ts="10.9.0.0/24")
    s = run.session(remote_ts="10.0.0.0/8", peer={"children": (near, far)})
    s.sa_init()
    # HDR, SK {…, TSi, TSr(10.0.0.0/8)}  -->
    # <--  HDR, SK {…, TSi, TSr(10.2.0.0/24), N(ADDITIONAL_TS_POSSIBLE)}
    expect(s.auth()).has(IKEv2_TSr).notifies("ADDITIONAL_TS_POSSIBLE")
    expect([str(ts) for ts in s.child.remote_ts], "TSr").equals(["10.2.0.0/24"])
    s.sa.create_child(ChildConfig(remote_ts="10.9.0.0/24"))
    s.network.run()
    expect(s.ping("10.2.0.1")).has(ICMP, type=0)
    expect(s.ping("10.9.0.1")).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
