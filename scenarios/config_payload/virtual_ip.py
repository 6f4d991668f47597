# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that gets virtual addresses from its gateway, whoever is the client."""

from __future__ import annotations

from scapy.layers.inet import IP

from fynx_scapy import ChildConfig, ConfigReply, ConfigRequest, IkeConfig, Psk
from fynx_scapy.events import AddressesAssigned, AddressesReleased, ChildSaInstalled, ConfigurationReceived
from fynx_scapy.harness import DYNAMIC, INITIATORS, RESPONDERS, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_CP,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 2.19",
    requirements=(
        "7296-2.19-01",
        "7296-2.19-02",
        "7296-2.19-04",
        "7296-2.19-05",
        "7296-3.15.1-05",
        "7296-3.15.3-01",
        "7296-4-10",
        "7296-4-11",
        "7296-4-12",
    ),
)
def virtual_ip(run: Run) -> None:
    """A client asks for IPv4 and IPv6 addresses and gets them; the selectors are narrowed to them.

    They return to the pool at the end.
    """
    wide = ChildConfig(local_ts=("0.0.0.0/0", "::/0"), remote_ts=("10.2.0.0/24", "2001:db8:2::/64"))
    config = IkeConfig(
        local_id="alice",
        remote_id="bob",
        auth=Psk("fynx"),
        children=(wide,),
        cp_request=ConfigRequest(addresses=("0.0.0.0", "2001:db8:9::77"), attributes=("INTERNAL_IP4_DNS",)),
    )
    pool = ("10.3.0.0/24", "2001:db8:3::/64")
    s = run.session(config=config, peer={"cp_reply": ConfigReply(pool=pool, dns="10.2.0.53", subnets="10.2.0.0/24")})
    s.sa_init()
    # HDR, SK {IDi, IDr, AUTH, CP(CFG_REQUEST), SAi2, TSi(any), TSr}  -->
    # <--  HDR, SK {IDr, AUTH, CP(CFG_REPLY), SAr2, TSi(10.3.0.1, 2001:db8:3::77), TSr}
    answer = s.auth()
    expect(answer).has(IKEv2_CP, CFGType=2)
    request = expect(s.events).at("initiator").sent(0, "IKE_AUTH").packet
    expect([attribute.type for attribute in request[IKEv2_CP].attributes], "asked for").equals([1, 8, 3])
    for message in (request, answer):
        expect(IKEv2_SA in message[IKEv2_CP], "SA behind CP").holds()
    settings = s.sa.settings
    assert settings is not None
    expect(settings.addresses, "addresses").equals(("10.3.0.1", "2001:db8:3::77"))
    expect(settings.dns, "name servers").equals(("10.2.0.53",))
    expect(settings.subnets, "subnets").equals(("10.2.0.0/24",))
    expect(s.events).at("initiator").has(ConfigurationReceived).has(
        ChildSaInstalled, local_ts=("10.3.0.1/32", "2001:db8:3::77/128")
    )
    expect(s.ping("10.2.0.1")).has(IP, dst="10.3.0.1")
    s.delete()
    expect(s.events).at("responder").has(AddressesReleased, addresses=("10.3.0.1", "2001:db8:3::77"))


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
