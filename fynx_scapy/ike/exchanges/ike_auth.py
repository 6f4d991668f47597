# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_AUTH: authenticate both peers, and set up the first Child SA (RFC 7296 sections 1.2, 2.15 and 2.21.2)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from scapy.layers.eap import EAP
from scapy.packet import Packet

import fynx_scapy.ike.auth.certificate
import fynx_scapy.ike.auth.eap
import fynx_scapy.ike.auth.multiple
import fynx_scapy.ike.auth.null
import fynx_scapy.ike.auth.psk
import fynx_scapy.ike.auth.raw_key  # noqa: F401 -- they register themselves
from fynx_scapy.errors import (
    AuthenticationError,
    Closing,
    ConfigError,
    FynxError,
    MalformedError,
    PeerError,
    UnexpectedError,
)
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.ike.auth.authenticator import Authenticator, Rounds, accepts, authenticator, id_payload
from fynx_scapy.ike.auth.requests import certificate_requests
from fynx_scapy.ike.child.setup import ChildRequest, answer_child, child_answer_payloads, install, no_room
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.chains import FATAL
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.events import ChildSaFailed
from fynx_scapy.ike.exchanges.create_child import ask_for_pair
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.life import limits
from fynx_scapy.ike.message import Message, Next, Payloads, notify
from fynx_scapy.ike.strangers import puzzles
from fynx_scapy.ike.terms.child_config import everything_for
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.wire.refusal import describe, redirection
from fynx_scapy.ike.wire.rules import MANY, MAYBE, NONE, ONE, Count, P, Phase, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_EAP, IKEv2_IDi, IKEv2_IDr, IKEv2_SA

if TYPE_CHECKING:
    from fynx_scapy.ike.config import IkeConfig
    from fynx_scapy.ike.core.record import SaRecord

_OF_CHILD = (PayloadType.SA, PayloadType.TSi, PayloadType.TSr)


# A request without AUTH asks for EAP (section 2.16). An answer without AUTH or IDr is a refusal.
_AUTHENTICATION: dict[int, Count] = {P.CERT: MANY, P.CERTREQ: MANY, P.AUTH: MAYBE, P.CP: MAYBE, P.N: MANY, P.V: MANY}
_NO_CHILD: dict[int, Count] = dict.fromkeys(_OF_CHILD, NONE)
_CHILDLESS = (
    Round(
        # HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, [CP]}  -->     RFC 6023 section 5
        Rule({P.IDi: ONE, P.IDr: MAYBE, **_AUTHENTICATION, **_NO_CHILD}),
        # <--  HDR, SK {IDr, [CERT,] AUTH, [CP]}
        Rule({P.IDr: MAYBE, **_AUTHENTICATION, **_NO_CHILD}, notifies_alone=True),
    ),
)


@exchange(ExchangeType.IKE_AUTH)
class IkeAuth(Exchange):
    """The second exchange of an IKE SA. ``packet`` is the inner packet that triggers it, if any."""

    phase = Phase.BEFORE_AUTH
    notes_itself = True
    rules: tuple[Round, ...] = (
        Round(
            # HDR, [PS,] SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, [CP,] SAi2, TSi, TSr}  -->
            Rule({P.PS: MAYBE, P.IDi: ONE, P.IDr: MAYBE, **_AUTHENTICATION, P.SA: ONE, P.TSi: ONE, P.TSr: ONE}),
            # <--  HDR, SK {IDr, [CERT,] AUTH, [CP,] SAr2, TSi, TSr}
            # or, the Child SA having failed,   <--  HDR, SK {IDr, [CERT,] AUTH, N}
            Rule({P.IDr: MAYBE, **_AUTHENTICATION, P.SA: MAYBE, P.TSi: MAYBE, P.TSr: MAYBE}, notifies_alone=True),
        ),
    )

    def __init__(self, sa: SaRecord, packet: bytes | None = None) -> None:
        super().__init__(sa)
        self.packet = packet
        self._established = False

    def initiate(self) -> Steps:
        """Authenticate with the configured credentials, and request the first Child SA."""
        sa, config = self.sa, self.sa.config
        if not config.children:
            self.rules = _CHILDLESS
        auth = self._authenticator()
        child = ChildRequest.make(sa, config.children[0], self.packet) if config.children else None
        # HDR, [PS,] SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, SAi2, TSi, TSr}  -->
        message = self.request()
        auth.identify(message)
        auth.present(message)
        message.payloads += certificate_requests([config])
        if config.remote_id is not None:
            message.payloads.append(id_payload(IKEv2_IDr, config.remote_id))
        auth.begin(message)
        if child is not None:
            message.payloads += child.payloads()
        puzzles.add_solution(sa, message)
        answer = yield message
        sent = message.sent
        # <--  HDR, SK {IDr, [CERT,] AUTH, SAr2, TSi, TSr}
        auth.remember(sent, ours=True)
        _heed_refusal(answer, auth)
        remote_id = Identity.parse(answer.body(IKEv2_IDr))
        wanted = config.remote_id is None or config.remote_id.same(remote_id)
        if not wanted and remote_id not in _asked_for(sent):
            raise AuthenticationError(f"expected the peer to be {config.remote_id}, found {remote_id}")
        answer = yield from _further(
            auth.initiate(answer), config.auth_rounds, lambda answer: _heed_refusal(answer, auth)
        )
        sa.establish(auth.local_id, auth.proven(remote_id))
        hooks.note(self, answer)
        if child is not None:
            self._take_child(child, sent, answer)

    def _authenticator(self) -> Authenticator[Any]:
        """The authenticator that leads. The rows of its further rounds are added to this exchange."""
        auth = authenticator(self.sa)
        self.rules = (*self.rules, *auth.rounds)
        return auth

    def _take_child(self, child: ChildRequest, sent: Payloads, answer: Message) -> None:
        sa = self.sa
        error = answer.error()
        if error is not None or answer.get(IKEv2_SA) is None:
            kind = error.type if error else None
            reason = f"refused with {name_of(NotifyType, kind)}" if kind else "the answer holds no SA payload"
            if error is None and (gateway := redirection(answer)) is not None:
                kind, reason = NotifyType.REDIRECT, f"answered with {gateway}"
            if kind == NotifyType.TS_UNACCEPTABLE:
                reason += _virtual_hint(sa, child)
            sa.emit(ChildSaFailed(*sa.stamp, name=child.config.name, notify_type=kind, reason=reason))
            if kind == NotifyType.SINGLE_PAIR_REQUIRED:
                ask_for_pair(sa, child.config, self.packet)
            return
        try:
            child.accept(sa, sent, answer, (sa.nonce_i, sa.nonce_r))
        except (MalformedError, ConfigError) as wrong:
            # The peer has a Child SA that we cannot use: section 2.21 lets us clean up by deleting it.
            sa.emit(ChildSaFailed(*sa.stamp, name=child.config.name, notify_type=None, reason=str(wrong)))
            sa.delete_ike(Closing.REJECTED)

    def respond(self, request: Message) -> Steps:
        """Find the configuration for IDi and IDr, verify the peer, and answer with our AUTH and the first Child SA."""
        sa = self.sa
        # HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, SAi2, TSi, TSr}  -->
        remote_id = Identity.parse(request.body(IKEv2_IDi))
        wanted = Identity.parse(request.body(IKEv2_IDr)) if request.get(IKEv2_IDr) is not None else None
        sa.candidates = _by_method(sa, request)
        config = _choose_config(sa, wanted, remote_id)
        if config is None:
            raise PeerError(
                NotifyType.AUTHENTICATION_FAILED,
                reason=f"no configuration for IDi {remote_id} and IDr {wanted or 'none'}",
            )
        sa.config = config
        auth = self._authenticator()
        try:
            _heed_more(request, auth)
            rounds = auth.respond(request)
            yield from _further(rounds, config.auth_rounds, lambda request: _heed_more(request, auth))
            remote_id = auth.proven(remote_id)
        except AuthenticationError as error:
            refusal = PeerError(NotifyType.AUTHENTICATION_FAILED, reason=str(error))
            refusal.payloads = auth.farewell
            raise refusal from error
        limits.object_to(sa, remote_id, request)
        answer = self.response()
        try:
            auth.finish(request, answer)
        except ConfigError as error:
            # RFC 7427 section 5: the peer supports no signature that our key can make.
            raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason=str(error)) from error
        self._established = True
        sa.establish(auth.ours.local_id, remote_id)
        hooks.note(self, request)
        answer.payloads += self._child_answer(request)
        # <--  HDR, SK {IDr, [CERT,] AUTH, SAr2, TSi, TSr}
        yield answer

    def _child_answer(self, request: Message) -> list[Packet]:
        """SAr2, TSi and TSr, or the notify that says why there is no Child SA.

        The IKE SA is set up in both cases (section 1.2).
        """
        sa = self.sa
        try:
            given = hooks.answer(sa, request)
            if request.get(IKEv2_SA) is None:
                # RFC 6023: the peer requested no Child SA.
                return given
            if (full := no_room(sa)) is not None:
                raise PeerError(NotifyType.NO_ADDITIONAL_SAS, reason=full)
            plan = answer_child(sa, request, hooks.allowed(sa))
        except PeerError as error:
            sa.emit(ChildSaFailed(*sa.stamp, name="", notify_type=error.notify_type, reason=error.reason))
            return [notify(error.notify_type, error.data)]
        except MalformedError as error:
            sa.emit(ChildSaFailed(*sa.stamp, name="", notify_type=NotifyType.TS_UNACCEPTABLE, reason=str(error)))
            return [notify(NotifyType.TS_UNACCEPTABLE)]
        spi = sa.endpoint.new_child_spi()
        install(sa, plan, spi, (sa.nonce_i, sa.nonce_r), initiator=False)
        # Section 2.19: CP comes before SA.
        return [*given, *child_answer_payloads(plan, spi)]

    def failed(self, error: FynxError) -> None:
        """Fail the IKE SA. If we refused, tell the peer, for which it goes on or is established (section 2.21.2)."""
        sa = self.sa
        raised = isinstance(error, UnexpectedError) or error is sa.endpoint.taps.raised
        if raised and not self.rounds:
            return  # nothing was sent, for example because a tap raised: the caller may try again
        if isinstance(error, AuthenticationError) and _eap_failed(self.answer):
            sa.fail(error)  # "The responder MAY at any time terminate the IKE exchange" so (section 2.16): it has
        elif isinstance(error, AuthenticationError | MalformedError):
            kind = (
                NotifyType.AUTHENTICATION_FAILED
                if isinstance(error, AuthenticationError)
                else NotifyType.INVALID_SYNTAX
            )
            sa.fail(error, last=Informational(sa, notify(kind)))
        else:
            sa.fail(error)

    def refused(self, error: FynxError) -> None:
        """Fail the IKE SA, but keep the answer for retransmissions.

        It also fails when an extension refuses after the peer has authenticated, for the peer was told so. One that
        another IKE_AUTH has established ends by INVALID_SYNTAX only.
        """
        if self.sa.connecting or self._established:
            self.sa.fail(error)


def _virtual_hint(sa: SaRecord, child: ChildRequest) -> str:
    """What to set where we asked for an inner address, and our selectors do not take any (section 2.19)."""
    wanted = everything_for(sa.config.cp_request) if sa.config.cp_request is not None else ()
    ours = child.config.local_ts
    if all(any(each.covers(one) for each in ours) for one in wanted):
        return ""
    return f"; local_ts has to hold the inner address that is asked for: {', '.join(map(str, wanted))} holds any"


def _eap_failed(answer: Message | None) -> bool:
    """Whether an answer is EAP-Failure."""
    eap = None if answer is None else answer.get(IKEv2_EAP)
    return eap is not None and bytes(eap.data)[:1] == bytes([EAP.FAILURE])


def _heed_refusal(answer: Message, auth: Authenticator[Any]) -> None:
    """Raise an error for an answer that does not authenticate the responder; it says what the answer holds instead.

    PeerError for a Notify that refuses, AuthenticationError for EAP (section 2.16), which we did not ask for,
    MalformedError when there is neither.
    """
    _heed_more(answer, auth)
    error, described = answer.error(), f"IKE_AUTH was answered with {describe(answer)}"
    proven = auth.goes_on(answer)
    if error is not None and (not proven or error.type in FATAL):
        name = name_of(NotifyType, error.type)
        raise PeerError(error.type, bytes(error.notify), f"IKE_AUTH was answered with {name}")
    if answer.get(IKEv2_EAP) is not None and not auth.eap:
        raise AuthenticationError(f"{described}, but we do not support EAP")
    if not proven and (redirect := answer.notify(NotifyType.REDIRECT)) is not None:
        raise PeerError(NotifyType.REDIRECT, bytes(redirect.notify), described)
    if not proven:
        raise MalformedError(f"expected IDr and AUTH, but {described}")


def _heed_more(message: Message, auth: Authenticator[Any]) -> None:
    """AuthenticationError for a peer that wants to go on with another authentication, which we did not ask for."""
    if message.has_notify(NotifyType.ANOTHER_AUTH_FOLLOWS) and not auth.several:
        raise AuthenticationError("expected one authentication (RFC 4739), found ANOTHER_AUTH_FOLLOWS")


def _further(rounds: Rounds, most: int, heed: Callable[[Message], None]) -> Rounds:
    """The further rounds of an authentication, at most so many. ``heed`` raises an error for an answer that refuses.

    However they end, what they hold is given back at once: an error would keep it as long as somebody keeps the error.
    """
    with closing(rounds):
        try:
            message = next(rounds)
            for _ in range(most):
                message.then = Next()
                received = yield message
                heed(received)
                message = rounds.send(received)
        except StopIteration as end:
            return cast(Message, end.value)
    raise AuthenticationError(f"expected at most {most} further rounds of authentication, found more")


def _asked_for(sent: Payloads) -> list[Identity]:
    """The identity of the IDr that we sent; a tap may have changed it."""
    payload = sent.get(IKEv2_IDr)
    return [] if payload is None else [Identity.parse(payload.octets()[4:])]


def _by_method(sa: SaRecord, request: Message) -> list[IkeConfig]:
    """The configurations that accept the method of the initiator's AUTH, or EAP without one; all when none does.

    A gateway may have one for peers with a key and one for peers with a certificate, neither of which names a peer.
    """
    auth = request.get(IKEv2_AUTH)
    method = None if auth is None else int(auth.auth_type)
    return [c for c in sa.candidates if accepts(c, method)] or sa.candidates


def _choose_config(sa: SaRecord, local: Identity | None, remote: Identity) -> IkeConfig | None:
    """The configuration for these identities. One that names the peer comes before one that accepts any peer."""
    fitting = [c for c in sa.candidates if c.accepts_identities(local, remote)]
    return min(fitting, key=lambda c: c.remote_id is None, default=None)


def is_childless(request: Message) -> bool:
    """Whether an IKE_AUTH request asks for no Child SA: it has no SA, TSi and TSr (RFC 6023 section 5)."""
    return not any(payload.payload_type in _OF_CHILD for payload in request.payloads)


@exchange(ExchangeType.IKE_AUTH, when=is_childless)
class ChildlessAuth(IkeAuth):
    """IKE_AUTH without a Child SA (RFC 6023)."""

    rules = _CHILDLESS
