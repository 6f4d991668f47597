# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekey the IKE SA: create the new one, move the Child SAs, delete the old one (RFC 7296 1.3.2, 2.8 and 2.18)."""

from __future__ import annotations

from fynx_scapy.errors import Closing, FynxError, KeyExchangeError, MalformedError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId, name_of
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.core.keyshare import (
    KeyShare,
    agreed_secret,
    answered_secret,
    check_nonce,
    own_nonce,
    prf_of,
    retried_share,
    sent_nonce,
)
from fynx_scapy.ike.core.record import RekeyedIke, SaRecord
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.events import IkeSaRekeyed
from fynx_scapy.ike.life import collisions, succession
from fynx_scapy.ike.life.reauthentication import replace_refused
from fynx_scapy.ike.message import Message
from fynx_scapy.ike.terms.proposals import KE, PRF, check_answer, choose, offers
from fynx_scapy.ike.wire.rules import MANY, ONE, P, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA


def is_rekey(request: Message) -> bool:
    """Whether a CREATE_CHILD_SA request replaces the IKE SA: its proposals are for IKE."""
    payload = request.get(IKEv2_SA)
    return payload is not None and any(p.proto == ProtocolId.IKE for p in payload.prop)


@exchange(ExchangeType.CREATE_CHILD_SA, when=is_rekey)
class RekeyIke(Exchange):
    """Rekey the IKE SA in which it runs. ``successor`` is the new IKE SA."""

    successor: SaRecord | None = None
    alone = replaces_ike = notes_itself = True
    rules = (
        Round(
            # HDR, SK {SA, Ni, KEi}  -->
            Rule({P.SA: ONE, P.KE: ONE, P.Nonce: ONE, P.N: MANY, P.V: MANY}),
            # <--  HDR, SK {SA, Nr, KEr}
            Rule({P.SA: ONE, P.KE: ONE, P.Nonce: ONE, P.N: MANY, P.V: MANY}),
        ),
    )

    @property
    def about(self) -> SaRecord:
        """The successor, once it exists."""
        return self.successor or self.sa

    def initiate(self) -> Steps:
        """Request the successor. We are its initiator, even if the peer initiated the old IKE SA."""
        sa, random = self.sa, self.sa.endpoint.randomness.octets
        if not sa.established or sa.rekeying is not None:
            return
        sa.rekeying = self
        spi = sa.endpoint.new_ike_spi()
        groups = list(dict.fromkeys(t.id for p in sa.config.proposals for t in p.of_type(KE)))
        share = KeyShare.generate(groups[0], random)
        drawn = own_nonce(sa, [*prf_of(sa.suite), *(t.id for p in sa.config.proposals for t in p.of_type(PRF))])
        nonce = IKEv2_Nonce(nonce=drawn)
        offer = IKEv2_SA(prop=[p.layer(n, spi) for n, p in enumerate(sa.config.proposals, 1)])
        for _ in range(1 + len(groups)):
            # HDR, SK {SA, Ni, KEi}  -->
            message = self.request(offer, nonce, share.payload())
            answer = yield message
            other = retried_share(sa, message, answer)
            if other is None:
                break
            share = other
        # <--  HDR, SK {SA, Nr, KEr}
        if error := answer.error():
            kind = error.type
            raise PeerError(kind, bytes(error.notify), f"the rekey was refused with {name_of(NotifyType, kind)}")
        choice = check_answer(offers(answer.one(IKEv2_SA)), offers(message.sent.one(IKEv2_SA)))
        theirs = answer.one(IKEv2_Nonce).nonce
        check_nonce(theirs, choice.suite)
        if len(choice.spi) != 8:
            raise MalformedError(f"expected an SPI of 8 octets for the new IKE SA, found {len(choice.spi)}")
        if choice.own_spi != spi:
            # A tap changed our SPI.
            spi = sa.endpoint.free_ike_spi(choice.own_spi)
        if choice.spi == spi or sa.endpoint.owns(choice.spi):
            raise MalformedError("expected the peer's SPI for the new IKE SA, found one of ours")
        nonces = (sent_nonce(message, drawn), theirs)
        shared = agreed_secret(choice, share, message.sent, answer)
        self.successor = succession.succeed(sa, choice.suite, (spi, choice.spi), nonces, shared, initiator=True)
        sa.rekeying = None
        hooks.note(self, answer)
        sa.rekeyed = RekeyedIke(self.successor, nonces)
        took = sa.now - self.begun_at
        sa.emit(IkeSaRekeyed(*sa.stamp, new_spi_i=spi, new_spi_r=choice.spi, by_peer=False, seconds=took))
        collisions.settle_ike(sa)

    def respond(self, request: Message) -> Steps:
        """Create the successor. It takes over at once, unless our own rekey is in flight, too."""
        sa, random = self.sa, self.sa.endpoint.randomness.octets
        # HDR, SK {SA, Ni, KEi}  -->
        collisions.object_to_ike_rekey(sa)
        theirs = request.one(IKEv2_Nonce).nonce
        ke = request.get(IKEv2_KE)
        choice = choose(offers(request.one(IKEv2_SA)), sa.config.proposals, prefer_ke=ke.group if ke else None)
        if choice is None or len(choice.spi) != 8:
            raise PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason="no proposal for the new IKE SA is acceptable")
        if sa.endpoint.owns(choice.spi):
            raise PeerError(
                NotifyType.INVALID_SYNTAX, reason="expected the peer's SPI for the new IKE SA, found one of ours"
            )
        check_nonce(theirs, choice.suite)
        ke_payload, shared = answered_secret(choice, request, random)
        nonces = (theirs, own_nonce(sa, [*prf_of(sa.suite), *prf_of(choice.suite)]))
        spi = sa.endpoint.new_ike_spi()
        # Section 2.8: the responder must be ready before its answer leaves.
        self.successor = succession.succeed(sa, choice.suite, (choice.spi, spi), nonces, shared, initiator=False)
        hooks.note(self, request)
        # <--  HDR, SK {SA, Nr, KEr}
        message = self.response(IKEv2_SA(prop=[choice.layer(spi)]), IKEv2_Nonce(nonce=nonces[1]), *ke_payload)
        yield message
        if (sent := sent_nonce(message, nonces[1])) != nonces[1]:
            # A tap changed the nonce, and the peer uses the one that it received.
            nonces = (theirs, sent)
            self.successor.nonce_r = sent
            self.successor.derive_keys(choice.suite, shared, sa)
        sa.peer_rekeyed = RekeyedIke(self.successor, nonces)
        sa.emit(IkeSaRekeyed(*sa.stamp, new_spi_i=choice.spi, new_spi_r=spi, by_peer=True))
        if sa.rekeying is None:
            collisions.settle_ike(sa)

    def failed(self, error: FynxError) -> None:
        """Use the peer's rekey if there is one. Otherwise try again, replace the IKE SA, or keep it."""
        sa = self.sa
        sa.rekeying = None
        if self.successor is not None and sa.rekeyed is None:
            self.successor.forget()
        if sa.peer_rekeyed is not None:
            collisions.settle_ike(sa)
        elif isinstance(error, KeyExchangeError) and sa.established:
            # RFC 6989 section 2.5; draft-ietf-ipsecme-ikev2-mlkem, Recipient Tests
            sa.delete_ike(Closing.REJECTED)
        elif isinstance(error, PeerError) and error.notify_type == NotifyType.TEMPORARY_FAILURE:
            succession.try_again(sa, RekeyIke)
        elif isinstance(error, PeerError) and error.notify_type == NotifyType.NO_ADDITIONAL_SAS:
            replace_refused(sa)

    def refused(self, error: FynxError) -> None:
        """Forget the successor if the rekey was refused after it was created."""
        if self.successor is not None:
            self.successor.forget()
