# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcomes that look closer at the peer's messages: what it chose, what it never sends, whether it sent one again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from fynx_scapy.harness.cases.outcome import Outcome, judged
from fynx_scapy.harness.cases.seen import Heard, Seen
from fynx_scapy.iana import NotifyType, TransformType, lookup, name_of
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, FLAGS, LENGTH, MESSAGE_ID
from fynx_scapy.layers.ikev2 import IKEv2_Proposal, IKEv2_SA

# Single messages


def sends(text: str, fault: Callable[[Heard], str | None]) -> Outcome:
    """Each of its messages is right. ``text`` says what that means, ``fault`` what is wrong with one, or None."""

    def judge(seen: Seen) -> str | None:
        if not seen.heard:
            return str(seen)
        return next((f"{wrong} in {message}" for message in seen.heard if (wrong := fault(message))), None)

    return judged(text, judge)


def never(notify: str | int) -> Outcome:
    """None of its messages has this Notify."""
    kind = lookup(NotifyType, notify)

    def judge(seen: Seen) -> str | None:
        return str(seen) if any(note.type == kind for message in seen.heard for note in message.notifies) else None

    return judged(f"no N({name_of(NotifyType, kind)})", judge)


def no_complaint() -> Outcome:
    """None of its requests has an error Notify: "responses should not generate new requests" (RFC 7296 2.21)."""

    def judge(seen: Seen) -> str | None:
        return str(seen) if any(message.error is not None for message in seen.requests) else None

    return judged("no request with an error", judge)


# What it chose


def _chosen(seen: Seen) -> list[IKEv2_Proposal]:
    """The proposals in its answers."""
    return [
        proposal
        for message in seen.answers
        for payload in message.payloads
        if isinstance(payload, IKEv2_SA)
        for proposal in payload.prop
    ]


def chooses_nothing() -> Outcome:
    """It accepts no proposal: none of its answers has SA."""
    return judged("it accepts no proposal", lambda seen: f"an SA payload: {seen}" if _chosen(seen) else None)


def chooses(number: int | None = None, **transforms: tuple[int, int | None] | int | None) -> Outcome:
    """It chooses one proposal, ``number`` if that is given, and one transform of each type in it.

    ``encr=(12, 256)`` is a transform with its Key Length, ``prf=5`` one without, ``ke=None`` none of that type.
    ConfigError for a name that is no transform type.
    """
    wanted = {int(lookup(TransformType, name.upper())): value for name, value in transforms.items()}

    def judge(seen: Seen) -> str | None:
        found = _chosen(seen)
        if len(found) != 1:
            return f"{len(found)} proposals chosen: {seen}"
        chosen = found[0]
        counts = Counter(int(each.transform_type) for each in chosen.trans)
        if number is not None and chosen.proposal != number:
            return f"proposal {chosen.proposal} chosen"
        if repeated := [name_of(TransformType, kind) for kind, count in counts.items() if count > 1]:
            return f"more than one transform chosen of type {', '.join(repeated)}"
        have = {int(each.transform_type): (int(each.transform_id), each.key_length) for each in chosen.trans}
        for kind, value in wanted.items():
            right = (value, None) if isinstance(value, int) else value
            if have.get(kind) != right:
                return f"{name_of(TransformType, kind)} {have.get(kind)} chosen"
        return None

    which = "one proposal" if number is None else f"proposal {number}"
    what = ", ".join([which, *(f"{name.upper()} {value}" for name, value in transforms.items())])
    return judged(f"it chooses {what}, one transform of each type", judge)


# How often it sends something

AGAIN = 6.0
"""A live peer sends its first request again within so many seconds."""
LATER = 20.0
"""A live peer has sent it three times within so many seconds."""


def taken() -> Outcome:
    """It takes our answer: it does not send its request again."""
    return judged(
        "it takes the answer", lambda seen: f"{seen.repeats} retransmissions: {seen}" if seen.repeats else None
    )


def asks_again() -> Outcome:
    """It does not take our answer for one: it sends its request again, bit for bit."""

    def judge(seen: Seen) -> str | None:
        return None if seen.repeats else f"no retransmission: {seen}"

    return judged("it sends its request again", judge, AGAIN)


def backs_off() -> Outcome:
    """It sends its request twice more or oftener, bit for bit, and waits longer each time."""

    def judge(seen: Seen) -> str | None:
        times: dict[bytes, list[float]] = {}
        for at, data in seen.datagrams:
            if not data[FLAGS] & FLAG_RESPONSE:
                times.setdefault(data, []).append(at)
        longest = max(times.values(), key=len, default=[])
        waits = [later - sooner for sooner, later in pairwise(longest)]
        if len(waits) < 2:
            return f"{len(longest)} transmissions of a request"
        if all(second > 1.1 * first for first, second in pairwise(waits)):
            return None
        return f"waits of {', '.join(f'{wait:.2f}' for wait in waits)} seconds"

    return judged("it sends its request again, and waits longer each time", judge, LATER)


def answers_alike(times: int) -> Outcome:
    """It sends one answer, bit for bit, so many times: once, and once for each repetition of our request."""

    def judge(seen: Seen) -> str | None:
        answers: dict[bytes, list[bytes]] = {}
        for _, data in seen.datagrams:
            if data[FLAGS] & FLAG_RESPONSE:
                answers.setdefault(data[:16] + data[MESSAGE_ID:LENGTH], []).append(data)
        if any(len(set(each)) > 1 for each in answers.values()):
            return f"different answers to one request: {seen}"
        most = max(map(len, answers.values()), default=0)
        if seen.session.live and 0 < most <= times:
            return None  # a repetition that comes while the request is being processed needs no answer of its own
        return None if most == times else f"{most} answers: {seen}"

    return judged(f"it sends the same answer {times} times" if times > 1 else "it answers once", judge)
