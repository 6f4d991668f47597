# SPDX-License-Identifier: GPL-2.0-or-later
"""Deletes, notifies and liveness (RFC 7296 sections 1.4 and 1.4.1), begun by either end."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import LocalError
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.events import MessageSent, PeerNotified, SaDeleted
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.sa import State
from fynx_scapy.layers.ikev2 import IKEv2_Delete
from tests.ike.pair import Pair


def ends(pair: Pair, beginner: str):
    sa = pair.connect()
    return (sa, pair.bobs) if beginner == "alice" else (pair.bobs, sa)


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.requirements("7296-1.4-04", "7296-4-06")
def test_liveness_is_an_empty_exchange(beginner):
    pair = Pair()
    sa, _ = ends(pair, beginner)
    # HDR, SK {}  -->   <--  HDR, SK {}
    exchange = sa.start(Liveness(sa))
    pair.network.run()
    assert exchange.done
    assert exchange.error is None
    assert exchange.answer.payloads == []


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.requirements("7296-1.4.1-01", "7296-1.4.1-03", "7296-1.4.1-i02", "7296-3.11-i01", "7296-2.4-11")
def test_delete_of_a_child_sa_is_answered_with_the_other_direction(beginner):
    pair = Pair()
    sa, other = ends(pair, beginner)
    (child,) = sa.children.values()
    # HDR, SK {D(ESP, spi)}  -->   <--  HDR, SK {D(ESP, spi)}
    exchange = sa.delete_child(child)
    pair.network.run()
    (delete,) = exchange.answer.payloads
    assert delete.proto == ProtocolId.ESP
    assert [child.outbound.spi.to_bytes(4)] == delete.SPI
    assert not sa.children
    assert not other.children
    assert not pair.alice.children
    assert not pair.bob.children
    assert sa.established
    assert other.established


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.requirements("7296-1.4.1-03", "7296-1.4.1-i04")
def test_delete_of_the_ike_sa_is_answered_empty(beginner):
    pair = Pair()
    sa, other = ends(pair, beginner)
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    exchange = sa.delete_ike()
    pair.network.run()
    assert exchange.answer.payloads == []
    assert (sa.state, other.state) == (State.CLOSED, State.CLOSED)
    assert [e.by_peer for e in pair.of(beginner, SaDeleted) if not e.child_spis] == [False]
    with pytest.raises(LocalError, match="open"):
        sa.start(Liveness(sa))


@pytest.mark.requirements("7296-1.4.1-04", "7296-1.4.1-05", "7296-2.25.1-04", negative=True)
def test_crossing_deletes_of_one_child_sa_do_not_name_it_twice():
    pair = Pair()
    sa = pair.connect()
    other = pair.bobs
    (mine,), (theirs,) = sa.children.values(), other.children.values()
    # 7296-1.4.1-05: HDR, SK {D}  -->  and at the same time  <--  HDR, SK {D}
    first, second = sa.delete_child(mine), other.delete_child(theirs)
    pair.network.run()
    assert first.answer.payloads == second.answer.payloads == []
    assert not sa.children
    assert not other.children


@pytest.mark.requirements("7296-2.25.1-06", negative=True)
def test_delete_of_an_unknown_spi_changes_nothing():
    pair = Pair()
    sa = pair.connect()
    exchange = sa.start(Informational(sa, IKEv2_Delete(proto=int(ProtocolId.ESP), SPI=[b"\x00\x00\x10\x01"])))
    pair.network.run()
    assert exchange.answer.payloads == []
    assert len(sa.children) == 1
    assert len(pair.bobs.children) == 1


@pytest.mark.sample(3)
@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize(
    "fields",
    [
        {"proto": 1, "SPI": [bytes(8)]},
        {"proto": 1, "SPI": [bytes(4)]},
        {"proto": 1, "SPInum": 1},
        {"proto": 1, "SPIsize": 8},
        {"proto": 3, "SPI": [bytes(8)]},
        {"proto": 3, "SPI": [b"\1"] * 4},
        {"proto": 3, "SPInum": 3},
        {"proto": 2, "SPI": [bytes(16)]},
        {"proto": 3, "SPI": [bytes(4)], "SPInum": 2},
        {"proto": 3, "SPI": [bytes(4)], "SPInum": 0xFFFF},
        {"proto": 3, "SPI": [bytes(4), bytes(4)], "SPInum": 1},
        {"proto": 0, "SPInum": 9},
    ],
    ids=str,
)
@pytest.mark.requirements("7296-3.11-03", "7296-2.21.3-01", negative=True)
def test_a_delete_whose_spis_do_not_fit_its_protocol_is_invalid_syntax(beginner, fields):
    """Section 3.11: an SPI size of zero for IKE, of four for AH and ESP; the number and the octets say the same."""
    pair = Pair()
    sa, other = ends(pair, beginner)
    # HDR, SK {D(broken)}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}
    exchange = sa.start(Custom(sa, ExchangeType.INFORMATIONAL, IKEv2_Delete(**fields)))
    pair.network.run()
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]
    far = "bob" if beginner == "alice" else "alice"
    (gone,) = [event for event in pair.of(far, SaDeleted) if not event.child_spis]
    # Fatal, and not taken for the Delete that it resembles.
    assert not gone.by_peer
    assert "SPI" in gone.reason
    assert other.state is State.CLOSED


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("protocol", [0, ProtocolId.AH, 4, 201])
def test_a_delete_of_another_protocol_names_nothing_of_ours(beginner, protocol):
    pair = Pair()
    sa, other = ends(pair, beginner)
    (child,) = sa.children.values()
    # HDR, SK {D(AH, spi)}  -->   <--  HDR, SK {}
    delete = IKEv2_Delete(proto=int(protocol), SPI=[child.inbound.spi.to_bytes(4)])
    exchange = sa.start(Custom(sa, ExchangeType.INFORMATIONAL, delete))
    pair.network.run()
    assert exchange.answer.payloads == []
    assert len(other.children) == 1
    assert other.established


@pytest.mark.parametrize("kind", [NotifyType.INITIAL_CONTACT, 9000, 16999, 40960])
@pytest.mark.requirements("7296-3.10.1-02", "7296-3.10.1-03", negative=True)
def test_notifies_are_told_and_unknown_ones_ignored(kind):
    pair = Pair()
    sa = pair.connect()
    # 7296-3.10.1-02: unknown error types in a request and unknown status types are ignored.
    exchange = sa.start(Informational(sa, notify(kind, b"data")))
    pair.network.run()
    assert exchange.error is None
    assert sa.established
    assert pair.bobs.established
    told = pair.of("bob", PeerNotified)[-1]
    assert (told.notify_type, told.data, told.encrypted) == (kind, b"data", True)


def test_deleting_a_child_of_another_sa_is_our_own_mistake():
    pair = Pair()
    sa = pair.connect()
    (child,) = pair.bobs.children.values()
    with pytest.raises(LocalError, match="was deleted or moved"):
        sa.delete_child(child)


def test_a_delete_without_an_answer_counts_as_done():
    pair = Pair()
    sa = pair.connect()
    pair.network.wire.loss = 1.0
    sa.delete_ike()
    pair.network.run()
    assert sa.state is State.CLOSED
    assert len(pair.of("alice", SaDeleted)) == 2  # the Child SA, then the IKE SA
    assert pair.of("alice", MessageSent)[-1].encrypted


@pytest.mark.parametrize("beginner", ["alice", "bob"])
def test_a_delete_of_another_protocol_in_an_answer_names_nothing_of_ours(beginner):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    sa = ends.pop(beginner)
    (other,) = ends.values()
    spi = next(iter(sa.children.values())).outbound.spi.to_bytes(4)
    other.endpoint.taps.add("payloads", lambda m: m.payloads.append(IKEv2_Delete(proto=ProtocolId.AH, SPI=[spi])))
    sa.endpoint.now = pair.network.now
    # HDR, SK {}  -->   <--  HDR, SK {D(AH)}
    sa.liveness()
    pair.network.run()
    assert len(sa.children) == 1


@pytest.mark.parametrize("kind", [NotifyType.AUTHENTICATION_FAILED, NotifyType.INVALID_SYNTAX])
@pytest.mark.parametrize(
    ("sender", "rekeyed", "ends"), [("alice", False, True), ("bob", False, False), ("alice", True, False)]
)
def test_an_error_ends_an_ike_sa_right_after_ike_auth_only(sender, rekeyed, ends, kind):
    """Section 2.21.2: where "an error happened when processing a response to IKE_AUTH", which only one end does."""
    pair = Pair()
    sa = pair.connect()
    if rekeyed:
        sa.rekey()
        pair.network.run(until=60)
        sa = sa.newest
    ours = {"alice": sa, "bob": next(each for each in pair.bob.sas.values() if each.established)}
    told = ours.pop(sender).inform(notify(kind))
    pair.network.run(until=120)
    assert told.done
    assert [each.state for each in ours.values()] == [State.CLOSED if ends else State.ESTABLISHED]
