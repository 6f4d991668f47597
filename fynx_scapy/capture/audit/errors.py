# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges of error notifies and cookies: what each error means, checked against the request that it answers.

`causes` has the general cause of each error. A check here replaces it where the messages show more (RFC 7296 sections
1.2, 2.5, 2.6 and 2.7).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fynx_scapy.capture.audit.causes import CAUSES, OTHER
from fynx_scapy.capture.audit.facts import CaptureFacts, ConversationFacts, ErrorFacts
from fynx_scapy.capture.audit.finding import LOW, MEDIUM, RFC7296, Finding, suites
from fynx_scapy.capture.audit.rules import Profile, Severity, Source, Status
from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts, SeenProposal
from fynx_scapy.iana import KeMethod, NotifyType, PayloadType, TransformType, name_of
from fynx_scapy.text import counted

KE_KINDS = frozenset((TransformType.KE, *range(TransformType.ADDKE1, TransformType.ADDKE7 + 1)))
COOKIES = 3
"""From so many requests for a cookie on, it is a loop. Two may be due to a retry with another group (section 2.6.1)."""

MOST_RELATED = 16
"""How many conversations between the same two hosts are looked at, to see what a peer accepts."""


class Checked(NamedTuple):
    """The result of checking an error against its request. None keeps what `causes` says."""

    words: str
    cause: str | None = None
    severity: Severity | None = None
    source: Source | None = None


class Place(NamedTuple):
    """Where an error was found."""

    conversation: ConversationFacts
    related: Sequence[ConversationFacts]  # the first conversations between the same hosts


Check = Callable[[Place, ErrorFacts], Checked | None]


def errors(facts: CaptureFacts) -> Iterator[Finding]:
    """Each error notify, with its cause."""
    between: dict[frozenset[str], list[ConversationFacts]] = defaultdict(list)
    for conversation in facts.conversations:
        related = between[frozenset((conversation.initiator, conversation.responder))]
        if len(related) < MOST_RELATED:
            related.append(conversation)
    for conversation in facts.conversations:
        related = between[frozenset((conversation.initiator, conversation.responder))]
        for error in conversation.errors:
            yield _error(Place(conversation, related), error)


def _error(place: Place, error: ErrorFacts) -> Finding:
    conversation = place.conversation
    cause = CAUSES.get(error.kind, OTHER).of(error.by)
    name = name_of(NotifyType, error.kind)
    evidence = (error.number,) if error.request is None else (error.request, error.number)
    check = CHECKS.get(error.kind)
    checked = check(place, error) if check else None
    words = [cause.means]
    if error.detail:
        words.append(f"In this case, {error.detail}.")
    offered = [
        proposal.text
        for sa in suites(conversation)
        if error.kind == NotifyType.NO_PROPOSAL_CHOSEN and sa.numbers[0] == error.request
        for proposal in sa.offered
    ]
    if offered:
        words.append(f"The offer was {'; or '.join(offered)}.")
    if checked is not None:
        words.append(checked.words)
    if error.overcome:
        words.append("A retry succeeded.")
    if not error.protected and error.exchange != "IKE_SA_INIT":
        words.append("The message is not protected: anyone may have sent it.")
    severity = LOW if error.overcome else cause.severity
    likely, source = cause.likely, cause.source
    if checked is not None:
        severity = checked.severity if checked.severity is not None else severity
        likely, source = checked.cause or likely, checked.source or source
    return Finding(
        f"error.{name}", severity, Status.FAILED, f"{name} from the {error.by} in {error.exchange}",
        conversation.label, evidence, source, " ".join(words), likely,
    )  # fmt: skip


# -- INVALID_KE_PAYLOAD


def _group(number: int) -> str:
    return name_of(KeMethod, number)


def _invalid_ke(place: Place, error: ErrorFacts) -> Checked | None:
    """RFC 7296 section 1.2: the data is the preferred method, one of those offered, and not the one just used."""
    if len(error.data) != 2:
        return Checked(
            f"Its data has {counted(len(error.data), 'octet')}. Expected 2: the number of the method that the "
            f"{error.by} wants.",
            f"The {error.by}'s implementation is broken, or the message was forged or damaged.",
            MEDIUM,
        )
    asked, request = int.from_bytes(error.data), error.asked
    if request is None:
        return None
    if request.group is not None and asked == request.group:
        return Checked(
            f"But the request already has a KE payload of {_group(asked)}: a retry would be the same and fail again.",
            f"The {error.by} is broken: it refuses its own preferred group. Its log says why (a wrong length of the "
            "public value, or a group that it cannot use); remove the group from its configuration.",
            MEDIUM,
            Source(RFC7296, "sections 1.2 and 2.7"),
        )
    if request.groups and asked not in request.groups:
        offer = ", ".join(_group(group) for group in request.groups)
        return Checked(
            f"But {_group(asked)} was never offered: the offer has {offer}. It must not be followed.",
            f"The {error.by} is broken or the message was forged, to force a weaker group. If the group is wanted, "
            "configure it at the other peer.",
            MEDIUM,
            Source(RFC7296, "sections 1.2 and 2.7"),
        )
    if not request.groups and request.group is None:
        return Checked(
            f"The request offers no key exchange, and the {error.by} wants one ({_group(asked)}).",
            f"PFS is configured at the {error.by} only: configure the same group at both peers.",
            MEDIUM,
            Source(RFC7296, "sections 1.3.1 and 2.12"),
        )
    refused = [each for each in place.conversation.errors if _refused(each, error, asked)]
    if refused:
        return Checked(
            f"But a KE payload of {_group(asked)} was refused before, in packet {refused[0].number}: the {error.by} "
            "asks for one group and the other in turn.",
            f"The {error.by} is broken, or two hosts with different configurations answer at its address.",
            MEDIUM,
        )
    return None


def _refused(earlier: ErrorFacts, error: ErrorFacts, group: int) -> bool:
    return (
        earlier.number < error.number
        and (earlier.kind, earlier.exchange, earlier.by) == (error.kind, error.exchange, error.by)
        and earlier.asked is not None
        and earlier.asked.group == group
    )


# -- NO_PROPOSAL_CHOSEN


def _no_proposal(place: Place, error: ErrorFacts) -> Checked | None:
    """Compare the refused offer with what the refusing peer took or offered itself, for the same protocol."""
    refused = next(
        (sa for sa in suites(place.conversation) if sa.numbers[0] == error.request and sa.chosen is None), None
    )
    if refused is None or not refused.offered:
        return None
    protocol = refused.offered[0].protocol
    for sa, known, verb in _accepted(place, error.by):
        if known[0].protocol != protocol or sa is refused:
            continue
        where = f"{verb} in packet{'s' * (len(sa.numbers) > 1)} {', '.join(map(str, sa.numbers))}"
        apart = _apart(refused.offered, known)
        if not apart - KE_KINDS:
            return _only_key_exchange(refused.offered, known, sa, where, error)
        names = ", ".join(_different(refused.offered, known, kind) for kind in sorted(apart - KE_KINDS))
        return Checked(
            f"The {error.by} has other algorithms itself ({where}): {names}.",
            "The two configurations have no proposal in common: change what is named here.",
        )
    return None


def _accepted(place: Place, by: str) -> Iterator[tuple[IkeSaFacts | ChildSaFacts, tuple[SeenProposal, ...], str]]:
    """What a peer accepts: its choices, and its own offers. First those of this conversation, latest first."""
    here = place.conversation
    host = here.initiator if by == "initiator" else here.responder
    for conversation in (here, *(each for each in place.related if each is not here)):
        role = by if conversation is here else "initiator" if conversation.initiator == host else "responder"
        asked_by = {number: exchange.by for exchange in conversation.exchanges for number in exchange.numbers}
        for sa in sorted(suites(conversation), key=lambda sa: sa.numbers, reverse=True):
            own = asked_by.get(sa.numbers[0]) == role
            known = sa.offered if own else (sa.chosen,) if sa.chosen is not None else ()
            if known:
                yield sa, known, "offered" if own else "took"


def _ids(proposal: SeenProposal, kind: int) -> set[tuple[int, int | None]]:
    """The transforms of one type. None, a NONE and no ESN are the same (RFC 7296 sections 3.3.2 and 3.3.6)."""
    return {(each.id, each.key_length) for each in proposal.of(kind)} or {(0, None)}


def _apart(offered: Iterable[SeenProposal], known: Iterable[SeenProposal]) -> set[int]:
    """The transform types that keep two sets of proposals apart, of the pair that has fewest of them."""
    found = []
    for one in offered:
        for other in known:
            kinds = {each.kind for each in (*one.transforms, *other.transforms)}
            found.append({kind for kind in kinds if not _ids(one, kind) & _ids(other, kind)})
    return min(found, key=lambda kinds: (len(kinds - KE_KINDS), len(kinds)), default=set())


def _names(proposals: Iterable[SeenProposal], kind: int) -> str:
    names = dict.fromkeys(each.name for proposal in proposals for each in proposal.of(kind) if each.id)
    return ", ".join(names) or "none"


def _different(offered: Iterable[SeenProposal], known: Iterable[SeenProposal], kind: int) -> str:
    return f"{name_of(TransformType, kind)} is {_names(offered, kind)} here and {_names(known, kind)} there"


def _only_key_exchange(
    offered: tuple[SeenProposal, ...],
    known: tuple[SeenProposal, ...],
    sa: IkeSaFacts | ChildSaFacts,
    where: str,
    error: ErrorFacts,
) -> Checked | None:
    groups, theirs = _names(offered, TransformType.KE), _names(known, TransformType.KE)
    by_auth = isinstance(sa, ChildSaFacts) and sa.pfs is None  # IKE_AUTH has no key exchange of its own
    if groups == theirs and not by_auth:
        return Checked(
            f"But the {error.by} has the same algorithms itself ({where}).",
            "It is not the algorithms: a limit of SAs, the mode or the traffic selectors, or a changed configuration.",
        )
    if isinstance(sa, IkeSaFacts):
        return Checked(
            f"The {error.by} has the same algorithms itself ({where}), but with the key exchange {theirs}, "
            f"not {groups}: it is the key exchange.",
            "The peers have no key exchange in common: configure the same group at both.",
        )
    place = "in IKE_AUTH" if by_auth else "before"
    words = f"It accepted the same encryption, integrity and ESN {place} ({where}): it is the key exchange (PFS)."
    if groups == "none":
        return Checked(
            f"{words} The offer has none, and the {error.by} wants one{'' if by_auth else f' ({theirs})'}.",
            f"PFS is configured at the {error.by} only: configure the same group for Child SAs at both peers, or none.",
            source=PFS,
        )
    if by_auth:
        words += f" The offer has {groups}, and the {error.by} wants another group or none."
        cause = "PFS is configured at one peer only, or with different groups"
    elif theirs == "none":
        words += f" The offer has {groups}, and the {error.by} used none."
        cause = f"PFS is not configured at the {error.by}"
    else:
        words += f" The offer has {groups}, and the {error.by} used {theirs}."
        cause = "PFS is configured with different groups"
    return Checked(words, f"{cause}: configure the same group for Child SAs at both peers, or none.", source=PFS)


PFS = Source(RFC7296, "sections 1.3.1 and 2.12")


# -- INVALID_SYNTAX, UNSUPPORTED_CRITICAL_PAYLOAD


def _invalid_syntax(_: Place, error: ErrorFacts) -> Checked | None:
    if error.asked is None or not error.asked.readable:
        return None
    other = "responder" if error.by == "initiator" else "initiator"
    if error.asked.faults:
        return Checked(
            f"The request is malformed indeed: {'; '.join(error.asked.faults)}.",
            f"A bug in the {other}'s implementation, or someone tests the {error.by}.",
        )
    return Checked(
        "This audit finds nothing malformed in the request.",
        f"A bug in the {error.by}'s implementation, a payload that it cannot read, or a value that its policy refuses; "
        "its log says which field.",
    )


def _critical(_: Place, error: ErrorFacts) -> Checked | None:
    """RFC 7296 section 2.5: only for an unknown payload type whose critical bit is set; its data is that type."""
    if len(error.data) != 1:
        return Checked(
            f"Its data has {counted(len(error.data), 'octet')}. Expected 1: the type of the payload.",
            f"The {error.by}'s implementation is broken, or the message was forged or damaged.",
        )
    if error.asked is None or not error.asked.readable:
        return None
    kind = error.data[0]
    marks = [critical for found, critical in error.asked.payloads if found == kind]
    name = name_of(PayloadType, kind)
    if not marks:
        return Checked(
            f"But the request has no payload of type {kind} ({name}).",
            f"The {error.by}'s implementation is broken, or it answers another request.",
        )
    if not any(marks):
        return Checked(
            f"But the critical bit of that payload ({name}) is not set: a receiver must skip what it does not know.",
            f"The {error.by}'s implementation is broken.",
        )
    if kind in RFC7296_PAYLOADS:
        return Checked(
            f"But every implementation must know that type ({name}).", f"The {error.by}'s implementation is broken."
        )
    return None


RFC7296_PAYLOADS = frozenset(range(PayloadType.SA, PayloadType.EAP + 1))


CHECKS: Mapping[int, Check] = {
    NotifyType.INVALID_KE_PAYLOAD: _invalid_ke,
    NotifyType.NO_PROPOSAL_CHOSEN: _no_proposal,
    NotifyType.INVALID_SYNTAX: _invalid_syntax,
    NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD: _critical,
}
"""How an error is checked against its request."""


# -- cookies


def cookies(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """Requests for a cookie that lead nowhere (RFC 7296 section 2.6)."""
    posed = [each for each in conversation.notify(NotifyType.COOKIE) if each.by == "responder"]
    returned = [each for each in conversation.notify(NotifyType.COOKIE) if each.by == "initiator"]
    if not posed or any(sa.chosen is not None for sa in conversation.ike_sas if sa.rekeys is None):
        return
    source, numbers = Source(RFC7296, "section 2.6"), tuple(sorted(each.number for each in (*posed, *returned)))
    after = [each for each in returned if each.number > posed[0].number]
    known = {each.data for each in posed}
    if not after:
        again = any(sa for sa in conversation.exchanges if sa.numbers[0] > posed[0].number)
        if again or len(posed) > 1:
            yield Finding(
                "ike.cookie", MEDIUM, Status.FAILED, "the initiator does not return the cookie", conversation.label,
                numbers, source, "The responder asks for a cookie, and the next request has none.",
                "The initiator's implementation is broken, or the responder's answers do not reach it.",
            )  # fmt: skip
    elif any(each.data not in known for each in after):
        yield Finding(
            "ike.cookie", MEDIUM, Status.FAILED, "the initiator returns another cookie", conversation.label, numbers,
            source, "The cookie in its request is none of those that the responder sent.",
            "The initiator's implementation is broken, or someone changes the messages.",
        )  # fmt: skip
    elif len(posed) >= COOKIES or len(posed) > len(after) > 1:
        yield Finding(
            "ike.cookie", MEDIUM, Status.FAILED, f"the responder asked for a cookie {counted(len(posed), 'time')}",
            conversation.label, numbers, source, "The initiator returned the cookie, and was asked again.",
            "The responder does not accept its own cookies: several hosts share its address without sharing the "
            "secret, the secret changes too fast, or a NAT changes the initiator's address or port each time.",
        )  # fmt: skip


OF_CAPTURE: tuple[Callable[[CaptureFacts], Iterator[Finding]], ...] = (errors,)
"""Each judges all conversations of a capture: what a peer accepts may be seen in another one."""

OF_CONVERSATION: tuple[Callable[[ConversationFacts, Profile], Iterator[Finding]], ...] = (cookies,)
"""Each judges one conversation."""
