# SPDX-License-Identifier: GPL-2.0-or-later
"""The MODP groups (RFC 7296 appendix B.2, RFC 3526, RFC 5114), and modular exponentiation in them."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass

from fynx_scapy.iana import KeMethod


@dataclass(frozen=True, slots=True)
class Group:
    """Powers of ``generator`` modulo ``prime``.

    ``order`` is the order of a small subgroup (RFC 5114), else 0. ``exponent_bits`` is the size of private
    values. ``library``: pyca's arithmetic is faster than Python's.
    """

    prime: int
    generator: int
    order: int
    exponent_bits: int
    library: bool = False

    @property
    def size(self) -> int:
        """Octets of the prime, of public values and of shared secrets."""
        return (self.prime.bit_length() + 7) // 8


# Bits of the prime, and k of 2^n - 2^(n-64) - 1 + 2^64 * { [2^(n-130) pi] + k }; bits of private values, which are
# strength estimate 2 of RFC 3526 section 8; whether OpenSSL has the prime built in. It does not test such a prime, and
# takes a seventh of the time of Python's pow. It tests the 1024-bit prime each time, 40 times slower than pow.
_OAKLEY = {
    KeMethod.MODP_768: (768, 149686, 240, False),
    KeMethod.MODP_1024: (1024, 129093, 240, False),
    KeMethod.MODP_1536: (1536, 741804, 240, True),
    KeMethod.MODP_2048: (2048, 124476, 320, True),
    KeMethod.MODP_3072: (3072, 1690314, 420, True),
    KeMethod.MODP_4096: (4096, 240904, 480, True),
    KeMethod.MODP_6144: (6144, 929484, 540, True),
    KeMethod.MODP_8192: (8192, 4743158, 620, True),
}
_SUBGROUPS = {  # p, g and q of RFC 5114 sections 2.1 - 2.3
    KeMethod.MODP_1024_160: (
        "b10b8f96a080e01dde92de5eae5d54ec52c99fbcfb06a3c69a6a9dca52d23b616073e28675a23d189838ef1e2ee652c013ecb4ae"
        "a906112324975c3cd49b83bfaccbdd7d90c4bd7098488e9c219a73724effd6fae5644738faa31a4ff55bccc0a151af5f0dc8b4bd"
        "45bf37df365c1a65e68cfda76d4da708df1fb2bc2e4a4371",
        "a4d1cbd5c3fd34126765a442efb99905f8104dd258ac507fd6406cff14266d31266fea1e5c41564b777e690f5504f213160217b4"
        "b01b886a5e91547f9e2749f4d7fbd7d3b9a92ee1909d0d2263f80a76a6a24c087a091f531dbf0a0169b6a28ad662a4d18e73afa3"
        "2d779d5918d08bc8858f4dcef97c2a24855e6eeb22b3b2e5",
        "f518aa8781a8df278aba4e7d64b7cb9d49462353",
    ),
    KeMethod.MODP_2048_224: (
        "ad107e1e9123a9d0d660faa79559c51fa20d64e5683b9fd1b54b1597b61d0a75e6fa141df95a56dbaf9a3c407ba1df15eb3d688a"
        "309c180e1de6b85a1274a0a66d3f8152ad6ac2129037c9edefda4df8d91e8fef55b7394b7ad5b7d0b6c12207c9f98d11ed34dbf6"
        "c6ba0b2c8bbc27be6a00e0a0b9c49708b3bf8a317091883681286130bc8985db1602e714415d9330278273c7de31efdc7310f712"
        "1fd5a07415987d9adc0a486dcdf93acc44328387315d75e198c641a480cd86a1b9e587e8be60e69cc928b2b9c52172e413042e9b"
        "23f10b0e16e79763c9b53dcf4ba80a29e3fb73c16b8e75b97ef363e2ffa31f71cf9de5384e71b81c0ac4dffe0c10e64f",
        "ac4032ef4f2d9ae39df30b5c8ffdac506cdebe7b89998caf74866a08cfe4ffe3a6824a4e10b9a6f0dd921f01a70c4afaab739d77"
        "00c29f52c57db17c620a8652be5e9001a8d66ad7c17669101999024af4d027275ac1348bb8a762d0521bc98ae247150422ea1ed4"
        "09939d54da7460cdb5f6c6b250717cbef180eb34118e98d119529a45d6f834566e3025e316a330efbb77a86f0c1ab15b051ae3d4"
        "28c8f8acb70a8137150b8eeb10e183edd19963ddd9e263e4770589ef6aa21e7f5f2ff381b539cce3409d13cd566afbb48d6c0191"
        "81e1bcfe94b30269edfe72fe9b6aa4bd7b5a0f1c71cfff4c19c418e1f6ec017981bc087f2a7065b384b890d3191f2bfa",
        "801c0d34c58d93fe997177101f80535a4738cebcbf389a99b36371eb",
    ),
    KeMethod.MODP_2048_256: (
        "87a8e61db4b6663cffbbd19c651959998ceef608660dd0f25d2ceed4435e3b00e00df8f1d61957d4faf7df4561b2aa3016c3d911"
        "34096faa3bf4296d830e9a7c209e0c6497517abd5a8a9d306bcf67ed91f9e6725b4758c022e0b1ef4275bf7b6c5bfc11d45f9088"
        "b941f54eb1e59bb8bc39a0bf12307f5c4fdb70c581b23f76b63acae1caa6b7902d52526735488a0ef13c6d9a51bfa4ab3ad83477"
        "96524d8ef6a167b5a41825d967e144e5140564251ccacb83e6b486f6b3ca3f7971506026c0b857f689962856ded4010abd0be621"
        "c3a3960a54e710c375f26375d7014103a4b54330c198af126116d2276e11715f693877fad7ef09cadb094ae91e1a1597",
        "3fb32c9b73134d0b2e77506660edbd484ca7b18f21ef205407f4793a1a0ba12510dbc15077be463fff4fed4aac0bb555be3a6c1b"
        "0c6b47b1bc3773bf7e8c6f62901228f8c28cbb18a55ae31341000a650196f931c77a57f2ddf463e5e9ec144b777de62aaab8a862"
        "8ac376d282d6ed3864e67982428ebc831d14348f6f2f9193b5045af2767164e1dfc967c1fb3f2e55a4bd1bffe83b9c80d052b985"
        "d182ea0adb2a3b7313d3fe14c8484b1e052588b9b7d2bbd2df016199ecd06e1557cd0915b3353bbb64e0ec377fd028370df92b52"
        "c7891428cdc67eb6184b523d1db246c32f63078490f00ef8d647d148d47954515e2327cfef98c582664b4c0f6cc41659",
        "8cf83642a709a097b447997640129da299b1a47d1eb3750ba308b0fe64f5fbd3",
    ),
}


@functools.cache
def group(number: int) -> Group:
    """The group of a key exchange method. Raises KeyError for any other number."""
    if number in _SUBGROUPS:
        p, g, q = (int(digits, 16) for digits in _SUBGROUPS[KeMethod(number)])
        return Group(p, g, q, q.bit_length())
    bits, k, exponent_bits, library = _OAKLEY[KeMethod(number)]
    prime = 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (_pi(bits - 130) + k)
    return Group(prime, 2, 0, exponent_bits, library)


def _pi(bits: int) -> int:
    """[2^bits pi], by Machin's formula with 64 extra bits."""

    def arctan_of_inverse(number: int) -> int:
        term = total = (1 << bits + 64) // number
        divisor = 1
        while term:
            term //= number * number
            divisor += 2
            total += term // divisor if divisor % 4 == 1 else -(term // divisor)
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> 64


def power(group: Group, base: int, exponent: int) -> int:
    """base^exponent modulo the prime: with pyca if that is faster and works, else with pow."""
    if group.library:
        try:
            return _library_power(group, base, exponent)
        except (ImportError, AttributeError, ValueError):
            pass
    return pow(base, exponent, group.prime)


def _library_power(group: Group, base: int, exponent: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # finite-field DH is deprecated in pyca; power() works without it
        from cryptography.hazmat.primitives.asymmetric import dh

        parameters = dh.DHParameterNumbers(group.prime, group.generator)
        own = dh.DHPublicNumbers(group.generator, parameters)  # not used in the exponentiation
        private = dh.DHPrivateNumbers(exponent, own).private_key()
        return int.from_bytes(private.exchange(dh.DHPublicNumbers(base, parameters).public_key()))
