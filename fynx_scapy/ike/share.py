# SPDX-License-Identifier: GPL-2.0-or-later
"""One side's part of a key exchange: private value, KE payload, and what comes of it (RFC 7296 section 3.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fynx_scapy.crypto.ke import PrivateKey, key_exchange
from fynx_scapy.errors import KeyExchangeError, MalformedError, PeerError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Message
from fynx_scapy.ike.negotiate import Choice
from fynx_scapy.layers.ikev2 import IKEv2_KE


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
        """KEi or KEr."""
        return IKEv2_KE(group=self.group, ke=self.private.public)


def agreed_secret(choice: Choice, share: KeyShare | None, answer: Message) -> bytes:
    """What the initiator's key exchange comes to, nothing when none was chosen; MalformedError when it does not fit."""
    chosen = choice.suite.ke
    ke = answer.get(IKEv2_KE)
    if chosen is None:
        return b""
    if share is None or ke is None or not chosen.id == share.group == ke.group:
        sent, came = share.group if share else None, ke.group if ke else None
        raise MalformedError(
            f"expected a KE payload of group {chosen.id}, which was chosen; sent was {sent}, found {came}"
        )
    return share.private.shared(ke.ke)


def answered_secret(choice: Choice, request: Message, random: Callable[[int], bytes]) -> tuple[KeyShare | None, bytes]:
    """The responder's part and what it comes to; PeerError asks for another group, or refuses the public value."""
    chosen = choice.suite.ke
    if chosen is None:
        return None, b""
    ke = request.get(IKEv2_KE)
    if ke is None or ke.group != chosen.id:
        found = ke.group if ke else "none"
        raise PeerError(
            NotifyType.INVALID_KE_PAYLOAD,
            chosen.id.to_bytes(2),
            f"expected a KE payload of group {chosen.id}, found {found}",
        )
    try:
        share = KeyShare.generate(chosen.id, random)
        return share, share.private.shared(ke.ke)
    except KeyExchangeError as error:
        raise PeerError(NotifyType.INVALID_SYNTAX, reason=str(error)) from error


def other_group(data: bytes, sent: int, offered: list[int]) -> int:
    """The group that INVALID_KE_PAYLOAD asks for; it must be another one of those offered (section 1.2)."""
    if len(data) != 2:
        raise MalformedError(f"expected a group of two octets in INVALID_KE_PAYLOAD, found {len(data)} octets")
    group = int.from_bytes(data)
    if group not in offered or group == sent:
        raise MalformedError(
            f"the peer asks for group {group}, which {'was sent' if group == sent else 'was not offered'}"
        )
    return group


def check_nonce(nonce: bytes) -> None:
    """PeerError unless a nonce has the size that section 3.9 allows."""
    if not 16 <= len(nonce) <= 256:
        raise PeerError(NotifyType.INVALID_SYNTAX, reason=f"expected a nonce of 16 to 256 octets, found {len(nonce)}")
