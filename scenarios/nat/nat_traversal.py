# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT traversal."""

from __future__ import annotations

import functools

from fynx_scapy import Address
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.net import Nat
from fynx_scapy.taps import Datagram, DatagramKind


@scenario(
    "RFC 7296 section 2.23",
    requirements=(
        "7296-2.23-01", "7296-2.23-02", "7296-2.23-05", "7296-2.23-07", "7296-2.23-09", "7296-2.23-12", "3948-2.1-01",
        "3948-2.2-i01", "7296-2-03", "7296-2.11-01", "3948-1-02",
    ),
)  # fmt: skip
def nat_traversal(run: Run) -> None:
    """Both peers detect the NAT, IKE moves to port 4500, and ESP is sent in UDP; over IPv4 and IPv6."""
    for label, end, outside in (
        ("IPv4", "192.0.2.", "198.51.100.1"),
        ("IPv6", "2001:db8::", "2001:db8:ffff::1"),
    ):
        s = run.session(label, local=f"{end}1", remote=f"{end}2")
        nat = s.network.add_nat(Nat({f"{end}1"}, outside))
        seen: list[Datagram] = []
        s.network.intercept(functools.partial(note, seen))

        # HDR(A,0), SAi1, KEi, Ni, N(NAT_DETECTION_SOURCE_IP), N(NAT_DETECTION_DESTINATION_IP)  -->
        # <--  HDR(A,B), SAr1, KEr, Nr, N(NAT_DETECTION_SOURCE_IP), N(NAT_DETECTION_DESTINATION_IP)
        answer = s.sa_init()
        for message in (expect(s.events).at("initiator").sent(0), expect(answer)):
            message.notifies("NAT_DETECTION_SOURCE_IP").notifies("NAT_DETECTION_DESTINATION_IP")
        expect([d.local.port for d in seen], "ports of IKE_SA_INIT").equals([500, 500])
        expect((s.sa.nat_before_us, s.sa.nat_before_peer), "NAT before us, before the peer").equals((True, False))

        # port 4500:  00000000, HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr}  -->
        # <--  00000000, HDR, SK {IDr, AUTH, SAr2, TSi, TSr}   to where it came from
        s.auth()
        (peer,) = s.peer.sas.values()
        expect(seen[2].wire[:4], "marker").equals(bytes(4))
        expect((seen[2].local.port, seen[2].remote.port), "ports of IKE_AUTH").equals((4500, 4500))
        expect(peer.remote, "the peer's idea of us").equals(nat.mappings[Address(f"{end}1", 4500)])
        expect(seen[3].remote, "the destination of the answer").equals(peer.remote)

        # UDP {ESP}  ==>  <==  UDP {ESP}
        s.ping()
        expect([d.kind for d in seen[4:]], "ESP").equals([DatagramKind.ESP_IN_UDP] * 2)
        expect([d.local.port for d in seen[4:]], "ports of ESP").equals([4500, 4500])


def note(seen: list[Datagram], _time: float, datagram: Datagram) -> None:
    """Record a datagram that is sent."""
    seen.append(datagram)


if __name__ == "__main__":
    main(__file__)
