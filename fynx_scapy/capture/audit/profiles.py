# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables: RFC 8247 and RFC 8221, CNSA 2.0, BSI TR-02102-3. Rows are in the order of their documents.

If a document could not be consulted, its table has no rows and no default, and the audit reports UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Mapping

from fynx_scapy.capture.audit.rules import GOOD, RFC_LEVELS, Grade, LevelRow, Profile, Severity, Source, Status, Table
from fynx_scapy.iana import AuthMethod, Encr, Integ, KeMethod, Prf, ProtocolId, TransformType

IKE, ESP, AH = int(ProtocolId.IKE), int(ProtocolId.ESP), int(ProtocolId.AH)
ENCR, PRF, INTEG, KE = (
    int(kind) for kind in (TransformType.ENCR, TransformType.PRF, TransformType.INTEG, TransformType.KE)
)
BOTH = frozenset((128, 256))
_IOT = "The level is that for the Internet of Things; elsewhere it is MAY."

# -- RFC 8247 and RFC 8221 --------------------------------------------------------------------------------------------

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
_SIGNATURES: Mapping[str, tuple[str, Source]] = {
    "RSASSA-PSS with SHA256": ("MUST", _ALGORITHMS),
    "RSASSA-PSS with SHA384": ("MAY", _HASHES),
    "RSASSA-PSS with SHA512": ("SHOULD", _HASHES),
    "RSASSA-PSS with SHA1": ("MUST NOT", _ALGORITHMS),
    "ecdsa-with-SHA256": ("SHOULD", _ALGORITHMS),
    "ecdsa-with-SHA384": ("MAY", _HASHES),
    "ecdsa-with-SHA512": ("SHOULD", _HASHES),
    "sha256WithRSAEncryption": ("MAY", Source(_8247, "section 3.2, RSASSA-PKCS1-v1.5")),
    "sha384WithRSAEncryption": ("MAY", Source(_8247, "section 3.2, RSASSA-PKCS1-v1.5")),
    "sha512WithRSAEncryption": ("MAY", Source(_8247, "section 3.2, RSASSA-PKCS1-v1.5")),
    "sha1WithRSAEncryption": ("MUST NOT", _ALGORITHMS),
    "dsa-with-SHA1": ("MUST NOT", _ALGORITHMS),
    "ecdsa-with-SHA1": ("MUST NOT", _ALGORITHMS),
    "Ed25519": ("SHOULD", Source(_8247, "section 3.1, method 14; RFC 8420")),
    "Ed448": ("SHOULD", Source(_8247, "section 3.1, method 14; RFC 8420")),
}
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
    {
        (IKE, ENCR): _IKE_ENCR,
        (IKE, PRF): _IKE_PRF,
        (IKE, INTEG): _IKE_INTEG,
        (IKE, KE): _IKE_KE,
        (ESP, ENCR): _ESP_ENCR,
        (ESP, INTEG): _ESP_INTEG,
        (ESP, KE): _IKE_KE,
        (AH, INTEG): _ESP_INTEG,
        (AH, KE): _IKE_KE,
    },
    _METHODS,
    signatures=_SIGNATURES,
    note="The levels are requirements for implementations; each site has its own policy for use.",
)

# -- CNSA 2.0 ---------------------------------------------------------------------------------------------------------

# The table was read as quoted in public repositories, not in the document itself. It says for AES "Use 256-bit keys",
# for SHA "Use SHA-384 or SHA-512", for key establishment ML-KEM-1024, for signatures ML-DSA-87, each "for all
# classification levels". draft-guthrie-cnsa2-ipsec-profile says which modes and transforms IPsec may use. It could not
# be looked up, so no encryption transform and no truncated HMAC is OK.
_CNSA = "NSA, CNSA Suite 2.0 and Quantum Computing FAQ, version 2.1 (December 2024)"
_CNSA_TABLE = Source(_CNSA, "table Commercial National Security Algorithm Suite 2.0, as quoted")
_CNSA_MODE = Source("draft-guthrie-cnsa2-ipsec-profile-04", "not looked up")
CNSA_LEVELS: Mapping[str, Grade] = {
    "in the table": GOOD,
    "not in the table": Grade(Status.FORBIDDEN, Severity.HIGH),
    "key length in the table, transform not looked up": Grade(Status.UNKNOWN, Severity.LOW),
    "not yet quantum-resistant": Grade(Status.WEAK, Severity.MEDIUM),
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
        *(LevelRow(id, "key length in the table, transform not looked up", frozenset((256,))) for id in _AES),
        *(LevelRow(id, "not in the table", frozenset((128, 192)), "The table wants 256-bit keys.") for id in _AES),
        *(LevelRow(id, "not in the table", note="The table has AES alone.") for id in _NO_AES),
    ),
)
_CNSA_PRF = Table(
    _CNSA_TABLE,
    (
        LevelRow(Prf.PRF_HMAC_SHA2_384, "in the table"),
        LevelRow(Prf.PRF_HMAC_SHA2_512, "in the table"),
        LevelRow(Prf.PRF_HMAC_SHA2_256, "not in the table", note="The table wants SHA-384 or SHA-512."),
        LevelRow(Prf.PRF_HMAC_SHA1, "not in the table", note="The table wants SHA-384 or SHA-512."),
        LevelRow(Prf.PRF_HMAC_MD5, "not in the table", note="The table wants SHA-384 or SHA-512."),
    ),
)
_CNSA_INTEG = Table(
    _CNSA_TABLE,
    (
        LevelRow(Integ.AUTH_HMAC_SHA2_256_128, "not in the table", note="The table wants SHA-384 or SHA-512."),
        LevelRow(Integ.AUTH_HMAC_SHA1_96, "not in the table", note="The table wants SHA-384 or SHA-512."),
        LevelRow(Integ.AUTH_HMAC_MD5_96, "not in the table", note="The table wants SHA-384 or SHA-512."),
    ),
)
_CNSA_KE = Table(
    _CNSA_TABLE,
    (
        LevelRow(KeMethod.ML_KEM_1024, "in the table"),
        LevelRow(KeMethod.ML_KEM_768, "not in the table", note="The table wants ML-KEM-1024."),
        LevelRow(KeMethod.ML_KEM_512, "not in the table", note="The table wants ML-KEM-1024."),
    ),
)
_SIGNED = (
    AuthMethod.RSA_Digital_Signature, AuthMethod.DSS_Digital_Signature,
    AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve,
    AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve,
)  # fmt: skip
_CNSA_METHODS = Table(
    _CNSA_TABLE, tuple(LevelRow(id, "not yet quantum-resistant", note="The table wants ML-DSA-87.") for id in _SIGNED)
)
CNSA2 = Profile(
    "cnsa2",
    "CNSA Suite 2.0 (NSA)",
    {
        (IKE, ENCR): _CNSA_ENCR,
        (IKE, PRF): _CNSA_PRF,
        (IKE, INTEG): _CNSA_INTEG,
        (IKE, KE): _CNSA_KE,
        (ESP, ENCR): _CNSA_ENCR,
        (ESP, INTEG): _CNSA_INTEG,
        (ESP, KE): _CNSA_KE,
        (AH, INTEG): _CNSA_INTEG,
        (AH, KE): _CNSA_KE,
    },
    _CNSA_METHODS,
    CNSA_LEVELS,
    signatures=dict.fromkeys(_SIGNATURES, ("not yet quantum-resistant", _CNSA_TABLE)),
    quantum=_CNSA_TABLE,
    iana=True,
    note=f"The suite's table was read as quoted elsewhere; the IPsec profile ({_CNSA_MODE}) says which transforms may "
    "be used, and is UNKNOWN here. The dates of the transition are not judged.",
)

# -- BSI TR-02102-3 ---------------------------------------------------------------------------------------------------

# Only the guideline's title, version history and table of contents could be looked up, not its tables.
_BSI = "BSI TR-02102-3, version 2026-01"
_BSI_TABLE = Source(_BSI, "tables of section 3, not looked up")
_NOTHING = Table(_BSI_TABLE, ())
BSI = Profile(
    "bsi",
    "BSI TR-02102-3 (IPsec and IKEv2)",
    {
        (protocol, kind): _NOTHING
        for protocol, kinds in ((IKE, (ENCR, PRF, INTEG, KE)), (ESP, (ENCR, INTEG, KE)), (AH, (INTEG, KE)))
        for kind in kinds
    },
    _NOTHING,
    RFC_LEVELS,
    iana=False,
    note="The tables of the guideline could not be looked up: every algorithm is UNKNOWN under this profile.",
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (RFC, CNSA2, BSI)}
"""Name -> profile."""
