# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the secret for each exchange: every secret that may fit is tried, and an ICV decides.

RFC 7296 sections 2.14, 2.17 and 2.18; RFC 9242 and RFC 9370 for IKE_INTERMEDIATE and IKE_FOLLOWUP_KE; RFC 8784 (PPK).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fynx_scapy.capture.follow.pool import KePair, KeySet, Origin, SecretPool
from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.keymat import ChildKeys, SkKeys, derive_child, derive_sk, mix_ppk, rekey_skeyseed, skeyseed
from fynx_scapy.crypto.prf import prf
from fynx_scapy.errors import ConfigError
from fynx_scapy.keynames import CipherSuite


def seeds(pool: SecretPool, sa: CapturedIkeSa) -> Iterator[bytes]:
    """The possible values of SK_d of an IKE SA."""
    if sa.sk_d:
        yield sa.sk_d
        return
    if not sa.sets:
        return
    final = sa.sets[-1]
    function = final.prf
    if not final.keys.sk_d:
        yield from (value for value in pool.keys.sk_d if function is None or len(value) == function.key_size)
        return
    if sa.ppk_used and function is not None:
        for ppk in pool.keys.ppk:
            yield mix_ppk(function, ppk, final.keys).sk_d
    yield final.keys.sk_d


def from_init(sa: CapturedIkeSa, suite: CipherSuite, nonces: tuple[bytes, bytes], pair: KePair) -> Origin:
    """The origin of keys from IKE_SA_INIT."""

    def make(pool: SecretPool) -> Iterator[KeySet]:
        if suite.prf is None:
            return
        for shared in pool.of(pair):
            seed = skeyseed(prf(suite.prf.id), *nonces, shared)
            yield KeySet(suite, sk_keys(suite, seed, nonces, sa), "key exchange of IKE_SA_INIT", (shared,))

    return Origin(make)


def from_stage(sa: CapturedIkeSa, before: KeySet, pair: KePair) -> Origin:
    """The origin of keys after an additional key exchange in IKE_INTERMEDIATE."""

    def make(pool: SecretPool) -> Iterator[KeySet]:
        function = before.prf
        if function is None or not before.keys.sk_d:
            return
        for shared in pool.of(pair):
            seed = rekey_skeyseed(function, before.keys.sk_d, shared, *sa.nonces)
            keys = sk_keys(before.suite, seed, sa.nonces, sa)
            yield KeySet(before.suite, keys, "key exchange of IKE_INTERMEDIATE", (shared,))

    return Origin(make)


def from_rekey(sa: CapturedIkeSa, parent: CapturedIkeSa, pairs: list[KePair], expected: Callable[[], int]) -> Origin:
    """The origin of keys of a rekeyed IKE SA, once all negotiated key exchanges have been seen."""

    def make(pool: SecretPool) -> Iterator[KeySet]:
        old, chosen = parent.suite, sa.chosen
        if old is None or old.prf is None or chosen is None or chosen.suite.prf is None or len(pairs) != expected():
            return
        for sk_d in seeds(pool, parent):
            for secrets in pool.combinations(pairs):
                shared, *more = secrets or (b"",)
                seed = rekey_skeyseed(prf(old.prf.id), sk_d, shared, *sa.nonces, b"".join(more))
                keys = sk_keys(chosen.suite, seed, sa.nonces, sa)
                yield KeySet(chosen.suite, keys, "rekey of the IKE SA", secrets, sk_d)

    return Origin(make)


def sk_keys(suite: CipherSuite, seed: bytes, nonces: tuple[bytes, bytes], sa: CapturedIkeSa) -> SkKeys:
    """SK_* from SKEYSEED. Raises ConfigError for an unsupported algorithm."""
    cipher = encryption(suite.encr.id, suite.encr.key_length)
    signer = None if cipher.aead or suite.integ is None else integrity(suite.integ.id)
    if suite.prf is None:
        raise ConfigError("keys cannot be derived without a PRF")
    return derive_sk(prf(suite.prf.id), cipher, signer, seed, *nonces, sa.spi_i, sa.spi_r)


def child_keys(child: CapturedChildSa, pool: SecretPool) -> Iterator[tuple[ChildKeys, bytes, tuple[bytes, ...]]]:
    """The possible keys of a Child SA, with the SK_d and the shared secrets they are derived from.

    Raises ConfigError for an unsupported algorithm.
    """
    above = child.ike_sa.suite
    if above is None or above.prf is None or len(child.pairs) != child.expected:
        return
    cipher = encryption(child.suite.encr.id, child.suite.encr.key_length, esp=True)
    signer = None if cipher.aead or child.suite.integ is None else integrity(child.suite.integ.id)
    for sk_d in seeds(pool, child.ike_sa):
        for secrets in pool.combinations(child.pairs):
            shared, *more = secrets or (b"",)
            keys = derive_child(prf(above.prf.id), sk_d, cipher, signer, *child.nonces, shared, b"".join(more))
            yield keys, sk_d, secrets
