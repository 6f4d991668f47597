# SPDX-License-Identifier: GPL-2.0-or-later
"""An IKE SA rekey without a key exchange."""

from __future__ import annotations

from fynx_scapy.events import IkeSaRekeyed
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA


@scenario(
    "RFC 7296 section 2.18",
    requirements=(
        "7296-2.18-01",
        "7296-2.18-02",
        "7296-1.3.2-01",
    ),
    live="in part",
)
def rekey_without_ke(run: Run) -> None:
    """A rekey of the IKE SA without a key exchange method or without a KE payload is refused."""
    for without in ((4,), ()):
        s = run.session(f"without {'method' if without else 'payload'}")
        s.connect()
        proposal = s.config.proposals[0].layer(1, b"new SPI!", without=without)
        # HDR, SK {SA, Ni}  -->
        # <--  HDR, SK {N(INVALID_SYNTAX)}
        answer = s.request("CREATE_CHILD_SA", IKEv2_SA(prop=[proposal]), IKEv2_Nonce(nonce=bytes(32)))
        expect(answer).lacks(IKEv2_SA, IKEv2_KE)
        if run.embedded("the notify, which section 2.18 leaves open"):
            expect(answer).notifies("INVALID_SYNTAX")
        expect(s.events).lacks(IkeSaRekeyed)


if __name__ == "__main__":
    main(__file__)
