# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in Deletes, in INFORMATIONAL exchanges, in further Child SAs, and in the detection of dead peers."""

from __future__ import annotations

from fynx_scapy.errors import Closing, PeerError
from fynx_scapy.iana import NotifyType, PayloadType, ProtocolId
from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.child import setup, transport
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.life.dpd import Watch
from fynx_scapy.ike.life.lifetimes import ChildLife
from fynx_scapy.ike.message import DatagramKind
from fynx_scapy.ike.path import icmp
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.sa_messages import SaMessages
from fynx_scapy.ike.traffic.receiver import Receiver
from fynx_scapy.ike.wire import rules
from fynx_scapy.layers.ikev2 import IKEv2_Delete
from tests.faults.fault import Faulty, fault

# Deletes


@fault("informational/delete", "7296-1.4.1-01", "7296-1.4.1-03", "7296-1.4.1-02")
def keeps_its_half_of_a_pair(bad: Faulty) -> None:
    """Goes on with its own SA of a pair when the peer deletes the other one."""
    bad.swap(Informational, "_remove_outbound", lambda original, exchange, delete: [])


@fault("informational/delete", "7296-1.4.1-i02", "7296-1.4.1-03", "7296-1.4.1-02")
def answers_a_delete_without_its_half(bad: Faulty) -> None:
    """Does not name its own SA of the pair in the answer to a Delete."""

    def remove(original, exchange, delete):
        original(exchange, delete)
        return []

    bad.swap(Informational, "_remove_outbound", remove)


@fault("informational/delete", "7296-1.4.1-i02", "7296-1.4.1-02")
def answers_a_delete_with_the_same_spis(bad: Faulty) -> None:
    """Names the peer's SPIs, not its own ones, in the answer to a Delete."""

    def remove(original, exchange, delete):
        return [int.from_bytes(spi) for spi in delete.SPI] if original(exchange, delete) else []

    bad.swap(Informational, "_remove_outbound", remove)


@fault("informational/delete", "7296-1.4.1-i01", "7296-3.11-i01")
def deletes_the_outbound_spi(bad: Faulty) -> None:
    """Names its outbound SPIs in a Delete."""

    def change(payload):
        if isinstance(payload, IKEv2_Delete) and payload.proto == ProtocolId.ESP:
            known = [bad.endpoint.children.get(int.from_bytes(spi)) for spi in payload.SPI]
            if all(known):
                payload.SPI = [found[1].outbound.spi.to_bytes(4) for found in known if found]

    bad.each_payload(change)


@fault("informational/delete", "7296-1.4.1-i04", "7296-2.25.2-04")
def answers_the_delete_of_an_ike_sa_with_a_delete(bad: Faulty) -> None:
    """Answers the Delete of an IKE SA with a Delete payload."""

    def respond(original, exchange, request):
        steps = original(exchange, request)
        answer = next(steps)
        if any(delete.proto == ProtocolId.IKE for delete in request.all(IKEv2_Delete)):
            answer.payloads.append(IKEv2_Delete(proto=int(ProtocolId.IKE)))
        yield answer
        yield from steps

    bad.swap(Informational, "respond", respond)


@fault("informational/delete", "7296-1.4-04", "7296-4-06")
def is_silent_about_empty_requests(bad: Faulty) -> None:
    """Does not answer an empty INFORMATIONAL request."""

    def answer(original, answers, request):
        if request.payloads or not answers._sa.established:
            original(answers, request)

    bad.swap(Answers, "_answer", answer)


@fault("informational/delete", "7296-3.11-01")
def heeds_the_first_spi_only(bad: Faulty) -> None:
    """Deletes only the first one of several Child SAs in one Delete payload."""

    def remove(original, exchange, delete):
        delete.SPI = delete.SPI[:1]
        return original(exchange, delete)

    bad.swap(Informational, "_remove_outbound", remove)


@fault("informational/delete", "7296-3.11-02", "7296-3.11-03")
def ignores_sizes_in_deletes(bad: Faulty) -> None:
    """Skips a Delete whose SPI size or number is impossible."""

    def check(original, message, rule):
        message.payloads = [p for p in message.payloads if p.payload_type != PayloadType.D or not p.malformed]
        original(message, rule)

    bad.swap_function(rules.check, check)


@fault("informational/delete", "7296-2.25.1-06")
def refuses_the_delete_of_an_unknown_child_sa(bad: Faulty) -> None:
    """Refuses a Delete with an unknown SPI."""

    def remove(original, exchange, delete):
        known = {child.outbound.spi for child in exchange.sa.children.values()}
        if any(int.from_bytes(spi) not in known for spi in delete.SPI):
            raise PeerError(NotifyType.INVALID_SPI, reason="an unknown SPI")
        return original(exchange, delete)

    bad.swap(Informational, "_remove_outbound", remove)


@fault("informational/delete", "7296-1.4.1-i03", "7296-2.4-i04")
def keeps_the_child_sas_of_a_deleted_ike_sa(bad: Faulty) -> None:
    """Goes on receiving on the Child SAs of an IKE SA that was deleted."""

    def remove(original, sa, spis, *, by_peer, reason="deleted", code=None):
        if code is not Closing.WITH_IKE_SA:
            original(sa, spis, by_peer=by_peer, reason=reason, code=code)

    bad.swap(IkeSa, "remove_children", remove)


@fault("informational/delete", "7296-2.4-13")
def ends_without_a_delete(bad: Faulty) -> None:
    """Closes an IKE SA without telling the peer."""

    def delete(original, sa, why=Closing.BY_US):
        if sa.established and why in (Closing.BY_US, Closing.LIFETIME):
            exchange = Informational(sa)
            exchange.complete()
            sa.closed("ended silently", why)
            return exchange
        return original(sa, why)

    bad.swap(IkeSa, "delete_ike", delete)


# Further Child SAs


@fault("create-child", "7296-1.3-i02", "7296-4-07")
def is_silent_when_it_is_full(bad: Faulty) -> None:
    """Does not answer a request for more Child SAs than it takes."""

    def refuse(original, answers, request, error, attempt):
        if error.notify_type != NotifyType.NO_ADDITIONAL_SAS:
            original(answers, request, error, attempt)

    bad.swap(Answers, "_refuse", refuse)


@fault("create-child", "7296-1.3.1-02")
def takes_transport_mode_without_a_word(bad: Faulty) -> None:
    """Sets up a Child SA in transport mode without USE_TRANSPORT_MODE in its answer."""

    def announce(original, plan, spi):
        payloads = original(plan, spi)
        return [p for p in payloads if getattr(p, "type", 0) != NotifyType.USE_TRANSPORT_MODE]

    bad.swap_function(setup.child_answer_payloads, announce)


@fault("create-child", "7296-1.3.1-03")
def keeps_a_child_sa_in_tunnel_mode(bad: Faulty) -> None:
    """Keeps a Child SA in tunnel mode although it must have transport mode."""
    bad.swap_function(transport.declined, lambda original, sa, child: None)


@fault("create-child", "7296-2.8-09")
def is_not_ready_when_it_answers(bad: Faulty) -> None:
    """Receives on a further Child SA that the peer has asked for only half a second after its answer."""

    def receive(original, receiver, datagram):
        found = bad.endpoint.children.get(int.from_bytes(datagram.data[:4]))
        sa, child = found or (None, None)
        early = child is not None and bad.endpoint.now < child.installed_at + 0.5
        if not early or child.initiator or child.installed_at <= (sa.established_at or 0.0):
            original(receiver, datagram)

    bad.swap(Receiver, "receive", receive)


# Dead peers and lifetimes


@fault("lifetime/dpd", "7296-2.4-05", "7296-2.1-06")
def gives_up_after_one_attempt(bad: Faulty) -> None:
    """Takes the peer for dead when one request has no answer."""
    bad.swap(SaMessages, "retransmit", _dead_at_once)


def _dead_at_once(original, sa, kept, *rest):
    if kept.request and not sa.connecting:
        sa.endpoint.timers.set(sa.now, lambda now: sa.closed("no answer", Closing.PEER_DEAD))
    else:
        original(sa, kept, *rest)


@fault("lifetime/dpd", "3948-4-01", "7296-2.4-i01")
def takes_keepalives_for_life(bad: Faulty) -> None:
    """Takes a NAT keepalive for a sign that the peer is alive."""

    def receive(original, datagram, now):
        original(datagram, now)
        if datagram.kind is DatagramKind.KEEPALIVE:
            for sa in bad.endpoint.directory.at(datagram.remote.host):
                sa.last_heard = now

    bad.wrap("receive", receive)


@fault("lifetime/dpd", "7296-2.4-04")
def believes_icmp(bad: Faulty) -> None:
    """Closes an IKE SA when ICMP says that its peer cannot be reached."""

    def receive(original, endpoint, error):
        original(endpoint, error)
        for sa in list(endpoint.directory.at(error.remote.host)) if error.mtu is None else ():
            if sa.established:
                sa.closed("ICMP", Closing.PEER_DEAD)

    bad.swap(icmp, "receive", receive)


@fault("lifetime/dpd", "7296-2.8-01")
def uses_expired_child_sas(bad: Faulty) -> None:
    """Goes on using a Child SA after its lifetime."""
    bad.swap(ChildLife, "_end", lambda original, life, limit: None)


@fault("lifetime/dpd", "7296-2.4-i01", "7296-2.4-i02")
def never_checks_its_peer(bad: Faulty) -> None:
    """Never asks whether a silent peer is alive."""
    bad.swap(Watch, "_look", lambda original, watch, now: None)


@fault("lifetime/dpd", "7296-2.4-03")
def heeds_initial_contact_at_any_time(bad: Faulty) -> None:
    """Closes the IKE SA when INITIAL_CONTACT comes in an INFORMATIONAL request."""

    def accept(original, sa, message):
        original(sa, message)
        if sa.established and message.has_notify(NotifyType.INITIAL_CONTACT):
            sa.endpoint.timers.set(sa.now, lambda now: sa.closed("INITIAL_CONTACT", Closing.PEER_RESTARTED))

    bad.swap(SaMessages, "accept", accept)
