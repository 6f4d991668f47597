# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder under load asks for a cookie before it keeps any state."""

from __future__ import annotations

from fynx_scapy.events import KeysDerived
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA


@scenario(
    "RFC 7296 section 2.6",
    roles=EVERY,
    needs={"cookies"},
    requirements=(
        "7296-2.6-02", "7296-2.6-03", "7296-2.6-04", "7296-2.6-i02", "7296-2.6-i04", "7296-2.2-i01", "7296-2.15-i03",
    ),
    config={"cookie_threshold": 1},
    endpoint={"cookie_threshold": 0},
)  # fmt: skip
def cookie(run: Run) -> None:
    """A responder under load asks for a cookie, and the initiator returns it.

    The second request is the first one with the cookie as its first payload. AUTH covers the second request, and the
    handshake completes as usual.
    """
    if run.we_begin:
        run.half_open()
    run.establish()
    # As the responder, we do not parse the first request: it is in no event of ours.
    *firsts, second = run.requests("IKE_SA_INIT")
    expect(len(run.answers("IKE_SA_INIT")), "answers to IKE_SA_INIT").equals(2)
    refusal, answer = run.answers("IKE_SA_INIT")
    expect(len(firsts), "earlier requests").equals(int(run.we_begin))

    # HDR(A,0), SAi1, KEi, Ni  -->
    # <--  HDR(A,0), N(COOKIE)
    expect(refusal).message_id(0).notifies("COOKIE").lacks(IKEv2_SA)
    expect(refusal.resp_SPI, "responder SPI").equals(bytes(8))
    given = expect(refusal).notify_data("COOKIE").value
    expect(len(given), "octets of the cookie").between(1, 64)

    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->
    expect(second).message_id(0)
    expect(bytes(second[IKEv2_Notify].notify), "cookie").equals(given)
    expect(isinstance(second[IKEv2].payload, IKEv2_Notify), "the cookie as the first payload").holds()
    for first in firsts:
        expect(first).message_id(0)
        for layer in (IKEv2_SA, IKEv2_KE, IKEv2_Nonce):
            expect(second[layer].octets() == first[layer].octets(), f"{layer.__name__} unchanged").holds()
    # <--  HDR(A,B), SAr1, KEr, Nr
    expect(answer).has(IKEv2_SA, IKEv2_KE, IKEv2_Nonce)
    expect([type(event) for event in run.events].count(KeysDerived), "how often we derived keys").equals(1)
    run.send_traffic(count=1)
    run.agree()


if __name__ == "__main__":
    main(__file__)
