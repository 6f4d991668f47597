# SPDX-License-Identifier: GPL-2.0-or-later
"""What a scan asks for: every transform of IANA's registries, and private ones of strongSwan and OpenIKED.

The common ones come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fynx_scapy import private_use
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.iana import Encr, Integ, KeMethod, Prf, SequenceNumbers, TransformType

Box = tuple[tuple[Transform, ...], ...]
"""A proposal: for each transform type of its shape, one or more transforms of that type."""

ENCR, PRF, INTEG, KE, SN = (
    TransformType.ENCR,
    TransformType.PRF,
    TransformType.INTEG,
    TransformType.KE,
    TransformType.SN,
)
NOBODYS = 65000
"""A transform ID for private use that is in no list of names."""
_AES = (128, 256, 192)

# In these tables a row is an ID and its key lengths in bits; without any, the transform has no Key Length attribute.
_COMBINED: Sequence[tuple[int, tuple[int, ...]]] = (
    (Encr.ENCR_AES_GCM_16, _AES),
    (Encr.ENCR_CHACHA20_POLY1305, ()),
    (Encr.ENCR_AES_GCM_12, _AES),
    (Encr.ENCR_AES_GCM_8, _AES),
    (Encr.ENCR_AES_CCM_16, _AES),
    (Encr.ENCR_AES_CCM_12, _AES),
    (Encr.ENCR_AES_CCM_8, _AES),
    (Encr.ENCR_CAMELLIA_CCM_16, _AES),
    (Encr.ENCR_CAMELLIA_CCM_12, _AES),
    (Encr.ENCR_CAMELLIA_CCM_8, _AES),
    (Encr.ENCR_KUZNYECHIK_MGM_KTREE, ()),
    (Encr.ENCR_MAGMA_MGM_KTREE, ()),
)
"""Combined-mode ciphers (RFC 5282)."""
_COMBINED_ESP: Sequence[tuple[int, tuple[int, ...]]] = (
    (Encr.ENCR_NULL_AUTH_AES_GMAC, _AES),
    (Encr.ENCR_AES_CCM_8_IIV, _AES),
    (Encr.ENCR_AES_GCM_16_IIV, _AES),
    (Encr.ENCR_CHACHA20_POLY1305_IIV, ()),
    (Encr.ENCR_KUZNYECHIK_MGM_MAC_KTREE, ()),
    (Encr.ENCR_MAGMA_MGM_MAC_KTREE, ()),
)
"""Combined-mode ciphers for ESP alone (RFC 4543, RFC 8750, RFC 9227)."""
_NORMAL: Sequence[tuple[int, tuple[int, ...]]] = (
    (Encr.ENCR_AES_CBC, _AES),
    (Encr.ENCR_AES_CTR, _AES),
    (Encr.ENCR_3DES, ()),
    (Encr.ENCR_CAMELLIA_CBC, _AES),
    (Encr.ENCR_CAMELLIA_CTR, _AES),
    (Encr.ENCR_DES, ()),
    (Encr.ENCR_BLOWFISH, (128, 192, 256, 448)),
    (Encr.ENCR_CAST, (128,)),
    (Encr.ENCR_NULL, ()),
    (Encr.ENCR_IDEA, ()),
    (Encr.ENCR_RC5, (128,)),
    (Encr.ENCR_DES_IV64, ()),
    (Encr.ENCR_DES_IV32, ()),
    (Encr.ENCR_3IDEA, ()),
    (private_use.Encr.ENCR_SERPENT_CBC, _AES),
    (private_use.Encr.ENCR_TWOFISH_CBC, _AES),
)
"""Ciphers that need an integrity algorithm."""
_PRFS = (
    Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512, Prf.PRF_HMAC_SHA1, Prf.PRF_AES128_XCBC,
    Prf.PRF_AES128_CMAC, Prf.PRF_HMAC_MD5, Prf.PRF_HMAC_TIGER, Prf.PRF_HMAC_STREEBOG_512,
)  # fmt: skip
_INTEGS = (
    Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA2_384_192, Integ.AUTH_HMAC_SHA2_512_256, Integ.AUTH_HMAC_SHA1_96,
    Integ.AUTH_AES_XCBC_96, Integ.AUTH_AES_CMAC_96, Integ.AUTH_HMAC_MD5_96, Integ.AUTH_HMAC_SHA1_160,
    Integ.AUTH_HMAC_MD5_128, Integ.AUTH_AES_128_GMAC, Integ.AUTH_AES_192_GMAC, Integ.AUTH_AES_256_GMAC,
    Integ.AUTH_DES_MAC, Integ.AUTH_KPDK_MD5, private_use.Integ.AUTH_HMAC_SHA2_256_96,
    private_use.Integ.AUTH_HMAC_SHA1_128, private_use.Integ.AUTH_HMAC_SHA2_256_256,
    private_use.Integ.AUTH_HMAC_SHA2_384_384, private_use.Integ.AUTH_CAMELLIA_XCBC_96,
)  # fmt: skip
_GROUPS = (
    KeMethod.CURVE25519, KeMethod.ECP_256, KeMethod.ECP_384, KeMethod.ECP_521, KeMethod.MODP_2048, KeMethod.MODP_3072,
    KeMethod.MODP_4096, KeMethod.CURVE448, KeMethod.MODP_1536, KeMethod.MODP_1024, KeMethod.MODP_6144,
    KeMethod.MODP_8192, KeMethod.BRAINPOOL_P256R1, KeMethod.BRAINPOOL_P384R1, KeMethod.BRAINPOOL_P512R1,
    KeMethod.BRAINPOOL_P224R1, KeMethod.ECP_224, KeMethod.ECP_192, KeMethod.MODP_1024_160, KeMethod.MODP_2048_224,
    KeMethod.MODP_2048_256, KeMethod.MODP_768, KeMethod.GOST3410_2012_256, KeMethod.GOST3410_2012_512,
    KeMethod.ML_KEM_768, KeMethod.ML_KEM_1024, KeMethod.ML_KEM_512, *private_use.KeMethod,
)  # fmt: skip


def _ciphers(rows: Iterable[tuple[int, tuple[int, ...]]]) -> tuple[Transform, ...]:
    return tuple(Transform(ENCR, int(number), length) for number, lengths in rows for length in lengths or (None,))


def _plain(kind: TransformType, numbers: Iterable[int]) -> tuple[Transform, ...]:
    return tuple(Transform(kind, int(number)) for number in numbers)


COMBINED, NORMAL = _ciphers(_COMBINED), _ciphers(_NORMAL)
PRFS, INTEGS, GROUPS = _plain(PRF, _PRFS), _plain(INTEG, _INTEGS), _plain(KE, _GROUPS)
KEYS = {int(transform.id) for transform in COMBINED}
"""The IDs of the combined-mode ciphers that IKE can use."""


def additional(number: int) -> tuple[Transform, ...]:
    """The methods of additional key exchange ``number``, 1 to 7 (RFC 9370): ML-KEM first."""
    kems = sorted(_GROUPS, key=lambda group: group < KeMethod.ML_KEM_512)
    return _plain(TransformType(TransformType.ADDKE1 + number - 1), kems)


@dataclass(frozen=True, slots=True)
class Shape:
    """Which transform types a proposal has, with everything that can be asked of each."""

    name: str
    box: Box


def ike_shapes(rounds: int = 0) -> list[Shape]:
    """The shapes of IKE proposals with so many additional key exchanges: with a combined-mode cipher, and without."""
    more = tuple(additional(number) for number in range(1, rounds + 1))
    return [
        Shape("combined-mode", (COMBINED, PRFS, GROUPS, *more)),
        Shape("encryption and integrity", (NORMAL, PRFS, INTEGS, GROUPS, *more)),
    ]


def esp_shapes(*, ke: bool) -> list[Shape]:
    """The shapes of ESP proposals, with or without a key exchange."""
    sn = _plain(SN, (SequenceNumbers.NO_ESN, SequenceNumbers.ESN))
    groups = (GROUPS,) if ke else ()
    return [
        Shape("combined-mode", ((*COMBINED, *_ciphers(_COMBINED_ESP)), sn, *groups)),
        Shape("encryption and integrity", (NORMAL, INTEGS, sn, *groups)),
    ]


COMMON = (
    "aes128gcm16-aes256gcm16-chacha20poly1305-aes128ccm16-aes256ccm16-prfsha256-prfsha384-prfsha512-prfsha1",
    "aes128-aes256-aes192-3des-sha256-sha384-sha512-sha1-md5-prfsha256-prfsha384-prfsha512-prfsha1-prfmd5",
)
"""What the first request offers, in keywords, without its key exchange methods: what most responders have."""
COMMON_GROUPS = (
    KeMethod.CURVE25519, KeMethod.ECP_256, KeMethod.ECP_384, KeMethod.ECP_521, KeMethod.MODP_2048, KeMethod.MODP_3072,
    KeMethod.MODP_4096, KeMethod.CURVE448, KeMethod.MODP_1536, KeMethod.MODP_1024, KeMethod.MODP_6144,
    KeMethod.MODP_8192, KeMethod.BRAINPOOL_P256R1, KeMethod.BRAINPOOL_P384R1, KeMethod.BRAINPOOL_P512R1,
)  # fmt: skip
"""The key exchange methods of the first request: those that we can do."""
