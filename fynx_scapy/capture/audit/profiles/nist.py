# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile `nist`: NIST SP 800-77 Rev. 1 (June 2020), from verbatim quotations: every row is secondary.

The quotations are those of TunnelScope's nist-sp800-77r1.yaml, with their pages. What is not quoted is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from fynx_scapy.capture.audit.rules import (
    GOOD,
    Grade,
    KeyRow,
    KeyTable,
    LevelRow,
    Profile,
    Severity,
    SignatureRow,
    Source,
    Status,
    Table,
    by_transform,
    rows,
)
from fynx_scapy.iana import AuthMethod, Encr, Integ, KeMethod, Prf

_DOCUMENT = "NIST SP 800-77 Rev. 1 (June 2020), as quoted (secondary)"
_YES, _EXPECTED, _OLD = "recommended", "expected", "approved, SHA-2 is recommended"
_WEAK, _SHOULD_NOT, _NO = "less than 128 bits", "should not be deployed", "not approved"
LEVELS: Mapping[str, Grade] = {
    _YES: GOOD,
    _EXPECTED: GOOD,
    _OLD: Grade(Status.WEAK, Severity.LOW),
    _WEAK: Grade(Status.WEAK, Severity.MEDIUM),
    _SHOULD_NOT: Grade(Status.WEAK, Severity.MEDIUM),
    _NO: Grade(Status.FORBIDDEN, Severity.HIGH),
}
_AES = frozenset((128, 192, 256))
_TDEA = "It has been deprecated since 2019 and is disallowed after 2023 (4.1.4, p. 39)."
_MD5 = "HMAC-MD5 shall not be used (7.2.3, p. 70)."


_source = partial(Source, _DOCUMENT)


_CIPHERS = (
    *rows(
        _YES,
        (
            Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_16,
            Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16,
        ),
        _AES,
    ),
    LevelRow(Encr.ENCR_3DES, _NO, note=_TDEA),
)  # fmt: skip
_MAC = "Table 1; 7.2.3, p. 70"
_GMAC = (Integ.AUTH_AES_128_GMAC, Integ.AUTH_AES_192_GMAC, Integ.AUTH_AES_256_GMAC)
_INTEG = (
    *rows(_YES, (Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA2_384_192, Integ.AUTH_HMAC_SHA2_512_256)),
    LevelRow(Integ.AUTH_HMAC_SHA1_96, _OLD),
    *rows(_NO, (Integ.AUTH_HMAC_MD5_96, Integ.AUTH_HMAC_MD5_128), note=_MD5),
)
_UNFIT = "It does not supply the minimum of 112 bits of security (7.2.4.2, p. 72)."
_KE = Table(
    _source("Table 1; 7.2.4.2, p. 72; 7.2.6, p. 76"),
    (
        *rows(_YES, range(KeMethod.MODP_2048, KeMethod.ECP_521 + 1)),
        *rows(_EXPECTED, (KeMethod.CURVE25519, KeMethod.CURVE448)),
        *rows(_NO, (KeMethod.MODP_768, KeMethod.MODP_1024, KeMethod.MODP_1536, KeMethod.MODP_1024_160), note=_UNFIT),
    ),
)
_AH = Table(_source("4.5, p. 46"), (), _SHOULD_NOT)
_PROOFS = _source("Table 1, p. vii")
_METHODS = (
    AuthMethod.RSA_Digital_Signature, AuthMethod.DSS_Digital_Signature,
    AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve,
    AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve, AuthMethod.Digital_Signature,
)  # fmt: skip

NIST = Profile(
    "nist",
    "NIST SP 800-77 Rev. 1 (secondary source)",
    by_transform(
        encr=Table(_source("Table 1, p. vii; 4.1.4, p. 39"), _CIPHERS),
        prf=Table(
            _source(_MAC),
            (
                *rows(_YES, (Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512)),
                LevelRow(Prf.PRF_HMAC_SHA1, _OLD),
                LevelRow(Prf.PRF_HMAC_MD5, _NO, note=_MD5),
            ),
        ),
        integ=Table(_source(_MAC), _INTEG),
        ke=_KE,
        esp_encr=Table(
            _source("Table 1, p. viii; 4.1.4, p. 39"),
            (*_CIPHERS, LevelRow(Encr.ENCR_NULL_AUTH_AES_GMAC, _YES, _AES, "It is among the integrity algorithms.")),
        ),
        esp_integ=Table(_source(_MAC), (*_INTEG, *rows(_YES, _GMAC))),
        ah_integ=_AH,
        ah_ke=_AH,
    ),
    Table(_PROOFS, rows(_YES, _METHODS)),
    LEVELS,
    signatures=tuple(
        SignatureRow(name, _WEAK if size == 1 else _YES, _PROOFS)
        for size in (1, 256, 384, 512)
        for name in (f"sha{size}WithRSAEncryption", f"RSASSA-PSS with SHA{size}", f"ecdsa-with-SHA{size}")
    ),
    keys=KeyTable(
        _PROOFS,
        (
            KeyRow("RSA", _YES, least=3072),
            KeyRow("RSA", _WEAK),
            KeyRow("DSA", _YES, least=3072),
            KeyRow("DSA", _WEAK),
            *(KeyRow(f"ECDSA-secp{size}r1", _YES) for size in (256, 384, 521)),
            *(KeyRow(f"ECDSA-secp{size}r1", _WEAK) for size in (192, 224)),
        ),
    ),
    iana=False,
    ikev1="IKEv1 should not be used for new deployments, and existing ones should be converted to IKEv2 (NIST SP "
    "800-77 Rev. 1, 3.11, p. 35; secondary).",
    note="The document itself was not read: its rows are verbatim quotations from TunnelScope's nist-sp800-77r1.yaml.",
)
