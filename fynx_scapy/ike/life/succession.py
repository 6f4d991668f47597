# SPDX-License-Identifier: GPL-2.0-or-later
"""The successor of an IKE SA: create it, hand over the Child SAs, and retry refused requests (sections 2.8, 2.25)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fynx_scapy.errors import Closing
from fynx_scapy.iana import ProtocolId
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.chains import Chains
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.message import Message
from fynx_scapy.ike.path.keepalive import Keepalives
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.layers.ikev2 import IKEv2_Delete

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


def succeed(
    old: SaRecord,
    suite: Suite,
    spis: tuple[bytes, bytes],
    nonces: tuple[bytes, bytes],
    shared: bytes,
    *,
    initiator: bool,
) -> SaRecord:
    """The IKE SA that replaces ``old``: established, with keys, message IDs from 0 (section 2.18).

    ``initiator``: whether we began the rekey, whoever initiated the old IKE SA.
    """
    where = {"local": old.local, "remote": old.remote}
    sa = type(old)(old.endpoint, [old.config], initiator=initiator, spi_i=spis[0], spi_r=spis[1], **where)
    sa.nonce_i, sa.nonce_r = nonces
    sa.state = State.ESTABLISHED
    sa.peer_proof, sa.local_id, sa.remote_id = old.peer_proof, old.local_id, old.remote_id
    sa.inbox = old.inbox
    hooks.inherit(sa, old)
    sa.endpoint.of(Keepalives).start(sa)
    sa.line = old.line
    sa.line.spis.add(sa.own_spi)
    sa.start_clocks(old)
    sa.derive_keys(suite, shared, old)
    sa.endpoint.adopt(sa)
    sa.predecessor = None if initiator else old
    return sa


def hand_over(old: SaRecord, new: SaRecord) -> None:
    """Move all Child SAs and all waiting exchanges to the successor.

    Nothing is moved if either IKE SA has ended; then the Child SAs end with the old IKE SA.
    """
    if old.successor is not None or old.state is State.CLOSED:
        return
    new.predecessor = None
    # The successor may have been rekeyed itself before we learned that it takes over.
    new = new.newest
    if new.state is State.CLOSED:
        return
    old.succeeded_by(new)
    old.state = State.REKEYED
    old.stop_clocks()
    # A waiting exchange must not add a Child SA to an IKE SA that has handed over its own.
    old.of(Chains).stop("the IKE SA was rekeyed")
    for spi, child in old.children.items():
        new.children[spi] = child
        old.endpoint.move_child(child, new)
    old.children.clear()
    waiting = list(old.requests.waiting)
    old.requests.waiting.clear()
    for exchange in waiting:
        exchange.sa = new
        if exchange.replaces_ike:
            # The rekey has happened already.
            exchange.complete()
        else:
            new.start(exchange)
    new.take_over()


def inherit_if_used(sa: SaRecord, request: Message) -> None:
    """Hand over to the successor that the peer created once the peer uses it, whatever happened to our own rekey.

    A Delete of the successor does not count as use (section 2.8.2).
    """
    old = sa.predecessor
    if old is not None and not any(delete.proto == ProtocolId.IKE for delete in request.all(IKEv2_Delete)):
        hand_over(old, sa)


def expect_delete(sa: SaRecord) -> None:
    """Wait for the peer to delete this IKE SA; close it if the peer never does."""
    sa.closing = Closing.REPLACED

    def give_up(now: float) -> None:
        sa.closed("the peer did not delete it", Closing.REPLACED)

    sa.deadline = sa.endpoint.timers.set(sa.now + sa.endpoint.config.linger, give_up)


def try_again(refused: SaRecord, make: Callable[[SaRecord], Exchange]) -> None:
    """Try again after TEMPORARY_FAILURE and a random wait; after `IkeConfig.retry_limit` seconds, give up (2.25)."""
    if refused.refused_since is None:
        refused.refused_since = refused.now
    if refused.now - refused.refused_since > refused.config.retry_limit:
        # "it SHOULD conclude that the state information is out of sync and close the IKE SA"
        refused.delete_ike(Closing.LIFETIME)
        return

    def again(now: float) -> None:
        sa = refused.newest
        if sa.established:
            sa.start(make(sa))

    wait = refused.endpoint.randomness.uniform(*refused.config.retry_wait)
    refused.endpoint.timers.set(refused.now + wait, again)
