# SPDX-License-Identifier: GPL-2.0-or-later
"""A pad length that is longer than the plaintext."""

from __future__ import annotations

from fynx_scapy.events import SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario


@scenario("RFC 7296 section 3.14", requirements=("7296-2.21.3-i01", "7296-2.21.3-01"), live="in part")
def error_padding(run: Run) -> None:
    """A pad length beyond the plaintext is answered like any other malformed request."""
    s = run.session()
    s.connect()
    s.tap("plaintext", lambda message, octets: octets[:-1] + b"\xff")
    # HDR, SK {}, pad length 255  -->
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    expect(s.liveness()).notifies("INVALID_SYNTAX")
    # INVALID_SYNTAX is fatal in both peers; we cannot see that in a live peer.
    expect(s.events).has(SaDeleted, times=len(s.ends), child_spis=())


if __name__ == "__main__":
    main(__file__)
