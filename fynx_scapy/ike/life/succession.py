# SPDX-License-Identifier: GPL-2.0-or-later
"""One IKE SA follows another: made, handed the Child SAs; and what came too early is tried again (section 2.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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

    ``initiator``: whether it is we who rekey, whoever began the old one.
    """
    where = {"local": old.local, "remote": old.remote}
    sa = type(old)(old.endpoint, [old.config], initiator=initiator, spi_i=spis[0], spi_r=spis[1], **where)
    sa.nonce_i, sa.nonce_r = nonces
    sa.state = State.ESTABLISHED
    sa.local_id, sa.remote_id = old.local_id, old.remote_id
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
    """Give all Child SAs, and what has not begun yet, to the successor.

    An IKE SA that has ended has nothing to give. A successor that has ended inherits nothing: the Child SAs end with
    the old IKE SA.
    """
    if old.successor is not None or old.state is State.CLOSED:
        return
    new.predecessor = None
    # It may have been rekeyed itself before the peer told us that it was to inherit.
    new = new.newest
    if new.state is State.CLOSED:
        return
    old.succeeded_by(new)
    old.state = State.REKEYED
    old.stop_clocks()
    # What goes on with one of them must not bring a Child SA to an IKE SA that has given its own away.
    old.of(Chains).stop("the IKE SA was rekeyed")
    for spi, child in old.children.items():
        new.children[spi] = child
        if spi in old.endpoint.children:
            old.endpoint.children[spi] = (new, child)
    old.children.clear()
    waiting = list(old.requests.waiting)
    old.requests.waiting.clear()
    for exchange in waiting:
        exchange.sa = new
        if exchange.replaces_ike:
            # What it was to bring about has come about.
            exchange.done = True
        else:
            new.start(exchange)
    new.take_over()


def inherit_if_used(sa: SaRecord, request: Message) -> None:
    """The peer uses the successor that it made: whatever became of our own rekey, this one is to inherit.

    Only its Delete says nothing of the kind (section 2.8.2).
    """
    old = sa.predecessor
    if old is not None and not any(delete.proto == ProtocolId.IKE for delete in request.all(IKEv2_Delete)):
        hand_over(old, sa)


def expect_delete(sa: SaRecord) -> None:
    """The peer is to delete this SA; should it never do so, it goes by itself."""

    def give_up(now: float) -> None:
        sa.closed("the peer did not delete it")

    sa.deadline = sa.endpoint.timers.set(sa.now + sa.endpoint.config.linger, give_up)


def try_again(refused: SaRecord, make: Callable[[SaRecord], Exchange]) -> None:
    """After TEMPORARY_FAILURE: a new attempt after a jittered wait, for some minutes (section 2.25)."""
    if refused.refused_since is None:
        refused.refused_since = refused.now
    if refused.now - refused.refused_since > refused.config.retry_limit:
        # "it SHOULD conclude that the state information is out of sync and close the IKE SA"
        refused.delete_ike()
        return

    def again(now: float) -> None:
        sa = refused.newest
        if sa.established:
            sa.start(make(sa))

    wait = refused.endpoint.randomness.uniform(*refused.config.retry_wait)
    refused.endpoint.timers.set(refused.now + wait, again)
