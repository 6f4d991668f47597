# SPDX-License-Identifier: GPL-2.0-or-later
"""One side's part of a key exchange: private value, KE payload, nonce, and what comes of it (RFC 7296 section 3.4)."""

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

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


@dataclass(slots=True, repr=False)
class KeyShare:
    """A fresh private value for one key exchange method."""

    group: int
    private: PrivateKey

    @classmethod
    def generate(cls, group: int, random: Callable[[int], bytes]) -> KeyShare:
        """Draw one; ``random`` gives that many octets."""
        return cls(group, key_exchange(group).generate(random))

    def payload(self) -> IKEv2_KE:
        """KEi."""
        return IKEv2_KE(group=self.group, ke=self.private.public)


def agreed_secret(choice: Choice, share: KeyShare | None, sent: Payloads, answer: Message) -> bytes:
    """What the initiator's key exchange comes to, nothing when none was chosen.

    MalformedError when the answer does not fit what was ``sent``, KeyExchangeError for a public value or a ciphertext
    that must be refused.
    """
    chosen = choice.suite.ke
    if chosen is None:
        return b""
    ours, theirs = sent.get(IKEv2_KE), answer.get(IKEv2_KE)
    found = [payload.group if payload else None for payload in (ours, theirs)]
    if theirs is None or found != [chosen.id, chosen.id]:
        raise MalformedError(
            f"expected a KE payload of group {chosen.id}, which was chosen; sent was {found[0]}, found {found[1]}"
        )
    if share is None or share.group != chosen.id:
        raise MalformedError(
            f"nobody here knows the private value of the KE payload of group {chosen.id} that was sent"
        )
    return share.private.shared(theirs.ke)


def answered_secret(choice: Choice, request: Message, random: Callable[[int], bytes]) -> tuple[list[IKEv2_KE], bytes]:
    """The responder's KE payload, if there is to be one, and what the key exchange comes to.

    With a KEM the responder encapsulates to the initiator's public value, and its KE payload is the ciphertext
    (draft-ietf-ipsecme-ikev2-mlkem); otherwise it draws a value of its own. PeerError asks for another
    group, or refuses the public value.
    """
    chosen = choice.suite.ke
    if chosen is None:
        return [], b""
    ke = request.get(IKEv2_KE)
    if ke is None or ke.group != chosen.id:
        found = ke.group if ke else "none"
        raise PeerError(
            NotifyType.INVALID_KE_PAYLOAD,
            chosen.id.to_bytes(2),
            f"expected a KE payload of group {chosen.id}, found {found}",
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
    """What INVALID_KE_PAYLOAD asks for instead of the group that was sent; ``fault`` is why that is not followed."""

    sent: int
    wanted: int | None
    weaker: bool
    fault: MalformedError | PeerError | None

    @classmethod
    def read(cls, sa: SaRecord, sent: Payloads, answer: Message) -> Rejection | None:
        """None when the answer asks for no other group, or no KE payload was sent.

        A responder asks for a group among those offered (RFC 7296 section 1.2); `IkeConfig.refuse_weaker_ke` leaves
        fewer of them.
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
            fault = MalformedError(f"expected a group of two octets in INVALID_KE_PAYLOAD, found {len(data)} octets")
        elif wanted == ours.group or wanted not in offered:
            why = "was sent" if wanted == ours.group else "was not offered"
            fault = MalformedError(f"the peer asks for group {wanted}, which {why}")
        elif weaker and sa.config.refuse_weaker_ke:
            weak, strong = (name_of(KeMethod, group) for group in (wanted, offered[0]))
            reason = f"the peer asks for {weak}, which is weaker than {strong}, the first one offered"
            fault = PeerError(NotifyType.INVALID_KE_PAYLOAD, data, reason)
        return cls(ours.group, wanted, weaker, fault)

    def tell(self, sa: SaRecord, *, encrypted: bool) -> None:
        """Emit the event: in the clear anybody may have asked for another group."""
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
    """A share of the group that the answer's INVALID_KE_PAYLOAD asks for; None when it asks for none.

    MalformedError when that group cannot be, PeerError when policy refuses it.
    """
    rejection = Rejection.read(sa, request.sent, answer)
    if rejection is None:
        return None
    if rejection.fault is None or answer.encrypted:
        # What is not followed in the clear was told when it came.
        rejection.tell(sa, encrypted=answer.encrypted)
    if rejection.fault is not None or rejection.wanted is None:
        raise rejection.fault or MalformedError("expected a group in INVALID_KE_PAYLOAD, found none")
    return KeyShare.generate(rejection.wanted, sa.endpoint.randomness.octets)


# Nonces


def own_nonce(sa: SaRecord, prfs: Iterable[int]) -> bytes:
    """A fresh nonce of `IkeConfig.nonce_size` octets, or more where a PRF asks for more.

    "MUST be at least half the key size of the negotiated pseudorandom function"; an initiator, who does not know which
    one that will be, takes all ``prfs`` that it proposes (RFC 7296 section 2.10).
    """
    return sa.endpoint.randomness.octets(max(sa.config.nonce_size, *map(_least, prfs), 16))


def prf_of(suite: Suite) -> list[int]:
    """The transform ID of a suite's PRF, if it has one."""
    return [suite.prf.id] if suite.prf else []


def sent_nonce(message: Outgoing, drawn: bytes) -> bytes:
    """The nonce that went out, from which the peer derives too; the one that was ``drawn`` where none did."""
    payload = message.sent.get(IKEv2_Nonce)
    return bytes(payload.nonce) if payload is not None else drawn


def check_nonce(nonce: bytes, suite: Suite) -> None:
    """PeerError unless a nonce has the size of section 3.9, and half the key of the negotiated PRF (section 2.10)."""
    least = max(map(_least, prf_of(suite)), default=16)
    if not least <= len(nonce) <= 256:
        raise PeerError(
            NotifyType.INVALID_SYNTAX, reason=f"expected a nonce of {least} to 256 octets, found {len(nonce)}"
        )


def _least(number: int) -> int:
    """The least octets of a nonce with a PRF."""
    try:
        return max(16, -(-prf(number).key_size // 2))
    except ConfigError:
        # Offered to see what the peer does with it: nobody can derive anything with it.
        return 16
