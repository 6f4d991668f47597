# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges of certificates: what they are, their validity and hashes, their chain and the identity they prove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from fynx_scapy.capture.audit.chains import MOST, X509, CertificateFacts
from fynx_scapy.capture.audit.facts import AuthFacts, ConversationFacts
from fynx_scapy.capture.audit.finding import HIGH, INFO, LOW, MEDIUM, RFC7296, Finding
from fynx_scapy.capture.audit.rules import Profile, Source, Status
from fynx_scapy.iana import CertEncoding, name_of
from fynx_scapy.text import counted

WEAK_HASHES = ("md5", "sha1")
SOON = timedelta(days=30)
"""A certificate that expires within this time is told."""
_VALIDITY = Source("RFC 5280", "section 4.1.2.5")


def _seen(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """Each certificate, with what it says."""
    leaves: set[str] = set()
    for each in conversation.certificates:
        subject = f"{conversation.label}, {each.role}"
        if each.error:
            fetched = each.error.startswith("not fetched")
            yield Finding(
                "cert.url" if fetched else "cert.malformed", LOW if fetched else MEDIUM,
                Status.UNKNOWN if fetched else Status.FAILED, each.error, subject, (each.number,),
                Source(RFC7296, "section 3.6"),
            )  # fmt: skip
            continue
        yield Finding(
            "cert.seen", INFO, Status.SEEN, _title(each), subject, (each.number,), Source(RFC7296, "section 3.6"),
            _text(each),
        )  # fmt: skip
        if each.encoding != X509:
            continue
        yield from _valid(each, subject)
        if each.hash in WEAK_HASHES:
            yield Finding(
                "cert.hash", MEDIUM, Status.WEAK, f"{each.subject} is signed with {each.hash.upper()}", subject,
                (each.number,), Source("RFC 8247", "section 3.2, hash functions"),
                "Collisions of this hash can be made: an authority may have signed something else.",
            )  # fmt: skip
        if each.role in leaves:  # the key of the first one is judged with AUTH
            verdict = profile.key(each.key) if each.key else None
            if verdict is not None:
                status, severity = verdict.grade
                title = f"{each.key} of {each.subject}: {verdict.level}"
                yield Finding(
                    "cert.key", severity, status, title, subject, (each.number,), verdict.source, verdict.note
                )
        leaves.add(each.role)
    for role, count in conversation.left_out:
        yield Finding(
            "cert.many", MEDIUM, Status.UNKNOWN, f"{counted(count, 'CERT payload')} not looked at",
            f"{conversation.label}, {role}", (conversation.first_number,), Source(RFC7296, "section 3.6"),
            f"The first {MOST} of a peer are looked at.",
        )  # fmt: skip


def _title(each: CertificateFacts) -> str:
    if each.encoding == X509:
        return f"certificate of {each.subject}"
    key = f": {each.key}" if each.key else ""
    return f"{name_of(CertEncoding, each.encoding)}, {counted(each.size, 'octet')}{key}"


def _text(each: CertificateFacts) -> str:
    if each.not_before is None or each.not_after is None:
        return f"SHA-256 {each.fingerprint}."
    names = f" Names: {', '.join(each.names)}." if each.names else " It has no subjectAltName."
    signed = f" Signed with {each.hash.upper()}." if each.hash else ""
    return (
        f"Issued by {each.issuer}, serial number {each.serial}; valid from {each.not_before:%Y-%m-%d %H:%M:%S} to "
        f"{each.not_after:%Y-%m-%d %H:%M:%S} UTC. Key: {each.key}.{signed}{names} SHA-256 {each.fingerprint}."
    )


def _valid(each: CertificateFacts, subject: str) -> Iterator[Finding]:
    """Whether it is valid at the time of the packet (or that given)."""
    if each.not_before is None or each.not_after is None:
        return
    when = f"Judged at {each.at:%Y-%m-%d %H:%M:%S} UTC ({each.clock})."
    if each.at > each.not_after:
        title, severity, status = f"{each.subject} expired on {each.not_after:%Y-%m-%d}", HIGH, Status.FAILED
    elif each.at < each.not_before:
        title, severity, status = f"{each.subject} is valid from {each.not_before:%Y-%m-%d} on", HIGH, Status.FAILED
    elif each.not_after - each.at < SOON:
        left = (each.not_after - each.at).days
        title, severity, status = f"{each.subject} expires in {counted(left, 'day')}", LOW, Status.WEAK
    else:
        title, severity, status = f"{each.subject} is valid until {each.not_after:%Y-%m-%d}", INFO, Status.OK
    yield Finding("cert.validity", severity, status, title, subject, (each.number,), _VALIDITY, when)


def _proven(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """Whether the chain leads to a trusted certificate, and whether it has the identity that its owner claims."""
    for auth in conversation.auths:
        if auth.chain is not None:
            yield _chain(conversation, auth)
            yield _identity(conversation, auth)
        if auth.sha1:
            yield Finding(
                "auth.hash", MEDIUM, Status.WEAK, "signed with SHA-1", f"{conversation.label}, {auth.role}",
                (auth.number,), Source("RFC 8247", "section 3.2, hash functions"),
                "Method 1 uses SHA-1 by default (RFC 7296 section 3.8); method 14 with SHA-2 replaces it (RFC 7427).",
            )  # fmt: skip


def _chain(conversation: ConversationFacts, auth: AuthFacts) -> Finding:
    chain, subject = auth.chain, f"{conversation.label}, {auth.role}"
    assert chain is not None
    source = Source("RFC 5280", "section 6")
    if chain.accepted is None:
        return Finding("auth.chain", LOW, Status.UNKNOWN, chain.reason, subject, (auth.number,), source)
    if chain.accepted:
        title = "the certificate chain leads to a trusted certificate"
        return Finding("auth.chain", INFO, Status.OK, title, subject, (auth.number,), source, chain.reason)
    title = f"the certificate chain is refused: {chain.code}"
    return Finding(
        "auth.chain", HIGH, Status.FAILED, title, subject, (auth.number,), source, chain.reason,
        "A certificate that is not what it should be; or --ca is not the authority that the peer trusts.",
    )  # fmt: skip


def _identity(conversation: ConversationFacts, auth: AuthFacts) -> Finding:
    chain, subject = auth.chain, f"{conversation.label}, {auth.role}"
    assert chain is not None
    source = Source("RFC 4945", "section 3.1")
    if chain.identity is None:
        return Finding("auth.identity", LOW, Status.UNKNOWN, chain.how, subject, (auth.number,), source)
    if chain.identity:
        title = "the certificate has the identity of the peer"
        return Finding("auth.identity", INFO, Status.OK, title, subject, (auth.number,), source, chain.how)
    title = "the certificate does not have the identity of the peer"
    return Finding(
        "auth.identity", HIGH, Status.FAILED, title, subject, (auth.number,), source, chain.how,
        "A wrong identity is configured, or the certificate lacks a subjectAltName for it.",
    )  # fmt: skip


OF_CONVERSATION: tuple[Callable[[ConversationFacts, Profile], Iterator[Finding]], ...] = (_seen, _proven)
"""Each judges one conversation."""
