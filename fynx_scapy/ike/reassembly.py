# SPDX-License-Identifier: GPL-2.0-or-later
"""Reassemble the peer's fragments (RFC 7383 section 2.6), and compute the maximum size of ours.

A fragment is stored only after its ICV has verified, and only within the limits of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fynx_scapy.errors import Closing, MalformedError
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.extensions.fragmentation import Fragmentation
from fynx_scapy.ike.message import Address, Datagram, Header, Message
from fynx_scapy.ike.path.icmp import PathMtus
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.wire.fragments import Fragment, numbered

_UDP_AND_MARKER = 8 + 4
_OBJECT = 512


def room(sa: SaRecord, remote: Address) -> int | None:
    """How many octets of an IKE message fit into a datagram to ``remote``; None if we may not send fragments.

    Section 2.5.1: the size of the whole IP packet counts. There is always room for the non-ESP marker.
    """
    if not (sa.config.fragmentation and sa.of(Fragmentation).peer):
        return None
    mtu = sa.endpoint.of(PathMtus).get(remote.host)
    size = sa.config.fragment_size if mtu is None else min(sa.config.fragment_size, mtu)
    return size - (40 if ":" in remote.host else 20) - _UDP_AND_MARKER


@dataclass(slots=True)
class _Queue:
    total: int
    fragments: dict[int, Fragment] = field(default_factory=dict)
    octets: int = 0
    timer: Timer | None = None


class Reassembly:
    """The incomplete messages of one IKE SA, by direction and message ID."""

    def __init__(self, sa: SaRecord) -> None:
        self._sa = sa
        self._queues: dict[tuple[bool, int], _Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    @property
    def octets(self) -> int:
        """The size of the stored fragments in octets."""
        return sum(queue.octets for queue in self._queues.values())

    @property
    def _weight(self) -> int:
        """The memory that the stored fragments take, in octets, with the overhead of each."""
        return self.octets + _OBJECT * sum(len(queue.fragments) for queue in self._queues.values())

    def open(self, datagram: Datagram, header: Header) -> Message | None:
        """Decrypt a message, or None while fragments of it are missing.

        IntegrityError and MalformedError change nothing.
        """
        sa, key = self._sa, (header.response, header.message_id)
        envelope = sa.envelope
        place = envelope.find(datagram.data, header)
        if place.kind != PayloadType.SKF:
            message = envelope.open(datagram, header, place)
            if message.encrypted and self._queues:
                self._discard(key)
            return message
        number, total = self._check(datagram, place.offset, self._queues.get(key))
        fragment = envelope.open_fragment(datagram, header, place, number, total)
        queue = self._queues.get(key)
        if queue is None or total > queue.total:
            # "the receiver MUST discard all received fragments and start the reassembly process over"
            self._discard(key)
            queue = self._queues[key] = self._begin(key, total)
        queue.fragments[number] = fragment
        queue.octets += len(datagram.data)
        if self.octets > sa.config.reassembly_limit:
            self._too_much(f"at most {sa.config.reassembly_limit} octets of fragments, found {self.octets}")
            return None
        if not sa.endpoint.of(Admission).hold(sa, self._weight):
            self._too_much(
                f"half-open IKE SAs to store at most {sa.endpoint.config.half_open_octets} octets, found more"
            )
            return None
        if len(queue.fragments) < total:
            return None
        self._discard(key)
        return envelope.join([queue.fragments[n] for n in range(1, total + 1)], self._from(fragment, queue))

    def _from(self, last: Fragment, queue: _Queue) -> Datagram:
        """The datagram whose addresses the message gets: a fragment from the known address, else the last fragment.

        Some fragments may have been delayed. Only a message with all fragments from another address shows that the peer
        has moved (RFC 7296 section 2.23).
        """
        known = (f.datagram for f in queue.fragments.values() if f.datagram.remote == self._sa.remote)
        return next(known, last.datagram)

    def repeats(self, datagram: Datagram, header: Header) -> bool:
        """Whether this is fragment 1 of a message that we have answered. MalformedError for another fragment.

        Section 2.6.1: only fragment 1 makes us send the answer again, however the message is split this time.
        """
        place = self._sa.envelope.find(datagram.data, header)
        if place.kind != PayloadType.SKF:
            return False
        number, total = self._check(datagram, place.offset, None)
        if number != 1:
            raise MalformedError(
                f"expected fragment 1 of request {header.message_id}, which was answered already, found {number}"
            )
        self._sa.envelope.open_fragment(datagram, header, place, number, total)
        return True

    def clear(self) -> None:
        """Drop all fragments."""
        for key in list(self._queues):
            self._discard(key)

    def _check(self, datagram: Datagram, offset: int, queue: _Queue | None) -> tuple[int, int]:
        """Check what needs no key: both peers announced fragmentation (section 2.3), and the numbers fit (2.6)."""
        announced = self._sa.of(Fragmentation)
        if not announced.own:
            raise MalformedError("expected no SKF payload: we did not announce fragmentation")
        if not announced.peer:
            raise MalformedError("expected no SKF payload: the peer did not announce fragmentation")
        number, total = numbered(datagram.data, offset)
        if queue is not None and total < queue.total:
            raise MalformedError(f"expected Total Fragments of at least {queue.total}, found {total}")
        if queue is not None and total == queue.total and number in queue.fragments:
            raise MalformedError(f"expected a new fragment, found fragment {number} of {total} again")
        return number, total

    def _begin(self, key: tuple[bool, int], total: int) -> _Queue:
        """Start a queue. It waits as long as an initiator retransmits (section 2.6)."""
        sa = self._sa
        wait = sa.config.retransmission.total
        return _Queue(total, timer=sa.endpoint.timers.set(sa.now + wait, lambda now: self._discard(key)))

    def _discard(self, key: tuple[bool, int]) -> None:
        queue = self._queues.pop(key, None)
        if queue is not None and queue.timer is not None:
            queue.timer.cancel()
        self._sa.endpoint.of(Admission).hold(self._sa, self._weight)

    def _too_much(self, expected: str) -> None:
        """Section 5: "the receiver SHOULD drop the connection and discard all the received fragments"."""
        sa = self._sa
        reason = f"expected {expected}"
        self.clear()
        if sa.connecting:
            sa.fail(MalformedError(reason))
        else:
            sa.closed(reason, Closing.INVALID)
