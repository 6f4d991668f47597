# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_AUTH without a Child SA, to a responder that does not support it."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario, without
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_SA,
    IKEv2_TSi,
    IKEv2_TSr,
)


@scenario("RFC 6023 section 3", requirements=("7296-2.21-i01",), live=True)
def error_childless_unannounced(run: Run) -> None:
    """A responder without childless support answers IKE_AUTH without a Child SA with INVALID_SYNTAX."""
    s = run.session()
    announced = expect(s.sa_init()).has_notify("CHILDLESS_IKEV2_SUPPORTED")
    run.needs(not announced, "the peer announces CHILDLESS_IKEV2_SUPPORTED")
    s.tap("payloads", without(IKEv2_SA, IKEv2_TSi, IKEv2_TSr))
    # HDR, SK {IDi, IDr, AUTH}  -->
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    expect(s.auth()).lacks(IKEv2_AUTH).notifies("INVALID_SYNTAX")
    expect(s.events).lacks(IkeSaEstablished)


if __name__ == "__main__":
    main(__file__)
