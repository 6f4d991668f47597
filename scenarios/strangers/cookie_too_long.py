# SPDX-License-Identifier: GPL-2.0-or-later
"""A COOKIE longer than 64 octets."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished, IkeSaFailed, MessageDropped, PeerNotified
from fynx_scapy.exchanges import notify
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2, build_message
from fynx_scapy.taps import Datagram


@scenario("RFC 7296 section 2.6", requirements=("7296-2.6-03",))
def cookie_too_long(run: Run) -> None:
    """A COOKIE of 65 octets is ignored; the valid response after it is accepted."""
    s = run.session()
    forged: list[bytes] = []

    def forge(_: float, datagram: Datagram) -> list[Datagram] | None:
        if forged or datagram.local.host == s.peer.host:
            return None
        header = IKEv2(init_SPI=datagram.data[:8], exch_type=ExchangeType.IKE_SA_INIT, flags="Response", id=0)
        forged.append(build_message(header, [notify(NotifyType.COOKIE, bytes(65))]))
        return [Datagram(forged[0], datagram.remote, datagram.local), datagram]

    s.network.intercept(forge)
    # HDR(A,0), SAi1, KEi, Ni  -->
    # <--  HDR(A,0), N(COOKIE of 65 octets): from a third party
    # <--  HDR(A,B), SAr1, KEr, Nr
    s.connect()
    ours = expect(s.events).at("initiator")
    ours.has(MessageDropped, times=1).lacks(IkeSaFailed).lacks(PeerNotified, notify_type=NotifyType.COOKIE)
    expect(s.events).has(IkeSaEstablished, times=2)


if __name__ == "__main__":
    main(__file__)
