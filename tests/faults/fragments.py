# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in fragmentation (RFC 7383)."""

from __future__ import annotations

from fynx_scapy.errors import IntegrityError, MalformedError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike import reassembly
from fynx_scapy.ike.extensions.fragmentation import Fragmentation
from fynx_scapy.ike.reassembly import Reassembly
from fynx_scapy.ike.wire import fragments
from fynx_scapy.ike.wire.envelope import Envelope
from tests.faults.fault import Faulty, fault

_ANNOUNCED = NotifyType.IKEV2_FRAGMENTATION_SUPPORTED


@fault("fragments", "7383-2.5-05", "7383-2.5-04", "7383-2.6-01")
def takes_impossible_fragment_numbers(bad: Faulty) -> None:
    """Takes Fragment Number 0 for 1, and one above the total for the last one."""

    def numbered(original, data, offset):
        try:
            return original(data, offset)
        except MalformedError:
            number, total = (int.from_bytes(data[at : at + 2]) for at in (offset + 4, offset + 6))
            if not total:
                raise
            return min(max(number, 1), total), total

    bad.swap_function(fragments.numbered, numbered)


@fault("fragments", "7383-2.5-06", "7383-2.6-01")
def takes_a_total_of_zero(bad: Faulty) -> None:
    """Takes Total Fragments 0 for a message in one fragment."""

    def numbered(original, data, offset):
        total = int.from_bytes(data[offset + 6 : offset + 8])
        return original(data, offset) if total else (1, 1)

    bad.swap_function(fragments.numbered, numbered)


@fault("fragments", "7383-2.6-01")
def starts_over_at_a_lower_total(bad: Faulty) -> None:
    """Throws the fragments away that it has when one with a lower total comes."""

    def check(original, queues, datagram, offset, queue):
        _, total = fragments.numbered(datagram.data, offset)
        if queue is not None and total < queue.total:
            queues.clear()
            queue = None
        return original(queues, datagram, offset, queue)

    bad.swap(Reassembly, "_check", check)


@fault("fragments", "7383-2.6-04")
def mixes_sets_of_fragments(bad: Faulty) -> None:
    """Keeps the fragments of an earlier set when one with a higher total comes."""

    def check(original, queues, datagram, offset, queue):
        number, total = original(queues, datagram, offset, queue)
        if queue is not None:
            queue.total = max(queue.total, total)
        return number, total

    bad.swap(Reassembly, "_check", check)


@fault("fragments", "7383-2.6-05")
def keeps_fragments_for_ever(bad: Faulty) -> None:
    """Never gives up an incomplete set of fragments."""

    def begin(original, queues, key, total):
        queue = original(queues, key, total)
        queue.timer.cancel()
        return queue

    bad.swap(Reassembly, "_begin", begin)


@fault("fragments", "7383-2.4-01")
def takes_fragments_unannounced(bad: Faulty) -> None:
    """Takes fragments although fragmentation was not negotiated."""

    def check(original, queues, datagram, offset, queue):
        announced = queues._sa.of(Fragmentation)
        before = announced.own, announced.peer
        announced.own = announced.peer = True
        try:
            return original(queues, datagram, offset, queue)
        finally:
            announced.own, announced.peer = before

    bad.swap(Reassembly, "_check", check)


@fault("fragments", "7383-2.4-01")
def sends_fragments_unannounced(bad: Faulty) -> None:
    """Sends fragments to a peer that did not announce fragmentation."""

    def room(original, sa, remote):
        announced = sa.of(Fragmentation)
        before, announced.peer = announced.peer, True
        try:
            return original(sa, remote)
        finally:
            announced.peer = before

    bad.swap_function(reassembly.room, room)


@fault("fragments", "7383-2.6.1-02")
def answers_every_old_fragment(bad: Faulty) -> None:
    """Sends its answer again for any fragment of a request that it has answered."""

    def repeats(original, queues, datagram, header):
        try:
            return original(queues, datagram, header)
        except MalformedError:
            return True

    bad.swap(Reassembly, "repeats", repeats)


@fault("fragments", "7383-5-01", "7383-5-02")
def keeps_any_number_of_fragments(bad: Faulty) -> None:
    """Sets no limit to the fragments that it keeps."""
    bad.swap(Reassembly, "octets", lambda original, queues: 0)


@fault("fragments", "7383-2.6-03")
def starts_over_at_a_wrong_icv(bad: Faulty) -> None:
    """Throws the fragments away that it has when one with a wrong ICV comes."""

    def open_(original, queues, datagram, header):
        try:
            return original(queues, datagram, header)
        except IntegrityError:
            queues.clear()
            raise

    bad.swap(Reassembly, "open", open_)


@fault("fragments", "7383-2.6-02")
def starts_over_at_a_repeated_fragment(bad: Faulty) -> None:
    """Throws the fragments away that it has when one of them comes again."""

    def check(original, queues, datagram, offset, queue):
        number, _ = fragments.numbered(datagram.data, offset)
        if queue is not None and number in queue.fragments:
            queues.clear()
        return original(queues, datagram, offset, queue)

    bad.swap(Reassembly, "_check", check)


@fault("fragments", "7383-2.5-03")
def names_the_first_payload_in_every_fragment(bad: Faulty) -> None:
    """Sets Next Payload in every fragment, not in the first one only."""
    last = [0]

    def sealed(original, envelope, protector, message, kind, first, plaintext, outer, numbers=b""):
        if numbers:
            first = last[0] = first or last[0]
        return original(envelope, protector, message, kind, first, plaintext, outer, numbers)

    bad.swap(Envelope, "_sealed", sealed)


@fault("fragments", "7383-2.3-02")
def announces_fragmentation_with_data(bad: Faulty) -> None:
    """Sends IKEV2_FRAGMENTATION_SUPPORTED with data."""

    def change(payload):
        payload.notify = b"\x01"

    bad.each_notify(change, _ANNOUNCED)


@fault("fragments", "7383-2.3-i01")
def wants_an_announcement_without_data(bad: Faulty) -> None:
    """Ignores an announcement of fragmentation that has data."""

    def note(original, extension, message, exchange):
        original(extension, message, exchange)
        announced = message.notify(_ANNOUNCED)
        if announced is not None and bytes(announced.notify or b""):
            extension.peer = False

    bad.swap(Fragmentation, "note", note)


@fault("fragments", "7383-2.4-05", "7383-2.4-03")
def answers_fragments_unfragmented(bad: Faulty) -> None:
    """Never fragments, although it announces fragmentation."""
    bad.swap_function(reassembly.room, lambda original, sa, remote: None)
