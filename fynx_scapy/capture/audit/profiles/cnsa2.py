# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile `cnsa2`: NSA's CNSA Suite 2.0. Its table was read as quoted, its IPsec profile not: that is UNKNOWN."""

from __future__ import annotations

from collections.abc import Mapping

from fynx_scapy.capture.audit.profiles.rfc import RFC
from fynx_scapy.capture.audit.rules import (
    GOOD,
    Grade,
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

# The table was read as quoted in public repositories, not in the document itself. It says for AES "Use 256-bit keys",
# for SHA "Use SHA-384 or SHA-512", for key establishment ML-KEM-1024, for signatures ML-DSA-87, each "for all
# classification levels". draft-guthrie-cnsa2-ipsec-profile says which modes and transforms IPsec may use. It could not
# be looked up, so no encryption transform and no truncated HMAC is OK.
_CNSA = "NSA, CNSA Suite 2.0 and Quantum Computing FAQ, version 2.1 (December 2024)"
_CNSA_TABLE = Source(_CNSA, "table Commercial National Security Algorithm Suite 2.0, as quoted")
_CNSA_MODE = Source("draft-guthrie-cnsa2-ipsec-profile-04", "not looked up")
_IN, _NOT_IN, _NOT_YET = "in the table", "not in the table", "not yet quantum-resistant"
_LENGTH = "key length in the table, transform not looked up"
CNSA_LEVELS: Mapping[str, Grade] = {
    _IN: GOOD,
    _NOT_IN: Grade(Status.FORBIDDEN, Severity.HIGH),
    _LENGTH: Grade(Status.UNKNOWN, Severity.LOW),
    _NOT_YET: Grade(Status.WEAK, Severity.MEDIUM),
}
_AES = (
    Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16,
    Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_16,
)  # fmt: skip
_NO_AES = (
    Encr.ENCR_DES, Encr.ENCR_3DES, Encr.ENCR_IDEA, Encr.ENCR_CAST, Encr.ENCR_BLOWFISH, Encr.ENCR_CAMELLIA_CBC,
    Encr.ENCR_CAMELLIA_CTR, Encr.ENCR_CAMELLIA_CCM_8, Encr.ENCR_CAMELLIA_CCM_12, Encr.ENCR_CAMELLIA_CCM_16,
    Encr.ENCR_CHACHA20_POLY1305,
)  # fmt: skip
_CNSA_ENCR = Table(
    _CNSA_TABLE,
    (
        *rows(_LENGTH, _AES, frozenset((256,))),
        *rows(_NOT_IN, _AES, frozenset((128, 192)), "The table wants 256-bit keys."),
        *rows(_NOT_IN, _NO_AES, note="The table has AES alone."),
    ),
)
_SHA = "The table wants SHA-384 or SHA-512."
_CNSA_PRF = Table(
    _CNSA_TABLE,
    (
        *rows(_IN, (Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512)),
        *rows(_NOT_IN, (Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA1, Prf.PRF_HMAC_MD5), note=_SHA),
    ),
)
_CNSA_INTEG = Table(
    _CNSA_TABLE,
    rows(_NOT_IN, (Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA1_96, Integ.AUTH_HMAC_MD5_96), note=_SHA),
)
_CNSA_KE = Table(
    _CNSA_TABLE,
    (
        *rows(_IN, (KeMethod.ML_KEM_1024,)),
        *rows(_NOT_IN, (KeMethod.ML_KEM_768, KeMethod.ML_KEM_512), note="The table wants ML-KEM-1024."),
    ),
)
_SIGNED = (
    AuthMethod.RSA_Digital_Signature, AuthMethod.DSS_Digital_Signature,
    AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve,
    AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve,
)  # fmt: skip
_CNSA_METHODS = Table(_CNSA_TABLE, rows(_NOT_YET, _SIGNED, note="The table wants ML-DSA-87."))
CNSA2 = Profile(
    "cnsa2",
    "CNSA Suite 2.0 (NSA)",
    by_transform(_CNSA_ENCR, _CNSA_PRF, _CNSA_INTEG, _CNSA_KE),
    _CNSA_METHODS,
    CNSA_LEVELS,
    signatures=tuple(SignatureRow(row.name, _NOT_YET, _CNSA_TABLE) for row in RFC.signatures),
    quantum=_CNSA_TABLE,
    iana=True,
    note=f"The suite's table was read as quoted elsewhere; the IPsec profile ({_CNSA_MODE}) says which transforms may "
    "be used, and is UNKNOWN here. The dates of the transition are not judged.",
)
