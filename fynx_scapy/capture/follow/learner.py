# SPDX-License-Identifier: GPL-2.0-or-later
"""Learn SAs from the messages of a capture: a decrypted exchange makes the SAs that it negotiates.

RFC 7296 sections 1.2, 1.3 and 2.8; RFC 9242 and RFC 9370. An ICV decides which keys those SAs have (follower.py).
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from fynx_scapy.capture.follow import auth
from fynx_scapy.capture.follow.auth import AuthState
from fynx_scapy.capture.follow.decrypt import SkPlace
from fynx_scapy.capture.follow.esp import EspFollower
from fynx_scapy.capture.follow.exchanges import Key, Pairing, Parts, offered_spi, parts
from fynx_scapy.capture.follow.origins import child_keys, from_init, from_rekey, from_stage
from fynx_scapy.capture.follow.pool import KePair, KeySet, SecretPool
from fynx_scapy.capture.follow.sas import AuthVerdict, CapturedChildSa, CapturedIkeSa, Chosen, IkeOpened
from fynx_scapy.capture.follow.suites import SpiPair, Suites
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import ExchangeType, PayloadType, ProtocolId
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, IKE_HEADER

MOST_EXCHANGES = 64
"""How many exchanges of one IKE SA are kept to match responses to requests. Beyond that, the oldest is dropped."""

MOST_INITS, MOST_REPEATED, MOST_INIT_OCTETS = 4096, 16, 1 << 24
"""Of how many initiators the first requests are kept, how many of each, and how many octets."""


class _Request(NamedTuple):
    """What a request asked for, kept until its response arrives."""

    parts: Parts
    src: str
    dst: str


@dataclass(slots=True)
class _Followup:
    """A CREATE_CHILD_SA that continues in IKE_FOLLOWUP_KE."""

    pairs: list[KePair]


@dataclass(slots=True)
class _Paired:
    """One exchange of an IKE SA. Of its response, only its presence is stored."""

    requests: list[_Request] = field(default_factory=list)
    responses: list[bool] = field(default_factory=list)


def _paired(_: Key) -> _Paired:
    return _Paired()


@dataclass(slots=True)
class InFlight:
    """One IKE SA and its exchanges in flight."""

    sa: CapturedIkeSa
    auth: AuthState = field(default_factory=AuthState)
    exchanges: Pairing[_Paired] = field(default_factory=lambda: Pairing(_paired, MOST_EXCHANGES))
    followups: dict[bytes, _Followup] = field(default_factory=dict)
    offered: _Request | None = None


class Learner:
    """Makes IKE SAs and Child SAs from messages, in the order in which these were decrypted."""

    def __init__(self, pool: SecretPool, suites: Suites, esp: EspFollower) -> None:
        self._pool, self._suites, self._esp = pool, suites, esp
        self.ike_sas, self.child_sas = esp.ike_sas, esp.child_sas
        self.conversations: dict[SpiPair, InFlight] = {}
        self._inits: OrderedDict[bytes, list[tuple[bytes, bool]]] = OrderedDict()  # by SPI: octets, whether complete
        self._octets = 0

    def forget(self) -> None:
        """Note that there is something new to try, for ESP and for undecrypted messages."""
        self._esp.changed += 1
        for conversation in self.conversations.values():
            for origin in conversation.sa.origins:
                origin.forget()

    def begin(self, sa: CapturedIkeSa) -> InFlight:
        """Add a new IKE SA."""
        conversation = self.conversations[sa.pair] = InFlight(sa)
        self.ike_sas.append(sa)
        return conversation

    def clear(self, message: IkeOpened) -> None:
        """Process an IKE_SA_INIT message. Requests are kept; a response begins an IKE SA."""
        header, data = message.header, message.message
        if header is None or header.exch_type != ExchangeType.IKE_SA_INIT:
            return
        data = data[: header.length] if header.length >= IKE_HEADER.size else data
        if not int(header.flags) & FLAG_RESPONSE:
            requests = self._inits.setdefault(header.init_SPI, [])
            if (data, not message.missing) not in requests:
                requests.append((data, not message.missing))
                self._octets += len(data)
            if len(requests) > MOST_REPEATED:
                self._octets -= len(requests.pop(1)[0])
            while len(self._inits) > MOST_INITS or (self._octets > MOST_INIT_OCTETS and len(self._inits) > 1):
                _, old = self._inits.popitem(last=False)
                self._octets -= sum(len(octets) for octets, _ in old)
            return
        pair = (header.init_SPI, header.resp_SPI)
        if pair in self.conversations and self.conversations[pair].sa.nonces[0]:
            return
        answer = parts(message.payloads)
        if answer.proposals and answer.nonce and answer.ke is not None:
            self._suites.initial(pair, answer.proposals[0])
            for request, complete in reversed(self._inits.get(header.init_SPI, [])):
                # AUTH covers the whole of both messages, so it cannot be checked with less.
                covered = (request if complete else b"", b"" if message.missing else data)
                if self._initial(pair, request, answer, covered):
                    return

    def _initial(self, pair: SpiPair, request: bytes, answer: Parts, covered: tuple[bytes, bytes]) -> bool:
        from fynx_scapy.layers.ikev2.header import parse_message

        asked, chosen = parts(parse_message(request)[1]), Chosen.of(answer.proposals[0])
        if chosen is None or asked.ke is None or answer.ke is None or asked.ke.group != answer.ke.group:
            return False
        conversation = self.conversations.get(pair) or self.begin(CapturedIkeSa(*pair))
        sa = conversation.sa
        sa.chosen, sa.nonces, sa.init = chosen, (asked.nonce, answer.nonce), covered
        ke = KePair(answer.ke.group, asked.ke.ke, answer.ke.ke)
        sa.origins.append(from_init(sa, chosen.suite, sa.nonces, ke))
        return True

    def learn(self, conversation: InFlight, message: IkeOpened, place: SkPlace, keys: KeySet) -> list[AuthVerdict]:
        """Process a decrypted, complete message. Returns the verdicts on its AUTH payloads."""
        header, layers = message.header, message.inner
        if header is None or layers is None or message.plaintext is None:
            return []
        sa, kind, identifier = conversation.sa, int(header.exch_type), int(header.id)
        initiator, response = bool(header.flags & FLAG_INITIATOR), bool(header.flags & FLAG_RESPONSE)
        said = parts(layers)
        key = Key.of(header.init_SPI, kind, identifier, from_initiator=initiator, request=not response)
        own = _Request(said, message.src, message.dst)
        exchange = conversation.exchanges.take(key, own, request=not response)
        again = len(exchange.responses if response else exchange.requests) > 1
        request = exchange.requests[-1] if response and exchange.requests else None
        if response and said.proposals:
            self._suites.agreed(said.proposals[0], request.parts.proposals if request is not None else ())
        if kind == ExchangeType.IKE_INTERMEDIATE:
            prefix = place.prefix[:-4] if place.type == PayloadType.SKF else place.prefix
            conversation.auth.add_intermediate(initiator, identifier, keys, prefix, message.first, message.plaintext)
            if request is not None and not again:
                self._stage(sa, keys, request, said)
        elif kind == ExchangeType.IKE_AUTH:
            return self._authenticate(conversation, message, initiator, own, request, again)
        elif kind == ExchangeType.CREATE_CHILD_SA and request is not None and not again:
            self._created(conversation, message.number, request, said)
        elif kind == ExchangeType.IKE_FOLLOWUP_KE and request is not None and not again:
            self._followed(conversation, request, said)
        return []

    def _stage(self, sa: CapturedIkeSa, keys: KeySet, request: _Request, answer: Parts) -> None:
        asked = request.parts
        if asked.ke is not None and answer.ke is not None and asked.ke.group == answer.ke.group:
            sa.origins.append(from_stage(sa, keys, KePair(answer.ke.group, asked.ke.ke, answer.ke.ke)))

    def _authenticate(
        self,
        conversation: InFlight,
        message: IkeOpened,
        initiator: bool,
        own: _Request,
        request: _Request | None,
        again: bool,
    ) -> list[AuthVerdict]:
        sa, state = conversation.sa, conversation.auth
        if message.header is None or message.plaintext is None:
            return []
        first, plaintext = message.first, message.plaintext
        auth.learn(state, sa, initiator, int(message.header.id), first, plaintext)
        found = auth.verdicts(state, sa, self._pool.keys, initiator, message.number, first, plaintext)
        sa.auth += [] if again else found
        # With EAP, the response to the SA payload comes some exchanges later (RFC 7296 section 2.16).
        if initiator and own.parts.proposals:
            conversation.offered = own
        elif not initiator and request is not None and conversation.offered is not None and own.parts.proposals:
            offered, conversation.offered = conversation.offered, None
            self._child(sa, sa.nonces, offered, own.parts, message.number)
        return found

    def _created(self, conversation: InFlight, number: int, request: _Request, answer: Parts) -> None:
        sa, asked = conversation.sa, request.parts
        if not answer.proposals or not asked.nonce or not answer.nonce:
            return
        pairs = []
        if asked.ke is not None and answer.ke is not None:
            pairs.append(KePair(answer.ke.group, asked.ke.ke, answer.ke.ke))
        if answer.link:
            conversation.followups[answer.link] = _Followup(pairs)
        proposal, nonces = answer.proposals[0], (asked.nonce, answer.nonce)
        if proposal.proto != ProtocolId.IKE:
            self._child(sa, nonces, request, answer, number, pairs)
            return
        chosen, mine = Chosen.of(proposal), offered_spi(asked.proposals, proposal.proposal)
        if chosen is None or len(mine) != 8 or len(proposal.SPI) != 8 or (mine, proposal.SPI) in self.conversations:
            return
        successor = CapturedIkeSa(mine, proposal.SPI, chosen, parent=sa, nonces=nonces)
        expected = len(pairs) + len(chosen.additional)
        successor.origins.append(from_rekey(successor, sa, pairs, lambda: expected))
        self.begin(successor)
        sa.rekeyed_by = successor

    def _followed(self, conversation: InFlight, request: _Request, answer: Parts) -> None:
        """A further key exchange of a CREATE_CHILD_SA. The link that the request returns says which CREATE_CHILD_SA."""
        asked = request.parts
        waiting = conversation.followups.pop(asked.link, None)
        if waiting is None or asked.ke is None or answer.ke is None:
            return
        waiting.pairs.append(KePair(answer.ke.group, asked.ke.ke, answer.ke.ke))
        if answer.link:
            conversation.followups[answer.link] = waiting
        self.forget()

    def _child(
        self,
        sa: CapturedIkeSa,
        nonces: tuple[bytes, bytes],
        request: _Request,
        answer: Parts,
        number: int,
        pairs: list[KePair] | None = None,
    ) -> None:
        asked, proposal = request.parts, answer.proposals[0]
        chosen, mine = Chosen.of(proposal), offered_spi(asked.proposals, proposal.proposal)
        if chosen is None or proposal.proto != ProtocolId.ESP or len(mine) != 4 or len(proposal.SPI) != 4:
            return
        child = CapturedChildSa(
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
        rekeyed = int.from_bytes(asked.rekeyed)
        if rekeyed:
            old = next((c for c in reversed(self.child_sas) if rekeyed in (c.spi_i, c.spi_r)), None)
            if old is not None:
                child.rekeys, old.rekeyed_by = old, child
        sa.children.append(child)
        self.child_sas.append(child)
        self._esp.add(child)
        self._settle(child)

    def _settle(self, child: CapturedChildSa) -> None:
        """Confirm keys without an ICV if they depend only on one SK_d and on no unordered secret."""
        certain = bool(child.ike_sa.sk_d) or not child.ike_sa.ppk_used
        if child.expected or not certain or child.ike_sa.keys is None or not child.ike_sa.keys.sk_d:
            return
        with contextlib.suppress(ConfigError):
            for keys, sk_d, secrets in child_keys(child, self._pool):
                self._esp.decide(child, keys, sk_d, secrets)
                return
