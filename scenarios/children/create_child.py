# SPDX-License-Identifier: GPL-2.0-or-later
"""A second Child SA under one IKE SA."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_Nonce, IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario(
    "RFC 7296 section 1.3.1",
    requirements=("7296-2.17-i01", "7296-1-02"),
    live="in part",
)
def create_child(run: Run) -> None:
    """A second Child SA carries its own traffic; packets are assigned to it by its selectors."""
    s = run.session()
    s.connect()
    reply = s.ping()
    more = s.config.children[0].replace(name="more", local_ts=reply.dst, remote_ts=reply.src)

    # HDR, SK {SA, Ni, TSi, TSr}  -->
    # <--  HDR, SK {SA, Nr, TSi, TSr}
    answer = s.create_child(more)
    run.needs(not expect(answer).has_notify("NO_ADDITIONAL_SAS"), "the peer accepts no further Child SAs")
    expect(answer).exchange("CREATE_CHILD_SA").has(IKEv2_SA, IKEv2_Nonce, IKEv2_TSi, IKEv2_TSr)
    expect(s.events).has(ChildSaInstalled, times=2 * len(s.ends))
    expect([child.name for child in s.sa.children.values()], "Child SAs").equals(["net", "more"])
    before = s.child.outbound.packets
    s.ping()
    expect(s.child.outbound.packets - before, "packets through the new Child SA").equals(1)
    if not run.embedded("a host that only the first Child SA has"):
        return
    s.ping("10.2.0.129")
    expect(s.child.outbound.packets - before, "packets through the new Child SA").equals(1)


if __name__ == "__main__":
    main(__file__)
