# SPDX-License-Identifier: GPL-2.0-or-later
"""Follow whole conversations: derive every key that the given secrets determine, while packets are read.

Secrets have no order. For each exchange, the ICV of the first message or packet that its keys protect decides which
secret belongs to it. So messages must be passed in the order of the capture. Undecrypted messages are kept and tried
again when more is known (:meth:`Follower.retry`).
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from fynx_scapy.capture.follow.decrypt import (
    ANY_SPIS,
    BAD,
    MISFIT,
    NOT_VERIFIED,
    OK,
    UNCHECKED,
    EspOpener,
    OpenResult,
    SkPlace,
    find_sk,
)
from fynx_scapy.capture.follow.esp import MOST_HIGH_HALVES, EspFollower
from fynx_scapy.capture.follow.layers import Layers
from fynx_scapy.capture.follow.learner import InFlight, Learner
from fynx_scapy.capture.follow.pool import KeySet, SecretPool
from fynx_scapy.capture.follow.sas import (
    TABLE,
    CapturedChildSa,
    CapturedIkeSa,
    IkeOpened,
    esp_rows,
    ike_rows,
    of_row,
    walk,
)
from fynx_scapy.capture.follow.suites import SpiPair, Suites
from fynx_scapy.capture.follow.tries.null import NullReader
from fynx_scapy.capture.reading.losses import Loss, several
from fynx_scapy.capture.reading.reassembly import FragmentJoiner, impossible
from fynx_scapy.errors import ConfigError, IntegrityError, MalformedError
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.iana import PayloadType
from fynx_scapy.keylog import IkeKeys, KeyLog
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAGS, IKE_HEADER, VERSION

MOST_PENDING = 10_000
"""How many undecrypted messages are kept. Beyond that, the oldest is dropped."""

MOST_ERRORS = 20
"""How many errors of one message are listed."""

SK, SKF = PayloadType.SK, PayloadType.SKF


class Follower:
    """Decrypts IKE and ESP of a capture from any keys and secrets that are known.

    :meth:`ike` takes IKE messages, ``esp(packet, src, dst)`` ESP packets. Both return the result of decrypting.
    ``esn_search`` is how many high halves of a sequence number are tried if the expected one does not fit. ``esn_high``
    maps an SPI to its high half, if known. Raises ConfigError if ``esn_search`` is out of range.

        >>> follower = Follower(KeyLog(secrets=["5f" * 32], psk="lab psk"))
        >>> follower.ike_sas, follower.child_sas
        ([], [])
    """

    def __init__(self, keys: KeyLog, *, esn_search: int = 64, esn_high: Mapping[int, int] | None = None):
        if not 0 <= esn_search <= MOST_HIGH_HALVES:
            raise ConfigError(f"expected esn_search from 0 to {MOST_HIGH_HALVES}, found {esn_search}")
        self._pool = SecretPool(KeyLog())
        self._suites = Suites()
        self._rows = EspOpener(self._suites)
        self.ike_sas: list[CapturedIkeSa] = []
        self.child_sas: list[CapturedChildSa] = []
        self._esp = EspFollower(self._pool, self._rows, esn_search, dict(esn_high or {}), self.ike_sas, self.child_sas)
        self._learner = Learner(self._pool, self._suites, self._esp)
        # Decrypts an ESP packet: octets from SPI to ICV, and its addresses. Hot path, so this is the method itself.
        self.esp: Callable[[bytes, str, str], OpenResult] = self._esp.open
        self._known: dict[SpiPair, list[IkeKeys]] = {}
        self._reassembly = FragmentJoiner()
        self._layers = Layers()
        self._pending: OrderedDict[int, IkeOpened] = OrderedDict()
        self._taken = 0
        self.add(keys)

    def __repr__(self) -> str:
        return f"Follower(ike_sas={len(self.ike_sas)}, child_sas={len(self.child_sas)}, keys={self._pool.keys!r})"

    def add(self, keys: KeyLog) -> None:
        """Add keys and secrets. :meth:`retry` tries them on undecrypted messages."""
        fresh = [entry for entry in keys.ike if entry not in self._pool.keys.ike]
        for entry in fresh:
            rows = self._known.setdefault((entry.spi_i, entry.spi_r), [])
            rows.append(entry)
            # A table's row also decrypts messages, but verifying AUTH and deriving Child SAs needs our own file.
            rows.sort(key=lambda row: not (row.sk_d and row.sk_pi))
        self._rows.add(entry for entry in keys.esp if entry not in self._pool.keys.esp)
        self._pool.keys.update(keys)
        if keys.esp_null and self._esp.null is None:
            self._esp.null = NullReader()
        self._learner.forget()

    @property
    def guesses(self) -> list[str]:
        """What was decrypted on a guess that nothing confirms, in words."""
        return [] if self._esp.null is None else self._esp.null.guesses

    def esp_sa(self, spi: int, dst: str) -> InboundSa | None:
        """The SA that decrypts ESP with this SPI and destination, once it has decrypted a packet. For bulk use."""
        return self._esp.bound(spi, dst)

    def ike(
        self,
        message: bytes,
        number: int = 0,
        time: float | None = None,
        src: str = "",
        sport: int | None = None,
        dst: str = "",
        dport: int | None = None,
        missing: int = 0,
    ) -> IkeOpened:
        """Process an IKE message, starting with its header, and decrypt it if possible.

        ``missing`` octets at its end are not in the capture.
        """
        found = self._message(
            IkeOpened(number, time, src, sport, dst, dport, message, missing=missing, parser=self._layers)
        )
        if found.closed:
            self._taken += 1
            self._pending[self._taken] = found
            if len(self._pending) > MOST_PENDING:
                self._pending.popitem(last=False)
        return found

    @property
    def losses(self) -> list[Loss]:
        """What was left out of the messages that it was given."""
        return self._reassembly.losses()

    def pending(self) -> list[IkeOpened]:
        """The messages that are not decrypted yet."""
        return list(self._pending.values())

    def retry(self) -> list[IkeOpened]:
        """Try undecrypted messages until no more can be decrypted. Returns the newly decrypted ones, in order."""
        opened: dict[int, IkeOpened] = {}
        self._learner.forget()
        progress = self._pool.keys.decrypts  # without a key no attempt can succeed, and each parses every message again
        while progress:
            progress = False
            for place, closed in list(self._pending.items()):
                again = self._message(closed, count=False)
                if not again.closed:
                    opened[place] = again
                    del self._pending[place]
                    progress = True
                    self._learner.forget()
        return [opened[place] for place in sorted(opened)]

    def keys(self) -> KeyLog:
        """All confirmed keys, for :meth:`KeyLog.save` and other tools."""
        log = KeyLog()
        for sa in self.ike_sas:
            log.ike += ike_rows(sa)
        for child in self.child_sas:
            log.esp += esp_rows(child)
        known = {entry.spi: entry for entry in log.esp}
        have = {(entry.spi, entry.src, entry.dst) for entry in log.esp}
        for spi, src, dst in self._esp.paths:  # a NAT, or a peer that has moved
            if spi in known and (spi, src, dst) not in have:
                log.esp.append(replace(known[spi], src=src, dst=dst))
        return log

    # One message

    def _message(self, message: IkeOpened, count: bool = True) -> IkeOpened:
        from fynx_scapy.layers.ikev2.records import faults

        data = message.message
        if len(data) < IKE_HEADER.size:
            if message.missing:
                return message
            text = f"expected an IKE header of {IKE_HEADER.size} octets, found {len(data)}"
            return replace(message, errors=(text,))
        if data[VERSION] >> 4 != 2:
            return replace(message, errors=(f"expected major version 2, found {data[VERSION] >> 4}",))
        header, payloads, incomplete = self._layers.outer(data, message.missing)
        assert header is not None
        errors = [header.malformed] if header.malformed else []
        if message.missing and header.length > len(data):
            sent = len(data) + message.missing
            errors = [] if header.length == sent else [f"length {header.length}, but {sent} octets, at offset 24"]
        errors += [text for layer in (payloads[:-1] if incomplete else payloads) for text in faults(layer)]
        message = replace(message, errors=shortened(errors))
        if incomplete and payloads[-1].payload_type in (SK, SKF):
            return message
        data = data[: header.length] if header.length >= IKE_HEADER.size else data
        try:
            place = find_sk(data) if any(layer.payload_type in (SK, SKF) for layer in payloads) else None
        except MalformedError as error:
            return replace(message, errors=shortened([*errors, str(error)]))
        if place is None:
            self._learner.clear(message)
            conversation = self._learner.conversations.get((data[:8], data[8:16]))
            if conversation is not None and count:
                conversation.sa.numbers.append(message.number)
            return replace(message, ike_sa=conversation.sa if conversation else None)
        opened, keys = self._open(data, place)
        conversation = self._learner.conversations.get((data[:8], data[8:16]))
        message = replace(message, opened=opened, ike_sa=conversation.sa if conversation else None)
        if conversation is not None and count:
            conversation.sa.numbers.append(message.number)
        if place.type == SKF:
            number, total = int.from_bytes(place.prefix[-4:-2]), int.from_bytes(place.prefix[-2:])
            message = replace(message, fragment=(number, total))
        if opened.plaintext is None or conversation is None or keys is None:
            if message.fragment is not None and (wrong := impossible(*message.fragment)):
                errors.append(wrong)
            return replace(message, errors=shortened([*errors, opened.error] if opened.error else errors))
        first, plaintext = place.next_payload, opened.plaintext
        packets: tuple[int, ...] = (message.number,)
        if message.fragment is not None:
            joined = self._reassembly.add(data, message.fragment, place.next_payload, opened.plaintext, message.number)
            errors += [self._reassembly.fault] if self._reassembly.fault else []
            if joined is None:
                return replace(message, errors=shortened(errors))
            first, plaintext, packets = joined.first, joined.content, tuple(joined.packets)
        errors += [text for layer in self._layers.inner(first, plaintext) for text in faults(layer)]
        message = replace(message, first=first, plaintext=plaintext, packets=packets, errors=shortened(errors))
        return replace(message, auth=tuple(self._learner.learn(conversation, message, place, keys)))

    def _open(self, data: bytes, place: SkPlace) -> tuple[OpenResult, KeySet | None]:
        """Decrypt SK or SKF with confirmed keys, keys of a table, or keys that may follow from a secret."""
        pair, initiator = (data[:8], data[8:16]), bool(data[FLAGS] & FLAG_INITIATOR)
        conversation = self._learner.conversations.get(pair)
        tried, keyed, unchecked = 0, False, True
        for keys in self._sets(pair, conversation):
            keyed = keyed or keys.derived == TABLE or bool(conversation and keys in conversation.sa.sets)
            protector = keys.protector(initiator)
            if protector is None:
                continue
            try:
                plaintext = protector.open(place.prefix, place.body)
                if keys.unchecked_icv:
                    _plausible(place, protector.unpad(plaintext))
            except (IntegrityError, MalformedError):
                tried += 1
                unchecked = unchecked and bool(keys.unchecked_icv)
                continue
            self._decide(pair, keys)
            try:
                icv = UNCHECKED if keys.unchecked_icv else OK
                return OpenResult(protector.unpad(plaintext), icv, keyed=True), keys
            except MalformedError as error:
                return OpenResult(icv=OK, error=str(error), keyed=True), keys
        if keyed:
            waiting = conversation is not None and _waits(conversation.sa)
            if waiting:  # the next stage's secret is unknown
                return OpenResult(), None
            if tried and unchecked:
                return OpenResult(error=f"{MISFIT}: what they decrypt is no chain of payloads", keyed=True), None
            return OpenResult(icv=BAD, error=NOT_VERIFIED.format(tried), keyed=True), None
        return OpenResult(), None

    def _sets(self, pair: SpiPair, conversation: InFlight | None) -> Iterator[KeySet]:
        sa = conversation.sa if conversation else None
        if sa is not None:
            yield from reversed(sa.sets)
        suites = [sa.chosen.suite] if sa is not None and sa.chosen else []
        for known in (pair, ANY_SPIS):
            for row in self._known.get(known, ()):
                yield from of_row(row, sa, suites, own=known == pair)
        if sa is not None:
            for origin in list(sa.origins):
                with contextlib.suppress(ConfigError):  # an unsupported algorithm
                    yield from origin.sets(self._pool)

    def _decide(self, pair: SpiPair, keys: KeySet) -> None:
        """Store keys of an IKE SA after an ICV verified."""
        conversation = self._learner.conversations.get(pair) or self._learner.begin(CapturedIkeSa(*pair))
        sa = conversation.sa
        if keys in sa.sets:
            return
        sa.sets.append(keys)
        self._pool.used.update(keys.secrets)
        for origin in list(sa.origins):
            if keys.derived != TABLE and keys in origin.sets(self._pool):
                sa.origins.remove(origin)
                if sa.parent is not None and keys.seed:
                    sa.parent.sk_d = keys.seed
        self._esp.changed += 1


def shortened(errors: list[str]) -> tuple[str, ...]:
    """The first errors of a message, and how many more there are: one of 64 KB may have thousands."""
    more = len(errors) - MOST_ERRORS
    return (*errors[:MOST_ERRORS], f"{several(more, 'more error')}") if more > 0 else tuple(errors)


def _plausible(place: SkPlace, content: bytes) -> None:
    """Raises MalformedError for what is no chain of payloads. Without an ICV, only this shows that a key fits."""
    if place.type == SK:
        size = sum(4 + len(body) for _, body in walk(place.next_payload, content))
        if size != len(content):
            raise MalformedError(f"expected payloads of {len(content)} octets in all, found {size}")


def _waits(sa: CapturedIkeSa) -> bool:
    """Whether keys of a further stage are still missing. Each key set from a table covers one stage."""
    return bool(sa.sets) and len(sa.origins) > sum(keys.derived.startswith(TABLE) for keys in sa.sets)
