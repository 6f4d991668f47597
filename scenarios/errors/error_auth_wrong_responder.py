# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder with an unexpected identity."""

from __future__ import annotations

from fynx_scapy.errors import AuthenticationError
from fynx_scapy.events import SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario, without
from fynx_scapy.layers.ikev2 import (
    IKEv2_IDr,
)


@scenario(
    "RFC 7296 section 2.21.2",
    requirements=(
        "7296-2.21.2-02",
        "7296-2.21.2-i03",
    ),
    live="in part",
)
def error_auth_wrong_responder(run: Run) -> None:
    """The initiator refuses a responder with another identity in a separate INFORMATIONAL exchange."""
    s = run.session()
    s.config = s.config.replace(remote_id="mallory@nowhere.invalid")
    s.tap("payloads", without(IKEv2_IDr))
    s.sa_init()
    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr(bob), AUTH, SAr2, TSi, TSr}
    expect(lambda: s.auth()).raises(AuthenticationError, "mallory")
    # HDR, SK {N(AUTHENTICATION_FAILED)}  -->
    expect(s.events).at("initiator").sent(-1).exchange("INFORMATIONAL").notifies("AUTHENTICATION_FAILED")
    if run.embedded("that the peer deletes the IKE SA"):
        expect(s.events).at("responder").has(SaDeleted)


if __name__ == "__main__":
    main(__file__)
