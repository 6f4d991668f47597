# SPDX-License-Identifier: GPL-2.0-or-later
"""Cookies (RFC 7296 section 2.6) and puzzles (RFC 8019): wrong ones, strange ones, and how they are returned."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy import EndpointConfig
from fynx_scapy.events import MessageSent
from fynx_scapy.harness import Run, deliver, expect, stranger, unanswered
from fynx_scapy.harness.cases import (
    Case,
    Heard,
    Seen,
    accepted,
    alive,
    answered,
    asks_again,
    carries,
    case,
    cases,
    chooses,
    gives_up,
    goes_on,
    judged,
    refused,
    retries,
    sends,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    drop,
    flip_bits,
    insert,
    insert_notify,
    only_notify,
    set_field,
    set_header,
)
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_PS, IKEv2_VendorID
from fynx_scapy.taps import Datagram, Outgoing

ASKED = {"cookie_threshold": 0}
"""The embedded peer asks everybody for a cookie."""
ASK = EndpointConfig(cookie_threshold=0)
"""We ask for a cookie."""
BOTH = {"proposals": "aes128gcm16-prfsha256-x25519-ecp256"}
ECP256 = {"proposals": "aes128gcm16-prfsha256-ecp256"}
MOST_REQUESTS = 20


def _requests(seen: Seen) -> list[Heard]:
    """The peer's IKE_SA_INIT requests, each once."""
    found = [m for m in (*seen.earlier, *seen.heard) if m.exchange == ExchangeType.IKE_SA_INIT and not m.response]
    return list({message.wire[0]: message for message in found}.values())


def _cookies_sent(seen: Seen) -> list[bytes]:
    """The cookies that we sent, in order."""
    sent = [event for at, event in seen.session.events if at == seen.session.name and isinstance(event, MessageSent)]
    notes = [each for event in sent for each in event.payloads if isinstance(each, IKEv2_Notify)]
    return [bytes(note.notify or b"") for note in notes if note.type == NotifyType.COOKIE]


def _returned(seen: Seen) -> str | None:
    """What is wrong with the request that returns our cookie: all but the cookie must be as in the first."""
    first, *others = _requests(seen)
    if not others:
        return f"no second request: {seen}"
    again, cookies = others[0], _cookies_sent(seen)
    note = again.payloads[0]
    if not isinstance(note, IKEv2_Notify) or note.type != NotifyType.COOKIE:
        return f"{note.name} as the first payload of the second request"
    if not cookies or bytes(note.notify or b"") != cookies[0]:
        return "another cookie than ours in the second request"
    if bytes(again.header.resp_SPI) != bytes(8) or again.message_id != 0:
        return f"message ID {again.message_id}, responder SPI {bytes(again.header.resp_SPI).hex()}"
    if again.header.init_SPI != first.header.init_SPI:
        return "another initiator SPI in the second request"
    size = len(note.octets())
    same = again.wire[0][28 + size :] == first.wire[0][28:]
    return None if same else "other payloads changed in the second request"


def _sized(message: Heard) -> str | None:
    cookies = [bytes(note.notify or b"") for note in message.notifies if note.type == NotifyType.COOKIE]
    return next((f"a cookie of {len(each)} octets" for each in cookies if not 1 <= len(each) <= 64), None)


def _another(seen: Seen) -> str | None:
    cookies = [
        bytes(note.notify or b"") for m in seen.requests for note in m.notifies if note.type == NotifyType.COOKIE
    ]
    return None if b"another" in cookies else str(seen)


SIZED = sends("its cookies have 1 to 64 octets", _sized)
RETURNED = judged("it sends the same request again, with our cookie as its first payload", _returned)
ANOTHER = judged("it sends the request again, with our other cookie", _another)
LIMITED = judged(
    f"it sends at most {MOST_REQUESTS} different requests",
    lambda seen: None if len(_requests(seen)) <= MOST_REQUESTS else f"{len(_requests(seen))} requests",
)

RESPONDER = [
    Case(
        "cookie_asked_for", base="connect", at="IKE_SA_INIT request round 1", do=NOTHING, peer=ASKED,
        then=answered("COOKIE", protected=False) & alive() & SIZED,
        requirements=("7296-2.6-03", "7296-2.6-i02"), what="A responder that asks for a cookie sends 1 to 64 octets.",
    ),
    Case(
        "cookie_wrong_under_load", base="connect", at="IKE_SA_INIT request round 2", peer=ASKED, severity="high",
        do=flip_bits("N(COOKIE).notify"), then=answered("COOKIE", alone=True, protected=False) & alive(),
        requirements=("7296-2.6-06",),
    ),
    Case(
        "cookie_cut_under_load", base="connect", at="IKE_SA_INIT request round 2", peer=ASKED, severity="high",
        do=set_field("N(COOKIE).notify", b"\1"), then=answered("COOKIE", alone=True, protected=False) & alive(),
        requirements=("7296-2.6-06",),
    ),
    Case(
        "cookie_left_out_under_load", base="connect", at="IKE_SA_INIT request round 2", peer=ASKED,
        do=drop("N(COOKIE)"), then=answered("COOKIE", alone=True, protected=False) & alive(),
        requirements=("7296-2.6-06", "7296-2.6.1-01"),
    ),
    Case(
        "cookie_for_another_spi", base="init", at="IKE_SA_INIT request round 2", peer=ASKED, severity="high",
        do=set_header(init_SPI=b"\x5a" * 8), then=answered("COOKIE", alone=True, protected=False),
        requirements=("7296-2.6-06",),
    ),
    Case(
        "cookie_twice_the_wrong_one_first", base="connect", at="IKE_SA_INIT request round 2", peer=ASKED,
        do=insert_notify("COOKIE", bytes(20), at=0), then=alive(), requirements=("7296-2.6-06",), severity="low",
    ),
] + [
    Case(
        f"cookie_of_{size}_octets_unasked", base="connect", at="IKE_SA_INIT request",
        do=insert_notify("COOKIE", b"\x5a" * size, at=0), then=accepted() & alive() & carries(),
        requirements=("7296-2.6-06",),
    )
    for size in (1, 20, 64)
] + [
    Case(
        f"cookie_of_{size}_octets_unasked", base="init", do=insert_notify("COOKIE", b"\x5a" * size, at=0),
        then=(accepted() & chooses()) | refused(protected=False) | silent(), severity="low",
        requirements=("7296-2.6-03",),
    )
    for size in (0, 65, 4000)
] + [
    Case(
        "cookie_then_another_group", base="connect", at="IKE_SA_INIT request round 1", do=NOTHING, ours=BOTH,
        peer={**ECP256, **ASKED}, then=answered("COOKIE") & answered("INVALID_KE_PAYLOAD") & alive() & carries(),
        requirements=("7296-2.6.1-01",), what="A cookie and then another group: IKE_SA_INIT completes.",
    ),
    Case(
        "cookie_then_another_group_without_cookie", base="connect", at="IKE_SA_INIT request round 3", ours=BOTH,
        do=drop("N(COOKIE)"), peer={**ECP256, **ASKED}, then=answered("COOKIE") & alive() & carries(),
        requirements=("7296-2.6.1-01",),
    ),
]  # fmt: skip

INITIATOR = [
    Case(
        "cookie_is_returned", base="connect", at="IKE_SA_INIT response round 1", do=NOTHING, endpoint=ASK,
        then=RETURNED & taken() & goes_on() & alive(), requirements=("7296-2.6-04", "7296-2.2-i01"), severity="high",
        what="An initiator that is asked for a cookie sends the same request again, the cookie first.",
    ),
    Case(
        "cookie_beside_a_vendor_id", base="connect", at="IKE_SA_INIT response round 1", endpoint=ASK,
        do=insert(IKEv2_VendorID(vendorID=b"fynx"), at=0), then=RETURNED & taken() & goes_on(),
        requirements=("7296-2.6-04",),
    ),
    Case(
        "cookie_beside_an_unknown_status", base="connect", at="IKE_SA_INIT response round 1", endpoint=ASK,
        do=insert_notify(40960, at=0), then=RETURNED & taken() & goes_on(),
        requirements=("7296-2.6-04", "7296-3.10.1-03"),
    ),
    Case(
        "cookie_with_a_protocol", base="connect", at="IKE_SA_INIT response round 1", endpoint=ASK,
        do=set_field("N(COOKIE).proto", 1), then=RETURNED & taken() & goes_on(),
        requirements=("7296-2.6-04", "7296-3.10-02"),
    ),
] + [
    Case(
        f"cookie_of_{size}_octets_is_returned", base="connect", at="IKE_SA_INIT response round 1", endpoint=ASK,
        do=set_field("N(COOKIE).notify", bytes(range(size))), then=RETURNED & taken() & goes_on(),
        requirements=("7296-2.6-04", "7296-2.6-03"),
    )
    for size in (1, 16, 63, 64)
] + [
    Case(
        f"cookie_of_{size}_octets_asked_for", base="connect", at="IKE_SA_INIT response round 1", endpoint=ASK,
        do=set_field("N(COOKIE).notify", b"\x5a" * size), then=LIMITED & (goes_on() | gives_up()), severity="low",
        requirements=("7296-2.6-03",),
    )
    for size in (0, 65, 1000)
] + [
    Case(
        "cookies_without_end", base="connect", at="IKE_SA_INIT response", do=flip_bits("N(COOKIE).notify"),
        endpoint=ASK, then=LIMITED & gives_up(), requirements=("7296-2.6-i05",), severity="high",
    ),
    Case(
        "cookie_the_same_again_and_again", base="connect", at="IKE_SA_INIT response", endpoint=ASK, severity="high",
        do=only_notify("COOKIE", b"fynx"), then=LIMITED & gives_up(), requirements=("7296-2.6-i05",),
    ),
    Case(
        "cookie_then_another_group_asked_for", base="connect", at="IKE_SA_INIT response round 2", endpoint=ASK,
        do=insert_notify(40960), ours=ECP256, peer=BOTH, then=retries() & goes_on() & carries(),
        requirements=("7296-2.6.1-01",),
    ),
    Case(
        "cookie_then_another_group_then_another_cookie", base="connect", at="IKE_SA_INIT response round 3",
        endpoint=ASK, do=only_notify("COOKIE", b"another"), ours=ECP256, peer=BOTH, then=ANOTHER,
        requirements=("7296-2.6.1-01",),
        what="We ask for another cookie when the peer has followed a cookie and then another group.",
    ),
]  # fmt: skip

POSE = EndpointConfig(puzzle_levels=((0, 8),))
"""We pose an easy puzzle."""

RETURNED_OR_SILENT = retries(cookie=True) | asks_again()
"""It goes on with the cookie and without a solution, or does not take the answer."""

PUZZLES = [
    Case(
        "puzzle_without_a_cookie", base="connect", at="IKE_SA_INIT response round 1", do=drop("N(COOKIE)"),
        endpoint=POSE, then=asks_again(), source="RFC 8019 section 7.1.2",
    ),
    Case(
        "puzzle_too_hard", base="connect", at="IKE_SA_INIT response round 1", endpoint=POSE, severity="high",
        do=drop("N(PUZZLE)") + insert_notify("PUZZLE", b"\0\5\xff"), then=RETURNED_OR_SILENT,
        source="RFC 8019 section 7.1.2",
    ),
    Case(
        "puzzle_with_an_unknown_prf", base="connect", at="IKE_SA_INIT response round 1", endpoint=POSE,
        do=drop("N(PUZZLE)") + insert_notify("PUZZLE", b"\xff\xff\x08"), then=RETURNED_OR_SILENT,
        source="RFC 8019 section 7.1.2",
    ),
] + [
    Case(
        f"puzzle_of_{size}_octets", base="connect", at="IKE_SA_INIT response round 1", endpoint=POSE,
        do=drop("N(PUZZLE)") + insert_notify("PUZZLE", b"\0\5\x08\0\0"[:size]), then=RETURNED_OR_SILENT,
        source="RFC 8019 section 8.1",
    )
    for size in (0, 2, 4)
]  # fmt: skip

cases(__name__, [*RESPONDER, *INITIATOR, *PUZZLES])


@case(requirements=("7296-2.6-06",), severity="high")
def cookie_from_another_address(run: Run) -> None:
    """A cookie is good from the address to which it was sent only: from another one it is answered by a new cookie."""
    s = run.session(peer={"cookie_threshold": 0})
    kept: list[Datagram] = []

    def keep(message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        kept.extend(datagrams)
        return datagrams if len(kept) == 1 else []

    s.tap("datagrams", keep)
    unanswered(s)
    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->     from another address
    before = len(s.peer.sas)
    answers = deliver(s, kept[1].data, source=stranger(s))
    # <--  HDR(A,0), N(COOKIE)
    expect(len(answers), "answers").equals(1)
    expect(answers[0]).notifies("COOKIE")
    expect(len(s.peer.sas), "IKE SAs of the responder").equals(before)


def _unsolved(run: Run, change: Callable[[IKEv2_PS], None] | None) -> None:
    """A puzzle is posed, and the solution changed, or left out (None): no IKE SA comes of it."""
    s = run.session(peer={"puzzle_levels": ((0, 8),), "puzzle_legacy": 0.0})

    def tap(message: Outgoing) -> None:
        for payload in [each for each in message.payloads if isinstance(each, IKEv2_PS)]:
            if change is None:
                message.payloads.remove(payload)
            else:
                change(payload)

    # HDR(A,0), N(COOKIE), PS, SAi1, KEi, Ni  -->     <--  HDR(A,0), N(COOKIE), N(PUZZLE)
    s.tap("payloads", tap)
    expect(unanswered(s), "the request to be refused").holds()
    expect(s.peer.sas, "IKE SAs of the responder").fails()


@case(source="RFC 8019 section 7.1.4", severity="high")
def puzzle_not_solved(run: Run) -> None:
    """A request that returns the cookie without a solution is not served while the peer serves only those with one."""
    _unsolved(run, None)


@case(source="RFC 8019 section 7.1.4", severity="high")
def puzzle_solved_wrongly(run: Run) -> None:
    """A solution of which one key is wrong is none."""

    def spoil(payload: IKEv2_PS) -> None:
        # Our keys are the smallest four numbers that solve it: the one before the last is none, whatever the cookie.
        keys = bytes(payload.load)
        size = len(keys) // 4
        payload.load = keys[:-size] + (int.from_bytes(keys[-size:]) - 1).to_bytes(size)

    _unsolved(run, spoil)


@case(source="RFC 8019 section 7.1.4", severity="high")
def puzzle_solved_once_not_four_times(run: Run) -> None:
    """A solution must be four different keys."""

    def spoil(payload: IKEv2_PS) -> None:
        payload.load = bytes(payload.load)[:4] * 4

    _unsolved(run, spoil)


@case(source="RFC 8019 section 7.1.4")
def puzzle_solution_of_strange_sizes(run: Run) -> None:
    """A solution that is no four keys of equal size is none."""
    for size in (0, 3, 15, 17, 4000):

        def resize(payload: IKEv2_PS, size: int = size) -> None:
            payload.load = bytes(payload.load).ljust(size, b"\x5a")[:size]

        _unsolved(run, resize)
