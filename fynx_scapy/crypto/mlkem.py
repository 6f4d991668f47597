# SPDX-License-Identifier: GPL-2.0-or-later
"""ML-KEM in plain Python (FIPS 203): ML-KEM-512, and encapsulation with randomness that is handed in.

pyca has neither. This takes some milliseconds, and its time depends on what it computes: it is made for tests of a
peer, not to keep secrets. Polynomials are lists of 256 numbers below ``Q``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

Q = 3329
N = 256
Poly = list[int]


def _reversed7(number: int) -> int:
    return int(f"{number:07b}"[::-1], 2)


_ZETAS = [pow(17, _reversed7(i), Q) for i in range(128)]
_GAMMAS = [pow(17, 2 * _reversed7(i) + 1, Q) for i in range(128)]


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """One row of FIPS 203 table 2."""

    k: int
    eta1: int
    eta2: int
    du: int
    dv: int

    @property
    def public_size(self) -> int:
        """Octets of an encapsulation key."""
        return 384 * self.k + 32

    @property
    def ciphertext_size(self) -> int:
        """Octets of a ciphertext."""
        return 32 * (self.du * self.k + self.dv)

    def generate(self, seed: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
        """The encapsulation key of a seed ``d | z`` of 64 octets, and what decapsulates (algorithms 16 and 18)."""
        rho, sigma = _halves(hashlib.sha3_512(seed[:32] + bytes((self.k,))).digest())
        matrix = self._matrix(rho)
        noise = [_ntt(_centred(sigma, number, self.eta1)) for number in range(2 * self.k)]
        secret, error = noise[: self.k], noise[self.k :]
        rows = [_add(_dot(row, secret), error[i]) for i, row in enumerate(matrix)]
        public = b"".join(_encode(row, 12) for row in rows) + rho
        digest = hashlib.sha3_256(public).digest()

        def decapsulate(ciphertext: bytes) -> bytes:
            message = self._decrypt(secret, ciphertext)
            key, coins = _halves(hashlib.sha3_512(message + digest).digest())
            if hmac.compare_digest(ciphertext, self._encrypt(public, message, coins)):
                return key
            # Implicit rejection: another secret instead of an error.
            return hashlib.shake_256(seed[32:] + ciphertext).digest(32)

        return public, decapsulate

    def encapsulate(self, public: bytes, message: bytes) -> tuple[bytes, bytes]:
        """(ciphertext, shared secret) with 32 random octets (algorithm 17).

        Raises ValueError for a key with a coefficient that is not below ``Q`` (section 7.2).
        """
        if any(number >= Q for row in self._rows(public) for number in row):
            raise ValueError("a coefficient of the encapsulation key is out of range")
        key, coins = _halves(hashlib.sha3_512(message + hashlib.sha3_256(public).digest()).digest())
        return self._encrypt(public, message, coins), key

    def _rows(self, public: bytes) -> list[Poly]:
        return [_decode(public[384 * i : 384 * (i + 1)], 12) for i in range(self.k)]

    def _matrix(self, rho: bytes) -> list[list[Poly]]:
        return [[_uniform(rho + bytes((j, i))) for j in range(self.k)] for i in range(self.k)]

    def _encrypt(self, public: bytes, message: bytes, coins: bytes) -> bytes:
        """Algorithm 14."""
        k, rows, matrix = self.k, self._rows(public), self._matrix(public[-32:])
        secret = [_ntt(_centred(coins, number, self.eta1)) for number in range(k)]
        error = [_centred(coins, k + number, self.eta2) for number in range(k + 1)]
        columns = [[matrix[i][j] for i in range(k)] for j in range(k)]
        u = [_add(_inverse(_dot(columns[i], secret)), error[i]) for i in range(k)]
        v = _add(_add(_inverse(_dot(rows, secret)), error[k]), _decompress(_decode(message, 1), 1))
        return b"".join(_encode(_compress(p, self.du), self.du) for p in u) + _encode(_compress(v, self.dv), self.dv)

    def _decrypt(self, secret: list[Poly], ciphertext: bytes) -> bytes:
        """Algorithm 15."""
        size = 32 * self.du
        parts = [ciphertext[size * i : size * (i + 1)] for i in range(self.k)]
        u = [_ntt(_decompress(_decode(part, self.du), self.du)) for part in parts]
        v = _decompress(_decode(ciphertext[size * self.k :], self.dv), self.dv)
        product = _inverse(_dot(secret, u))
        return _encode(_compress([(a - b) % Q for a, b in zip(v, product, strict=True)], 1), 1)


ML_KEM_512 = ParameterSet(k=2, eta1=3, eta2=2, du=10, dv=4)
ML_KEM_768 = ParameterSet(k=3, eta1=2, eta2=2, du=10, dv=4)
ML_KEM_1024 = ParameterSet(k=4, eta1=2, eta2=2, du=11, dv=5)


def _halves(octets: bytes) -> tuple[bytes, bytes]:
    return octets[:32], octets[32:]


def _encode(numbers: Poly, bits: int) -> bytes:
    """ByteEncode: each number in that many bits, the lowest first (algorithm 5)."""
    whole = sum(number << bits * place for place, number in enumerate(numbers))
    return whole.to_bytes(N * bits // 8, "little")


def _decode(octets: bytes, bits: int) -> Poly:
    """ByteDecode (algorithm 6), its numbers not brought below ``Q``."""
    whole, mask = int.from_bytes(octets, "little"), (1 << bits) - 1
    return [whole >> bits * place & mask for place in range(N)]


def _compress(numbers: Poly, bits: int) -> Poly:
    return [((number << bits) + Q // 2) // Q % (1 << bits) for number in numbers]


def _decompress(numbers: Poly, bits: int) -> Poly:
    return [(number * Q + (1 << bits - 1)) >> bits for number in numbers]


def _uniform(seed: bytes) -> Poly:
    """SampleNTT (algorithm 7): numbers below ``Q`` out of SHAKE128; twelve bits each, those too large left out."""
    size = 840
    while True:
        octets = hashlib.shake_128(seed).digest(size)
        found: Poly = []
        for at in range(0, size, 3):
            first, second, third = octets[at : at + 3]
            found += [number for number in (first | (second & 15) << 8, second >> 4 | third << 4) if number < Q]
        if len(found) >= N:
            return found[:N]
        size *= 2


def _centred(seed: bytes, number: int, eta: int) -> Poly:
    """SamplePolyCBD of the PRF's output (algorithm 8): the difference of two sums of ``eta`` bits."""
    whole = int.from_bytes(hashlib.shake_256(seed + bytes((number,))).digest(64 * eta), "little")
    mask = (1 << eta) - 1
    found = []
    for _ in range(N):
        found.append(((whole & mask).bit_count() - (whole >> eta & mask).bit_count()) % Q)
        whole >>= 2 * eta
    return found


def _ntt(numbers: Poly) -> Poly:
    """Algorithm 9."""
    found, at, length = list(numbers), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            zeta, at = _ZETAS[at], at + 1
            for j in range(start, start + length):
                product = zeta * found[j + length] % Q
                found[j], found[j + length] = (found[j] + product) % Q, (found[j] - product) % Q
        length //= 2
    return found


def _inverse(numbers: Poly) -> Poly:
    """The inverse of `_ntt` (algorithm 10)."""
    found, at, length = list(numbers), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            zeta, at = _ZETAS[at], at - 1
            for j in range(start, start + length):
                low, high = found[j], found[j + length]
                found[j], found[j + length] = (low + high) % Q, zeta * (high - low) % Q
        length *= 2
    return [number * 3303 % Q for number in found]


def _add(one: Poly, other: Poly) -> Poly:
    return [(a + b) % Q for a, b in zip(one, other, strict=True)]


def _dot(ones: list[Poly], others: list[Poly]) -> Poly:
    """The sum of products of polynomials in NTT form (algorithms 11 and 12)."""
    found = [0] * N
    for one, other in zip(ones, others, strict=True):
        for i, gamma in enumerate(_GAMMAS):
            a0, a1, b0, b1 = *one[2 * i : 2 * i + 2], *other[2 * i : 2 * i + 2]
            found[2 * i] += a0 * b0 + a1 * b1 % Q * gamma
            found[2 * i + 1] += a0 * b1 + a1 * b0
    return [number % Q for number in found]
