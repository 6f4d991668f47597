# SPDX-License-Identifier: GPL-2.0-or-later
"""Further faults, chosen later: message IDs, windows, retransmission, fragments, rekeys, Deletes and NAT traversal."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.errors import Closing, MalformedError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, ProtocolId
from fynx_scapy.ike import reassembly
from fynx_scapy.ike.child import setup, transport
from fynx_scapy.ike.life import succession
from fynx_scapy.ike.life.lifetimes import ChildLife, IkeLife
from fynx_scapy.ike.message import DatagramKind, Outgoing
from fynx_scapy.ike.reassembly import Reassembly
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.sa_messages import SaMessages
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.window import ResponseWindow
from fynx_scapy.layers.ikev2 import IKEv2_Delete
from tests.faults.fault import Faulty, is_request, later

# Message IDs, windows and retransmission


@later("message-id/window", "7296-2.2-01", "7296-2.1-07")
def counts_retransmissions(bad: Faulty) -> None:
    """Sends a request again with the next message ID."""

    def retransmit(original, sa, kept, *rest):
        if kept.request and kept.exchange_type != ExchangeType.IKE_SA_INIT:
            message = sa.envelope.reopened(kept.datagrams)
            message.header.id += 1
            with sa.endpoint.taps.paused():
                wires, _ = sa.envelope.seal(message, None)
            kept.datagrams = [replace(kept.datagrams[0], data=wires[0])]
        original(sa, kept, *rest)

    bad.swap(SaMessages, "retransmit", retransmit)


@later("message-id/window", "7296-2.2-i01")
def counts_retries_of_ike_sa_init(bad: Faulty) -> None:
    """Sends message ID 1 in a retry of IKE_SA_INIT."""
    known: set[bytes] = set()

    def tap(message):
        if is_request(message, ExchangeType.IKE_SA_INIT):
            message.header.id = int(bytes(message.header.init_SPI) in known)
            known.add(bytes(message.header.init_SPI))

    bad.tap(tap)


@later("message-id/window", "7296-2.2-i01", connects=False)
def begins_ike_auth_with_message_id_2(bad: Faulty) -> None:
    """Sends IKE_AUTH with message ID 2."""

    def derive(original, sa, suite, shared, old=None):
        original(sa, suite, shared, old)
        if old is None and sa.initiator:
            sa.requests.next_id = 2

    bad.swap(IkeSa, "derive_keys", derive)


@later("message-id/window", "7296-2.3-i01")
def takes_ike_auth_ahead(bad: Faulty) -> None:
    """Takes a request above its window before the peers are authenticated."""

    def accepts(original, window, message_id):
        connecting = window.expected <= 1 and window._sa.connecting
        return original(window, message_id) or (connecting and window.expected <= message_id < window.expected + 4)

    bad.swap(ResponseWindow, "accepts", accepts)


@later("message-id/window", "7296-2.3-01")
def promises_its_window_in_two_octets(bad: Faulty) -> None:
    """Sends SET_WINDOW_SIZE with two octets of data."""

    def change(payload):
        payload.notify = bytes(payload.notify)[-2:]

    bad.each_notify(change, NotifyType.SET_WINDOW_SIZE)


@later("message-id/window", "7296-2.3-i02")
def keeps_its_window_at_a_rekey(bad: Faulty) -> None:
    """Goes on with the window of the old IKE SA after a rekey."""

    def succeed(original, old, *rest, **named):
        new = original(old, *rest, **named)
        new.requests.size, new.answers.size = old.requests.size, old.answers.size
        return new

    bad.swap_function(succession.succeed, succeed)


@later("retransmission", "7296-2.1-i01")
def goes_on_after_its_peer_is_dead(bad: Faulty) -> None:
    """Keeps an IKE SA and its Child SAs when the peer does not answer."""

    def closed(original, sa, reason, code, *, by_peer=False):
        if code is not Closing.PEER_DEAD:
            original(sa, reason, code, by_peer=by_peer)

    bad.swap(IkeSa, "closed", closed)


# Fragments


@later("fragments", "7383-2.3-03")
def announces_fragmentation_by_another_number(bad: Faulty) -> None:
    """Sends IKEV2_FRAGMENTATION_SUPPORTED with the number of the Notify type that follows."""

    def change(payload):
        payload.type = 40960

    bad.each_notify(change, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)


@later("fragments", "7383-2.3-01")
def announces_fragmentation_for_ike(bad: Faulty) -> None:
    """Sends IKEV2_FRAGMENTATION_SUPPORTED with the Protocol ID of IKE."""

    def change(payload):
        payload.proto = int(ProtocolId.IKE)

    bad.each_notify(change, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)


def _sealed(bad: Faulty, change) -> None:
    """Change how fragments are sealed: ``change(number, first, header)`` gives the next payload."""

    def sealed(original, envelope, protector, message, kind, first, plaintext, outer, numbers=b""):
        if not numbers:
            return original(envelope, protector, message, kind, first, plaintext, outer, numbers)
        before = int(message.header.flags)
        first = change(int.from_bytes(numbers[:2]), first, message.header)
        try:
            return original(envelope, protector, message, kind, first, plaintext, outer, numbers)
        finally:
            message.header.flags = before

    bad.swap(Envelope, "_sealed", sealed)


@later("fragments", "7383-2.5-02")
def names_no_payload_in_the_first_fragment(bad: Faulty) -> None:
    """Sends the first fragment with Next Payload 0."""
    _sealed(bad, lambda number, first, header: 0)


@later("fragments", "7383-2.5-07")
def changes_the_header_between_fragments(bad: Faulty) -> None:
    """Sets the Version flag in every fragment but the first."""

    def change(number, first, header):
        if number > 1:
            header.flags = int(header.flags) | 0x10
        return first

    _sealed(bad, change)


@later("fragments", "7383-2.5-01")
def sends_a_payload_behind_fragments(bad: Faulty) -> None:
    """Sends an empty Vendor ID payload behind each fragment."""

    def tap(message, octets):
        if octets[16] != PayloadType.SKF:
            return octets
        return octets[:24] + (len(octets) + 4).to_bytes(4) + octets[28:] + bytes([0, 0, 0, 4])

    bad.tap(tap, "wire")


@later("fragments", "7383-2.5.1-01")
def sends_fragments_that_are_too_large(bad: Faulty) -> None:
    """Sends fragments larger than its configuration says."""

    def room(original, sa, remote):
        found = original(sa, remote)
        return None if found is None else found + 200

    bad.swap_function(reassembly.room, room)


@later("fragments", "7383-2.6-i01")
def fails_for_want_of_a_fragment(bad: Faulty) -> None:
    """Closes the IKE SA when it gives up an incomplete set of fragments."""

    def begin(original, queues, key, total):
        queue, sa = original(queues, key, total), queues._sa
        wait = sa.config.retransmission.total - 0.001  # just before it is forgotten
        sa.endpoint.timers.set(sa.now + wait, lambda now: _close(sa) if queues._queues.get(key) is queue else None)
        return queue

    bad.swap(Reassembly, "_begin", begin)


def _close(sa) -> None:
    if sa.established:
        sa.closed("a fragment is missing", Closing.INVALID)


@later("fragments", "7383-2.6.1-01")
def takes_the_second_fragment_for_a_replay(bad: Faulty) -> None:
    """Drops a fragment whose message ID it has seen before."""

    def check(original, queues, datagram, offset, queue):
        if queue is not None:
            raise MalformedError("a replay")
        return original(queues, datagram, offset, queue)

    bad.swap(Reassembly, "_check", check)


@later("fragments", "7383-5-i01", "7383-4-i01")
def acts_on_the_first_fragment(bad: Faulty) -> None:
    """Processes the payloads of the first fragment without waiting for the others."""

    def open_(original, queues, datagram, header):
        envelope = queues._sa.envelope
        place = envelope.find(datagram.data, header)
        if place.kind == PayloadType.SKF and not header.response:
            number, total = queues._check(datagram, place.offset, None)
            fragment = envelope.open_fragment(datagram, header, place, number, total)
            if number == 1:
                return envelope.join([fragment], datagram)
        return original(queues, datagram, header)

    bad.swap(Reassembly, "open", open_)


# Rekeys and Deletes


@later("rekey", "7296-1.3.2-i01")
def counts_anew_on_the_old_ike_sa(bad: Faulty) -> None:
    """Begins again with message ID 0 on the old IKE SA after a rekey."""

    def hand_over(original, old, new):
        original(old, new)
        old.requests.next_id = 0

    bad.swap_function(succession.hand_over, hand_over)


@later("rekey", "7296-2.8-04")
def keeps_sas_that_it_could_not_rekey(bad: Faulty) -> None:
    """Keeps an IKE SA and its Child SAs after their lifetime when they could not be rekeyed."""
    bad.swap(IkeLife, "_end", lambda original, life, limit: None)
    bad.swap(ChildLife, "_end", lambda original, life, limit: None)


@later("rekey", "7296-2.8-06")
def sends_a_request_behind_the_delete(bad: Faulty) -> None:
    """Sends another request on an IKE SA behind the Delete of it."""

    def delete(original, sa, why=Closing.BY_US):
        exchange = original(sa, why)
        if why is Closing.REPLACED:
            sa.transmit(Outgoing([]), ExchangeType.INFORMATIONAL, sa.requests.next_id, None)
        return exchange

    bad.swap(IkeSa, "delete_ike", delete)


@later("sk", "7296-2.17-i01")
def derives_every_child_sa_from_the_first_nonces(bad: Faulty) -> None:
    """Derives the keys of every Child SA from the nonces of IKE_SA_INIT."""

    def install(original, sa, plan, spi, nonces, **named):
        return original(sa, plan, spi, (sa.nonce_i, sa.nonce_r), **named)

    bad.swap_function(setup.install, install)


@later("sk", "7296-2.17-01", "7296-2.17-i03", connects=False)
def takes_the_responders_keys_first(bad: Faulty) -> None:
    """Takes the keys of the responder's direction first from KEYMAT."""

    def install(original, sa, plan, spi, nonces, *, initiator, **named):
        return original(sa, plan, spi, nonces, initiator=not initiator, **named)

    bad.swap_function(setup.install, install)


@later("informational/delete", "7296-1.4.1-i01")
def deletes_both_sides(bad: Faulty) -> None:
    """Names both SAs of a pair in one Delete."""

    def change(payload):
        if isinstance(payload, IKEv2_Delete) and payload.proto == ProtocolId.ESP:
            for spi in list(payload.SPI):
                found = bad.endpoint.children.get(int.from_bytes(spi))
                if found is not None:
                    payload.SPI = [*payload.SPI, found[1].outbound.spi.to_bytes(4)]

    bad.each_payload(change)


@later("informational/delete", "7296-2.4-11")
def removes_child_sas_silently(bad: Faulty) -> None:
    """Removes a Child SA without a Delete."""

    def delete(original, sa, *children):
        sa.remove_children([child.inbound.spi for child in children], by_peer=False)
        return sa.liveness()

    bad.swap(IkeSa, "delete_child", delete)


# NAT traversal


@later("udp-encap", "7296-2.23-i01", "3948-1-02", "7296-2.23-13")
def knows_no_esp_in_udp(bad: Faulty) -> None:
    """Drops all ESP in UDP."""

    def receive(original, datagram, now):
        if datagram.kind is not DatagramKind.ESP_IN_UDP:
            original(datagram, now)

    bad.wrap("receive", receive)


@later("udp-encap", "3948-2.3-01")
def sends_keepalives_from_another_port(bad: Faulty) -> None:
    """Sends keepalives from another port than ESP in UDP."""

    def transmit(original, message, datagrams, attempt=0):
        moved = [
            replace(d, local=d.local._replace(port=4501)) if d.kind is DatagramKind.KEEPALIVE else d for d in datagrams
        ]
        original(message, moved, attempt)

    bad.wrap("transmit", transmit)


@later("udp-encap", "3948-5.2-01", "3948-5.2-02")
def takes_conflicting_child_sas(bad: Faulty) -> None:
    """Sets up transport mode for two hosts behind one NAT with the same traffic selectors."""
    bad.swap_function(transport.taken, lambda original, *rest: False)
