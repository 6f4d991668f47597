# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile `cnsa1`: RFC 9206, the CNSA Suite 1.0 for IPsec (March 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from fynx_scapy.capture.audit.rules import (
    GOOD,
    UNKNOWN,
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

_DOCUMENT = "RFC 9206 (March 2022)"
_SUITE, _FITS, _MAYBE, _NO = "in a named suite", "CNSA compliant", "CNSA algorithm in no named suite", "MUST NOT"
_LATER = "newer than RFC 9206"
LEVELS: Mapping[str, Grade] = {
    _SUITE: GOOD,
    _FITS: GOOD,
    _MAYBE: Grade(Status.UNKNOWN, Severity.LOW),
    _LATER: UNKNOWN,
    _NO: Grade(Status.FORBIDDEN, Severity.HIGH),
}


_source = partial(Source, _DOCUMENT)


_SOLELY = _source("sections 4 and 8")
"""Section 8: a responder MUST refuse proposals that do not consist solely of transforms based on CNSA algorithms."""
_AES = (
    Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16,
    Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12,
)  # fmt: skip
_LONG = frozenset((256,))
_OTHERS = "Other suites than the three named ones may be acceptable (section 8)."
_ENCR = Table(
    _source("section 5"),
    (
        LevelRow(Encr.ENCR_AES_GCM_16, _SUITE, _LONG),
        *rows(_MAYBE, _AES, _LONG, _OTHERS),
    ),
    _NO,
    _SOLELY,
)
_INTEG = Table(
    _source("section 12"),
    (LevelRow(Integ.AUTH_HMAC_SHA2_384_192, _MAYBE, note="The named suites have no integrity transform."),),
    _NO,
    _SOLELY,
)
_KE = Table(
    _source("sections 4 and 5"),
    (
        *rows(_SUITE, (KeMethod.ECP_384, KeMethod.MODP_3072, KeMethod.MODP_4096)),
        *rows(_FITS, (KeMethod.MODP_6144, KeMethod.MODP_8192)),
        *rows(_LATER, (KeMethod.ML_KEM_512, KeMethod.ML_KEM_768, KeMethod.ML_KEM_1024)),
    ),
    _NO,
    _SOLELY,
)
_AH = Table(_source("section 11"), (), _NO)
_SIGNED = _source("section 6")
_P384 = "ECDSA-secp384r1"

CNSA1 = Profile(
    "cnsa1",
    "CNSA Suite 1.0 for IPsec (RFC 9206)",
    by_transform(
        encr=_ENCR,
        prf=Table(
            _source("section 8"),
            (LevelRow(Prf.PRF_HMAC_SHA2_512, _SUITE), LevelRow(Prf.PRF_HMAC_SHA2_384, _FITS)),
            _NO,
        ),
        integ=_INTEG,
        ke=_KE,
        ah_integ=_AH,
        ah_ke=_AH,
    ),
    Table(
        _SIGNED,
        (
            LevelRow(AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve, _FITS),
            LevelRow(AuthMethod.Digital_Signature, _FITS, note="It is judged by its algorithm and key."),
        ),
        _NO,
    ),
    LEVELS,
    signatures=(
        SignatureRow("ecdsa-with-SHA384", _FITS, _SIGNED, (_P384,)),
        SignatureRow("sha384WithRSAEncryption", _FITS, _SIGNED),
        SignatureRow("RSASSA-PSS with SHA384", _FITS, _SIGNED),
    ),
    other_signatures=_NO,
    keys=KeyTable(_SIGNED, (KeyRow(_P384, _FITS), KeyRow("RSA", _FITS, least=3072)), _NO),
    iana=False,
    ikev1="CNSA-compliant implementations MUST use IKEv2 (RFC 9206, section 4).",
    note="Applications that protect data for long follow section 12: RFC 8784 (PPK) in addition. Certificates are to "
    "follow RFC 8603, which is not judged.",
)
