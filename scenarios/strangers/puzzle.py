# SPDX-License-Identifier: GPL-2.0-or-later
"""Puzzles against denial of service."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished, PuzzleSolved
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_PS, IKEv2_SA


@scenario("RFC 8019 sections 7.1 and 7.2", requirements=("7296-2.6-03", "7296-2.6-04"))
def puzzle(run: Run) -> None:
    """A puzzle is solved before IKE_SA_INIT, and another one before IKE_AUTH."""
    s = run.session(peer={"puzzle_levels": ((0, 10),), "puzzle_legacy": 0.0, "puzzle_auth_difficulty": 8})
    s.sa_init()
    ours, theirs = expect(s.events).at("initiator"), expect(s.events).at("responder")
    # HDR(A,0), SAi1, KEi, Ni  -->
    ours.sent(0).lacks(IKEv2_PS)
    # <--  HDR(A,0), N(COOKIE), N(PUZZLE)
    given = theirs.sent(0).notifies("COOKIE").notifies("PUZZLE").lacks(IKEv2_SA).notify_data("COOKIE").value
    expect(len(given), "octets of the cookie").between(1, 64)
    # HDR(A,0), N(COOKIE), PS, SAi1, KEi, Ni  -->
    second = ours.sent(1).notifies("COOKIE").has(IKEv2_PS, IKEv2_SA).packet
    expect(isinstance(second[IKEv2].payload.payload, IKEv2_PS), "PS right after the cookie").holds()
    expect(len(second[IKEv2_PS].solutions), "keys").equals(4)
    # <--  HDR(A,B), SAr1, KEr, Nr, N(PUZZLE)
    theirs.sent(1).has(IKEv2_SA).notifies("PUZZLE")
    ours.has(PuzzleSolved, times=1, difficulty=10).has(PuzzleSolved, times=1, difficulty=8)
    # HDR, PS, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    s.auth()
    expect(s.events).has(IkeSaEstablished, times=2)


if __name__ == "__main__":
    main(__file__)
