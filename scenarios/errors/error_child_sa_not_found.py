# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeying a Child SA that does not exist."""

from __future__ import annotations

from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)
from fynx_scapy.taps import Outgoing


@scenario("RFC 7296 section 2.25", requirements=("7296-2.25-05", "7296-2.25.1-03"), live=True)
def error_child_sa_not_found(run: Run) -> None:
    """A rekey of a Child SA that the peer does not have is answered with CHILD_SA_NOT_FOUND and its SPI."""
    s = run.session()
    s.connect()

    def other(message: Outgoing) -> None:
        for note in message.notifies(NotifyType.REKEY_SA):
            note.SPI = bytes.fromhex("aabbccdd")

    s.tap("payloads", other)
    # HDR, SK {N(REKEY_SA, 0xaabbccdd), SA, Ni, TSi, TSr}  -->
    answer = s.rekey_child()
    # <--  HDR, SK {N(CHILD_SA_NOT_FOUND, 0xaabbccdd)}
    refusal = expect(answer).notifies("CHILD_SA_NOT_FOUND").packet[IKEv2_Notify]
    expect(bytes(refusal.SPI), "SPI").equals(bytes.fromhex("aabbccdd"))


if __name__ == "__main__":
    main(__file__)
