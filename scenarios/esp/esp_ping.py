# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic through a Child SA, and packets that are dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply
from scapy.packet import Raw

from fynx_scapy import Session
from fynx_scapy.errors import Timeout
from fynx_scapy.events import EspReceived, EspSent, IntegrityFailed, ReplayDropped
from fynx_scapy.harness import PATIENCE, Run, expect, main, scenario
from fynx_scapy.net import echo_request
from fynx_scapy.taps import Datagram, DatagramKind


@scenario(
    "RFC 4303 section 3",
    requirements=(
        "4303-2.2-01", "4303-3.3.3-i01", "4303-3.4.3-05", "4303-3.4.4.2-01", "4303-3.4.3-i03", "4303-2.6-02",
        "4303-3.4.4.1-i01", "4303-3.4.3-01", "4303-3.4.3-08", "4303-3.4.4.1-05",
    ),
    live="in part",
)  # fmt: skip
def esp_ping(run: Run) -> None:
    """Pings and UDP echoes pass through the tunnel; copies, forgeries and dummy packets are dropped.

    The embedded peer answers decrypted packets. Sequence numbers start at 1 and never repeat. The anti-replay window
    drops a copy, the ICV check drops a changed packet, and neither moves the window.
    """
    s = run.session("IPv4")
    s.connect()

    # ESP {ICMP echo request}  ==>  <==  ESP {ICMP echo reply}
    for size in (0, 56, 1300):
        reply = s.ping(size=size)
        expect(reply).has(IP, ICMP, type=0)
        expect(len(reply), "octets of the reply").equals(28 + size)
    if not run.embedded("a UDP echo, and copies (RFC 4303 section 3.4.3 leaves anti-replay to the receiver)"):
        _from_outside(s)
        return
    # ESP {UDP to port 7}  ==>  <==  ESP {UDP from port 7}
    echo = s.send(IP(src="10.1.0.5", dst="10.2.0.5") / UDP(sport=4000, dport=7) / Raw(b"the quick brown fox"))
    expect(echo).has(UDP, sport=7, dport=4000).has(Raw, load=b"the quick brown fox")
    sent = [event.seq for who, event in s.events if who == "initiator" and isinstance(event, EspSent)]
    expect(sent, "sequence numbers").equals([1, 2, 3, 4])

    # ESP  ==> ==>   the network delivers a copy: it is accepted once
    s.network.wire.duplication = 1.0
    s.ping()
    s.network.run()
    s.network.wire.duplication = 0.0
    expect(s.events).at("responder").has(ReplayDropped, seq=5).has(EspReceived, times=1, seq=5)

    # ESP  ==X      an attacker flips one bit: the peer drops the packet
    away = s.network.intercept(flip_last_bit)
    expect(lambda: s.ping(timeout=1)).raises(Timeout)
    away()
    expect(s.events).at("responder").has(IntegrityFailed, times=1, spi=s.child.outbound.spi).lacks(EspReceived, seq=6)

    # ESP  ==>   the original packet is still accepted: the forgery did not move the window
    s.network.inject(next(e for _, e in reversed(s.events) if isinstance(e, EspSent)).datagram)
    s.network.run()
    expect(s.events).at("responder").has(EspReceived, times=1, seq=6)

    # ESP {dummy}  ==>   discarded without an answer; the SA continues to work
    s.client.send_dummy(s.sa, s.child)
    s.network.run()
    expect(s.events).at("responder").has(EspReceived, seq=7, next_header=59)
    expect(s.ping()).has(ICMP, type=0)
    expect(s.child.outbound.seq, "sequence number").equals(8)

    s = run.session("IPv6 in IPv6", local="2001:db8::1", remote="2001:db8::2",
                    local_ts="2001:db8:1::/64", remote_ts="2001:db8:2::/64")  # fmt: skip
    s.connect()
    expect(s.ping("2001:db8:2::1")).has(ICMPv6EchoReply)


def _from_outside(s: Session) -> None:
    """The part that works with any peer: a forgery and a dummy packet are dropped."""
    sent = next(event for _, event in reversed(s.events) if isinstance(event, EspSent))
    expect(sent.seq, "sequence number").equals(3)
    request = s.ping()
    # ESP  ==>      with one bit flipped: no answer
    seen = len(s.network.hosts["initiator"].inbox)
    data = s.child.outbound.seal(echo_request(request.dst, request.src, identifier=0xF1, sequence=99), 4)
    s.network.inject(replace(sent.datagram, data=data[:-1] + bytes([data[-1] ^ 1])))
    # ESP {dummy}  ==>   discarded without an answer; the SA continues to work
    s.client.send_dummy(s.sa, s.child)
    s.network.run(s.network.now + PATIENCE)
    expect(len(s.network.hosts["initiator"].inbox) - seen, "answers").equals(0)
    expect(s.ping()).has(ICMP, type=0)
    expect(s.child.outbound.seq, "sequence number").equals(7)


def flip_last_bit(_time: float, datagram: Datagram) -> Iterable[Datagram]:
    """A tap: change an ESP packet, as an attacker on the path would."""
    if datagram.kind is not DatagramKind.ESP:
        return [datagram]
    return [replace(datagram, data=datagram.data[:-1] + bytes([datagram.data[-1] ^ 1]))]


if __name__ == "__main__":
    main(__file__)
