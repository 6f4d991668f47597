# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT: agree on algorithms, exchange nonces and public values (RFC 7296 sections 1.2, 2.6 and 2.14)."""

from __future__ import annotations

from collections.abc import Sequence

from fynx_scapy.errors import FynxError, MalformedError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, name_of
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.core.keyshare import (
    KeyShare,
    Rejection,
    agreed_secret,
    answered_secret,
    check_nonce,
    own_nonce,
    prf_of,
    retried_share,
    sent_nonce,
)
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.ike.strangers import puzzles
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.terms.proposals import KE, PRF, Choice, Offer, check_answer, choose, offers
from fynx_scapy.ike.wire.refusal import describe
from fynx_scapy.ike.wire.rules import MANY, MAYBE, ONE, P, Phase, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_PS, IKEv2_SA


@exchange(ExchangeType.IKE_SA_INIT)
class IkeSaInit(Exchange):
    """The first exchange of an IKE SA."""

    phase = Phase.BEFORE_AUTH
    notes_itself = True
    rules: tuple[Round, ...] = (
        Round(
            # HDR, [N(COOKIE), [PS,]] SAi1, KEi, Ni  -->
            Rule({P.PS: MAYBE, P.SA: ONE, P.KE: ONE, P.Nonce: ONE, P.N: MANY, P.V: MANY}, encrypted=False),
            # <--  HDR, SAr1, KEr, Nr, [CERTREQ,]   or   <--  HDR, N(COOKIE)
            Rule(
                {P.SA: ONE, P.KE: ONE, P.Nonce: ONE, P.CERTREQ: MANY, P.N: MANY, P.V: MANY},
                encrypted=False,
                notifies_alone=True,
            ),
        ),
    )
    _asked: tuple[Outgoing, KeyShare] | None = None
    _agreed: tuple[Message, Choice, bytes] | None = None
    _retries = 0

    def initiate(self) -> Steps:
        """Send the offer, follow COOKIE and INVALID_KE_PAYLOAD as often as configured, and derive SK_*."""
        sa, config = self.sa, self.sa.config
        group = config.ke if config.ke is not None else config.proposals[0].of_type(KE)[0].id
        share = KeyShare.generate(group, sa.endpoint.randomness.octets)
        drawn = own_nonce(sa, (t.id for p in config.proposals for t in p.of_type(PRF)))
        nonce = IKEv2_Nonce(nonce=drawn)
        offer = IKEv2_SA(prop=[p.layer(number) for number, p in enumerate(config.proposals, 1)])
        cookie: bytes | None = None
        solution: IKEv2_PS | None = None
        for self._retries in range(config.cookies + 1):
            # HDR(A,0), [N(COOKIE), [PS,]] SAi1, KEi, Ni, N(NAT_DETECTION_*)  -->
            message = self.request(offer, share.payload(), nonce, encrypted=False)
            if cookie is not None:
                # Section 2.6: the cookie is the first payload, all others are unchanged.
                message.payloads[:0] = [notify(NotifyType.COOKIE, cookie), *([solution] if solution else [])]
            self._asked = message, share
            answer = yield message
            # <--  HDR(A,0), N(COOKIE), [N(PUZZLE)]
            if wanted := answer.notify(NotifyType.COOKIE):
                cookie = bytes(wanted.notify)
                solution = puzzles.solution(sa, answer, cookie)
            # <--  HDR(A,0), N(INVALID_KE_PAYLOAD)
            elif (other := retried_share(sa, message, answer)) is not None:
                share = other
            else:
                break
        else:
            raise PeerError(
                NotifyType.COOKIE, reason=f"expected at most {config.cookies} requests to retry IKE_SA_INIT, found more"
            )
        # <--  HDR(A,B), SAr1, KEr, Nr
        choice, shared = self._agree(message, share, answer)
        sa.spi_r = answer.header_fields.spi_r
        hooks.note(self, answer)
        sa.nonce_i, sa.nonce_r = sent_nonce(message, drawn), answer.one(IKEv2_Nonce).nonce
        sa.derive_keys(choice.suite, shared)
        puzzles.solve_for_auth(sa, answer)

    def respond(self, request: Message) -> Steps:
        """Choose a proposal, ask for another group if the KE payload has the wrong one, and derive SK_*."""
        sa = self.sa
        ke, nonce = request.one(IKEv2_KE), request.one(IKEv2_Nonce).nonce
        choice = self._choose(request, ke.group)
        check_nonce(nonce, choice.suite)
        ke_payload, shared = answered_secret(choice, request, sa.endpoint.randomness.octets)
        hooks.note(self, request)
        sa.nonce_i, sa.nonce_r = nonce, own_nonce(sa, prf_of(choice.suite))
        sa.derive_keys(choice.suite, shared)
        # <--  HDR(A,B), SAr1, KEr, Nr, N(NAT_DETECTION_*)
        answer = self.response(
            IKEv2_SA(prop=[choice.layer()]),
            *ke_payload,
            IKEv2_Nonce(nonce=sa.nonce_r),
            encrypted=False,
        )
        puzzles.pose_for_auth(sa, answer, sa.endpoint.of(Admission).puzzle_for(sa))
        yield answer
        if (sent := sent_nonce(answer, sa.nonce_r)) != sa.nonce_r:
            # A tap changed the nonce, and the peer uses the one that it received.
            sa.nonce_r = sent
            sa.derive_keys(choice.suite, shared)

    def _agree(self, message: Outgoing, share: KeyShare, answer: Message) -> tuple[Choice, bytes]:
        """The chosen proposal of an answer, and the shared secret. PeerError or MalformedError when it is unusable."""
        if self._agreed is not None and self._agreed[0] is answer:
            return self._agreed[1:]
        if error := answer.error():
            raise PeerError(
                error.type, bytes(error.notify), f"IKE_SA_INIT was answered with {name_of(NotifyType, error.type)}"
            )
        if answer.get(IKEv2_SA) is None:
            raise MalformedError(f"expected SA, KE and Nonce, but IKE_SA_INIT was answered with {describe(answer)}")
        choice = check_answer(offers(answer.one(IKEv2_SA)), offers(message.sent.one(IKEv2_SA)))
        check_nonce(answer.one(IKEv2_Nonce).nonce, choice.suite)
        if answer.header_fields.spi_r == bytes(8):
            raise MalformedError("expected a responder SPI other than zero in the answer to IKE_SA_INIT")
        if self.sa.endpoint.owns(answer.header_fields.spi_r):
            raise MalformedError("expected the peer's responder SPI, found one of ours")
        self._agreed = answer, choice, agreed_secret(choice, share, message.sent, answer)
        return self._agreed[1:]

    def doubts(self, answer: Message) -> bool:
        """Whether the answer is useless and may be forged: it neither corrects our request nor accepts it (2.21.1)."""
        if self._asked is None:
            return False
        message, share = self._asked
        rejection = Rejection.read(self.sa, message.sent, answer)
        if rejection is not None and rejection.fault is not None:
            rejection.report(self.sa, encrypted=False)
            return True
        wanted, shown = answer.notify(NotifyType.COOKIE), message.notify(NotifyType.COOKIE)
        if wanted is not None and shown is not None and bytes(wanted.notify) == bytes(shown.notify):
            return True  # a repeated answer to an earlier request: this request has the cookie already
        if rejection is not None or wanted is not None:
            return self._retries == self.sa.config.cookies
        try:
            self._agree(message, share, answer)
        except FynxError:
            return True
        return hooks.doubted(self.sa, answer)

    def _choose(self, request: Message, group: int) -> Choice:
        offered = offers(request.one(IKEv2_SA))
        choice = _choose_config(self.sa, offered, group)
        if choice is None:
            raise PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason="no proposal for the IKE SA is acceptable")
        return choice

    def failed(self, error: FynxError) -> None:
        """Fail the IKE SA."""
        self.sa.fail(error)

    def refused(self, error: FynxError) -> None:
        """Forget the IKE SA; one that has keys ends by INVALID_SYNTAX only."""
        if not self.sa.envelope.has_keys:
            self.sa.forget()


def _choose_config(sa: SaRecord, offered: Sequence[Offer], group: int) -> Choice | None:
    """Use the first configuration that accepts one of the offers; None when there is none.

    Configurations that do not accept the chosen proposal are no longer candidates.
    """
    for config in sa.candidates:
        choice = choose(offered, config.proposals, prefer_ke=group)
        if choice is not None:
            chosen = [Offer(choice.number, choice.protocol, b"", choice.transforms)]
            sa.candidates = [c for c in sa.candidates if choose(chosen, c.proposals) is not None]
            sa.config = config
            return choice
    return None
