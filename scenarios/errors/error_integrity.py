# SPDX-License-Identifier: GPL-2.0-or-later
"""A message that was changed in transit."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.events import IntegrityFailed, Retransmitted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.taps import Datagram, Outgoing


@scenario(
    "RFC 7296 section 3.14",
    requirements=("7296-3.10.1-i01",),
    live="in part",
)
def error_integrity(run: Run) -> None:
    """A message with a wrong ICV is dropped without an answer; its retransmission is accepted."""
    s = run.session()
    s.connect()

    def spoil(_message: Outgoing, datagrams: list[Datagram], attempt: int) -> list[Datagram]:
        if attempt:
            return datagrams
        return [replace(each, data=each.data[:-1] + bytes([each.data[-1] ^ 1])) for each in datagrams]

    s.tap("datagrams", spoil)
    # HDR, SK {}, changed  -->
    # HDR, SK {}  -->   again
    # <--  HDR, SK {}
    expect(s.liveness()).empty()
    expect(s.events).at("initiator").has(Retransmitted, times=None if s.live else 1)
    if not s.live:
        expect(s.events).at("responder").has(IntegrityFailed, times=1)


if __name__ == "__main__":
    main(__file__)
