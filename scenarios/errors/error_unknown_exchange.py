# SPDX-License-Identifier: GPL-2.0-or-later
"""An unknown exchange type."""

from __future__ import annotations

from fynx_scapy.events import SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario


@scenario(
    "RFC 7296 section 3.10.1",
    requirements=("7296-3.10.1-04", "7296-2.21.3-01", "7296-2.21.3-i01"),
    live="in part",
)
def error_unknown_exchange(run: Run) -> None:
    """An unknown exchange type is answered with INVALID_SYNTAX, which ends the IKE SA for both peers."""
    s = run.session()
    s.connect()
    # HDR(exchange 250), SK {}  -->
    # <--  HDR(exchange 250), SK {N(INVALID_SYNTAX)}
    expect(s.request(250)).exchange(250).notifies("INVALID_SYNTAX")
    # "this error notification is considered fatal in both peers, meaning that the IKE SA is deleted without needing an
    # explicit Delete payload" (section 2.21.3): we cannot see that in a live peer.
    if run.embedded("that the peer's end of the IKE SA is gone"):
        expect(s.events).at("responder").has(SaDeleted, child_spis=())
    expect(s.events).at("initiator").has(SaDeleted, child_spis=())


if __name__ == "__main__":
    main(__file__)
