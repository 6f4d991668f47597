# SPDX-License-Identifier: GPL-2.0-or-later
"""Decrypt ESP with SK_d alone, without decrypting IKE: try algorithms, direction and ESN until an ICV verifies.

KEYMAT of the Child SA of IKE_AUTH only needs SK_d and the nonces of IKE_SA_INIT, which are unencrypted (RFC 7296
section 2.17). Its SPIs and its suite are encrypted, but only a handful of suites is in use.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.keymat import derive_child
from fynx_scapy.crypto.prf import prf
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.iana import Encr, Integ, TransformType
from fynx_scapy.keynames import KEY_LENGTHS, NO_AEAD, CipherSuite

MOST_SAS = 8
"""For how many IKE SAs with undecrypted messages this is tried: the latest ones."""

AEADS = (
    Encr.ENCR_AES_GCM_16, Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_CCM_16,
    Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_8, Encr.ENCR_NULL_AUTH_AES_GMAC,
)  # fmt: skip
# An ICV does not tell ciphers with keys of one size apart: those that are in use come first
LIKELIEST = (Encr.ENCR_AES_CBC, Encr.ENCR_3DES, Encr.ENCR_NULL, Encr.ENCR_AES_CTR, Encr.ENCR_CAMELLIA_CBC)
INTEGS = (
    Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA1_96, Integ.AUTH_HMAC_SHA2_384_192, Integ.AUTH_HMAC_SHA2_512_256,
    Integ.AUTH_AES_XCBC_96, Integ.AUTH_AES_CMAC_96,
)  # fmt: skip


def _suites() -> Iterator[CipherSuite]:
    numbers = (*AEADS, *LIKELIEST, *sorted(NO_AEAD - set(LIKELIEST)))
    for number, bits in itertools.product(numbers, (None, *KEY_LENGTHS)):
        try:
            encryption(number, bits, esp=True)
        except ConfigError:
            continue  # the cipher does not support this key length
        for integ in (None,) if number in AEADS else INTEGS:
            signer = Transform(TransformType.INTEG, integ) if integ else None
            for esn in (False, True):
                yield CipherSuite(Transform(TransformType.ENCR, number, bits), signer, None, esn)


SUITES = tuple(_suites())


def guesses(
    sas: Sequence[CapturedIkeSa], sk_ds: Sequence[bytes], spi: int
) -> Iterator[tuple[CapturedChildSa, bool, InboundSa, bytes]]:
    """Child SAs that an SPI may belong to: the SA, whether its initiator sent, the SA for that direction, and SK_d."""
    closed = [sa for sa in sas if not sa.sets and sa.chosen is not None and sa.chosen.suite.prf is not None]
    for sa in closed[-MOST_SAS:]:
        assert sa.chosen is not None
        assert sa.chosen.suite.prf is not None
        function = prf(sa.chosen.suite.prf.id)
        for sk_d in sk_ds:
            if len(sk_d) != function.key_size:
                continue
            for suite in SUITES:
                cipher = encryption(suite.encr.id, suite.encr.key_length, esp=True)
                signer = integrity(suite.integ.id) if suite.integ else None
                keys = derive_child(function, sk_d, cipher, signer, *sa.nonces)
                for by_initiator in (True, False):
                    spis = (0, spi) if by_initiator else (spi, 0)
                    child = CapturedChildSa(
                        sa, *spis, suite, sa.nonces, 0, "", "", keys=keys, derived="SK_d, algorithms tried"
                    )
                    yield child, by_initiator, child.opener(keys, by_initiator), sk_d
