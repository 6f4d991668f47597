# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in rekeys, and in exchanges that cross."""

from __future__ import annotations

from fynx_scapy.crypto import keymat
from fynx_scapy.crypto.prf import PrfFunction
from fynx_scapy.errors import Closing, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.child import setup
from fynx_scapy.ike.core import keyshare
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.life import collisions, reauthentication, succession
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.wire.rules import MAYBE, P, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_KE, IKEv2_SA
from tests.faults.fault import Faulty, fault, is_request

_BUSY = NotifyType.TEMPORARY_FAILURE

# Rekeys


@fault("rekey", "7296-1.3.2-01", "7296-2.18-01", "7296-2.18-02")
def takes_an_ike_rekey_without_key_exchange(bad: Faulty) -> None:
    """Rekeys the IKE SA although the request has no KE payload."""
    row = RekeyIke.rules[0]
    lax = (Round(Rule({**row.request.payloads, P.KE: MAYBE}), row.response),)

    def row_of(original, exchange, exchange_type):
        exchange.rules = lax
        return original(exchange, exchange_type)

    def answered(original, choice, request, random):
        if request.get(IKEv2_KE) is None and choice.suite.prf is not None:
            share = keyshare.KeyShare.generate(choice.suite.ke.id, random)
            return [share.payload()], b""
        return original(choice, request, random)

    bad.swap(RekeyIke, "row", row_of)
    bad.swap_function(keyshare.answered_secret, answered)


@fault("rekey", "7296-1.3.2-01", "7296-2.18-01")
def rekeys_the_ike_sa_without_key_exchange(bad: Faulty) -> None:
    """Asks for a rekey of the IKE SA without a KE payload."""

    def tap(message):
        offer = message.get(IKEv2_SA)
        ike = offer is not None and offer.prop[0].proto == ProtocolId.IKE
        if ike and is_request(message, ExchangeType.CREATE_CHILD_SA):
            message.payloads = [p for p in message.payloads if not isinstance(p, IKEv2_KE)]

    bad.tap(tap)


@fault("rekey", "7296-2.9.2-01", "7296-2.9.2-03")
def narrows_at_a_rekey(bad: Faulty) -> None:
    """Answers a rekey of a Child SA with traffic selectors of a single address."""

    def answer(original, sa, request, configs, **named):
        if request.has_notify(NotifyType.REKEY_SA):
            configs = [config.replace(single_pair=True) for config in configs]
        return original(sa, request, configs, **named)

    bad.swap_function(setup.answer_child, answer)


@fault("rekey", "7296-2.8-08")
def deletes_a_child_sa_with_equal_selectors(bad: Faulty) -> None:
    """Deletes a Child SA when another one with the same traffic selectors is set up."""

    def add(original, sa, child):
        same = [
            other
            for other in sa.children.values()
            if (other.local_ts, other.remote_ts) == (child.local_ts, child.remote_ts) and child.replaces is None
        ]
        original(sa, child)
        for other in same:
            sa.endpoint.timers.set(sa.now, lambda now, other=other: _delete_child(sa, other))

    bad.swap(IkeSa, "add_child", add)


def _delete_child(sa, child) -> None:
    if sa.established and sa.children.get(child.inbound.spi) is child and not child.deleting:
        sa.delete_child(child)


@fault("rekey", "7296-1.3.3-01")
def rekeys_without_naming_the_child_sa(bad: Faulty) -> None:
    """Rekeys a Child SA without REKEY_SA."""

    def tap(message):
        message.payloads = [p for p in message.payloads if getattr(p, "type", 0) != NotifyType.REKEY_SA]

    bad.tap(tap)


@fault("rekey", "7296-1.3.3-i01", "7296-1.3.3-01")
def names_the_outbound_spi_at_a_rekey(bad: Faulty) -> None:
    """Names the Child SA that it rekeys by its outbound SPI."""

    def change(payload):
        spi = int.from_bytes(bytes(payload.SPI))
        _, child = bad.endpoint.children.get(spi, (None, None))
        if child is not None:
            payload.SPI = child.outbound.spi.to_bytes(4)

    bad.each_notify(change, NotifyType.REKEY_SA)


@fault("rekey", "7296-2.8-i01", "7296-2.8.1-i01")
def never_deletes_the_rekeyed_child_sa(bad: Faulty) -> None:
    """Does not delete a Child SA that it has rekeyed."""
    bad.swap_function(collisions.settle_child, lambda original, sa, old: None)


@fault("rekey", "7296-2.18-i01", "7296-2.18-i02")
def derives_a_successor_with_its_own_prf(bad: Faulty) -> None:
    """Derives SKEYSEED of a new IKE SA with its own PRF, not with that of the old one."""
    own: list[PrfFunction] = []

    def derive(original, sa, suite, shared, old=None):
        if old is None or suite.prf is None or old.suite.prf == suite.prf:
            return original(sa, suite, shared, old)
        own.append(suite.prf_function())
        try:
            return original(sa, suite, shared, old)
        finally:
            own.clear()

    def seed(original, prf, *rest):
        return original(own[0] if own else prf, *rest)

    bad.swap(IkeSa, "derive_keys", derive)
    bad.swap_function(keymat.rekey_skeyseed, seed)


@fault("rekey", "7296-2.18-03")
def goes_on_counting_after_a_rekey(bad: Faulty) -> None:
    """Goes on with the message IDs of the old IKE SA after a rekey."""

    def succeed(original, old, *rest, **named):
        new = original(old, *rest, **named)
        new.requests.next_id = old.requests.next_id
        return new

    bad.swap_function(succession.succeed, succeed)


@fault("rekey", "7296-4-09")
def gives_up_a_refused_rekey(bad: Faulty) -> None:
    """Does nothing about NO_ADDITIONAL_SAS in the answer to a rekey."""
    bad.swap_function(reauthentication.replace_refused, lambda original, sa: None)


@fault("rekey", "7296-2.8.2-01")
def leaves_child_sas_behind(bad: Faulty) -> None:
    """Does not move the Child SAs to the new IKE SA at a rekey."""

    def hand_over(original, old, new):
        spis = list(old.children)
        old.remove_children(spis, by_peer=False, reason="left behind", code=Closing.WITH_IKE_SA)
        original(old, new)

    bad.swap_function(succession.hand_over, hand_over)


# Collisions


@fault("collision", "7296-2.8.1-03", "7296-2.8.1-i01", "7296-2.8.2-01")
def keeps_the_wrong_sa(bad: Faulty) -> None:
    """Deletes the SA with the highest nonce after two rekeys have crossed."""
    bad.swap_function(collisions.lowest_is_ours, lambda original, ours, theirs: not original(ours, theirs))


@fault("collision", "7296-2.25.2-05")
def creates_child_sas_during_an_ike_rekey(bad: Faulty) -> None:
    """Sets up or rekeys a Child SA while it rekeys the IKE SA."""
    bad.swap_function(collisions.object_to_child, lambda original, sa: None)


@fault("collision", "7296-2.25-05")
def creates_a_child_sa_for_an_unknown_rekey(bad: Faulty) -> None:
    """Rekeys any Child SA when a request names an unknown one."""

    def rekeyed(original, sa, request):
        try:
            return original(sa, request)
        except PeerError as error:
            if error.notify_type != NotifyType.CHILD_SA_NOT_FOUND or not sa.children:
                raise
            return next(iter(sa.children.values()))

    bad.swap_function(collisions.rekeyed_child, rekeyed)


@fault("collision", "7296-2.25-05", "7296-3.10-01")
def does_not_say_which_child_sa_is_unknown(bad: Faulty) -> None:
    """Sends CHILD_SA_NOT_FOUND without an SPI."""

    def change(payload):
        payload.SPI, payload.proto = b"", 0

    bad.each_notify(change, NotifyType.CHILD_SA_NOT_FOUND)


@fault("collision", "7296-1.4.1-05", "7296-2.25.1-04")
def names_a_child_sa_in_both_deletes(bad: Faulty) -> None:
    """Names a Child SA in the answer to a Delete although its own Delete of it is under way."""

    def remove(original, exchange, delete):
        named = {int.from_bytes(spi) for spi in delete.SPI}
        for child in exchange.sa.children.values():
            if child.outbound.spi in named:
                child.deleting = False
        return original(exchange, delete)

    bad.swap(Informational, "_remove_outbound", remove)


@fault("collision", "7296-2.25-02")
def tries_again_at_once(bad: Faulty) -> None:
    """Repeats a request at once after TEMPORARY_FAILURE."""

    def again(original, refused, make):
        refused.endpoint.timers.set(refused.now + 0.01, lambda now: _start(refused.newest, make))

    bad.swap_function(succession.try_again, again)


@fault("collision", "7296-2.25-04")
def tries_again_for_ever(bad: Faulty) -> None:
    """Repeats a request after TEMPORARY_FAILURE without an end."""

    def again(original, refused, make):
        refused.refused_since = None
        original(refused, make)

    bad.swap_function(succession.try_again, again)


def _start(sa, make) -> None:
    if sa.established:
        sa.start(make(sa))


@fault("collision", "7296-2.25.1-07", "7296-2.25.2-02", "7296-2.8.2-02")
def takes_any_ike_rekey(bad: Faulty) -> None:
    """Rekeys the IKE SA although it creates or closes a Child SA, or closes the IKE SA."""
    bad.swap_function(collisions.object_to_ike_rekey, lambda original, sa: None)


@fault("collision", "7296-2.25-06")
def believes_in_a_child_sa_that_is_not_found(bad: Faulty) -> None:
    """Does nothing about CHILD_SA_NOT_FOUND in the answer to a rekey."""

    def failed(original, exchange, error):
        if isinstance(error, PeerError) and error.notify_type == NotifyType.CHILD_SA_NOT_FOUND:
            exchange.old.rekeying = None
        else:
            original(exchange, error)

    bad.swap(RekeyChild, "failed", failed)


@fault("collision", "7296-2.25.1-02", "7296-2.25.2-01")
def refuses_crossing_rekeys(bad: Faulty) -> None:
    """Refuses the peer's rekey of an SA that it is rekeying."""

    def rekeyed(original, sa, request):
        old = original(sa, request)
        if old.rekeying is not None:
            raise PeerError(_BUSY, reason="a rekey is under way")
        return old

    def objection(original, sa):
        original(sa)
        if sa.rekeying is not None:
            raise PeerError(_BUSY, reason="a rekey is under way")

    bad.swap_function(collisions.rekeyed_child, rekeyed)
    bad.swap_function(collisions.object_to_ike_rekey, objection)


@fault("collision", "7296-2.8.1-02")
def drops_the_old_child_sa_early(bad: Faulty) -> None:
    """Does not receive on a rekeyed Child SA any more, although it is not deleted yet."""

    def add(original, sa, child):
        original(sa, child)
        if child.replaces is not None:
            child.replaces.expired = True

    bad.swap(IkeSa, "add_child", add)


@fault("collision", "7296-2.25.1-01", "7296-2.25-01")
def rekeys_a_child_sa_that_it_closes(bad: Faulty) -> None:
    """Takes a rekey of a Child SA whose Delete is under way."""

    def rekeyed(original, sa, request):
        closing = [child for child in sa.children.values() if child.deleting]
        for child in closing:
            child.deleting = False
        try:
            return original(sa, request)
        finally:
            for child in closing:
                child.deleting = True

    bad.swap_function(collisions.rekeyed_child, rekeyed)


@fault("collision", "7296-2.25.2-03", "7296-2.25.1-05", "7296-2.25.2-06")
def refuses_deletes_during_a_rekey(bad: Faulty) -> None:
    """Refuses a Delete while its own rekey is under way."""

    def respond(original, exchange, request):
        sa = exchange.sa
        rekeying = sa.rekeying is not None or any(child.rekeying is not None for child in sa.children.values())
        if rekeying and request.get(IKEv2_Delete) is not None:
            raise PeerError(_BUSY, reason="a rekey is under way")
        yield from original(exchange, request)

    bad.swap(Informational, "respond", respond)
