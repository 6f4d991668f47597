# SPDX-License-Identifier: GPL-2.0-or-later
"""An initiator that does not solve puzzles."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished, IkeSaFailed, PuzzleIgnored
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_PS


@scenario("RFC 8019 sections 7.1.4 and 7.1.5", requirements=("7296-2.6-04",))
def puzzle_ignored(run: Run) -> None:
    """An initiator that returns the cookie without a solution is asked again, or gets in by chance."""
    for share, served in ((0.0, False), (1.0, True)):
        s = run.session(
            "by luck" if served else "asked again", peer={"puzzle_levels": ((0, 40),), "puzzle_legacy": share}
        )
        # HDR(A,0), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(COOKIE), N(PUZZLE): more than we want to do
        # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->
        s.sa_init()
        ours = expect(s.events).at("initiator")
        ours.has(PuzzleIgnored, difficulty=40)
        ours.sent(1).notifies("COOKIE").lacks(IKEv2_PS)
        if served:
            # <--  HDR(A,B), SAr1, KEr, Nr
            s.auth()
            expect(s.events).has(IkeSaEstablished, times=2)
        else:
            # <--  HDR(A,0), N(COOKIE), N(PUZZLE)   repeatedly
            ours.has(IkeSaFailed, times=1)
            expect(s.peer.sas, "IKE SAs of the responder").fails()


if __name__ == "__main__":
    main(__file__)
