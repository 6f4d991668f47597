# SPDX-License-Identifier: GPL-2.0-or-later
"""An IKE SA with keys changes no state for anything unprotected (RFC 7296 sections 2.4 and 2.21.4).

Every exchange type, in both directions, in every round and state, from any address: nothing changes, nothing is said.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from scapy.packet import Packet

from fynx_scapy.errors import FynxError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.registry import Registry, responders
from fynx_scapy.ike.events import IkeSaFailed, MessageDropped, MessageSent, SaDeleted
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.extensions.quick_crash import QuickCrashDetection
from fynx_scapy.ike.message import Address, Datagram, Header, Outgoing, notify
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.wire.rules import ONE, P, Round, Rule
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Notify, IKEv2_Payload, build_message
from tests.ike.pair import Pair, alice, bob

STRANGER = Address("203.0.113.66", 31337)
EXCHANGES = (0, *ExchangeType, 240, 255)


def lose(pair: Pair, sender: str) -> None:
    """Nothing that this end sends arrives from now on."""
    host = getattr(pair, sender).host
    pair.network.intercept(lambda now, datagram: [] if datagram.local.host == host else None)


# The states: each gives the pair, and the end that is attacked in it


def with_keys() -> Iterator[tuple[Pair, IkeSa]]:
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run()
    yield pair, sa
    yield pair, pair.bobs


def waiting_for_ike_auth() -> Iterator[tuple[Pair, IkeSa]]:
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run()
    lose(pair, "bob")
    sa.start(IkeAuth(sa))
    pair.network.run(pair.network.now + 0.1)
    yield pair, sa
    yield pair, pair.bobs


def established() -> Iterator[tuple[Pair, IkeSa]]:
    pair = Pair()
    sa = pair.connect()
    yield pair, sa
    yield pair, pair.bobs


def beyond(host: str, last: int, now: float, datagram: Datagram) -> list[Datagram] | None:
    """An interceptor: nothing of ``host`` with a message ID behind ``last`` arrives."""
    return [] if datagram.local.host == host and int.from_bytes(datagram.data[20:24]) > last else None


def asking(begin: Callable[[IkeSa], object]) -> Iterator[tuple[Pair, IkeSa]]:
    for asks, answers in (("alice", "bob"), ("bob", "alice")):
        pair = Pair()
        ends = {"alice": pair.connect(), "bob": pair.bobs}
        lose(pair, answers)
        ends[asks].endpoint.now = pair.network.now
        begin(ends[asks])
        pair.network.run(pair.network.now + 0.1)
        yield pair, ends[asks]


def retrying() -> Iterator[tuple[Pair, IkeSa]]:
    """The second round of CREATE_CHILD_SA, behind INVALID_KE_PAYLOAD, unanswered."""
    for asks in ("alice", "bob"):
        pair = Pair(bob(proposals="aes128gcm16-prfsha256-x25519-ecp256"))
        ends = {"alice": pair.connect(alice(proposals="aes128gcm16-prfsha256-x25519-ecp256")), "bob": pair.bobs}
        other = pair.bob if asks == "alice" else pair.alice
        other.taps.add(
            "payloads",
            lambda m: m.payloads.__setitem__(slice(None), [notify(NotifyType.INVALID_KE_PAYLOAD, (19).to_bytes(2))]),
            when=lambda m: bool(m.header.flags & FLAG_RESPONSE),
        )
        pair.network.intercept(functools.partial(beyond, other.host, ends[asks].requests.next_id))
        ends[asks].endpoint.now = pair.network.now
        ends[asks].rekey()
        pair.network.run(pair.network.now + 0.5)
        (pending,) = ends[asks].requests.pending.values()
        assert pending.exchange.rounds.total() == 1
        yield pair, ends[asks]


def rekeyed() -> Iterator[tuple[Pair, IkeSa]]:
    for asks in ("alice", "bob"):
        pair = Pair()
        ends = {"alice": pair.connect(), "bob": pair.bobs}
        pair.network.intercept(lambda now, d: [] if d.data[18] == ExchangeType.INFORMATIONAL else None)
        ends[asks].endpoint.now = pair.network.now
        ends[asks].rekey()
        pair.network.run(pair.network.now + 0.3)
        assert {sa.state for sa in ends.values()} == {State.REKEYED, State.DELETING}
        yield pair, ends["alice"]
        yield pair, ends["bob"]


def closed() -> Iterator[tuple[Pair, IkeSa]]:
    pair = Pair()
    sa, theirs = pair.connect(), pair.bobs
    sa.delete_ike()
    pair.network.run(pair.network.now + 0.5)
    yield pair, sa
    yield pair, theirs


STATES = {
    "half open": with_keys,
    "IKE_AUTH in flight": waiting_for_ike_auth,
    "established": established,
    "liveness in flight": lambda: asking(IkeSa.liveness),
    "new Child SA in flight": lambda: asking(IkeSa.create_child),
    "rekey of a Child SA in flight": lambda: asking(lambda sa: sa.rekey_child(next(iter(sa.children.values())))),
    "rekey in flight": lambda: asking(IkeSa.rekey),
    "rekey in its second round": retrying,
    "exchange 240 in flight": lambda: asking(lambda sa: sa.start(Custom(sa, 240))),
    "clear exchange in flight": lambda: asking(lambda sa: sa.start(Custom(sa, 34, encrypted=False))),
    "deleting": lambda: asking(IkeSa.delete_ike),
    "rekeyed": rekeyed,
    "closed": closed,
}


def snapshot(endpoint: EndpointRecord, sa: IkeSa) -> tuple[object, ...]:
    """Everything about an IKE SA that a message could change."""
    return (
        sa.state, sa.spi_i, sa.spi_r, sa.local, sa.remote, sa._keys, sa.nonce_i, sa.nonce_r, sa.init_sent,
        sa.init_received, tuple(sa.children), sa.local_id, sa.remote_id, sa.successor, sa.predecessor, sa.rekeying,
        sa.rekeyed, sa.peer_rekeyed, tuple(sa.of(QuickCrashDetection).tokens), sa.settings,
        tuple(sa.deleted_early), sa.last_heard,
        tuple((number, id(one), one.doubt, one.exchange.rounds.total()) for number, one in sa.requests.pending.items()),
        sa.requests.next_id, sa.requests.size, tuple(sa.requests.waiting), sa.answers.expected,
        tuple(sa.answers.kept), sa.answers.size, tuple(sa.answers.early), len(sa.fragments),
        tuple(endpoint.sas), tuple(endpoint.children), len(endpoint.timers), len(endpoint.of(Admission)),
    )  # fmt: skip


def clear(sa: IkeSa, number: int, response: bool, message_id: int, payloads: list[Packet], **more: object) -> bytes:
    """A message on the SPIs of an IKE SA, as its peer would write it, in the clear."""
    flags = (0 if sa.initiator else FLAG_INITIATOR) | (FLAG_RESPONSE if response else 0)
    fields: dict[str, Any] = {"init_SPI": sa.spi_i, "resp_SPI": sa.spi_r, "exch_type": number, "flags": flags}
    return build_message(IKEv2(**(fields | {"id": message_id} | more)), list(payloads))


def shapes(pair: Pair) -> list[list[Packet]]:
    """Payloads for a forgery: none, a critical one, errors, and those of every message that was really sent."""
    real = [list(event.payloads) for name, event in pair.network.events if isinstance(event, MessageSent)]
    known = {tuple(p.payload_type for p in payloads): payloads for payloads in real}
    return [
        [],
        [IKEv2_Payload(payload_type=200, flags=0x80)],
        [notify(NotifyType.NO_PROPOSAL_CHOSEN)],
        [notify(NotifyType.INVALID_SYNTAX)],
        [notify(NotifyType.INVALID_KE_PAYLOAD, (19).to_bytes(2))],
        [notify(NotifyType.COOKIE, b"cookie")],
        [IKEv2_Notify(type="INITIAL_CONTACT", length=400)],
        *known.values(),
    ]


@pytest.mark.sample(3)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.requirements("7296-1.4-01", "7296-2.4-04", "7296-2.21.4-05", negative=True)
def test_nothing_in_the_clear_changes_an_ike_sa_with_keys(state):
    tried = 0
    for pair, sa in STATES[state]():
        endpoint = sa.endpoint
        now = pair.network.now
        endpoint.datagrams()
        before = snapshot(endpoint, sa)
        ids = {0, 1, sa.answers.expected, *sa.requests.pending}
        # Exchange type 0 and message ID 0: those of each forgery are written over them.
        built = [clear(sa, 0, *each) for each in product((False, True), (0,), shapes(pair))]
        for octets, number, message_id, source in product(built, EXCHANGES, ids, (sa.remote, STRANGER)):
            forged = octets[:18] + bytes((number, octets[19])) + message_id.to_bytes(4) + octets[24:]
            endpoint.receive(Datagram(forged, sa.local, source), now)
            assert snapshot(endpoint, sa) == before, (source, forged)
            assert endpoint.datagrams() == []
            dropped = [event for event in endpoint.events() if isinstance(event, MessageDropped)]
            assert [event.data for event in dropped] == [forged], source
            tried += 1
    assert tried > 1000


@pytest.mark.requirements("7296-1-01", negative=True)
def test_before_there_are_keys_nothing_but_ike_sa_init_is_read():
    pair = Pair()
    lose(pair, "bob")
    sa = pair.alice.connect(alice(), 0.0)
    pair.network.run(0.1)
    before = snapshot(pair.alice, sa)
    for number, response in product(EXCHANGES, (False, True)):
        if number == ExchangeType.IKE_SA_INIT:
            continue
        pair.alice.receive(Datagram(clear(sa, number, response, 0, [], resp_SPI=b"B" * 8), sa.local, sa.remote), 0.1)
        sealed = [IKEv2_Payload(payload_type=PayloadType.SK, load=bytes(40))]
        pair.alice.receive(
            Datagram(clear(sa, number, response, 0, sealed, resp_SPI=b"B" * 8), sa.local, sa.remote), 0.1
        )
    assert snapshot(pair.alice, sa) == before
    assert pair.alice.datagrams() == []


def test_the_first_request_is_still_answered_from_the_cache():
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run()
    # HDR, SAi1, KEi, Ni  -->   once more, to the byte (section 2.1)
    for expected in (1, 1):
        pair.bob.receive(Datagram(sa.init_sent, pair.bobs.local, pair.bobs.remote), pair.network.now)
        assert len(pair.bob.datagrams()) == expected
    # but not with one octet changed on the SPIs that it made
    both = sa.init_sent[:8] + sa.spi_r + sa.init_sent[16:]
    pair.bob.receive(Datagram(both, pair.bobs.local, pair.bobs.remote), pair.network.now)
    assert pair.bob.datagrams() == []


def test_a_chain_of_tiny_payloads_is_not_walked_to_its_end():
    pair = Pair()
    sa = pair.connect()
    tiny = [IKEv2_Payload(payload_type=200)] * 5000
    pair.alice.receive(Datagram(clear(sa, 37, True, 0, tiny), sa.local, STRANGER), pair.network.now)
    (dropped,) = [event for event in pair.alice.events() if isinstance(event, MessageDropped)]
    assert "more than 200 payloads" in dropped.reason


# Protected, but without a row


def sealed(sa: IkeSa, number: int, response: bool, message_id: int, *payloads: Packet) -> Datagram:
    """A message that the peer of ``sa`` seals."""
    peer = Outgoing(list(payloads))
    flags = (FLAG_INITIATOR if sa.initiator else 0) | (FLAG_RESPONSE if response else 0)
    fields = {"init_SPI": sa.spi_i, "resp_SPI": sa.spi_r, "exch_type": number, "flags": flags, "id": message_id}
    for name, value in fields.items():
        setattr(peer.header, name, value)
    (wire,), _ = sa.envelope.seal(peer)
    return Datagram(wire, sa.local, sa.remote).turned()


NOBODYS = [number for number in EXCHANGES if number not in {cls.exchange_type for cls in responders()}]


@pytest.mark.sample(3)
@pytest.mark.parametrize("number", NOBODYS)
@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.requirements("7296-3.10.1-04", "7296-2.21.3-i01", negative=True)
def test_a_protected_request_without_a_row_is_refused_and_fatal(number, role):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    victim = ends.pop(role)
    (attacker,) = ends.values()
    victim.endpoint.receive(sealed(attacker, number, False, victim.answers.expected), pair.network.now)
    (answer,) = victim.endpoint.datagrams()
    message = attacker.fragments.open(answer.turned(), Header.parse(answer.data))
    assert [n.type for n in message.payloads] == [NotifyType.INVALID_SYNTAX]
    assert victim.state is State.CLOSED


@pytest.mark.parametrize("authenticated", [False, True])
@pytest.mark.parametrize("number", [ExchangeType.IKE_SA_INIT, ExchangeType.IKE_AUTH, ExchangeType.CREATE_CHILD_SA])
@pytest.mark.requirements("7296-1-01", "7296-1-i03", negative=True)
def test_a_protected_request_out_of_its_phase_is_fatal_and_said(number, authenticated):
    if (number == ExchangeType.IKE_AUTH) != authenticated and number != ExchangeType.IKE_SA_INIT:
        return
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0, authenticate=authenticated)
    pair.network.run()
    theirs = pair.bobs
    first = theirs.init_received
    request = sealed(sa, number, False, theirs.answers.expected)
    pair.bob.receive(request, pair.network.now)
    (answer,) = pair.bob.datagrams()
    message = sa.fragments.open(answer.turned(), Header.parse(answer.data))
    assert [n.type for n in message.payloads] == [NotifyType.INVALID_SYNTAX]
    assert theirs.state is State.CLOSED
    ended = [type(event) for event in pair.bob.events() if isinstance(event, SaDeleted | IkeSaFailed)]
    assert ended == ([SaDeleted, SaDeleted] if authenticated else [IkeSaFailed])
    # Known by its first request, it leaves nothing when it goes.
    assert theirs.init_received == first
    pair.network.run(pair.network.now + 120)
    assert not pair.bob.sas
    assert not pair.bob.router.initial


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_protected_answer_of_another_exchange_is_dropped(role):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    victim = ends.pop(role)
    (attacker,) = ends.values()
    lose(pair, "bob" if role == "alice" else "alice")
    victim.endpoint.now = pair.network.now
    exchange = victim.rekey()
    (message_id,) = victim.requests.pending
    before = snapshot(victim.endpoint, victim)
    for number in EXCHANGES:
        if number != ExchangeType.CREATE_CHILD_SA:
            victim.endpoint.receive(sealed(attacker, number, True, message_id), pair.network.now)
    assert snapshot(victim.endpoint, victim) == before
    assert not exchange.done


# A user's own exchange


class Rounds(Exchange):
    """Three rounds, the last two by one row."""

    exchange_type = 240
    rules = (Round(Rule({P.N: ONE}), Rule({P.N: ONE})), Round(Rule({P.V: ONE}), Rule({P.V: ONE})))

    def initiate(self):
        self.heard = []
        for payload in (notify(40960), IKEv2_Payload(payload_type=P.V), IKEv2_Payload(payload_type=P.V)):
            answer = yield self.request(payload)
            self.heard.append(answer.encrypted)

    def respond(self, request):
        yield self.response(notify(40960), more=True)
        yield self.response(IKEv2_Payload(payload_type=P.V), more=True)
        yield self.response(IKEv2_Payload(payload_type=P.V))


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_an_exchange_of_many_rounds_takes_nothing_in_the_clear_in_any_of_them(role):
    pair = Pair(registry=Registry(Rounds))
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    sa = ends[role]
    forged = []

    def third(now: float, datagram: Datagram) -> None:
        # HDR, N or V, in the clear, before every answer and every request
        if datagram.remote == sa.remote and datagram.data[18] == 240:
            message_id = int.from_bytes(datagram.data[20:24])
            for payload in ([notify(40960)], [IKEv2_Payload(payload_type=P.V)]):
                data = clear(sa, 240, True, message_id, payload)
                before = snapshot(sa.endpoint, sa)
                sa.endpoint.receive(Datagram(data, sa.local, STRANGER), now)
                assert snapshot(sa.endpoint, sa) == before
                forged.append(message_id)

    pair.network.intercept(third)
    sa.endpoint.now = pair.network.now
    begun = Rounds(sa)
    sa.start(begun)
    pair.network.run()
    assert (begun.error, begun.heard, len(forged)) == (None, [True] * 3, 6)


def test_a_row_is_held_against_every_round():
    pair = Pair(registry=Registry(Rounds))
    sa = pair.connect()
    # HDR, SK {N}  -->  <--  HDR, SK {N}      HDR, SK {V}  -->  <--  HDR, SK {N}, which the second round has no row for
    pair.bob.taps.add("payloads", lambda m: m.payloads.__setitem__(slice(None), [notify(40960)]))
    begun = Rounds(sa)
    sa.start(begun)
    pair.network.run()
    assert "expected 1 V in" in str(begun.error)
    assert begun.heard == [True]


def test_what_a_person_requests_may_be_answered_by_anything_protected():
    pair = Pair(registry=Registry(Rounds))
    sa = pair.connect()
    pair.bob.taps.add("payloads", lambda m: m.payloads.append(IKEv2_Payload(payload_type=200)))
    one = sa.start(Custom(sa, 240, notify(40960)))
    pair.network.run()
    assert one.error is None
    assert [p.payload_type for p in one.answer.payloads] == [P.N, 200]


# Fatal in both peers (section 2.21.3)


@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.parametrize("begin", [IkeSa.liveness, IkeSa.create_child, IkeSa.rekey, "rekey_child", "custom"])
@pytest.mark.requirements("7296-2.21.3-i01", negative=True)
def test_invalid_syntax_in_an_answer_closes_both_ends(role, begin):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    sa = ends[role]
    broken = IKEv2_Notify(type="INITIAL_CONTACT", length=400)
    sa.endpoint.taps.add("payloads", lambda m: m.payloads.append(broken))
    sa.endpoint.now = pair.network.now
    # HDR, SK {…, N(broken)}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}
    if begin == "rekey_child":
        sa.rekey_child(next(iter(sa.children.values())))
    elif begin == "custom":
        sa.start(Custom(sa, ExchangeType.INFORMATIONAL))
    else:
        begin(sa)
    pair.network.run()
    assert [end.state for end in ends.values()] == [State.CLOSED] * 2
    assert not pair.alice.children
    assert not pair.bob.children


@pytest.mark.parametrize("switched", ["alice", "bob"])
def test_a_tester_goes_on_at_his_own_end(switched):
    theirs: IkeConfig = bob(invalid_syntax_is_fatal=switched != "bob")
    pair = Pair(theirs)
    ends = {"alice": pair.connect(alice(invalid_syntax_is_fatal=switched != "alice")), "bob": pair.bobs}
    broken = IKEv2_Notify(type="INITIAL_CONTACT", length=400)
    remove = pair.alice.taps.add("payloads", lambda m: m.payloads.append(broken))
    ends["alice"].liveness()
    pair.network.run()
    remove()
    states = {name: sa.state for name, sa in ends.items()}
    assert states.pop(switched) is State.ESTABLISHED
    assert list(states.values()) == [State.CLOSED]


# What cannot be built


def too_long(message: Outgoing) -> None:
    """A payload that its length field has no room for."""
    if not message.has_notify(NotifyType.INVALID_SYNTAX):
        message.payloads.append(IKEv2_Payload(payload_type=200, load=bytes(70000)))


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_an_answer_that_cannot_be_built_is_invalid_syntax(role):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    asks = ends.pop(role)
    (answers,) = ends.values()
    answers.endpoint.taps.add("payloads", too_long)
    asks.endpoint.now = pair.network.now
    liveness = asks.liveness()
    pair.network.run()
    assert [n.type for n in liveness.answer.payloads] == [NotifyType.INVALID_SYNTAX]
    assert answers.state is State.CLOSED


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_message_that_is_too_long_for_sk_cannot_be_built(role):
    pair = Pair(bob(fragmentation=False))
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    asks = ends.pop(role)
    (answers,) = ends.values()
    long = [notify(40960, bytes(40000))] * 2
    failed = asks.start(Custom(asks, ExchangeType.INFORMATIONAL, *long))
    assert "65,535 octets in SK" in str(failed.error)
    answers.endpoint.taps.add(
        "payloads", lambda m: m.payloads.extend(long), when=lambda m: not m.has_notify(NotifyType.INVALID_SYNTAX)
    )
    asks.endpoint.now = pair.network.now
    liveness = asks.liveness()
    pair.network.run()
    assert [n.type for n in liveness.answer.payloads] == [NotifyType.INVALID_SYNTAX]


def test_an_answer_to_ike_sa_init_that_cannot_be_built_leaves_no_trace():
    pair = Pair()
    remove = pair.bob.taps.add("payloads", too_long)
    pair.alice.connect(alice(), 0.0)
    pair.network.run(0.1)
    assert not pair.bob.sas
    remove()
    pair.network.run()
    assert pair.bobs.established


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_request_that_cannot_be_built_ends_its_exchange_alone(role):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    sa = ends[role]
    remove = sa.endpoint.taps.add("payloads", too_long)
    sa.endpoint.now = pair.network.now
    failed = sa.liveness()
    assert isinstance(failed.error, FynxError)
    remove()
    after = sa.liveness()
    pair.network.run()
    assert after.answer is not None
    assert sa.established
