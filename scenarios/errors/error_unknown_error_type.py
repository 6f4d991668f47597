# SPDX-License-Identifier: GPL-2.0-or-later
"""An unknown error notify."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled, SaDeleted
from fynx_scapy.harness import Run, encrypted, expect, main, only, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 3.10.1",
    requirements=(
        "7296-3.10.1-01",
        "7296-3.10.1-02",
    ),
    live="in part",
)
def error_unknown_error_type(run: Run) -> None:
    """An unknown error type in a response fails its request; in a request it is ignored."""
    s = run.session()
    s.connect()
    # HDR, SK {N(8191)}  -->   <--  HDR, SK {}
    expect(s.request("INFORMATIONAL", IKEv2_Notify(type=8191))).empty()
    if not run.embedded("an answer with an unknown error"):
        return

    s.peer.taps.add("payloads", only(IKEv2_Notify(type=8191)), encrypted)
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {N(8191)}
    exchange = s.sa.create_child()
    s.network.run()
    expect(getattr(exchange.error, "notify_type", None), "the error").equals(8191)
    expect(s.events).at("initiator").has(ChildSaInstalled, times=1).lacks(SaDeleted)


if __name__ == "__main__":
    main(__file__)
