# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that authenticates by EAP gets an address from its gateway, whoever is the client.

The request for it is in the first IKE_AUTH request, the address in the last response (RFC 7296 appendix C.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy import ConfigReply, ConfigRequest
from fynx_scapy.events import AddressesAssigned, ConfigurationReceived
from fynx_scapy.harness import DYNAMIC, Credentials, Role, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_CP
from fynx_scapy.scenarios.eap.methods import METHODS
from fynx_scapy.scenarios.rekey.rekey_child import child_rekeyed
from fynx_scapy.scenarios.rekey.rekey_ike import ike_rekeyed

KINDS = ("md5", "mschapv2", "tls12", "tls_alone", "ttls_md5", "ttls_alone")
"""The methods, by their names in `METHODS`."""
REKEYED: tuple[Callable[[Run], None], ...] = (
    lambda run: None,
    lambda run: child_rekeyed(run, by_us=True),
    lambda run: ike_rekeyed(run, by_us=True),
)


def rounds(run: Run) -> None:
    """Which messages of IKE_AUTH have a Configuration payload: the first request, and the response with AUTH."""
    # HDR, SK {IDi, CP(CFG_REQUEST), SA, TSi, TSr}  -->   <--  HDR, SK {IDr, [AUTH,] EAP}   ...
    # HDR, SK {AUTH}  -->   <--  HDR, SK {AUTH, CP(CFG_REPLY), SA, TSi, TSr}
    first, *more = run.requests("IKE_AUTH")
    *before, last = run.answers("IKE_AUTH")
    expect(first).has(IKEv2_CP, CFGType=1)
    expect(last).has(IKEv2_CP, CFGType=2)
    expect(last).has(IKEv2_AUTH)
    expect(sum(IKEv2_CP in each for each in (*more, *before)), "other messages with CP").equals(0)


def for_us(run: Run) -> None:
    """The gateway assigns us an address, which we keep when both SAs are rekeyed."""
    run.establish()
    rounds(run)
    (address,) = run.event(ConfigurationReceived).settings.addresses
    expect(str(address).startswith("10.3.0."), f"an address from the pool, {address},").holds()
    for rekeyed in REKEYED:
        rekeyed(run)
        expect([str(ts) for ts in run.s.child.local_ts], "our selector").equals([f"{address}/32"])
        run.s.ping(run.there.inner, source=str(address))
        run.send_from_there(str(address))
    run.agree()


def for_peer(run: Run) -> None:
    """We are the gateway, and assign a client that EAP has authenticated an address, which it keeps."""
    run.establish()
    rounds(run)
    (address,) = run.event(AddressesAssigned).addresses
    expect(address.startswith("10.4.0."), f"an address from the pool, {address},").holds()
    for rekeyed in REKEYED:
        rekeyed(run)
        expect([str(ts) for ts in run.s.child.remote_ts], "the peer's selector").equals([f"{address}/32"])
        run.s.ping(address)
        run.send_from_there(run.here.inner, source=address)
    run.agree()


US: dict[str, Any] = {"pool": "10.3.0.0/28", "remote_ts": (DYNAMIC,)}
PEER: dict[str, Any] = {"virtual_ip": True, "local_ts": (DYNAMIC,)}

for _name in KINDS:
    _client, _gateway, _, _needs = METHODS[_name]
    scenario(
        "RFC 7296 section 2.19", name=f"virtual_ip_{_name}_client", roles=(Role.INITIATOR,),
        needs={"certificates", "ecdsa", "pool", *_needs},
        config={"auth": Credentials(ours=_client, theirs=_gateway), **US},
        ours={"cp_request": ConfigRequest(), "child": {"local_ts": "0.0.0.0/0"}},
    )(for_us)  # fmt: skip
    scenario(
        "RFC 7296 section 2.19", name=f"virtual_ip_{_name}_gateway", roles=(Role.RESPONDER,),
        needs={"certificates", "ecdsa", "vip", *_needs},
        config={"auth": Credentials(theirs=_client, ours=_gateway), **PEER},
        ours={"cp_reply": ConfigReply(pool="10.4.0.0/28"), "child": {"remote_ts": "0.0.0.0/0"}},
    )(for_peer)  # fmt: skip

if __name__ == "__main__":
    main(__file__)
