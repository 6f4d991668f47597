# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends rekey at once."""

from __future__ import annotations

from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.ike.events import ChildSaRekeyed, IkeSaRekeyed


@scenario(
    "RFC 7296 section 2.8.1",
    requirements=("7296-2.8.1-03", "7296-2.8.2-01", "7296-2.25.1-02", "7296-2.25.2-01", "7296-2.3-04"),
)
def rekey_collision(run: Run) -> None:
    """Two rekeys cross: the one with the lowest nonce is undone by its creator, and one SA remains."""
    # HDR, SK {N(REKEY_SA), SA, Ni, …}  -->  and at the same time  <--  HDR, SK {N(REKEY_SA), SA, Ni, …}
    s = run.session("Child SAs")
    s.connect()
    s.sa.rekey_child(s.child)
    s.peer_sa.rekey_child(*s.peer_sa.children.values())
    s.network.run()
    expect(s.events).has(ChildSaRekeyed, times=4)
    expect(len(s.sa.children), "Child SAs of ours").equals(1)
    expect(len(s.peer_sa.children), "Child SAs of the peer's").equals(1)
    s.ping("10.2.0.1")

    # HDR, SK {SA, Ni, KEi}  -->  and at the same time  <--  HDR, SK {SA, Ni, KEi}
    s = run.session("IKE SAs")
    s.connect()
    s.sa.rekey()
    s.peer_sa.rekey()
    s.network.run()
    expect(s.events).has(IkeSaRekeyed, times=4)
    expect(len(s.sa.children), "Child SAs of the IKE SA that remains").equals(1)
    s.ping("10.2.0.1")
    s.liveness()


if __name__ == "__main__":
    main(__file__)
