# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges of a capture as a whole: ESP and AH flows, what it holds twice, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fynx_scapy.capture.audit.course import DROPPED
from fynx_scapy.capture.audit.facts import CaptureFacts, ClosedFacts, FlowFacts
from fynx_scapy.capture.audit.finding import HIGH, INFO, LOW, MEDIUM, RFC7296, Finding, kind
from fynx_scapy.capture.audit.rules import Source, Status
from fynx_scapy.capture.reading.losses import several
from fynx_scapy.text import counted

RESERVED = 256
"""SPIs below it are reserved."""
MOST_NAMED = 8
"""How many SPIs one finding names."""


def _flows(facts: CaptureFacts) -> Iterator[Finding]:
    """ESP and AH, judged by their sequence numbers (RFC 4303 section 3.4.3)."""
    source = Source("RFC 4303", "section 3.4.3")
    for flow in facts.flows:
        if flow.mirror:
            continue  # judged by the flow that it repeats
        evidence = (flow.first_number, flow.last_number)
        yield from _numbers(flow, evidence)
        if flow.replays or flow.duplicates:
            count = flow.replays + flow.duplicates
            yield Finding(
                "flow.replay", MEDIUM, Status.FAILED, f"{counted(count, 'packet')} with a repeated sequence number",
                flow.label, evidence, source, "A receiver with replay protection drops them.",
                "Someone replays packets, or the network (or the capture) has duplicated them.",
            )  # fmt: skip
        if flow.late:
            yield Finding(
                "flow.late", LOW, Status.WEAK, f"{counted(flow.late, 'packet')} too late for a window of 64",
                flow.label, evidence,
                source, "The path reorders more than a usual replay window allows: enlarge the window.",
            )  # fmt: skip
        elif flow.reordered:
            yield Finding(
                "flow.reordered", INFO, Status.SEEN, f"{counted(flow.reordered, 'packet')} out of order",
                flow.label, evidence,
                source,
            )  # fmt: skip
        if flow.missing:
            yield Finding(
                "flow.missing", INFO, Status.SEEN, f"{flow.missing} sequence numbers are missing", flow.label, evidence,
                source, "Packets were lost, or not captured.",
            )  # fmt: skip
        if flow.protocol == "ah":
            yield Finding(
                "flow.ah", MEDIUM, Status.WEAK, "AH: nothing is encrypted", flow.label, evidence,
                Source("RFC 8221", "section 4"),
            )  # fmt: skip
        if not flow.child:
            yield Finding(
                "flow.unknown", MEDIUM, Status.UNKNOWN, "no Child SA in the capture has this SPI", flow.label, evidence,
                Source(RFC7296, "section 2.9"),
                "Its algorithms are unknown: IKE is not in the capture, or not decrypted.",
            )  # fmt: skip
        if flow.used:
            yield Finding(
                "flow.suite", HIGH, Status.FAILED, f"protected with {flow.used}, but agreed on: {flow.agreed}",
                flow.label, evidence, Source("RFC 7296", "section 3.3"),
                "The key table has these algorithms, and the ICVs verify: the sender does not keep to what was "
                "negotiated. A peer that does cannot open these packets.",
                "A sender that does otherwise than RFC 4868 and RFC 7296, such as HMAC-SHA-256 cut to 96 bits by old "
                "Linux kernels and Android; or SAs configured by hand.",
            )  # fmt: skip
        if flow.encapsulation:
            yield Finding(
                "flow.encapsulated", INFO, Status.SEEN, f"in {flow.encapsulation}", flow.label, evidence,
                Source("RFC 3948" if flow.encapsulation == "UDP" else "RFC 9329", ""),
            )  # fmt: skip


def _numbers(flow: FlowFacts, evidence: tuple[int, ...]) -> Iterator[Finding]:
    """SPIs and sequence numbers that no SA has (RFC 4303 sections 2.1 and 3.3.3)."""
    packets = several(flow.packets, "packet")
    cause = "A bug in the sender's implementation, keys configured by hand, or someone testing the receiver."
    if flow.spi == 0:
        yield Finding(
            "flow.spi", MEDIUM, Status.FORBIDDEN, f"{packets} with SPI 0, which must not be on the wire", flow.label,
            evidence, Source("RFC 4303", "section 2.1"), "It is for local use.", cause,
        )  # fmt: skip
    elif flow.spi < RESERVED:
        yield Finding(
            "flow.spi", LOW, Status.WEAK, f"{packets} with the reserved SPI {flow.spi}", flow.label, evidence,
            Source("RFC 4303", "section 2.1"), "SPIs from 1 to 255 are reserved by IANA.", cause,
        )  # fmt: skip
    if flow.zeros:
        yield Finding(
            "flow.zero", MEDIUM, Status.FAILED, f"{several(flow.zeros, 'packet')} with the sequence number 0",
            flow.label, (flow.zero_number,), Source("RFC 4303", "section 3.3.3"),
            "The first packet of an SA has 1, and without ESN the numbers must not start again.", cause,
        )  # fmt: skip


def _closed(facts: CaptureFacts) -> Iterator[Finding]:
    """ESP that the keys do not open (FAILED), and ESP of a known Child SA whose keys are unknown (UNKNOWN)."""
    groups: dict[tuple[bool, bool, bool, str], list[ClosedFacts]] = {}
    for each in facts.closed_esp:
        if each.keyed or each.child:
            groups.setdefault((each.bad, each.tried, each.keyed, each.reason), []).append(each)
    for (bad, tried, keyed, reason), found in groups.items():
        packets = sum(each.count for each in found)
        count, fit = several(packets, "ESP packet"), "does not fit" if packets == 1 else "do not fit"
        subjects = list(dict.fromkeys(f"ESP {each.spi:08x}" for each in found))
        more = f" and {len(subjects) - MOST_NAMED} more" if subjects[MOST_NAMED:] else ""
        subject = ", ".join(subjects[:MOST_NAMED]) + more
        numbers = tuple(sorted(number for each in found for number in each.numbers))
        source = Source("RFC 4303", "section 3.4.4")
        if tried:
            yield Finding(
                "flow.icv", HIGH, Status.FAILED,
                f"{count} whose ICV does not verify" if bad else f"{count} that {fit} the algorithms of the SA",
                subject, numbers, source, "The known keys of this SPI do not open what was sent under it.",
                _sentence(reason) or "The packets were modified in transit; or the known key belongs to another SA.",
            )  # fmt: skip
        else:
            unknown = "The keys of this Child SA are unknown: a secret is missing."
            yield Finding(
                "flow.closed", MEDIUM, Status.UNKNOWN, f"{count} not decrypted", subject, numbers, source,
                _sentence(reason) if keyed else unknown,
            )  # fmt: skip


def _odd(facts: CaptureFacts) -> Iterator[Finding]:
    """What ESP carries and what its next header says (RFC 4303 section 2.6)."""
    for each in facts.odd:
        yield Finding(
            "flow.odd", MEDIUM, Status.FAILED, f"{several(each.count, 'ESP packet')}: {each.text}",
            f"ESP {each.spi:08x}", each.numbers, Source("RFC 4303", "section 2.6"), "",
            "A bug in the sender's implementation, or someone testing the receiver.",
        )  # fmt: skip


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _twice(facts: CaptureFacts) -> Iterator[Finding]:
    """Packets that the capture holds twice: neither retransmissions nor replays."""
    messages = [number for conversation in facts.conversations for number in conversation.twice]
    count = len(messages) + sum(flow.twice for flow in facts.flows)
    if count:
        sides = (
            " Some addresses differ: it was taken on both sides of a NAT."
            if any(flow.mirror for flow in facts.flows)
            else ""
        )
        yield Finding(
            "capture.twice", INFO, Status.SEEN, f"{several(count, 'packet')} captured twice", facts.name,
            tuple(sorted((*messages, *facts.twice))), Source("RFC 791", "section 3.1"),
            "They have the octets and the IP identification of an earlier packet, within milliseconds (IPv6 has no "
            "identification: the same octets at the same time). A mirror port, a bridge or the interface 'any' shows a "
            "packet twice. They are no retransmissions and no replays, and are judged once." + sides,
        )  # fmt: skip


def _lost(facts: CaptureFacts) -> Iterator[Finding]:
    """First fragments of messages between hosts of which no IKE message is in the capture (RFC 7383 section 1)."""
    if facts.pieces:
        ports = " and ".join(map(str, sorted({piece.port for piece in facts.pieces})))
        packets = several(len(facts.pieces), f"UDP {ports} packet")
        yield Finding(
            "path.lost", MEDIUM, Status.FAILED, f"no IKE message came whole; {packets} came as first fragments only",
            facts.name, tuple(piece.number for piece in facts.pieces), Source("RFC 7383", "section 1"),
            "IKE_SA_INIT is never fragmented by RFC 7383: a large offer or KE payload makes it larger than the path's "
            "MTU.",
            f"{DROPPED} A capture filter for ports looks the same, because only a first fragment has them.",
        )  # fmt: skip


def _cut(facts: CaptureFacts) -> Iterator[Finding]:
    """What the snap length of the capture cut. Nothing is judged by what is missing."""
    count = sum(packets for _, packets in facts.cut)
    if count:
        sizes = [size for size, _ in facts.cut]
        octets = f"{sizes[0]} octets" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} octets"
        yield Finding(
            "capture.cut", MEDIUM, Status.UNKNOWN, f"the capture holds only {octets} of {several(count, 'packet')}",
            facts.name, tuple(number for number, _, text in facts.problems if CUT.match(text)),
            Source("the capture file", ""),
            "The peers sent all of them; the snap length of the capture cut them (tcpdump -s 0 takes all). What is "
            "missing is not judged.",
        )  # fmt: skip


def _unreadable(facts: CaptureFacts) -> Iterator[Finding]:
    """What could not be read, grouped: one finding for each kind of reason."""
    pieces = (facts.pieces, *(conversation.pieces for conversation in facts.conversations))
    told = {piece.number for each in pieces for piece in each}
    odd = {number for flow in facts.flows for number in (flow.zero_number, 0 if flow.spi else flow.first_number)}
    groups: dict[str, list[tuple[int, int, str]]] = {}
    for number, offset, text in facts.problems:
        if CUT.match(text) or (number in told and FRAGMENT.match(text)) or (number in odd and FLOW.search(text)):
            continue
        text = PLACE.sub("", text)
        groups.setdefault(kind(text), []).append((number, offset, text))
    for found in groups.values():
        _, offset, text = found[0]
        several_texts = len({each[2] for each in found}) > 1
        more = f" ({several(len(found), 'packet')}{', and the like' if several_texts else ''})" if found[1:] else ""
        yield Finding(
            "unreadable", MEDIUM, Status.UNKNOWN, text + more, facts.name,
            tuple(number for number, _, _ in found if number), Source("the capture file", f"offset {offset}"),
            "The data there is not judged.", count=len(found),
        )  # fmt: skip


PLACE = re.compile(r"^packet \d+(, | at )offset \d+: ")
FLOW = re.compile(r": (SPI 0 must not|sequence number 0,)")  # `_numbers` judges it
CUT = re.compile(r"the capture holds \d+ of \d+ octets")
FRAGMENT = re.compile(r"fragment 0x[0-9a-f]+ of protocol 17:")


def _whole(facts: CaptureFacts) -> Iterator[Finding]:
    for first, second in facts.reauthenticated:
        numbers = tuple(each.first_number for each in facts.conversations if each.number in (first, second))
        yield Finding(
            "ike.again", INFO, Status.SEEN, f"conversation {second} replaces conversation {first}",
            f"conversation {second}", numbers, Source(RFC7296, "section 2.8.3"),
            "Reauthentication, or a new connection.",
        )  # fmt: skip
    yield from _unreadable(facts)
    for loss in facts.losses:
        yield Finding(
            "left.out", MEDIUM, Status.UNKNOWN, f"left out: {loss.text}", facts.name, (),
            Source("the capture file", ""), "What was left out is not judged.",
        )  # fmt: skip


OF_CAPTURE: tuple[Callable[[CaptureFacts], Iterator[Finding]], ...] = (
    _flows,
    _closed,
    _odd,
    _twice,
    _cut,
    _lost,
    _whole,
)
"""Each judges what belongs to no conversation."""
