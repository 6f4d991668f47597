# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtual addresses, whoever assigns them."""

from __future__ import annotations

from fynx_scapy import ConfigReply, ConfigRequest
from fynx_scapy.events import (
    AddressesAssigned,
    ConfigurationReceived,
)
from fynx_scapy.harness import (
    DYNAMIC,
    INITIATORS,
    RESPONDERS,
    Run,
    expect,
    main,
    scenario,
)


@scenario("RFC 7296 section 2.19", needs={"pool"}, roles=INITIATORS,
       config={"pool": "10.3.0.0/28", "remote_ts": (DYNAMIC,)},
       ours={"cp_request": ConfigRequest(), "child": {"local_ts": "0.0.0.0/0"}})  # fmt: skip
def virtual_ip_for_us(run: Run) -> None:
    """The peer assigns us an address from its pool, and our packets use it as their source."""
    # HDR, SK {IDi, AUTH, CP(CFG_REQUEST), …}  -->   <--  HDR, SK {IDr, AUTH, CP(CFG_REPLY), …}
    run.establish()
    settings = run.event(ConfigurationReceived).settings
    (address,) = settings.addresses
    expect(str(address).startswith("10.3.0."), f"an address from the pool, {address},").holds()
    expect([str(ts) for ts in run.s.child.local_ts], "our selector").equals([f"{address}/32"])
    run.s.ping(run.there.inner, source=str(address))
    run.send_from_there(str(address))
    run.agree()


@scenario("RFC 7296 section 2.19", needs={"vip"}, roles=RESPONDERS,
       config={"virtual_ip": True, "local_ts": (DYNAMIC,)},
       ours={"cp_reply": ConfigReply(pool="10.4.0.0/28"), "child": {"remote_ts": "0.0.0.0/0"}})  # fmt: skip
def virtual_ip_for_peer(run: Run) -> None:
    """We assign the peer an address from our pool, and its packets use it as their source."""
    # <--  HDR, SK {IDi, AUTH, CP(CFG_REQUEST), …}   HDR, SK {IDr, AUTH, CP(CFG_REPLY), …}  -->
    run.establish()
    (address,) = run.event(AddressesAssigned).addresses
    expect(address.startswith("10.4.0."), f"an address from the pool, {address},").holds()
    expect([str(ts) for ts in run.s.child.remote_ts], "the peer's selector").equals([f"{address}/32"])
    run.s.ping(address)
    run.send_from_there(run.here.inner, source=address)
    run.agree()


if __name__ == "__main__":
    main(__file__)
