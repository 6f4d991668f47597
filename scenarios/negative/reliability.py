# SPDX-License-Identifier: GPL-2.0-or-later
"""Retransmission and message IDs (RFC 7296 sections 2.1 to 2.4): repeated, old, early and lost messages, windows."""

from __future__ import annotations

from fynx_scapy import IkeConfig, Session
from fynx_scapy.events import MessageReceived
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import (
    Base,
    Case,
    Seen,
    accepted,
    alive,
    answers_alike,
    asks_again,
    backs_off,
    carries,
    case,
    cases,
    deletes,
    dropped,
    gives_up,
    goes_on,
    judged,
    no_child,
    no_sa,
    refused,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    add_to_message_id,
    delay,
    followed_by,
    insert_notify,
    lose,
    lose_all,
    replay,
    send_again,
    set_header,
)
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.taps import RESPONSE, Datagram

FLAGS, MESSAGE_ID = 19, slice(20, 24)
"""Where the header has its flags and the message ID."""


def _created(seen: Seen) -> str | None:
    return None if seen.installed == 1 else f"{seen.installed} Child SAs: {seen}"


ONE_CHILD = judged("one Child SA is created", _created)

REPEATED = [
    Case(
        f"request_repeated_{base}", base=base, do=send_again(3), then=accepted() & answers_alike(4) & then,
        requirements=("7296-2.1-02", "7296-2.1-04", "7296-2.3-08"), severity="high",
    )
    for base, then in (
        ("init", answers_alike(4)), ("auth", alive()), ("create_child", ONE_CHILD & carries()),
        ("rekey_child", ONE_CHILD & carries()), ("rekey_ike", alive()), ("liveness", alive()),
        ("delete_child", alive()),
    )
] + [
    Case(
        "request_repeated_delete_ike", base="delete_ike", do=send_again(3), then=answers_alike(4) & deletes(),
        requirements=("7296-2.1-02", "7296-2.1-04"),
    ),
] + [
    Case(
        f"answer_comes_once_{base}", base=base, do=NOTHING, then=accepted() & answers_alike(1),
        requirements=("7296-2.1-01",), what="A peer sends its answer once, unless the request comes again.",
    )
    for base in ("init", "auth", "create_child", "liveness")
] + [
    Case(
        "answer_lost_three_times", base="create_child", do=send_again(1) + delay(0.2), severity="high",
        then=accepted() & answers_alike(2) & ONE_CHILD, requirements=("7296-2.1-04", "7296-2.3-08"),
    ),
    Case(
        "request_lost", base="liveness", do=lose(), then=dropped() & alive(), requirements=("7296-2.1-06",),
        what="The first transmission of our request is lost; the second is answered.",
    ),
]  # fmt: skip


def _old_answers(seen: Seen) -> str | None:
    """What is wrong with an answer to an old request: only the octets of the old answer may come."""
    events = [e for at, e in seen.session.events if at == seen.session.name and isinstance(e, MessageReceived)]
    known = {wire for event in events for wire in event.wire}
    strange = [data for _, data in seen.datagrams if data[FLAGS] & RESPONSE and data not in known]
    return f"{len(strange)} new answers to old requests" if strange else None


OLD = judged("an old request is answered by the old answer, or not at all", _old_answers)


TWICE = Base(
    name="liveness twice", exchange=ExchangeType.INFORMATIONAL,
    start=lambda s, t: [s.liveness(timeout=t) for _ in range(2)],
    provoke=lambda peer: [peer.liveness() for _ in range(2)],
)  # fmt: skip
"""Two requests one after the other."""


@case(requirements=("7296-2.1-05", "7296-2.1-02"), severity="high", roles=BOTH)
def old_request_is_not_carried_out_again(run: Run) -> None:
    """A CREATE_CHILD_SA request that comes again after two later ones: no new answer, no second Child SA."""
    s = run.session()
    run.establish(s)
    sent: list[Datagram] = []
    remove = s.tap("datagrams", lambda _message, datagrams, _attempt: sent.extend(datagrams))
    s.create_child()
    remove()
    s.liveness()
    s.liveness()
    received = [event for at, event in s.events if at == s.name and isinstance(event, MessageReceived)]
    known = {wire for event in received for wire in event.wire}
    answers: list[bytes] = []

    def watch(_time: float, datagram: Datagram, _fate: str) -> None:
        if not s.sends(datagram) and datagram.local.host == s.sa.remote.host:
            answers.append(datagram.data)

    # HDR(2), SK {SA, Ni, TSi, TSr}  -->     once more, after the requests 3 and 4
    with s.network.observe(watch):
        for _ in range(3):
            s.network.inject(sent[0])
            s.network.run(s.network.now + 0.4)
    expect([data for data in answers if data not in known], "new answers").fails()
    expect(s.liveness()).empty()
    s.ping()


OLD_ONES = [
    Case(
        "replay_of_ike_sa_init", base="connect", at="IKE_AUTH request", do=replay(1), severity="high",
        then=accepted() & alive() & OLD, requirements=("7296-2.1-05", "7296-2.1-02"),
    ),
    Case(
        "replay_of_the_last_request", base=TWICE, at="request round 2", do=replay(1), then=accepted() & alive() & OLD,
        requirements=("7296-2.1-05", "7296-2.1-02"), severity="high",
    ),
]  # fmt: skip

IDS = [
    Case(
        f"message_id_ahead_by_{by}", base="liveness", do=add_to_message_id(by), then=silent() & alive(),
        requirements=("7296-2.3-09",), severity="high",
    )
    for by in (1, 5, 1 << 31)
] + [
    Case(
        f"message_id_ahead_by_{by}_in_create_child", base="create_child", do=add_to_message_id(by),
        then=silent() & no_child() & alive(), requirements=("7296-2.3-09", "7296-2.3-i01"), severity="high",
    )
    for by in (1, 100)
] + [
    Case(
        "message_id_of_an_answered_request", base="liveness", do=add_to_message_id(-1) + insert_notify(40960),
        then=silent() & alive(), requirements=("7296-2.1-05",), severity="high",
    ),
    Case(
        "message_id_of_all_ones", base="liveness", do=set_header(id=0xFFFFFFFF), then=silent() & alive(),
        requirements=("7296-2.3-09",), severity="high",
    ),
    Case(
        "message_id_two_in_auth", base="auth", do=add_to_message_id(1), then=silent() & no_sa(), severity="high",
        requirements=("7296-2.3-i01", "7296-2.3-09"),
    ),
    Case(
        "message_id_zero_in_auth", base="auth", do=set_header(id=0), then=silent() & no_sa(), severity="high",
        requirements=("7296-2.2-i01",),
    ),
] + [
    Case(
        f"message_id_wrong_in_{base}_response_{'ahead' if by > 0 else 'behind'}", base=base, at="response",
        do=add_to_message_id(by), then=asks_again(), requirements=("7296-2.2-i02",), severity="high",
    )
    for base in ("liveness", "create_child") for by in (1, -1)
]  # fmt: skip

RESPONSES = [
    Case(
        "response_repeated", base="liveness", at="response", do=send_again(3), then=taken() & alive(),
        requirements=("7296-2.4-i03",),
    ),
    Case(
        "response_repeated_in_create_child", base="create_child", at="response", do=send_again(3),
        then=taken() & carries(), requirements=("7296-2.4-i03",),
    ),
    Case(
        "response_repeated_in_init", base="connect", at="IKE_SA_INIT response", do=send_again(3),
        then=goes_on() & alive(), requirements=("7296-2.4-i03",),
    ),
    Case(
        "response_repeated_in_auth", base="connect", at="IKE_AUTH response", do=send_again(3),
        then=taken() & alive() & carries(), requirements=("7296-2.4-i03",),
    ),
    Case(
        "response_followed_by_an_error", base="liveness", at="response", severity="high",
        do=followed_by(IKEv2_Notify(type="INVALID_SYNTAX")), then=taken() & alive(), requirements=("7296-2.4-i03",),
    ),
    Case(
        "response_followed_by_a_refusal", base="create_child", at="response", severity="high",
        do=followed_by(IKEv2_Notify(type="NO_PROPOSAL_CHOSEN")), then=taken() & alive() & carries(),
        requirements=("7296-2.4-i03",),
    ),
    Case(
        "response_in_auth_followed_by_an_error", base="connect", at="IKE_AUTH response", severity="high",
        do=followed_by(IKEv2_Notify(type="AUTHENTICATION_FAILED")), then=taken() & alive() & carries(),
        requirements=("7296-2.4-i03",),
    ),
    Case(
        "response_late", base="liveness", at="response", do=delay(1.5), then=asks_again() & alive(),
        requirements=("7296-2.1-06", "7296-2.1-07"), what="Our answer comes after the peer's first retransmission.",
    ),
] + [
    Case(
        f"response_lost_in_{name}", base=base, at=at, do=lose(), then=asks_again() & then, severity="high",
        requirements=("7296-2.1-06", "7296-2.1-07", "7296-2.2-01"),
    )
    for name, base, at, then in (
        ("init", "connect", "IKE_SA_INIT response", goes_on() & alive()),
        ("auth", "connect", "IKE_AUTH response", alive() & carries()),
        ("liveness", "liveness", "response", alive()), ("create_child", "create_child", "response", carries()),
        ("rekey_ike", "rekey_ike", "response", alive()), ("rekey_child", "rekey_child", "response", carries()),
    )
] + [
    Case(
        f"responses_lost_in_{name}", base=base, at=at, do=lose_all(), then=backs_off() & then,
        requirements=("7296-2.1-06", "7296-2.1-07", "7296-2.2-01", "7296-2.4-08", *more), severity="high",
    )
    for name, base, at, then, more in (
        ("init", "connect", "IKE_SA_INIT response", gives_up(), ()),
        ("auth", "connect", "IKE_AUTH response", backs_off(), ()),
        ("liveness", "liveness", "response", deletes(), ("7296-2.1-i01",)),
        ("create_child", "create_child", "response", deletes(), ("7296-2.1-i01",)),
    )
]  # fmt: skip

WINDOWS = [
    Case(
        f"window_size_of_{len(data)}_octets", base="auth", do=insert_notify("SET_WINDOW_SIZE", data), severity="low",
        then=(accepted() & alive()) | (refused(protected=True) & no_sa()), requirements=("7296-2.3-01",),
    )
    for data in (b"", b"\0\0\2", b"\0\0\0\0\2")
] + [
    Case(
        f"window_size_{number}", base="auth", do=insert_notify("SET_WINDOW_SIZE", number.to_bytes(4)),
        then=(accepted() & alive()) | (refused(protected=True) & no_sa()), requirements=("7296-2.3-01",),
    )
    for number in (0, 0xFFFFFFFF)
] + [
    Case(
        "window_size_zero_in_liveness", base="liveness", do=insert_notify("SET_WINDOW_SIZE", bytes(4)),
        then=(accepted() & alive()) | refused(protected=True), requirements=("7296-2.3-01",),
    ),
    Case(
        "window_size_zero_in_auth_response", base="connect", at="IKE_AUTH response", requirements=("7296-2.3-01",),
        do=insert_notify("SET_WINDOW_SIZE", bytes(4)), then=(taken() & alive()) | deletes(),
    ),
    Case(
        "set_up_in_four_messages", base="connect", at="IKE_SA_INIT request", do=NOTHING,
        then=accepted() & alive() & carries(), requirements=("7296-4-04",),
        what="IKE_SA_INIT and IKE_AUTH set up an IKE SA and a Child SA, and packets go through it.",
    ),
]  # fmt: skip

cases(__name__, [*REPEATED, *OLD_ONES, *IDS, *RESPONSES, *WINDOWS])


def _outstanding(run: Run, s: Session, count: int) -> set[int]:
    """Have the peer begin ``count`` requests that we do not answer; returns the message IDs of those that came."""
    came: set[int] = set()

    def watch(_time: float, datagram: Datagram, _fate: str) -> None:
        data = datagram.data
        if not s.sends(datagram) and datagram.local.host == s.sa.remote.host and not data[FLAGS] & RESPONSE:
            came.add(int.from_bytes(data[MESSAGE_ID]))

    s.tap("datagrams", lambda message, datagrams, _attempt: [] if int(message.header.flags) & RESPONSE else None)
    with s.network.observe(watch):
        for _ in range(count):
            run.driver(s).liveness()
        s.network.run(s.network.now + 1.5)
    return came


@case(requirements=("7296-2.3-02", "7296-2.3-05"), severity="high", roles=BOTH)
def window_of_one_is_kept_to(run: Run) -> None:
    """A peer that was promised no window has one request outstanding, however many it wants to send."""
    s = run.session()
    run.establish(s)
    # <--  HDR, SK {}     and no second one, since we do not answer
    expect(len(_outstanding(run, s, 4)), "outstanding requests").equals(1)


@case(requirements=("7296-2.3-05", "7296-2.3-06"), severity="high", roles=BOTH)
def window_of_three_is_kept_to(run: Run) -> None:
    """A peer that was promised a window of three has at most three requests outstanding."""
    s = run.session(config=IkeConfig(local_id="alice", remote_id="bob", auth="fynx", window=3))
    run.establish(s)
    expect(len(_outstanding(run, s, 6)), "outstanding requests").between(1, 3)


@case(requirements=("7296-2.3-i02",), roles=BOTH)
def window_is_one_after_a_rekey(run: Run) -> None:
    """After a rekey of the IKE SA without a new promise, the peer has one request outstanding again."""
    s = run.session(config=IkeConfig(local_id="alice", remote_id="bob", auth="fynx", window=3))
    run.establish(s)
    promise = NotifyType.SET_WINDOW_SIZE

    def silent_about_it(message: object) -> None:
        payloads = message.payloads  # type: ignore[attr-defined]
        payloads[:] = [p for p in payloads if not (isinstance(p, IKEv2_Notify) and p.type == promise)]

    s.tap("payloads", silent_about_it)
    s.rekey_ike()
    s.network.run(limit=5.0)
    expect(len(_outstanding(run, s, 4)), "outstanding requests").equals(1)


@case(requirements=("7296-2.3-04",), severity="high", roles=BOTH)
def request_while_its_own_waits(run: Run) -> None:
    """A request is answered while the peer waits for the answer to its own."""
    s = run.session()
    run.establish(s)
    remove = s.tap("datagrams", lambda m, datagrams, _attempt: [] if int(m.header.flags) & RESPONSE else None)
    run.driver(s).liveness()
    s.network.run(s.network.now + 0.1)
    # HDR, SK {}  -->     <--  HDR, SK {}
    expect(s.liveness()).empty()
    remove()


@case(requirements=("7296-2.3-10", "7296-2.3-09"), roles=BOTH)
def requests_ahead_without_end(run: Run) -> None:
    """Fifty requests ahead of the window: none is answered, and INVALID_MESSAGE_ID comes seldom, if at all."""
    s = run.session(embedded={"peer": {"invalid_message_id": 1.0}})
    run.establish(s)
    number = s.sa.requests.next_id
    remove = s.tap("payloads", lambda message: setattr(message.header, "id", int(message.header.id) + 100))
    answers: list[bytes] = []
    requests: list[bytes] = []

    def watch(_time: float, datagram: Datagram, _fate: str) -> None:
        if not s.sends(datagram) and datagram.local.host == s.sa.remote.host:
            (answers if datagram.data[FLAGS] & RESPONSE else requests).append(datagram.data)

    with s.network.observe(watch):
        for _ in range(50):
            # HDR(n + 100), SK {}  -->
            s.sa.liveness()
            s.network.run(s.network.now + 0.01)
            s.sa.requests.clear()
        remove()
        s.network.run(s.network.now + 0.5)
    expect(answers, "answers").fails()
    expect(len(requests), "INVALID_MESSAGE_ID").between(0, 10)
    s.sa.requests.next_id = number
    expect(s.liveness()).empty()
