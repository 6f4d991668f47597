# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode between two hosts behind two NATs."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Packet, Raw

from fynx_scapy import Address
from fynx_scapy.exchanges import selectors
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_TSi, IKEv2_TSr
from fynx_scapy.net import Nat
from fynx_scapy.scenarios.transport.transport_mode import CONFIG

IP1, IPN1, IPN2, IP2 = "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.2.2"


@scenario(
    "RFC 7296 section 2.23.1",
    requirements=(
        "7296-2.23-14", "7296-2.23.1-01", "7296-2.23.1-04", "7296-2.23.1-05", "3948-3.1.2-01", "7296-2.23-05",
    ),
)  # fmt: skip
def transport_mode_nat(run: Run) -> None:
    """Each peer substitutes the addresses it sees in the selectors, and the checksums are correct at both."""
    for label, client, server in (("both", True, True), ("client", True, False), ("server", False, True)):
        s = run.session(label, config=CONFIG)
        if client:
            s.network.add_nat(Nat({IP1}, IPN1))
        if server:
            s.network.add_nat(Nat({IP2}, IPN2).forward(Address(IP2, 500)).forward(Address(IP2, 4500)))
            s.config = s.config.replace(remote=Address(IPN2, 500))
        here, there = (IPN1 if client else IP1), (IPN2 if server else IP2)
        # HDR, SK {…, TSi(IP1), TSr(IPN2), N(USE_TRANSPORT_MODE)}  -->
        # <--  HDR, SK {…, TSi(IPN1), TSr(IP2), N(USE_TRANSPORT_MODE)}
        s.connect()
        asked = expect(s.events).at("initiator").sent(0, "IKE_AUTH").packet
        expect([str(ts) for name in (IKEv2_TSi, IKEv2_TSr) for ts in selectors(asked[name])], "asked for").equals(
            [f"{IP1}/32", f"{there}/32"]
        )
        (peer,) = s.peer.sas.values()
        theirs = next(iter(peer.children.values()))
        expect([str(ts) for ts in s.child.local_ts + s.child.remote_ts]).equals([f"{IP1}/32", f"{there}/32"])
        expect([str(ts) for ts in theirs.local_ts + theirs.remote_ts]).equals([f"{IP2}/32", f"{here}/32"])

        # UDP {ESP {UDP}}  ==>  <==  UDP {ESP {UDP}}
        reply = s.send(IP(src=IP1, dst=there) / UDP(sport=4000, dport=7) / Raw(b"checked"))
        expect(reply).has(IP, src=there, dst=IP1).has(Raw, load=b"checked")
        expect(right(reply), "the checksum of the reply").holds()
        s.client.send(bytes(IP(src=IP1, dst=there) / TCP(sport=4000, dport=9) / Raw(b"odd")), s.network.now)
        s.network.run()
        for packet in s.network.hosts["responder"].inbox:
            expect(IP(packet)).has(IP, src=here, dst=IP2)
            expect(right(IP(packet)), "the checksum at the server").holds()

        peer.rekey_child(theirs)
        s.network.run()
        s.ping()


def right(packet: Packet) -> bool:
    """Whether Scapy computes the same checksum."""
    again = packet.copy()
    del again[UDP if UDP in again else TCP].chksum
    return bytes(again) == bytes(packet)


if __name__ == "__main__":
    main(__file__)
