# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE SA is rekeyed by either peer."""

from __future__ import annotations

from fynx_scapy.events import IkeSaRekeyed, KeysDerived, MessageReceived, MessageSent, SaDeleted
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA, IKEv2_TSi

REQUIREMENTS = ("7296-1.3.2-01", "7296-2.18-01", "7296-2.18-03")


@scenario("RFC 7296 section 1.3.2", roles=EVERY, needs={"rekey"}, requirements=REQUIREMENTS, live=True)
def rekey_ike(run: Run) -> None:
    """We rekey the IKE SA: message IDs start at 0 again, and the new one inherits the Child SA."""
    _rekeyed(run, by_us=True)


@scenario("RFC 7296 section 1.3.2", roles=EVERY, needs={"rekey"}, requirements=REQUIREMENTS)
def rekey_ike_by_peer(run: Run) -> None:
    """The peer rekeys the IKE SA: message IDs start at 0 again, and the new one inherits the Child SA."""
    _rekeyed(run, by_us=False)


def _rekeyed(run: Run, *, by_us: bool) -> None:
    run.establish()
    old, child = run.s.sa, run.s.child
    ike_rekeyed(run, by_us=by_us)
    expect(run.s.sa.keys != old.keys, "other keys").holds()
    expect([type(event) for event in run.events].count(KeysDerived), "how often we derived keys").equals(2)
    expect(run.s.child is child, "the same Child SA").holds()
    run.send_traffic()
    # HDR, SK {}  -->   <--  HDR, SK {}     the first exchange of ours on the new IKE SA
    expect(run.s.liveness()).message_id(0)
    run.agree()


def ike_rekeyed(run: Run, *, by_us: bool) -> None:
    """Have one peer rekey the IKE SA, and wait until both have deleted the old one."""
    old = run.s.sa
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}
    if by_us:
        run.s.rekey_ike()
    else:
        run.peer.rekey_ike()
    run.event(IkeSaRekeyed)
    run.wait_until(lambda: run.s.sa is not old and run.peer.has(run.s.sa), "the peer to have the new IKE SA")
    for kind in (MessageSent, MessageReceived):
        proposed = [message for message in run.messages(kind) if IKEv2_SA in message][-1]
        expect(proposed).exchange("CREATE_CHILD_SA").has(IKEv2_SA, IKEv2_Nonce, IKEv2_KE).lacks(IKEv2_TSi)
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    if not (by_us and not old.initiator and run.unlike("silent_when_rekeyed")):
        run.event(SaDeleted, spi_i=old.spi_i, child_spis=())
    if run.shown("whether the peer has deleted the old IKE SA"):
        run.wait_until(lambda: not run.theirs(old).spi_i, "the old IKE SA to be gone at the peer")


if __name__ == "__main__":
    main(__file__)
