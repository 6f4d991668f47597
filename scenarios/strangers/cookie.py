# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder under load asks for a cookie before it keeps any state."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished, KeysDerived
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA


@scenario(
    "RFC 7296 section 2.6",
    requirements=("7296-2.6-03", "7296-2.6-04", "7296-2.6-i02", "7296-2.6-i04", "7296-2.2-i01", "7296-2.15-i03"),
)
def cookie(run: Run) -> None:
    """A responder under load asks for a cookie, and the initiator returns it.

    The second request is the first one with the cookie as its first payload. AUTH covers the second request, and the
    handshake completes as usual.
    """
    s = run.session(peer={"cookie_threshold": 0})
    s.sa_init()
    ours, theirs = expect(s.events).at("initiator"), expect(s.events).at("responder")

    # HDR(A,0), SAi1, KEi, Ni  -->
    first = ours.sent(0).message_id(0).packet
    # <--  HDR(A,0), N(COOKIE)
    refusal = theirs.sent(0).message_id(0).notifies("COOKIE").lacks(IKEv2_SA)
    expect(refusal.packet.resp_SPI, "responder SPI").equals(bytes(8))
    given = refusal.notify_data("COOKIE").value
    expect(len(given), "octets of the cookie").between(1, 64)

    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->
    second = ours.sent(1).message_id(0).packet
    expect(bytes(second[IKEv2_Notify].notify), "cookie").equals(given)
    expect(isinstance(second[IKEv2].payload, IKEv2_Notify), "the cookie as the first payload").holds()
    for layer in (IKEv2_SA, IKEv2_KE, IKEv2_Nonce):
        expect(second[layer].octets() == first[layer].octets(), f"{layer.__name__} unchanged").holds()
    # <--  HDR(A,B), SAr1, KEr, Nr
    theirs.sent(1).has(IKEv2_SA, IKEv2_KE, IKEv2_Nonce)
    theirs.has(KeysDerived, times=1)
    expect(len(s.peer.sas), "IKE SAs of the responder").equals(1)

    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    expect(s.auth()).has(IKEv2_AUTH)
    expect(s.events).has(IkeSaEstablished, times=2)


if __name__ == "__main__":
    main(__file__)
