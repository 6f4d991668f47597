# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile `rfc`: RFC 8247 for IKEv2, RFC 8221 for ESP and AH. Rows are in the order of the documents."""

from __future__ import annotations

from fynx_scapy.capture.audit.rules import (
    KeyRow,
    KeyTable,
    LevelRow,
    Profile,
    SignatureRow,
    Source,
    Table,
    by_transform,
)
from fynx_scapy.iana import AuthMethod, Encr, Integ, KeMethod, Prf

BOTH = frozenset((128, 256))
_IOT = "The level is that for the Internet of Things; elsewhere it is MAY."

_8247 = "RFC 8247"
_8221 = "RFC 8221"
_REST_8247 = Source(_8247, "section 2.5")  # "not mentioned in the above sections, so it defaults to MAY"
_REST_8221 = Source(_8221, "section 8")

_IKE_ENCR = Table(
    Source(_8247, "section 2.1"),
    (
        LevelRow(Encr.ENCR_AES_CBC, "MUST", BOTH),
        LevelRow(Encr.ENCR_CHACHA20_POLY1305, "SHOULD"),
        LevelRow(Encr.ENCR_AES_GCM_16, "SHOULD", BOTH),
        LevelRow(Encr.ENCR_AES_CCM_8, "SHOULD", frozenset((128,)), _IOT),
        LevelRow(
            Encr.ENCR_3DES,
            "MAY, downgraded",
            note="The text says that support for it need not be kept, because AES-CBC is implemented everywhere.",
        ),
        LevelRow(Encr.ENCR_DES, "MUST NOT"),
        LevelRow(Encr.ENCR_NULL, "MUST NOT"),
    ),
    "MAY",
    _REST_8247,
)
_IKE_PRF = Table(
    Source(_8247, "section 2.2"),
    (
        LevelRow(Prf.PRF_HMAC_SHA2_256, "MUST"),
        LevelRow(Prf.PRF_HMAC_SHA2_512, "SHOULD+"),
        LevelRow(Prf.PRF_HMAC_SHA1, "MUST-"),
        LevelRow(Prf.PRF_AES128_XCBC, "SHOULD", note=_IOT),
        LevelRow(Prf.PRF_HMAC_MD5, "MUST NOT"),
    ),
    "MAY",
    _REST_8247,
)
_IKE_INTEG = Table(
    Source(_8247, "section 2.3"),
    (
        LevelRow(Integ.AUTH_HMAC_SHA2_256_128, "MUST"),
        LevelRow(Integ.AUTH_HMAC_SHA2_512_256, "SHOULD"),
        LevelRow(Integ.AUTH_HMAC_SHA1_96, "MUST-"),
        LevelRow(Integ.AUTH_AES_XCBC_96, "SHOULD", note=_IOT),
        LevelRow(Integ.AUTH_HMAC_MD5_96, "MUST NOT"),
        LevelRow(Integ.AUTH_DES_MAC, "MUST NOT"),
        LevelRow(Integ.AUTH_KPDK_MD5, "MUST NOT"),
    ),
    "MAY",
    _REST_8247,
)
_IKE_KE = Table(
    Source(_8247, "section 2.4"),
    (
        LevelRow(KeMethod.MODP_2048, "MUST"),
        LevelRow(KeMethod.ECP_256, "SHOULD"),
        LevelRow(KeMethod.MODP_1536, "SHOULD NOT"),
        LevelRow(KeMethod.MODP_1024, "SHOULD NOT"),
        LevelRow(KeMethod.MODP_768, "MUST NOT"),
        LevelRow(KeMethod.MODP_1024_160, "MUST NOT"),
        LevelRow(KeMethod.MODP_2048_224, "SHOULD NOT"),
        LevelRow(KeMethod.MODP_2048_256, "SHOULD NOT"),
    ),
    "MAY",
    _REST_8247,
)
_METHODS = Table(
    Source(_8247, "section 3.1"),
    (
        LevelRow(
            AuthMethod.RSA_Digital_Signature, "MUST", note="It is bound to RSASSA-PKCS1-v1.5 and to be replaced by 14."
        ),
        LevelRow(
            AuthMethod.Shared_Key_Message_Integrity_Code, "MUST", note="It is as strong as the shared key is random."
        ),
        LevelRow(AuthMethod.DSS_Digital_Signature, "SHOULD NOT"),
        LevelRow(AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, "SHOULD"),
        LevelRow(AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve, "SHOULD"),
        LevelRow(AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve, "SHOULD"),
        LevelRow(AuthMethod.Digital_Signature, "SHOULD"),
    ),
)
_HASHES, _ALGORITHMS = Source(_8247, "section 3.2, hash functions"), Source(_8247, "section 3.2, methods")
_SIGNATURES = (
    SignatureRow("RSASSA-PSS with SHA256", "MUST", _ALGORITHMS),
    SignatureRow("RSASSA-PSS with SHA384", "MAY", _HASHES),
    SignatureRow("RSASSA-PSS with SHA512", "SHOULD", _HASHES),
    SignatureRow("RSASSA-PSS with SHA1", "MUST NOT", _ALGORITHMS),
    SignatureRow("ecdsa-with-SHA256", "SHOULD", _ALGORITHMS),
    SignatureRow("ecdsa-with-SHA384", "MAY", _HASHES),
    SignatureRow("ecdsa-with-SHA512", "SHOULD", _HASHES),
    SignatureRow("sha256WithRSAEncryption", "MAY", Source(_8247, "section 3.2, RSASSA-PKCS1-v1.5")),
    SignatureRow("sha384WithRSAEncryption", "MAY", Source(_8247, "section 3.2, RSASSA-PKCS1-v1.5")),
    SignatureRow("sha512WithRSAEncryption", "MAY", Source(_8247, "section 3.2, RSASSA-PKCS1-v1.5")),
    SignatureRow("sha1WithRSAEncryption", "MUST NOT", _ALGORITHMS),
    SignatureRow("dsa-with-SHA1", "MUST NOT", _ALGORITHMS),
    SignatureRow("ecdsa-with-SHA1", "MUST NOT", _ALGORITHMS),
    SignatureRow("Ed25519", "SHOULD", Source(_8247, "section 3.1, method 14; RFC 8420")),
    SignatureRow("Ed448", "SHOULD", Source(_8247, "section 3.1, method 14; RFC 8420")),
)
_KEYS = KeyTable(
    Source(_8247, "section 3.1.1"),
    (
        KeyRow("RSA-2048", "MUST"),
        KeyRow("RSA-3072", "SHOULD"),
        KeyRow("RSA-4096", "SHOULD"),
        KeyRow("RSA", "MAY", least=2048),
        KeyRow("RSA", "SHOULD NOT"),
    ),
    only=True,
)
_ESP_ENCR = Table(
    Source(_8221, "section 5"),
    (
        LevelRow(Encr.ENCR_DES_IV64, "MUST NOT"),
        LevelRow(Encr.ENCR_DES, "MUST NOT"),
        LevelRow(Encr.ENCR_3DES, "SHOULD NOT"),
        LevelRow(Encr.ENCR_BLOWFISH, "MUST NOT"),
        LevelRow(Encr.ENCR_3IDEA, "MUST NOT"),
        LevelRow(Encr.ENCR_DES_IV32, "MUST NOT"),
        LevelRow(Encr.ENCR_NULL, "MUST", note="It is for ESP that only authenticates: nothing is encrypted."),
        LevelRow(Encr.ENCR_AES_CBC, "MUST", BOTH),
        LevelRow(Encr.ENCR_AES_CCM_8, "SHOULD", frozenset((128,)), _IOT),
        LevelRow(Encr.ENCR_AES_GCM_16, "MUST", BOTH),
        LevelRow(Encr.ENCR_CHACHA20_POLY1305, "SHOULD"),
    ),
    "MAY",
    _REST_8221,
)
_ESP_INTEG = Table(
    Source(_8221, "section 6"),
    (
        LevelRow(Integ.AUTH_HMAC_MD5_96, "MUST NOT"),
        LevelRow(Integ.AUTH_HMAC_SHA1_96, "MUST-"),
        LevelRow(Integ.AUTH_DES_MAC, "MUST NOT"),
        LevelRow(Integ.AUTH_KPDK_MD5, "MUST NOT"),
        LevelRow(Integ.AUTH_AES_XCBC_96, "SHOULD", note=_IOT),
        LevelRow(Integ.AUTH_AES_128_GMAC, "MAY"),
        LevelRow(Integ.AUTH_AES_256_GMAC, "MAY"),
        LevelRow(Integ.AUTH_HMAC_SHA2_256_128, "MUST"),
        LevelRow(Integ.AUTH_HMAC_SHA2_512_256, "SHOULD"),
    ),
    "MAY",
    _REST_8221,
)
RFC = Profile(
    "rfc",
    "RFC 8247 (IKEv2), RFC 8221 (ESP and AH) and IANA's deprecation marks",
    by_transform(_IKE_ENCR, _IKE_PRF, _IKE_INTEG, _IKE_KE, esp_encr=_ESP_ENCR, esp_integ=_ESP_INTEG),
    _METHODS,
    signatures=_SIGNATURES,
    keys=_KEYS,
    note="The levels are requirements for implementations; each site has its own policy for use.",
)
