# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges of a conversation's course: lifetimes, errors, the path, ESP sequence numbers, unreadable parts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

from fynx_scapy.capture.audit.facts import ConversationFacts, PieceFacts
from fynx_scapy.capture.audit.finding import HIGH, INFO, LOW, MEDIUM, RFC7296, Finding, suites
from fynx_scapy.capture.audit.rules import Profile, Source, Status
from fynx_scapy.capture.transcript.facts import IkeSaFacts
from fynx_scapy.iana import IpcompTransform, NotifyType, TransformType, name_of
from fynx_scapy.text import counted


def _secrecy(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """Perfect forward secrecy of Child SAs: a separate key exchange (RFC 7296 sections 1.3.1 and 2.12)."""
    source = Source(RFC7296, "sections 1.3.1 and 2.12")
    made = [child for child in conversation.children if child.chosen is not None]
    for child in made:
        if child.pfs:
            yield Finding(
                "child.pfs", INFO, Status.OK, "PFS seen: it has a separate key exchange", child.label, child.numbers,
                source,
            )  # fmt: skip
        elif child.pfs is False:
            yield Finding(
                "child.pfs", LOW, Status.WEAK, "PFS not seen: its keys depend only on the IKE SA's", child.label,
                child.numbers, source,
                "An attacker who learns SK_d of the IKE SA can compute this Child SA's keys from captured packets.",
            )  # fmt: skip
    if made and all(child.pfs is None for child in made):
        yield Finding(
            "child.pfs", LOW, Status.UNKNOWN, "PFS of rekeys cannot be seen", conversation.label,
            tuple(number for child in made for number in child.numbers), source,
            "The only Child SA here is that of IKE_AUTH, whose keys come from the key exchange of IKE_SA_INIT. Its "
            "proposal says nothing about later ones.",
        )  # fmt: skip


def _lives(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """How long SAs lived, as far as the capture shows."""
    for sa in suites(conversation):
        if sa.chosen is None or sa.made is None:
            continue
        ike = isinstance(sa, IkeSaFacts)
        rule, limits = "ike.lifetime" if ike else "child.lifetime", profile.lifetimes
        most = None if limits is None else limits.ike if ike else limits.child
        source = Source(RFC7296, "section 2.8") if limits is None else limits.source
        bound = "" if most is None else f"The {'IKE SA' if ike else 'Child SA'} may live {most // 3600} hours."
        if sa.ended is not None and sa.ended.time is not None:
            lived = sa.ended.time - sa.made
            how = f"{lived:.3f} s until it was {sa.ended.how} by the {sa.ended.by}"
            numbers = (*sa.numbers, sa.ended.number)
            status = Status.SEEN if most is None else Status.OK if lived <= most else Status.WEAK
            severity = MEDIUM if status is Status.WEAK else INFO
            yield Finding(rule, severity, status, f"lived {how}", sa.label, numbers, source, bound)
        elif conversation.last is not None and conversation.established:
            lived = conversation.last - sa.made
            least = f"It lived at least {lived:.3f} s. {bound}".rstrip()
            if most is not None and lived > most:
                title = f"lived more than {most // 3600} hours"
                yield Finding(rule, MEDIUM, Status.WEAK, title, sa.label, sa.numbers, source, least)
            else:
                yield Finding(rule, LOW, Status.UNKNOWN, "its end is not seen", sa.label, sa.numbers, source, least)


def _child_options(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    for child in conversation.children:
        if child.chosen is None:
            continue
        esn = any(each.id == 1 for each in child.chosen.of(TransformType.SN))
        yield Finding(
            "child.esn", INFO, Status.SEEN, f"sequence numbers of {64 if esn else 32} bits", child.label,
            child.numbers, Source("RFC 4303", "section 2.2.1"),
            "Extended sequence numbers are in use." if esn else "It must be rekeyed before 2^32 packets are sent.",
        )  # fmt: skip
        for spi in (child.spi_i, child.spi_r):
            if spi < 256:
                yield Finding(
                    "child.spi", MEDIUM, Status.FORBIDDEN, f"the SPI {spi} was negotiated, which is reserved",
                    child.label, child.numbers, Source("RFC 4303", "section 2.1"),
                    "SPIs from 1 to 255 are reserved by IANA, and 0 must not be on the wire.",
                )  # fmt: skip
        if child.mode == "transport":
            yield Finding(
                "child.transport", INFO, Status.SEEN, "transport mode", child.label, child.numbers,
                Source(RFC7296, "section 1.3.1"), "The inner addresses are the outer ones.",
            )  # fmt: skip
        if child.ipcomp is not None:
            name = name_of(IpcompTransform, child.ipcomp)
            forbidden = child.ipcomp == IpcompTransform.IPCOMP_OUI
            yield Finding(
                "child.ipcomp", HIGH if forbidden else INFO, Status.FORBIDDEN if forbidden else Status.SEEN,
                f"IP compression: {name}", child.label, child.numbers, Source("RFC 8221", "section 7"),
            )  # fmt: skip
        if child.narrowed:
            yield Finding(
                "child.narrowed", INFO, Status.SEEN, "the responder narrowed the traffic selectors", child.label,
                child.numbers, Source(RFC7296, "section 2.9"),
                "It accepts less than was requested. That is usual if a host requests everything; between two "
                "networks it means that the configurations differ.",
            )  # fmt: skip
    for first, second in conversation.collisions:
        yield Finding(
            "child.collision", INFO, Status.SEEN, "both peers rekeyed at the same time", conversation.label,
            (first, second), Source(RFC7296, "section 2.8.1"),
        )  # fmt: skip
    if conversation.childless:
        yield Finding(
            "ike.childless", INFO, Status.SEEN, "IKE_AUTH without a Child SA", conversation.label,
            conversation.childless, Source("RFC 6023", ""),
        )  # fmt: skip


def _going(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """Latency, retransmissions and unanswered requests (RFC 7296 sections 2.1 and 2.4)."""
    source = Source(RFC7296, "section 2.1")
    for exchange in conversation.exchanges:
        if exchange.copies:
            yield Finding(
                "ike.retransmission", LOW, Status.SEEN,
                f"{exchange.name} {exchange.message_id}: messages sent again: {len(exchange.copies)}",
                conversation.label, exchange.numbers, source,
                "A message was lost, or the response took longer than the sender's timeout.",
            )  # fmt: skip
        if not exchange.answered:
            yield Finding(
                "ike.unanswered", MEDIUM, Status.FAILED, f"{exchange.name} {exchange.message_id} has no response",
                conversation.label, exchange.numbers, source, "The capture has the request, but no response to it.",
                "The peer is down, a firewall drops UDP 500 or 4500 or fragments of it, or the capture ends here.",
            )  # fmt: skip
    timed = [exchange for exchange in conversation.exchanges if exchange.latency is not None]
    if timed:
        slowest = max(timed, key=lambda exchange: exchange.latency or 0.0)
        middle = statistics.median(exchange.latency or 0.0 for exchange in timed) * 1000
        yield Finding(
            "ike.latency", INFO, Status.SEEN,
            f"{counted(len(timed), 'exchange')} answered after {middle:.1f} ms (median), at most "
            f"{(slowest.latency or 0) * 1000:.1f} ms ({slowest.name} {slowest.message_id})",
            conversation.label, slowest.numbers, source, "As seen at the point of capture.",
        )  # fmt: skip


def _path(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """NAT, fragments, cookies, address changes, vendor IDs."""
    translated = [each for each in conversation.nat if each.source_fits is False or each.destination_fits is False]
    if translated:
        ends = {each.by if each.source_fits is False else _other(each.by) for each in translated}
        yield Finding(
            "path.nat", INFO, Status.SEEN, f"NAT at the {' and the '.join(sorted(ends))}, or forced there",
            conversation.label, tuple(each.number for each in translated), Source(RFC7296, "section 2.23"),
            "The hash of a peer's address and port does not match the packet. Implementations also send a wrong hash "
            "on purpose, to force UDP encapsulation of ESP.",
        )  # fmt: skip
    elif conversation.nat:
        yield Finding(
            "path.nat", INFO, Status.SEEN, "no NAT between the peers", conversation.label,
            tuple(each.number for each in conversation.nat), Source(RFC7296, "section 2.23"),
        )  # fmt: skip
    elif conversation.complete and conversation.version == 2 and not conversation.cut:
        yield Finding(
            "path.nat", LOW, Status.UNKNOWN, "no NAT detection", conversation.label, (conversation.first_number,),
            Source(RFC7296, "section 2.23"), "Neither peer sent the hashes of its addresses.",
        )  # fmt: skip
    if conversation.fragments:
        yield Finding(
            "path.fragments", INFO, Status.SEEN,
            f"IKE fragmentation: {counted(len(conversation.fragments), 'fragment')}",
            conversation.label, conversation.fragments, Source("RFC 7383", "section 2.5"),
        )  # fmt: skip
    cookies = [each.number for each in conversation.notify(NotifyType.COOKIE) if each.by == "responder"]
    if cookies:
        yield Finding(
            "path.cookie", INFO, Status.SEEN, "the responder asked for a cookie", conversation.label, tuple(cookies),
            Source(RFC7296, "section 2.6"), "It has many half-open IKE SAs (maybe an attack), or it always asks.",
        )  # fmt: skip
    moves = [each.number for each in conversation.notify(NotifyType.UPDATE_SA_ADDRESSES)]
    if moves:
        yield Finding(
            "path.moved", INFO, Status.SEEN, "a peer moved to another address", conversation.label, tuple(moves),
            Source("RFC 4555", "section 3.5"),
        )  # fmt: skip
    for vendor in conversation.vendors:
        yield Finding(
            "ike.vendor", INFO, Status.SEEN, f"vendor ID of the {vendor.by}: {vendor.name or vendor.octets}",
            conversation.label, (vendor.number,), Source(RFC7296, "section 3.12"), f"Octets: {vendor.octets}",
        )  # fmt: skip


DROPPED = "The path drops IP fragments: use RFC 7383 (IKE fragmentation), or shorten certificates and offers."


def _lost(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """Messages of which only some IP fragments came (RFC 7383 section 1)."""
    for first in (True, False):
        for by in ("initiator", "responder"):
            pieces = [piece for piece in conversation.pieces if (piece.first, piece.by) == (first, by)]
            if pieces:
                yield _lost_pieces(conversation, pieces, by, first)


def _lost_pieces(conversation: ConversationFacts, pieces: list[PieceFacts], by: str, first: bool) -> Finding:
    begun = [each for each in conversation.exchanges if each.name == "IKE_AUTH"]
    if pieces[0].number < conversation.first_number:
        what = "IKE_SA_INIT came in fragments; "
    elif not begun:
        what = "IKE_SA_INIT is not followed by IKE_AUTH; "
    elif not any(each.answered for each in begun):
        what = "IKE_AUTH has no response; "
    else:
        what = ""
    ports = sorted({piece.port for piece in pieces if piece.port})
    port = f"UDP {' and '.join(map(str, ports))}" if ports else "UDP"
    came = "came as first fragments only" if first else "came without their first fragments"
    supported = {each.by for each in conversation.notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)}
    both = " Both peers support it: it is switched off, or its fragments are too large." if len(supported) > 1 else ""
    filtered = " A capture filter for ports looks the same, because only a first fragment has them." if first else ""
    return Finding(
        "path.lost", MEDIUM, Status.FAILED, f"{what}{len(pieces)} {port} packet{'s' * (len(pieces) > 1)} {came}",
        conversation.label, tuple(piece.number for piece in pieces), Source("RFC 7383", "section 1"),
        f"The {by} sent messages larger than the path's MTU, and not all of their fragments are in the capture.",
        f"{DROPPED}{both}"
        f"{filtered}",
    )  # fmt: skip


def _other(role: str) -> str:
    return "responder" if role == "initiator" else "initiator"


def _reading(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """What could not be seen or is invalid."""
    if not conversation.complete:
        yield Finding(
            "ike.beginning", MEDIUM, Status.UNKNOWN, "the beginning is not in the capture", conversation.label,
            (conversation.first_number,), Source(RFC7296, "section 1.2"),
            "Without IKE_SA_INIT, neither the algorithms nor the peer that offered them are known.",
        )  # fmt: skip
    if conversation.closed:
        yield Finding(
            "ike.closed", MEDIUM, Status.UNKNOWN, f"{counted(len(conversation.closed), 'message')} not decrypted",
            conversation.label, conversation.closed, Source(RFC7296, "section 3.14"),
            "No known key decrypts them, so their content (such as Child SAs, AUTH and errors) is not judged.",
        )  # fmt: skip
    if conversation.bad_icv:
        yield Finding(
            "ike.icv", HIGH, Status.FAILED,
            f"{counted(len(conversation.bad_icv), 'message')} whose ICV does not verify",
            conversation.label, conversation.bad_icv, Source(RFC7296, "section 3.14"), "",
            "The message was modified in transit; or the known key belongs to another SA.",
        )  # fmt: skip
    for number, text in conversation.faults:
        yield Finding(
            "malformed", MEDIUM, Status.FAILED, text, conversation.label, (number,), Source(RFC7296, "section 3"), "",
            "A bug in the sender's implementation, a damaged capture, or someone testing the receiver.",
        )  # fmt: skip


OF_CONVERSATION: tuple[Callable[[ConversationFacts, Profile], Iterator[Finding]], ...] = (
    _secrecy,
    _lives,
    _child_options,
    _going,
    _path,
    _lost,
    _reading,
)
"""Each judges one conversation."""
