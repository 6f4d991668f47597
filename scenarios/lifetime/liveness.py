# SPDX-License-Identifier: GPL-2.0-or-later
"""The liveness check."""

from __future__ import annotations

from itertools import pairwise

from fynx_scapy.errors import Timeout
from fynx_scapy.events import MessageReceived, MessageSent, PeerDead, Retransmitted, SaDeleted
from fynx_scapy.harness import PATIENCE, Run, expect, main, scenario
from fynx_scapy.taps import Datagram


@scenario(
    "RFC 7296 section 2.4",
    requirements=(
        "7296-1-i02", "7296-1.4-04", "7296-1.4-05", "7296-1.4-06", "7296-2.1-01", "7296-2.1-06", "7296-2.1-07",
        "7296-2.2-01", "7296-2.4-05", "7296-2.4-08", "7296-2.1-i01", "7296-2.1-02", "7296-2.3-08",
    ),
    live="in part",
)  # fmt: skip
def liveness(run: Run) -> None:
    """An empty INFORMATIONAL exchange shows that the peer is alive; without a response it is declared dead.

    A request without a response is retransmitted unchanged, after longer and longer intervals.
    """
    s = run.session("the peer lives")
    s.connect()
    # HDR, SK {}  -->
    # <--  HDR, SK {}
    expect(s.liveness()).exchange("INFORMATIONAL").response().message_id(2).empty()
    if run.embedded("an answer to the first request"):  # a live peer may answer late
        expect(s.events).lacks(Retransmitted)

    # HDR, SK {}  -->   the same request again, and from now on the answer that it had
    asked = next(event for who, event in reversed(s.events) if who == "initiator" and isinstance(event, MessageSent))
    heard: list[bytes] = []
    s.network.observe(lambda _time, datagram, fate: heard.append(datagram.data) if fate == "delivered" else None)
    s.network.inject(Datagram(asked.wire[0], s.sa.local, s.sa.remote))
    answer = next(
        event for who, event in reversed(s.events) if who == "initiator" and isinstance(event, MessageReceived)
    )
    s.network.run(lambda: answer.wire[0] in heard, limit=PATIENCE)
    expect(answer.wire[0] in heard, "the answer again, bit for bit").holds()
    if not run.embedded("an answer that is lost, and a peer that goes"):
        return

    s = run.session("an answer is lost")
    s.connect()
    lose = s.peer.taps.add("datagrams", lambda _message, datagrams, attempt: datagrams if attempt else [])
    # HDR, SK {}  -->
    #      X--  HDR, SK {}
    # HDR, SK {}  -->
    # <--  HDR, SK {}
    expect(s.liveness()).empty()
    lose()
    expect(s.events).at("initiator").has(Retransmitted, times=1, request=True, attempt=1, message_id=2)
    expect(s.events).at("responder").has(Retransmitted, times=1, request=False, attempt=1, message_id=2)

    s = run.session("the peer is gone")
    s.connect()
    s.network.wire.loss = 1.0
    # HDR, SK {}  --X
    expect(s.liveness).raises(Timeout)
    ours = expect(s.events).at("initiator").has(PeerDead, message_id=2).has(SaDeleted, child_spis=())
    again = [event for _, event in ours.events if isinstance(event, Retransmitted)]
    sent = next(e for _, e in ours.events if isinstance(e, MessageSent) and e.header.id == 2)
    copies = {datagram.data for event in again for datagram in event.datagrams}
    expect(copies == set(sent.wire), "every retransmission identical to the request").holds()
    times = [sent.time, *(event.time for event in again)]
    waits = [later - earlier for earlier, later in pairwise(times)]
    grows = all(longer > 1.5 * shorter for shorter, longer in pairwise(waits))
    expect(grows, f"waits that grow exponentially, of {waits} s").holds()
    expect(s.sa.children, "Child SAs").fails()


if __name__ == "__main__":
    main(__file__)
