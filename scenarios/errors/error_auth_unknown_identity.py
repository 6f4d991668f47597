# SPDX-License-Identifier: GPL-2.0-or-later
"""An initiator with an unknown identity."""

from __future__ import annotations

from fynx_scapy.events import IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_IDr,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 2.21.2",
    requirements=(
        "7296-2.21.2-01",
        "7296-2.21.2-i01",
    ),
    live=True,
)
def error_auth_unknown_identity(run: Run) -> None:
    """An identity without a policy is answered with AUTHENTICATION_FAILED and nothing else."""
    s = run.session()
    s.config = s.config.replace(local_id="carol@nowhere.invalid")
    s.sa_init()
    # HDR, SK {IDi(carol), IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    answer = s.auth()
    run.needs(IKEv2_AUTH not in answer, "the peer accepts any identity")
    expect(answer).lacks(IKEv2_IDr, IKEv2_AUTH, IKEv2_SA).notify_data("AUTHENTICATION_FAILED").equals(b"")
    expect(s.events).lacks(IkeSaEstablished)


if __name__ == "__main__":
    main(__file__)
