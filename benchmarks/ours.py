# SPDX-License-Identifier: GPL-2.0-or-later
"""Times whole handshakes of our engine: pre-shared key, AES-GCM, X25519, both endpoints in this process.

One round goes from `connect` to a Child SA at both endpoints: IKE_SA_INIT and IKE_AUTH built from Scapy layers,
encrypted, decrypted and dissected to Scapy layers, X25519 at both endpoints, the keying material of both SAs, and all
events. Prints elapsed and processor time of each round, in seconds, as JSON.
"""

from __future__ import annotations

import json
import sys
import time

from fynx_scapy import ChildConfig, Endpoint, IkeConfig, Psk
from fynx_scapy.ike.events import ChildSaInstalled
from fynx_scapy.ike.message import Address

SUITE = ("aes128gcm16-prfsha256-x25519",)
CHILD = ChildConfig(proposals=("aes128gcm16",), local_ts=("10.1.0.0/16",), remote_ts=("10.2.0.0/16",))
MIRRORED = CHILD.replace(local_ts=CHILD.remote_ts, remote_ts=CHILD.local_ts)
ALICE = IkeConfig(
    local_id="alice",
    remote_id="bob",
    auth=Psk("secret"),
    proposals=SUITE,
    children=(CHILD,),
    remote=Address("192.0.2.2", 500),
)
BOB = IkeConfig(local_id="bob", remote_id="alice", auth=Psk("secret"), proposals=SUITE, children=(MIRRORED,))


def handshake() -> tuple[Endpoint, Endpoint]:
    """Two endpoints, connected."""
    alice, bob = Endpoint("192.0.2.1"), Endpoint("192.0.2.2", [BOB])
    alice.connect(ALICE, 0.0)
    for _ in range(2):
        for datagram in alice.datagrams():
            bob.receive(datagram.turned(), 0.0)
        for datagram in bob.datagrams():
            alice.receive(datagram.turned(), 0.0)
    return alice, bob


def main(rounds: int) -> None:
    """Measure ``rounds`` rounds after a few to warm up."""
    for end in handshake():
        assert any(isinstance(event, ChildSaInstalled) for event in end.events()), "the handshake failed"
    times = []
    for _ in range(rounds + 5):
        start, processor = time.perf_counter(), time.process_time()
        handshake()
        times.append((time.perf_counter() - start, time.process_time() - processor))
    print(json.dumps(times[5:]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
