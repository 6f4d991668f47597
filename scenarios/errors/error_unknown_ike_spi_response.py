# SPDX-License-Identifier: GPL-2.0-or-later
"""A response with unknown IKE SPIs."""

from __future__ import annotations

from fynx_scapy.events import MessageDropped
from fynx_scapy.harness import Run, expect, forge, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_Encrypted,
)


@scenario("RFC 7296 section 2.21.4", requirements=("7296-2.21.4-01", "7296-3.1-11"), live="in part")
def error_unknown_ike_spi_response(run: Run) -> None:
    """A response with unknown IKE SPIs is reported as an event and never answered."""
    s = run.session()
    # <--  HDR(A,B), SK {…}, a response
    answers = forge(s, IKEv2_Encrypted(load=bytes(40)), init_SPI=b"A" * 8, resp_SPI=b"B" * 8, flags=0x28)
    expect(answers, "answers").fails()
    if run.embedded("why it was dropped"):
        expect(s.events).at("responder").has(MessageDropped, times=1)
    expect(s.connect()).has(IKEv2_AUTH)


if __name__ == "__main__":
    main(__file__)
