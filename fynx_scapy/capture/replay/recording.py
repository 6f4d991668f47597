# SPDX-License-Identifier: GPL-2.0-or-later
"""A recorded conversation as a list of steps: what its initiator asked, and what it was answered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scapy.packet import Packet

from ...errors import CaptureError, ConfigError
from ...iana import ExchangeType, NotifyType, PayloadType, ProtocolId, name_of
from ...keylog import KeyLog
from ...layers.ikev2 import IKEv2_Delete, IKEv2_Notify, IKEv2_SA
from ...layers.ikev2.payload import notation
from ..follow.follower import Follower
from ..follow.sas import IkeOpened, IkeSa
from ..reading.frames import frames
from ..reading.packets import Classifier, Fragments, IpsecPacket, ip_packet

INIT, AUTH, CREATE_CHILD, REKEY_CHILD, REKEY_IKE = "init", "auth", "create child", "rekey child", "rekey IKE SA"
DELETE_CHILD, DELETE_IKE, INFORMATIONAL, OTHER = "delete child", "delete IKE SA", "informational", "other"

RESPONSE = 0x20
_KINDS: dict[int, str] = {ExchangeType.IKE_SA_INIT: INIT, ExchangeType.IKE_AUTH: AUTH}
_SK, _SKF = PayloadType.SK, PayloadType.SKF


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message: ``numbers`` are its packets, ``payloads`` its layers in the clear, SK itself left out."""

    numbers: tuple[int, ...]
    header: Packet = field(repr=False)
    payloads: tuple[Packet, ...] = field(repr=False)

    def notify(self, kind: int) -> Packet | None:
        """The first Notify of that type, or None."""
        found = (p for p in self.payloads if isinstance(p, IKEv2_Notify) and p.type == kind)
        return next(found, None)

    def get(self, layer: type[Packet]) -> Packet | None:
        """The first payload of that class, or None."""
        return next((p for p in self.payloads if type(p) is layer), None)

    @property
    def title(self) -> str:
        """Exchange and payloads, as the RFC writes them."""
        return f"{name_of(ExchangeType, self.header.exch_type)} {{{', '.join(map(name, self.payloads))}}}"


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its answer (None where the capture has none). ``ours``: it is the conversation's initiator's."""

    kind: str
    request: Recorded
    response: Recorded | None
    ours: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """One conversation: an IKE SA and those that replaced it. ``initiator`` and ``responder`` are its addresses."""

    initiator: str
    responder: str
    steps: tuple[Step, ...]
    psk: tuple[bytes, ...] = field(default=(), repr=False)

    def of(self, *kinds: str) -> list[Step]:
        """The initiator's steps of these kinds."""
        return [step for step in self.steps if step.ours and step.kind in kinds]

    @property
    def established(self) -> bool:
        """Whether the responder showed who it is."""
        answers = [step.response for step in self.of(AUTH) if step.response]
        return any(p.payload_type == PayloadType.AUTH for answer in answers for p in answer.payloads)


def name(payload: Packet) -> str:
    """A payload's name: IANA's notation, of a Notify with its type."""
    if isinstance(payload, IKEv2_Notify):
        return f"N({name_of(NotifyType, payload.type)})"
    return str(notation(payload))


def kind_of(exchange: int, payloads: Sequence[Packet]) -> str:
    """Which kind of step a request is."""
    if exchange == ExchangeType.INFORMATIONAL:
        deleted = next((p for p in payloads if isinstance(p, IKEv2_Delete)), None)
        if deleted is None:
            return INFORMATIONAL
        return DELETE_IKE if deleted.proto == ProtocolId.IKE else DELETE_CHILD
    if exchange == ExchangeType.CREATE_CHILD_SA:
        if any(isinstance(p, IKEv2_Notify) and p.type == NotifyType.REKEY_SA for p in payloads):
            return REKEY_CHILD
        offer = next((p for p in payloads if isinstance(p, IKEv2_SA)), None)
        rekey = offer is not None and any(proposal.proto == ProtocolId.IKE for proposal in offer.prop)
        return REKEY_IKE if rekey else CREATE_CHILD
    return _KINDS.get(exchange, OTHER)


def packets(capture: str | os.PathLike[str]) -> Iterator[IpsecPacket]:
    """What IPsec carried in a capture, in order, without what is cut or broken. Raises CaptureError."""
    classify, fragments = Classifier(), Fragments()
    for frame in frames(Path(capture)):
        packet = ip_packet(frame)
        whole = packet and fragments.add(packet)
        found = classify(whole) if whole else None
        if found is not None and not found.error and not found.missing:
            yield found


def load(capture: str | os.PathLike[str], keys: KeyLog | None = None, conversation: int = 1) -> Recording:
    """One conversation of a capture, the first by default; ``keys`` are those beside it unless they are given.

    Raises CaptureError when the capture cannot be read, or a message of it does not open, ConfigError when there is no
    conversation of that number.
    """
    keys = KeyLog.beside(capture) if keys is None else keys
    follower = Follower(keys)
    opened: dict[int, IkeOpened] = {}
    seen: set[bytes] = set()
    for found in packets(capture):
        if found.kind == "ike" and found.data not in seen:
            seen.add(found.data)
            ends = (found.src, found.sport, found.dst, found.dport)
            opened[found.frame.number] = follower.ike(found.data, found.frame.number, found.frame.time, *ends)
    opened.update((each.number, each) for each in follower.retry())
    messages = [opened[number] for number in sorted(opened)]
    starts = _starts(messages)
    if not 0 < conversation <= len(starts):
        raise ConfigError(f"expected a conversation from 1 to {len(starts)}, found {conversation}")
    return _recording(starts[conversation - 1], messages, follower.ike_sas, tuple(keys.psk))


def _starts(messages: Sequence[IkeOpened]) -> list[IkeOpened]:
    """The first request of each conversation."""
    found: dict[bytes, IkeOpened] = {}
    for each in messages:
        if each.header is not None and each.header.exch_type == ExchangeType.IKE_SA_INIT and not _answers(each):
            found.setdefault(each.header.init_SPI, each)
    return list(found.values())


def _answers(message: IkeOpened) -> bool:
    return bool(int(message.header.flags) & RESPONSE) if message.header is not None else False


def _recording(
    start: IkeOpened, messages: Sequence[IkeOpened], sas: Sequence[IkeSa], psk: tuple[bytes, ...]
) -> Recording:
    assert start.header is not None
    family = {start.header.init_SPI}
    for sa in sas:  # in order of appearance: a parent stands before its successor
        if sa.parent is not None and sa.parent.spi_i in family:
            family.add(sa.spi_i)
    own = {start.src}
    same_host = start.src == start.dst
    requests: list[tuple[tuple[bytes, int, bool], bool, Recorded]] = []
    answers: dict[tuple[bytes, int, bool], list[tuple[int, Recorded]]] = {}
    for each in messages:
        if each.header is None or each.header.init_SPI not in family:
            continue
        if each.fragment is not None and each.inner is None:
            if each.opened is None or each.opened.plaintext is None:
                raise CaptureError(f"packet {each.number}: a fragment does not open with the keys at hand")
            continue
        recorded = _recorded(each)
        ours = each.sport == start.sport if same_host else each.src in own
        if _answers(each):
            ours = not ours
            key = (each.header.init_SPI, int(each.header.id), ours)
            answers.setdefault(key, []).append((each.number, recorded))
        else:
            requests.append(((each.header.init_SPI, int(each.header.id), ours), ours, recorded))
    steps = []
    for place, (key, ours, request) in enumerate(requests):
        later = [r.numbers[0] for k, _, r in requests[place + 1 :] if k == key]
        end = min(later, default=float("inf"))
        fits = (r for number, r in answers.get(key, []) if request.numbers[0] < number < end)
        kind = kind_of(int(request.header.exch_type), request.payloads)
        steps.append(Step(kind, request, next(fits, None), ours))
    return Recording(start.src, start.dst, tuple(steps), psk)


def _recorded(message: IkeOpened) -> Recorded:
    if message.closed:
        raise CaptureError(f"packet {message.number}: the message does not open with the keys at hand")
    outer = [p for p in message.payloads if p.payload_type not in (_SK, _SKF)]
    inner = message.inner or []
    return Recorded(message.packets or (message.number,), message.header, (*outer, *inner))
