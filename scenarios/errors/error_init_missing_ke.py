# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT without a KE payload."""

from __future__ import annotations

from fynx_scapy.errors import Timeout
from fynx_scapy.events import MessageDropped, MessageSent
from fynx_scapy.harness import Run, expect, main, scenario, unanswered, without
from fynx_scapy.layers.ikev2 import (
    IKEv2_KE,
)


@scenario(
    "RFC 7296 section 3.10.1",
    requirements=("7296-3.10.1-i01",),
    live="in part",
)
def error_init_missing_ke(run: Run) -> None:
    """IKE_SA_INIT without a KE payload is dropped, and no state is kept."""
    s = run.session()
    s.tap("payloads", without(IKEv2_KE))
    # HDR, SAi1, Ni  -->
    if s.live:
        # A live peer may answer: section 2.21.1 lets it choose whether to send an error.
        expect(unanswered(s)).holds()
        return
    expect(lambda: s.sa_init()).raises(Timeout)
    expect(s.events).at("responder").lacks(MessageSent).has(MessageDropped)
    expect(s.peer.sas, "IKE SAs").fails()


if __name__ == "__main__":
    main(__file__)
