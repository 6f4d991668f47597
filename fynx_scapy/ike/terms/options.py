# SPDX-License-Identifier: GPL-2.0-or-later
"""What two ends agree on for a Child SA beside its transforms: TFC padding, fragments, one pair.

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
    """``tfc``: the peer accepts TFC padding. ``fragments``: both ends take fragments that show no ports."""

    tfc: bool = True
    fragments: bool = False
    additional: bool = False
    """Other selectors would be accepted too, on a Child SA of their own; only the responder says so."""

    def answer(self, *, accept_tfc: bool) -> list[Packet]:
        """The responder's notifies."""
        payloads = announce(accept_tfc=accept_tfc, fragments=self.fragments)
        return [*payloads, notify(NotifyType.ADDITIONAL_TS_POSSIBLE)] if self.additional else payloads


NO_OPTIONS = ChildOptions()


def announce(*, accept_tfc: bool, fragments: bool) -> list[Packet]:
    """The notifies beside an offer or an answer."""
    found: list[Packet] = []
    if not accept_tfc:
        found.append(notify(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED))
    if fragments:
        found.append(notify(NotifyType.NON_FIRST_FRAGMENTS_ALSO))
    return found


def agree(peer: Payloads, *, fragments: bool, additional: bool = False) -> ChildOptions:
    """What is agreed on by the peer's message; ``fragments``: whether we asked for them, or would allow them."""
    return ChildOptions(
        tfc=not peer.has_notify(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED),
        fragments=fragments and peer.has_notify(NotifyType.NON_FIRST_FRAGMENTS_ALSO),
        additional=additional,
    )


def one_pair(remote: Sequence[Selector], local: Sequence[Selector]) -> tuple[tuple[Selector, ...], ...]:
    """The one pair of addresses that policy wants, if the offer says which: its first selectors (section 2.9).

    PeerError SINGLE_PAIR_REQUIRED when they do not.
    """
    first = remote[0], local[0]
    if any(selector.start != selector.end for selector in first):
        raise PeerError(
            NotifyType.SINGLE_PAIR_REQUIRED, reason="policy wants a Child SA for each pair of addresses, found ranges"
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
    """Whether other selectors of the offer would have been acceptable too, in a Child SA of their own."""
    for policy in policies:
        parts = [narrow(asked, allowed) for asked, allowed in zip(offer, policy, strict=True)]
        others = [set(found).difference(had) for found, had in zip(parts, taken, strict=True)]
        if all(parts) and any(
            not any(own.covers(part) for own in had) for found, had in zip(others, taken, strict=True) for part in found
        ):
            return True
    return False
