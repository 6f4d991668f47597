# SPDX-License-Identifier: GPL-2.0-or-later
"""A scan's result as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from fynx_scapy.crypto.transforms import Transform, keyword_of
from fynx_scapy.iana import TransformType
from fynx_scapy.scan.answer import Answer, Kind
from fynx_scapy.scan.result import Accepted, ScanResult, kind_of, name, proposal_text
from fynx_scapy.text import LONGEST, counted, printable

_WIDTH = 118
_MARKS = {True: "as expected", False: "NOT AS EXPECTED", None: ""}


def lines(result: ScanResult) -> Iterator[str]:
    """The result, line by line. Whatever the host sent is printable."""
    for line in _lines(result):
        yield printable(line, LONGEST)


def _lines(result: ScanResult) -> Iterator[str]:
    first = result.first_answer or "no answer to IKEv2"
    yield f"{result.target}: {first}" + ("" if result.complete else f"; NOT COMPLETE: {result.stopped}")
    for accepted in (result.ike, *([result.esp] if result.esp is not None else [])):
        if result.first_answer:
            yield from _accepted(accepted)
    if result.portrait is not None:
        yield from _portrait(result)
    if result.natt_port is not None:
        yield _row("port 4500", "answers" if result.natt_port else "no answer")
    if result.ikev1 is not None:
        chosen = f" ({result.ikev1.chosen})" if result.ikev1.chosen else ""
        yield _row("IKEv1", result.ikev1.text + chosen)
        if result.ikev1.vendors:
            yield _row("", "vendor IDs: " + ", ".join(result.ikev1.vendors))
    if result.retransmission:
        yield _row("retransmission", result.retransmission)
    if result.back_off:
        yield _row("back-off", "sends a request again after " + ", ".join(f"{at:.1f}" for at in result.back_off) + " s")
    if result.observations:
        yield ""
        yield "How it takes wrong and unusual requests"
        for each in result.observations:
            yield f"  {each.title:58} {each.answer:42} {_MARKS[each.fits]}".rstrip()
    yield from _weaknesses(result)
    yield ""
    yield from (f"note: {note}" for note in result.notes)
    counts = result.counts
    yield (
        f"{counted(int(counts.get('datagrams', 0)), 'datagram')} sent in {counts.get('seconds', 0):.1f} s, "
        f"{counted(int(counts.get('half_open_left', 0)), 'half-open IKE SA')} left, which the host forgets by itself"
    )


def _row(head: str, text: str) -> str:
    return f"{head:15} {text}"


def _wrapped(head: str, words: Iterable[str]) -> Iterator[str]:
    yield from textwrap.wrap(
        " ".join(words), _WIDTH, initial_indent=_row(head, ""), subsequent_indent=_row("", ""), break_long_words=False,
        break_on_hyphens=False,
    ) or [_row(head, "none")]  # fmt: skip


def _accepted(accepted: Accepted) -> Iterator[str]:
    protocol = accepted.protocol.name
    yield ""
    if not accepted.proposals:
        yield f"{protocol}: it accepts nothing of what was asked" + ("" if accepted.complete else " so far")
        return
    yield f"{protocol}: what it accepts" + ("" if accepted.complete else " (not everything was asked)")
    for kind, transforms in accepted.transforms().items():
        yield from _wrapped("  " + kind_of(kind), map(_word, transforms))
    yield f"{protocol}: what goes together"
    for number, each in enumerate(accepted.proposals, 1):
        tried = "" if each.certain else f" ({each.tried} of {counted(each.combinations, 'combination')} tried)"
        text = proposal_text(each)
        yield from textwrap.wrap(
            f"{text}{tried}", _WIDTH, initial_indent=f"  {number:2}. ", subsequent_indent="      ",
        )  # fmt: skip


def _word(transform: Transform) -> str:
    """The keyword of a transform; an additional key exchange as its method."""
    if transform.type >= TransformType.ADDKE1:
        return keyword_of(Transform(TransformType.KE, transform.id))
    return keyword_of(transform)


def _portrait(result: ScanResult) -> Iterator[str]:
    portrait = result.portrait
    assert portrait is not None
    yield ""
    yield from _wrapped("extensions", [", ".join(portrait.extensions)] if portrait.extensions else [])
    yield from _wrapped("notifies", [", ".join(portrait.notify_names)] if portrait.notifies else [])
    yield from _wrapped("vendor IDs", [", ".join(portrait.vendor_names)] if portrait.vendors else [])
    if portrait.hashes:
        yield _row("signatures", "with " + ", ".join(portrait.hash_names))
    if portrait.encodings:
        yield _row("certificates", "asks for " + ", ".join(portrait.encoding_names))
        yield from _wrapped("  authorities", [each.hex() for each in portrait.authorities])
    if portrait.nat is not None:
        us, them = portrait.nat
        where = [word for word, seen_ in (("in front of us", us), ("in front of the host", them)) if seen_]
        yield _row("NAT", " and ".join(where) or "none on the way")
    yield _row("fingerprint", f"{portrait.fingerprint.hash} (docs/fingerprint.md)")


def _weaknesses(result: ScanResult) -> Iterator[str]:
    found = result.weaknesses
    if not result.ike.proposals:
        return
    yield ""
    yield f"Judged by the profile {result.profile}: {len(found) or 'no'} weak choice{'s' * (len(found) != 1)}"
    for each in found:
        yield f"  {each.status:9} {each.protocol:3} {each.transform:28} {each.level} ({each.source})"


def offered(proposal: str, answer: Answer) -> Iterator[str]:
    """The answer to one question, line by line."""
    yield printable(f"{proposal}: {answer.text}", LONGEST)
    if answer.kind is Kind.ACCEPTED:
        yield "chosen: " + "-".join(keyword_of(transform) for transform in answer.chosen)
        yield from (f"  {name(transform)}" for transform in answer.chosen)
