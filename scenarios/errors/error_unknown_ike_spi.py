# SPDX-License-Identifier: GPL-2.0-or-later
"""A request with unknown IKE SPIs."""

from __future__ import annotations

from fynx_scapy.events import MessageSent
from fynx_scapy.harness import STRANGER, Run, expect, forge, main, scenario, stranger
from fynx_scapy.layers.ikev2 import (
    IKEv2_Encrypted,
)


@scenario(
    "RFC 7296 section 2.21.4",
    requirements=("7296-2.21.4-02", "7296-2.21.4-03", "7296-2.21.4-04", "7296-1.5-i02", "7296-1.5-i01"),
    live="in part",
)
def error_unknown_ike_spi(run: Run) -> None:
    """A request with unknown IKE SPIs is answered with INVALID_IKE_SPI in the clear, to its source address."""
    s = run.session()
    # HDR(A,B), SK {…}  -->
    answers = forge(s, IKEv2_Encrypted(load=bytes(40)), source=stranger(s), init_SPI=b"A" * 8, resp_SPI=b"B" * 8, id=7)
    run.needs(answers, "the peer does not answer unknown SPIs, which it may")
    (answer,) = answers
    # <--  HDR(A,B), N(INVALID_IKE_SPI)
    expect(answer).exchange("INFORMATIONAL").response().message_id(7).notify_data("INVALID_IKE_SPI").equals(b"")
    expect((answer.init_SPI, answer.resp_SPI), "SPIs").equals((b"A" * 8, b"B" * 8))
    if run.embedded("an answer to an address that no IKE SA uses"):
        expect(s.events).at("responder").has(MessageSent, remote=STRANGER)


if __name__ == "__main__":
    main(__file__)
