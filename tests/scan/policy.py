# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with a policy of our own making: additional key exchanges too, and other ways to take a decoy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Header, notify
from fynx_scapy.ike.terms.proposals import proposal_layer
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA, parse_message
from fynx_scapy.scan.answer import transforms_of
from fynx_scapy.scan.catalogue import KE, Box
from tests.scan.hosts import Odd, answer

Decoy = Callable[[bytes, int], Iterable[bytes] | None]


def host(*policy: Box, decoy: Decoy = lambda data, group: None, prefers: bool = False) -> Odd:
    """A host that accepts a proposal of ``policy``. ``decoy`` may answer instead, by the group of the KE payload.

    One that ``prefers`` asks for its first group even if it could go on with that of the KE payload.
    """

    def answers(data: bytes) -> Iterable[bytes]:
        header = Header.parse(data)
        if header.version != 0x20 or header.exchange != 34:
            return []
        _, payloads = parse_message(data)
        sa = next((each for each in payloads if isinstance(each, IKEv2_SA)), None)
        ke = next((each for each in payloads if isinstance(each, IKEv2_KE)), None)
        if sa is None or ke is None:
            return []
        instead = decoy(data, ke.group)
        return [_chosen(data, sa, ke.group, policy, prefers)] if instead is None else instead

    return Odd(answers)


def _chosen(data: bytes, sa: IKEv2_SA, group: int, policy: Sequence[Box], prefers: bool) -> bytes:
    for own, proposal in itertools.product(policy, sa.prop):
        offered = transforms_of(proposal)
        # RFC 7296 section 3.3.6: of each type that was offered one must be chosen, and no other.
        kinds = {transform.type for transform in offered}
        chosen = [next((value for value in values if value in offered), None) for values in own]
        if kinds != {values[0].type for values in own} or None in chosen:
            continue
        transforms = [transform for transform in chosen if transform is not None]
        wanted = next(transform.id for transform in transforms if transform.type == KE)
        if not prefers and Transform(KE, group) in offered and any(Transform(KE, group) in values for values in own):
            wanted = group
            transforms = [Transform(KE, group) if each.type == KE else each for each in transforms]
        if wanted != group:
            return answer(data, notify(NotifyType.INVALID_KE_PAYLOAD, wanted.to_bytes(2)))
        accepted = IKEv2_SA(prop=[proposal_layer(proposal.proposal, 1, transforms)])
        return answer(data, accepted, IKEv2_KE(group=group, ke=b"\1" * 32), IKEv2_Nonce(nonce=b"n" * 32),
                      resp_SPI=b"\3" * 8)  # fmt: skip
    return answer(data, notify(NotifyType.NO_PROPOSAL_CHOSEN))


def refused(data: bytes, kind: NotifyType) -> list[bytes]:
    """An answer with one error."""
    return [answer(data, notify(kind))]
