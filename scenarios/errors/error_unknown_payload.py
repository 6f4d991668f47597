# SPDX-License-Identifier: GPL-2.0-or-later
"""An unknown payload without the critical flag."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import Run, expect, insert, main, scenario, unknown


@scenario(
    "RFC 7296 section 2.5",
    requirements=(
        "7296-2.5-07",
        "7296-2.5-09",
    ),
    live="in part",
)
def error_unknown_payload(run: Run) -> None:
    """An unknown payload that is not critical is skipped at any position."""
    s = run.session()
    s.tap("payloads", insert(unknown(critical=False)))
    if run.embedded("one in its answers"):
        s.peer.taps.add("payloads", insert(unknown(critical=False)))
    # HDR, SAi1, 200, KEi, Ni  -->   <--  HDR, SAr1, 200, KEr, Nr
    s.connect()
    expect(s.events).has(IkeSaEstablished, times=len(s.ends)).has(ChildSaInstalled, times=len(s.ends))


if __name__ == "__main__":
    main(__file__)
