# SPDX-License-Identifier: GPL-2.0-or-later
"""CFG_SET and CFG_REQUEST in an INFORMATIONAL exchange."""

from __future__ import annotations

from fynx_scapy import ConfigReply
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    ConfigurationAttribute,
    IKEv2_CP,
)


@scenario(
    "RFC 7296 section 3.15.1",
    requirements=("7296-3.15.1-22", "7296-3.15.1-23", "7296-2.20-01", "7296-2.20-03"),
)
def cfg_set(run: Run) -> None:
    """CFG_SET is answered with the attributes that were accepted; CFG_REQUEST asks for the peer's version."""
    s = run.session(peer={"cp_reply": ConfigReply(version="fynx", accepts=("INTERNAL_IP4_DNS",))})
    s.connect()
    pushed = [ConfigurationAttribute(type=3, value="10.1.0.53"), ConfigurationAttribute(type=4, value="10.1.0.54")]
    # HDR, SK {CP(CFG_SET, INTERNAL_IP4_DNS, INTERNAL_IP4_NBNS)}  -->
    # <--  HDR, SK {CP(CFG_ACK, INTERNAL_IP4_DNS())}
    answer = s.request("INFORMATIONAL", IKEv2_CP(CFGType="CFG_SET", attributes=pushed))
    expect(answer).has(IKEv2_CP, CFGType=4)
    expect([(a.type, a.value) for a in answer[IKEv2_CP].attributes], "accepted").equals([(3, b"")])
    # HDR, SK {CP(CFG_REQUEST, APPLICATION_VERSION())}  -->
    # <--  HDR, SK {CP(CFG_REPLY, APPLICATION_VERSION("fynx"))}
    answer = s.request("INFORMATIONAL", IKEv2_CP(attributes=[ConfigurationAttribute(type=7)]))
    expect([(a.type, a.value) for a in answer[IKEv2_CP].attributes], "answer").equals([(7, "fynx")])


if __name__ == "__main__":
    main(__file__)
