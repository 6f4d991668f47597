# SPDX-License-Identifier: GPL-2.0-or-later
"""An IKE SA without a Child SA."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled
from fynx_scapy.harness import INITIATORS, RESPONDERS, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario("RFC 6023 section 5", roles=INITIATORS, needs={"childless"}, requirements=("7296-1-02",), live=True)
def childless(run: Run) -> None:
    """IKE_AUTH without a Child SA, after the responder has announced support; a Child SA follows later."""
    run.s.config = run.s.config.replace(children=())
    run.begin()
    # <--  HDR, SAr1, KEr, Nr, N(CHILDLESS_IKEV2_SUPPORTED)
    announced = expect(run.answer("IKE_SA_INIT")).has_notify("CHILDLESS_IKEV2_SUPPORTED")
    run.needs(announced, "the peer does not announce CHILDLESS_IKEV2_SUPPORTED")
    _without_child(run)
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
    run.s.create_child(run.config().children[0])
    _child_follows(run)


@scenario("RFC 6023 section 3", roles=RESPONDERS, needs={"childless"}, requirements=("7296-1-02",),
          config={"childless": "force"}, ours={"childless": True})  # fmt: skip
def childless_by_peer(run: Run) -> None:
    """The peer leaves the Child SA out of IKE_AUTH, after we have announced support, and sets it up later."""
    run.establish(child=False)
    expect(run.answer("IKE_SA_INIT")).notifies("CHILDLESS_IKEV2_SUPPORTED")
    _without_child(run)
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
    _child_follows(run)


def _without_child(run: Run) -> None:
    # HDR, SK {IDi, IDr, AUTH}  -->   <--  HDR, SK {IDr, AUTH}
    expect(run.answer("IKE_AUTH")).has(IKEv2_IDr, IKEv2_AUTH).lacks(IKEv2_SA, IKEv2_TSi, IKEv2_TSr)
    expect(run.s.sa.established, "the IKE SA to be established").holds()


def _child_follows(run: Run) -> None:
    run.event(ChildSaInstalled)
    run.agree()  # ours may be there before the peer's, which would drop a packet
    run.send_traffic(count=1)
    run.agree()


if __name__ == "__main__":
    main(__file__)
