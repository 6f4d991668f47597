# SPDX-License-Identifier: GPL-2.0-or-later
"""A cookie made with an old secret."""

from __future__ import annotations

from fynx_scapy import Retransmission
from fynx_scapy.events import IkeSaEstablished, PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.taps import Datagram, Delayed, Outgoing


class _Once:
    """Delays the first message that carries a cookie."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.done = seconds, False

    def __call__(self, message: Outgoing, datagrams: list[Datagram], attempt: int) -> list[Datagram | Delayed]:
        if self.done or not message.has_notify(NotifyType.COOKIE):
            return [*datagrams]
        self.done = True
        return [Delayed(datagram, self.seconds) for datagram in datagrams]


@scenario(
    "RFC 7296 section 2.6",
    requirements=(
        "7296-2.6-05",
        "7296-2.6-06",
    ),
)
def cookie_rotation(run: Run) -> None:
    """The cookie secret changes every minute: the previous one is still accepted, older ones are not."""
    for late, cookies in ((70, 1), (200, 2)):
        s = run.session(f"the cookie comes back after {late} s", peer={"cookie_threshold": 0})
        s.tap("datagrams", _Once(late))

        # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->   much later
        sa = s.client.connect(s.config.replace(retransmission=Retransmission(timeout=500.0)), s.network.now)
        s.network.run(2.0 * late)
        expect(sa.established, "the IKE SA established").holds()
        # <--  HDR(A,0), N(COOKIE): a new one if the first one has expired
        expect(s.events).at("initiator").has(PeerNotified, times=cookies, notify_type=NotifyType.COOKIE)
        expect(s.events).has(IkeSaEstablished, times=2)


if __name__ == "__main__":
    main(__file__)
