# SPDX-License-Identifier: GPL-2.0-or-later
"""What an EAP message is called, for people (RFC 3748 sections 4, 5 and 5.7)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

CODES = {1: "request", 2: "response", 3: "success", 4: "failure", 5: "initiate", 6: "finish"}
"""EAP codes (RFC 3748 section 4, RFC 6696 section 5.3)."""
METHODS = {
    1: "Identity", 2: "Notification", 3: "Nak", 4: "MD5", 5: "OTP", 6: "GTC", 9: "RSA public key", 13: "TLS",
    15: "SecurID", 17: "LEAP", 18: "SIM", 19: "SRP-SHA1", 21: "TTLS", 23: "AKA", 25: "PEAP", 26: "MSCHAPv2",
    29: "MSCHAPv2 (29)", 32: "POTP", 33: "MS-Authentication-TLV", 38: "HTTP Digest", 43: "FAST", 46: "PAX", 47: "PSK",
    48: "SAKE", 49: "IKEv2", 50: "AKA'", 51: "GPSK", 52: "pwd", 53: "EKE", 54: "PT-EAP", 55: "TEAP", 56: "NOOB",
    255: "experimental",
}  # fmt: skip
"""EAP method types of IANA's registry, without the prefix EAP-. 26 is Microsoft's number for MSCHAPv2."""
EXPANDED = 254
EXPANDED_METHODS = {(10415, 3): "EAP-5G", (14122, 1): "WSC"}
"""Vendor (SMI number) and vendor type -> name (3GPP TS 24.502 section 9.3.2, Wi-Fi Alliance)."""
_TLS = frozenset((13, 21, 25, 43, 55))
"""Methods with the flags of EAP-TLS (RFC 5216 section 3.1): TLS, TTLS, PEAP, FAST, TEAP."""
_MORE, _START = 0x40, 0x20
_MSCHAPV2 = 26
MSCHAPV2_OPERATIONS = {1: "Challenge", 2: "Response", 3: "Success", 4: "Failure", 7: "Change-Password"}
"""What a packet of EAP-MSCHAPv2 is."""
_AKA = (18, 23, 50)
"""EAP-SIM, EAP-AKA and EAP-AKA'."""
AKA_SUBTYPES = {
    1: "Challenge", 2: "Authentication-Reject", 4: "Synchronization-Failure", 5: "Identity", 10: "Start",
    11: "Challenge", 12: "Notification", 13: "Reauthentication", 14: "Client-Error",
}  # fmt: skip
"""What a packet of EAP-AKA, EAP-AKA' or EAP-SIM is (RFC 4187 section 11). 10 and 11 are EAP-SIM's."""
AKA_ATTRIBUTES = {
    1: "AT_RAND", 2: "AT_AUTN", 3: "AT_RES", 4: "AT_AUTS", 6: "AT_PADDING", 7: "AT_NONCE_MT",
    10: "AT_PERMANENT_ID_REQ", 11: "AT_MAC", 12: "AT_NOTIFICATION", 13: "AT_ANY_ID_REQ", 14: "AT_IDENTITY",
    15: "AT_VERSION_LIST", 16: "AT_SELECTED_VERSION", 17: "AT_FULLAUTH_ID_REQ", 19: "AT_COUNTER",
    20: "AT_COUNTER_TOO_SMALL", 21: "AT_NONCE_S", 22: "AT_CLIENT_ERROR_CODE", 23: "AT_KDF_INPUT", 24: "AT_KDF",
    129: "AT_IV", 130: "AT_ENCR_DATA", 132: "AT_NEXT_PSEUDONYM", 133: "AT_NEXT_REAUTH_ID", 134: "AT_CHECKCODE",
    135: "AT_RESULT_IND", 136: "AT_BIDDING",
}  # fmt: skip
"""Their attributes (RFC 4187 section 11, RFC 9048 sections 3.1, 3.2 and 4)."""
_5G_MESSAGES = {1: "5G-Start", 2: "5G-NAS", 3: "5G-Notification", 4: "5G-Stop"}


def eap_text(message: bytes) -> str:
    """Code and method of an EAP message, as far as it goes (RFC 3748 sections 4, 5 and 5.7)."""
    if not message:
        return ""
    words = [CODES.get(message[0], f"code {message[0]}")]
    if message[0] in (1, 2) and len(message) > 4:
        kind = message[4]
        words.append(_expanded(message) if kind == EXPANDED and len(message) >= 12 else _method(kind))
        words += _flight(message[5:]) if kind in _TLS else []
        if kind == _MSCHAPV2 and len(message) > 5:
            words.append(MSCHAPV2_OPERATIONS.get(message[5], f"operation {message[5]}"))
        if kind in _AKA and len(message) > 5:
            words.append(AKA_SUBTYPES.get(message[5], f"subtype {message[5]}"))
    return " ".join(words)


def _flight(data: bytes) -> list[str]:
    """Which part of a flight of TLS it is; nothing for the last or only one (RFC 5216 section 2.1.5)."""
    if not data:
        return []
    if data[0] & _START:
        return ["start"]
    return ["acknowledgement"] if len(data) == 1 else ["fragment"] if data[0] & _MORE else []


def _method(kind: int) -> str:
    return "expanded Nak" if kind == EXPANDED else METHODS.get(kind, f"method {kind}")


def _expanded(message: bytes) -> str:
    vendor, kind = int.from_bytes(message[5:8]), int.from_bytes(message[8:12])
    if vendor == 0:
        return _method(kind)
    name = EXPANDED_METHODS.get((vendor, kind), f"vendor {vendor} method {kind}")
    told = _5G_MESSAGES.get(message[12]) if name == "EAP-5G" and len(message) > 12 else None
    return f"{name} {told}" if told else name


_REQUEST, _RESPONSE = frozenset({1}), frozenset({2})
_EITHER = _REQUEST | _RESPONSE
_CODES_OF: Mapping[str, frozenset[int]] = {
    "Nak": _RESPONSE, "expanded Nak": _RESPONSE, "start": _REQUEST,
    "MSCHAPv2 Challenge": _REQUEST, "MSCHAPv2 Response": _RESPONSE, "MSCHAPv2 Change-Password": _RESPONSE,
    "Authentication-Reject": _RESPONSE, "Synchronization-Failure": _RESPONSE, "Client-Error": _RESPONSE,
}  # fmt: skip
"""What is a request alone, or a response alone (RFC 3748 section 5.3, RFC 5216 section 3.1, RFC 4187 section 9)."""
_NUMBERED = re.compile(r"method \d+|vendor \d+ method \d+|MSCHAPv2 operation \d+|(?:SIM|AKA|AKA') subtype \d+")


@functools.cache
def eap_names() -> Mapping[str, frozenset[int]]:
    """Every name that `eap_text` gives a packet, without its code, and the codes that such a packet has.

    Success and Failure are named by their code. Names with a number (``method 77``) are `eap_codes`'s alone.
    """
    found = {name: frozenset({code}) for code, name in CODES.items() if code not in _EITHER}
    expanded = {*EXPANDED_METHODS.values(), *(f"EAP-5G {told}" for told in _5G_MESSAGES.values())}
    for name in {*METHODS.values(), "expanded Nak", *expanded}:
        found[name] = _CODES_OF.get(name, _EITHER)
    for kind in _TLS:
        for part in ("start", "acknowledgement", "fragment"):
            found[f"{METHODS[kind]} {part}"] = _CODES_OF.get(part, _EITHER)
    for operation in MSCHAPV2_OPERATIONS.values():
        name = f"{METHODS[_MSCHAPV2]} {operation}"
        found[name] = _CODES_OF.get(name, _EITHER)
    for kind in _AKA:
        for subtype in AKA_SUBTYPES.values():
            found[f"{METHODS[kind]} {subtype}"] = _CODES_OF.get(subtype, _EITHER)
    return found


def eap_codes(name: str) -> frozenset[int]:
    """The codes of an EAP packet of this name; empty if there is none of this name."""
    return eap_names().get(name) or (_EITHER if _NUMBERED.fullmatch(name) else frozenset())
