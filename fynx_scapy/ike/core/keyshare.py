# SPDX-License-Identifier: GPL-2.0-or-later
"""Our side of a key exchange: private value, KE payload, nonce and shared secret (RFC 7296 section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fynx_scapy.crypto.ke import PrivateKey, is_weaker, key_exchange
from fynx_scapy.crypto.prf import prf
from fynx_scapy.errors import ConfigError, KeyExchangeError, MalformedError, PeerError
from fynx_scapy.iana import KeMethod, NotifyType, name_of
from fynx_scapy.ike.events import KeyExchangeRejected
from fynx_scapy.ike.message import Message, Outgoing, Payloads
from fynx_scapy.ike.terms.proposals import Choice, Suite, groups, offers
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


@dataclass(slots=True, repr=False)
class KeyShare:
    """A fresh private value for a key exchange method."""

    group: int
    private: PrivateKey

    @classmethod
    def generate(cls, group: int, random: Callable[[int], bytes]) -> KeyShare:
        """Generate a private value. ``random`` returns the requested number of octets."""
        return cls(group, key_exchange(group).generate(random))

    def payload(self) -> IKEv2_KE:
        """KEi."""
        return IKEv2_KE(group=self.group, ke=self.private.public)


def agreed_secret(choice: Choice, share: KeyShare | None, sent: Payloads, answer: Message) -> bytes:
    """The initiator's shared secret; empty when no key exchange was chosen.

    MalformedError when the answer does not match what was ``sent``. KeyExchangeError for an invalid public value or
    ciphertext.
    """
    chosen = choice.suite.ke
    if chosen is None:
        return b""
    ours, theirs = sent.get(IKEv2_KE), answer.get(IKEv2_KE)
    sent_group, answer_group = (payload.group if payload else None for payload in (ours, theirs))
    if theirs is None or (sent_group, answer_group) != (chosen.id, chosen.id):
        raise MalformedError(
            f"expected KE payloads of the chosen group {chosen.id}, sent {sent_group or 'none'}, "
            f"found {answer_group or 'none'}"
        )
    if share is None or share.group != chosen.id:
        raise MalformedError(
            f"expected the private value for the KE payload of group {chosen.id} that was sent, but a tap replaced it"
        )
    return share.private.shared(theirs.ke)


def answered_secret(choice: Choice, request: Message, random: Callable[[int], bytes]) -> tuple[list[IKEv2_KE], bytes]:
    """The responder's KE payload, if a key exchange was chosen, and the shared secret.

    With a KEM the responder encapsulates to the initiator's public value, and its KE payload is the ciphertext
    (draft-ietf-ipsecme-ikev2-mlkem). Otherwise it generates a private value. PeerError asks for another group, or
    refuses the public value.
    """
    chosen = choice.suite.ke
    if chosen is None:
        return [], b""
    ke = request.get(IKEv2_KE)
    if ke is None or ke.group != chosen.id:
        group = ke.group if ke else "none"
        raise PeerError(
            NotifyType.INVALID_KE_PAYLOAD,
            chosen.id.to_bytes(2),
            f"expected a KE payload of group {chosen.id}, found {group}",
        )
    method = key_exchange(chosen.id)
    try:
        if method.kem:
            public, shared = method.encapsulate(ke.ke)
        else:
            private = method.generate(random)
            public, shared = private.public, private.shared(ke.ke)
    except KeyExchangeError as error:
        raise PeerError(NotifyType.INVALID_SYNTAX, reason=str(error)) from error
    return [IKEv2_KE(group=chosen.id, ke=public)], shared


# Another group


@dataclass(frozen=True, slots=True)
class Rejection:
    """The group that INVALID_KE_PAYLOAD asks for instead of the one that was sent. ``fault``: why we refuse it."""

    sent: int
    wanted: int | None
    weaker: bool
    fault: MalformedError | PeerError | None

    @classmethod
    def read(cls, sa: SaRecord, sent: Payloads, answer: Message) -> Rejection | None:
        """Read the answer; None when it asks for no other group, or when no KE payload was sent.

        A responder may ask for one of the groups that we offered (RFC 7296 section 1.2). `IkeConfig.refuse_weaker_ke`
        excludes the weaker ones.
        """
        note, ours, payload = answer.notify(NotifyType.INVALID_KE_PAYLOAD), sent.get(IKEv2_KE), sent.get(IKEv2_SA)
        if note is None or ours is None:
            return None
        data = bytes(note.notify or b"")
        offered = groups(offers(payload)) if payload is not None else []
        wanted = int.from_bytes(data) if len(data) == 2 else None
        weaker = wanted is not None and bool(offered) and is_weaker(wanted, offered[0])
        fault: MalformedError | PeerError | None = None
        if wanted is None:
            fault = MalformedError(
                f"expected a group of two octets in INVALID_KE_PAYLOAD, found {counted(len(data), 'octet')}"
            )
        elif wanted == ours.group or wanted not in offered:
            why = "was sent already" if wanted == ours.group else "was not offered"
            fault = MalformedError(f"the peer asks for group {wanted}, which {why}")
        elif weaker and sa.config.refuse_weaker_ke:
            weak, strong = (name_of(KeMethod, group) for group in (wanted, offered[0]))
            reason = f"the peer asks for {weak}, which is weaker than {strong}, the first one offered"
            fault = PeerError(NotifyType.INVALID_KE_PAYLOAD, data, reason)
        return cls(ours.group, wanted, weaker, fault)

    def report(self, sa: SaRecord, *, encrypted: bool) -> None:
        """Emit the event. ``encrypted``: whether the answer was protected; if not, it may be forged."""
        sa.emit(
            KeyExchangeRejected(
                *sa.stamp,
                sent=self.sent,
                wanted=self.wanted,
                weaker=self.weaker,
                followed=self.fault is None,
                encrypted=encrypted,
                reason=str(self.fault or ""),
            )
        )


def retried_share(sa: SaRecord, request: Outgoing, answer: Message) -> KeyShare | None:
    """A new share of the group that the answer's INVALID_KE_PAYLOAD asks for; None when it asks for none.

    MalformedError when that group is impossible, PeerError when policy refuses it.
    """
    rejection = Rejection.read(sa, request.sent, answer)
    if rejection is None:
        return None
    if rejection.fault is None or answer.encrypted:
        # An unprotected one that we refuse was reported when it arrived.
        rejection.report(sa, encrypted=answer.encrypted)
    if rejection.fault is not None or rejection.wanted is None:
        raise rejection.fault or MalformedError("expected a group in INVALID_KE_PAYLOAD, found none")
    return KeyShare.generate(rejection.wanted, sa.endpoint.randomness.octets)


# Nonces


def own_nonce(sa: SaRecord, prfs: Iterable[int]) -> bytes:
    """A fresh nonce of `IkeConfig.nonce_size` octets, or more if a PRF needs more.

    "MUST be at least half the key size of the negotiated pseudorandom function". An initiator does not know yet which
    PRF that is, so it passes all ``prfs`` that it proposes (RFC 7296 section 2.10).
    """
    return sa.endpoint.randomness.octets(max(sa.config.nonce_size, *map(_least, prfs), 16))


def prf_of(suite: Suite) -> list[int]:
    """The transform ID of the suite's PRF, as a list; empty if it has none."""
    return [suite.prf.id] if suite.prf else []


def sent_nonce(message: Outgoing, drawn: bytes) -> bytes:
    """The nonce that we really sent, after the taps; the peer derives its keys from it. ``drawn`` if none was sent."""
    payload = message.sent.get(IKEv2_Nonce)
    return bytes(payload.nonce) if payload is not None else drawn


def check_nonce(nonce: bytes, suite: Suite) -> None:
    """PeerError unless the nonce has 16 to 256 octets (section 3.9) and half the key size of the PRF (section 2.10)."""
    least = max(map(_least, prf_of(suite)), default=16)
    if not least <= len(nonce) <= 256:
        raise PeerError(
            NotifyType.INVALID_SYNTAX, reason=f"expected a nonce of {least} to 256 octets, found {len(nonce)}"
        )


def _least(number: int) -> int:
    """The smallest size of a nonce with a PRF, in octets."""
    try:
        return max(16, -(-prf(number).key_size // 2))
    except ConfigError:
        # An unknown PRF, offered to test the peer: no keys can be derived with it.
        return 16
