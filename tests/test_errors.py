# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors: stable codes, what they are about, what to do, and which error an event stands for."""

from __future__ import annotations

import copy
import errno
import json
import pickle
import re
from collections import Counter
from pathlib import Path

import pytest

from fynx_scapy import Lifetime, Limits, Session
from fynx_scapy.errors import (
    AddressInUse,
    AuthenticationError,
    Closing,
    FynxError,
    HalfOpen,
    IntegrityError,
    LocalError,
    MalformedError,
    NoPrivilege,
    PeerError,
    ReplayError,
    SessionClosed,
    Timeout,
    TransportError,
    UnexpectedError,
)
from fynx_scapy.events import (
    ChildSaFailed,
    Event,
    IcmpReceived,
    IkeSaFailed,
    InternalError,
    MessageSent,
    RequestRefused,
    SaDeleted,
    SendFailed,
    StateChanged,
)
from fynx_scapy.failures import error_of, kinds
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.message import Address
from fynx_scapy.reasons import ENDINGS, REFUSALS
from tests.ike.pair import Pair, alice, bob
from tools.generate import codes

ROOT = Path(__file__).resolve().parent.parent
HERE, THERE = Address("192.0.2.1", 500), Address("192.0.2.2", 500)

# What programs may have matched. A code is never renamed.
STABLE = {
    "fynx", "local", "config", "out-of-reach", "unexpected", "transport", "lab", "peer", "authentication", "integrity",
    "malformed", "key-exchange", "replay", "timeout", "capture", "unreached", "expectation",
}  # fmt: skip


# -- codes ------------------------------------------------------------------------------------------------------------


def test_each_code_is_there_once_and_none_is_lost():
    counts = Counter(code for code, *_ in codes())
    assert max(counts.values()) == 1
    assert counts.keys() >= STABLE
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?", code) for code in counts)


def test_a_finer_code_begins_with_that_of_its_base_class():
    for kind in kinds():
        base = kind.__mro__[1]
        if "." in kind.code and issubclass(base, FynxError):
            assert kind.code.startswith(f"{base.code}.") or kind.code == base.code, kind


def test_the_table_of_refusals_is_named_after_the_notifies():
    for number, row in REFUSALS.items():
        assert row.code == f"peer.{NotifyType(number).name.lower().replace('_', '-')}"
    errors = {kind for kind in NotifyType if kind < 16384}
    assert errors - REFUSALS.keys() == {NotifyType.USE_ASSIGNED_HoA}


def test_every_ending_has_a_row():
    assert set(ENDINGS) == set(Closing)


def test_the_guide_has_every_family_and_names_no_code_that_is_not_there():
    section = (ROOT / "docs/guide.md").read_text().split("## When something fails\n")[1].split("\n## ")[0]
    named = {code for row in re.findall(r"^\| (`.*?) \|", section, re.M) for code in re.findall(r"`(.*?)`", row)}
    known = {code for code, *_ in codes()}
    assert named <= known
    assert {code.partition(".")[0] for code in named} == {code.partition(".")[0] for code in known} - {"fynx"}


# -- what an error says -----------------------------------------------------------------------------------------------


def test_the_context_has_what_was_expected_and_found():
    error = MalformedError("expected an IKE header of 28 octets, found 7").about(remote=str(THERE), message_id=3)
    assert error.as_dict() == {
        "code": "malformed",
        "error": "MalformedError",
        "message": "expected an IKE header of 28 octets, found 7",
        "retryable": False,
        "context": {
            "message_id": 3, "remote": "192.0.2.2:500", "expected": "an IKE header of 28 octets", "found": "7",
        },
    }  # fmt: skip
    assert json.loads(json.dumps(error.as_dict())) == error.as_dict()


def test_what_is_known_first_stays():
    error = Timeout("no answer").about(exchange="IKE_AUTH", message_id=None).about(exchange="INFORMATIONAL", spi=7)
    assert str(error.context) == "spi 7, exchange IKE_AUTH"


def test_an_esp_packet_that_is_refused_says_which_it_was():
    s = Session(psk="secret")
    s.connect()
    packet = s.child.outbound.seal(bytes(20), 4)
    inbound = next(iter(s.peer_sa.children.values())).inbound
    with pytest.raises(IntegrityError) as broken:
        inbound.open(packet[:-1] + bytes([packet[-1] ^ 1]))
    assert broken.value.context.as_dict() == {"spi": inbound.spi, "seq": 1}
    inbound.open(packet)
    with pytest.raises(ReplayError) as again:
        inbound.open(packet)
    assert again.value.context.seq == 1


def test_the_context_is_printable_whatever_it_holds():
    error = FynxError("expected a name, found \x1b[31m\n\u202e").about(exchange="\x1b[2J")
    assert str(error.context).isprintable()


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_an_error_survives_the_way_to_another_process(again):
    error = again(PeerError(NotifyType.TS_UNACCEPTABLE, reason="policy allows no part").about(message_id=1))
    assert (error.code, error.notify_type, str(error)) == ("peer.ts-unacceptable", 38, "policy allows no part")
    assert error.context.as_dict() == {"notify": 38, "message_id": 1}


def test_a_notify_that_nobody_knows_is_an_error_of_the_peer_all_the_same():
    assert (PeerError(8192).code, PeerError(8192).retryable) == ("peer", False)
    assert PeerError(NotifyType.TEMPORARY_FAILURE).retryable


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (errno.EADDRINUSE, AddressInUse, "another program uses"),
        (errno.EACCES, NoPrivilege, "CAP_NET_BIND_SERVICE"),
        (errno.EIO, TransportError, "Input/output error"),
    ],
)
def test_what_the_system_refuses_has_the_class_of_its_remedy(number, kind, text):
    error = TransportError.of("cannot open UDP port 500", OSError(number, "Input/output error"))
    assert type(error) is kind
    assert text in str(error)


# -- in the engine ----------------------------------------------------------------------------------------------------


def test_an_exchange_that_fails_says_where():
    s = Session(psk="secret", peer={"psk": "another"})
    s.sa_init()
    s.auth()
    (ours,) = [event for who, event in s.events if who == "initiator" and isinstance(event, IkeSaFailed)]
    (theirs,) = [event for who, event in s.events if who == "responder" and isinstance(event, IkeSaFailed)]
    assert (ours.code, ours.initiator) == ("peer.authentication-failed", True)
    assert (theirs.code, theirs.initiator) == ("peer.authentication-failed", False)
    # HDR, SK {IDi, AUTH, …}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    (refused,) = [event for who, event in s.events if isinstance(event, RequestRefused)]
    assert (refused.exchange, refused.message_id, refused.code) == (35, 1, "peer.authentication-failed")


def test_a_request_without_an_answer_says_which_it_was():
    pair = Pair()
    sa = pair.connect()
    pair.network.wire.loss = 1.0
    exchange = sa.liveness()
    pair.network.run()
    context = exchange.error.context
    assert (context.exchange, context.message_id) == ("INFORMATIONAL", 2)
    assert (context.spi_i, context.remote) == (sa.spi_i.hex(), str(sa.remote))


def endings(pair: Pair, name: str) -> list[str]:
    """The codes of the IKE SAs of a host that ended, in order."""
    return [event.code for event in pair.of(name, SaDeleted) if not event.child_spis]


def children(pair: Pair, name: str) -> list[str]:
    return [event.code for event in pair.of(name, SaDeleted) if event.child_spis]


def test_each_end_says_who_deleted_it():
    pair = Pair()
    pair.connect().delete_ike()
    pair.network.run()
    assert (endings(pair, "alice"), endings(pair, "bob")) == ([Closing.BY_US], [Closing.BY_PEER])
    assert children(pair, "alice") == children(pair, "bob") == [Closing.WITH_IKE_SA]


@pytest.mark.parametrize("by_peer", [False, True], ids=["we rekey", "the peer rekeys"])
def test_what_was_rekeyed_was_replaced_at_both_ends(by_peer):
    pair = Pair()
    ours = pair.connect()
    sa = pair.bobs if by_peer else ours
    sa.rekey_child(next(iter(sa.children.values())))
    pair.network.run()
    sa.rekey()
    pair.network.run()
    for name in ("alice", "bob"):
        assert endings(pair, name) == children(pair, name) == [Closing.REPLACED]


def test_a_hard_lifetime_is_a_reason_of_its_own():
    limits = Lifetime(soft=Limits(), hard=Limits(seconds=60))
    pair = Pair()
    pair.connect(alice(lifetime=limits))
    pair.network.run(120)
    assert (endings(pair, "alice"), endings(pair, "bob")) == ([Closing.LIFETIME], [Closing.BY_PEER])


def test_a_dead_peer_is_a_reason_of_its_own_and_later_steps_say_so():
    pair = Pair()
    sa = pair.connect()
    pair.network.wire.loss = 1.0
    waiting = [sa.liveness(), sa.liveness()]
    pair.network.run()
    assert endings(pair, "alice") == [Closing.PEER_DEAD]
    assert [type(exchange.error) for exchange in waiting] == [Timeout, SessionClosed]
    with pytest.raises(SessionClosed, match="the peer does not answer") as raised:
        sa.liveness()
    assert (raised.value.code, raised.value.retryable) == (Closing.PEER_DEAD, True)
    assert isinstance(raised.value, LocalError)


def test_each_transition_is_an_event_that_comes_first():
    pair = Pair()
    sa = pair.connect()
    sa.delete_ike()
    pair.network.run()
    changes = [(event.old, event.new) for event in pair.of("alice", StateChanged)]
    assert changes == [
        (State.CONNECTING, State.ESTABLISHED),
        (State.ESTABLISHED, State.DELETING),
        (State.DELETING, State.CLOSED),
    ]
    assert all(event.spi_i == sa.spi_i for event in pair.of("alice", StateChanged))


def test_a_half_open_one_that_expires_is_no_silent_peer():
    pair = Pair(bob(half_open_lifetime=5))
    pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run(10)
    (failed,) = pair.of("bob", IkeSaFailed)
    assert (failed.code, failed.initiator) == (HalfOpen.code, False)


# -- the error of an event --------------------------------------------------------------------------------------------

SPIS = (b"\x01" * 8, b"\x02" * 8)


@pytest.mark.parametrize(
    ("event", "kind", "code"),
    [
        (IkeSaFailed(0.0, *SPIS, code="authentication", reason="no"), AuthenticationError, "authentication"),
        (IkeSaFailed(time=0, code="peer", reason="no", notify_type=14), PeerError, "peer.no-proposal-chosen"),
        (IkeSaFailed(time=0, code="mine", reason="no"), FynxError, "fynx"),
        (IkeSaFailed(time=0, code="peer", reason="no"), FynxError, "fynx"),
        (SaDeleted(time=0, code=Closing.BY_PEER, by_peer=True), SessionClosed, "closed.by-peer"),
        (SaDeleted(time=0, child_spis=(1,), code=Closing.LIFETIME), SessionClosed, "closed.lifetime"),
        (ChildSaFailed(time=0, name="net", notify_type=38, reason="no"), PeerError, "peer.ts-unacceptable"),
        (ChildSaFailed(time=0, name="net", notify_type=None, reason="no"), FynxError, "negotiation"),
        (SendFailed(time=0, local=HERE, remote=THERE, reason="no", code="transport.no-route"), TransportError,
         "transport.no-route"),
        (IcmpReceived(time=0, local=HERE, remote=THERE, reporter="192.0.2.9", icmp_type=3, code=3, reason="refused",
                      mtu=None, acted=False), Timeout, "timeout.unreachable"),
        (InternalError(time=0, doing="a timer", error="KeyError", where="here"), UnexpectedError, "unexpected"),
    ],
)  # fmt: skip
def test_the_error_of_an_event(event: Event, kind: type[FynxError], code: str):
    error = error_of(event)
    assert isinstance(error, kind)
    assert error.code == code
    assert error.context.spi_i == ("01" * 8 if event.spi_i == SPIS[0] else None)


def test_most_events_are_no_failures():
    s = Session(psk="secret")
    s.connect()
    s.delete()
    failures = [event for _, event in s.events if error_of(event) is not None]
    assert {type(event) for event in failures} == {SaDeleted}
    assert any(isinstance(event, MessageSent) for _, event in s.events)
