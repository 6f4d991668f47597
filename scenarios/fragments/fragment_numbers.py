# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments with invalid numbers."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.events import IntegrityFailed, MessageDropped
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH
from fynx_scapy.taps import Datagram


@scenario(
    "RFC 7383 section 2.6",
    requirements=("7383-2.6-01", "7383-2.6-03", "7383-2.5-04", "7383-2.5-05", "7383-2.5-06"),
    live="in part",
)
def fragment_numbers(run: Run) -> None:
    """Fragment number 0, total 0, a number above the total, and changed fragments are silently discarded.

    An attacker sends them before each valid fragment. None of them is stored, and the handshake completes.
    """
    s = run.session(
        config=IkeConfig(
            local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"), fragment_size=200
        )
    )
    embedded = run.embedded("fragments to us, and why they were discarded")
    if embedded:
        s.network.intercept(lambda _now, datagram: [*spoilt(datagram), datagram])
    else:
        s.tap(
            "datagrams", lambda _message, datagrams, _attempt: [d for each in datagrams for d in (*spoilt(each), each)]
        )
    announced = expect(s.sa_init()).has_notify("IKEV2_FRAGMENTATION_SUPPORTED")
    run.needs(announced, "the peer does not announce IKEV2_FRAGMENTATION_SUPPORTED")
    # HDR, SKF(0/2) {...}, HDR, SKF(1/0) {...}, HDR, SKF(3/2) {...}, HDR, SKF(1/2) {...}  -->
    expect(s.auth()).has(IKEv2_AUTH)
    for who in s.ends if embedded else ():
        end = expect(s.events).at(who)
        reasons = [e.reason for _, e in end.events if isinstance(e, MessageDropped)]
        forged = [e for _, e in end.events if isinstance(e, IntegrityFailed)]
        expect(len(forged), "discarded for their ICV").between(2, 9)
        numbers = sum("Fragment Number" in reason for reason in reasons)
        expect(numbers, "discarded for their numbers").equals(3 * len(forged))
    expect(len(s.ping()), "octets of the reply").between(28, 1500)


def spoilt(datagram: Datagram) -> list[Datagram]:
    """Copies of a fragment that must not be accepted."""
    data = datagram.data
    if len(data) < 40 or data[16] != 53:
        return []
    numbers = [data[:32] + bytes(pair) + data[36:] for pair in ((0, 0, 0, 2), (0, 1, 0, 0), (0, 9, 0, 2))]
    numbers.append(data[:-1] + bytes([data[-1] ^ 1]))
    return [Datagram(octets, datagram.local, datagram.remote) for octets in numbers]


if __name__ == "__main__":
    main(__file__)
