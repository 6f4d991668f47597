# SPDX-License-Identifier: GPL-2.0-or-later
"""An exchange that nobody knows."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.harness import Run, expect, main, scenario


@scenario(
    "RFC 7296 section 3.10.1",
    requirements=(
        "7296-3.10.1-04",
        "7296-2.21.3-01",
    ),
    live=True,
)
def error_unknown_exchange(run: Run) -> None:
    """An unknown exchange is answered with INVALID_SYNTAX, and the IKE SA stands."""
    s = run.session()
    s.connect()
    # HDR(exchange 250), SK {}  -->
    # <--  HDR(exchange 250), SK {N(INVALID_SYNTAX)}
    expect(s.request(250)).exchange(250).notifies("INVALID_SYNTAX")
    # "this error notification is considered fatal in both peers" (section 2.21.3), of what is badly formatted: a live
    # peer may count an unknown exchange among it, and then the IKE SA is gone.
    if run.embedded("whether the IKE SA stands, which section 2.21.3 leaves open"):
        expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
