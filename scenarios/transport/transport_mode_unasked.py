# SPDX-License-Identifier: GPL-2.0-or-later
"""USE_TRANSPORT_MODE in a response without a request for it."""

from __future__ import annotations

from fynx_scapy.events import ChildSaFailed, ChildSaInstalled
from fynx_scapy.exchanges import notify
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_SA
from fynx_scapy.taps import Outgoing


@scenario("RFC 7296 section 1.3.1", requirements=("7296-2.4-13", "7296-1.4.1-i03"))
def transport_mode_unasked(run: Run) -> None:
    """USE_TRANSPORT_MODE only in the response: no Child SA is installed, and the IKE SA is deleted."""
    s = run.session()
    s.peer.taps.add("payloads", agree)
    s.sa_init()
    # HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr, N(USE_TRANSPORT_MODE)}
    expect(s.auth()).notifies("USE_TRANSPORT_MODE")
    expect(s.events).at("initiator").has(ChildSaFailed, times=1).lacks(ChildSaInstalled)
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    expect(s.peer.children, "Child SAs of the peer").fails()
    expect(s.sa.state.value, "state").equals("closed")


def agree(message: Outgoing) -> None:
    """A tap: add the notify to a response that has an SA payload."""
    if message.encrypted and message.get(IKEv2_SA) is not None:
        message.payloads.append(notify(NotifyType.USE_TRANSPORT_MODE))


if __name__ == "__main__":
    main(__file__)
