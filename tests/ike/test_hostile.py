# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer that has the keys and keeps to no rule: what the stateful fuzzer has found, one test each."""

from __future__ import annotations

import random

import pytest

from fynx_scapy.errors import MalformedError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.message import Datagram, notify
from fynx_scapy.ike.sa import State
from fynx_scapy.layers.ikev2 import IKEv2_Delete
from tools.peers import Pair
from tools.stateful import wire
from tools.stateful.payloads import ike_rekey, plain

CHANCE = random.Random(1)


class Hostile(Pair):
    """Alice with an established IKE SA, and a peer that seals what it likes."""

    def __init__(self):
        super().__init__(1)
        self.sa = self.handshake()

    def send(self, sa: SaRecord, exchange: int, *payloads, answers: int | None = None) -> None:
        """A sealed request with the message ID that is expected, or the answer to message ``answers``."""
        message_id = sa.answers.expected if answers is None else answers
        head = wire.header(sa, exchange, message_id, response=answers is not None)
        octets = wire.seal(sa, CHANCE, head, *plain(random.Random(0), list(payloads)))
        sa.endpoint.receive(Datagram(octets, sa.local, sa.remote), self.now)
        sa.endpoint.datagrams()


def both_rekey() -> tuple[Hostile, SaRecord]:
    """Our rekey of the IKE SA is in flight, the peer's own was answered: its new IKE SA is there."""
    pair = Hostile()
    pair.sa.rekey()
    pair.alice.datagrams()
    pair.send(pair.sa, ExchangeType.CREATE_CHILD_SA, *ike_rekey(pair.sa, CHANCE))
    return pair, pair.sa.peer_rekeyed.sa


def test_a_successor_that_is_gone_inherits_nothing():
    pair, successor = both_rekey()
    # HDR, SK {D}  -->   on the new IKE SA
    pair.send(successor, ExchangeType.INFORMATIONAL, IKEv2_Delete(proto=1))
    assert successor.state is State.CLOSED
    # <--  HDR, SK {N(NO_PROPOSAL_CHOSEN)}   to our own rekey
    (message_id,) = pair.sa.requests.pending
    pair.send(pair.sa, ExchangeType.CREATE_CHILD_SA, notify(NotifyType.NO_PROPOSAL_CHOSEN), answers=message_id)
    assert len(pair.sa.children) == 1
    assert not successor.children
    # The peer has ended the line: nothing of it stays.
    pair.wait(61.0)
    assert pair.sa.state is State.CLOSED
    assert not pair.alice.children


@pytest.mark.parametrize("exchange", [ExchangeType.IKE_AUTH, ExchangeType.CREATE_CHILD_SA])
def test_an_ike_sa_that_is_closed_amid_two_rekeys_hands_nothing_over(exchange):
    pair, successor = both_rekey()
    # HDR, SK {}  -->   no such message, and fatal
    pair.send(pair.sa, exchange)
    assert pair.sa.state in (State.CLOSED, State.REKEYED)
    assert set(pair.alice.children) == set(successor.children)


def test_fragments_of_a_last_answer_go_with_their_ike_sa():
    pair = Hostile()
    pair.sa.fail(MalformedError("not wanted"), Informational(pair.sa))
    pair.alice.datagrams()
    (message_id,) = pair.sa.requests.pending
    # <--  HDR, SKF {…}   the first of two
    head = wire.header(pair.sa, ExchangeType.INFORMATIONAL, message_id, response=True)
    octets = wire.seal(pair.sa, CHANCE, head, 0, b"", numbers=b"\0\1\0\2")
    pair.alice.receive(Datagram(octets, pair.sa.local, pair.sa.remote), pair.now)
    assert len(pair.sa.fragments) == 1
    pair.wait(61.0)
    assert not pair.alice.sas
    assert len(pair.sa.fragments) == 0
    assert pair.alice.next_timer() is None
