# SPDX-License-Identifier: GPL-2.0-or-later
"""The fragments of the peer's messages, put together again (RFC 7383 section 2.6), and how large ours may be.

Nothing is stored before the ICV of its fragment has verified, and never more than the configuration allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fynx_scapy.errors import MalformedError
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
    """The octets of an IKE message that fit into a datagram to ``remote``; None where the ends may not fragment.

    Section 2.5.1: it is the size of the whole IP packet that counts. The non-ESP marker's place is always kept free.
    """
    if not (sa.config.fragmentation and sa.of(Fragmentation).peer):
        return None
    mtu = sa.endpoint.of(PathMtus).get(remote.host)
    size = sa.config.fragment_size if mtu is None else min(sa.config.fragment_size, mtu)
    return size - (40 if ":" in remote.host else 20) - _UDP_AND_MARKER


@dataclass(slots=True)
class _Queue:
    total: int
    found: dict[int, Fragment] = field(default_factory=dict)
    octets: int = 0
    timer: Timer | None = None


class Reassembly:
    """The messages of one IKE SA of which some fragments have arrived, by direction and message ID."""

    def __init__(self, sa: SaRecord) -> None:
        self._sa = sa
        self._queues: dict[tuple[bool, int], _Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    @property
    def octets(self) -> int:
        """How many octets of fragments are stored."""
        return sum(queue.octets for queue in self._queues.values())

    @property
    def _weight(self) -> int:
        """The same, and what each fragment takes beside its octets."""
        return self.octets + _OBJECT * sum(len(queue.found) for queue in self._queues.values())

    def open(self, datagram: Datagram, header: Header) -> Message | None:
        """A message, once it is whole; None while fragments are missing.

        IntegrityError and MalformedError have changed nothing.
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
        queue.found[number] = fragment
        queue.octets += len(datagram.data)
        if self.octets > sa.config.reassembly_limit:
            self._too_much(f"at most {sa.config.reassembly_limit} octets of fragments, found {self.octets}")
            return None
        if not sa.endpoint.of(Admission).hold(sa, self._weight):
            self._too_much(f"at most {sa.endpoint.config.half_open_octets} octets of strangers, found more")
            return None
        if len(queue.found) < total:
            return None
        self._discard(key)
        return envelope.join([queue.found[n] for n in range(1, total + 1)], self._from(fragment, queue))

    def _from(self, last: Fragment, queue: _Queue) -> Datagram:
        """The datagram whose addresses the whole message has: that of the fragment that completed it.

        Where some came from the address that we know, one of those: the others may have been late, and only what comes
        from elsewhere as a whole shows that the peer has moved (RFC 7296 section 2.23).
        """
        known = (f.datagram for f in queue.found.values() if f.datagram.remote == self._sa.remote)
        return next(known, last.datagram)

    def repeats(self, datagram: Datagram, header: Header) -> bool:
        """Whether this is fragment 1 of a message that was whole before.

        Section 2.6.1: that one alone triggers the answer again, however the message is split this time.
        """
        place = self._sa.envelope.find(datagram.data, header)
        if place.kind != PayloadType.SKF:
            return False
        number, total = self._check(datagram, place.offset, None)
        if number != 1:
            raise MalformedError(f"fragment {number} of request {header.message_id}, which was answered already")
        self._sa.envelope.open_fragment(datagram, header, place, number, total)
        return True

    def clear(self) -> None:
        """Let all fragments go."""
        for key in list(self._queues):
            self._discard(key)

    def _check(self, datagram: Datagram, offset: int, queue: _Queue | None) -> tuple[int, int]:
        """What can be seen without a key: whether both ends have announced it (section 2.3), and the numbers (2.6)."""
        announced = self._sa.of(Fragmentation)
        if not announced.own:
            raise MalformedError("expected no SKF payload: fragmentation was not announced")
        if not announced.peer:
            raise MalformedError("expected no SKF payload: the peer did not announce fragmentation")
        number, total = numbered(datagram.data, offset)
        if queue is not None and total < queue.total:
            raise MalformedError(f"expected a fragment of {queue.total} or more in all, found one of {total}")
        if queue is not None and total == queue.total and number in queue.found:
            raise MalformedError(f"fragment {number} of {total} is here already")
        return number, total

    def _begin(self, key: tuple[bool, int], total: int) -> _Queue:
        """Wait for the rest as long as an initiator would before it gives up (section 2.6)."""
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
            sa.closed(reason)
