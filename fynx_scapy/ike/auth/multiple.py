# SPDX-License-Identifier: GPL-2.0-or-later
"""Several authentications, one after the other, in one IKE_AUTH (RFC 4739).

Either end may have several. With ANOTHER_AUTH_FOLLOWS beside AUTH it says that its next message begins one more, with
an ID payload; AUTH covers the latest IDi and IDr. While a client speaks EAP, our responder puts off its own next round.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scapy.packet import Packet

from fynx_scapy.errors import AuthenticationError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.auth.authenticator import REST_OF_ANSWER, Authenticator, Rounds, authenticates, kind_for
from fynx_scapy.ike.auth.eap import EapInitiator, EapResponder
from fynx_scapy.ike.auth.wishes import Wishes
from fynx_scapy.ike.core.extension import Extension
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.credentials import rounds as credentials
from fynx_scapy.ike.credentials.credential import Credential, Proof
from fynx_scapy.ike.credentials.rounds import rounds_of
from fynx_scapy.ike.credentials.together import later_identity
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.wire.rules import MANY, MAYBE, P, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_EAP, IKEv2_IDi, IKEv2_IDr

if TYPE_CHECKING:
    from fynx_scapy.ike.config import IkeConfig
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord

SUPPORTED, FOLLOWS = NotifyType.MULTIPLE_AUTH_SUPPORTED, NotifyType.ANOTHER_AUTH_FOLLOWS


@extension
class MultipleAuthentication(Extension):
    """MULTIPLE_AUTH_SUPPORTED, from ends that are configured for several rounds."""

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In the answer to IKE_SA_INIT, and in the first request of IKE_AUTH (section 2.1)."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT and request is not None:
            wanted = any(_several(config) for config in self.sa.candidates)
        else:
            first = exchange.exchange_type == ExchangeType.IKE_AUTH and request is None and exchange.first
            wanted = first and _several(self.sa.config)
        return [notify(SUPPORTED)] if wanted else ()

    def doubts(self, answer: Message) -> bool:
        """An answer to IKE_SA_INIT without it may be forged, to keep us from connecting."""
        return _several(self.sa.config) and not answer.has_notify(SUPPORTED)

    def note(self, message: Message, exchange: Exchange) -> None:
        """AuthenticationError where several rounds are configured, and the responder does not know of any."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT and self.sa.initiator and self.doubts(message):
            raise AuthenticationError("expected MULTIPLE_AUTH_SUPPORTED, because of our Rounds, but the peer sent none")


@authenticates(credentials.Rounds)
class MultipleAuthenticator(Authenticator[credentials.Rounds]):
    """Both ends' rounds, in either role. Each round has the authenticator of its credential."""

    eap = True
    several = True
    rounds = (
        Round(
            # HDR, SK {IDi, [CERT,] [AUTH]}  -->  or  HDR, SK {EAP}  -->  or  HDR, SK {AUTH}  -->  or  HDR, SK {}  -->
            Rule({P.IDi: MAYBE, P.CERT: MANY, P.AUTH: MAYBE, P.EAP: MAYBE, P.N: MANY, P.V: MANY}),
            # <--  the same with IDr, and at the end also  SAr2, TSi, TSr
            Rule({P.IDr: MAYBE, P.CERT: MANY, P.AUTH: MAYBE, P.EAP: MAYBE, **REST_OF_ANSWER}, notifies_alone=True),
        ),
    )

    def __init__(self, sa: SaRecord, credential: credentials.Rounds) -> None:
        super().__init__(sa, credential)
        ours, theirs = rounds_of(sa.config.auth), rounds_of(sa.config.peer_auth)
        configs = [_of_round(sa.config, number) for number in range(max(len(ours), len(theirs)))]
        self._verifying = [self._made(*each) for each in zip(configs, theirs, strict=False)]
        self._proving = [self._made(*each) for each in zip(configs, ours, strict=False)]
        for each in self._proving:
            each.theirs = self._verifying[0]
        self._begun = 0
        """How many of our rounds have begun."""
        self._promised = True
        """Whether our next message has to begin a round."""
        self._awaited = True
        """Whether the peer's next message has to begin a round: its first one, and after ANOTHER_AUTH_FOLLOWS."""
        self._proven: list[tuple[Identity, Proof]] = []
        self._last: tuple[Authenticator[Any] | None, bool] = (None, False)
        """What our last answer has to prove: see `_prove`."""

    def _made(self, config: IkeConfig, credential: Credential) -> Authenticator[Any]:
        made = kind_for(credential)(self.sa, credential)
        made.config, made.identities = config, self.identities
        return made

    @property
    def local_id(self) -> Identity:
        """That of our latest round."""
        return self._proving[max(0, self._begun - 1)].local_id

    def proven(self, claimed: Identity) -> Identity:
        """That of the peer's last round."""
        return self._proven[-1][0]

    def goes_on(self, answer: Message) -> bool:
        """With EAP, with AUTH, or where the responder has nothing left to prove and answers our next proof."""
        return answer.get(IKEv2_EAP) is not None or super().goes_on(answer) or not self._awaited

    # The initiator

    def identify(self, message: Outgoing) -> None:
        """The next of our rounds begins."""
        self._begun += 1
        self._promised = False
        self._current.identify(message)

    def present(self, message: Outgoing) -> None:
        self._current.present(message)

    def begin(self, request: Outgoing) -> None:
        self._current.begin(request)
        self._announce(request)

    @property
    def _current(self) -> Authenticator[Any]:
        return self._proving[self._begun - 1]

    def _announce(self, message: Outgoing) -> None:
        """ANOTHER_AUTH_FOLLOWS, if we have another round. It stands beside AUTH (section 3.2)."""
        if self._begun < len(self._proving) and message.get(IKEv2_AUTH) is not None:
            message.payloads.append(notify(FOLLOWS))
            self._promised = True

    def initiate(self, answer: Message) -> Rounds:
        """Our rounds one after the other, and meanwhile the responder's, as it announces them."""
        with ExitStack() as held:
            return (yield from self._initiate(answer, held))

    def _initiate(self, answer: Message, held: ExitStack) -> Rounds:
        talk: Rounds | None = None
        fresh = True
        while True:
            self._take(answer)
            request = None
            try:
                if fresh and isinstance(self._current, EapInitiator):
                    talk = self._current.converse(answer)
                    held.callback(talk.close)
                    request = next(talk)
                elif talk is not None:
                    request = talk.send(answer)
            except StopIteration:
                talk = None
            fresh = False
            self._heed(answer)
            if request is not None:
                self._announce(request)
            elif self._begun < len(self._proving):
                # HDR, SK {IDi, [CERT,] [AUTH]}  -->
                request, fresh = Outgoing([]), True
                self.identify(request)
                self.present(request)
                self.begin(request)
            elif self._awaited:
                # HDR, SK {}  -->
                request = Outgoing([])
            else:
                self._settle()
                return answer
            answer = yield request
            self.remember(request.sent, ours=True)

    def _take(self, answer: Message) -> None:
        """The responder's next round, if the answer has it."""
        if (answer.get(IKEv2_IDr) is not None) != self._awaited:
            found = "none" if self._awaited else "one that was not announced"
            raise AuthenticationError(f"expected {'an IDr' if self._awaited else 'no IDr'}, found {found}")
        if self._awaited:
            verifying = self._verifying[len(self._proven)]
            verifying.verify(answer)
            self._record(verifying)

    # The responder

    def respond(self, request: Message) -> Rounds:
        """The initiator's rounds one after the other, and ours in the answers."""
        with ExitStack() as held:
            return (yield from self._respond(request, held))

    def _respond(self, request: Message, held: ExitStack) -> Rounds:
        if not request.has_notify(SUPPORTED):
            raise AuthenticationError("expected MULTIPLE_AUTH_SUPPORTED, because of our Rounds, but the peer sent none")
        self.sa.of(Wishes).read(request)
        self._proving[0].heed(request)
        talk: Rounds | None = None
        while True:
            verifying = self._verifying[min(len(self._proven), len(self._verifying) - 1)]
            packets: list[Packet] = []
            ended: Authenticator[Any] | None = None
            self._check_begins(request)
            try:
                if talk is not None:
                    packets = talk.send(request).payloads
                elif self._awaited and isinstance(verifying, EapResponder):
                    talk, self._awaited = verifying.converse(request), False
                    held.callback(talk.close)
                    packets = next(talk).payloads
                elif self._awaited:
                    verifying.verify(request)
                    self._record(verifying)
            except StopIteration:
                talk, ended = None, verifying
                self._record(verifying)
            except AuthenticationError:
                self.farewell = verifying.farewell
                raise
            if talk is None:
                self._heed(request)
            # While the peer speaks EAP, our next message may have to hold its AUTH: we promise no other one.
            ours = self._promised
            if talk is None and not self._awaited and self._begun + ours == len(self._proving):
                self._settle()
                self._last = ended, ours
                return request
            answer = Outgoing([])
            self._prove(answer, ended, ours=ours)
            if talk is None:
                self._announce(answer)
            answer.payloads += packets
            request = yield answer
            self.remember(answer.sent, ours=True)

    def _check_begins(self, request: Message) -> None:
        """AuthenticationError unless a request begins a round just where the one before has said so."""
        if (request.get(IKEv2_IDi) is not None) != self._awaited:
            found = "none" if self._awaited else "one that was not announced"
            raise AuthenticationError(f"expected {'an IDi' if self._awaited else 'no IDi'}, found {found}")
        if len(self._proven) == len(self._verifying) and request.get(IKEv2_AUTH) is not None:
            raise AuthenticationError(f"expected {len(self._verifying)} authentications of the peer, found more")

    def _prove(self, answer: Outgoing, ended: Authenticator[Any] | None, *, ours: bool) -> None:
        """Our AUTH in an answer: that which ends a client's EAP, or our next round."""
        if ended is not None:
            ended.sign(answer)
        elif ours:
            self.identify(answer)
            self.present(answer)
            self._current.sign(answer)

    def finish(self, request: Message, answer: Outgoing) -> None:
        """What the last answer proves; nothing where we have nothing left."""
        ended, ours = self._last
        self._prove(answer, ended, ours=ours)

    # Both

    def _record(self, verifying: Authenticator[Any]) -> None:
        """The peer has proven a round. AuthenticationError when it is another one than the configuration says."""
        number = len(self._proven) + 1
        who, wanted = verifying.proven(Identity.parse(self.identities[False])), verifying.config.remote_id
        if number > 1 and wanted is not None and not wanted.same(who):
            raise AuthenticationError(f"expected the peer to be {wanted} in round {number}, found {who}")
        assert self.sa.peer_proof is not None
        self._proven.append((who, self.sa.peer_proof))
        self._awaited = False

    def _heed(self, message: Message) -> None:
        """Whether the peer says that its next message begins another round."""
        left = len(self._verifying) - len(self._proven)
        if not message.has_notify(FOLLOWS):
            if left and not self.sa.initiator and message.get(IKEv2_AUTH) is not None:
                self._settle()  # it has nothing more
            return
        if message.get(IKEv2_AUTH) is None:
            raise AuthenticationError("expected ANOTHER_AUTH_FOLLOWS beside AUTH, found it alone")
        if not left:
            most = len(self._verifying)
            raise AuthenticationError(f"expected {most} authentications of the peer, found ANOTHER_AUTH_FOLLOWS there")
        self._awaited = True

    def _settle(self) -> None:
        """The peer has ended. AuthenticationError unless it has proven each round."""
        if len(self._proven) < len(self._verifying):
            wanted, found = len(self._verifying), len(self._proven)
            raise AuthenticationError(f"expected {wanted} authentications of the peer, found {found}")
        proofs = [proof for _, proof in self._proven]
        certificates = next((each.certificates for each in reversed(proofs) if each.certificates), ())
        self.sa.peer_proof = replace(
            proofs[-1],
            by="; then ".join(each.by for each in proofs) if len(proofs) > 1 else proofs[0].by,
            certificates=certificates,
            rounds=tuple(self._proven) if len(proofs) > 1 else (),
        )


def _several(config: IkeConfig) -> bool:
    """Whether either end has several rounds."""
    return any(isinstance(each, credentials.Rounds) for each in (config.auth, config.peer_auth))


def _of_round(config: IkeConfig, number: int) -> IkeConfig:
    """The configuration of one round, from 0. An end that has no such round is left as it was in its last one."""
    ours, theirs = rounds_of(config.auth), rounds_of(config.peer_auth)
    mine = min(number, len(ours) - 1)
    others = config.peer_auth.identities if isinstance(config.peer_auth, credentials.Rounds) else ()
    return config.replace(
        auth=ours[mine],
        remote_auth=theirs[min(number, len(theirs) - 1)],
        local_id=later_identity(config.auth, mine, config.local_id) if mine else config.local_id,
        remote_id=others[number] if 0 < number < len(others) else None if number else config.remote_id,
    )
