# SPDX-License-Identifier: GPL-2.0-or-later
"""Fingerprints of the two peers of a conversation: what an implementation and its configuration put on the wire.

docs/fingerprint.md describes the format, its versions, and what it leaves out on purpose. The canonical form has only
numbers, so it does not change when a registry renames something.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fynx_scapy.capture.transcript.facts import SeenTransform
from fynx_scapy.iana import (
    AuthMethod,
    CertEncoding,
    ExchangeType,
    IanaRegistry,
    IdType,
    KeMethod,
    NotifyType,
    PayloadType,
    ProtocolId,
    name_of,
)

if TYPE_CHECKING:
    from fynx_scapy.capture.capture import Capture
    from fynx_scapy.capture.transcript.conversations import ConversationBase

VERSION = 1
"""The version of the format. It changes whenever the form for the same octets changes."""

INITIATOR, RESPONDER = "initiator", "responder"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of one peer of a conversation.

    ``init`` is the canonical form of its IKE_SA_INIT message, ``auth`` that of its first IKE_AUTH message, empty if
    that was not decrypted. ``numbers`` are the packets with these messages.
    """

    conversation: int
    role: str
    address: str
    numbers: tuple[int, ...]
    init: str
    auth: str = ""

    @property
    def hash(self) -> str:
        """16 hexadecimal digits for ``init``."""
        return _digest(self.init)

    @property
    def auth_hash(self) -> str:
        """16 hexadecimal digits for ``auth``, empty if there is none."""
        return _digest(self.auth) if self.auth else ""

    @property
    def text(self) -> str:
        """The canonical forms with IANA's names instead of numbers, for people."""
        return "\n".join(_named(form) for form in (self.init, self.auth) if form)

    def as_dict(self) -> dict[str, Any]:
        """The fingerprint as plain values."""
        return {
            "conversation": self.conversation,
            "role": self.role,
            "address": self.address,
            "packets": list(self.numbers),
            "version": VERSION,
            "init": self.init,
            "hash": self.hash,
            "auth": self.auth,
            "auth_hash": self.auth_hash,
        }

    def __str__(self) -> str:
        return f"{self.role} {self.address} {self.hash}" + (f" {self.auth_hash}" if self.auth else "")


def fingerprints(capture: Capture) -> list[Fingerprint]:
    """The fingerprints of every IKEv2 conversation whose IKE_SA_INIT is in the capture, the initiator's first."""
    return [made for conversation in capture.conversations for made in of_conversation(conversation)]


def of_conversation(conversation: ConversationBase) -> Iterator[Fingerprint]:
    """The fingerprints of one conversation's peers."""
    if conversation.version != 2 or not conversation.complete:
        return
    messages = [message for message in conversation.messages if not message.copy and not message.missing]
    for role, address in ((INITIATOR, conversation.initiator), (RESPONDER, conversation.responder)):
        asks = role == INITIATOR
        own = [each for each in messages if each.request == asks and conversation.left(each) == asks]
        begun = [each for each in own if each.exchange_type == ExchangeType.IKE_SA_INIT]
        if not begun:
            continue
        # The first request shows what an initiator prefers, the last response what a responder agrees to.
        message = begun[0] if asks else begun[-1]
        opened = [each for each in own if each.exchange_type == ExchangeType.IKE_AUTH and each.opened.inner]
        numbers = (message.number, *(each.number for each in opened[:1]))
        auth = form(opened[0]) if opened else ""
        yield Fingerprint(conversation.number, role, address, numbers, form(message), auth)


class Formed(Protocol):
    """What `form` reads of a message: a captured one, or one that was just received."""

    @property
    def request(self) -> bool: ...
    @property
    def version(self) -> int: ...
    @property
    def flags(self) -> int: ...
    @property
    def layers(self) -> Sequence[Any]: ...


def form(message: Formed) -> str:
    """The canonical form of a message: version of the format, header, then one word per payload, in order."""
    head = f"{VERSION} {'I' if message.request else 'R'} {message.version:02x} {message.flags:02x}"
    return " ".join([head, *(word for layer in message.layers if (word := _word(layer, message.request)))])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# -- the word of a payload --------------------------------------------------------------------------------------------


def _word(layer: Any, request: bool) -> str:
    """The word for one payload. Empty for a cookie in a request, which says nothing about the peer that returns it."""
    from fynx_scapy.layers.ikev2.payload import IKEv2_Payload

    kind = int(layer.payload_type)
    if not isinstance(layer, IKEv2_Payload):
        return f"{kind}?"
    if request and kind == PayloadType.N and int(layer.type) == NotifyType.COOKIE:
        return ""
    content = _CONTENTS.get(kind)
    return f"{kind}{'!' if layer.critical else ''}" + (f"({content(layer)})" if content is not None else "")


def _sa(layer: Any) -> str:
    from fynx_scapy.layers.ikev2.sa import IKEv2_Proposal, IKEv2_Transform

    words = []
    for proposal in layer.prop:
        if not isinstance(proposal, IKEv2_Proposal):
            words.append("?")
            continue
        value = proposal.getfieldval  # quicker than an attribute, and it knows the defaults of a layer that was made
        transforms = [
            f"{int(each.getfieldval('transform_type'))}.{int(each.getfieldval('transform_id'))}{each.key_length_text}"
            if isinstance(each, IKEv2_Transform)
            else "?"
            for each in value("trans")
        ]
        words.append(f"{int(value('proposal'))}.{int(value('proto'))}:{','.join(transforms)}")
    return "+".join(words)


def _notify(layer: Any) -> str:
    kind = int(layer.type)
    data = bytes(layer.notify) if layer.notify else b""
    if kind == NotifyType.SIGNATURE_HASH_ALGORITHMS:
        hashes = [str(int.from_bytes(data[at : at + 2])) for at in range(0, len(data), 2)]
        return f"{kind}:{','.join(hashes)}"
    return str(kind)


def _vendor(layer: Any) -> str:
    value = layer.getfieldval("vendorID")
    return (value if isinstance(value, bytes) else str(value).encode()).hex()


def _selectors(layer: Any) -> str:
    kinds = [str(int(each.TS_type)) if hasattr(each, "TS_type") else "?" for each in layer.traffic_selector]
    return ",".join(kinds)


def _configuration(layer: Any) -> str:
    kinds = [str(int(each.type)) if hasattr(each, "type") else "?" for each in layer.attributes]
    return f"{int(layer.CFGType)}:{','.join(kinds)}"


_CONTENTS: dict[int, Callable[[Any], str]] = {
    PayloadType.SA: _sa,
    PayloadType.KE: lambda layer: str(int(layer.group)),
    PayloadType.IDi: lambda layer: str(int(layer.IDtype)),
    PayloadType.IDr: lambda layer: str(int(layer.IDtype)),
    PayloadType.CERT: lambda layer: str(int(layer.cert_encoding)),
    PayloadType.CERTREQ: lambda layer: str(int(layer.cert_encoding)),
    PayloadType.AUTH: lambda layer: str(int(layer.auth_type)),
    PayloadType.Nonce: lambda layer: str(len(layer.nonce)),
    PayloadType.N: _notify,
    PayloadType.V: _vendor,
    PayloadType.TSi: _selectors,
    PayloadType.TSr: _selectors,
    PayloadType.CP: _configuration,
}
"""Payload type -> function for the text in brackets after the payload's number."""


# -- for people -------------------------------------------------------------------------------------------------------

_NAMES: dict[int, type[IanaRegistry]] = {
    PayloadType.KE: KeMethod,
    PayloadType.IDi: IdType,
    PayloadType.IDr: IdType,
    PayloadType.CERT: CertEncoding,
    PayloadType.CERTREQ: CertEncoding,
    PayloadType.AUTH: AuthMethod,
}


def _named(canonical: str) -> str:
    _, role, version, flags, *words = canonical.split(" ")
    head = f"{'request' if role == 'I' else 'response'}, version {version[0]}.{version[1]}, flags 0x{flags}:"
    return " ".join([head, *map(_name, words)])


def _name(word: str) -> str:
    found = re.fullmatch(r"(\d+)([!?]?)(?:\((.*)\))?", word)
    if found is None:
        return word
    kind, mark, content = int(found[1]), found[2], found[3]
    name = name_of(PayloadType, kind) + mark
    if content is None:
        return name
    if kind == PayloadType.SA:
        return f"{name}({' + '.join(map(_named_proposal, content.split('+')))})"
    if kind == PayloadType.N:
        number, _, rest = content.partition(":")
        return f"{name}({name_of(NotifyType, int(number))}{' ' + rest if rest else ''})"
    registry = _NAMES.get(kind)
    return f"{name}({name_of(registry, int(content)) if registry is not None and content.isdigit() else content})"


def _named_proposal(text: str) -> str:
    head, _, transforms = text.partition(":")
    names = []
    for each in transforms.split(","):
        found = re.fullmatch(r"(\d+)\.(\d+)(?:/(\d+))?", each)
        names.append(
            SeenTransform(int(found[1]), int(found[2]), int(found[3]) if found[3] else None).name if found else each
        )
    protocol = head.partition(".")[2]
    return f"{name_of(ProtocolId, int(protocol)) if protocol else '?'} {'/'.join(names)}"


__all__ = ["VERSION", "Fingerprint", "fingerprints", "form", "of_conversation"]
