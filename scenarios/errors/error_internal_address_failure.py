# SPDX-License-Identifier: GPL-2.0-or-later
"""An exhausted address pool."""

from __future__ import annotations

from fynx_scapy import ChildConfig, ConfigReply, ConfigRequest, IkeConfig, Psk
from fynx_scapy.events import AddressesAssigned, ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_CP,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 3.15.4",
    requirements=("7296-3.15.4-i01", "7296-3.15.4-i02", "7296-1.2-i03", "7296-2.21.2-04"),
)
def error_internal_address_failure(run: Run) -> None:
    """With no address left, the IKE SA is established without a Child SA."""
    wide = ChildConfig(local_ts="0.0.0.0/0", remote_ts="10.2.0.0/24")
    config = IkeConfig(
        local_id="alice",
        remote_id="bob",
        auth=Psk("fynx"),
        children=(wide,),
        cp_request=ConfigRequest(addresses=("0.0.0.0", "0.0.0.0")),
    )
    s = run.session("one of two", config=config, peer={"cp_reply": ConfigReply(pool="10.3.0.9")})
    s.connect()
    expect(s.events).at("responder").has(AddressesAssigned, addresses=("10.3.0.9",))

    s = run.session("none", config=config, peer={"cp_reply": ConfigReply(pool="10.3.0.9")})
    reply = s.peer.configs[0].cp_reply
    assert reply is not None
    s.peer.pools.lend(reply.pool, 4)
    s.sa_init()
    # HDR, SK {IDi, IDr, AUTH, CP(CFG_REQUEST), SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, N(INTERNAL_ADDRESS_FAILURE)}
    expect(s.auth()).has(IKEv2_AUTH).lacks(IKEv2_SA, IKEv2_CP).notifies("INTERNAL_ADDRESS_FAILURE")
    expect(s.events).has(IkeSaEstablished, times=2).lacks(ChildSaInstalled)


if __name__ == "__main__":
    main(__file__)
