# SPDX-License-Identifier: GPL-2.0-or-later
"""Further faults, chosen later: IKE_SA_INIT, IKE_AUTH, the offers of both, and Configuration payloads."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import Encr, ExchangeType, NotifyType, PayloadType, ProtocolId, TransformType
from fynx_scapy.ike.basics.limiter import Limiter
from fynx_scapy.ike.child import setup, transport
from fynx_scapy.ike.child.setup import ChildRequest
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.extensions.cp import ConfigurationPayload
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.strangers import replies
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.terms import options, proposals
from fynx_scapy.ike.terms.proposals import ENCR
from fynx_scapy.layers.ikev2 import IKEv2_CERTREQ, IKEv2_CP, IKEv2_KE, IKEv2_SA, IKEv2_Transform
from tests.faults.fault import Faulty, is_request, later

_FATAL = (
    NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
    NotifyType.INVALID_SYNTAX,
    NotifyType.AUTHENTICATION_FAILED,
)

# The header, and answers outside of any IKE SA


@later("header", "7296-2-01")
def drops_messages_of_1200_octets(bad: Faulty) -> None:
    """Drops a message of more than 1,200 octets."""
    bad.drop(lambda datagram, header: len(datagram.data) > 1200)


@later("header", "7296-2.6-i01")
def maps_messages_by_address(bad: Faulty) -> None:
    """Drops a message that comes from another address than the first one."""

    def elsewhere(datagram, header):
        sa = bad.endpoint.sas.get(header.spi_r) or bad.endpoint.sas.get(header.spi_i)
        return sa is not None and sa.remote != datagram.remote

    bad.drop(elsewhere)


@later("header", "7296-2.6-i02")
def names_its_spi_in_refusals(bad: Faulty) -> None:
    """Sends a responder SPI with a refusal of IKE_SA_INIT, or with COOKIE."""

    def tap(message):
        refusal = message.get(IKEv2_SA) is None and message.header.exch_type == ExchangeType.IKE_SA_INIT
        if refusal and int(message.header.flags) & 0x20:
            message.header.resp_SPI = b"\x01" * 8

    bad.tap(tap)


@later("header", "7296-2.6-i03")
def drops_refusals_with_a_responder_spi(bad: Faulty) -> None:
    """Drops an IKE_SA_INIT response with Notify payloads alone and a responder SPI."""

    def receive(original, requests, datagram, header):
        initial = header.exchange == ExchangeType.IKE_SA_INIT and header.next_payload == PayloadType.N
        if not initial or header.spi_r == bytes(8):
            original(requests, datagram, header)

    bad.swap(Requests, "receive", receive)


@later("header", "7296-3.1-i01")
def takes_the_marker_on_port_500(bad: Faulty) -> None:
    """Takes an IKE message behind a non-ESP marker on port 500."""

    def receive(original, datagram, now):
        if datagram.local.port == 500 and datagram.data[:4] == bytes(4) and len(datagram.data) > 32:
            datagram = replace(datagram, data=datagram.data[4:])
        original(datagram, now)

    bad.wrap("receive", receive)


@later("errors", "7296-1.5-i01")
def adds_data_to_unprotected_errors(bad: Faulty) -> None:
    """Sends INVALID_IKE_SPI and INVALID_MAJOR_VERSION with data."""

    def change(payload):
        if payload.type in (NotifyType.INVALID_IKE_SPI, NotifyType.INVALID_MAJOR_VERSION):
            payload.notify = b"fynx"

    bad.each_notify(change)


@later("errors", "7296-2.21.4-04")
def answers_unknown_spis_with_invalid_syntax(bad: Faulty) -> None:
    """Answers a request with unknown SPIs with INVALID_SYNTAX."""

    def reject(original, endpoint, datagram, header, kind, *rest, **named):
        kind = NotifyType.INVALID_SYNTAX if kind == NotifyType.INVALID_IKE_SPI else kind
        return original(endpoint, datagram, header, kind, *rest, **named)

    bad.swap_function(replies.reject, reject)


@later("errors", "7296-2.4-07", "7296-2.21.4-06")
def reacts_without_a_limit(bad: Faulty) -> None:
    """Answers, and acts on, any number of unprotected messages."""
    bad.swap(Admission, "may_answer", lambda original, *rest: True)
    bad.swap(Admission, "may_look", lambda original, *rest: True)
    bad.swap(Limiter, "allow", lambda original, *rest, **named: True)


@later("errors", "7296-2.21.2-i03")
def keeps_an_ike_sa_that_was_rejected(bad: Faulty) -> None:
    """Keeps an IKE SA although the peer rejects it in the request after IKE_AUTH."""

    def respond(original, exchange, request):
        request.payloads = [p for p in request.payloads if getattr(p, "type", 0) not in _FATAL]
        return original(exchange, request)

    bad.swap(Informational, "respond", respond)


@later("auth", "7296-3.7-i01")
def fails_for_want_of_a_certificate(bad: Faulty) -> None:
    """Refuses IKE_AUTH with a request for a certificate that it does not have."""
    bad.refuse(
        lambda message: any(isinstance(p, IKEv2_CERTREQ) for p in message.payloads),
        NotifyType.AUTHENTICATION_FAILED,
    )


# Offers and choices


@later("sa-negotiation", "7296-1.2-06")
def offers_no_key_exchange_by_name(bad: Faulty) -> None:
    """Offers the key exchange method NONE in IKE_AUTH instead of leaving it out."""

    def tap(message):
        offer = message.get(IKEv2_SA) if is_request(message, ExchangeType.IKE_AUTH) else None
        for proposal in offer.prop if offer is not None else ():
            proposal.trans.append(IKEv2_Transform(transform_type=int(TransformType.KE), transform_id=0))

    bad.tap(tap)


def _answered(bad: Faulty, change) -> None:
    """Change the SA payload of the answers that this endpoint sends."""

    def tap(message):
        offer = message.get(IKEv2_SA)
        if offer is not None and int(message.header.flags) & 0x20:
            change(offer)

    bad.tap(tap)


@later("sa-negotiation", "7296-2.7-01", "7296-3.3.6-02", connects=False)
def answers_with_two_proposals(bad: Faulty) -> None:
    """Answers with two proposals."""
    _answered(bad, lambda offer: offer.prop.append(offer.prop[0].copy()))


@later("sa-negotiation", "7296-2.7-04", "7296-3.3.6-03", "7296-3.3.6-01", connects=False)
def answers_with_two_ciphers(bad: Faulty) -> None:
    """Answers with two encryption transforms."""

    def change(offer):
        first = next(t for t in offer.prop[0].trans if t.transform_type == ENCR)
        other = first.copy()
        other.key_length = 192 if first.key_length == 256 else 256
        offer.prop[0].trans.append(other)

    _answered(bad, change)


@later("sa-negotiation", "7296-2.7-02", connects=False)
def answers_for_another_protocol(bad: Faulty) -> None:
    """Answers with a proposal for AH, whatever was offered."""

    def change(offer):
        offer.prop[0].proto = int(ProtocolId.AH)

    _answered(bad, change)


@later("sa-negotiation", "7296-3.3.1-03", connects=False)
def answers_with_another_number(bad: Faulty) -> None:
    """Answers with the number of a proposal that was not offered."""

    def change(offer):
        offer.prop[0].proposal += 7

    _answered(bad, change)


@later("sa-negotiation", "7296-3.3.6-04", "7296-3.3.5-03", connects=False)
def answers_without_the_key_length(bad: Faulty) -> None:
    """Answers without the Key Length of the chosen cipher."""

    def change(offer):
        for transform in offer.prop[0].trans:
            transform.attributes = []

    _answered(bad, change)


@later("sa-negotiation", "7296-3.3.1-04", connects=False)
def names_an_spi_in_its_first_offer(bad: Faulty) -> None:
    """Sends an SPI in the SA payload of IKE_SA_INIT."""

    def tap(message):
        offer = message.get(IKEv2_SA) if message.header.exch_type == ExchangeType.IKE_SA_INIT else None
        for proposal in offer.prop if offer is not None else ():
            proposal.SPI = b"\x07" * 8

    bad.tap(tap)


@later("sa-negotiation", "4303-1-02")
def refuses_null_encryption(bad: Faulty) -> None:
    """Refuses ESP with integrity only, although its policy allows it."""
    _refusing(bad, lambda transform: transform.id == Encr.ENCR_NULL)


@later("esp-processing", "4303-1-04", "4303-1-05")
def refuses_cbc_and_null(bad: Faulty) -> None:
    """Refuses ESP with other than combined modes, although its policy allows them."""
    _refusing(bad, lambda transform: transform.id in (Encr.ENCR_NULL, Encr.ENCR_AES_CBC))


def _refusing(bad: Faulty, wrong) -> None:
    def choose(original, offered, policy, **named):
        choice = original(offered, policy, **named)
        esp = choice is not None and choice.protocol == ProtocolId.ESP
        return None if esp and any(t.type == ENCR and wrong(t) for t in choice.transforms) else choice

    bad.swap_function(proposals.choose, choose)


@later("ke", "7296-1.3-04", "7296-1.3-05")
def sends_a_key_exchange_that_it_does_not_offer(bad: Faulty) -> None:
    """Sends a KE payload of a group that is in none of its proposals for the Child SA."""

    def tap(message):
        ke, offer = message.get(IKEv2_KE), message.get(IKEv2_SA)
        if ke is None or not is_request(message, ExchangeType.CREATE_CHILD_SA) or offer.prop[0].proto == 1:
            return
        for proposal in offer.prop:
            for transform in proposal.trans:
                if transform.transform_type == TransformType.KE:
                    transform.transform_id = 14 if ke.group != 14 else 15

    bad.tap(tap)


# Traffic selectors and options


@later("ts", "7296-2.9-i03")
def halves_traffic_selectors(bad: Faulty) -> None:
    """Answers with a half of the traffic selectors that its policy allows."""

    def narrow(original, offered, policy):
        found = original(offered, policy)
        return tuple(dict.fromkeys(replace(ts, end=ts.start + (ts.end - ts.start) // 2) for ts in found))

    bad.swap(setup, "narrow", narrow)


@later("natt", "7296-2.23.1-01", "7296-2.23-14", "7296-2.23.1-04", "7296-2.23.1-05")
def offers_ranges_in_transport_mode(bad: Faulty) -> None:
    """Offers ranges of addresses for transport mode."""

    def offered(original, sa, local, remote):
        return tuple(local), tuple(remote)

    bad.swap_function(transport.offered, offered)


@later("create-child", "7296-1.3.1-i02")
def sends_fragments_unasked(bad: Faulty) -> None:
    """Sends non-first fragments on a Child SA without the agreement of the peer."""

    def agree(original, *rest, **named):
        return replace(original(*rest, **named), fragments=True)

    bad.swap_function(options.agree, agree)


@later("rekey", "7296-2.8-05", "7296-2.9.2-02", "7296-2.9.2-01")
def rekeys_for_other_selectors(bad: Faulty) -> None:
    """Offers a half of the traffic selectors when it rekeys a Child SA."""

    def rekey(original, cls, sa, old):
        request = original(cls, sa, old)
        request.local_ts = tuple(replace(ts, end=ts.start + (ts.end - ts.start) // 2) for ts in request.local_ts)
        return request

    bad.swap(ChildRequest, "rekey", rekey)


# Configuration payloads


@later("cp", "7296-2.19-01", "7296-4-10")
def asks_for_no_address(bad: Faulty) -> None:
    """Does not send the CP(CFG_REQUEST) that its configuration requires."""
    bad.swap(ConfigurationPayload, "offer", lambda original, *rest: ())


@later("cp", "7296-2.19-04")
def asks_for_everything_but_an_address(bad: Faulty) -> None:
    """Sends CP(CFG_REQUEST) without an address attribute."""

    def change(payload):
        if isinstance(payload, IKEv2_CP):
            payload.attributes = [a for a in payload.attributes if a.type not in (1, 8)]

    bad.each_payload(change)


@later("cp", "7296-4-11", "7296-4-12")
def ignores_configuration_requests(bad: Faulty) -> None:
    """Does not answer CP(CFG_REQUEST)."""
    bad.swap(ConfigurationPayload, "answer", lambda original, extension, request: [])


@later("cp", "7296-3.15.4-i02")
def fails_when_one_address_is_missing(bad: Faulty) -> None:
    """Sends INTERNAL_ADDRESS_FAILURE although it has assigned one of the addresses."""

    def lend(original, extension, reply, attributes):
        assigned = original(extension, reply, attributes)
        if len(assigned) < sum(kind in (1, 8) for kind, _ in attributes):
            raise PeerError(NotifyType.INTERNAL_ADDRESS_FAILURE, reason="one address is missing")
        return assigned

    bad.swap(ConfigurationPayload, "_lend", lend)
