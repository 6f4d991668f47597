# SPDX-License-Identifier: GPL-2.0-or-later
"""A message that was changed on its way."""

from __future__ import annotations

from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.ike.events import (
    IntegrityFailed,
)
from fynx_scapy.ike.message import Datagram, DatagramKind


@scenario(
    "RFC 7296 section 3.14",
    requirements=(
        "7296-2.21.4-05",
        "7296-3.10.1-i01",
    ),
)
def error_integrity(run: Run) -> None:
    """A message whose ICV does not verify is dropped without an answer, and its retransmission counts."""
    s = run.session()
    s.connect()
    spoilt: list[bytes] = []

    def spoil(time: float, datagram: Datagram) -> list[Datagram] | None:
        if datagram.kind is DatagramKind.IKE and not spoilt:
            spoilt.append(datagram.data)
            return [Datagram(datagram.data[:-1] + bytes([datagram.data[-1] ^ 1]), datagram.local, datagram.remote)]
        return None

    s.network.intercept(spoil)
    # HDR, SK {}, changed  -->
    # HDR, SK {}  -->   again
    # <--  HDR, SK {}
    expect(s.liveness()).empty()
    expect(s.events).at("responder").has(IntegrityFailed, times=1)


if __name__ == "__main__":
    main(__file__)
