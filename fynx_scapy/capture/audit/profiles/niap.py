# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile `niap`: FCS_IPSEC_EXT.1 and FCS_CKM.1 of NIAP's PP-Module for VPN Clients 3.0 (2025-09-30)."""

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

_DOCUMENT = "NIAP PP-Module for VPN Clients 3.0 (2025-09-30)"
_YES, _CHOICE, _NO, _NONE, _BAD = "required", "selectable", "not in the requirement", "no other allowed", "MUST NOT"
_LATER = "no row yet"
LEVELS: Mapping[str, Grade] = {
    _YES: GOOD,
    _CHOICE: GOOD,
    _NO: Grade(Status.WEAK, Severity.MEDIUM),
    _LATER: UNKNOWN,
    _NONE: Grade(Status.FORBIDDEN, Severity.HIGH),
    _BAD: Grade(Status.FORBIDDEN, Severity.HIGH),
}


_source = partial(Source, _DOCUMENT)


def _gcm(element: str, others: str) -> Table:
    return Table(_source(element), (LevelRow(Encr.ENCR_AES_GCM_16, _YES, frozenset((256,))),), others)


_HASHES = _source("FCS_IPSEC_EXT.1.5 (RFC 8247 and RFC 4868)")
_PRF = Table(
    _HASHES,
    (
        *rows(_YES, (Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512)),
        LevelRow(Prf.PRF_HMAC_MD5, _BAD, note="RFC 8247, section 2.2."),
    ),
    _NO,
)
_INTEG = Table(
    _HASHES,
    (
        *rows(_YES, (Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA2_384_192, Integ.AUTH_HMAC_SHA2_512_256)),
        *rows(
            _BAD,
            (Integ.AUTH_HMAC_MD5_96, Integ.AUTH_DES_MAC, Integ.AUTH_KPDK_MD5),
            note="RFC 8247, section 2.3.",
        ),
    ),
    _NO,
)
_KE = Table(
    _source("FCS_IPSEC_EXT.1.8"),
    (
        LevelRow(KeMethod.ECP_384, _YES),
        *rows(
            _CHOICE,
            (KeMethod.MODP_3072, KeMethod.MODP_4096, KeMethod.MODP_6144, KeMethod.MODP_8192, KeMethod.ECP_521),
        ),
        *rows(_LATER, (KeMethod.ML_KEM_512, KeMethod.ML_KEM_768)),
        LevelRow(KeMethod.ML_KEM_1024, _LATER, note="FCS_CKM.1 has it beside the groups; FCS_IPSEC_EXT.1.8 does not."),
    ),
    _NO,
)  # fmt: skip
_ESP_ONLY = Table(_source("FCS_IPSEC_EXT.1.4"), (), _NO)  # it names ESP alone
_PROOFS, _MADE = _source("FCS_IPSEC_EXT.1.11"), _source("FCS_CKM.1")
_SHA1 = "RFC 8247, section 3.2, by FCS_IPSEC_EXT.1.5."
_METHODS = (
    AuthMethod.RSA_Digital_Signature, AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve,
    AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve, AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve,
    AuthMethod.Digital_Signature,
)  # fmt: skip
EAP_TLS, EAP_TTLS = 13, 21

NIAP = Profile(
    "niap",
    "NIAP PP-Module for VPN Clients 3.0 (FCS_IPSEC_EXT.1)",
    by_transform(
        encr=_gcm("FCS_IPSEC_EXT.1.6", _NONE),
        prf=_PRF,
        integ=_INTEG,
        ke=_KE,
        esp_encr=_gcm("FCS_IPSEC_EXT.1.4", _NO),
        ah_integ=_ESP_ONLY,
        ah_ke=_ESP_ONLY,
    ),
    Table(_PROOFS, rows(_CHOICE, _METHODS), _NONE),
    LEVELS,
    signatures=tuple(
        SignatureRow(name, _BAD if name.endswith("SHA1") or name.startswith("sha1") else _CHOICE, _PROOFS, note=note)
        for size in (1, 256, 384, 512)
        for name in (f"sha{size}WithRSAEncryption", f"RSASSA-PSS with SHA{size}", f"ecdsa-with-SHA{size}")
        for note in (_SHA1 if size == 1 else "",)
    ),
    other_signatures=_NONE,
    keys=KeyTable(
        _MADE,
        (
            KeyRow("RSA", _CHOICE, least=3072),
            KeyRow("ECDSA-secp384r1", _YES),
            KeyRow("ECDSA-secp521r1", _CHOICE),
            *(KeyRow(kind, _NONE, note="FCS_IPSEC_EXT.1.11: RSA or ECDSA.") for kind in ("Ed25519", "Ed448")),
        ),
        _NO,
    ),
    eap={EAP_TLS: _CHOICE, EAP_TTLS: _CHOICE},
    lifetimes=Lifetimes(_source("FCS_IPSEC_EXT.1.7"), ike=24 * 3600, child=8 * 3600),
    iana=False,
    ikev1="A client has to refuse IKEv1 (FCS_IPSEC_EXT.1.5).",
    note="The requirements are for clients that are certified. FCS_IPSEC_EXT.1.7 wants lifetimes that can be set to 24 "
    "hours and 8 hours, or less.",
)
