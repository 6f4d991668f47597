# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragments of both peers."""

from __future__ import annotations

from fynx_scapy.events import (
    MessageReceived,
    MessageSent,
)
from fynx_scapy.harness import (
    EVERY,
    Run,
    expect,
    main,
    scenario,
)


@scenario("RFC 7383 section 2.5", roles=EVERY, needs={"fragments"}, requirements=("7383-2.5.1-01",),
       config={"fragment_size": 256, "ike": "aes256gcm16-prfsha512-modp3072"}, ours={"fragment_size": 256})  # fmt: skip
def fragments_both_ways(run: Run) -> None:
    """Both peers fragment IKE messages above 256 octets of IP, and reassemble the other's."""
    run.establish()
    run.s.rekey_ike()
    for kind in (MessageSent, MessageReceived):
        pieces = [len(event.wire) for event in run.events if isinstance(event, kind)]
        expect(max(pieces), f"fragments of one {kind.__name__}").between(2, 20)
    largest = max(len(octets) + 20 + 8 + 4 for octets in run.wires())
    expect(largest, "the largest IP packet with an IKE message of ours, in octets").between(100, 256)
    run.send_traffic(count=1)
    run.agree()


if __name__ == "__main__":
    main(__file__)
