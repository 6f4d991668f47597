# SPDX-License-Identifier: GPL-2.0-or-later
"""CREATE_CHILD_SA: further Child SAs, and rekeys of both kinds, begun by either end (RFC 7296 section 1.3)."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.crypto.keymat import derive_sk, rekey_skeyseed
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    ChildSaRekeyed,
    EspReceived,
    IkeSaRekeyed,
    KeysDerived,
    MessageDropped,
    MessageSent,
    SaDeleted,
)
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.message import Datagram, DatagramKind, notify
from fynx_scapy.ike.sa import State
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair, alice, bob, kept

PING = {"alice": ("10.1.0.1", "10.2.0.1"), "bob": ("10.2.0.1", "10.1.0.1")}


def child(proposals: str, name: str = "net", **fields) -> tuple[ChildConfig, ChildConfig]:
    """The same Child SA as Alice and as Bob see it."""
    ours = ChildConfig(name=name, proposals=proposals, **fields)
    return ours, ours.replace(local_ts=ours.remote_ts, remote_ts=ours.local_ts)


def connected(proposals: str = "aes128gcm16", **fields):
    a, b = child(proposals, **fields)
    pair = Pair(bob(children=(b,)))
    return pair, pair.connect(alice(children=(a,)))


def ends(pair: Pair, sa, beginner: str):
    return (sa, pair.bobs) if beginner == "alice" else (pair.bobs, sa)


def ping(pair: Pair, who: str = "alice") -> bool:
    other = "bob" if who == "alice" else "alice"
    packet = echo_request(*PING[who])
    sent = pair.network.hosts[who].endpoint.send(packet, pair.network.now)
    pair.network.run()
    return sent and packet in pair.network.hosts[other].inbox


def only(children):
    (found,) = children.values()
    return found


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("proposals", ["aes128gcm16", "aes128gcm16-x25519", "aes128-sha256-ecp256"])
@pytest.mark.requirements("7296-1.3.3-01", "7296-2.8-i01")
def test_a_child_sa_is_rekeyed_with_and_without_pfs(beginner, proposals):
    pair, sa = connected(proposals)
    begun, other = ends(pair, sa, beginner)
    old = only(begun.children)
    # HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
    # HDR, SK {D(old)}  -->   <--  HDR, SK {D(old)}
    begun.rekey_child(old)
    pair.network.run()
    request, delete = [e for e in pair.of(beginner, MessageSent) if e.header.exch_type > ExchangeType.IKE_AUTH]
    assert any(isinstance(p, IKEv2_KE) for p in request.payloads) == (proposals.count("-") > proposals.count("sha"))
    assert request.payloads[0].type == NotifyType.REKEY_SA
    assert bytes(request.payloads[0].SPI) == old.inbound.spi.to_bytes(4)
    assert [old.inbound.spi.to_bytes(4)] == delete.payloads[0].SPI
    new, theirs = only(begun.children), only(other.children)
    assert new is not old
    assert new.inbound.spi == theirs.outbound.spi
    assert new.local_ts == old.local_ts
    assert [e.by_peer for who in ("alice", "bob") for e in pair.of(who, ChildSaRekeyed)].count(True) == 1
    assert ping(pair, "alice")
    assert ping(pair, "bob")


def test_keys_of_a_rekeyed_child_sa_are_new():
    pair, sa = connected("aes128gcm16-x25519")
    sa.rekey_child(only(sa.children))
    pair.network.run()
    first, second = pair.of("alice", ChildSaInstalled)
    assert first.encr_key_out != second.encr_key_out
    assert second.encr_key_out == pair.of("bob", ChildSaInstalled)[1].encr_key_in


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.requirements("7296-2.18-03", "7296-2.8-06")
def test_the_ike_sa_is_rekeyed_and_its_child_sas_move_over(beginner):
    pair, sa = connected()
    begun, other = ends(pair, sa, beginner)
    kept = only(begun.children)
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}      HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    begun.rekey()
    pair.network.run()
    new, theirs = begun.successor, other.successor
    assert (new.initiator, theirs.initiator) == (True, False)
    assert only(new.children) is kept
    assert (begun.state, other.state) == (State.CLOSED, State.CLOSED)
    assert new.keys == theirs.keys
    assert new.requests.next_id == new.answers.expected == 0
    assert [e.by_peer for who in ("alice", "bob") for e in pair.of(who, IkeSaRekeyed)].count(True) == 1
    assert ping(pair, "alice")
    # The first request on the new IKE SA has message ID 0, in both directions.
    for end in (theirs, new):
        exchange = end.liveness()
        pair.network.run()
        assert exchange.answer.header_fields.message_id == 0
    pair.network.run(pair.network.now + 100)
    assert list(pair.alice.sas.values()) == [new if beginner == "alice" else theirs]


@pytest.mark.requirements("7296-2.18-i01", "7296-2.18-i02")
def test_the_old_prf_makes_skeyseed_and_the_new_one_everything_else():
    both = "aes128gcm16-prfsha256-x25519"
    other = "aes256gcm16-prfsha512-ecp256"
    pair = Pair(bob(proposals=(both, other)))
    sa = pair.connect(alice(proposals=(both, other)))
    sa.config = sa.config.replace(proposals=other)
    pair.bobs.config = pair.bobs.config.replace(proposals=other)
    old_keys, old_prf = sa.keys, sa.suite.prf_function()
    secrets: list[bytes] = []
    from fynx_scapy.ike.core.keyshare import agreed_secret as original
    from fynx_scapy.ike.exchanges import rekey_ike

    with pytest.MonkeyPatch.context() as patch:

        def agreed(*args: Any) -> bytes:
            secrets.append(original(*args))
            return secrets[-1]

        patch.setattr(rekey_ike, "agreed_secret", agreed)
        sa.rekey()
        pair.network.run()
    new = sa.successor
    assert str(new.suite) == "aes256gcm16-prfsha512-ecp256"
    seed = rekey_skeyseed(old_prf, old_keys.sk_d, secrets[0], new.nonce_i, new.nonce_r)
    suite = new.suite
    expected = derive_sk(
        suite.prf_function(), suite.encryption(), None, seed, new.nonce_i, new.nonce_r, new.spi_i, new.spi_r
    )
    assert new.keys == expected
    assert len(new.keys.sk_d) == 64
    assert len(pair.of("alice", KeysDerived)) == 2


def test_rekeys_follow_each_other_whoever_begins():
    pair, _sa = connected("aes128gcm16-x25519")
    for round_ in range(6):
        alices = next(s for s in pair.alice.sas.values() if s.established)
        bobs = next(s for s in pair.bob.sas.values() if s.established)
        begun = alices if round_ % 2 else bobs
        begun.rekey() if round_ % 3 else begun.rekey_child(only(begun.children))
        pair.network.run()
        assert ping(pair)
    pair.network.run(pair.network.now + 100)
    assert len(pair.alice.sas) == len(pair.alice.children) == len(pair.bob.sas) == len(pair.bob.children) == 1


@pytest.mark.parametrize("beginner", ["alice", "bob"])
def test_further_child_sas_carry_their_own_traffic(beginner):
    extra, mirrored = child("chacha20poly1305", "extra", local_ts=("10.3.0.0/24",), remote_ts=("10.4.0.0/24",))
    net, peer_net = child("aes128gcm16")
    pair = Pair(bob(children=(peer_net, mirrored)))
    sa = pair.connect(alice(children=(net, extra)))
    begun, other = ends(pair, sa, beginner)
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
    begun.create_child(extra if beginner == "alice" else mirrored)
    pair.network.run()
    assert [c.name for c in begun.children.values()] == [c.name for c in other.children.values()] == ["net", "extra"]
    pair.alice.send(echo_request("10.3.0.1", "10.4.0.1"), pair.network.now)
    pair.network.run()
    assert str(next(c for c in sa.children.values() if c.name == "extra").suite) == "chacha20poly1305"
    assert pair.of("bob", EspReceived)[-1].spi == list(pair.bobs.children.values())[1].inbound.spi


@pytest.mark.requirements("7296-1.3-04", "7296-1.3-06", "7296-3.4-04")
def test_invalid_ke_is_followed_with_the_next_message_id():
    a, _ = child("aes128gcm16-x25519-ecp256")
    _, b = child("aes128gcm16-ecp256")
    pair = Pair(bob(children=(b,)))
    sa = pair.connect(alice(children=(a,)))
    # HDR, SK {…, KEi(31), …}  -->   <--  HDR, SK {N(INVALID_KE_PAYLOAD, 19)}   HDR, SK {…, KEi(19), …}  -->
    sa.rekey_child(only(sa.children))
    pair.network.run()
    groups = [
        (e.header.id, p.group) for e in pair.of("alice", MessageSent) for p in e.payloads if isinstance(p, IKEv2_KE)
    ]
    assert groups[1:] == [(2, 31), (3, 19)]
    assert only(sa.children).suite.ke.id == 19


@pytest.mark.parametrize(
    ("proposals", "ts", "kind"),
    [
        ("aes256-sha512", "10.1.0.0/24", NotifyType.NO_PROPOSAL_CHOSEN),
        ("aes128gcm16", "10.9.0.0/24", NotifyType.TS_UNACCEPTABLE),
    ],
)
@pytest.mark.requirements("7296-1.3.1-04", "7296-2.9-i02", negative=True)
def test_a_refused_child_sa_leaves_everything_standing(proposals, ts, kind):
    pair, sa = connected()
    sa.create_child(ChildConfig(name="more", proposals=proposals, local_ts=(ts,)))
    pair.network.run()
    assert pair.of("alice", ChildSaFailed)[0].notify_type == kind
    assert sa.established
    assert len(sa.children) == len(pair.bobs.children) == 1


@pytest.mark.requirements("7296-2.25-05", "7296-2.25-06", negative=True)
def test_rekeying_a_child_sa_that_the_peer_does_not_have_makes_a_new_one():
    pair, sa = connected()
    old = only(sa.children)
    pair.bobs.remove_children(list(pair.bobs.children), by_peer=False)
    # HDR, SK {N(REKEY_SA, spi), …}  -->   <--  HDR, SK {N(CHILD_SA_NOT_FOUND, spi)}    HDR, SK {SA, Ni, TSi, TSr}  -->
    sa.rekey_child(old)
    pair.network.run()
    refusal = next(
        p
        for e in pair.of("bob", MessageSent)
        for p in e.payloads
        if getattr(p, "type", 0) == NotifyType.CHILD_SA_NOT_FOUND
    )
    assert (refusal.proto, bytes(refusal.SPI)) == (ProtocolId.ESP, old.inbound.spi.to_bytes(4))
    assert only(sa.children) is not old
    assert ping(pair)


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize(
    ("protocol", "spi", "told"),
    [
        (0, None, ProtocolId.ESP),
        (ProtocolId.IKE, None, ProtocolId.ESP),
        (ProtocolId.IKE, b"\x01" * 8, ProtocolId.ESP),
        (ProtocolId.AH, None, ProtocolId.AH),
        (77, None, ProtocolId.ESP),
        (0, b"", 0),
        (ProtocolId.ESP, b"\x0a\x0b\x0c\x0d", ProtocolId.ESP),
    ],
)
@pytest.mark.requirements("7296-2.25-05", negative=True)
def test_a_rekey_that_names_no_child_sa_by_protocol_and_spi_is_child_sa_not_found(beginner, protocol, spi, told):
    """Sections 2.25 and 3.10: the SPI is copied; the protocol is AH or ESP, and zero where there is no SPI."""
    pair, sa = connected()
    asking, asked = ends(pair, sa, beginner)
    old = only(asking.children)
    named = old.inbound.spi.to_bytes(4) if spi is None else spi

    def other(message):
        for note in message.notifies(NotifyType.REKEY_SA):
            note.proto, note.SPI = protocol, named

    # HDR, SK {N(REKEY_SA, protocol, spi), …}  -->   <--  HDR, SK {N(CHILD_SA_NOT_FOUND, protocol, spi)}
    asking.endpoint.taps.add("payloads", other)
    exchange = asking.rekey_child(old)
    pair.network.run()
    (refusal,) = exchange.answer.payloads
    assert (refusal.type, refusal.proto, bytes(refusal.SPI or b"")) == (NotifyType.CHILD_SA_NOT_FOUND, told, named)
    assert asking.established
    assert asked.established
    # What the request may have meant is still there.
    assert any(child.outbound.spi == old.inbound.spi for child in asked.children.values())


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("of", ["itself", "another IKE SA"])
def test_a_rekey_of_what_is_not_the_peers_inbound_sa_is_child_sa_not_found(beginner, of):
    pair, sa = connected()
    asking, asked = ends(pair, sa, beginner)
    second = pair.connect(sa.config)
    others = {"itself": only(asking.children).outbound.spi, "another IKE SA": only(second.children).inbound.spi}

    def other(message):
        for note in message.notifies(NotifyType.REKEY_SA):
            note.SPI = others[of].to_bytes(4)

    asking.endpoint.taps.add("payloads", other)
    exchange = asking.rekey_child(only(asking.children))
    pair.network.run()
    assert exchange.answer.error().type == NotifyType.CHILD_SA_NOT_FOUND
    assert len(second.children) == 1
    assert asked.established


@pytest.mark.requirements("7296-2.18-02", "7296-1.3.2-01", negative=True)
def test_an_ike_rekey_without_a_key_exchange_is_refused():
    pair, sa = connected()
    layer = sa.config.proposals[0].layer(1, b"A" * 8, without=(4,))
    # 7296-2.18-02
    exchange = sa.start(Custom(sa, ExchangeType.CREATE_CHILD_SA, IKEv2_SA(prop=[layer]), IKEv2_Nonce(nonce=bytes(32))))
    pair.network.run()
    assert exchange.answer.error().type in (NotifyType.INVALID_SYNTAX, NotifyType.NO_PROPOSAL_CHOSEN)
    assert len([s for s in pair.bob.sas.values() if s.established]) <= 1
    assert not pair.of("bob", IkeSaRekeyed)


@pytest.mark.requirements("7296-2.25-02", negative=True)
def test_temporary_failure_is_tried_again_after_a_jittered_wait():
    pair, sa = connected()
    refused: list[float] = []

    def busy(message):
        if message.header.exch_type == ExchangeType.CREATE_CHILD_SA and not refused:
            message.payloads[:] = [notify(NotifyType.TEMPORARY_FAILURE)]
            refused.append(pair.network.now)

    pair.bob.taps.add("payloads", busy)
    # The answer says TEMPORARY_FAILURE, whatever Bob has done; Alice waits.
    sa.rekey_child(only(sa.children))
    pair.network.run(pair.network.now + 4)
    begun = [e.time for e in pair.of("alice", MessageSent) if e.header.exch_type == ExchangeType.CREATE_CHILD_SA]
    assert len(begun) == 1
    pair.network.run(pair.network.now + 30)
    begun = [e.time for e in pair.of("alice", MessageSent) if e.header.exch_type == ExchangeType.CREATE_CHILD_SA]
    low, high = sa.config.retry_wait
    assert low <= begun[1] - refused[0] <= high + 1


@pytest.mark.requirements("7296-2.8-i01", "7296-2.8-09")
def test_no_packet_is_lost_while_a_rekey_happens():
    """Make before break: traffic both ways, at every moment of a rekey of either kind, begun by either end."""
    for beginner in ("alice", "bob"):
        for kind in ("child", "ike"):
            pair, sa = connected("aes128gcm16-x25519")
            pair.network.hosts["bob"].echo = False
            begun, _ = ends(pair, sa, beginner)
            sent = {"alice": 0, "bob": 0}
            begun.rekey() if kind == "ike" else begun.rekey_child(only(begun.children))
            for step in range(60):
                for who, (source, destination) in PING.items():
                    packet = echo_request(source, destination, identifier=step)
                    assert pair.network.hosts[who].endpoint.send(packet, pair.network.now)
                    sent[who] += 1
                pair.network.run(pair.network.now + 0.002)
            pair.network.run(pair.network.now + 5)
            assert len(pair.network.hosts["bob"].inbox) == sent["alice"], (beginner, kind)
            assert len(pair.network.hosts["alice"].inbox) == sent["bob"], (beginner, kind)


@pytest.mark.requirements("7296-2.8.1-02")
def test_a_late_packet_on_a_replaced_sa_is_still_taken_in_for_a_while():
    pair, sa = connected()
    late: list[Datagram] = []
    remove = pair.network.intercept(lambda now, d: kept(late, d) if d.kind is DatagramKind.ESP else None)
    pair.alice.send(echo_request(*PING["alice"]), pair.network.now)
    pair.network._collect()
    remove()
    sa.rekey_child(only(sa.children))
    pair.network.run()
    pair.network.inject(late[0])
    pair.network.run()
    assert len(pair.of("bob", EspReceived)) == 1
    pair.network.run(pair.network.now + 30)
    pair.network.inject(late[0])
    pair.network.run()
    assert "expected an ESP packet of a Child SA" in pair.of("bob", MessageDropped)[-1].reason


@pytest.mark.requirements("7296-3.11-01")
def test_deletes_of_several_child_sas_travel_together():
    extra, mirrored = child("aes128gcm16", "extra", local_ts=("10.3.0.0/24",), remote_ts=("10.4.0.0/24",))
    net, peer_net = child("aes128gcm16")
    pair = Pair(bob(children=(peer_net, mirrored)))
    sa = pair.connect(alice(children=(net, extra)))
    sa.create_child(extra)
    pair.network.run()
    exchange = sa.delete_child(*sa.children.values())
    pair.network.run()
    assert len(exchange.answer.payloads[0].SPI) == 2
    assert not sa.children
    assert not pair.bobs.children
    assert len(pair.of("bob", SaDeleted)[0].child_spis) == 2


@pytest.mark.requirements("7296-1.3.2-02")
def test_what_waits_while_the_ike_sa_is_rekeyed_happens_on_its_successor():
    pair, sa = connected()
    sa.rekey()
    waiting = sa.create_child(ChildConfig(name="more"))
    pair.network.run()
    assert waiting.error is None
    assert waiting.sa is sa.successor
    assert len(sa.successor.children) == 2


@pytest.mark.parametrize("beginner", ["alice", "bob"])
def test_an_spi_of_the_peers_names_one_child_sa(beginner):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    sa = ends[beginner]
    used = next(iter(sa.children.values())).inbound.spi.to_bytes(4)

    def again(message) -> None:
        for payload in message.all(IKEv2_SA):
            payload.prop[0].SPI = used

    sa.endpoint.taps.add("payloads", again)
    sa.endpoint.now = pair.network.now
    # HDR, SK {SA(an SPI that is in use), Ni, TSi, TSr}  -->   <--  HDR, SK {N(NO_PROPOSAL_CHOSEN)}
    begun = sa.create_child()
    pair.network.run()
    assert begun.answer.error().type == NotifyType.NO_PROPOSAL_CHOSEN
    assert [len(end.children) for end in ends.values()] == [1, 1]
