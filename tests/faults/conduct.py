# SPDX-License-Identifier: GPL-2.0-or-later
"""Further faults, chosen later: what an endpoint does with requests and answers in the course of a conversation."""

from __future__ import annotations

from fynx_scapy.errors import Closing, MalformedError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, ProtocolId
from fynx_scapy.ike import reassembly
from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.life import collisions
from fynx_scapy.ike.message import Outgoing, notify
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.router import Router
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.sa_messages import SaMessages
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.window import ResponseWindow
from fynx_scapy.layers.ikev2 import IKEv2_Delete
from tests.faults.fault import Faulty, header_of, later

_MARKED_PORT = 4500

# Headers and SK


@later("natt", "7296-3.1-i02")
def counts_the_marker(bad: Faulty) -> None:
    """Counts the non-ESP marker in the length of the IKE header on port 4500."""
    marked: list[bool] = []

    def transmit(original, sa, message, exchange_type, message_id, request):
        marked.append((request or sa).remote.port == _MARKED_PORT)
        try:
            return original(sa, message, exchange_type, message_id, request)
        finally:
            marked.pop()

    def sealed(original, envelope, protector, message, *rest):
        if not (marked and marked[-1]):
            return original(envelope, protector, message, *rest)
        with bad.endpoint.taps.paused():
            message.header.length = len(original(envelope, protector, message, *rest)) + 4
        try:
            return original(envelope, protector, message, *rest)
        finally:
            message.header.length = None

    bad.swap(SaMessages, "transmit", transmit)
    bad.swap(Envelope, "_sealed", sealed)


@later("header", "7296-2.5-04")
def answers_minor_versions_with_version_3(bad: Faulty) -> None:
    """Answers a request of version 2.1 or higher with version 3.0."""

    def send(original, answers, answer, request, **named):
        if request.header_fields.version > 0x20:
            answer.header.version = 0x30
        original(answers, answer, request, **named)

    bad.swap(Answers, "_send", send)


@later("sk", "7296-3.1-01")
def ignores_sk_inside_sk(bad: Faulty) -> None:
    """Takes a message with an Encrypted payload inside SK as if it were not there."""

    def open_(original, envelope, datagram, header, place=None):
        message = original(envelope, datagram, header, place)
        message.payloads[:] = [one for one in message.payloads if one.payload_type != PayloadType.SK]
        return message

    bad.swap(Envelope, "open", open_)


@later("fragments", "7383-2.2-i01", connects=False)
def splits_ike_sa_init(bad: Faulty) -> None:
    """Sends IKE_SA_INIT responses in two parts."""

    def seal(original, envelope, message, room=None):
        wires, plaintext = original(envelope, message, room)
        if message.encrypted or not int(message.header.flags) & 0x20:
            return wires, plaintext
        (whole,) = wires
        half = len(whole) // 2
        parts = whole[28:half], whole[half:]
        return [whole[:24] + (28 + len(part)).to_bytes(4) + part for part in parts], plaintext

    bad.swap(Envelope, "seal", seal)


@later("fragments", "7383-2.5.1-03")
def sends_large_fragments_over_ipv6(bad: Faulty) -> None:
    """Sends fragments in datagrams of 1500 octets over IPv6."""

    def room(original, sa, remote):
        found = original(sa, remote)
        return found if found is None or ":" not in remote.host else found + 220

    bad.swap_function(reassembly.room, room)


# Requests, answers and their repetition


@later("retransmission", "7296-2.1-05")
def answers_forgotten_requests(bad: Faulty) -> None:
    """Executes a request again whose answer it has forgotten."""

    def accepts(original, window, message_id):
        return original(window, message_id) or 0 < message_id < window.expected

    bad.swap(ResponseWindow, "accepts", accepts)


@later("message-id/window", "7296-2.4-i03")
def believes_a_second_response(bad: Faulty) -> None:
    """Ends the IKE SA when a second response to a request has an error, although the first one had none."""

    def receive(original, requests, datagram, header):
        answered = header.message_id not in requests.pending and header.message_id < requests.next_id
        if answered and header.exchange != ExchangeType.IKE_SA_INIT:
            message = requests._sa.envelope.open(datagram, header)
            if message.error() is not None:
                requests._sa.broken("a second response has an error", by_peer=True)
        original(requests, datagram, header)

    bad.swap(Requests, "receive", receive)


@later("errors", "7296-2.21-i02")
def complains_about_responses(bad: Faulty) -> None:
    """Sends INVALID_SYNTAX in a request of its own when a response is malformed, or has an unknown critical payload."""
    told: set[bytes] = set()

    def receive(original, requests, datagram, header):
        pending, sa = requests.pending.get(header.message_id), requests._sa
        original(requests, datagram, header)
        error = pending.exchange.error if pending is not None else None
        if isinstance(error, MalformedError) and sa.established and sa.own_spi not in told:
            told.add(sa.own_spi)  # once: this has a response, too
            sa.inform(notify(NotifyType.INVALID_SYNTAX))

    bad.swap(Requests, "receive", receive)


@later("cookie", "7296-2.6.1-01")
def wants_the_shorter_exchange(bad: Faulty) -> None:
    """Drops a request without a cookie from an initiator to which it has said INVALID_KE_PAYLOAD after a cookie."""
    shown: set[bytes] = set()
    refused: set[bytes] = set()

    def note(message):
        if list(message.notifies(NotifyType.INVALID_KE_PAYLOAD)):
            refused.add(bytes(message.header.init_SPI))

    def receive(original, router, datagram):
        header = header_of(datagram)
        if header is not None and header.exchange == ExchangeType.IKE_SA_INIT and not header.response:
            if header.next_payload == PayloadType.N:
                shown.add(header.spi_i)
            elif header.spi_i in shown & refused:
                return
        original(router, datagram)

    bad.tap(note)
    bad.swap(Router, "receive", receive)


@later("cookie", "7296-2.6.1-01")
def takes_one_cookie_at_most(bad: Faulty) -> None:
    """Does not answer when it is asked for a second cookie after INVALID_KE_PAYLOAD."""
    asked: dict[bytes, list[int]] = {}

    def receive(original, requests, datagram, header):
        if header.exchange == ExchangeType.IKE_SA_INIT and header.next_payload == PayloadType.N:
            kinds = asked.setdefault(header.spi_i, [])
            message = requests._sa.envelope.open(datagram, header)
            kinds += [note.type for note in message.notifies(NotifyType.COOKIE)]
            kinds += [note.type for note in message.notifies(NotifyType.INVALID_KE_PAYLOAD)]
            if kinds[:3] == [NotifyType.COOKIE, NotifyType.INVALID_KE_PAYLOAD, NotifyType.COOKIE]:
                return
        original(requests, datagram, header)

    bad.swap(Requests, "receive", receive)


# Rekeys and Deletes


@later("collision", "7296-2.25-01")
def refuses_for_good(bad: Faulty) -> None:
    """Sends NO_ADDITIONAL_SAS where TEMPORARY_FAILURE is due."""

    def change(payload):
        payload.type = NotifyType.NO_ADDITIONAL_SAS

    bad.each_notify(change, NotifyType.TEMPORARY_FAILURE)


@later("collision", "7296-2.8.2-02")
def rekeys_an_ike_sa_twice(bad: Faulty) -> None:
    """Takes a rekey of an IKE SA that it has rekeyed already, and only has to delete."""

    def objection(original, sa):
        if sa.rekeyed is None:
            original(sa)

    bad.swap_function(collisions.object_to_ike_rekey, objection)


@later("collision", "7296-2.8.2-i01")
def loses_child_sas_with_its_own_rekey(bad: Faulty) -> None:
    """Ends its Child SAs when the peer deletes the old IKE SA, and its own rekey of it has no answer."""

    def closed(original, sa, reason, code, *, by_peer=False):
        if by_peer and sa.rekeying is not None:
            sa.peer_rekeyed = None
        original(sa, reason, code, by_peer=by_peer)

    bad.swap(IkeSa, "closed", closed)


@later("informational/delete", "7296-1.4-03")
def deletes_child_sas_on_the_old_ike_sa(bad: Faulty) -> None:
    """Keeps a rekeyed IKE SA, and deletes a Child SA there that has moved to its successor."""
    old: dict[object, IkeSa] = {}

    def delete_ike(original, sa, why=Closing.BY_US):
        if why is not Closing.REPLACED or sa.successor is None:
            return original(sa, why)
        old[sa.successor] = sa
        return None

    def delete_child(original, sa, *children):
        if sa not in old:
            return original(sa, *children)
        spis = [child.inbound.spi.to_bytes(4) for child in children]
        payload = IKEv2_Delete(proto=int(ProtocolId.ESP), SPI=spis)
        old[sa].transmit(Outgoing([payload]), ExchangeType.INFORMATIONAL, old[sa].requests.next_id, None)
        return None

    bad.swap(IkeSa, "delete_ike", delete_ike)
    bad.swap(IkeSa, "delete_child", delete_child)


@later("informational/delete", "7296-1.4-02")
def deletes_the_old_ike_sa_on_the_new_one(bad: Faulty) -> None:
    """Sends the Delete of a rekeyed IKE SA on its successor."""

    def delete_ike(original, sa, why=Closing.BY_US):
        if why is not Closing.REPLACED or sa.successor is None:
            return original(sa, why)
        new = sa.successor
        payload = IKEv2_Delete(proto=int(ProtocolId.IKE))
        new.transmit(Outgoing([payload]), ExchangeType.INFORMATIONAL, new.requests.next_id, None)
        return None

    bad.swap(IkeSa, "delete_ike", delete_ike)
