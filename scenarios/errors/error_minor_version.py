# SPDX-License-Identifier: GPL-2.0-or-later
"""A message with a higher minor version."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2,
)
from fynx_scapy.taps import Outgoing


@scenario(
    "RFC 7296 section 2.5",
    requirements=(
        "7296-2.5-01",
        "7296-2.5-06",
        "7296-2.5-04",
        "7296-3.1-04",
        "7296-3.1-07",
        "7296-3.1-08",
        "7296-3.1-09",
        "7296-3.1-12",
        "7296-3.2-06",
    ),
    live="in part",
)
def error_minor_version(run: Run) -> None:
    """A higher minor version and reserved bits that are set are ignored."""

    def newer(message: Outgoing) -> None:
        message.header.version = 0x2F
        message.header.flags = int(message.header.flags) | 0xD7
        for payload in message.payloads:
            payload.flags = int(payload.flags or 0) | 0x7F

    s = run.session()
    s.tap("payloads", newer)
    # HDR(version 2.15, reserved flags), SAi1, KEi, Ni  -->
    expect(s.sa_init()).has(IKEv2, version=0x20, flags=0x20)
    s.auth()
    expect(s.events).has(IkeSaEstablished, times=len(s.ends))


if __name__ == "__main__":
    main(__file__)
