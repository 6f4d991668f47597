# SPDX-License-Identifier: GPL-2.0-or-later
"""The known secrets, the key sets that may follow from them, and the origin of each set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.ke import PrivateKey, key_exchange
from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.crypto.prf import PrfFunction, prf
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import ConfigError, FynxError
from fynx_scapy.keylog import KeyLog
from fynx_scapy.keynames import CipherSuite

MOST_TRIES = 10_000
"""How many combinations of secrets are tried for one key set."""

STRIPPED = 4
"""How many leading zeros may be missing from a shared secret in a key file."""


@dataclass(frozen=True, slots=True)
class KePair:
    """One key exchange: its method, and the KE data of the exchange's initiator and responder."""

    group: int
    public_i: bytes = field(repr=False)
    public_r: bytes = field(repr=False)


@dataclass(slots=True, eq=False)
class KeySet:
    """SK_* that may protect messages of one IKE SA. ``derived`` says in words how they were derived."""

    suite: CipherSuite
    keys: SkKeys
    derived: str
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    seed: bytes = field(default=b"", repr=False)  # the parent's SK_d that it was derived from
    unchecked_icv: int = 0  # the size of an ICV whose key is unknown
    _protectors: dict[bool, Protector | None] = field(default_factory=dict, repr=False)

    @property
    def prf(self) -> PrfFunction | None:
        """The PRF of the suite, None if unknown."""
        try:
            return prf(self.suite.prf.id) if self.suite.prf else None
        except ConfigError:
            return None

    def protector(self, initiator: bool) -> Protector | None:
        """The protector that decrypts messages of that peer, None if the keys do not fit the suite."""
        if initiator not in self._protectors:
            keys = (self.keys.sk_ei, self.keys.sk_ai) if initiator else (self.keys.sk_er, self.keys.sk_ar)
            try:
                cipher = encryption(self.suite.encr.id, self.suite.encr.key_length)
                signer = None if cipher.aead or self.suite.integ is None else integrity(self.suite.integ.id)
                self._protectors[initiator] = Protector(cipher, signer, *keys, unchecked_icv=self.unchecked_icv)
            except ConfigError:
                self._protectors[initiator] = None
        return self._protectors[initiator]


@dataclass(slots=True)
class SecretPool:
    """The known secrets. Those that already belong to an exchange are tried last."""

    keys: KeyLog
    used: set[bytes] = field(default_factory=set)
    _privates: dict[tuple[int, bytes], PrivateKey | None] = field(default_factory=dict)

    def of(self, pair: KePair) -> Iterator[bytes]:
        """The possible shared secrets of one key exchange. Those computed from a private value are certain: first."""
        try:
            method = key_exchange(pair.group)
        except ConfigError:
            yield from self.keys.secrets
            return
        certain = [shared for private in self.keys.private if (shared := self._shared(pair, private)) is not None]
        if certain:
            yield certain[0]
            return
        for secret in sorted(self.keys.secrets, key=self.used.__contains__):
            if method.shared_size - STRIPPED <= len(secret) <= method.shared_size:
                yield secret.rjust(method.shared_size, b"\0")

    def combinations(self, pairs: list[KePair]) -> Iterator[tuple[bytes, ...]]:
        """The possible shared secrets of several key exchanges, in their order."""
        found = itertools.product(*(list(self.of(pair)) for pair in pairs))
        yield from itertools.islice(itertools.chain(self._joined(pairs), found), MOST_TRIES)

    def _joined(self, pairs: list[KePair]) -> Iterator[tuple[bytes, ...]]:
        """Secrets that a source has as one string: strongSwan logs those of all additional key exchanges so.

        The groups say how long each is. The first key exchange has a string of its own, or is in it.
        """
        try:
            sizes = [key_exchange(pair.group).shared_size for pair in pairs]
        except ConfigError:
            return
        for own in (1, 0):
            parts = sizes[own:]
            if len(parts) < 2:
                continue
            for secret in self.keys.secrets:
                if len(secret) == sum(parts):
                    ends = list(itertools.accumulate(parts, initial=0))
                    more = tuple(secret[at:end] for at, end in itertools.pairwise(ends))
                    for first in self.of(pairs[0]) if own else (None,):
                        yield more if first is None else (first, *more)

    def _shared(self, pair: KePair, private: bytes) -> bytes | None:
        known = (pair.group, private)
        if known not in self._privates:
            try:
                self._privates[known] = key_exchange(pair.group).private(private)
            except (FynxError, ValueError):
                self._privates[known] = None
        key = self._privates[known]
        if key is None or key.public not in (pair.public_i, pair.public_r):
            return None
        try:
            return key.shared(pair.public_r if key.public == pair.public_i else pair.public_i)
        except FynxError:
            return None


@dataclass(slots=True, eq=False)
class Origin:
    """The origin of the keys of an IKE SA or of one stage of it. Makes every possible key set."""

    make: Callable[[SecretPool], Iterator[KeySet]]
    _made: list[KeySet] | None = None

    def sets(self, pool: SecretPool) -> list[KeySet]:
        """The candidates, made once and cached until :meth:`forget`."""
        if self._made is None:
            self._made = list(itertools.islice(self.make(pool), MOST_TRIES))
        return self._made

    def forget(self) -> None:
        """Clear the cache, because there is something new to try."""
        self._made = None
