# SPDX-License-Identifier: GPL-2.0-or-later
"""A wrong cookie."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished, KeysDerived
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.taps import Outgoing


@scenario(
    "RFC 7296 section 2.6",
    requirements=(
        "7296-2.6-06",
        "7296-2.6-02",
        "7296-2.6-i04",
    ),
)
def cookie_wrong(run: Run) -> None:
    """A wrong cookie counts as no cookie: the responder keeps no state and asks again."""
    s = run.session(peer={"cookie_threshold": 0})
    spoilt: list[bytes] = []

    def spoil(message: Outgoing) -> None:
        cookie = message.notify(NotifyType.COOKIE)
        if cookie is not None and not spoilt:
            spoilt.append(bytes(cookie.notify))
            cookie.notify = bytes(len(spoilt[0]))

    s.tap("payloads", spoil)
    s.sa_init()
    theirs = expect(s.events).at("responder")
    # <--  HDR(A,0), N(COOKIE)
    first = theirs.sent(0).notify_data("COOKIE").value
    # HDR(A,0), N(wrong COOKIE), SAi1, KEi, Ni  -->
    # <--  HDR(A,0), N(COOKIE)
    second = theirs.sent(1).notify_data("COOKIE").value
    expect([len(cookie) in range(1, 65) for cookie in (first, second)], "cookies of 1 to 64 octets").equals([True] * 2)
    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->   <--  HDR(A,B), SAr1, KEr, Nr
    theirs.has(KeysDerived, times=1)
    expect(len(s.peer.sas), "IKE SAs of the responder").equals(1)
    s.auth()
    expect(s.events).has(IkeSaEstablished, times=2)


if __name__ == "__main__":
    main(__file__)
