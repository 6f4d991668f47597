# SPDX-License-Identifier: GPL-2.0-or-later
"""Two endpoints of this process, connected by nothing but a loop: what topics measure that need no socket."""

from __future__ import annotations

from fynx_scapy.ike.config import ChildConfig, IkeConfig, Psk
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa

SUITE = ("aes128gcm16-prfsha256-x25519",)
ALICE, BOB = "192.0.2.1", "192.0.2.2"
_CHILD = ChildConfig(proposals=("aes128gcm16-x25519",), local_ts=("10.1.0.0/16",), remote_ts=("10.2.0.0/16",))
_MIRRORED = _CHILD.replace(local_ts=_CHILD.remote_ts, remote_ts=_CHILD.local_ts)
INITIATOR = IkeConfig(
    local_id="alice", remote_id="bob", auth=Psk("secret"), proposals=SUITE, children=(_CHILD,), remote=Address(BOB, 500)
)
RESPONDER = IkeConfig(local_id="bob", remote_id="alice", auth=Psk("secret"), proposals=SUITE, children=(_MIRRORED,))


class Ends:
    """Alice, who initiates, and Bob. Time passes only where ``now`` is set, in seconds."""

    def __init__(self, initiator: IkeConfig = INITIATOR, responder: IkeConfig = RESPONDER) -> None:
        self.now = 0.0
        self.alice = Endpoint(ALICE)
        self.bob = Endpoint(BOB, [responder])
        self.initiator = initiator

    def connect(self) -> IkeSa:
        """A handshake from beginning to end."""
        sa = self.alice.connect(self.initiator, self.now)
        while self.flight():
            pass
        return sa

    def flight(self) -> int:
        """Deliver what both have sent so far, and return how many datagrams that was. Answers are not delivered yet."""
        to_bob, to_alice = self.alice.datagrams(), self.bob.datagrams()
        for end, datagrams in ((self.bob, to_bob), (self.alice, to_alice)):
            for datagram in datagrams:
                end.receive(datagram.turned(), self.now)
        return len(to_bob) + len(to_alice)

    def quiet(self) -> None:
        """Throw away what nobody reads: events."""
        self.alice.events()
        self.bob.events()


def inner(source: str, destination: str, octets: int = 1400) -> bytes:
    """A UDP datagram in an IPv4 packet of ``octets`` octets, as a host behind a gateway sends it."""
    ends = bytes(int(part) for address in (source, destination) for part in address.split("."))
    head = bytes.fromhex("45000000000040004011 0000".replace(" ", ""))
    udp = bytes.fromhex("04d2 10e1") + (octets - 20).to_bytes(2) + bytes(2)
    return (head[:2] + octets.to_bytes(2) + head[4:] + ends + udp).ljust(octets, b"\x5a")
