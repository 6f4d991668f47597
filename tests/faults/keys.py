# SPDX-License-Identifier: GPL-2.0-or-later
"""Further faults, chosen later: keys that an endpoint derives, or takes from KEYMAT, wrongly."""

from __future__ import annotations

import copy

from fynx_scapy.crypto import keymat
from fynx_scapy.crypto.ke.base import PrivateKey
from fynx_scapy.crypto.keymat import ChildKeys, SkKeys
from tests.faults.fault import Faulty, later


def _cut(octets: bytes, sizes: tuple[int, ...], block: int = 1) -> list[bytes]:
    """Pieces of these sizes, each of which begins at a multiple of ``block``."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(octets[start : start + size])
        start += -(-size // block) * block
    return pieces


@later("sk", "7296-2.13-03", "7296-2.14-01")
def derives_short_keys_of_long_prfs(bad: Faulty) -> None:
    """Takes 32 octets for SK_d, SK_pi and SK_pr, whatever the PRF prefers."""

    def derive(original, prf, *rest):
        other = copy.copy(prf)
        other.key_size = 32
        return original(other, *rest)

    bad.swap_function(keymat.derive_sk, derive)


@later("sk", "7296-2.13-i01", connects=False)
def takes_each_key_from_a_block_of_its_own(bad: Faulty) -> None:
    """Begins each key of an IKE SA with another block of prf+."""

    def derive(original, prf, encr, integ, seed, ni, nr, spi_i, spi_r):
        d, e, a = prf.key_size, encr.key_size, integ.key_size if integ else 0
        octets = prf.plus(seed, ni + nr + spi_i + spi_r, 14 * max(d, e, a, prf.output_size))
        return SkKeys(*_cut(octets, (d, a, a, e, e, d, d), prf.output_size))

    bad.swap_function(keymat.derive_sk, derive)


@later("sk", "7296-2.14-i01")
def seeds_from_whole_nonces(bad: Faulty) -> None:
    """Computes SKEYSEED from whole nonces also with a PRF that takes 64 bits of each."""
    bad.swap_function(keymat.skeyseed, lambda original, prf, ni, nr, shared: prf(ni + nr, shared))


@later("sk", "7296-2.17-i02")
def strips_zeros_from_shared_secrets(bad: Faulty) -> None:
    """Leaves out the leading zeros of the shared secret of a MODP group."""

    def shared(original, key, public):
        secret = original(key, public)
        return secret.lstrip(b"\0") if len(secret) >= 96 else secret

    bad.swap(PrivateKey, "shared", shared)


@later("sk", "7296-2.17-02")
def takes_the_integrity_key_first(bad: Faulty) -> None:
    """Takes the integrity key of a Child SA from the first bits of its part of KEYMAT, and the encryption key last."""

    def derive(original, prf, sk_d, encr, integ, *rest):
        right = original(prf, sk_d, encr, integ, *rest)
        e, a = len(right.encr_i), len(right.integ_i)
        octets = right.encr_i + right.integ_i + right.encr_r + right.integ_r
        integ_i, encr_i, integ_r, encr_r = _cut(octets, (a, e, a, e))
        return ChildKeys(encr_i, integ_i, encr_r, integ_r)

    bad.swap_function(keymat.derive_child, derive)


@later("auth", "7296-2.15-i05", connects=False)
def pads_its_secret_otherwise(bad: Faulty) -> None:
    """Computes AUTH with another key pad than "Key Pad for IKEv2"."""
    bad.swap_function(keymat.psk_auth, lambda original, prf, psk, octets: prf(prf(psk, b"Key Pad for IKEv1"), octets))
