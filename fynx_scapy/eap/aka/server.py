# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA and EAP-AKA' as the server, which has the subscribers (RFC 4187 sections 4.1.4, 6.3.2 and 9)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import ClassVar

from scapy.layers.eap import EAP

from fynx_scapy.crypto.milenage import RAND, Vector
from fynx_scapy.eap.aka import packets
from fynx_scapy.eap.aka.keys import KDF, Keys, checkcode, keys, keys_prime
from fynx_scapy.eap.aka.packets import UnusableError
from fynx_scapy.eap.aka.usim import Subscriber, Subscribers
from fynx_scapy.eap.method import Outcome, Run, ServerMethod, ServerSteps
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.layers.ikev2.eap import aka as layers
from fynx_scapy.layers.ikev2.eap.aka import AKA_PRIME_TYPE, AKA_TYPE, AKA_Attribute
from fynx_scapy.text import printable

_QUESTIONS: dict[str, tuple[type[AKA_Attribute], ...]] = {
    "any": (layers.AT_ANY_ID_REQ, layers.AT_FULLAUTH_ID_REQ, layers.AT_PERMANENT_ID_REQ),
    "full": (layers.AT_FULLAUTH_ID_REQ, layers.AT_PERMANENT_ID_REQ),
    "permanent": (layers.AT_PERMANENT_ID_REQ,),
    "": (),
}
"""Which identity is asked for, and what after one that nobody knows (RFC 4187 section 4.1.7)."""


@dataclass(frozen=True, slots=True)
class AkaServer(ServerMethod):
    """EAP-AKA as the server. ConfigError for a question that there is not."""

    name = "AKA"
    type = AKA_TYPE
    safe = True
    prime: ClassVar[bool] = False

    subscribers: Subscribers
    question: str = "permanent"
    """Which identity we ask for: ``permanent``, ``full``, ``any``; empty: that of Identity, or IDi, counts."""
    indications: bool = False
    """Whether we offer to say success under the MAC (RFC 4187 section 6.2)."""
    tap: Callable[[list[AKA_Attribute]], list[AKA_Attribute]] | None = field(default=None, repr=False, kw_only=True)
    """Changes the attributes of our challenges before they get their MAC."""

    def __post_init__(self) -> None:
        if self.question not in _QUESTIONS:
            known = ", ".join(repr(each) for each in _QUESTIONS)
            raise ConfigError(f"expected a question for an identity ({known}), found {self.question!r}")

    def challenge(self, run: Run) -> ServerSteps:
        """[Identity  -->  identity]  Challenge  -->  RES  [Notification  -->  its acknowledgement]."""
        return _Conversation(self, run).steps()


@dataclass(frozen=True, slots=True)
class AkaPrimeServer(AkaServer):
    """EAP-AKA' as the server, in a network with a name."""

    name = "AKA'"
    type = AKA_PRIME_TYPE
    prime = True

    network: str = "WLAN"
    kdfs: tuple[int, ...] = (KDF,)
    """The key derivation functions that we offer. There is but one: others make the peer ask for it."""

    def __post_init__(self) -> None:
        AkaServer.__post_init__(self)
        if not 0 < len(self.network.encode()) <= 1000:
            raise ConfigError(f"expected the name of a network of 1 to 1000 octets, found {self.network[:80]!r}")
        if KDF not in self.kdfs or not all(isinstance(each, int) and 0 <= each < 0x10000 for each in self.kdfs):
            raise ConfigError(f"expected key derivation functions with {KDF} among them, found {self.kdfs!r}")


class _Conversation:
    def __init__(self, method: AkaServer, run: Run) -> None:
        self.method, self.run = method, run
        self.keys: Keys | None = None
        self._exchanged: list[EAP] = []
        self._kdfs = list(method.kdfs) if isinstance(method, AkaPrimeServer) else []
        self._confirmed = self._negotiated = False

    def steps(self) -> ServerSteps:
        """Section 6.3.2: an error is said in a notification, and EAP-Failure follows its answer."""
        try:
            return (yield from self._authenticate())
        except UnusableError as error:
            yield self._notification(packets.FAILURE_AFTER if self._confirmed else packets.FAILURE)
            raise AuthenticationError(str(error)) from None

    def _authenticate(self) -> ServerSteps:
        identity, subscriber = yield from self._identify()
        vector, response = yield from self._exchange(identity, subscriber)
        assert self.keys is not None
        if response.subtype != layers.CHALLENGE:
            raise UnusableError(f"expected Challenge, found {packets.subtype_name(response)}")
        found = packets.attributes(
            response,
            (layers.AT_RES, layers.AT_MAC),
            (layers.AT_CHECKCODE, layers.AT_RESULT_IND, layers.AT_IV, layers.AT_ENCR_DATA),
        )
        if not self.keys.verified(response):
            raise UnusableError("expected AT_MAC to verify, but it is another one")
        res = found[layers.AT_RES]
        if res.actual != 8 * len(vector.res) or not hmac.compare_digest(bytes(res.value), vector.res):
            raise UnusableError("expected RES of the subscriber's USIM, found another one")
        code = found.get(layers.AT_CHECKCODE)
        if code is not None and bytes(code.value) != self._checkcode():
            raise UnusableError("expected AT_CHECKCODE over the identity packets that we saw, found another one")
        self._confirmed = True
        if layers.AT_RESULT_IND in found:
            if not self.method.indications:
                raise UnusableError("expected no AT_RESULT_IND, which we did not offer, found it")
            # "The server MUST ignore the contents of the EAP-AKA response" to it.
            yield self._notification(packets.SUCCESS)
        return Outcome(self.method.name, identity, msk=self.keys.msk, emsk=self.keys.emsk)

    def _identify(self) -> Generator[EAP, EAP, tuple[bytes, Subscriber]]:
        """The identity that counts, and whose it is."""
        identity = self.run.identity
        found = None if _QUESTIONS[self.method.question] else self.method.subscribers.find(identity)
        for question in _QUESTIONS[self.method.question]:
            request = self._made(layers.IDENTITY, question())
            response = yield from self._ask(request)
            if response.subtype != layers.IDENTITY:
                raise UnusableError(f"expected Identity, found {packets.subtype_name(response)}")
            identity = bytes(packets.attributes(response, (layers.AT_IDENTITY,))[layers.AT_IDENTITY].value)
            self._exchanged += (request, response)
            found = self.method.subscribers.find(identity)
            if found is not None:
                break
        if found is None:
            who = printable(identity.decode(errors="replace"), 80)
            raise UnusableError(f"expected a subscriber that we know, found {who}")
        return identity, found

    def _exchange(self, identity: bytes, subscriber: Subscriber) -> Generator[EAP, EAP, tuple[Vector, EAP]]:
        """The challenge, until the peer takes its sequence number and its functions; and the peer's response."""
        vector, resynchronised = self._vector(subscriber), 0
        while True:
            response = yield from self._ask(self._challenge(identity, vector))
            wanted = packets.kdfs(response)
            if response.subtype == layers.SYNCHRONISATION:
                auts = packets.attributes(response, (layers.AT_AUTS,), (layers.AT_KDF,) if self.method.prime else ())
                resynchronised += 1
                if wanted != self._kdfs:
                    raise UnusableError(f"expected the key derivation functions {self._kdfs}, found {wanted}")
                if resynchronised > packets.MOST_RESYNCHRONISATIONS:
                    raise UnusableError("expected the USIM to take its own sequence number, found it refused again")
                if not subscriber.resynchronise(vector.rand, bytes(auts[layers.AT_AUTS].value)):
                    raise UnusableError("expected AUTS of the subscriber's USIM, but its MAC does not verify")
                vector = self._vector(subscriber)
            elif self.method.prime and wanted and response.subtype == layers.CHALLENGE:
                packets.attributes(response, (layers.AT_KDF,))
                self._agree(wanted)
                self._negotiated, self._kdfs = True, [*wanted, *self._kdfs]
            else:
                return vector, response

    def _agree(self, wanted: list[int]) -> None:
        """UnusableError for a function that the peer may not ask for (RFC 9048 section 3.2): once, not the first."""
        if self._negotiated or wanted != [KDF] or KDF not in self._kdfs[1:]:
            raise UnusableError(f"expected one key derivation function of {self._kdfs[1:]}, found {wanted}")

    def _vector(self, subscriber: Subscriber) -> Vector:
        """With the next sequence number. A USIM may say, in AUTS, that it has taken the last one there is."""
        try:
            return subscriber.vector(self.run.octets(RAND))
        except ConfigError as error:
            raise UnusableError(str(error)) from None

    def _challenge(self, identity: bytes, vector: Vector) -> EAP:
        method = self.method
        parts: list[AKA_Attribute] = [layers.AT_RAND(value=vector.rand), layers.AT_AUTN(value=vector.autn)]
        if isinstance(method, AkaPrimeServer):
            self.keys = keys_prime(identity, vector, method.network.encode())
            parts += (layers.AT_KDF(number=each) for each in self._kdfs)
            parts.append(layers.AT_KDF_INPUT(value=method.network))
        else:
            self.keys = keys(identity, vector)
            if AKA_PRIME_TYPE in self.run.types:
                parts.append(layers.AT_BIDDING(number=packets.BIDDING))
        parts.append(layers.AT_CHECKCODE(value=self._checkcode()))
        if method.indications:
            parts.append(layers.AT_RESULT_IND())
        if method.tap is not None:
            parts = method.tap(parts)
        return self.keys.sealed(self._made(layers.CHALLENGE, *parts, layers.AT_MAC()))

    def _ask(self, request: EAP) -> Generator[EAP, EAP, EAP]:
        """The response to a request. AuthenticationError when the peer gives up (section 6.3.3)."""
        response = packets.read((yield request), self.method.type)
        if response.subtype == layers.CLIENT_ERROR:
            codes = [each.number for each in response.attributes if isinstance(each, layers.AT_CLIENT_ERROR_CODE)]
            said = f"code {codes[0]}" if codes else "no code"
            raise AuthenticationError(f"expected EAP-{self.method.name} to go on, found a client error with {said}")
        if response.subtype == layers.REJECT:
            raise AuthenticationError("expected the USIM to accept AUTN, found Authentication-Reject")
        return response

    def _notification(self, code: int) -> EAP:
        said = layers.AT_NOTIFICATION(number=code)
        if code & packets.PHASE or self.keys is None:
            return self._made(layers.NOTIFICATION, said)
        return self.keys.sealed(self._made(layers.NOTIFICATION, said, layers.AT_MAC()))

    def _checkcode(self) -> bytes:
        return checkcode(self.method.type, self._exchanged)

    def _made(self, subtype: int, *parts: AKA_Attribute) -> EAP:
        return packets.made(self.method.type, EAP.REQUEST, subtype, self.run.identifier, parts)
