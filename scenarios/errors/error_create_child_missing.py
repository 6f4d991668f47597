# SPDX-License-Identifier: GPL-2.0-or-later
"""CREATE_CHILD_SA without required payloads."""

from __future__ import annotations

from fynx_scapy.events import SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Nonce,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 2.21.3",
    requirements=(
        "7296-2.21.3-01",
        "7296-2.21.3-i01",
    ),
    live="in part",
)
def error_create_child_missing(run: Run) -> None:
    """CREATE_CHILD_SA without its required payloads is answered with INVALID_SYNTAX."""
    s = run.session()
    s.connect()
    # HDR, SK {Ni}  -->
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    expect(s.request("CREATE_CHILD_SA", IKEv2_Nonce(nonce=bytes(32)))).notifies("INVALID_SYNTAX").lacks(IKEv2_SA)
    # INVALID_SYNTAX is fatal in both peers; we cannot see that in a live peer.
    expect(s.events).has(SaDeleted, times=len(s.ends), child_spis=())


if __name__ == "__main__":
    main(__file__)
