# SPDX-License-Identifier: GPL-2.0-or-later
"""An endpoint never takes itself for a peer: an SPI that is its own is refused, whoever sends it."""

from __future__ import annotations

import pytest

from fynx_scapy.ike.events import IkeSaEstablished, IkeSaFailed, IkeSaRekeyed, MessageDropped, MessageSent, PeerNotified
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.message import Address, Datagram, Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_SA
from tests.ike.pair import ALICE, BOB, Pair, alice, bob


def test_our_own_request_is_no_strangers():
    pair = Pair()
    pair.alice.configs = [bob(remote_id=None)]
    sa = pair.alice.connect(alice(), 0.0)
    (sent,) = pair.alice.datagrams()
    # HDR(A,0), SAi1, KEi, Ni, from us to us
    pair.alice.receive(Datagram(sent.data, Address(ALICE, 500), Address(BOB, 500)), 0.0)
    assert list(pair.alice.sas.values()) == [sa]
    assert not pair.alice.datagrams()
    dropped = [event for event in pair.alice.events() if isinstance(event, MessageDropped)]
    assert ["one of ours" in event.reason for event in dropped] == [True]


def test_a_mirror_is_no_peer():
    """All that Alice sends comes back to her, who accepts anybody with the secret."""
    pair = Pair()
    pair.alice.configs = [bob(remote_id=None)]
    pair.network.intercept(lambda now, datagram: [Datagram(datagram.data, datagram.remote, datagram.local)])
    pair.alice.connect(alice(remote_id=None), 0.0)
    pair.network.run()
    assert not pair.of("alice", IkeSaEstablished)
    assert len(pair.of("alice", IkeSaFailed)) == 1
    assert not any(sa.established for sa in pair.alice.sas.values())


@pytest.mark.parametrize("which", ["this", "another"])
def test_a_responder_that_calls_itself_as_we_do(which):
    pair = Pair()
    other = pair.connect()

    def echo(message: Outgoing) -> None:
        message.header.resp_SPI = message.header.init_SPI if which == "this" else other.spi_i

    pair.bob.taps.add("payloads", echo)
    # HDR(A,0), SAi1, KEi, Ni  -->
    # <--  HDR(A,A), SAr1, KEr, Nr
    assert not pair.connect().established
    (failed,) = pair.of("alice", IkeSaFailed)
    assert "one of ours" in failed.reason
    assert other.established


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_rekey_is_answered_with_an_spi_of_our_own(which):
    pair = Pair()
    sa = pair.connect()

    def ours(message: Outgoing) -> None:
        payload = message.get(IKEv2_SA)
        if payload is not None:
            asked = next(e for e in reversed(pair.of("alice", MessageSent)) if e.header.exch_type == 36)
            theirs = next(p for p in asked.payloads if isinstance(p, IKEv2_SA)).prop[0].SPI
            payload.prop[0].SPI = sa.spi_i if which == "old" else theirs

    pair.bob.taps.add("payloads", ours)
    # HDR, SK {SA(SPI), Ni, KEi}  -->
    # <--  HDR, SK {SA(the same SPI), Nr, KEr}
    exchange = sa.start(RekeyIke(sa))
    pair.network.run()
    assert "one of ours" in str(exchange.error)
    assert not pair.of("alice", IkeSaRekeyed)


def test_a_rekey_asks_for_an_spi_of_our_own():
    pair = Pair()
    sa = pair.connect()

    def theirs(message: Outgoing) -> None:
        payload = message.get(IKEv2_SA)
        if payload is not None:
            for proposal in payload.prop:
                proposal.SPI = sa.spi_r

    pair.alice.taps.add("payloads", theirs)
    # HDR, SK {SA(Bob's SPI), Ni, KEi}  -->
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    sa.start(RekeyIke(sa))
    pair.network.run()
    assert pair.of("alice", PeerNotified)[-1].notify_type == 7
    assert not pair.of("bob", IkeSaRekeyed)
