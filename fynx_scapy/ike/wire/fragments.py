# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation: one message in several, each sealed by itself, and back again (RFC 7383).

Nothing is stored before the ICV of its fragment has verified, and never more than the configuration allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.message import Address, Datagram, Header, Message

if TYPE_CHECKING:
    from fynx_scapy.ike.sa import IkeSa

IKE_HEADER = 28
SKF_HEADER = 8
_UDP_AND_MARKER = 8 + 4
_MOST = 0xFFFF
_OBJECT = 512


def room(sa: IkeSa, remote: Address) -> int | None:
    """The octets of an IKE message that fit into a datagram to ``remote``; None where the ends may not fragment.

    Section 2.5.1: it is the size of the whole IP packet that counts. The non-ESP marker's place is always kept free.
    """
    if not (sa.config.fragmentation and sa.peer_fragments):
        return None
    mtu, until = sa.endpoint.path_mtu.get(remote.host, (0, 0.0))
    size = min(sa.config.fragment_size, mtu) if sa.now < until else sa.config.fragment_size
    return size - (40 if ":" in remote.host else 20) - _UDP_AND_MARKER


def split(content: bytes, size: int, protector: Protector, outer: int = 0) -> list[bytes]:
    """Chunks of the payloads inside SK, each of which makes an IKE message of at most ``size`` octets.

    ``outer`` is how many octets of unprotected payloads travel in the first one, whose chunk may be empty (section
    2.5.3). Raises LocalError when ``size`` leaves no room at all, or 65,535 fragments are not enough.
    """
    overhead = IKE_HEADER + SKF_HEADER + protector.iv_size + protector.icv_size

    def fits(octets: int) -> int:
        return octets - octets % protector.block_size - 1

    each = fits(size - overhead)
    if each < 1:
        raise LocalError(f"expected messages of more than {overhead} octets for a fragment, found {size}")
    first = max(0, min(fits(size - overhead - outer), len(content)))
    chunks = [content[:first], *(content[at : at + each] for at in range(first, len(content), each))]
    if len(chunks) > _MOST:
        raise LocalError(f"expected a message of at most {_MOST} fragments, found {len(chunks)}")
    return chunks


def numbered(data: bytes, offset: int) -> tuple[int, int]:
    """Fragment Number and Total Fragments of the SKF payload at ``offset``; MalformedError when they cannot be right.

    Section 2.6: neither is zero, and the first is not above the second.
    """
    if offset + SKF_HEADER > len(data):
        raise MalformedError(f"expected an SKF payload at offset {offset}, found {len(data) - offset} octets")
    number, total = (int.from_bytes(data[at : at + 2]) for at in (offset + 4, offset + 6))
    if not 1 <= number <= total:
        raise MalformedError(f"expected a fragment number of 1 to {total}, the total, found {number}")
    return number, total


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment that was verified and opened.

    ``first`` is the SKF's next payload, ``outer`` the octets of the unprotected payloads before it, with the chain
    ended where SKF begins; ``content`` is without padding.
    """

    number: int
    total: int
    first: int
    outer: bytes
    content: bytes
    header: Header
    datagram: Datagram


@dataclass(slots=True)
class _Queue:
    total: int
    found: dict[int, Fragment] = field(default_factory=dict)
    octets: int = 0
    timer: Timer | None = None


class Reassembly:
    """The messages of one IKE SA of which some fragments have arrived, by direction and message ID."""

    def __init__(self, sa: IkeSa) -> None:
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
        if not sa.endpoint.admission.hold(sa, self._weight):
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
        if not self._sa.own_fragments:
            raise MalformedError("expected no SKF payload: fragmentation was not announced")
        if not self._sa.peer_fragments:
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
        self._sa.endpoint.admission.hold(self._sa, self._weight)

    def _too_much(self, expected: str) -> None:
        """Section 5: "the receiver SHOULD drop the connection and discard all the received fragments"."""
        sa = self._sa
        reason = f"expected {expected}"
        self.clear()
        if sa.connecting:
            sa.fail(MalformedError(reason))
        else:
            sa.closed(reason)
