# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges of what a profile says of more than one algorithm at once, and of IKEv1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fynx_scapy.capture.audit.facts import CaptureFacts, ConversationFacts
from fynx_scapy.capture.audit.finding import HIGH, INFO, LOW, MEDIUM, Finding
from fynx_scapy.capture.audit.rules import ENCR, KE, PRF, Profile, Source, Status
from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts, SeenProposal
from fynx_scapy.iana import Encr, Prf
from fynx_scapy.text import counted

MOST_NAMED = 8
"""How many pairs of hosts one finding names."""
_BITS: Mapping[int, int] = {Encr.ENCR_3DES: 168, Encr.ENCR_DES: 56, Encr.ENCR_CHACHA20_POLY1305: 256, Encr.ENCR_NULL: 0}
_SHORT = (Prf.PRF_AES128_XCBC, Prf.PRF_AES128_CMAC)
"""PRFs with an output of 128 bits (RFC 4434, RFC 4615); those of HMAC-SHA-2 have 256 and more."""


def ikev1(facts: CaptureFacts, profile: Profile) -> Iterator[Finding]:
    """IKEv1 seen: how often, and between whom (RFC 9395 section 3)."""
    found = [each for each in facts.conversations if each.version == 1]
    if found:
        pairs = list(dict.fromkeys(f"{each.initiator} with {each.responder}" for each in found))
        more = f" and {counted(len(pairs) - MOST_NAMED, 'more pair')}" if pairs[MOST_NAMED:] else ""
        yield Finding(
            "ikev1", HIGH, Status.FORBIDDEN, f"IKEv1 seen in {counted(len(found), 'conversation')}",
            ", ".join(pairs[:MOST_NAMED]) + more, tuple(each.first_number for each in found),
            Source("RFC 9395", "section 3"),
            f"IKEv1 is deprecated, and its RFCs are historic. Its content is not audited. {profile.ikev1}".rstrip(),
            "A peer that was never moved to IKEv2, or whose configuration allows both.", len(found),
        )  # fmt: skip


def _bits(proposal: SeenProposal | None) -> int | None:
    """The key length of a suite's cipher in bits, None if unknown."""
    for each in proposal.of(ENCR) if proposal is not None else ():
        return each.key_length if each.key_length is not None else _BITS.get(each.id)
    return None


def _parents(conversation: ConversationFacts) -> Iterator[tuple[ChildSaFacts, IkeSaFacts]]:
    """Each Child SA that was made, with its IKE SA, as far as that is known."""
    above = {sa.spi_i: sa for sa in conversation.ike_sas}
    for child in conversation.children:
        parent = above.get(child.ike_spi)
        if child.chosen is not None and parent is not None and parent.chosen is not None:
            yield child, parent


def _strength(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """FCS_IPSEC_EXT.1.14: the IKE SA's cipher has at least as many bits as the Child SA's."""
    source = Source(profile.methods.source.document, "FCS_IPSEC_EXT.1.14")
    for child, parent in _parents(conversation):
        above, below = _bits(parent.chosen), _bits(child.chosen)
        if above is None or below is None:
            yield Finding(
                "child.strength", LOW, Status.UNKNOWN, "a key length is unknown", child.label, child.numbers, source
            )
            continue
        title = f"a key of {counted(below, 'bit')} below an IKE SA with {above}"
        severity, status = (INFO, Status.OK) if above >= below else (MEDIUM, Status.WEAK)
        yield Finding("child.strength", severity, status, title, child.label, child.numbers, source)


def _same_group(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """RFC 9206 section 11: a Child SA's group MUST be that of its IKE SA."""
    source = Source(profile.methods.source.document, "section 11")
    for child, parent in _parents(conversation):
        groups = [each for each in child.chosen.of(KE) if each.id] if child.chosen is not None else []
        used = parent.chosen.of(KE) if parent.chosen is not None else []
        for group in groups:
            severity, status = (INFO, Status.OK) if group in used else (HIGH, Status.FORBIDDEN)
            title = f"{group.name}, {'as' if group in used else 'not as'} in the IKE SA"
            yield Finding("child.group", severity, status, title, child.label, child.numbers, source)


def _output(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """TR-02102-3 section 3.2.2: the PRF's output is to be at least as long as the encryption key."""
    source = Source(profile.methods.source.document, "section 3.2.2")
    for sa in conversation.ike_sas:
        bits = _bits(sa.chosen)
        for each in sa.chosen.of(PRF) if sa.chosen is not None else ():
            if each.id in _SHORT and bits is not None and bits > 128:
                title = f"{each.name} has 128 bits, the encryption key {bits}"
                yield Finding("ike.output", MEDIUM, Status.WEAK, title, sa.label, sa.numbers, source)


Judge = Callable[[ConversationFacts, Profile], Iterator[Finding]]
OF_PROFILE: Mapping[str, tuple[Judge, ...]] = {"niap": (_strength,), "cnsa1": (_same_group,), "bsi": (_output,)}
"""Profile -> the judges of a conversation that it has besides its tables."""
