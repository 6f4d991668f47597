# SPDX-License-Identifier: GPL-2.0-or-later
"""A further Child SA that cannot be."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import (
    ChildSaInstalled,
    SaDeleted,
)
from fynx_scapy.layers.ikev2 import (
    IKEv2_SA,
)


@scenario("RFC 7296 section 1.3.1", requirements=("7296-1.3.1-04",))
def error_create_child_refused(run: Run) -> None:
    """A refused CREATE_CHILD_SA, by its selectors or by its proposals, leaves the IKE SA as it was."""
    s = run.session(esp_proposals="aes128gcm16")
    s.connect()
    for config, kind in (
        (ChildConfig(remote_ts="172.16.0.0/24"), "TS_UNACCEPTABLE"),
        (ChildConfig(proposals="aes256gcm16"), "NO_PROPOSAL_CHOSEN"),
    ):
        # HDR, SK {SA, Ni, TSi, TSr}  -->
        s.sa.create_child(config)
        s.network.run()
        # <--  HDR, SK {N(…)}
        expect(s.events).at("responder").sent(-1).exchange("CREATE_CHILD_SA").notifies(kind).lacks(IKEv2_SA)
    expect(s.events).has(ChildSaInstalled, times=2).lacks(SaDeleted)
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
