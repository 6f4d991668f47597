# SPDX-License-Identifier: GPL-2.0-or-later
"""Several outstanding requests."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.events import MessageReceived, PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario, without
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.taps import Datagram, Delayed


@scenario(
    "RFC 7296 section 2.3",
    requirements=(
        "7296-2.3-01", "7296-2.3-i01", "7296-2.3-02", "7296-2.3-03", "7296-2.3-05", "7296-2.3-06", "7296-2.3-i02",
    ),
)  # fmt: skip
def window_size(run: Run) -> None:
    """Each peer sends as many requests as the other's window allows; requests and responses may be reordered.

    A Delete of the IKE SA waits for all of them. After a rekey the window is 1 until it is announced again.
    """
    config = IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"), window=3)
    s = run.session("three requests, the first of them late", config=config, peer={"window": 3})
    s.sa_init()
    expect(s.sa.requests.size, "window until IKE_AUTH has ended").equals(1)
    # HDR, SK {IDi, ..., N(SET_WINDOW_SIZE)}  -->
    # <--  HDR, SK {IDr, ..., N(SET_WINDOW_SIZE)}
    expect(s.auth()).notifies("SET_WINDOW_SIZE").notify_data("SET_WINDOW_SIZE").equals(b"\0\0\0\3")
    s.client.taps.add("datagrams", late, when=lambda message: message.header.id == 2)
    exchanges = [s.sa.liveness() for _ in range(5)]
    last = s.sa.delete_ike()
    # HDR(2), SK {} (late)   HDR(3), SK {}  -->   HDR(4), SK {}  -->
    expect(sorted(s.sa.requests.pending), "outstanding requests").equals([2, 3, 4])
    s.network.run()
    expect([exchange.error for exchange in [*exchanges, last]], "errors").equals([None] * 6)
    order = [e.header.id for at, e in s.events if at == "responder" and isinstance(e, MessageReceived)]
    # "it MUST wait until it has received responses to all requests up through request X-N"
    expect(order, "the order in which they came").equals([0, 1, 3, 4, 2, 5, 6, 7])

    s = run.session("a peer that keeps one", config=config, peer={"window": 1})
    s.connect()
    s.sa.liveness()
    s.sa.liveness()
    expect(len(s.sa.requests.pending), "outstanding requests").equals(1)
    s.network.run()
    expect(s.events).at("initiator").lacks(PeerNotified, notify_type=16385)

    s = run.session("after a rekey", config=config, peer={"window": 3})
    s.connect()
    s.sa.rekey()
    s.network.run()
    (new,) = [sa for sa in s.client.sas.values() if sa.established]
    # HDR(new, 0), SK {N(SET_WINDOW_SIZE)}  -->     <--  HDR(new, 0), SK {N(SET_WINDOW_SIZE)}
    expect(new.requests.size, "window").equals(3)
    expect(s.events).at("initiator").has(PeerNotified, notify_type=16385, spi_i=new.spi_i, data=b"\0\0\0\3", times=1)

    s = run.session("after a rekey, without a new promise", config=config, peer={"window": 3})
    s.connect()
    s.peer.taps.add("payloads", without(IKEv2_Notify))
    s.sa.rekey()
    s.network.run()
    (new,) = [sa for sa in s.client.sas.values() if sa.established]
    expect(new.requests.size, "window").equals(1)


def late(_message: object, datagrams: list[Datagram], _attempt: int) -> list[Delayed]:
    """A tap: delay by half a second."""
    return [Delayed(datagram, 0.5) for datagram in datagrams]


if __name__ == "__main__":
    main(__file__)
