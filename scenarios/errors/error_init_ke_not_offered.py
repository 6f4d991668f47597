# SPDX-License-Identifier: GPL-2.0-or-later
"""INVALID_KE_PAYLOAD for a group that was not offered."""

from __future__ import annotations

from fynx_scapy.events import IkeSaFailed, MessageSent
from fynx_scapy.harness import Run, expect, main, only, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario("RFC 7296 section 1.2", requirements=("7296-3.4-02",))
def error_init_ke_not_offered(run: Run) -> None:
    """INVALID_KE_PAYLOAD for a group that was not offered ends the attempt, so that it cannot loop."""
    s = run.session()
    s.peer.taps.add("payloads", only(IKEv2_Notify(type="INVALID_KE_PAYLOAD", notify=b"\0\x0e")))
    # HDR, SAi1, KEi, Ni  -->
    # <--  HDR, N(INVALID_KE_PAYLOAD, 14 that was not offered)
    s_config = s.config.replace(proposals=("aes128gcm16-prfsha256-x25519",))
    s.client.connect(s_config, s.network.now)
    s.network.run()
    expect(s.events).at("initiator").has(MessageSent, times=1).has(IkeSaFailed, code="malformed")


if __name__ == "__main__":
    main(__file__)
