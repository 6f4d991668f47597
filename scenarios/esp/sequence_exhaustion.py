# SPDX-License-Identifier: GPL-2.0-or-later
"""Sequence numbers close to their maximum."""

from __future__ import annotations

from fynx_scapy.errors import LocalError
from fynx_scapy.esp import ReplayWindow
from fynx_scapy.events import ChildSaRekeyed, LifetimeReached
from fynx_scapy.harness import Run, expect, main, scenario


@scenario("RFC 4303 section 3.3.3", requirements=("4303-3.3.3-01", "4303-3.3.3-i01", "4303-2.2-05"))
def sequence_exhaustion(run: Run) -> None:
    """A Child SA is rekeyed before its sequence numbers run out, with 32 and with 64 bits."""
    for label, proposal, limit in (
        ("32-bit sequence numbers", "aes128gcm16", 2**32 - 1),
        ("64-bit sequence numbers", "aes128gcm16-esn", 2**64 - 1),
    ):
        s = run.session(label, esp_proposals=proposal)
        s.connect()
        old = s.child
        old.outbound.seq = limit - limit // 16
        peer = s.peer.children[old.outbound.spi][1]
        # The peer has seen the earlier packets: it tracks the upper half, which is not sent.
        peer.inbound.window = ReplayWindow(64, esn=old.suite.esn, highest=old.outbound.seq)
        # HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}  -->
        # <--  HDR, SK {SA, Nr, TSi, TSr}
        s.ping()
        s.network.run()
        expect(s.events).at("initiator").has(LifetimeReached, times=1, limit="sequence numbers", hard=False)
        expect(s.events).at("initiator").has(ChildSaRekeyed, times=1, old_spi=old.inbound.spi)
        s.ping()
        expect(s.child.outbound.seq, "sequence number of the new SA's first packet").equals(1)
        expect(old.outbound.seq < limit, "sequence numbers left on the old SA").holds()
        # There is no number after the last one.
        old.outbound.seq = limit
        expect(lambda sa=old.outbound: sa.seal(b"", 59)).raises(LocalError, "used up")


if __name__ == "__main__":
    main(__file__)
