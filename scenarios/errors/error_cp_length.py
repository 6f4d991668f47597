# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration attribute with an invalid length."""

from __future__ import annotations

from fynx_scapy import ConfigReply
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    ConfigurationAttribute,
    IKEv2_CP,
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 3.15.1",
    requirements=(
        "7296-2.21.3-01",
        "7296-3.15.1-21",
    ),
)
def error_cp_length(run: Run) -> None:
    """A length that the attribute's type does not allow gets INVALID_SYNTAX; an unknown type is ignored."""
    s = run.session(peer={"cp_reply": ConfigReply(pool="10.3.0.0/24")})
    s.connect()

    def asking(kind: int, value: bytes) -> IKEv2_CP:
        return IKEv2_CP(attributes=[ConfigurationAttribute(type=kind, value=value)])

    # HDR, SK {CP(CFG_REQUEST, 16000)}  -->   <--  HDR, SK {CP(CFG_REPLY)}
    expect(s.request("INFORMATIONAL", asking(16000, b"?"))).has(IKEv2_CP).lacks(IKEv2_Notify)
    # HDR, SK {CP(CFG_REQUEST, INTERNAL_IP6_ADDRESS of 16 octets)}  -->
    expect(s.request("INFORMATIONAL", asking(8, bytes(16)))).notifies("INVALID_SYNTAX").lacks(IKEv2_CP)


if __name__ == "__main__":
    main(__file__)
