# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole conversation from one secret: every key that follows from what is at hand is derived while packets pass.

A list of secrets has no order: for each exchange, the ICV of the first message or packet that its keys protect decides
which of them belongs to it. So messages go in as they were captured; what stays closed is kept and tried again when
more is known (:meth:`Follower.retry`).
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ...crypto.keymat import SkKeys
from ...errors import ConfigError, IntegrityError, MalformedError
from ...esp.sa import InboundSa
from ...iana import ExchangeType, NotifyType, ProtocolId
from ...keylog import EspKeys, IkeKeys, KeyLog
from ..reading.reassembly import Reassembly
from . import auth
from .auth import AuthState
from .decrypt import ANY_SPIS, BAD, IKE_HEADER, NOT_VERIFIED, OK, EspOpener, Opened, SkPlace, find_sk
from .esp import MOST_HIGH_HALVES, EspFollower
from .pool import SecretPool, child_keys, from_init, from_rekey, from_stage
from .sas import AuthVerdict, ChildSa, Chosen, IkeOpened, IkeSa, KePair, KeySet
from .suites import FLAG_INITIATOR, FLAG_RESPONSE, SpiPair, Suites

if TYPE_CHECKING:
    from scapy.packet import Packet

MOST_PENDING = 10_000
"""How many closed messages are kept; the oldest is let go."""

MOST_REQUESTS = 64
"""How many requests of one IKE SA wait for their response; the oldest is let go."""

MOST_INITS = 4096
"""How many initiators' first requests are kept."""

SK, SKF = 46, 53


class _Request(NamedTuple):
    """What a request asked for, until its response says what came of it."""

    layers: list[Packet]
    src: str
    dst: str


@dataclass(slots=True)
class _Followup:
    """A CREATE_CHILD_SA that goes on in IKE_FOLLOWUP_KE."""

    pairs: list[KePair]


@dataclass(slots=True)
class _Conversation:
    """One IKE SA and what is in flight in it. Requests are by: sent by its initiator, exchange, message ID."""

    sa: IkeSa
    auth: AuthState = field(default_factory=AuthState)
    requests: OrderedDict[tuple[bool, int, int], _Request] = field(default_factory=OrderedDict)
    followups: dict[bytes, _Followup] = field(default_factory=dict)
    offered: _Request | None = None
    done: set[tuple[bool, int, int, bool]] = field(default_factory=set)


class Follower:
    """Opens IKE and ESP of a capture from whatever is known of its keys.

    :meth:`ike` takes IKE messages, ``esp(packet, src, dst)`` ESP packets: each gives what became of it.
    ``esn_search`` is how many high halves of a sequence number are tried where the one that follows does not fit,
    ``esn_high`` says them by SPI where they are known. Raises ConfigError for a search that is out of bounds.

        >>> follower = Follower(KeyLog(secrets=["5f" * 32], psk="lab psk"))
        >>> follower.ike_sas, follower.child_sas
        ([], [])
    """

    def __init__(self, keys: KeyLog, *, esn_search: int = 64, esn_high: Mapping[int, int] | None = None):
        if not 0 <= esn_search <= MOST_HIGH_HALVES:
            raise ConfigError(f"high halves are searched from 0 to {MOST_HIGH_HALVES} of them, not {esn_search}")
        self._pool = SecretPool(KeyLog())
        self._suites = Suites()
        self._rows = EspOpener(self._suites)
        self.ike_sas: list[IkeSa] = []
        self.child_sas: list[ChildSa] = []
        self._esp = EspFollower(self._pool, self._rows, esn_search, dict(esn_high or {}), self.ike_sas, self.child_sas)
        # Opens an ESP packet: octets from the SPI through the ICV, and its addresses. Hot: there is no call between.
        self.esp: Callable[[bytes, str, str], Opened] = self._esp.open
        self._known: dict[SpiPair, list[IkeKeys]] = {}
        self._conversations: dict[SpiPair, _Conversation] = {}
        self._inits: OrderedDict[bytes, list[bytes]] = OrderedDict()
        self._reassembly = Reassembly()
        self._pending: OrderedDict[int, IkeOpened] = OrderedDict()
        self._taken = 0
        self.add(keys)

    def __repr__(self) -> str:
        return f"Follower(ike_sas={len(self.ike_sas)}, child_sas={len(self.child_sas)}, keys={self._pool.keys!r})"

    def add(self, keys: KeyLog) -> None:
        """Take more keys and secrets into use; :meth:`retry` tries what is closed with them."""
        fresh = [entry for entry in keys.ike if entry not in self._pool.keys.ike]
        for entry in fresh:
            rows = self._known.setdefault((entry.spi_i, entry.spi_r), [])
            rows.append(entry)
            # A table's row opens messages as well, but AUTH and Child SAs follow from what only our own file has.
            rows.sort(key=lambda row: not (row.sk_d and row.sk_pi))
        self._rows.add(entry for entry in keys.esp if entry not in self._pool.keys.esp)
        self._pool.keys.update(keys)
        self._anew()

    def esp_sa(self, spi: int, dst: str) -> InboundSa | None:
        """What opens the ESP of an SPI to a destination, once one of its packets was opened: for whoever has many."""
        return self._esp.bound(spi, dst)

    def ike(
        self,
        message: bytes,
        number: int = 0,
        time: float | None = None,
        src: str = "",
        sport: int | None = None,
        dst: str = "",
        dport: int | None = None,
    ) -> IkeOpened:
        """Take in an IKE message, from its header on, and open it where that can be."""
        found = self._message(IkeOpened(number, time, src, sport, dst, dport, message))
        if found.closed:
            self._taken += 1
            self._pending[self._taken] = found
            if len(self._pending) > MOST_PENDING:
                self._pending.popitem(last=False)
        return found

    def pending(self) -> list[IkeOpened]:
        """The messages that are closed."""
        return list(self._pending.values())

    def retry(self) -> list[IkeOpened]:
        """Try the closed messages again, as long as that opens any; returns those that are open now, in order."""
        opened: dict[int, IkeOpened] = {}
        self._anew()
        progress = True
        while progress:
            progress = False
            for place, closed in list(self._pending.items()):
                again = self._message(closed, count=False)
                if not again.closed:
                    opened[place] = again
                    del self._pending[place]
                    progress = True
                    self._anew()
        return [opened[place] for place in sorted(opened)]

    def keys(self) -> KeyLog:
        """The keys of everything that was decided, for :meth:`KeyLog.save` and other tools."""
        log = KeyLog()
        for sa in self.ike_sas:
            log.ike += _ike_rows(sa)
        for child in self.child_sas:
            log.esp += _esp_rows(child)
        known = {entry.spi: entry for entry in log.esp}
        have = {(entry.spi, entry.src, entry.dst) for entry in log.esp}
        for spi, src, dst in self._esp.paths:  # a NAT, or an end that has moved
            if spi in known and (spi, src, dst) not in have:
                log.esp.append(replace(known[spi], src=src, dst=dst))
        return log

    def _anew(self) -> None:
        self._esp.changed += 1
        for conversation in self._conversations.values():
            for origin in conversation.sa.origins:
                origin.forget()

    # One message

    def _message(self, message: IkeOpened, count: bool = True) -> IkeOpened:
        from ...layers.ikev2.header import parse_message, parse_payloads
        from ..reading.records import faults

        data = message.message
        if len(data) < IKE_HEADER.size:
            text = f"{len(data)} octets, an IKE header has {IKE_HEADER.size}"
            return replace(message, errors=(text,))
        if data[17] >> 4 != 2:
            return replace(message, errors=(f"the major version is {data[17] >> 4}, expected 2",))
        header, payloads = parse_message(data)
        errors = [header.malformed] if header.malformed else []
        errors += [text for layer in payloads for text in faults(layer)]
        message = replace(message, header=header, payloads=payloads, errors=tuple(errors))
        data = data[: header.length] if header.length >= IKE_HEADER.size else data
        try:
            place = find_sk(data) if any(layer.payload_type in (SK, SKF) for layer in payloads) else None
        except MalformedError as error:
            return replace(message, errors=(*errors, str(error)))
        if place is None:
            self._clear(message)
            conversation = self._conversations.get((data[:8], data[8:16]))
            if conversation is not None and count:
                conversation.sa.numbers.append(message.number)
            return replace(message, ike_sa=conversation.sa if conversation else None)
        opened, keys = self._open(data, place)
        conversation = self._conversations.get((data[:8], data[8:16]))
        message = replace(message, opened=opened, ike_sa=conversation.sa if conversation else None)
        if conversation is not None and count:
            conversation.sa.numbers.append(message.number)
        if place.type == SKF:
            message = replace(
                message, fragment=(int.from_bytes(place.prefix[-4:-2]), int.from_bytes(place.prefix[-2:]))
            )
        if opened.plaintext is None or conversation is None or keys is None:
            return replace(message, errors=(*errors, opened.error) if opened.error else tuple(errors))
        first, plaintext = place.next_payload, opened.plaintext
        packets: tuple[int, ...] = (message.number,)
        if message.fragment is not None:
            joined = self._reassembly.add(data, message.fragment, place.next_payload, opened.plaintext, message.number)
            if joined is None:
                return message
            first, plaintext, packets = joined.first, joined.content, tuple(joined.packets)
        inner = parse_payloads(first, plaintext)
        errors += [text for layer in inner for text in faults(layer)]
        message = replace(message, inner=inner, first=first, plaintext=plaintext, packets=packets, errors=tuple(errors))
        return replace(message, auth=tuple(self._learn(conversation, message, place, keys)))

    def _open(self, data: bytes, place: SkPlace) -> tuple[Opened, KeySet | None]:
        """Open SK or SKF by the keys that are decided, by those of a table, by those that may follow from a secret."""
        pair, initiator = (data[:8], data[8:16]), bool(data[19] & FLAG_INITIATOR)
        conversation = self._conversations.get(pair)
        tried, keyed = 0, False
        for keys in self._sets(pair, conversation):
            keyed = keyed or keys.derived == TABLE or bool(conversation and keys in conversation.sa.sets)
            protector = keys.protector(initiator)
            if protector is None:
                continue
            try:
                plaintext = protector.open(place.prefix, place.body)
            except (IntegrityError, MalformedError):
                tried += 1
                continue
            self._decide(pair, keys)
            try:
                return Opened(protector.unpad(plaintext), OK, keyed=True), keys
            except MalformedError as error:
                return Opened(icv=OK, error=str(error), keyed=True), keys
        if keyed:
            waiting = conversation is not None and _waits(conversation.sa)
            if waiting:  # the next stage's secret is not at hand
                return Opened(), None
            return Opened(icv=BAD, error=NOT_VERIFIED.format(tried), keyed=True), None
        return Opened(), None

    def _sets(self, pair: SpiPair, conversation: _Conversation | None) -> Iterator[KeySet]:
        sa = conversation.sa if conversation else None
        if sa is not None:
            yield from reversed(sa.sets)
        suites = [sa.chosen.suite] if sa is not None and sa.chosen else []
        for known in (pair, ANY_SPIS):
            for row in self._known.get(known, ()):
                yield from _of_row(row, sa, suites, own=known == pair)
        if sa is not None:
            for origin in list(sa.origins):
                with contextlib.suppress(ConfigError):  # an algorithm that is not known here
                    yield from origin.sets(self._pool)

    def _decide(self, pair: SpiPair, keys: KeySet) -> None:
        """The ICV has verified: these are keys of the IKE SA."""
        conversation = self._conversations.get(pair) or self._begin(IkeSa(*pair))
        sa = conversation.sa
        if keys in sa.sets:
            return
        sa.sets.append(keys)
        self._pool.used.update(keys.secrets)
        for origin in list(sa.origins):
            if keys.derived != TABLE and keys in origin.sets(self._pool):
                sa.origins.remove(origin)
                if sa.parent is not None and keys.seed:
                    sa.parent.sk_d = keys.seed
        self._esp.changed += 1

    def _begin(self, sa: IkeSa) -> _Conversation:
        conversation = self._conversations[sa.pair] = _Conversation(sa)
        self.ike_sas.append(sa)
        return conversation

    # What messages say

    def _clear(self, message: IkeOpened) -> None:
        """An IKE_SA_INIT: its requests are kept, its response begins an IKE SA."""
        header, data = message.header, message.message
        if header is None or header.exch_type != ExchangeType.IKE_SA_INIT:
            return
        data = data[: header.length] if header.length >= IKE_HEADER.size else data
        if not int(header.flags) & FLAG_RESPONSE:
            requests = self._inits.setdefault(header.init_SPI, [])
            if data not in requests:
                requests.append(data)
            if len(self._inits) > MOST_INITS:
                self._inits.popitem(last=False)
            return
        pair = (header.init_SPI, header.resp_SPI)
        if pair in self._conversations and self._conversations[pair].sa.nonces[0]:
            return
        answer = _parts(message.payloads)
        if answer.proposals and answer.nonce and answer.ke is not None:
            self._suites.learn(header, answer.proposals)
            for request in reversed(self._inits.get(header.init_SPI, [])):
                if self._initial(pair, request, data, answer):
                    return

    def _initial(self, pair: SpiPair, request: bytes, response: bytes, answer: _Parts) -> bool:
        from ...layers.ikev2.header import parse_message

        asked, chosen = _parts(parse_message(request)[1]), Chosen.of(answer.proposals[0])
        if chosen is None or asked.ke is None or answer.ke is None or asked.ke.group != answer.ke.group:
            return False
        conversation = self._conversations.get(pair) or self._begin(IkeSa(*pair))
        sa = conversation.sa
        sa.chosen, sa.nonces, sa.init = chosen, (asked.nonce, answer.nonce), (request, response)
        ke = KePair(answer.ke.group, asked.ke.ke, answer.ke.ke)
        sa.origins.append(from_init(sa, chosen.suite, sa.nonces, ke))
        return True

    def _learn(
        self, conversation: _Conversation, message: IkeOpened, place: SkPlace, keys: KeySet
    ) -> list[AuthVerdict]:
        header, layers = message.header, message.inner
        if header is None or layers is None or message.plaintext is None:
            return []
        sa, kind, identifier = conversation.sa, int(header.exch_type), int(header.id)
        initiator, response = bool(header.flags & FLAG_INITIATOR), bool(header.flags & FLAG_RESPONSE)
        place_of = (initiator, kind, identifier)
        # either end counts its own requests: an end's request and its response may have the same message ID
        again = (*place_of, response) in conversation.done
        conversation.done.add((*place_of, response))
        for layer in layers:
            if layer.payload_type == SA_TYPE and layer.malformed is None:
                self._suites.learn(header, layer.prop)
        request = conversation.requests.get((not initiator, kind, identifier))
        if not response:
            conversation.requests[place_of] = _Request(layers, message.src, message.dst)
            if len(conversation.requests) > MOST_REQUESTS:
                conversation.requests.popitem(last=False)
        if kind == ExchangeType.IKE_INTERMEDIATE:
            prefix = place.prefix[:-4] if place.type == SKF else place.prefix
            conversation.auth.add_intermediate(initiator, identifier, keys, prefix, message.first, message.plaintext)
            if response and request is not None and not again:
                self._stage(sa, keys, request, _parts(layers))
        elif kind == ExchangeType.IKE_AUTH:
            return self._authenticate(conversation, message, initiator, request, again)
        elif kind == ExchangeType.CREATE_CHILD_SA and response and request is not None and not again:
            self._created(conversation, message, request)
        elif kind == ExchangeType.IKE_FOLLOWUP_KE and response and request is not None and not again:
            self._followed(conversation, request, _parts(layers))
        return []

    def _stage(self, sa: IkeSa, keys: KeySet, request: _Request, answer: _Parts) -> None:
        asked = _parts(request.layers)
        if asked.ke is not None and answer.ke is not None and asked.ke.group == answer.ke.group:
            sa.origins.append(from_stage(sa, keys, KePair(answer.ke.group, asked.ke.ke, answer.ke.ke)))

    def _authenticate(
        self, conversation: _Conversation, message: IkeOpened, initiator: bool, request: _Request | None, again: bool
    ) -> list[AuthVerdict]:
        sa, state = conversation.sa, conversation.auth
        if message.header is None or message.plaintext is None or message.inner is None:
            return []
        first, plaintext = message.first, message.plaintext
        auth.learn(state, sa, initiator, int(message.header.id), first, plaintext)
        found = auth.verdicts(state, sa, self._pool.keys, initiator, message.number, first, plaintext)
        sa.auth += [] if again else found
        if initiator and _parts(message.inner).proposals:
            conversation.offered = _Request(message.inner, message.src, message.dst)
        elif not initiator and request is not None and conversation.offered is not None:
            answer = _parts(message.inner)
            if answer.proposals:
                offered, conversation.offered = conversation.offered, None
                self._child(sa, sa.nonces, offered, answer, message.number)
        return found

    def _created(self, conversation: _Conversation, message: IkeOpened, request: _Request) -> None:
        sa = conversation.sa
        asked, answer = _parts(request.layers), _parts(message.inner or [])
        if not answer.proposals or not asked.nonce or not answer.nonce:
            return
        pairs = []
        if asked.ke is not None and answer.ke is not None:
            pairs.append(KePair(answer.ke.group, asked.ke.ke, answer.ke.ke))
        if answer.link:
            conversation.followups[answer.link] = _Followup(pairs)
        proposal, nonces = answer.proposals[0], (asked.nonce, answer.nonce)
        if proposal.proto != ProtocolId.IKE:
            self._child(sa, nonces, request, answer, message.number, pairs)
            return
        chosen, mine = Chosen.of(proposal), _offered_spi(asked.proposals, proposal.proposal)
        if chosen is None or len(mine) != 8 or len(proposal.SPI) != 8 or (mine, proposal.SPI) in self._conversations:
            return
        successor = IkeSa(mine, proposal.SPI, chosen, parent=sa, nonces=nonces)
        expected = len(pairs) + len(chosen.additional)
        successor.origins.append(from_rekey(successor, sa, pairs, lambda: expected))
        self._begin(successor)
        sa.rekeyed_by = successor

    def _followed(self, conversation: _Conversation, request: _Request, answer: _Parts) -> None:
        """One more key exchange of a CREATE_CHILD_SA; which one, the link says that the request sends back."""
        asked = _parts(request.layers)
        waiting = conversation.followups.pop(asked.link, None)
        if waiting is None or asked.ke is None or answer.ke is None:
            return
        waiting.pairs.append(KePair(answer.ke.group, asked.ke.ke, answer.ke.ke))
        if answer.link:
            conversation.followups[answer.link] = waiting
        self._anew()

    def _child(
        self,
        sa: IkeSa,
        nonces: tuple[bytes, bytes],
        request: _Request,
        answer: _Parts,
        number: int,
        pairs: list[KePair] | None = None,
    ) -> None:
        asked, proposal = _parts(request.layers), answer.proposals[0]
        chosen, mine = Chosen.of(proposal), _offered_spi(asked.proposals, proposal.proposal)
        if chosen is None or proposal.proto != ProtocolId.ESP or len(mine) != 4 or len(proposal.SPI) != 4:
            return
        child = ChildSa(
            sa,
            int.from_bytes(mine),
            int.from_bytes(proposal.SPI),
            chosen.suite,
            nonces,
            number,
            request.src,
            request.dst,
            "transport" if answer.transport else "tunnel",
            pairs if pairs is not None else [],
            0 if pairs is None else len(pairs) + len(chosen.additional),
        )
        if asked.rekeyed:
            old = next((c for c in reversed(self.child_sas) if asked.rekeyed in (c.spi_i, c.spi_r)), None)
            if old is not None:
                child.rekeys, old.rekeyed_by = old, child
        sa.children.append(child)
        self.child_sas.append(child)
        self._esp.add(child)
        self._settle(child)

    def _settle(self, child: ChildSa) -> None:
        """Keys that only one SK_d and no unordered secret go into need no ICV to decide."""
        certain = bool(child.ike_sa.sk_d) or not child.ike_sa.ppk_used
        if child.expected or not certain or child.ike_sa.keys is None or not child.ike_sa.keys.sk_d:
            return
        with contextlib.suppress(ConfigError):
            for keys, sk_d, secrets in child_keys(child, self._pool):
                self._esp.decide(child, keys, sk_d, secrets)
                return


def _waits(sa: IkeSa) -> bool:
    """Whether a further stage's keys are still to come: each set that a table gave stands for one stage."""
    return bool(sa.sets) and len(sa.origins) > sum(keys.derived.startswith(TABLE) for keys in sa.sets)


TABLE = "key table"
SA_TYPE = 33


@dataclass(slots=True)
class _Parts:
    """What following needs of a message's payloads."""

    proposals: list[Packet] = field(default_factory=list)
    ke: Packet | None = None
    nonce: bytes = b""
    link: bytes = b""
    rekeyed: int = 0
    transport: bool = False


def _parts(layers: list[Packet]) -> _Parts:
    from ...layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA

    parts = _Parts()
    for layer in layers:
        if layer.malformed is not None:
            continue
        if isinstance(layer, IKEv2_SA):
            parts.proposals = list(layer.prop)
        elif isinstance(layer, IKEv2_KE):
            parts.ke = layer
        elif isinstance(layer, IKEv2_Nonce):
            parts.nonce = bytes(layer.nonce)
        elif isinstance(layer, IKEv2_Notify):
            if layer.type == NotifyType.ADDITIONAL_KEY_EXCHANGE:
                parts.link = bytes(layer.notify)
            elif layer.type == NotifyType.REKEY_SA:
                parts.rekeyed = int.from_bytes(bytes(layer.SPI))
            elif layer.type == NotifyType.USE_TRANSPORT_MODE:
                parts.transport = True
    return parts


def _offered_spi(proposals: list[Packet], number: int) -> bytes:
    return next((bytes(offer.SPI) for offer in proposals if offer.proposal == number), b"")


def _of_row(row: IkeKeys, sa: IkeSa | None, suites: list, own: bool) -> Iterator[KeySet]:  # type: ignore[type-arg]
    """The keys of a table's row, under the suite that was negotiated and under the one that the row says."""
    from ...keynames import Suite

    keys = SkKeys(row.sk_d, row.sk_ai, row.sk_ar, row.sk_ei, row.sk_er, row.sk_pi, row.sk_pr)
    prf = row.prf or (suites[0].prf if suites else None)
    for suite in [*suites, Suite(row.encr, row.integ, prf)]:
        if sa is not None and any(known.keys == keys and known.suite == suite for known in sa.sets):
            continue
        yield KeySet(suite, keys, TABLE if own else "key table without SPIs")


def _ike_rows(sa: IkeSa) -> Iterator[IkeKeys]:
    for number, held in enumerate(sa.sets, 1):
        keys, suite = held.keys, held.suite
        sk_d = sa.sk_d if sa.sk_d and number == len(sa.sets) else keys.sk_d
        yield IkeKeys(
            sa.spi_i, sa.spi_r, suite.encr, suite.integ, keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar, suite.prf,
            sk_d, keys.sk_pi, keys.sk_pr,
        )  # fmt: skip


def _esp_rows(child: ChildSa) -> Iterator[EspKeys]:
    if child.keys is None:
        return
    keys, ends = child.keys, (child.initiator, child.responder)
    for spi, (src, dst), key, auth_key in (
        (child.spi_r, ends, keys.encr_i, keys.integ_i),
        (child.spi_i, ends[::-1], keys.encr_r, keys.integ_r),
    ):
        yield EspKeys(spi, src, dst, child.suite.encr, key, child.suite.integ, auth_key, child.esn)
