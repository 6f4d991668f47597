# SPDX-License-Identifier: GPL-2.0-or-later
"""All numbers that IANA registers for IKEv2, as enumerations. The toolkit has no other table of names.

Source: the registry "Internet Key Exchange Version 2 (IKEv2) Parameters", iana.org/assignments/ikev2-parameters, as of
2026-07-16. One row per registration; reserved, unassigned and private use numbers are left out. A member has IANA's
name, with ``_`` for characters that an identifier cannot have, or the short name that RFCs use. ``title`` is IANA's
spelling of the name.
"""

from __future__ import annotations

import difflib
from enum import IntEnum
from typing import Any, Self

from fynx_scapy import private_use
from fynx_scapy.errors import ConfigError

DEPRECATED = True


class IanaRegistry(IntEnum):
    """The base of all registries. A row: number, IANA's name if it differs from the member's, DEPRECATED if it is."""

    title: str
    deprecated: bool

    def __new__(cls, value: int, title: str = "", deprecated: bool = False) -> Self:
        """Create a member from a row."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.title = title
        member.deprecated = deprecated
        return member

    def __init__(self, *row: Any) -> None:
        self.title = self.title or self.name


def private_names(registry: type[IanaRegistry]) -> dict[int, str]:
    """The names that vendors and 3GPP gave to numbers of a registry's private-use range."""
    return private_use.NAMES.get(registry.__name__, {})


def known_name(registry: type[IanaRegistry], value: Any) -> str | None:
    """The name of a number in a registry or in its private-use range, or None."""
    member = registry._value2member_map_.get(value)
    return member.name if member is not None else private_names(registry).get(value)


def name_of(registry: type[IanaRegistry], value: int) -> str:
    """The name of a number in a registry or in its private-use range, or "UNKNOWN-n"."""
    return known_name(registry, value) or f"UNKNOWN-{int(value)}"


def lookup(registry: type[IanaRegistry], name: str | int) -> int:
    """The number for a name. A number, also as text, is returned unchanged, registered or not.

    A name is a member's name or IANA's spelling. Case does not matter, nor do space, dash and underscore. The common
    prefix of a registry's names may be left out (``AES_CBC``). Raises ConfigError for an unknown name, with the nearest
    names.

    >>> lookup(Encr, "ENCR_AES_CBC"), lookup(Encr, "12"), lookup(KeMethod, "256-bit random ECP group")
    (12, 12, 19)
    """
    if isinstance(name, int):
        return int(name)
    if name in registry.__members__:
        return int(registry.__members__[name])
    try:
        return int(name, 0)
    except ValueError:
        pass
    prefix = _PREFIX.get(registry.__name__, "")
    names = {}
    for key, member in registry.__members__.items():
        for spelling in (_plain(key), _plain(member.title), _plain(key).removeprefix(prefix)):
            names[spelling] = (int(member), key)
    for value, key in private_names(registry).items():
        for spelling in (_plain(key), _plain(key).removeprefix(prefix)):
            names.setdefault(spelling, (value, key))
    plain = _plain(name)
    if plain in names:
        return names[plain][0]
    near = list(dict.fromkeys(names[word][1] for word in difflib.get_close_matches(plain, names, n=3)))
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; expected one of {', '.join(registry.__members__)}"
    raise ConfigError(f"{name!r} is not a known {registry.__name__}{hint}")


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


_PREFIX = {
    "Encr": "encr_",
    "Prf": "prf_",
    "Integ": "auth_",
    "IdType": "id_",
    "CpType": "cfg_",
    "TsType": "ts_",
    "IpcompTransform": "ipcomp_",
    "PpkIdType": "ppk_id_",
}


class ExchangeType(IanaRegistry):
    """IKEv2 exchange types (RFC 7296 section 3.1; RFC 5723, 9242, 9370, 9838)."""

    IKE_SA_INIT = 34
    IKE_AUTH = 35
    CREATE_CHILD_SA = 36
    INFORMATIONAL = 37
    IKE_SESSION_RESUME = 38
    GSA_AUTH = 39
    GSA_REGISTRATION = 40
    GSA_REKEY = 41
    GSA_INBAND_REKEY = 42
    IKE_INTERMEDIATE = 43
    IKE_FOLLOWUP_KE = 44


class PayloadType(IanaRegistry):
    """IKEv2 payload types, named by their notation (RFC 7296 section 3.2; RFC 6467, 7383, 8019, 9838).

    33 is also SAg inside GSA exchanges (RFC 9838), and 40 is written "Ni, Nr" in the registry: here it is Nonce.
    """

    NONE = 0, "No Next Payload"
    SA = 33, "Security Association"
    KE = 34, "Key Exchange"
    IDi = 35, "Identification - Initiator"
    IDr = 36, "Identification - Responder"
    CERT = 37, "Certificate"
    CERTREQ = 38, "Certificate Request"
    AUTH = 39, "Authentication"
    Nonce = 40, "Nonce"
    N = 41, "Notify"
    D = 42, "Delete"
    V = 43, "Vendor ID"
    TSi = 44, "Traffic Selector - Initiator"
    TSr = 45, "Traffic Selector - Responder"
    SK = 46, "Encrypted and Authenticated"
    CP = 47, "Configuration"
    EAP = 48, "Extensible Authentication"
    GSPM = 49, "Generic Secure Password Method"
    IDg = 50, "Group Identification"
    GSA = 51, "Group Security Association"
    KD = 52, "Key Download"
    SKF = 53, "Encrypted and Authenticated Fragment"
    PS = 54, "Puzzle Solution"

    @classmethod
    def notation(cls, value: int) -> str:
        """The notation of a payload type, "UNKNOWN-n" for one that is not registered."""
        return name_of(cls, value)


class TransformType(IanaRegistry):
    """Transform types (RFC 7296 section 3.3.2; RFC 9370, 9827, 9838)."""

    ENCR = 1, "Encryption Algorithm (ENCR)"
    PRF = 2, "Pseudo-random Function (PRF)"
    INTEG = 3, "Integrity Algorithm (INTEG)"
    KE = 4, "Key Exchange Method (KE)"
    SN = 5, "Sequence Numbers (SN)"
    ESN = 5  # the name in RFC 7296, before RFC 9827
    ADDKE1 = 6, "Additional Key Exchange 1 (ADDKE1)"
    ADDKE2 = 7, "Additional Key Exchange 2 (ADDKE2)"
    ADDKE3 = 8, "Additional Key Exchange 3 (ADDKE3)"
    ADDKE4 = 9, "Additional Key Exchange 4 (ADDKE4)"
    ADDKE5 = 10, "Additional Key Exchange 5 (ADDKE5)"
    ADDKE6 = 11, "Additional Key Exchange 6 (ADDKE6)"
    ADDKE7 = 12, "Additional Key Exchange 7 (ADDKE7)"
    KWA = 13, "Key Wrap Algorithm (KWA)"
    GCAUTH = 14, "Group Controller Authentication Method (GCAUTH)"


class TransformAttributeType(IanaRegistry):
    """Transform attribute types (RFC 7296 section 3.3.5; RFC 9838)."""

    Key_Length = 14, "Key Length (in bits)"
    Signature_Algorithm_Identifier = 18, "Signature Algorithm Identifier"


class Encr(IanaRegistry):
    """Transform type 1: encryption algorithms (RFC 7296 section 3.3.2).

    RFC 2405, 2410, 2451, 3602, 3686, 4106, 4309, 4543, 5282, 5529, 5930, 7634, 8750, 9227. Deprecations: RFC 8247,
    9395.
    """

    ENCR_DES_IV64 = 1, "", DEPRECATED
    ENCR_DES = 2, "", DEPRECATED
    ENCR_3DES = 3
    ENCR_RC5 = 4, "", DEPRECATED
    ENCR_IDEA = 5, "", DEPRECATED
    ENCR_CAST = 6, "", DEPRECATED
    ENCR_BLOWFISH = 7, "", DEPRECATED
    ENCR_3IDEA = 8, "", DEPRECATED
    ENCR_DES_IV32 = 9, "", DEPRECATED
    ENCR_NULL = 11
    ENCR_AES_CBC = 12
    ENCR_AES_CTR = 13
    ENCR_AES_CCM_8 = 14
    ENCR_AES_CCM_12 = 15
    ENCR_AES_CCM_16 = 16
    ENCR_AES_GCM_8 = 18
    ENCR_AES_GCM_12 = 19
    ENCR_AES_GCM_16 = 20
    ENCR_NULL_AUTH_AES_GMAC = 21
    ENCR_CAMELLIA_CBC = 23
    ENCR_CAMELLIA_CTR = 24
    ENCR_CAMELLIA_CCM_8 = 25
    ENCR_CAMELLIA_CCM_12 = 26
    ENCR_CAMELLIA_CCM_16 = 27
    ENCR_CHACHA20_POLY1305 = 28
    ENCR_AES_CCM_8_IIV = 29
    ENCR_AES_GCM_16_IIV = 30
    ENCR_CHACHA20_POLY1305_IIV = 31
    ENCR_KUZNYECHIK_MGM_KTREE = 32
    ENCR_MAGMA_MGM_KTREE = 33
    ENCR_KUZNYECHIK_MGM_MAC_KTREE = 34
    ENCR_MAGMA_MGM_MAC_KTREE = 35


class Prf(IanaRegistry):
    """Transform type 2: pseudorandom functions (RFC 7296 section 3.3.2; RFC 4434, 4615, 4868, 9385)."""

    PRF_HMAC_MD5 = 1, "", DEPRECATED
    PRF_HMAC_SHA1 = 2
    PRF_HMAC_TIGER = 3, "", DEPRECATED
    PRF_AES128_XCBC = 4
    PRF_HMAC_SHA2_256 = 5
    PRF_HMAC_SHA2_384 = 6
    PRF_HMAC_SHA2_512 = 7
    PRF_AES128_CMAC = 8
    PRF_HMAC_STREEBOG_512 = 9


class Integ(IanaRegistry):
    """Transform type 3: integrity algorithms (RFC 7296 section 3.3.2; RFC 2404, 3566, 4494, 4543, 4595, 4868)."""

    NONE = 0
    AUTH_HMAC_MD5_96 = 1, "", DEPRECATED
    AUTH_HMAC_SHA1_96 = 2
    AUTH_DES_MAC = 3, "", DEPRECATED
    AUTH_KPDK_MD5 = 4, "", DEPRECATED
    AUTH_AES_XCBC_96 = 5
    AUTH_HMAC_MD5_128 = 6, "", DEPRECATED
    AUTH_HMAC_SHA1_160 = 7, "", DEPRECATED
    AUTH_AES_CMAC_96 = 8
    AUTH_AES_128_GMAC = 9
    AUTH_AES_192_GMAC = 10
    AUTH_AES_256_GMAC = 11
    AUTH_HMAC_SHA2_256_128 = 12
    AUTH_HMAC_SHA2_384_192 = 13
    AUTH_HMAC_SHA2_512_256 = 14


class KeMethod(IanaRegistry):
    """Transform type 4: key exchange methods (RFC 7296 section 3.3.2; RFC 3526, 5114, 5903, 6954, 8031, 9370, 9385)."""

    NONE = 0
    MODP_768 = 1, "768-bit MODP Group", DEPRECATED
    MODP_1024 = 2, "1024-bit MODP Group"
    MODP_1536 = 5, "1536-bit MODP Group"
    MODP_2048 = 14, "2048-bit MODP Group"
    MODP_3072 = 15, "3072-bit MODP Group"
    MODP_4096 = 16, "4096-bit MODP Group"
    MODP_6144 = 17, "6144-bit MODP Group"
    MODP_8192 = 18, "8192-bit MODP Group"
    ECP_256 = 19, "256-bit random ECP group"
    ECP_384 = 20, "384-bit random ECP group"
    ECP_521 = 21, "521-bit random ECP group"
    MODP_1024_160 = 22, "1024-bit MODP Group with 160-bit Prime Order Subgroup", DEPRECATED
    MODP_2048_224 = 23, "2048-bit MODP Group with 224-bit Prime Order Subgroup"
    MODP_2048_256 = 24, "2048-bit MODP Group with 256-bit Prime Order Subgroup"
    ECP_192 = 25, "192-bit Random ECP Group"
    ECP_224 = 26, "224-bit Random ECP Group"
    BRAINPOOL_P224R1 = 27, "brainpoolP224r1"
    BRAINPOOL_P256R1 = 28, "brainpoolP256r1"
    BRAINPOOL_P384R1 = 29, "brainpoolP384r1"
    BRAINPOOL_P512R1 = 30, "brainpoolP512r1"
    CURVE25519 = 31, "Curve25519"
    CURVE448 = 32, "Curve448"
    GOST3410_2012_256 = 33
    GOST3410_2012_512 = 34
    ML_KEM_512 = 35, "ml-kem-512"
    ML_KEM_768 = 36, "ml-kem-768"
    ML_KEM_1024 = 37, "ml-kem-1024"


class SequenceNumbers(IanaRegistry):
    """Transform type 5: sequence numbers (RFC 7296 section 3.3.2; RFC 9827, 9838)."""

    NO_ESN = 0, "32-bit Sequential Numbers"
    ESN = 1, "Partially Transmitted 64-bit Sequential Numbers"
    UNSPECIFIED_32 = 2, "32-bit Unspecified Numbers"


class KeyWrap(IanaRegistry):
    """Transform type 13: key wrap algorithms (RFC 9838)."""

    KW_5649_128 = 1
    KW_5649_192 = 2
    KW_5649_256 = 3
    KW_ARX = 4


class GroupControllerAuth(IanaRegistry):
    """Transform type 14: group controller authentication methods (RFC 9838)."""

    Implicit = 1
    Digital_Signature = 2, "Digital Signature"


class IdType(IanaRegistry):
    """Identification payload ID types (RFC 7296 section 3.5; RFC 4595, 7619)."""

    ID_IPV4_ADDR = 1
    ID_FQDN = 2
    ID_RFC822_ADDR = 3
    ID_IPV6_ADDR = 5
    ID_DER_ASN1_DN = 9
    ID_DER_ASN1_GN = 10
    ID_KEY_ID = 11
    ID_FC_NAME = 12
    ID_NULL = 13


class CertEncoding(IanaRegistry):
    """Certificate encodings (RFC 7296 section 3.6; RFC 4806, 7670)."""

    PKCS_7_wrapped_X_509_certificate = 1, "PKCS #7 wrapped X.509 certificate"
    PGP_Certificate = 2, "PGP Certificate"
    DNS_Signed_Key = 3, "DNS Signed Key"
    X_509_Certificate_Signature = 4, "X.509 Certificate - Signature"
    Kerberos_Token = 6, "Kerberos Token"
    Certificate_Revocation_List_CRL = 7, "Certificate Revocation List (CRL)"
    Authority_Revocation_List_ARL = 8, "Authority Revocation List (ARL)"
    SPKI_Certificate = 9, "SPKI Certificate"
    X_509_Certificate_Attribute = 10, "X.509 Certificate - Attribute"
    Raw_RSA_Key = 11, "Raw RSA Key", DEPRECATED
    Hash_and_URL_of_X_509_certificate = 12, "Hash and URL of X.509 certificate"
    Hash_and_URL_of_X_509_bundle = 13, "Hash and URL of X.509 bundle"
    OCSP_Content = 14, "OCSP Content"
    Raw_Public_Key = 15, "Raw Public Key"


class AuthMethod(IanaRegistry):
    """Authentication methods (RFC 7296 section 3.8; RFC 4754, 6467, 7427, 7619)."""

    RSA_Digital_Signature = 1, "RSA Digital Signature"
    Shared_Key_Message_Integrity_Code = 2, "Shared Key Message Integrity Code"
    DSS_Digital_Signature = 3, "DSS Digital Signature"
    ECDSA_with_SHA_256_on_the_P_256_curve = 9, "ECDSA with SHA-256 on the P-256 curve"
    ECDSA_with_SHA_384_on_the_P_384_curve = 10, "ECDSA with SHA-384 on the P-384 curve"
    ECDSA_with_SHA_512_on_the_P_521_curve = 11, "ECDSA with SHA-512 on the P-521 curve"
    Generic_Secure_Password_Authentication_Method = 12, "Generic Secure Password Authentication Method"
    NULL_Authentication = 13, "NULL Authentication"
    Digital_Signature = 14, "Digital Signature"


class NotifyType(IanaRegistry):
    """Notify message types: errors below 16384, status types from there on (RFC 7296 section 3.10.1).

    RFC 4478, 4555, 4739, 5026, 5685, 5723, 5739, 5840, 5857, 5998, 6023, 6290, 6311, 6467, 6631, 6867, 7383, 7427,
    7791, 8019, 8784, 8983, 9242, 9347, 9370, 9593, 9611, 9838, 9867; 3GPP TS 24.303;
    draft-ietf-ipsecme-ikev2-downgrade-prevention.
    """

    UNSUPPORTED_CRITICAL_PAYLOAD = 1
    INVALID_IKE_SPI = 4
    INVALID_MAJOR_VERSION = 5
    INVALID_SYNTAX = 7
    INVALID_MESSAGE_ID = 9
    INVALID_SPI = 11
    NO_PROPOSAL_CHOSEN = 14
    INVALID_KE_PAYLOAD = 17
    AUTHENTICATION_FAILED = 24
    SINGLE_PAIR_REQUIRED = 34
    NO_ADDITIONAL_SAS = 35
    INTERNAL_ADDRESS_FAILURE = 36
    FAILED_CP_REQUIRED = 37
    TS_UNACCEPTABLE = 38
    INVALID_SELECTORS = 39
    UNACCEPTABLE_ADDRESSES = 40
    UNEXPECTED_NAT_DETECTED = 41
    USE_ASSIGNED_HoA = 42
    TEMPORARY_FAILURE = 43
    CHILD_SA_NOT_FOUND = 44
    INVALID_GROUP_ID = 45
    AUTHORIZATION_FAILED = 46
    STATE_NOT_FOUND = 47
    TS_MAX_QUEUE = 48
    REGISTRATION_FAILED = 49
    INITIAL_CONTACT = 16384
    SET_WINDOW_SIZE = 16385
    ADDITIONAL_TS_POSSIBLE = 16386
    IPCOMP_SUPPORTED = 16387
    NAT_DETECTION_SOURCE_IP = 16388
    NAT_DETECTION_DESTINATION_IP = 16389
    COOKIE = 16390
    USE_TRANSPORT_MODE = 16391
    HTTP_CERT_LOOKUP_SUPPORTED = 16392
    REKEY_SA = 16393
    ESP_TFC_PADDING_NOT_SUPPORTED = 16394
    NON_FIRST_FRAGMENTS_ALSO = 16395
    MOBIKE_SUPPORTED = 16396
    ADDITIONAL_IP4_ADDRESS = 16397
    ADDITIONAL_IP6_ADDRESS = 16398
    NO_ADDITIONAL_ADDRESSES = 16399
    UPDATE_SA_ADDRESSES = 16400
    COOKIE2 = 16401
    NO_NATS_ALLOWED = 16402
    AUTH_LIFETIME = 16403
    MULTIPLE_AUTH_SUPPORTED = 16404
    ANOTHER_AUTH_FOLLOWS = 16405
    REDIRECT_SUPPORTED = 16406
    REDIRECT = 16407
    REDIRECTED_FROM = 16408
    TICKET_LT_OPAQUE = 16409
    TICKET_REQUEST = 16410
    TICKET_ACK = 16411
    TICKET_NACK = 16412
    TICKET_OPAQUE = 16413
    LINK_ID = 16414
    USE_WESP_MODE = 16415
    ROHC_SUPPORTED = 16416
    EAP_ONLY_AUTHENTICATION = 16417
    CHILDLESS_IKEV2_SUPPORTED = 16418
    QUICK_CRASH_DETECTION = 16419
    IKEV2_MESSAGE_ID_SYNC_SUPPORTED = 16420
    IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED = 16421
    IKEV2_MESSAGE_ID_SYNC = 16422
    IPSEC_REPLAY_COUNTER_SYNC = 16423
    SECURE_PASSWORD_METHODS = 16424
    PSK_PERSIST = 16425
    PSK_CONFIRM = 16426
    ERX_SUPPORTED = 16427
    IFOM_CAPABILITY = 16428
    GROUP_SENDER = 16429
    IKEV2_FRAGMENTATION_SUPPORTED = 16430
    SIGNATURE_HASH_ALGORITHMS = 16431
    CLONE_IKE_SA_SUPPORTED = 16432
    CLONE_IKE_SA = 16433
    PUZZLE = 16434
    USE_PPK = 16435
    PPK_IDENTITY = 16436
    NO_PPK_AUTH = 16437
    INTERMEDIATE_EXCHANGE_SUPPORTED = 16438
    IP4_ALLOWED = 16439
    IP6_ALLOWED = 16440
    ADDITIONAL_KEY_EXCHANGE = 16441
    USE_AGGFRAG = 16442
    SUPPORTED_AUTH_METHODS = 16443
    SA_RESOURCE_INFO = 16444
    USE_PPK_INT = 16445
    PPK_IDENTITY_KEY = 16446
    IKE_SA_INIT_FULL_TRANSCRIPT_AUTH = 16447

    @property
    def is_error(self) -> bool:
        """Whether the type is an error (RFC 7296 section 3.10.1: 0 - 16383)."""
        return self < 16384


class IpcompTransform(IanaRegistry):
    """IPComp transforms in IPCOMP_SUPPORTED (RFC 7296 section 3.10.1; RFC 2394, 2395, 3051)."""

    IPCOMP_OUI = 1
    IPCOMP_DEFLATE = 2
    IPCOMP_LZS = 3
    IPCOMP_LZJH = 4


class ProtocolId(IanaRegistry):
    """Security protocol identifiers (RFC 7296 section 3.3.1; RFC 4595, 9838)."""

    IKE = 1
    AH = 2
    ESP = 3
    FC_ESP_HEADER = 4
    FC_CT_AUTHENTICATION = 5
    GIKE_UPDATE = 6


class TsType(IanaRegistry):
    """Traffic selector types (RFC 7296 section 3.13.1; RFC 4595, 9478)."""

    TS_IPV4_ADDR_RANGE = 7
    TS_IPV6_ADDR_RANGE = 8
    TS_FC_ADDR_RANGE = 9
    TS_SECLABEL = 10


class CpType(IanaRegistry):
    """Configuration payload CFG types (RFC 7296 section 3.15)."""

    CFG_REQUEST = 1
    CFG_REPLY = 2
    CFG_SET = 3
    CFG_ACK = 4


class CpAttribute(IanaRegistry):
    """Configuration payload attribute types (RFC 7296 section 3.15.1).

    RFC 5026, 5739, 7651, 8598, 9464; 3GPP TS 24.302 and 29.139.
    """

    INTERNAL_IP4_ADDRESS = 1
    INTERNAL_IP4_NETMASK = 2
    INTERNAL_IP4_DNS = 3
    INTERNAL_IP4_NBNS = 4
    INTERNAL_IP4_DHCP = 6
    APPLICATION_VERSION = 7
    INTERNAL_IP6_ADDRESS = 8
    INTERNAL_IP6_DNS = 10
    INTERNAL_IP6_DHCP = 12
    INTERNAL_IP4_SUBNET = 13
    SUPPORTED_ATTRIBUTES = 14
    INTERNAL_IP6_SUBNET = 15
    MIP6_HOME_PREFIX = 16
    INTERNAL_IP6_LINK = 17
    INTERNAL_IP6_PREFIX = 18
    HOME_AGENT_ADDRESS = 19
    P_CSCF_IP4_ADDRESS = 20
    P_CSCF_IP6_ADDRESS = 21
    FTT_KAT = 22
    EXTERNAL_SOURCE_IP4_NAT_INFO = 23
    TIMEOUT_PERIOD_FOR_LIVENESS_CHECK = 24
    INTERNAL_DNS_DOMAIN = 25
    INTERNAL_DNSSEC_TA = 26
    ENCDNS_IP4 = 27
    ENCDNS_IP6 = 28
    ENCDNS_DIGEST_INFO = 29


class GatewayIdType(IanaRegistry):
    """Gateway identity types in REDIRECT (RFC 5685 section 9)."""

    IPv4_address_of_the_VPN_gateway = 1, "IPv4 address of the VPN gateway"
    IPv6_address_of_the_VPN_gateway = 2, "IPv6 address of the VPN gateway"
    FQDN_of_the_VPN_gateway = 3, "FQDN of the VPN gateway"


class RohcAttribute(IanaRegistry):
    """ROHC attribute types in ROHC_SUPPORTED (RFC 5857)."""

    MAX_CID = 1, "Maximum Context Identifier (MAX_CID)"
    ROHC_PROFILE = 2, "ROHC Profile (ROHC_PROFILE)"
    ROHC_INTEG = 3, "ROHC Integrity Algorithm (ROHC_INTEG)"
    ROHC_ICV_LEN = 4, "ROHC ICV Length in bytes (ROHC_ICV_LEN)"
    MRRU = 5, "Maximum Reconstructed Reception Unit (MRRU)"


class SecurePasswordMethod(IanaRegistry):
    """Secure password methods (RFC 6467; RFC 6617, 6628, 6631)."""

    PACE = 1
    AugPAKE = 2
    Secure_PSK_Authentication = 3, "Secure PSK Authentication"


class HashAlgorithm(IanaRegistry):
    """Hash algorithms in SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 7; RFC 8420, 9385)."""

    SHA1 = 1
    SHA2_256 = 2, "SHA2-256"
    SHA2_384 = 3, "SHA2-384"
    SHA2_512 = 4, "SHA2-512"
    Identity = 5
    STREEBOG_256 = 6
    STREEBOG_512 = 7


class PpkIdType(IanaRegistry):
    """Post-quantum preshared key ID types (RFC 8784 section 5.1)."""

    PPK_ID_OPAQUE = 1
    PPK_ID_FIXED = 2


class GsaAttribute(IanaRegistry):
    """Group SA attributes (RFC 9838)."""

    GSA_KEY_LIFETIME = 1
    GSA_INITIAL_MESSAGE_ID = 2
    GSA_NEXT_SPI = 3


class GwPolicyAttribute(IanaRegistry):
    """Group-wide policy attributes (RFC 9838)."""

    GWP_ATD = 1
    GWP_DTD = 2
    GWP_SENDER_ID_BITS = 3


class GroupKeyBagAttribute(IanaRegistry):
    """Group key bag attributes (RFC 9838)."""

    SA_KEY = 1


class MemberKeyBagAttribute(IanaRegistry):
    """Member key bag attributes (RFC 9838)."""

    WRAP_KEY = 1
    AUTH_KEY = 2
    GM_SENDER_ID = 3
