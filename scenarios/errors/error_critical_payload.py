# SPDX-License-Identifier: GPL-2.0-or-later
"""An unknown payload with the critical flag."""

from __future__ import annotations

from fynx_scapy import Psk
from fynx_scapy.events import IkeSaEstablished, IkeSaFailed
from fynx_scapy.harness import Run, clear, expect, insert, main, scenario, unknown
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 2.5",
    requirements=("7296-2.5-08", "7296-2.5-i01", "7296-2.21.2-03", "7296-2.21.2-i02", "7296-4-03"),
    live="in part",
)
def error_critical_payload(run: Run) -> None:
    """A request with an unknown critical payload is rejected with its type, in the clear and inside SK."""
    s = run.session("in IKE_SA_INIT")
    s.tap("payloads", insert(unknown(critical=True)), clear)
    # HDR, SAi1, 200!, KEi, Ni  -->
    # <--  HDR, N(UNSUPPORTED_CRITICAL_PAYLOAD, 200)
    answer = expect(s.sa_init())
    answer.lacks(IKEv2_SA).notify_data("UNSUPPORTED_CRITICAL_PAYLOAD").equals(b"\xc8")
    if run.embedded("that the peer keeps nothing"):
        expect(s.peer.sas, "IKE SAs").fails()

    s = run.session("in IKE_AUTH")
    # With a wrong key, AUTHENTICATION_FAILED would show that AUTH was checked.
    s.config = s.config.replace(auth=Psk(s.client.randomness.octets(32)))
    s.sa_init()
    s.tap("payloads", insert(unknown(critical=True)))
    # HDR, SK {IDi, 200!, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {N(UNSUPPORTED_CRITICAL_PAYLOAD, 200)}
    expect(s.auth()).lacks(IKEv2_AUTH).notify_data("UNSUPPORTED_CRITICAL_PAYLOAD").equals(b"\xc8")
    expect(s.events).lacks(IkeSaEstablished).has(IkeSaFailed, times=len(s.ends))


if __name__ == "__main__":
    main(__file__)
