# SPDX-License-Identifier: GPL-2.0-or-later
"""An unprotected error in response to IKE_SA_INIT."""

from __future__ import annotations

from fynx_scapy.events import IkeSaFailed, MessageSent
from fynx_scapy.harness import Run, expect, foreign, main, scenario


@scenario("RFC 7296 section 2.21.1", requirements=("7296-2.21.1-i01",), live="in part")
def error_init_refused(run: Run) -> None:
    """An error in response to IKE_SA_INIT ends the attempt if no valid response arrives for a while."""
    s = run.session()
    s.tap("payloads", foreign)
    # HDR, SAi1, KEi, Ni  -->
    # <--  HDR, N(NO_PROPOSAL_CHOSEN)
    expect(s.sa_init()).notifies("NO_PROPOSAL_CHOSEN")
    (failed,) = [event for _, event in s.events if isinstance(event, IkeSaFailed)]
    # The answer comes at once; it is reported when it is acted on.
    asked = next(event.time for _, event in s.events if isinstance(event, MessageSent))
    wait = s.config.error_wait
    expect(failed.time - asked, "seconds until the error is acted on").between(wait, wait + 0.5)
    expect(s.client.sas, "IKE SAs").fails()
    if run.embedded("that the peer keeps nothing"):
        expect(s.peer.sas, "IKE SAs").fails()


if __name__ == "__main__":
    main(__file__)
