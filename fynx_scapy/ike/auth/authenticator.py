# SPDX-License-Identifier: GPL-2.0-or-later
"""What every authenticator is: how one end shows in IKE_AUTH who it is, and what it takes from the peer.

RFC 7296 sections 2.15 and 2.16. One class for each kind of credential; the exchange IKE_AUTH calls it, in both roles.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from scapy.packet import Packet

from fynx_scapy.errors import AuthenticationError, ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod, name_of
from fynx_scapy.ike.auth.methods import Covered, Proofs, verify
from fynx_scapy.ike.message import Message, Outgoing, Payloads
from fynx_scapy.ike.terms.credential import Credential
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.wire.rules import MANY, MAYBE, Count, P, Round
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDi, IKEv2_IDr, IKEv2_Payload

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord

Rounds = Generator[Outgoing, Message, Message]
"""Messages to send; each yield gives the peer's next one, and the last one is returned."""

REST_OF_ANSWER: dict[int, Count] = {
    P.CP: MAYBE, P.SA: MAYBE, P.TSi: MAYBE, P.TSr: MAYBE, P.N: MANY, P.V: MANY,
}  # fmt: skip
"""What the last answer of IKE_AUTH may hold beside the authentication, for the rows in `Authenticator.rounds`."""


C = TypeVar("C", bound=Credential)


class Authenticator(ABC, Generic[C]):
    """The authentication of one IKE SA, both directions. Made for each IKE_AUTH exchange.

    An authenticator of one round defines ``method``, ``accepts``, ``wants``, `value` and `proofs`. One with further
    rounds gives their rows in ``rounds``, and overrides `initiate` and `respond`. One that signs with other keys
    overrides `covered`. Message IDs, retransmission and refusals are the exchange's business.
    """

    method: ClassVar[int]
    """The authentication method of our own AUTH payload."""
    accepts: ClassVar[frozenset[int]]
    """The authentication methods that will do for the peer."""
    wants: ClassVar[str]
    """What those are called in an error."""
    eap: ClassVar[bool] = False
    """Whether the peer may answer with EAP payloads."""
    rounds: ClassVar[tuple[Round, ...]] = ()
    """What the messages behind the first request and its answer may hold; the last row goes for all that follow."""

    def __init__(self, sa: SaRecord, credential: C) -> None:
        self.sa, self.credential = sa, credential
        self.identities: dict[bool, bytes] = {}
        """The bodies of the ID payloads of both ends as they were sent and received, ours under True."""

    # What goes out

    @abstractmethod
    def value(self, covered: Covered) -> bytes:
        """The data of our AUTH payload."""

    def begin(self, request: Outgoing) -> None:
        """Add to the initiator's first request what shows who it is. It has IDi already; the rest comes after."""
        self.sign(request)

    def conclude(self, answer: Outgoing) -> None:
        """Add to the responder's last answer what shows who it is. It is empty yet; the rest comes after."""
        if True not in self.identities:
            self.identify(answer)
        self.sign(answer)

    def identify(self, message: Outgoing) -> None:
        """Append our ID payload."""
        message.payloads.append(id_payload(self._layer(ours=True), self.sa.config.local_id))

    def sign(self, message: Outgoing) -> None:
        """Append AUTH, computed after the payloads tap, to cover the identity that is really sent (section 2.15)."""
        auth = IKEv2_AUTH(auth_type=int(self.method))
        message.payloads.append(auth)

        def data(outgoing: Outgoing) -> bytes:
            self.remember(outgoing, ours=True)
            return self.value(self.covered(ours=True))

        message.compute(auth, "load", data)

    # What comes in

    @abstractmethod
    def proofs(self) -> Proofs:
        """What the peer's AUTH payload may be verified with."""

    def initiate(self, answer: Message) -> Rounds:
        """The initiator's side from the first answer on: verify the responder, and go on as long as it takes.

        Raises AuthenticationError where the responder is not who it says. Returns the answer that ends IKE_AUTH.
        """
        self.verify(answer)
        return answer
        yield  # a generator of no round

    def respond(self, request: Message) -> Rounds:
        """The responder's side from the first request on: verify the initiator, and answer as long as it takes.

        Raises AuthenticationError where the initiator is not who it says. Returns the request that ends IKE_AUTH;
        its answer is begun by `conclude`.
        """
        self.verify(request)
        return request
        yield  # a generator of no round

    def verify(self, message: Message) -> None:
        """Verify the AUTH payload of a message of the peer's; AuthenticationError when it does not prove who it is."""
        self.remember(message, ours=False)
        auth = message.get(IKEv2_AUTH)
        if auth is None:
            # Section 2.16: "An initiator indicates a desire to use EAP by leaving out the AUTH payload".
            raise AuthenticationError("the initiator asks for EAP, which we do not do")
        if auth.auth_type not in self.accepts:
            raise AuthenticationError(
                f"expected authentication by {self.wants}, found {name_of(AuthMethod, auth.auth_type)}"
            )
        covered = self.covered(ours=False)
        try:
            verify(auth.auth_type, bytes(auth.load), covered, self.proofs())
        except (AuthenticationError, MalformedError, ConfigError) as error:
            raise AuthenticationError(
                f"the AUTH payload of {Identity.parse(covered.identity)} does not verify"
            ) from error

    def goes_on(self, answer: Message) -> bool:
        """Whether an answer goes on with the authentication, so that an error in it concerns the Child SA alone."""
        return answer.get(IKEv2_AUTH) is not None and (False in self.identities or answer.get(IKEv2_IDr) is not None)

    # What both are about

    def remember(self, message: Payloads, *, ours: bool) -> None:
        """Take in the sender's identity, where the message holds it: AUTH in a later one covers it too."""
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
            sk_p=sa.keys.sk_pi if by_initiator else sa.keys.sk_pr,
            identity=self.identities[ours],
        )

    def _layer(self, *, ours: bool) -> type[IKEv2_Payload]:
        """The class of an end's ID payload. IDr in a request names whom the initiator asks for: nobody signs that."""
        return IKEv2_IDi if ours == self.sa.initiator else IKEv2_IDr


def id_payload(layer: type[Packet], identity: Identity) -> Packet:
    """IDi or IDr for an identity (section 3.5)."""
    return layer(IDtype=identity.type, ID=identity.wire_value)


A = TypeVar("A", bound=type[Authenticator[Any]])
_AUTHENTICATORS: dict[type[Credential], type[Authenticator[Any]]] = {}


def authenticates(credential: type[Credential]) -> Callable[[A], A]:
    """Register the class that authenticates with credentials of this class, and of those derived from it."""

    def register(cls: A) -> A:
        _AUTHENTICATORS[credential] = cls
        return cls

    return register


def authenticator(sa: SaRecord) -> Authenticator[Any]:
    """The authenticator for the credential in an IKE SA's configuration; ConfigError when there is none."""
    kind = type(sa.config.auth)
    found = next((_AUTHENTICATORS[base] for base in kind.__mro__ if base in _AUTHENTICATORS), None)
    if found is None:
        raise ConfigError(f"expected a credential that an authenticator is registered for, found {kind.__name__}")
    return found(sa, sa.config.auth)
