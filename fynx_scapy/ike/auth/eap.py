# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication of clients by EAP (RFC 7296 section 2.16), without a certificate of the gateway, too (RFC 5998)."""

from __future__ import annotations

from contextlib import closing
from typing import Any, cast

from fynx_scapy.eap.method import Method, Outcome
from fynx_scapy.eap.peer import EapPeer
from fynx_scapy.eap.server import EapServer
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.iana import AuthMethod, NotifyType
from fynx_scapy.ike.auth.authenticator import REST_OF_ANSWER, Authenticator, Rounds, authenticates
from fynx_scapy.ike.auth.eap_room import EapRoom
from fynx_scapy.ike.auth.methods import Covered, Proofs
from fynx_scapy.ike.credentials.credential import Proof
from fynx_scapy.ike.credentials.eap import Eap, identity_of
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.ike.events import EapNotified
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.wire.rules import MANY, MAYBE, P, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_EAP
from fynx_scapy.text import LONGEST, printable

_METHOD = AuthMethod.Shared_Key_Message_Integrity_Code
_ONLY = NotifyType.EAP_ONLY_AUTHENTICATION


class EapAuthenticator(Authenticator[Any]):
    """What both ends have in common: the last two AUTH payloads, and what they are made with."""

    method = _METHOD
    accepts = frozenset({_METHOD})
    wants = "EAP"
    eap = True
    rounds = (
        Round(
            # HDR, SK {EAP}  -->     or, after EAP-Success,     HDR, SK {AUTH}  -->
            Rule({P.EAP: MAYBE, P.AUTH: MAYBE, P.N: MANY, P.V: MANY}),
            # <--  HDR, SK {EAP}     or     <--  HDR, SK {AUTH, [CP,] SAr2, TSi, TSr}
            Rule({P.EAP: MAYBE, P.AUTH: MAYBE, **REST_OF_ANSWER}, notifies_alone=True),
        ),
    )
    outcome: Outcome | None = None
    _only = False
    """Whether the gateway authenticates by EAP alone in this exchange."""

    def value(self, covered: Covered) -> bytes:
        """With the MSK as shared secret; "If EAP methods that do not generate a shared key are used", with SK_p."""
        return covered.shared_key(self._secret(covered))

    def proofs(self) -> Proofs:
        """The MSK; or nothing: SK_p is in what AUTH covers."""
        msk = self.outcome.msk if self.outcome is not None else b""
        return Proofs(secrets=((msk, "the EAP MSK"),)) if msk else Proofs(keyless_eap=True)

    def _secret(self, covered: Covered) -> bytes:
        return (self.outcome.msk if self.outcome is not None else b"") or covered.sk_p

    def check(self, method: int, data: bytes, covered: Covered, message: Message) -> None:
        """Also what proved it. Of a gateway that did so before, by another credential, that stays."""
        before = self.sa.peer_proof
        super().check(method, data, covered, message)
        assert self.outcome is not None
        self.sa.peer_proof = before
        if self.theirs is self:
            self.sa.peer_proof = Proof(method, f"EAP-{self.outcome.method} as {self._user()}")

    def _user(self) -> str:
        """Who has authenticated, in words."""
        assert self.outcome is not None
        return printable(self.outcome.identity, LONGEST)

    def goes_on(self, answer: Message) -> bool:
        """An answer with EAP does, too."""
        return answer.get(IKEv2_EAP) is not None or super().goes_on(answer)

    def _settle(self, outcome: Outcome | None, method: Method | None) -> None:
        """RFC 5998 section 3: "Both the initiator and responder MUST verify" that the method allows EAP alone."""
        assert outcome is not None and method is not None  # noqa: PT018 -- EAP has succeeded
        if self._only and not method.safe:
            raise AuthenticationError(f"expected an EAP method that is safe alone, found EAP-{outcome.method}")
        self.outcome = outcome


@authenticates(Eap)
class EapInitiator(EapAuthenticator):
    """The client. The gateway proves who it is in its first answer, by another credential; or by EAP alone."""

    credential: Eap

    def begin(self, request: Outgoing) -> None:
        """No AUTH: that is how an initiator asks for EAP."""
        if self.credential.only:
            request.payloads.append(notify(_ONLY))

    def initiate(self, answer: Message) -> Rounds:
        """IDr, [CERT,] [AUTH,] EAP   EAP  -->   ...   EAP-Success   AUTH  -->   AUTH."""
        self.remember(answer, ours=False)
        self._verify_gateway(answer)
        return (yield from self.converse(answer))

    def converse(self, answer: Message) -> Rounds:
        """The same from EAP's first request on."""
        sa = self.sa
        octets, told = sa.endpoint.randomness.octets, self._told
        talk = EapPeer(self.credential.identity_octets, self.credential.methods, octets, told)
        with closing(talk):
            while (response := talk.receive(_packet(answer))) is not None:
                answer = yield Outgoing([IKEv2_EAP(eap=response)])
        self._settle(talk.outcome, talk.method)
        self._check_alone()
        # HDR, SK {AUTH}  -->
        last = Outgoing([])
        self.sign(last)
        answer = yield last
        # <--  HDR, SK {AUTH, SAr2, TSi, TSr}
        self.verify(answer)
        return answer

    def _told(self, text: str) -> None:
        """A Notification: a message for the user."""
        self.sa.emit(EapNotified(*self.sa.stamp, text=text))

    def _check_alone(self) -> None:
        """By EAP alone, IDr is in no proof but the server's certificate: any holder of one could say it was another."""
        if self._only and self.outcome is not None and self.outcome.certificate:
            from fynx_scapy.pki.identity import matches

            said = Identity.parse(self.identities[False])
            matches(self.outcome.certificate, said.type, said.data, configured=said == self.config.remote_id)

    def _verify_gateway(self, answer: Message) -> None:
        """Its AUTH by another credential. "If the responder does not support" RFC 5998, it is verified nevertheless."""
        if answer.get(IKEv2_AUTH) is None and self.credential.only:
            self._only = True
        elif self.theirs is self:
            raise AuthenticationError(
                "expected the gateway to authenticate by EAP alone, found AUTH, and we trust nobody"
            )
        else:
            self.theirs.verify(answer)


@authenticates(EapUsers)
class EapResponder(EapAuthenticator):
    """The gateway. It proves who it is first, by its own credential, unless the client wants EAP alone."""

    credential: EapUsers

    def _user(self) -> str:
        assert self.outcome is not None
        return str(_identities(self.outcome)[0]) if self.outcome.certificate else super()._user()

    def respond(self, request: Message) -> Rounds:
        """IDr, [CERT,] [AUTH,] EAP  <--   EAP  -->   ...   EAP-Success  <--   AUTH  -->."""
        safe = all(method.safe for method in self.credential.methods)
        self._only = self.credential.only and safe and request.has_notify(_ONLY)
        talk = self.converse(request)
        with closing(talk):
            # <--  HDR, SK {IDr, [CERT,] AUTH, EAP}
            answer, first = Outgoing([]), next(talk)
            self.ours.heed(request)
            self.ours.identify(answer)
            if not self._only:
                self.ours.present(answer)
                self.ours.sign(answer)
            answer.payloads += first.payloads
            message = yield answer
            self.remember(answer.sent, ours=True)
            return (yield from resumed(talk, message))

    def converse(self, request: Message) -> Rounds:
        """Only EAP, and the AUTH that ends it. It begins with EAP's first request."""
        self.remember(request, ours=False)
        if request.get(IKEv2_AUTH) is not None:
            raise AuthenticationError("expected no AUTH, which asks for EAP, found AUTH")
        credential, sa = self.credential, self.sa
        identity = None if credential.ask else self.identities[False][4:]
        talk = EapServer(credential.methods, sa.endpoint.randomness.octets, identity, EapRoom(sa))
        with closing(talk):
            answer = Outgoing([IKEv2_EAP(eap=talk.begin())])
            while True:
                message = yield answer
                packet = talk.receive(_packet(message))
                if talk.error is not None:
                    self.farewell = (IKEv2_EAP(eap=packet),)
                    raise talk.error
                answer = Outgoing([IKEv2_EAP(eap=packet)])
                if talk.outcome is not None:
                    break
        self._settle(talk.outcome, talk.method)
        # <--  HDR, SK {EAP (success)}     HDR, SK {AUTH}  -->
        message = yield answer
        self.verify(message)
        return message

    def proven(self, claimed: Identity) -> Identity:
        """Section 2.16: "It is important that policy lookups and access control decisions use the actual authenticated
        identity". IDi has chosen the configuration; if that names a peer, EAP must have proven the same one.
        """
        assert self.outcome is not None
        wanted, found = self.config.remote_id, _identities(self.outcome)
        if wanted is not None:
            if any(each.same(wanted) for each in found):
                return wanted
            raise AuthenticationError(f"expected the peer to be {wanted}, found {found[0]} by EAP")
        return found[0]

    def finish(self, request: Message, answer: Outgoing) -> None:
        """Only AUTH: who we are was said in the first answer."""
        self.sign(answer)


def resumed(rounds: Rounds, message: Message) -> Rounds:
    """The rest of rounds that wait for this message."""
    try:
        while True:
            message = yield rounds.send(message)
    except StopIteration as end:
        return cast(Message, end.value)


def _identities(outcome: Outcome) -> list[Identity]:
    """Whom a method has authenticated. What it said of itself comes first, if it is one of those.

    Of a peer with a certificate that is what the certificate says (RFC 5216 section 5.2), whatever it said before.
    """
    said = identity_of(outcome.identity)
    if not outcome.certificate:
        return [said]
    from fynx_scapy.pki.identity import identities

    found = [Identity(int(kind), value) for kind, value in identities(outcome.certificate)]
    if not found:
        raise AuthenticationError("expected an identity in the certificate of EAP-TLS, found none")
    return sorted(found, key=lambda each: not each.same(said))


def _packet(message: Message) -> bytes:
    payload = message.get(IKEv2_EAP)
    if payload is None:
        raise AuthenticationError("expected an EAP payload, found none")
    return bytes(payload.data)
