# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of a Child SA beside its transforms: TFC padding, fragments, one pair of addresses.

RFC 7296 sections 1.3.1 and 2.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scapy.packet import Packet

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Payloads, notify
from fynx_scapy.ike.terms.selectors import Selector, narrow


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """``tfc``: the peer accepts TFC padding. ``fragments``: both peers accept later fragments, which have no ports."""

    tfc: bool = True
    fragments: bool = False
    additional: bool = False
    """Other selectors would be acceptable in a further Child SA. Only the responder says so."""

    def answer(self, *, accept_tfc: bool) -> list[Packet]:
        """The responder's notifies."""
        payloads = announce(accept_tfc=accept_tfc, fragments=self.fragments)
        return [*payloads, notify(NotifyType.ADDITIONAL_TS_POSSIBLE)] if self.additional else payloads


NO_OPTIONS = ChildOptions()


def announce(*, accept_tfc: bool, fragments: bool) -> list[Packet]:
    """The notifies that go with an offer or an answer."""
    notifies: list[Packet] = []
    if not accept_tfc:
        notifies.append(notify(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED))
    if fragments:
        notifies.append(notify(NotifyType.NON_FIRST_FRAGMENTS_ALSO))
    return notifies


def agree(peer: Payloads, *, fragments: bool, additional: bool = False) -> ChildOptions:
    """The options that the peer's message agrees to. ``fragments``: whether we asked for them, or allow them."""
    return ChildOptions(
        tfc=not peer.has_notify(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED),
        fragments=fragments and peer.has_notify(NotifyType.NON_FIRST_FRAGMENTS_ALSO),
        additional=additional,
    )


def one_pair(remote: Sequence[Selector], local: Sequence[Selector]) -> tuple[tuple[Selector, ...], ...]:
    """Narrow an offer to the one pair of addresses in its first selectors (section 2.9).

    PeerError SINGLE_PAIR_REQUIRED when the first selectors are ranges.
    """
    first = remote[0], local[0]
    if any(selector.start != selector.end for selector in first):
        raise PeerError(
            NotifyType.SINGLE_PAIR_REQUIRED, reason="policy requires one Child SA per pair of addresses, found ranges"
        )
    pairs = []
    for chosen, offered in zip(first, (remote, local), strict=True):
        same = Selector(chosen.version, chosen.start, chosen.end)
        pairs.append(tuple(narrow(offered, [same])))
    return tuple(pairs)


def more_possible(
    offer: tuple[Sequence[Selector], Sequence[Selector]],
    taken: tuple[Sequence[Selector], Sequence[Selector]],
    policies: Sequence[tuple[Sequence[Selector], Sequence[Selector]]],
) -> bool:
    """Whether other selectors of the offer would be acceptable in a further Child SA."""
    for policy in policies:
        parts = [narrow(asked, allowed) for asked, allowed in zip(offer, policy, strict=True)]
        others = [set(found).difference(had) for found, had in zip(parts, taken, strict=True)]
        if all(parts) and any(
            not any(own.covers(part) for own in had) for found, had in zip(others, taken, strict=True) for part in found
        ):
            return True
    return False
