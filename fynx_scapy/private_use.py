# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of numbers in the private-use ranges of IANA's registries.

These numbers are not registered: another vendor may use the same one. A name is what the number means in practice.
"""

from __future__ import annotations

from enum import IntEnum


class Encr(IntEnum):
    """Encryption algorithms, as strongSwan numbers them."""

    ENCR_SERPENT_CBC = 1026
    ENCR_TWOFISH_CBC = 1027


class Integ(IntEnum):
    """Integrity algorithms: strongSwan's numbers, and for RIPEMD-160, which IKEv2 cannot negotiate, one of ours."""

    AUTH_HMAC_SHA1_128 = 1025
    AUTH_HMAC_SHA2_256_96 = 1026
    AUTH_HMAC_SHA2_256_256 = 1027
    AUTH_HMAC_SHA2_384_384 = 1028
    AUTH_CAMELLIA_XCBC_96 = 1029
    AUTH_HMAC_RIPEMD_160_96 = 65300


class KeMethod(IntEnum):
    """Key exchange methods: strongSwan's before 6.0, and OpenIKED's."""

    NTRU_112 = 1030
    NTRU_128 = 1031
    NTRU_192 = 1032
    NTRU_256 = 1033
    SNTRUP761X25519 = 1035
    NEWHOPE_128 = 1040


_NOTIFY_TYPES = {
    # 3GPP TS 24.302 section 8.1.2 and TS 24.502 section 9.2.4. strongSwan uses 8192 and 40961 for other things
    8192: "PDN_CONNECTION_REJECTION",
    8193: "MAX_CONNECTION_REACHED",
    8241: "SEMANTIC_ERROR_IN_THE_TFT_OPERATION",
    8242: "SYNTACTICAL_ERROR_IN_THE_TFT_OPERATION",
    8244: "SEMANTIC_ERRORS_IN_PACKET_FILTERS",
    8245: "SYNTACTICAL_ERRORS_IN_PACKET_FILTERS",
    9000: "NON_3GPP_ACCESS_TO_EPC_NOT_ALLOWED",
    9001: "USER_UNKNOWN",
    9002: "NO_APN_SUBSCRIPTION",
    9003: "AUTHORIZATION_REJECTED",
    9006: "ILLEGAL_ME",
    10500: "NETWORK_FAILURE",
    11001: "RAT_TYPE_NOT_ALLOWED",
    11005: "IMEI_NOT_ACCEPTED",
    11011: "PLMN_NOT_ALLOWED",
    11055: "UNAUTHENTICATED_EMERGENCY_NOT_SUPPORTED",
    15500: "CONGESTION",
    40961: "REACTIVATION_REQUESTED_CAUSE",
    41041: "BACKOFF_TIMER",
    41050: "PDN_TYPE_IPv4_ONLY_ALLOWED",
    41051: "PDN_TYPE_IPv6_ONLY_ALLOWED",
    41101: "DEVICE_IDENTITY",
    41112: "EMERGENCY_SUPPORT",
    41134: "EMERGENCY_CALL_NUMBERS",
    41288: "NBIFOM_GENERIC_CONTAINER",
    41304: "P-CSCF_RESELECTION_SUPPORT",
    41501: "PTI",
    42011: "IKEV2_MULTIPLE_BEARER_PDN_CONNECTIVITY",
    42014: "EPS_QOS",
    42015: "EXTENDED_EPS_QOS",
    42017: "TFT",
    42020: "MODIFIED_BEARER",
    42094: "APN_AMBR",
    42095: "EXTENDED_APN_AMBR",
    51015: "N1_MODE_CAPABILITY",
    51115: "N1_MODE_INFORMATION",
    52216: "N1_MODE_S_NSSAI_PLMN_ID",
    55501: "5G_QOS_INFO",
    55502: "NAS_IP4_ADDRESS",
    55503: "NAS_IP6_ADDRESS",
    55504: "UP_IP4_ADDRESS",
    55505: "UP_IP6_ADDRESS",
    55506: "NAS_TCP_PORT",
    55507: "N3GPP_BACKOFF_TIMER",
    # Microsoft, and strongSwan
    12345: "MS_NOTIFY_STATUS",
    40969: "RADIUS_ATTRIBUTE",
}
_CP_ATTRIBUTES = {
    # Check Point
    16387: "CHKPT_DEF_DOMAIN",
    16388: "CHKPT_MAC_ADDRESS",
    16389: "CHKPT_MARCIPAN_REASON_CODE",
    # XAUTH (draft-beaulieu-ike-xauth-02), which old peers ask for in IKEv2 too
    16520: "XAUTH_TYPE",
    16521: "XAUTH_USER_NAME",
    16522: "XAUTH_USER_PASSWORD",
    16523: "XAUTH_PASSCODE",
    16524: "XAUTH_MESSAGE",
    16525: "XAUTH_CHALLENGE",
    16526: "XAUTH_DOMAIN",
    16527: "XAUTH_STATUS",
    16528: "XAUTH_NEXT_PIN",
    16529: "XAUTH_ANSWER",
    # Microsoft
    23456: "INTERNAL_IP4_SERVER",
    23457: "INTERNAL_IP6_SERVER",
    # Cisco Unity
    28672: "UNITY_BANNER",
    28673: "UNITY_SAVE_PASSWD",
    28674: "UNITY_DEF_DOMAIN",
    28675: "UNITY_SPLITDNS_NAME",
    28676: "UNITY_SPLIT_INCLUDE",
    28677: "UNITY_NATT_PORT",
    28678: "UNITY_SPLIT_EXCLUDE",
    28679: "UNITY_PFS",
    28680: "UNITY_FW_TYPE",
    28681: "UNITY_BACKUP_SERVERS",
    28682: "UNITY_DDNS_HOSTNAME",
}

NAMES: dict[str, dict[int, str]] = {
    "Encr": {int(member): member.name for member in Encr},
    "Integ": {int(member): member.name for member in Integ},
    "KeMethod": {int(member): member.name for member in KeMethod},
    "NotifyType": _NOTIFY_TYPES,
    "CpAttribute": _CP_ATTRIBUTES,
}
"""The name of a registry of `fynx_scapy.iana` -> private number -> name."""
