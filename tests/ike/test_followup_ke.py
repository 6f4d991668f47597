# SPDX-License-Identifier: GPL-2.0-or-later
"""CREATE_CHILD_SA that goes on in IKE_FOLLOWUP_KE, and what collides with it (RFC 9370 section 2.2.4)."""

from __future__ import annotations

import pytest

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.exchange import link
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.events import MessageReceived
from fynx_scapy.ike.exchanges import RekeyIke
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.wire.rules import ANYTHING, P, Round
from tests.ike.pair import Pair
from tests.ike.rounds import FOLLOWUP, Talk, once, run, say, up, waiting
from tests.ike.rounds import registered as registered


class Slow(Talk):
    """CREATE_CHILD_SA that goes on in IKE_FOLLOWUP_KE, and rekeys what ``rekeyed`` says, but makes nothing."""

    rules = (Round(ANYTHING, ANYTHING), Round(ANYTHING, ANYTHING, exchange_type=FOLLOWUP))
    rekeyed: frozenset[int] = frozenset()

    @property
    def subjects(self):
        return self.rekeyed

    def initiate(self):
        answer = yield self.request(say(b"1"), notify(40961))
        yield self.request(say(b"2"), *link(answer), exchange_type=FOLLOWUP)

    def respond(self, request):
        yield self.response(say(b"1"), link=b"slow", then=FOLLOWUP)
        yield self.response(say(b"2"))


class SlowIke(Slow):
    replaces_ike = alone = True


class SlowChild(Slow):
    touches_children = makes_child = True


def slow(kind: type[Slow]) -> type[Slow]:
    return exchange(ExchangeType.CREATE_CHILD_SA, when=lambda request: request.has_notify(40961))(kind)


def answered(pair: Pair, who: str) -> list[int]:
    """The notifies in the responses to CREATE_CHILD_SA that one end got."""
    found = [e for e in pair.of(who, MessageReceived) if e.header.exch_type == 36 and e.header.flags & 0x20]
    return [note.type for event in found for note in event.payloads if note.payload_type == P.N]


@pytest.mark.parametrize("following", [False, True])
def test_the_peers_rekey_of_a_child_sa_waits_while_our_own_goes_on(following):
    pair, sa, other = up()
    (child,), (theirs,) = sa.children.values(), other.children.values()
    kind = slow(SlowChild)
    # The request of one round is lost, and the peer wants to rekey the same SA before it comes again.
    once(pair.alice, FOLLOWUP if following else 36, 1, False, lambda datagrams: [])
    begun = kind(sa)
    begun.rekeyed = frozenset((child.inbound.spi,))
    sa.start(begun)
    run(pair, 0.1)
    assert begun.followed_up is following
    other.rekey_child(theirs)
    run(pair, 0.1)
    assert answered(pair, "bob") == [NotifyType.TEMPORARY_FAILURE] * following
    pair.network.run()
    assert begun.error is None


def test_the_peers_rekey_of_the_ike_sa_waits_while_our_own_goes_on():
    pair, sa, other = up()
    once(pair.alice, FOLLOWUP, 1, False, lambda datagrams: [])
    begun = sa.start(slow(SlowIke)(sa))
    run(pair, 0.1)
    other.rekey()
    run(pair, 0.1)
    assert answered(pair, "bob") == [NotifyType.TEMPORARY_FAILURE]
    assert (begun.done, sa.successor) == (False, None)
    pair.network.run()
    assert begun.error is None


@pytest.mark.parametrize(("kind", "what"), [(SlowChild, "rekey"), (SlowIke, "create_child")])
def test_a_responders_chain_counts_as_in_flight(kind, what):
    pair, sa, other = up()
    once(pair.alice, FOLLOWUP, 1, False, lambda datagrams: [])
    begun = slow(kind)(sa)
    begun.alone = False
    sa.start(begun)
    run(pair, 0.1)
    assert waiting(other) == 1
    if what == "rekey":
        rekey = RekeyIke(sa)
        rekey.alone = False
        sa.start(rekey)
    else:
        sa.create_child()
    run(pair, 0.1)
    assert NotifyType.TEMPORARY_FAILURE in answered(pair, "alice")
