# SPDX-License-Identifier: GPL-2.0-or-later
"""Which secret belongs to which exchange: every one that may fit is tried, and an ICV decides.

RFC 7296 sections 2.14, 2.17 and 2.18; RFC 9242 and RFC 9370 for IKE_INTERMEDIATE and IKE_FOLLOWUP_KE; RFC 8784 (PPK).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...crypto.encr import encryption
from ...crypto.integ import integrity
from ...crypto.ke import PrivateKey, key_exchange
from ...crypto.keymat import ChildKeys, SkKeys, derive_child, derive_sk, mix_ppk, rekey_skeyseed, skeyseed
from ...crypto.prf import prf
from ...errors import ConfigError, FynxError
from ...keylog import KeyLog
from ...keynames import Suite
from .sas import KePair, KeySet

if TYPE_CHECKING:
    from .sas import ChildSa, IkeSa

MOST_TRIES = 10_000
"""How many combinations of secrets are tried for one set of keys."""

STRIPPED = 4
"""How many leading zeros a source may have left out of a shared secret."""


@dataclass(slots=True)
class SecretPool:
    """The secrets at hand. Those that have found their exchange come last."""

    keys: KeyLog
    used: set[bytes] = field(default_factory=set)
    _privates: dict[tuple[int, bytes], PrivateKey | None] = field(default_factory=dict)

    def of(self, pair: KePair) -> Iterator[bytes]:
        """What one key exchange may have come to: first what follows from a private value, which is certain."""
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
        """What several key exchanges may have come to, in their order."""
        found = itertools.product(*(list(self.of(pair)) for pair in pairs))
        yield from itertools.islice(found, MOST_TRIES)

    def seeds(self, sa: IkeSa) -> Iterator[bytes]:
        """What SK_d of an IKE SA may be."""
        if sa.sk_d:
            yield sa.sk_d
            return
        if not sa.sets:
            return
        final = sa.sets[-1]
        function = final.prf
        if not final.keys.sk_d:
            yield from (value for value in self.keys.sk_d if function is None or len(value) == function.key_size)
            return
        if sa.ppk_used and function is not None:
            for ppk in self.keys.ppk:
                yield mix_ppk(function, ppk, final.keys).sk_d
        yield final.keys.sk_d

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
    """Where the keys of an IKE SA, or of one stage of it, come from: makes every set that they may be."""

    make: Callable[[SecretPool], Iterator[KeySet]]
    _made: list[KeySet] | None = None

    def sets(self, pool: SecretPool) -> list[KeySet]:
        """The candidates; made once, until :meth:`forget`."""
        if self._made is None:
            self._made = list(itertools.islice(self.make(pool), MOST_TRIES))
        return self._made

    def forget(self) -> None:
        """There is something new to try."""
        self._made = None


def from_init(sa: IkeSa, suite: Suite, nonces: tuple[bytes, bytes], pair: KePair) -> Origin:
    """The keys of an IKE_SA_INIT."""

    def make(pool: SecretPool) -> Iterator[KeySet]:
        if suite.prf is None:
            return
        for shared in pool.of(pair):
            seed = skeyseed(prf(suite.prf.id), *nonces, shared)
            yield KeySet(suite, sk_keys(suite, seed, nonces, sa), "key exchange of IKE_SA_INIT", (shared,))

    return Origin(make)


def from_stage(sa: IkeSa, before: KeySet, pair: KePair) -> Origin:
    """The keys after an additional key exchange in IKE_INTERMEDIATE."""

    def make(pool: SecretPool) -> Iterator[KeySet]:
        function = before.prf
        if function is None or not before.keys.sk_d:
            return
        for shared in pool.of(pair):
            seed = rekey_skeyseed(function, before.keys.sk_d, shared, *sa.nonces)
            keys = sk_keys(before.suite, seed, sa.nonces, sa)
            yield KeySet(before.suite, keys, "key exchange of IKE_INTERMEDIATE", (shared,))

    return Origin(make)


def from_rekey(sa: IkeSa, parent: IkeSa, pairs: list[KePair], expected: Callable[[], int]) -> Origin:
    """The keys of a successor, once as many key exchanges as were agreed on have been seen."""

    def make(pool: SecretPool) -> Iterator[KeySet]:
        old, chosen = parent.suite, sa.chosen
        if old is None or old.prf is None or chosen is None or chosen.suite.prf is None or len(pairs) != expected():
            return
        for sk_d in pool.seeds(parent):
            for secrets in pool.combinations(pairs):
                shared, *more = secrets or (b"",)
                seed = rekey_skeyseed(prf(old.prf.id), sk_d, shared, *sa.nonces, b"".join(more))
                keys = sk_keys(chosen.suite, seed, sa.nonces, sa)
                yield KeySet(chosen.suite, keys, "rekey of the IKE SA", secrets, sk_d)

    return Origin(make)


def sk_keys(suite: Suite, seed: bytes, nonces: tuple[bytes, bytes], sa: IkeSa) -> SkKeys:
    """SK_* out of SKEYSEED. Raises ConfigError for an algorithm that is not known here."""
    cipher = encryption(suite.encr.id, suite.encr.key_length)
    signer = None if cipher.aead or suite.integ is None else integrity(suite.integ.id)
    if suite.prf is None:
        raise ConfigError("keys cannot be derived without a PRF")
    return derive_sk(prf(suite.prf.id), cipher, signer, seed, *nonces, sa.spi_i, sa.spi_r)


def child_keys(child: ChildSa, pool: SecretPool) -> Iterator[tuple[ChildKeys, bytes, tuple[bytes, ...]]]:
    """What the keys of a Child SA may be: with SK_d and the shared secrets that they came from.

    Raises ConfigError for an algorithm that is not known here.
    """
    above = child.ike_sa.suite
    if above is None or above.prf is None or len(child.pairs) != child.expected:
        return
    cipher = encryption(child.suite.encr.id, child.suite.encr.key_length, esp=True)
    signer = None if cipher.aead or child.suite.integ is None else integrity(child.suite.integ.id)
    for sk_d in pool.seeds(child.ike_sa):
        for secrets in pool.combinations(child.pairs):
            shared, *more = secrets or (b"",)
            keys = derive_child(prf(above.prf.id), sk_d, cipher, signer, *child.nonces, shared, b"".join(more))
            yield keys, sk_d, secrets
