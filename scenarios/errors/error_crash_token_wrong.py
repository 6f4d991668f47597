# SPDX-License-Identifier: GPL-2.0-or-later
"""A wrong quick crash detection token."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.events import CrashDetected, SaDeleted, Suspected
from fynx_scapy.harness import Run, expect, forge, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario(
    "RFC 6290 section 4.5",
    requirements=("7296-2.21.4-05",),
)
def error_crash_token_wrong(run: Run) -> None:
    """A wrong QCD token is treated like any unprotected hint, and is not answered."""
    s = run.session(peer={"crash_secrets": b"s" * 32})
    s.connect()
    wrong = IKEv2_Notify(type="QUICK_CRASH_DETECTION", proto=1, notify=bytes(32))
    # <--  HDR, N(INVALID_IKE_SPI), N(QCD_TOKEN), forged
    answers = forge(s, IKEv2_Notify(type="INVALID_IKE_SPI"), wrong, to="initiator", id=9)
    expect(answers, "answers").fails()
    expect(s.events).lacks(CrashDetected).lacks(SaDeleted).at("initiator").has(Suspected, times=1)
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
