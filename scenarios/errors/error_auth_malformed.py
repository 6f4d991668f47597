# SPDX-License-Identifier: GPL-2.0-or-later
"""A malformed IKE_AUTH request."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished
from fynx_scapy.harness import Run, expect, insert, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 2.21.2",
    requirements=("7296-2.21.2-03",),
    live=True,
)
def error_auth_malformed(run: Run) -> None:
    """A malformed IKE_AUTH request is answered with INVALID_SYNTAX only, although its ICV is valid."""
    s = run.session()
    s.sa_init()
    s.tap("payloads", insert(IKEv2_Notify(type="INITIAL_CONTACT", length=400)))
    # HDR, SK {IDi, N(broken), IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    expect(s.auth()).lacks(IKEv2_AUTH).notifies("INVALID_SYNTAX")
    expect(s.events).lacks(IkeSaEstablished)


if __name__ == "__main__":
    main(__file__)
