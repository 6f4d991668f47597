# SPDX-License-Identifier: GPL-2.0-or-later
"""A recorded conversation as a list of steps: requests with their responses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scapy.packet import Packet

from fynx_scapy.capture.capture import Capture
from fynx_scapy.capture.conversation import Conversation
from fynx_scapy.capture.follow.exchanges import AUTH
from fynx_scapy.capture.transcript.exchanges import CapturedExchange
from fynx_scapy.capture.transcript.messages import ENCRYPTED, CapturedMessage
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.layers.ikev2.payload import notation


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message: ``numbers`` are its packets, ``payloads`` its decrypted layers without SK itself."""

    numbers: tuple[int, ...]
    header: Packet = field(repr=False)
    payloads: tuple[Packet, ...] = field(repr=False)

    def notify(self, kind: int) -> Packet | None:
        """The first Notify of this type, or None."""
        found = (p for p in self.payloads if isinstance(p, IKEv2_Notify) and p.type == kind)
        return next(found, None)

    def get(self, layer: type[Packet]) -> Packet | None:
        """The first payload of this class, or None."""
        return next((p for p in self.payloads if type(p) is layer), None)

    @property
    def title(self) -> str:
        """Exchange and payloads, as the RFC writes them."""
        return f"{name_of(ExchangeType, self.header.exch_type)} {{{', '.join(map(name, self.payloads))}}}"


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its response (None if not captured). ``ours``: the conversation's initiator sent the request."""

    kind: str
    request: Recorded
    response: Recorded | None
    ours: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """One conversation: an IKE SA and those that replaced it. ``initiator`` and ``responder`` are its addresses.

    ``losses`` says what in its capture could not be read or was left out.
    """

    initiator: str
    responder: str
    steps: tuple[Step, ...]
    psk: tuple[bytes, ...] = field(default=(), repr=False)
    losses: tuple[str, ...] = ()

    def of(self, *kinds: str) -> list[Step]:
        """The initiator's steps of these kinds."""
        return [step for step in self.steps if step.ours and step.kind in kinds]

    @property
    def established(self) -> bool:
        """Whether the responder authenticated itself."""
        answers = [step.response for step in self.of(AUTH) if step.response]
        return any(p.payload_type == PayloadType.AUTH for answer in answers for p in answer.payloads)


def name(payload: Packet) -> str:
    """A payload's name in IANA's notation. For a Notify, with its type."""
    if isinstance(payload, IKEv2_Notify):
        return f"N({name_of(NotifyType, payload.type)})"
    return str(notation(payload))


def load(
    capture: str | os.PathLike[str],
    keys: KeyLog | None = None,
    conversation: int | None = None,
    *,
    ports: Iterable[int] = (),
) -> Recording:
    """Load one conversation of a capture. Without ``keys``, the keys beside the capture are used.

    ``conversation`` is its number in the capture; None means the first that can be replayed. ``ports`` are UDP and TCP
    ports to treat like 4500. Raises CaptureError if the capture cannot be read or one of the messages cannot be
    decrypted, ConfigError if there is no conversation with that number.
    """
    with Capture(capture, keys, ports=ports) as opened:
        return of(opened, conversation)


class Begun(NamedTuple):
    """A conversation that can be replayed, and the IKE_SA_INIT request that it begins with."""

    conversation: Conversation
    first: CapturedMessage


def begun(capture: Capture) -> list[Begun]:
    """The conversations that can be replayed, in the order of their start."""
    found = []
    for conversation in capture.conversations:
        requests = [request for exchange in conversation.exchanges for request in _initial(exchange)]
        found += [Begun(conversation, request) for request in requests[:1]]
    return sorted(found, key=lambda each: each.first.index)


def _initial(exchange: CapturedExchange) -> list[CapturedMessage]:
    """The complete requests of an IKE_SA_INIT exchange."""
    initial = exchange.exchange_type == ExchangeType.IKE_SA_INIT
    return [each for each in exchange.requests if initial and each.kind == "ike" and not each.missing]


def chosen(capture: Capture, number: int | None) -> Begun:
    """The conversation with this number, counted like `Capture.conversations`. None: the first that can be replayed.

    Raises ConfigError if it does not exist or cannot be replayed, CaptureError if faults of the capture mean that no
    conversation can be replayed.
    """
    found = begun(capture)
    if not found and capture.problems:
        raise CaptureError(f"no conversation is readable from its start; {capture.problems[0].text}")
    if number is None and found:
        number = found[0].conversation.number
    capture.transcript.numbered(number or 1)
    own = next((each for each in found if each.conversation.number == number), None)
    if own is None:
        raise ConfigError(f"conversation {number or 1} has no IKE_SA_INIT request that can be replayed")
    return own


def of(capture: Capture, conversation: int | None = None) -> Recording:
    """One conversation of an open capture. Raises what `load` raises."""
    found = chosen(capture, conversation).conversation
    steps = [step for exchange in found.exchanges for step in _steps(exchange)]
    steps.sort(key=lambda step: step.request.numbers[-1])
    losses = tuple(problem.text for problem in capture.problems)
    return Recording(found.initiator, found.responder, tuple(steps), tuple(capture.keys.psk), losses)


def _steps(exchange: CapturedExchange) -> Iterator[Step]:
    """Each request of an exchange, without retransmissions, with the first response before the next request."""
    requests = list(_whole(exchange.requests))
    responses = list(_whole(exchange.responses))
    for place, (message, request) in enumerate(requests):
        end = requests[place + 1][0].index if place + 1 < len(requests) else sys.maxsize
        fits = (answer for each, answer in responses if message.index < each.index < end)
        yield Step(exchange.kind, request, next(fits, None), exchange.conversation.left(message))


def _whole(messages: Sequence[CapturedMessage]) -> Iterator[tuple[CapturedMessage, Recorded]]:
    """Complete messages without retransmissions. Of fragments, only the one that completes the message."""
    for message in messages:
        if message.copy or message.missing:
            continue  # truncated: this is already among the capture's problems
        opened = message.opened
        if opened.fragment is not None and opened.inner is None and not opened.closed:
            continue
        if opened.closed:
            what = "the message" if opened.fragment is None else "a fragment"
            raise CaptureError(f"packet {message.number}: {what} cannot be decrypted with the known keys")
        if opened.header is None:
            continue
        yield message, _recorded(message, opened.header)


def _recorded(message: CapturedMessage, header: Packet) -> Recorded:
    opened = message.opened
    outer = [p for p in opened.payloads if p.payload_type not in ENCRYPTED]
    return Recorded(opened.packets or (message.number,), header, (*outer, *(opened.inner or [])))
