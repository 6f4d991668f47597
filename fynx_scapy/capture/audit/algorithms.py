# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges of the offered and chosen algorithms, and of the peers' authentication."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fynx_scapy.capture.audit.facts import ConversationFacts
from fynx_scapy.capture.audit.finding import HIGH, INFO, LOW, MEDIUM, RFC7296, Finding, suites
from fynx_scapy.capture.audit.rules import Judgement, Profile, Severity, Source, Status
from fynx_scapy.capture.showing.remedies import with_remedy
from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts, SeenProposal, SeenTransform
from fynx_scapy.iana import AuthMethod, Encr, NotifyType, Prf, ProtocolId, TransformType, name_of

ESP = int(ProtocolId.ESP)
_KINDS: dict[int, str] = {
    TransformType.ENCR: "encr",
    TransformType.PRF: "prf",
    TransformType.INTEG: "integ",
    TransformType.KE: "ke",
}
_SIZES: dict[int, int] = {
    Prf.PRF_HMAC_SHA2_512: 64,
    Prf.PRF_HMAC_SHA2_384: 48,
    Prf.PRF_HMAC_SHA2_256: 32,
    Prf.PRF_HMAC_SHA1: 20,
}
AEAD = frozenset(
    (
        Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16, Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12,
        Encr.ENCR_AES_GCM_16, Encr.ENCR_NULL_AUTH_AES_GMAC, Encr.ENCR_CAMELLIA_CCM_8, Encr.ENCR_CAMELLIA_CCM_12,
        Encr.ENCR_CAMELLIA_CCM_16, Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_AES_CCM_8_IIV, Encr.ENCR_AES_GCM_16_IIV,
        Encr.ENCR_CHACHA20_POLY1305_IIV, Encr.ENCR_KUZNYECHIK_MGM_KTREE, Encr.ENCR_MAGMA_MGM_KTREE,
        Encr.ENCR_KUZNYECHIK_MGM_MAC_KTREE, Encr.ENCR_MAGMA_MGM_MAC_KTREE,
    )
)  # fmt: skip
"""Transforms of type 1 that provide integrity themselves (including those that only authenticate)."""
UNENCRYPTED = frozenset(
    (Encr.ENCR_NULL, Encr.ENCR_NULL_AUTH_AES_GMAC, Encr.ENCR_KUZNYECHIK_MGM_MAC_KTREE, Encr.ENCR_MAGMA_MGM_MAC_KTREE)
)


def _prefix(sa: IkeSaFacts | ChildSaFacts) -> str:
    return "ike" if isinstance(sa, IkeSaFacts) else "esp"


def _rule(sa: IkeSaFacts | ChildSaFacts, transform: SeenTransform) -> str:
    return f"{_prefix(sa)}.{_KINDS.get(transform.kind, 'addke')}"


def _chosen(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """Judge each chosen algorithm by its row."""
    for sa in suites(conversation):
        for transform in sa.chosen.transforms if sa.chosen is not None else ():
            verdict = profile.judge(sa.chosen.protocol if sa.chosen is not None else 0, transform)
            if verdict is None:
                continue
            status, severity = verdict.grade
            yield Finding(
                _rule(sa, transform), severity, status, f"{transform.name} in use: {verdict.level}", sa.label,
                sa.numbers, verdict.source, verdict.note,
            )  # fmt: skip


def _offered(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """Weak and forbidden algorithms that were offered but not chosen: a responder might have chosen them."""
    for sa in suites(conversation):
        used = set(sa.chosen.transforms) if sa.chosen is not None else set()
        seen: set[SeenTransform] = set()
        for proposal in sa.offered:
            for transform in proposal.transforms:
                verdict = profile.judge(proposal.protocol, transform)
                if transform in used or transform in seen or verdict is None:
                    continue
                seen.add(transform)
                status, severity = verdict.grade
                if status in (Status.OK, Status.SEEN):
                    continue
                yield Finding(
                    f"{_prefix(sa)}.offered", Severity(max(LOW, severity - 1)), status,
                    f"{transform.name} offered: {verdict.level}", sa.label, sa.numbers[:1], verdict.source,
                    "It was offered, and a responder may choose it. " + verdict.note,
                )  # fmt: skip


def _choice(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """Which proposal was chosen, and what that shows about the responder."""
    for sa in suites(conversation):
        if sa.chosen is None:
            continue
        passed = [proposal for proposal in sa.offered if proposal.number < sa.chosen.number]
        words = []
        if passed:
            words.append("The responder did not take " + "; ".join(proposal.text for proposal in passed) + ".")
        words += _preferences(sa.offered, sa.chosen)
        if not words:
            words.append("It is the first proposal.")
        yield Finding(
            f"{_prefix(sa)}.chosen", INFO, Status.SEEN,
            f"proposal {sa.chosen.number} of {len(sa.offered)} chosen: {sa.chosen.text}", sa.label, sa.numbers,
            Source(RFC7296, "section 2.7"), " ".join(words),
        )  # fmt: skip


def _preferences(offered: tuple[SeenProposal, ...], chosen: SeenProposal) -> Iterator[str]:
    proposal = next((each for each in offered if each.number == chosen.number), None)
    for transform in chosen.transforms if proposal is not None else ():
        choices = proposal.of(transform.kind) if proposal is not None else []
        if transform in choices and choices.index(transform):
            before = ", ".join(each.name for each in choices[: choices.index(transform)])
            yield f"{transform.name} was preferred to {before}, which came first."


def _better(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """A weak choice although a proposal without weaknesses was offered: the responder's configuration prefers it."""
    for sa in suites(conversation):
        if sa.chosen is None or not _flawed(sa.chosen, profile):
            continue
        others = [each for each in sa.offered if each.number != sa.chosen.number and not _flawed(each, profile)]
        for proposal in others[:1]:
            yield Finding(
                f"{_prefix(sa)}.better", MEDIUM, Status.WEAK,
                f"proposal {proposal.number} has no weakness and was not chosen", sa.label, sa.numbers,
                Source(RFC7296, "section 2.7"), f"It is {proposal.text}. Put it first, or remove the weak one.",
            )  # fmt: skip


def _flawed(proposal: SeenProposal, profile: Profile) -> bool:
    verdicts = [profile.judge(proposal.protocol, transform) for transform in proposal.transforms]
    return any(each is not None and each.grade.status is not Status.OK for each in verdicts)


def _combination(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """Findings on combinations of algorithms: encryption without integrity, integrity without encryption."""
    for child in conversation.children:
        if child.chosen is None or child.chosen.protocol != ESP:
            continue
        ciphers, integrity = (
            child.chosen.of(TransformType.ENCR),
            [each for each in child.chosen.of(TransformType.INTEG) if each.id],
        )
        for cipher in ciphers:
            if cipher.id in UNENCRYPTED:
                yield Finding(
                    "esp.confidential", MEDIUM, Status.WEAK, f"nothing is encrypted ({cipher.name})", child.label,
                    child.numbers, Source("RFC 8221", "sections 5 and 6"),
                    "Packets are authenticated but not encrypted: anyone on the path can read them. If this is "
                    "intended, it is not a weakness.",
                )  # fmt: skip
            if cipher.id not in AEAD and not integrity:
                yield Finding(
                    "esp.authenticated", HIGH, Status.FORBIDDEN, f"{cipher.name} without integrity", child.label,
                    child.numbers, Source("RFC 8221", "section 4"),
                    "Encryption without authentication is not effective and MUST NOT be used: packets can be modified "
                    "in transit without being noticed.",
                )  # fmt: skip


def _quantum(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    """Whether an attacker who records today could derive the keys later with a quantum computer."""
    ppk = [each.number for each in conversation.notify(NotifyType.PPK_IDENTITY)]
    if ppk:
        yield Finding(
            "ike.ppk", INFO, Status.SEEN, "a post-quantum pre-shared key is mixed in", conversation.label, tuple(ppk),
            Source("RFC 8784", "section 3"), "The keys depend on a PPK that both peers have.",
        )  # fmt: skip
    for sa in conversation.ike_sas:
        if sa.chosen is None:
            continue
        methods = [each for each in sa.chosen.transforms if each.kind in _EXCHANGES and each.id >= 35]
        if methods:
            names = ", ".join(each.name for each in methods)
            yield Finding(
                "ike.quantum", INFO, Status.SEEN, f"a key exchange resists quantum computers: {names}", sa.label,
                sa.numbers, Source("RFC 9370", ""), "Its secret goes into the keys with that of the first exchange.",
            )  # fmt: skip
        elif profile.quantum is not None and not ppk:
            yield Finding(
                "ike.quantum", MEDIUM, Status.WEAK, "no key exchange resists quantum computers", sa.label, sa.numbers,
                profile.quantum, "An attacker who records this conversation can decrypt it with a quantum computer.",
            )  # fmt: skip


_EXCHANGES = frozenset((TransformType.KE, *range(TransformType.ADDKE1, TransformType.ADDKE7 + 1)))


def _nonces(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    for sa in conversation.ike_sas:
        prfs = [_SIZES.get(each.id, 0) for each in (sa.chosen.of(TransformType.PRF) if sa.chosen is not None else [])]
        wanted = max(16, *(size // 2 for size in prfs)) if prfs else 16
        short = [(number, length) for number, length in sa.nonces if length < wanted]
        for number, length in short:
            yield Finding(
                "ike.nonce", HIGH, Status.FORBIDDEN, f"a nonce of {length} octets; at least {wanted} are required",
                sa.label, (number,), Source(RFC7296, "section 2.10"),
                "Nonces MUST have at least 128 bits and at least half the key size of the PRF.",
            )  # fmt: skip


def _authentication(conversation: ConversationFacts, profile: Profile) -> Iterator[Finding]:
    for auth in conversation.auths:
        name, subject = name_of(AuthMethod, auth.method), f"{conversation.label}, {auth.role}"
        evidence = (auth.number,)
        verdict = profile.method(auth.method, conversation.eap_type)
        yield _judged("auth.method", name, verdict, subject, evidence)
        if auth.algorithm is not None:
            verdict = profile.signature(auth.algorithm, auth.key)
            yield _judged("auth.signature", auth.algorithm, verdict, subject, evidence)
        on_key = profile.key(auth.key) if auth.key else None
        if on_key is not None:
            yield _judged("auth.key", auth.key, on_key, subject, evidence)
        yield _verified(auth.verified, auth.reason, name, subject, evidence)


_KEYLESS = frozenset((4, 5, 6))
"""EAP methods that make no key: MD5, OTP, GTC (RFC 3748 section 5)."""
_ALONE = frozenset((13, 18, 19, 21, 23, 32, 43, 46, 48, 50, 51, 52, 53))
"""EAP methods that may authenticate both peers alone (RFC 5998 section 4)."""


def _eap(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """The EAP method, and what the responder has proven itself with before it (RFC 7296 section 2.16, RFC 5998)."""
    kind, source = conversation.eap_type, Source(RFC7296, "section 2.16")
    if not kind:
        return
    from fynx_scapy.capture.audit.collect import SIGNED  # with Scapy, like the other
    from fynx_scapy.layers.ikev2.eap.names import METHODS

    name, subject, evidence = f"EAP-{METHODS.get(kind, kind)}", conversation.label, conversation.eap
    yield Finding("auth.eap", INFO, Status.SEEN, f"the initiator authenticates by {name}", subject, evidence, source)
    if kind in _KEYLESS:
        yield Finding(
            "auth.eap.key", MEDIUM, Status.WEAK, f"{name} makes no key", subject, evidence, source,
            "Methods without a key SHOULD NOT be used: AUTH is made with SK_p. Where the "
            "method is also used without a tunnel, a man in the middle can pass it on.",
        )  # fmt: skip
    before = [auth for auth in conversation.auths if auth.role == "responder" and auth.number <= evidence[0]]
    if not before and any(each.kind == NotifyType.EAP_ONLY_AUTHENTICATION for each in conversation.notifies):
        if kind not in _ALONE:
            yield Finding(
                "auth.eap.alone", HIGH, Status.FORBIDDEN, f"{name} alone authenticates the responder", subject,
                evidence, Source("RFC 5998", "section 4"),
                "Without a certificate of the responder the method has to be mutual, make a key, and resist guesses of "
                "the password. It is not one of the methods that the RFC names.",
            )  # fmt: skip
    elif before and all(auth.method not in SIGNED for auth in before):
        method = name_of(AuthMethod, before[0].method)
        yield Finding(
            "auth.eap.responder", MEDIUM, Status.WEAK, f"beside {name}, the responder authenticates by {method}",
            subject, (before[0].number,), source,
            "EAP MUST be used in conjunction with a signature of the responder: who has the shared key can pass for "
            "the gateway, and have users tell it their passwords.",
        )  # fmt: skip


def _rounds(conversation: ConversationFacts, _: Profile) -> Iterator[Finding]:
    """Several authentications of an end (RFC 4739)."""
    following = [each for each in conversation.notifies if each.kind == NotifyType.ANOTHER_AUTH_FOLLOWS]
    announced = {each.by for each in conversation.notifies if each.kind == NotifyType.MULTIPLE_AUTH_SUPPORTED}
    for role in ("initiator", "responder"):
        evidence = tuple(each.number for each in following if each.by == role)
        if not evidence:
            continue
        title = f"the {role} authenticates {len(evidence) + 1} times"
        source = Source("RFC 4739", "section 2.1")
        yield Finding("auth.rounds", INFO, Status.SEEN, title, conversation.label, evidence, source)
        if len(announced) < 2:
            yield Finding(
                "auth.rounds.unannounced", MEDIUM, Status.FORBIDDEN, f"{title}, but not both ends support it",
                conversation.label, evidence, source,
                "ANOTHER_AUTH_FOLLOWS may be sent only if both ends have sent MULTIPLE_AUTH_SUPPORTED.",
            )  # fmt: skip


def _judged(rule: str, name: str, verdict: Judgement, subject: str, evidence: tuple[int, ...]) -> Finding:
    status, severity = verdict.grade
    return Finding(rule, severity, status, f"{name}: {verdict.level}", subject, evidence, verdict.source, verdict.note)


def _verified(verified: bool | None, reason: str, method: str, subject: str, evidence: tuple[int, ...]) -> Finding:
    source = Source(RFC7296, "section 2.15")
    if verified:
        return Finding("auth.verified", INFO, Status.OK, f"AUTH verifies ({method})", subject, evidence, source, reason)
    if verified is None:
        title = f"AUTH could not be checked: {with_remedy(reason)}"
        return Finding("auth.verified", LOW, Status.UNKNOWN, title, subject, evidence, source, reason)
    return Finding(
        "auth.verified", HIGH, Status.FAILED, f"AUTH does not verify ({method})", subject, evidence, source,
        with_remedy(reason),
        "The known secret or key is not the one that AUTH was computed with; or there is a man in the middle.",
    )  # fmt: skip


OF_CONVERSATION: tuple[Callable[[ConversationFacts, Profile], Iterator[Finding]], ...] = (
    _chosen,
    _offered,
    _choice,
    _better,
    _combination,
    _quantum,
    _nonces,
    _authentication,
    _eap,
    _rounds,
)
"""The judges. Each judges one conversation by a profile."""
