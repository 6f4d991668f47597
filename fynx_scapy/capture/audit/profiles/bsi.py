# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile `bsi`: BSI TR-02102-3, version 2025-01. What is not in its tables is not recommended; it forbids nothing."""

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
    Lifetimes,
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

_DOCUMENT = "BSI TR-02102-3, version 2025-01 (2025-01-21)"
_YES, _NO, _PLANNED = "recommended until 2031+", "not recommended", "intended, no row yet"
LEVELS: Mapping[str, Grade] = {_YES: GOOD, _NO: Grade(Status.WEAK, Severity.MEDIUM), _PLANNED: UNKNOWN}
SIZES = frozenset((128, 256))
"""The tables have AES with 128 and 256 bits, not with 192."""


_source = partial(Source, _DOCUMENT)


def _table(where: str, ids: tuple[int, ...], *more: LevelRow, lengths: frozenset[int] | None = None) -> Table:
    return Table(_source(where), (*rows(_YES, ids, lengths), *more), _NO)


_CIPHERS = (
    Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_CCM_16,
    Encr.ENCR_AES_CCM_12,
)  # fmt: skip
_HMAC = (Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA2_384_192, Integ.AUTH_HMAC_SHA2_512_256)
_PRFS = (
    Prf.PRF_AES128_XCBC, Prf.PRF_AES128_CMAC, Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512,
)  # fmt: skip
_GROUPS = (
    KeMethod.MODP_3072, KeMethod.MODP_4096, KeMethod.ECP_256, KeMethod.ECP_384, KeMethod.ECP_521,
    KeMethod.BRAINPOOL_P256R1, KeMethod.BRAINPOOL_P384R1, KeMethod.BRAINPOOL_P512R1,
)  # fmt: skip
_LATER = "It is to be recommended together with a group of table 6 (RFC 9370), once its RFC is out (footnote 3)."
_KE = _table(
    "section 3.2.4, table 6",
    _GROUPS,
    LevelRow(KeMethod.ML_KEM_768, _PLANNED, note=_LATER),
    LevelRow(KeMethod.ML_KEM_1024, _PLANNED, note=_LATER),
)
_ESP_INTEG = (Integ.AUTH_AES_XCBC_96, Integ.AUTH_AES_CMAC_96, *_HMAC)
_PROOFS = _source("section 3.2.5, table 7")

BSI = Profile(
    "bsi",
    "BSI TR-02102-3 (IPsec and IKEv2), version 2025-01",
    by_transform(
        encr=_table("section 3.2.1, table 3", _CIPHERS, lengths=SIZES),
        prf=_table("section 3.2.2, table 4", _PRFS),
        integ=_table("section 3.2.3, table 5", (Integ.AUTH_AES_XCBC_96, *_HMAC)),
        ke=_KE,
        esp_encr=_table("section 3.3.1, table 8", _CIPHERS, lengths=SIZES),
        esp_integ=_table("section 3.3.2, table 9", _ESP_INTEG),
        ah_integ=_table("section 3.3.3, table 10", _ESP_INTEG),
    ),
    _table(
        "section 3.2.5, table 7",
        (
            AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve,
            AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve, AuthMethod.Digital_Signature,
        ),
    ),
    LEVELS,
    signatures=(
        *(SignatureRow(f"RSASSA-PSS with SHA{size}", _YES, _PROOFS) for size in (256, 384, 512)),
        *(
            SignatureRow(f"ecdsa-with-SHA{size}", _YES, _PROOFS, (f"ECDSA-brainpoolP{size}r1",))
            for size in (256, 384, 512)
        ),
    ),
    other_signatures=_NO,
    keys=KeyTable(
        _PROOFS,
        (
            KeyRow("RSA", _YES, least=3000),
            *(KeyRow(f"ECDSA-secp{size}r1", _YES) for size in (256, 384, 521)),
            *(KeyRow(f"ECDSA-brainpoolP{size}r1", _YES) for size in (256, 384, 512)),
        ),
        _NO,
    ),
    lifetimes=Lifetimes(_source("section 3.4"), ike=24 * 3600, child=4 * 3600),
    iana=False,
    ikev1="BSI TR-02102-3 makes no statement about IKEv1, and recommends IKEv2 for new developments.",
    note="As of 2025-01; a version 2026-01 exists and was not looked up. ECGDSA of table 7 is not recognised, and so "
    "UNKNOWN.",
)  # fmt: skip
