# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that does not ask for an address."""

from __future__ import annotations

from fynx_scapy import ChildConfig, ConfigReply, ConfigRequest, IkeConfig, Psk
from fynx_scapy.events import ChildSaInstalled
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_CP,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 2.19",
    requirements=("7296-2.19-07", "7296-2.21.2-04", "7296-1.2-i03"),
)
def error_failed_cp_required(run: Run) -> None:
    """A client that must ask for an address gets no Child SA until it asks."""
    wide = ChildConfig(local_ts="0.0.0.0/0", remote_ts="10.2.0.0/24")
    s = run.session(
        config=IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(wide,)),
        peer={"cp_reply": ConfigReply(pool="10.3.0.0/24", required=True)},
    )
    s.sa_init()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, N(FAILED_CP_REQUIRED)}
    expect(s.auth()).has(IKEv2_AUTH).lacks(IKEv2_SA).notify_data("FAILED_CP_REQUIRED").equals(b"")
    # HDR, SK {CP(CFG_REQUEST)}  -->   <--  HDR, SK {CP(CFG_REPLY)}
    expect(s.request("INFORMATIONAL", ConfigRequest().payload())).has(IKEv2_CP)
    s.sa.create_child(wide)
    s.network.run()
    expect(s.events).at("initiator").has(ChildSaInstalled, local_ts=("10.3.0.1/32",))


if __name__ == "__main__":
    main(__file__)
