# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder that asks for a cookie every time."""

from __future__ import annotations

from fynx_scapy.events import IkeSaFailed, KeysDerived, PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.taps import Outgoing


@scenario("RFC 7296 section 2.6", requirements=("7296-2.6-i05",))
def cookie_endless(run: Run) -> None:
    """An initiator gives up after a few cookies."""
    s = run.session(peer={"cookie_threshold": 0})

    def spoil(message: Outgoing) -> None:
        cookie = message.notify(NotifyType.COOKIE)
        if cookie is not None:
            cookie.notify = b"none of yours"

    s.tap("payloads", spoil)
    # HDR(A,0), [N(COOKIE),] SAi1, KEi, Ni  -->   <--  HDR(A,0), N(COOKIE)   repeatedly
    s.sa_init()
    ours = expect(s.events).at("initiator")
    ours.has(PeerNotified, times=s.config.cookies + 1, notify_type=NotifyType.COOKIE)
    ours.has(IkeSaFailed, times=1, notify_type=NotifyType.COOKIE).lacks(KeysDerived)
    expect(s.peer.sas, "IKE SAs of the responder").fails()


if __name__ == "__main__":
    main(__file__)
