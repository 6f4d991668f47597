# SPDX-License-Identifier: GPL-2.0-or-later
"""Several Child SAs, virtual addresses, and several peers at once."""

from __future__ import annotations

from fynx_scapy import ChildConfig, ConfigReply, ConfigRequest
from fynx_scapy.events import AddressesAssigned, ConfigurationReceived
from fynx_scapy.harness import expect
from fynx_scapy.lab import DYNAMIC, INITIATORS, RESPONDERS, Meeting, PeerChild, PeerConfig, trial

HALVES = (
    PeerChild(name="low", local_ts=("10.2.0.0/25",), remote_ts=("10.1.0.0/25",)),
    PeerChild(name="high", local_ts=("10.2.0.0/25",), remote_ts=("10.1.0.128/25",)),
    PeerChild(name="six", local_ts=("fd02::/64",), remote_ts=("fd01::/64",)),
)


@trial("RFC 7296 section 1.3.1", needs={"several"}, requirements=("7296-1-02",), config={"children": HALVES})
def several_children(m: Meeting) -> None:
    """Three Child SAs under one IKE SA, and each packet uses the one whose selectors match."""
    m.establish()
    for number, child in enumerate(m.config().children[1:], 2):
        # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
        if m.we_begin:
            m.s.create_child(child)
        else:
            m.peer.initiate(child=child.name)
        m.wait_until(lambda number=number: len(m.s.sa.children) == number, f"{number} Child SAs")  # type: ignore[misc]
    m.wait_until(lambda: len(m.theirs().children) == len(HALVES), "the same number of Child SAs at the peer")
    four, six = m.lab.theirs.inner, m.lab.theirs.inner6
    for source, target in (("10.1.0.1", four), ("10.1.0.200", four), ("fd01::9", six)):
        m.s.ping(target, source=source)
        m.send_from_there(source, count=1)
    m.agree()
    used = {child.name for child in m.theirs().children if child.packets_in and child.packets_out}
    expect(used, "the Child SAs that the peer has used").equals({child.name for child in HALVES})


@trial("RFC 7296 section 2.19", needs={"pool"}, roles=INITIATORS,
       config={"pool": "10.3.0.0/28", "remote_ts": (DYNAMIC,)},
       ours={"cp_request": ConfigRequest(), "child": {"local_ts": "0.0.0.0/0"}})  # fmt: skip
def virtual_ip_for_us(m: Meeting) -> None:
    """The peer assigns us an address from its pool, and our packets use it as their source."""
    # HDR, SK {IDi, AUTH, CP(CFG_REQUEST), …}  -->   <--  HDR, SK {IDr, AUTH, CP(CFG_REPLY), …}
    m.establish()
    settings = m.event(ConfigurationReceived).settings
    (address,) = settings.addresses
    expect(str(address).startswith("10.3.0."), f"an address from the pool, {address},").holds()
    expect([str(ts) for ts in m.s.child.local_ts], "our selector").equals([f"{address}/32"])
    m.s.ping(m.lab.theirs.inner, source=str(address))
    m.send_from_there(str(address))
    m.agree()


@trial("RFC 7296 section 2.19", needs={"vip"}, roles=RESPONDERS,
       config={"virtual_ip": True, "local_ts": (DYNAMIC,)},
       ours={"cp_reply": ConfigReply(pool="10.4.0.0/28"), "child": {"remote_ts": "0.0.0.0/0"}})  # fmt: skip
def virtual_ip_for_peer(m: Meeting) -> None:
    """We assign the peer an address from our pool, and its packets use it as their source."""
    # <--  HDR, SK {IDi, AUTH, CP(CFG_REQUEST), …}   HDR, SK {IDr, AUTH, CP(CFG_REPLY), …}  -->
    m.establish()
    (address,) = m.event(AddressesAssigned).addresses
    expect(address.startswith("10.4.0."), f"an address from the pool, {address},").holds()
    expect([str(ts) for ts in m.s.child.remote_ts], "the peer's selector").equals([f"{address}/32"])
    m.s.ping(address)
    m.send_from_there(m.lab.ours.inner, source=address)
    m.agree()


CLIENTS = 4


@trial("RFC 7296 section 2.4", needs={"several"}, roles=INITIATORS,
       config={"remote": "%any", "remote_id": "%any"},
       ours={"local_id": "alice", "child": {"local_ts": "10.1.0.0/28"}})  # fmt: skip
def several_clients(m: Meeting) -> None:
    """Several of our clients, with different identities and networks, are connected at once."""
    sessions = [m.s]
    for number in range(1, CLIENTS):
        address = f"10.9.0.{100 + number}"
        m.lab.ours.namespace.ip(f"addr add {address}/24 dev wan")
        config = m.config(local_id=f"client{number}", child={"local_ts": f"10.1.0.{16 * number}/28"})
        sessions.append(m.join(f"client{number}", config, local=address))
    for s in sessions:
        s.connect()
    m.wait_until(
        lambda: len([sa for sa in m.peer.sas() if sa.established]) == CLIENTS, f"{CLIENTS} IKE SAs at the peer"
    )
    for number, s in enumerate(sessions):
        source = f"10.1.0.{16 * number + 1}"
        s.ping(m.lab.theirs.inner, source=source)
        m.send_from_there(source, count=1)
        s.rekey_child()
        s.ping(m.lab.theirs.inner, source=source)
    who = {sa.remote_id for sa in m.peer.sas()}
    expect(who, "the peer's clients").equals({"alice", *(f"client{number}" for number in range(1, CLIENTS))})


ALSO = tuple(
    PeerConfig(
        local_id=f"gateway{number}",
        children=(PeerChild(name=f"net{number}", remote_ts=(f"10.1.{number}.0/24",)),),
    )
    for number in range(1, CLIENTS)
)


@trial("RFC 7296 section 2.4", needs={"several"}, roles=RESPONDERS, config={"also": ALSO})
def several_from_peer(m: Meeting) -> None:
    """The peer connects several times at once, with different identities; all use the same two ports of ours."""
    for number, other in enumerate(ALSO, 1):
        child = ChildConfig(name=f"net{number}", local_ts=f"10.1.{number}.0/24", remote_ts="10.2.0.0/24")
        m.s.client.configs.append(m.config(remote_id=other.local_id, children=(child,), remote=m.s.config.remote))
    for name, _ in m.lab.config.connections():
        m.peer.initiate(name)
    accepted = [m.s.accept(timeout=10) for _ in range(CLIENTS)]
    expect(len({sa.spi_i for sa in accepted}), "IKE SAs").equals(CLIENTS)
    m.wait_until(
        lambda: len([sa for sa in m.peer.sas() if sa.established]) == CLIENTS, f"{CLIENTS} IKE SAs at the peer"
    )
    for number in range(CLIENTS):
        m.send_from_there(f"10.1.{number}.1", count=1)
