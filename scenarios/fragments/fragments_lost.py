# SPDX-License-Identifier: GPL-2.0-or-later
"""Lost fragments."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.events import MessageReceived, Retransmitted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH
from fynx_scapy.taps import Datagram, Outgoing, Tap


@scenario(
    "RFC 7383 section 2.6.1",
    requirements=("7383-2.6.1-01", "7383-2.6.1-02", "7383-4-i01", "7296-2.1-01", "7296-2.3-07", "7296-2.3-08"),
    live="in part",
)
def fragments_lost(run: Run) -> None:
    """After a lost fragment the whole message is retransmitted; fragments that have arrived are kept.

    For a request that was already answered, only its first fragment triggers the retransmission of the response.
    """
    config = IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"), fragment_size=200)
    s = run.session("a fragment of the request is lost", config=config)
    s.client.taps.add("datagrams", without_first_try_of(1))
    announced = expect(s.sa_init()).has_notify("IKEV2_FRAGMENTATION_SUPPORTED")
    run.needs(announced, "the peer does not announce IKEV2_FRAGMENTATION_SUPPORTED")
    # HDR, SKF(1/2) {...}  -->   HDR, SKF(2/2) {...}  --X
    # HDR, SKF(1/2) {...}, HDR, SKF(2/2) {...}  -->
    # <--  HDR, SKF(1/2) {...}, HDR, SKF(2/2) {...}
    expect(s.auth()).has(IKEv2_AUTH)
    expect(s.events).at("initiator").has(Retransmitted, times=1, request=True, message_id=1)
    if not run.embedded("a fragment of the answer that is lost"):
        return
    expect(s.events).at("responder").has(MessageReceived, times=2).lacks(Retransmitted)

    s = run.session("a fragment of the answer is lost", config=config)
    s.peer.taps.add("datagrams", without_first_try_of(0))
    s.sa_init()
    # HDR, SKF(1/2) {...}, HDR, SKF(2/2) {...}  -->
    #      X--  HDR, SKF(1/2) {...}    <--  HDR, SKF(2/2) {...}
    # HDR, SKF(1/2) {...}, HDR, SKF(2/2) {...}  -->
    # <--  HDR, SKF(1/2) {...}, HDR, SKF(2/2) {...}
    expect(s.auth()).has(IKEv2_AUTH)
    expect(s.events).at("responder").has(Retransmitted, times=1, request=False, message_id=1)
    expect(s.events).at("responder").has(MessageReceived, times=2)
    expect(len(s.ping()), "octets of the reply").between(28, 1500)


def without_first_try_of(fragment: int) -> Tap:
    """A tap: drop this fragment when the message is sent for the first time."""

    def tap(_message: Outgoing, datagrams: list[Datagram], attempt: int) -> list[Datagram]:
        if attempt or len(datagrams) == 1:
            return datagrams
        return datagrams[:fragment] + datagrams[fragment + 1 :]

    return tap


if __name__ == "__main__":
    main(__file__)
