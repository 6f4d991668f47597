# SPDX-License-Identifier: GPL-2.0-or-later
"""The Configuration payload and the pool that feeds it (RFC 7296 sections 2.19, 2.20 and 3.15)."""

from __future__ import annotations

import ipaddress
import pickle

import pytest
from scapy.layers.inet import ICMP, IP

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import CpAttribute, CpType, NotifyType
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.events import (
    AddressesAssigned,
    AddressesReleased,
    ChildSaFailed,
    ConfigurationReceived,
    IkeSaEstablished,
    MessageReceived,
)
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.sa import State
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest, Settings, read
from fynx_scapy.ike.terms.pool import AddressPool, Pools
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP, IKEv2_SA
from tests.ike.pair import BOB, Pair, alice, bob

ANY = ChildConfig(local_ts=("0.0.0.0/0", "::/0"), remote_ts=("10.2.0.0/24",))
WIDE = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("0.0.0.0/0", "::/0"))
REPLY = ConfigReply(
    pool=("10.3.0.0/29", "2001:db8:3::/64"),
    netmask="255.255.255.0",
    dns=("10.2.0.53", "2001:db8::53"),
    subnets=("10.2.0.0/24", "2001:db8:2::/48"),
    domains=("example.org",),
    version="fynx 1",
)


def asking(*addresses: str, **changes):
    return alice(children=(ANY,), cp_request=ConfigRequest(addresses=addresses or ("0.0.0.0",)), **changes)


def giving(reply: ConfigReply = REPLY, **changes):
    return bob(children=(WIDE,), cp_reply=reply, **changes)


def cp(kind: CpType, *attributes: tuple[CpAttribute, bytes]) -> IKEv2_CP:
    found = [ConfigurationAttribute(type=int(attribute), value=value) for attribute, value in attributes]
    return IKEv2_CP(CFGType=int(kind), attributes=found)


# Selectors that nobody gave


def selectors(sa) -> list[str]:
    """Ours and the peer's of the only Child SA."""
    (child,) = sa.children.values()
    return [", ".join(map(str, side)) for side in (child.local_ts, child.remote_ts)]


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ({}, {"children": WIDE}, ["10.3.0.1/32", "10.2.0.0/24"]),
        ({}, {}, ["10.3.0.1/32", "10.1.0.0/24"]),
        ({"children": ChildConfig(remote_ts="10.1.0.7")}, {}, ["10.3.0.1/32", "10.1.0.7/32"]),
        ({"children": ChildConfig(local_ts="10.3.0.0/16")}, {}, ["10.3.0.1/32", "10.1.0.0/24"]),
    ],
    ids=["client", "both", "local", "remote"],
)
def test_a_client_proposes_everything(ours, theirs, found):
    """Section 2.19: TSi and TSr = 0.0.0.0-255.255.255.255, which the responder narrows to the address given."""
    usual = {"auth": "secret", "local_id": "alice", "remote_id": "bob", "remote": BOB, "cp_request": ConfigRequest()}
    other = {"auth": "secret", "local_id": "bob", "remote_id": "alice", "cp_reply": REPLY}
    pair = Pair(IkeConfig(**other | theirs))
    assert selectors(pair.connect(IkeConfig(**usual | ours))) == found


def test_selectors_that_were_given_stay():
    given = ChildConfig(local_ts="10.1.0.0/24", remote_ts="10.2.0.0/24")
    reply = ConfigReply(pool="10.3.0.0/24")
    for changes in {"cp_request": ConfigRequest()}, {"cp_reply": reply}:
        assert IkeConfig(auth="x", children=given, **changes).children == (given,)
    usual = IkeConfig(auth="x")
    assert usual.replace(cp_reply=reply).children[0].remote_ts == (Selector.of("10.3.0.0/24"),)
    assert usual.replace(cp_reply=ConfigReply(pool="10.2.0.8/29")).children == usual.children
    assert usual.replace(cp_request=ConfigRequest(addresses=())).children == usual.children
    assert (
        usual.replace(cp_reply=ConfigReply(pool=["10.3.0.0/24"] * 256)).children == usual.children
    )  # too many for TSr
    everything = usual.replace(cp_request=ConfigRequest(addresses=("0.0.0.0", "::"))).children[0]
    assert everything.local_ts == everything.remote_ts == (Selector.of("0.0.0.0/0"), Selector.of("::/0"))


def test_selectors_that_nobody_gave_follow_a_change():
    """Of a copy too: with the pool of before, its clients were refused."""
    usual = IkeConfig(auth="x")
    gateway = usual.replace(cp_reply=ConfigReply(pool="10.3.0.0/24"))
    other = gateway.replace(cp_reply=ConfigReply(pool="10.4.0.0/24"))
    assert other.children[0].remote_ts == (Selector.of("10.4.0.0/24"),)
    assert other.replace(cp_reply=None).children == usual.children
    client = usual.replace(cp_request=ConfigRequest(), children=usual.children[0].replace(name="mine"))
    assert client.children[0].local_ts == (Selector.of("0.0.0.0/0"),)
    assert client.replace(cp_request=None).children == (usual.children[0].replace(name="mine"),)
    given = usual.replace(cp_request=ConfigRequest(), children=ChildConfig(local_ts="0.0.0.0/0"))
    assert given.replace(cp_request=None).children[0].local_ts == (Selector.of("0.0.0.0/0"),)
    assert pickle.loads(pickle.dumps(client)).replace(cp_request=None) == client.replace(cp_request=None)


def test_a_client_is_told_which_selectors_take_its_address():
    pair = Pair(giving())
    pair.connect(
        alice(children=ChildConfig(local_ts="10.1.0.0/24", remote_ts="10.2.0.0/24"), cp_request=ConfigRequest())
    )
    (failed,) = pair.of("alice", ChildSaFailed)
    assert failed.reason == (
        "refused with TS_UNACCEPTABLE; local_ts has to hold the inner address that is asked for: 0.0.0.0/0 holds any"
    )


@pytest.mark.requirements("7296-2.19-02", "7296-4-11", "7296-4-12")
def test_an_address_is_asked_for_and_the_selectors_are_narrowed_to_it():
    pair = Pair(giving())
    # HDR, SK {IDi, AUTH, CP(CFG_REQUEST), SAi2, TSi(any), TSr}  -->
    # <--  HDR, SK {IDr, AUTH, CP(CFG_REPLY), SAr2, TSi(10.3.0.1), TSr}
    sa = pair.connect(asking())
    assert sa.settings == Settings(
        addresses=("10.3.0.1",),
        netmask="255.255.255.0",
        dns=("10.2.0.53", "2001:db8::53"),
        subnets=("10.2.0.0/24", "2001:db8:2::/48"),
        domains=("example.org",),
    )
    assert [str(ts) for child in sa.children.values() for ts in child.local_ts] == ["10.3.0.1/32"]
    assert pair.of("alice", ConfigurationReceived)[0].settings is sa.settings
    assert pair.of("bob", AddressesAssigned)[0].addresses == ("10.3.0.1",)
    # 7296-2.19-02: CP stands before SA, in both directions.
    for who in ("alice", "bob"):
        kinds = [type(payload) for payload in pair.of(who, MessageReceived)[-1].payloads]
        assert kinds.index(IKEv2_CP) < kinds.index(IKEv2_SA)
    pair.alice.send(bytes(IP(src="10.3.0.1", dst="10.2.0.1") / ICMP()), pair.network.now)
    pair.network.run()
    assert IP(pair.network.hosts["alice"].inbox[0]).dst == "10.3.0.1"
    assert not pair.alice.send(bytes(IP(src="10.3.0.2", dst="10.2.0.1") / ICMP()), pair.network.now)


def test_both_versions_and_a_wish():
    pair = Pair(giving())
    sa = pair.connect(asking("10.3.0.5", "2001:db8:9::77"))
    # Section 3.15.3: the address itself, or else its interface identifier under our prefix.
    assert sa.settings.addresses == ("10.3.0.5", "2001:db8:3::77")
    (child,) = sa.children.values()
    assert [str(ts) for ts in child.local_ts] == ["10.3.0.5/32", "2001:db8:3::77/128"]


def test_addresses_come_back_when_the_ike_sa_ends_and_stay_with_a_successor():
    pair = Pair(giving())
    sa = pair.connect(asking())
    exchange = sa.rekey()
    pair.network.run()
    assert isinstance(exchange, RekeyIke)
    new = exchange.successor
    assert new.settings.addresses == ("10.3.0.1",)
    assert new.established
    assert sa.state is State.CLOSED
    assert pair.bob.pools.lent == 1
    assert not pair.of("bob", AddressesReleased)
    # A Child SA of the successor is bound to the address too.
    created = new.create_child(ANY)
    pair.network.run()
    assert [str(ts) for ts in created.child.local_ts] == ["10.3.0.1/32"]
    new.delete_ike()
    pair.network.run()
    assert pair.bob.pools.lent == 0
    assert pair.of("bob", AddressesReleased)[0].addresses == ("10.3.0.1",)


def test_who_authenticates_again_keeps_its_addresses_until_the_last_ike_sa_ends():
    pair = Pair(giving())
    old = pair.connect(asking("0.0.0.0", "::"))
    had = old.settings.addresses
    old.reauthenticate()
    pair.network.run(100.0)
    assert old.state is State.CLOSED
    (new,) = (sa for sa in pair.alice.sas.values() if sa.established)
    assert new.settings.addresses == had
    assert pair.bob.pools.lent == 2
    assert not pair.of("bob", AddressesReleased)
    new.delete_ike()
    pair.network.run()
    assert pair.bob.pools.lent == 0


def test_nobody_gets_the_address_of_another_peer_by_asking_for_it():
    pair = Pair(giving(remote_id=None))
    first = pair.connect(asking())
    second = pair.alice.connect(asking(*first.settings.addresses, local_id="mallory"), pair.network.now)
    pair.network.run()
    assert (first.settings.addresses, second.settings.addresses) == (("10.3.0.1",), ("10.3.0.2",))


def test_one_ike_sa_gets_no_address_twice():
    pair = Pair(giving())
    sa = pair.connect(asking("10.3.0.5", "10.3.0.5"))
    assert sorted(sa.settings.addresses) == ["10.3.0.1", "10.3.0.5"]


@pytest.mark.requirements("7296-3.15.4-i01", "7296-1.2-i03", negative=True)
def test_an_exhausted_pool_fails_the_child_sa_alone():
    pair = Pair(giving(ConfigReply(pool=("10.3.0.9",)), remote_id=None))
    pair.connect(asking())
    second = pair.connect(asking(local_id="carol"))
    # <--  HDR, SK {IDr, AUTH, N(INTERNAL_ADDRESS_FAILURE)}     7296-3.15.4-i01
    assert second.established
    assert not second.children
    assert pair.of("alice", ChildSaFailed)[-1].notify_type == NotifyType.INTERNAL_ADDRESS_FAILURE
    # Section 3.15.4: the request may be repeated in an INFORMATIONAL exchange.
    exchange = second.start(Informational(second, ConfigRequest().payload()))
    pair.network.run()
    assert [n.type for n in exchange.answer.notifies()] == [NotifyType.INTERNAL_ADDRESS_FAILURE]
    assert second.established


@pytest.mark.requirements("7296-3.15.4-i02")
def test_some_addresses_of_several_are_better_than_none():
    pair = Pair(giving(ConfigReply(pool=("10.3.0.9",))))
    # 7296-3.15.4-i02
    assert pair.connect(asking("0.0.0.0", "0.0.0.0")).settings.addresses == ("10.3.0.9",)


def ask(pair: Pair, sa, kind: CpAttribute, count: int) -> list[str]:
    """Addresses that an INFORMATIONAL exchange brings."""
    exchange = sa.start(Informational(sa, cp(CpType.CFG_REQUEST, *[(kind, b"")] * count)))
    pair.network.run()
    answer = exchange.answer.get(IKEv2_CP)
    return [] if answer is None else [a.value for a in answer.attributes if a.type == kind]


@pytest.mark.parametrize("kind", [CpAttribute.INTERNAL_IP4_ADDRESS, CpAttribute.INTERNAL_IP6_ADDRESS])
@pytest.mark.parametrize(("most", "count"), [(4, 1000), (4, 5), (1, 2), (7, 100)])
@pytest.mark.requirements("7296-3.15.1-05")
def test_one_peer_does_not_get_the_whole_pool(kind, most, count):
    pools = ("10.3.0.0/24", "2001:db8:3::/64")
    pair = Pair(giving(ConfigReply(pool=pools) if most == 4 else ConfigReply(pool=pools, most_addresses=most)))
    sa = pair.connect(alice(children=(ANY,)))
    # HDR, SK {CP(CFG_REQUEST)}  -->
    # <--  HDR, SK {CP(CFG_REPLY)}
    first = ask(pair, sa, kind, count)
    assert len(first) == min(most, count)
    # Asking again brings the same, and no more.
    assert ask(pair, sa, kind, count) == first
    assert pair.bob.pools.lent == len(first)
    assert sa.established


def test_a_ceiling_of_each_version():
    pair = Pair(giving())
    sa = pair.connect(asking(*["0.0.0.0", "::"] * 10))
    assert [":" in address for address in sa.settings.addresses] == [False, True] * 4


def test_a_version_without_a_pool_is_ignored():
    pair = Pair(giving(ConfigReply(pool=("10.3.0.0/24",))))
    assert pair.connect(asking("::", "0.0.0.0")).settings.addresses == ("10.3.0.1",)


@pytest.mark.requirements("7296-2.19-07", negative=True)
def test_who_must_ask_and_does_not_gets_no_child_sa():
    pair = Pair(giving(REPLY.replace(required=True)))
    sa = pair.connect(alice(children=(ANY,)))
    # <--  HDR, SK {IDr, AUTH, N(FAILED_CP_REQUIRED)}     7296-2.19-07
    assert sa.established
    assert pair.of("alice", ChildSaFailed)[0].notify_type == NotifyType.FAILED_CP_REQUIRED
    # "The initiator can fix this by later starting a new Configuration payload request."
    sa.start(Informational(sa, ConfigRequest().payload()))
    exchange = sa.create_child(ANY)
    pair.network.run()
    assert isinstance(exchange, CreateChild)
    assert [str(ts) for ts in exchange.child.local_ts] == ["10.3.0.1/32"]


def test_a_required_address_that_does_not_come_ends_the_ike_sa():
    pair = Pair(bob(children=(WIDE,)))
    sa = pair.connect(asking())
    # Section 3.15.4: a response without CFG_REPLY is an error.
    assert sa.state is State.CLOSED
    assert "CFG_REPLY" in pair.of("alice", ChildSaFailed)[0].reason
    assert not pair.bobs.established
    relaxed = asking().replace(cp_request=ConfigRequest(required=False))
    assert Pair(bob(children=(WIDE,))).connect(relaxed).established


@pytest.mark.parametrize("required", [True, False])
def test_a_reply_that_cannot_be_read_ends_the_ike_sa(required):
    pair = Pair(giving())

    def spoil(message):
        for payload in message.all(IKEv2_CP):
            payload.attributes = [ConfigurationAttribute(type=1, value=b"\x0a\x03\x00")]

    pair.bob.taps.add("payloads", spoil)
    sa = pair.connect(asking().replace(cp_request=ConfigRequest(required=required)))
    assert "3" in pair.of("alice", ChildSaFailed)[0].reason
    assert sa.state is State.CLOSED


@pytest.mark.requirements("7296-3.10.1-04", negative=True)
def test_a_request_with_an_attribute_of_the_wrong_length_is_invalid_syntax():
    pair = Pair(giving())
    sa = pair.connect(asking())
    exchange = sa.start(Informational(sa, cp(CpType.CFG_REQUEST, (CpAttribute.INTERNAL_IP6_ADDRESS, bytes(16)))))
    pair.network.run()
    assert [n.type for n in exchange.answer.notifies()] == [NotifyType.INVALID_SYNTAX]


@pytest.mark.requirements("7296-2.20-03", "7296-3.15.1-16", "7296-3.15.1-21")
def test_the_version_and_the_supported_attributes_can_be_asked_for():
    pair = Pair(giving())
    sa = pair.connect(asking())
    # HDR, SK {CP(CFG_REQUEST)}  -->     section 2.20
    exchange = sa.start(
        Informational(
            sa,
            cp(
                CpType.CFG_REQUEST,
                (CpAttribute.APPLICATION_VERSION, b""),
                (CpAttribute.SUPPORTED_ATTRIBUTES, b""),
                (CpAttribute(16), b""),
            ),
        )
    )
    pair.network.run()
    # <--  HDR, SK {CP(CFG_REPLY)}
    found = dict(read(exchange.answer.one(IKEv2_CP)))
    assert found[CpAttribute.APPLICATION_VERSION] == b"fynx 1"
    assert len(found[CpAttribute.SUPPORTED_ATTRIBUTES]) % 2 == 0
    # 7296-3.15.1-21: what is not supported is left out.
    assert CpAttribute(16) not in found


@pytest.mark.requirements("7296-3.15.1-22", "7296-3.15.1-23", "7296-3.15.1-24")
def test_a_cfg_set_is_acknowledged_with_what_was_accepted():
    pair = Pair(giving(REPLY.replace(accepts=("INTERNAL_IP4_DNS",))))
    sa = pair.connect(asking())
    pushed = cp(
        CpType.CFG_SET,
        (CpAttribute.INTERNAL_IP4_DNS, b"\x0a\x01\x00\x35"),
        (CpAttribute.INTERNAL_IP4_NBNS, b"\x0a\x01\x00\x36"),
    )
    exchange = sa.start(Informational(sa, pushed))
    pair.network.run()
    answer = exchange.answer.one(IKEv2_CP)
    assert answer.CFGType == CpType.CFG_ACK
    # 7296-3.15.1-22, -23
    assert read(answer) == [(CpAttribute.INTERNAL_IP4_DNS, b"")]
    assert pair.of("bob", ConfigurationReceived)[0].settings.dns == ("10.1.0.53",)
    exchange = sa.start(Informational(sa, cp(CpType.CFG_SET, (CpAttribute.INTERNAL_IP4_NBNS, bytes(4)))))
    pair.network.run()
    assert read(exchange.answer.one(IKEv2_CP)) == []


@pytest.mark.requirements("7296-2.19-06")
def test_no_reply_without_a_request():
    pair = Pair(giving())
    sa = pair.connect(alice(children=(ANY,)))
    # 7296-2.19-06
    assert sa.established
    assert pair.of("alice", IkeSaEstablished)
    assert not any(isinstance(p, IKEv2_CP) for event in pair.of("alice", MessageReceived) for p in event.payloads)


@pytest.mark.requirements("3948-5.1-01", "3948-5.1-02")
def test_a_pool_lends_every_address_once():
    pool = AddressPool(Selector.of("10.3.0.0/29"))
    lent = [address for _ in range(6) if (address := pool.lend()) is not None]
    assert len(set(lent)) == 6
    assert pool.lend() is None
    pool.give_back(lent[2])
    assert pool.lend() == lent[2]
    assert pool.lend(lent[0]) is None
    pool.give_back(lent[0])
    pool.give_back(lent[4])
    assert pool.lend(lent[4]) == lent[4]
    assert pool.lend() == lent[0]
    assert pool.lend() is None


def test_small_pools_and_ranges():
    assert AddressPool(Selector.of("10.3.0.4/31")).lend() == 0x0A030004
    uneven = AddressPool(Selector.of("10.3.0.1-10.3.0.3"))
    assert uneven.prefix == 32
    assert [uneven.lend() for _ in range(4)] == [0x0A030001, 0x0A030002, 0x0A030003, None]
    assert AddressPool(Selector.of("2001:db8::/126")).first == Selector.of("2001:db8::1").start


def test_configurations_share_a_pool_and_a_lease_has_holders():
    pools = Pools()
    selector = Selector.of("10.3.0.1")
    lease = pools.lend([selector], 4)
    assert str(lease) == "10.3.0.1"
    assert pools.lend([selector], 4) is None
    assert pools.lend([selector], 6) is None
    assert lease.held().drop() is False
    assert lease.drop() is True
    assert pools.lent == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ConfigRequest(addresses=("alice",)),
        lambda: ConfigReply(dns=("dns.example",)),
        lambda: ConfigReply(more=(("INTERNAL_IP4_DMS", "10.0.0.1"),)),
        lambda: ConfigReply(pool=("10.3.0.9-10.3.0.1",)),
        lambda: ConfigReply(most_addresses=0),
    ],
)
def test_mistakes_show_where_they_are_made(wrong):
    with pytest.raises(ConfigError):
        wrong()


@pytest.mark.requirements("7296-3.15.1-01", negative=True)
def test_attributes_are_read_by_their_length():
    with pytest.raises(MalformedError, match="INTERNAL_IP4_DNS of 0 or 4 octets, found 5"):
        read(cp(CpType.CFG_REPLY, (CpAttribute.INTERNAL_IP4_DNS, bytes(5))))
    # 7296-3.15.1-01: the reserved bit is ignored.
    reserved = IKEv2_CP(attributes=[ConfigurationAttribute(type=0x8001, value=b"\x0a\x03\x00\x01")])
    assert Settings.read(read(reserved)).addresses == ("10.3.0.1",)
    odd = Settings.read([(CpAttribute.INTERNAL_IP4_SUBNET, b"\x0a\x03\x00\x01\xff\x00\xff\x00"), (99, b"x")])
    assert odd.subnets == ("10.3.0.1",)
    assert odd.others == ((99, b"x"),)


def test_what_came_back_is_kept_once():
    pool = Pools().of(Selector.of("10.3.0.0/24"))
    wanted = int(ipaddress.ip_address("10.3.0.1"))
    assert pool.lend() == wanted
    for _ in range(100):
        pool.give_back(wanted)
        assert pool.lend(wanted) == wanted
    pool.give_back(wanted)
    assert len(pool._returned) == 1
