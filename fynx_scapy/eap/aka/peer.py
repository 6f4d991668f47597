# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA and EAP-AKA' as the peer, who has a USIM (RFC 4187 sections 4.1.5, 6.3.1 and 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from scapy.layers.eap import EAP

from fynx_scapy.crypto.milenage import RAND, SEPARATION, SQN
from fynx_scapy.eap import packets as eap_packets
from fynx_scapy.eap.aka import packets
from fynx_scapy.eap.aka.keys import KDF, Keys, checkcode, keys, keys_prime
from fynx_scapy.eap.aka.packets import UnusableError
from fynx_scapy.eap.aka.usim import NotAcceptedError, OutOfOrderError, Usim
from fynx_scapy.eap.method import Outcome, PeerMethod, PeerSteps, Run
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.layers.ikev2.eap import aka as layers
from fynx_scapy.layers.ikev2.eap.aka import AKA_PRIME_TYPE, AKA_TYPE, AKA_Attribute
from fynx_scapy.text import printable

_REQUESTS = (layers.AT_ANY_ID_REQ, layers.AT_FULLAUTH_ID_REQ, layers.AT_PERMANENT_ID_REQ)
"""What asks for an identity, in the order in which a server may ask (RFC 4187 section 4.1.5)."""


@dataclass(frozen=True, slots=True)
class AkaPeer(PeerMethod):
    """EAP-AKA as the peer."""

    name = "AKA"
    type = AKA_TYPE
    safe = True
    prime: ClassVar[bool] = False

    usim: Usim
    indications: bool = True
    """Whether we want a protected success from a server that offers it (RFC 4187 section 6.2)."""

    def respond(self, run: Run, request: EAP) -> PeerSteps:
        """[Identity  -->  identity]  Challenge  -->  RES  [Notification  -->  its acknowledgement]."""
        return _Conversation(self, run).steps(request)


@dataclass(frozen=True, slots=True)
class AkaPrimePeer(AkaPeer):
    """EAP-AKA' as the peer, which makes keys for one network."""

    name = "AKA'"
    type = AKA_PRIME_TYPE
    prime = True

    network: str = ""
    """The name of the network; a server that says another one is refused. Empty: any (RFC 9048 section 3.1)."""


class _RejectedError(Exception):
    """The server is not the home network: Authentication-Reject."""


class _Conversation:
    def __init__(self, method: AkaPeer, run: Run) -> None:
        self.method, self.run = method, run
        self.keys: Keys | None = None
        self._exchanged: list[EAP] = []
        self._asked = -1
        self._resynchronised = 0
        self._wanted: list[int] | None = None
        """The functions that the next challenge has to name."""
        self._notified = False
        self._outcome: Outcome | None = None
        self._identifier = 0
        self._handlers: dict[int, Callable[[EAP], EAP]] = {
            layers.IDENTITY: self._identify,
            layers.CHALLENGE: self._challenged,
            layers.NOTIFICATION: self._told,
        }

    def steps(self, request: EAP) -> PeerSteps:
        """Until what ends it has been answered."""
        try:
            while True:
                self._identifier = eap_packets.identifier_of(request)
                packet = packets.read(request, self.method.type)
                handler = self._handlers.get(packet.subtype)
                if handler is None:
                    raise UnusableError(
                        f"expected Identity, Challenge or Notification of EAP-{self.method.name}, "
                        f"found {packets.subtype_name(packet)}"
                    )
                request = yield handler(packet)
        except UnusableError as error:
            self._fail(str(error))
            yield self._made(layers.CLIENT_ERROR, layers.AT_CLIENT_ERROR_CODE(number=0))
        except _RejectedError as error:
            self._fail(str(error))
            yield self._made(layers.REJECT)

    def _identify(self, packet: EAP) -> EAP:
        """Section 4.1.5. We have no pseudonym, so every question is answered by the permanent identity."""
        if self.keys is not None or self._resynchronised or self._wanted is not None:
            raise UnusableError("expected no question for the identity after the challenge, found one")
        found = packets.attributes(packet, (), _REQUESTS)
        if len(found) != 1:
            raise UnusableError(f"expected one request for an identity, found {len(found)}")
        asked = _REQUESTS.index(next(iter(found)))
        if asked <= self._asked:
            raise UnusableError("expected the server to ask for a less private identity than before, found the same")
        self._asked = asked
        response = self._made(layers.IDENTITY, layers.AT_IDENTITY(value=self.run.identity))
        self._exchanged += (packet, response)
        return response

    def _challenged(self, packet: EAP) -> EAP:
        if self.keys is not None:
            raise UnusableError("expected no further challenge after one that we have answered, found one")
        prime = (layers.AT_KDF, layers.AT_KDF_INPUT) if self.method.prime else ()
        found = packets.attributes(
            packet,
            (layers.AT_RAND, layers.AT_AUTN, layers.AT_MAC),
            (*prime, layers.AT_IV, layers.AT_ENCR_DATA, layers.AT_CHECKCODE, layers.AT_RESULT_IND, layers.AT_BIDDING),
        )
        rand, autn = bytes(found[layers.AT_RAND].value), bytes(found[layers.AT_AUTN].value)
        if len(rand) != RAND:
            raise UnusableError(f"expected RAND of {RAND} octets, found {len(rand)}")
        network = b""
        if isinstance(self.method, AkaPrimePeer):
            if (wanted := self._agree(packets.kdfs(packet))) is not None:
                return self._made(layers.CHALLENGE, layers.AT_KDF(number=wanted))
            network = self._network(found, self.method.network)
            if not autn[SQN] & SEPARATION:
                raise _RejectedError("expected AUTN with the separation bit (RFC 9048 section 3.3), found it without")
        try:
            vector = self.method.usim.answer(rand, autn)
        except NotAcceptedError as error:
            raise _RejectedError(str(error)) from None
        except OutOfOrderError as error:
            return self._synchronise(error.auts, packets.kdfs(packet))
        identity = self.run.identity
        derived = keys_prime(identity, vector, network) if self.method.prime else keys(identity, vector)
        if not derived.verified(packet):
            raise UnusableError("expected AT_MAC to verify, but it is another one")
        self._check(found)
        self.keys = derived
        self._outcome = Outcome(self.method.name, identity, msk=derived.msk, emsk=derived.emsk)
        parts: list[AKA_Attribute] = [layers.AT_RES(value=vector.res)]
        if layers.AT_CHECKCODE in found:
            parts.append(layers.AT_CHECKCODE(value=checkcode(self.method.type, self._exchanged)))
        if layers.AT_RESULT_IND in found and self.method.indications:
            parts.append(layers.AT_RESULT_IND())  # success is not believed before it is said under the MAC
        else:
            self.run.outcome = self._outcome
        return derived.sealed(self._made(layers.CHALLENGE, *parts, layers.AT_MAC()))

    def _check(self, found: packets.Found) -> None:
        """What only counts under the MAC."""
        code = found.get(layers.AT_CHECKCODE)
        if code is not None and bytes(code.value) != checkcode(self.method.type, self._exchanged):
            raise UnusableError("expected AT_CHECKCODE over the identity packets that we saw, found another one")
        bid = found.get(layers.AT_BIDDING)
        if bid is not None and bid.number & packets.BIDDING and AKA_PRIME_TYPE in self.run.types:
            raise _RejectedError("expected EAP-AKA', which both ends have, found EAP-AKA: somebody may have changed it")

    def _agree(self, offered: list[int]) -> int | None:
        """The function to ask for instead of the first one; None to go on (RFC 9048 section 3.2)."""
        if self._wanted is not None:
            if offered != self._wanted:
                raise UnusableError(f"expected the key derivation functions {self._wanted}, found {offered}")
            return None
        if len(set(offered)) != len(offered):
            raise _RejectedError(f"expected different key derivation functions, found {offered}")
        if KDF not in offered:
            raise _RejectedError(f"expected key derivation function {KDF}, found {offered}")
        if offered[0] == KDF:
            self._wanted = offered
            return None
        self._wanted = [KDF, *offered]
        return KDF

    def _network(self, found: packets.Found, ours: str) -> bytes:
        """The name that the server says, if it may be ours (RFC 9048 section 3.1)."""
        said = found.get(layers.AT_KDF_INPUT)
        name = bytes(said.value) if said is not None else b""
        if not name:
            raise _RejectedError("expected the name of a network in AT_KDF_INPUT, found none")
        pairs = zip(name.split(b":"), ours.encode().split(b":"), strict=False)
        if ours and any(one != other for one, other in pairs):
            text = printable(name.decode(errors="replace"))
            raise _RejectedError(f"expected the network {printable(ours)}, found {text}")
        return name

    def _synchronise(self, auts: bytes, offered: list[int]) -> EAP:
        self._resynchronised += 1
        if self._resynchronised > packets.MOST_RESYNCHRONISATIONS:
            raise UnusableError("expected a sequence number that has not been used before, found used ones again")
        again = [layers.AT_KDF(number=each) for each in offered]
        return self._made(layers.SYNCHRONISATION, layers.AT_AUTS(value=auts), *again)

    def _told(self, packet: EAP) -> EAP:
        """Section 6.1. It is answered whatever its code is."""
        found = packets.attributes(
            packet, (layers.AT_NOTIFICATION,), (layers.AT_MAC, layers.AT_IV, layers.AT_ENCR_DATA)
        )
        if self._notified:
            raise UnusableError("expected at most one notification, found another one")
        self._notified = True
        code = found[layers.AT_NOTIFICATION].number
        if code & packets.PHASE:
            if layers.AT_MAC in found or code & packets.SUCCEEDS:
                raise UnusableError(f"expected a failure without a MAC before authentication, found code {code}")
        elif self.keys is None or layers.AT_MAC not in found or not self.keys.verified(packet):
            raise UnusableError(f"expected a notification under a MAC that verifies, found code {code} without")
        if not code & packets.SUCCEEDS:
            what = packets.NOTIFICATIONS.get(code, f"code {code}")
            self._fail(f"expected EAP-{self.method.name} to succeed, found the notification {what}")
        elif self.run.outcome is not None and code == packets.SUCCESS:
            raise UnusableError("expected no notification of success, which was not agreed on, found one")
        else:
            self.run.outcome = self._outcome
        if code & packets.PHASE or self.keys is None:
            return self._made(layers.NOTIFICATION)
        return self.keys.sealed(self._made(layers.NOTIFICATION, layers.AT_MAC()))

    def _fail(self, why: str) -> None:
        self.run.outcome, self.run.error = None, AuthenticationError(why)

    def _made(self, subtype: int, *parts: AKA_Attribute) -> EAP:
        return packets.made(self.method.type, EAP.RESPONSE, subtype, self._identifier, parts)
