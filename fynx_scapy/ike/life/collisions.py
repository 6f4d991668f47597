# SPDX-License-Identifier: GPL-2.0-or-later
"""Exchange collisions: what is allowed, which rekey wins, and who deletes which SA (RFC 7296 sections 2.8, 2.25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import Closing, MalformedError, PeerError
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.ike.child.setup import no_room
from fynx_scapy.ike.core.chains import Chains
from fynx_scapy.ike.life import succession

if TYPE_CHECKING:
    from fynx_scapy.ike.core.child import ChildSa
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.message import Message

_OF_CHILD = (ProtocolId.AH, ProtocolId.ESP)


def _busy(reason: str) -> PeerError:
    return PeerError(NotifyType.TEMPORARY_FAILURE, reason=reason)


def _not_found(protocol: int, spi: bytes) -> PeerError:
    """CHILD_SA_NOT_FOUND with the SPI of the request (section 2.25).

    Section 3.10: its protocol "MUST contain either (2) to indicate AH or (3) to indicate ESP", and is zero when the SPI
    field is empty.
    """
    answered = (protocol if protocol in _OF_CHILD else ProtocolId.ESP) if spi else 0
    reason = f"no Child SA has protocol {protocol} and SPI {spi.hex() or 'none'}"
    return PeerError(NotifyType.CHILD_SA_NOT_FOUND, reason=reason, protocol=answered, spi=spi)


def still_wanted(sa: SaRecord, old: ChildSa) -> bool:
    """Whether a Child SA still exists and is neither deleted nor rekeyed."""
    return sa.children.get(old.inbound.spi) is old and not old.deleting and old.rekeying is None and old.rekeyed is None


def object_to_child(sa: SaRecord) -> None:
    """PeerError when the IKE SA accepts no new Child SA now.

    Section 2.25.2: "If a peer receives a request to create or rekey a Child SA when it is currently rekeying the IKE
    SA, it SHOULD reply with TEMPORARY_FAILURE."
    """
    rekeyed = sa.rekeying is not None or sa.rekeyed is not None or sa.peer_rekeyed is not None
    if rekeyed or any(exchange.replaces_ike for exchange in sa.of(Chains).exchanges):
        raise _busy("the IKE SA is being rekeyed")
    if not sa.established:
        raise _busy("the IKE SA is being closed")


def rekeyed_child(sa: SaRecord, request: Message) -> ChildSa:
    """The Child SA that a request rekeys; PeerError when it does not exist or is being closed (section 2.25.1)."""
    object_to_child(sa)
    rekey = next(request.notifies(NotifyType.REKEY_SA))
    protocol, spi = rekey.proto or 0, bytes(rekey.SPI or b"")
    if protocol in _OF_CHILD and len(spi) != 4:
        raise MalformedError(f"expected REKEY_SA with an SPI of 4 octets, found {spi.hex() or 'none'}")
    if protocol != ProtocolId.ESP:
        raise _not_found(protocol, spi)
    old = next((child for child in sa.children.values() if child.outbound.spi == int.from_bytes(spi)), None)
    if old is None and sa.creating:
        # It may be the Child SA of our own request, whose answer has not arrived yet.
        raise _busy("a Child SA is being created")
    if old is None:
        raise _not_found(protocol, spi)
    if old.deleting:
        raise _busy("the Child SA is being closed")
    if any(exchange.followed_up and old.inbound.spi in exchange.subjects for exchange in sa.requests.in_flight):
        # RFC 9370 section 2.2.4, as for the IKE SA.
        raise _busy("our own rekey of the Child SA is in progress and was answered already")
    # A rekey may add one; it ends with the Delete of the old one.
    if (full := no_room(sa, more=1)) is not None:
        raise _busy(f"{full}, and rekeyed ones are not deleted")
    return old


def note_early_delete(sa: SaRecord, spis: set[int]) -> None:
    """Remember a Delete of unknown Child SAs: one may be the result of our request, whose answer is on its way."""
    if sa.creating and len(sa.deleted_early) + len(spis) <= sa.config.child_limit:
        sa.deleted_early |= spis


def remove_deleted_early(sa: SaRecord, child: ChildSa) -> None:
    """Remove a new Child SA if the peer has deleted it before we knew it."""
    if child.outbound.spi in sa.deleted_early:
        sa.remove_children([child.inbound.spi], by_peer=True, reason="deleted by the peer before it was installed")
    if not sa.creating:
        sa.deleted_early.clear()


def object_to_ike_rekey(sa: SaRecord) -> None:
    """PeerError when the IKE SA cannot be rekeyed now (sections 2.25.1 and 2.25.2)."""
    if not sa.established or sa.rekeyed is not None or sa.peer_rekeyed is not None:
        raise _busy("the IKE SA is being closed")
    if len(sa.line.spis) > sa.config.undeleted_limit:
        raise _busy(f"{len(sa.line.spis) - 1} rekeyed IKE SAs are not deleted")
    if any(exchange.followed_up and exchange.replaces_ike for exchange in sa.requests.in_flight):
        # RFC 9370 section 2.2.4: the peer has answered our CREATE_CHILD_SA, so this is no simultaneous rekey.
        raise _busy("our own rekey of the IKE SA is in progress and was answered already")
    if any(exchange.touches_children for exchange in [*sa.requests.in_flight, *sa.of(Chains).exchanges]):
        raise _busy("a Child SA is being created, rekeyed or closed")


def lowest_is_ours(ours: tuple[bytes, bytes], theirs: tuple[bytes, bytes]) -> bool:
    """Whether the lowest of the four nonces, compared octet by octet, is from our exchange (section 2.8.1)."""
    return min(ours) < min(theirs)


def settle_child(sa: SaRecord, old: ChildSa) -> None:
    """After both rekeys of a Child SA, or only ours: delete the Child SA that we must delete.

    Section 2.8.1: the SA with the lowest nonce is closed by the peer that created it; "the node that initiated the
    surviving rekeyed SA should delete the replaced SA".
    """
    ours, theirs = old.rekeyed, old.peer_rekeyed
    if ours is None:
        return
    lost = theirs is not None and lowest_is_ours(ours.nonces, theirs.nonces)
    loser = ours.child if lost else old
    if sa.children.get(loser.inbound.spi) is loser and not loser.deleting:
        sa.delete_child(loser)


def settle_ike(sa: SaRecord) -> None:
    """After both rekeys of an IKE SA, or only one: hand over the Child SAs, and delete the IKE SA that we must delete.

    Section 2.8.2: "The new IKE SA containing the lowest nonce SHOULD be deleted by the node that created it, and the
    other surviving new IKE SA MUST inherit all the Child SAs."
    """
    ours, theirs = sa.rekeyed, sa.peer_rekeyed
    if ours is not None and (theirs is None or not lowest_is_ours(ours.nonces, theirs.nonces)):
        succession.hand_over(sa, ours.sa)
        sa.delete_ike(Closing.REPLACED)
        if theirs is not None:
            succession.expect_delete(theirs.sa)
    elif theirs is not None:
        succession.hand_over(sa, theirs.sa)
        succession.expect_delete(sa)
        if ours is not None:
            ours.sa.delete_ike(Closing.REPLACED)
