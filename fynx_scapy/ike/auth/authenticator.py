# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of authenticators: create our AUTH payload in IKE_AUTH, and verify the peer's.

RFC 7296 sections 2.15 and 2.16. Each kind of credential has one class. IKE_AUTH calls it in both roles. "There is no
requirement that the initiator and responder use the same" method, so an IKE SA has one authenticator that proves who we
are and one that verifies the peer; where both use the same credential, they are the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.errors import AuthenticationError, ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod, name_of
from fynx_scapy.ike.auth.methods import Covered, Proofs, verify
from fynx_scapy.ike.auth.ppk import PostQuantumKey
from fynx_scapy.ike.credentials.credential import Credential, Proof
from fynx_scapy.ike.credentials.rounds import Rounds as RoundsCredential
from fynx_scapy.ike.credentials.rounds import rounds_of
from fynx_scapy.ike.message import Message, Outgoing, Payloads
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.wire.rules import MANY, MAYBE, Count, P, Round
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDi, IKEv2_IDr, IKEv2_Payload

if TYPE_CHECKING:
    from fynx_scapy.ike.config import IkeConfig
    from fynx_scapy.ike.core.record import SaRecord

Rounds = Generator[Outgoing, Message, Message]
"""A generator that yields messages to send and receives the peer's next ones. It returns the peer's last message."""

REST_OF_ANSWER: dict[int, Count] = {
    P.CP: MAYBE, P.SA: MAYBE, P.TSi: MAYBE, P.TSr: MAYBE, P.N: MANY, P.V: MANY,
}  # fmt: skip
"""The payloads of the last IKE_AUTH answer beside the authentication, for the rows in `Authenticator.rounds`."""


C = TypeVar("C", bound=Credential)


class Authenticator(Generic[C]):
    """What a credential does in one IKE SA: it proves who we are, verifies who the peer is, or both.

    Each IKE_AUTH exchange creates one, or two where `IkeConfig.remote_auth` is another credential than `auth`. One that
    proves defines ``method`` and `value`; one that verifies defines ``accepts``, ``wants`` and `proofs`. One with
    further rounds also defines their rows in ``rounds``, and overrides `initiate` and `respond`. One that signs with
    other keys overrides `covered`. The exchange handles message IDs, retransmission and refusals.
    """

    method: ClassVar[int]
    """The authentication method of our AUTH payload."""
    accepts: ClassVar[frozenset[int]]
    """The authentication methods that we accept from the peer."""
    wants: ClassVar[str]
    """The name of those methods in an error text."""
    anonymous: ClassVar[bool] = False
    """Whether what it accepts proves nothing about the peer."""
    eap: ClassVar[bool] = False
    """Whether the peer may answer with EAP payloads."""
    several: ClassVar[bool] = False
    """Whether it may say, and may be told, that another authentication follows (RFC 4739)."""
    rounds: ClassVar[tuple[Round, ...]] = ()
    """The rules of the messages after the first round. The last row applies to all later rounds."""

    farewell: tuple[Packet, ...] = ()
    """What answers a request that is refused, instead of AUTHENTICATION_FAILED."""

    def __init__(self, sa: SaRecord, credential: C) -> None:
        self.sa, self.credential = sa, credential
        self.config = sa.config
        """The configuration of this authentication; of one of several rounds, that of the round."""
        self._ppk = sa.of(PostQuantumKey)
        self.identities: dict[bool, bytes] = {}
        """The bodies of both ID payloads as sent and received; ours is under True."""
        self.ours: Authenticator[Any] = self
        """What proves who we are."""
        self.theirs: Authenticator[Any] = self
        """What verifies who the peer is."""

    # Our proof

    def value(self, covered: Covered) -> bytes:
        """The data of our AUTH payload."""
        raise NotImplementedError

    @property
    def local_id(self) -> Identity:
        """The identity that we prove."""
        return self.config.local_id

    def heed(self, request: Message) -> None:
        """The responder reads what the initiator's first request says of the proof that it wants."""

    def present(self, message: Outgoing) -> None:
        """Append the payloads with which the peer can verify AUTH. Our ID payload is the last one so far."""

    def begin(self, request: Outgoing) -> None:
        """Add the authentication to the initiator's first request. It has IDi already; the other payloads follow."""
        self.sign(request)

    def conclude(self, answer: Outgoing) -> None:
        """Add the authentication to the responder's last answer. It is still empty; the other payloads follow."""
        if True not in self.identities:
            self.identify(answer)
        self.present(answer)
        self.sign(answer)

    def finish(self, request: Message, answer: Outgoing) -> None:
        """The responder's last answer, where the peer has proven who it is, given the initiator's first request."""
        self.ours.heed(request)
        self.ours.conclude(answer)

    def identify(self, message: Outgoing) -> None:
        """Append our ID payload."""
        message.payloads.append(id_payload(self._layer(ours=True), self.local_id))

    def own_method(self) -> int:
        """The authentication method of our AUTH payload."""
        return self.method

    def sign(self, message: Outgoing) -> None:
        """Append AUTH. It is computed after the ``payloads`` taps, to cover the identity as sent (section 2.15)."""
        auth = IKEv2_AUTH(auth_type=int(self.own_method()))
        message.payloads.append(auth)
        message.compute(auth, "load", OwnAuth(self))
        self._ppk.plain = lambda outgoing: self.value(
            replace(self.covered(ours=True), sk_p=self._sk_p(self.sa.keys, ours=True))
        )

    # The peer's proof

    def proofs(self) -> Proofs:
        """The secrets and certificates to verify the peer's AUTH payload with."""
        raise NotImplementedError

    def initiate(self, answer: Message) -> Rounds:
        """The initiator's side from the first answer on, in as many rounds as it takes: our proof leads.

        Returns the answer that ends IKE_AUTH. AuthenticationError when the responder does not prove its identity.
        """
        self.theirs.verify(answer)
        return answer
        yield  # a generator of no round

    def respond(self, request: Message) -> Rounds:
        """The responder's side from the first request on, in as many rounds as it takes: the peer's proof leads.

        Returns the request that ends IKE_AUTH; `conclude` begins its answer. AuthenticationError when the initiator
        does not prove its identity.
        """
        self.verify(request)
        return request
        yield  # a generator of no round

    def verify(self, message: Message) -> None:
        """Verify the AUTH payload of the peer; AuthenticationError when it does not prove the peer's identity."""
        self.remember(message, ours=False)
        auth = message.get(IKEv2_AUTH)
        if auth is None:
            # Section 2.16: "An initiator indicates a desire to use EAP by leaving out the AUTH payload".
            raise AuthenticationError(
                f"expected AUTH by {self.wants}, found none, as of an initiator that asks for EAP"
            )
        if auth.auth_type not in self.accepts:
            raise AuthenticationError(
                f"expected authentication by {self.wants}, found {name_of(AuthMethod, auth.auth_type)}"
            )
        data = self._ppk.proof(message, bytes(auth.load))
        self.check(auth.auth_type, data, self.covered(ours=False), message)

    def check(self, method: int, data: bytes, covered: Covered, message: Message) -> None:
        """Verify the data of the peer's AUTH payload, of a method that we accept; AuthenticationError."""
        try:
            verify(method, data, covered, self.proofs())
        except (AuthenticationError, MalformedError, ConfigError) as error:
            raise AuthenticationError(
                f"the AUTH payload of {Identity.parse(covered.identity)} does not verify"
            ) from error
        self.sa.peer_proof = Proof(method, self.wants, anonymous=self.anonymous)

    def proven(self, claimed: Identity) -> Identity:
        """Who the peer is, once it has proven it; ``claimed`` is its ID payload. AuthenticationError."""
        return claimed

    def goes_on(self, answer: Message) -> bool:
        """Whether an answer continues the authentication. Then an error in it concerns the Child SA only."""
        return answer.get(IKEv2_AUTH) is not None and (False in self.identities or answer.get(IKEv2_IDr) is not None)

    # Both directions

    def remember(self, message: Payloads, *, ours: bool) -> None:
        """Remember the sender's identity if the message has it. AUTH in a later message covers it, too."""
        payload = message.get(self._layer(ours=ours))
        if payload is not None:
            self.identities[ours] = payload.octets()[4:]

    def covered(self, *, ours: bool) -> Covered:
        """What the AUTH payload of one end covers; MalformedError when its identity was not seen."""
        sa = self.sa
        if ours not in self.identities:
            raise MalformedError(f"expected a payload {self._layer(ours=ours).__name__}, found none")
        by_initiator = ours == sa.initiator
        return Covered(
            prf=sa.suite.prf_function(),
            message=sa.init_sent if ours else sa.init_received,
            nonce=sa.nonce_r if by_initiator else sa.nonce_i,
            sk_p=self._sk_p(self._ppk.keys, ours=ours),
            identity=self.identities[ours],
        )

    def _sk_p(self, keys: SkKeys, *, ours: bool) -> bytes:
        return keys.sk_pi if ours == self.sa.initiator else keys.sk_pr

    def _layer(self, *, ours: bool) -> type[IKEv2_Payload]:
        """The class of a peer's ID payload. IDr in a request is the identity that the initiator wants; AUTH never
        covers it."""
        return IKEv2_IDi if ours == self.sa.initiator else IKEv2_IDr


@dataclass(frozen=True, slots=True, eq=False)
class OwnAuth:
    """The data of our AUTH payload. It is called when the payloads that it covers are final."""

    by: Authenticator[Any]
    """What proves who we are; testers sign with it anew."""

    def covered(self, outgoing: Outgoing) -> Covered:
        """What the AUTH payload of this message covers."""
        self.by.remember(outgoing, ours=True)
        return self.by.covered(ours=True)

    def __call__(self, outgoing: Outgoing) -> bytes:
        return self.by.value(self.covered(outgoing))


def id_payload(layer: type[Packet], identity: Identity) -> Packet:
    """IDi or IDr for an identity (section 3.5)."""
    return layer(IDtype=identity.type, ID=identity.wire_value)


A = TypeVar("A", bound=type[Authenticator[Any]])
_AUTHENTICATORS: dict[type[Credential], type[Authenticator[Any]]] = {}


def authenticates(credential: type[Credential]) -> Callable[[A], A]:
    """Register the authenticator for a class of credentials and its subclasses."""

    def register(cls: A) -> A:
        _AUTHENTICATORS[credential] = cls
        return cls

    return register


def authenticator(sa: SaRecord) -> Authenticator[Any]:
    """The authenticator that leads IKE_AUTH in our role, for the configured credentials of an IKE SA.

    As initiator it is the one that proves who we are, as responder the one that verifies the peer: it may take further
    rounds. The other one is its `theirs` or `ours`. ConfigError for a credential without one.
    """
    config = sa.config
    if (
        rounds := next((each for each in (config.auth, config.peer_auth) if isinstance(each, RoundsCredential)), None)
    ) is not None:
        return kind_for(rounds)(sa, rounds)
    ours = kind_for(config.auth)(sa, config.auth)
    if config.peer_auth is not config.auth:
        ours.theirs = kind_for(config.peer_auth)(sa, config.peer_auth)
        ours.theirs.ours, ours.theirs.identities = ours, ours.identities
    return ours if sa.initiator else ours.theirs


def accepts(config: IkeConfig, method: int | None) -> bool:
    """Whether a configuration accepts initiators that authenticate by this method; None asks for EAP."""
    kind = kind_for(rounds_of(config.peer_auth)[0])
    return method is None if kind.eap else method in getattr(kind, "accepts", ())


def kind_for(credential: Credential) -> type[Authenticator[Any]]:
    """The class of authenticators for a credential; ConfigError when there is none."""
    kind = type(credential)
    cls = next((_AUTHENTICATORS[base] for base in kind.__mro__ if base in _AUTHENTICATORS), None)
    if cls is None:
        raise ConfigError(f"expected a credential with a registered authenticator, found {kind.__name__}")
    return cls
