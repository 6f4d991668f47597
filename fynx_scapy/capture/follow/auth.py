# SPDX-License-Identifier: GPL-2.0-or-later
"""Verify AUTH payloads: shared secrets (PSK, EAP), signatures, PPK, and preceding IKE_INTERMEDIATE exchanges.

RFC 7296 sections 2.15 and 2.16, RFC 7427, RFC 7619 (NULL), RFC 8784 (PPK), RFC 9242 section 3.3.2.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fynx_scapy.capture.follow.eap import EapSeen
from fynx_scapy.capture.follow.pool import KeySet
from fynx_scapy.capture.follow.sas import INITIATOR, RESPONDER, ROLES, AuthVerdict, CapturedIkeSa, walk
from fynx_scapy.crypto.keymat import SkKeys, mix_ppk
from fynx_scapy.crypto.prf import PrfFunction
from fynx_scapy.errors import AuthenticationError, CertificateError, ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod, CertEncoding, NotifyType, PayloadType, name_of
from fynx_scapy.ike.auth.methods import Covered, Proofs, verify
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikeheader import IKE_HEADER, LENGTH, NEXT_PAYLOAD
from fynx_scapy.text import LONGEST, counted, printable

SK_TYPE = 46


@dataclass(slots=True)
class AuthState:
    """What AUTH of one IKE SA covers, collected message by message. Dicts are keyed by role."""

    ids: dict[str, bytes] = field(default_factory=dict)
    certificates: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    intermediate: dict[str, bytes] = field(default_factory=dict)
    seen: set[tuple[str, int]] = field(default_factory=set)
    eap: EapSeen = field(default_factory=EapSeen)
    message_id: int | None = None

    def add_intermediate(
        self, initiator: bool, message_id: int, keys: KeySet, prefix: bytes, first: int, inner: bytes
    ) -> None:
        """Add IntAuth of one message: prf(SK_p, previous IntAuth | A | P), computed as if it was not fragmented."""
        role = ROLES[initiator]
        if (role, message_id) in self.seen or keys.prf is None:
            return
        self.seen.add((role, message_id))
        head = bytearray(prefix)
        last = _last_header(head)
        head[NEXT_PAYLOAD if last is None else last] = PayloadType.SK
        head[-4] = first
        head[-2:] = (4 + len(inner)).to_bytes(2)
        head[LENGTH : IKE_HEADER.size] = (len(head) + len(inner)).to_bytes(4)
        sk_p = keys.keys.sk_pi if initiator else keys.keys.sk_pr
        self.intermediate[role] = keys.prf(sk_p, self.intermediate.get(role, b"") + bytes(head) + inner)

    def octets_behind(self) -> bytes:
        """IntAuth = IntAuth_iN | IntAuth_rN | IKE_AUTH_MID. Empty without IKE_INTERMEDIATE."""
        if not self.intermediate:
            return b""
        both = b"".join(self.intermediate.get(role, b"") for role in (INITIATOR, RESPONDER))
        return both + (self.message_id or 0).to_bytes(4)


def _last_header(head: bytearray) -> int | None:
    """The offset of the generic header of the last payload before SK, None if there is none."""
    at, last = IKE_HEADER.size, None
    while at + 4 < len(head):
        last, at = at, at + max(4, int.from_bytes(head[at + 2 : at + 4]))
    return last


class _Attempt(NamedTuple):
    """One way in which AUTH may have been computed."""

    keys: SkKeys
    ppk: str
    sk_d: bytes


def learn(state: AuthState, sa: CapturedIkeSa, initiator: bool, message_id: int, first: int, plaintext: bytes) -> None:
    """Record what an IKE_AUTH message says about its sender."""
    role = ROLES[initiator]
    if state.message_id is None:
        state.message_id = message_id
    own = PayloadType.IDi if initiator else PayloadType.IDr
    for kind, body in walk(first, plaintext):
        if kind == own:
            state.ids[role] = body
        elif kind == PayloadType.CERT and body:
            state.certificates.setdefault(role, []).append((body[0], body[1:]))
        elif kind == PayloadType.EAP:
            state.eap.add(initiator, message_id, body)
        elif kind == PayloadType.N and not initiator and _notify(body)[0] == NotifyType.PPK_IDENTITY:
            sa.ppk_used = True


def verdicts(
    state: AuthState, sa: CapturedIkeSa, keys: KeyLog, initiator: bool, number: int, first: int, plaintext: bytes
) -> list[AuthVerdict]:
    """The verdicts on the AUTH payloads of one message, after :func:`learn`."""
    payloads = list(walk(first, plaintext))
    notifies = dict(_notify(body) for kind, body in payloads if kind == PayloadType.N)
    found = []
    for kind, body in payloads:
        if kind == PayloadType.AUTH and len(body) >= 4:
            verified, reason = _verdict(state, sa, keys, initiator, body[0], body[4:], notifies)
            method, role = name_of(AuthMethod, body[0]), ROLES[initiator]
            identity = _identity(state.ids.get(role, b""))
            certificates = _described(state.certificates.get(role, ()))
            found.append(AuthVerdict(number, role, method, verified, reason, identity, certificates))
    return found


def _verdict(
    state: AuthState,
    sa: CapturedIkeSa,
    keys: KeyLog,
    initiator: bool,
    method: int,
    data: bytes,
    notifies: dict[int, bytes],
) -> tuple[bool | None, str]:
    role, current = ROLES[initiator], sa.sets[-1]
    function, identity = current.prf, state.ids.get(role)
    if not all(sa.init):
        return None, "the IKE_SA_INIT that it covers is not in the capture"
    if identity is None:
        return None, f"the {role}'s identity is not in the capture"
    if function is None or not current.keys.sk_pi:
        return None, "SK_p is unknown"
    with_ppk = NotifyType.PPK_IDENTITY in notifies
    proofs, missing = _proofs(state, keys, role)
    outcomes = []
    for attempt in _attempts(function, current, keys.ppk if with_ppk else []):
        covered = _covered(state, sa, function, attempt.keys, initiator, identity)
        verified, reason = _outcome(method, data, covered, proofs)
        if verified:
            if attempt.ppk and not initiator:
                sa.sk_d = attempt.sk_d
            return True, reason + attempt.ppk
        if state.eap.keyed and method == AuthMethod.Shared_Key_Message_Integrity_Code:
            verified, reason = _after_eap(verified, reason, missing, data, covered, bool(proofs.secrets))
        outcomes.append((verified, reason))
    if with_ppk and not keys.ppk:
        return None, "it covers a PPK, but no PPK was given"
    return outcomes[-1]


def _attempts(function: PrfFunction, current: KeySet, ppks: list[bytes]) -> Iterator[_Attempt]:
    for number, ppk in enumerate(ppks, 1):
        mixed = mix_ppk(function, ppk, current.keys)
        yield _Attempt(mixed, f", PPK {number} of {len(ppks)}", mixed.sk_d)
    yield _Attempt(current.keys, "", current.keys.sk_d)


def _covered(
    state: AuthState, sa: CapturedIkeSa, function: PrfFunction, keys: SkKeys, initiator: bool, identity: bytes
) -> Covered:
    ni, nr = sa.nonces
    message, nonce, sk_p = (sa.init[0], nr, keys.sk_pi) if initiator else (sa.init[1], ni, keys.sk_pr)
    return Covered(function, message, nonce, sk_p, identity, state.octets_behind())


def _after_eap(
    verified: bool | None, reason: str, missing: str, data: bytes, covered: Covered, known: bool
) -> tuple[bool | None, str]:
    """A verdict on AUTH after an EAP method that makes a key, ``missing`` if we do not know it."""
    if hmac.compare_digest(covered.shared_key(covered.sk_p), data):
        return False, "it is made with SK_p, although the EAP method makes a key (RFC 7296 section 2.16)"
    if missing:
        return verified, f"{reason}; {missing}" if known else missing
    return verified, reason


def _proofs(state: AuthState, keys: KeyLog, role: str) -> tuple[Proofs, str]:
    """Every known secret and key that AUTH of this role may be verified with; and why EAP's key is not among them."""
    secrets = [(value, f"PSK {n} of {len(keys.psk)}") for n, value in enumerate(keys.psk, 1)]
    secrets += [(value, f"EAP MSK {n} of {len(keys.msk)}") for n, value in enumerate(keys.msk, 1)]
    found, missing = state.eap.keys(keys)
    keyless = state.eap.present and not state.eap.keyed
    return Proofs((*secrets, *found), keyless, tuple(state.certificates.get(role, ()))), missing


def _outcome(method: int, data: bytes, covered: Covered, proofs: Proofs) -> tuple[bool | None, str]:
    """Whether AUTH verifies (None if it cannot be checked), and the reason."""
    try:
        return True, verify(method, data, covered, proofs)
    except AuthenticationError as error:
        return False, str(error)
    except (MalformedError, ConfigError) as error:
        return None, str(error)


def _notify(body: bytes) -> tuple[int, bytes]:
    """Type and data of a Notify payload (section 3.10)."""
    return (int.from_bytes(body[2:4]), body[4 + body[1] :]) if len(body) >= 4 else (0, b"")


MOST_DESCRIBED = 8


def _described(certificates: Sequence[tuple[int, bytes]]) -> tuple[str, ...]:
    """The certificates of a peer in words, at most 8. What cannot be read says so."""
    if not certificates:
        return ()
    from fynx_scapy.pki.parsed import parse  # slow to import, and few peers send a certificate

    found = []
    for encoding, octets in certificates[:MOST_DESCRIBED]:
        if encoding != CertEncoding.X_509_Certificate_Signature:
            found.append(f"{name_of(CertEncoding, encoding)}, {counted(len(octets), 'octet')}")
            continue
        try:
            parsed = parse(octets)
        except CertificateError as error:
            found.append(str(error))
            continue
        span = f"valid {parsed.not_before:%Y-%m-%d} to {parsed.not_after:%Y-%m-%d}"
        found.append(f"{parsed.text}, issued by {parsed.issuer_text}, {span}")
    more = len(certificates) - MOST_DESCRIBED
    return (*found, f"and {counted(more, 'more CERT payload')}") if more > 0 else tuple(found)


def _identity(body: bytes) -> str:
    """An identity as text if it is text, else as hexadecimal."""
    value = body[4:]
    text = value.decode("ascii") if value and all(32 < octet < 127 for octet in value) else value.hex()
    return printable(text, LONGEST)
