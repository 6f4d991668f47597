# SPDX-License-Identifier: GPL-2.0-or-later
"""Subjects and alternative names from text, as people write them: ``C=CH, CN=moon``, ``gw.example``, ``10.0.0.1``.

Distinguished names are in the order of their encoding, as strongSwan and ID payloads have them. RFC 4514 section 2.4
gives the escapes; RFC 5280 section 4.2.1.6 the alternative names.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

LONGEST = 60_000
"""The longest name, in characters: longer ones fit in no IKE payload."""
_LONGEST_DNS = 253
_SHOWN = 60

ATTRIBUTES: Mapping[str, ObjectIdentifier] = {
    "CN": NameOID.COMMON_NAME,
    "SN": NameOID.SURNAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "T": NameOID.TITLE,
    "GN": NameOID.GIVEN_NAME,
    "I": NameOID.INITIALS,
    "UID": NameOID.USER_ID,
    "DC": NameOID.DOMAIN_COMPONENT,
    "E": NameOID.EMAIL_ADDRESS,
}
"""Short names of attributes: those of ID payloads (`layers/ikev2/der.py`)."""
_BY_NAME = {name.lower(): oid for name, oid in ATTRIBUTES.items()} | {"emailaddress": NameOID.EMAIL_ADDRESS}
_PART = re.compile(
    r'\s*(?P<type>[A-Za-z0-9.]+)\s*=\s*(?P<value>"(?:[^"\\]|\\.)*"|(?:[^,\\]|\\.)*)\s*(?:,(?=.)|$)', re.DOTALL
)
_ESCAPE = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def subject_name(text: str | x509.Name) -> x509.Name:
    """A distinguished name. The empty text is the empty name. ConfigError for text that is none."""
    if isinstance(text, x509.Name):
        return text
    _limited(text, "a distinguished name")
    attributes, at = [], 0
    while at < len(text):
        if (part := _PART.match(text, at)) is None:
            raise ConfigError(
                f"expected a distinguished name such as 'C=CH, O=Lab, CN=moon', found '{printable(text, _SHOWN)}'"
            )
        attributes.append(_attribute(part["type"], _value(part["value"]), text))
        at = part.end()
    return x509.Name(attributes)


def name_text(name: x509.Name) -> str:
    """A distinguished name as text, printable, in the order of its encoding: ``C=CH, O=Lab, CN=moon``."""
    short = {oid: text for text, oid in ATTRIBUTES.items()}
    relative = (
        " + ".join(f"{short.get(each.oid, each.oid.dotted_string)}={_escaped(each.value)}" for each in part)
        for part in name.rdns
    )
    return printable(", ".join(relative))


def _escaped(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return f"#{value.hex()}"
    return re.sub(r'([,+"\\])', r"\\\1", value)


def _attribute(kind: str, value: str, whole: str) -> x509.NameAttribute[str]:
    oid = _BY_NAME.get(kind.lower())
    try:
        oid = oid or ObjectIdentifier(kind)
    except ValueError:
        near = difflib.get_close_matches(kind, ATTRIBUTES, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(
            f"expected an attribute of {', '.join(ATTRIBUTES)}, found {kind!r} in '{printable(whole, _SHOWN)}'{hint}"
        ) from None
    try:
        return x509.NameAttribute(oid, value)
    except ValueError as error:
        raise ConfigError(f"the attribute {kind} of '{printable(whole, _SHOWN)}': {error}") from None


def _value(text: str) -> str:
    text = text[1:-1] if text.startswith('"') else text.rstrip()

    def plain(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[2]
        try:
            return bytes.fromhex(found[1].replace("\\", "")).decode()
        except UnicodeDecodeError:
            raise ConfigError(f"expected UTF-8 in the escapes of a name, found {found[1][:_SHOWN]!r}") from None

    return _ESCAPE.sub(plain, text)


# -- alternative names ------------------------------------------------------------------------------------------------


def alternative_name(text: str | x509.GeneralName) -> x509.GeneralName:
    """A name of a subjectAltName. Its type follows from its form: an address, a name with @, ``K=V``, else a DNS name.

    A type in front is taken by its word, with any text in ASCII behind it, also with what no good name has:
    ``dns:*.example``, ``email:``, ``ip:``, ``dn:``, ``uri:``, ``rid:``. ConfigError for what cannot be such a name.
    """
    if isinstance(text, x509.GeneralName):
        return text
    _limited(text, "a name")
    kind, colon, rest = text.partition(":")
    if colon and kind.lower() in _TYPES:
        return _made(_TYPES[kind.lower()], rest, text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if "=" in text:
        return x509.DirectoryName(subject_name(text))
    if "@" in text:
        return _made(_TYPES["email"], text, text)
    return _made(_dns, text, text)


def constraint(text: str | x509.GeneralName) -> x509.GeneralName:
    """A name of nameConstraints (RFC 5280 section 4.2.1.10): like `alternative_name`, but addresses are networks."""
    if isinstance(text, x509.GeneralName):
        return text
    try:
        return x509.IPAddress(ipaddress.ip_network(text.removeprefix("ip:")))
    except ValueError:
        return alternative_name(text if "/" not in text else f"ip:{text}")


def alternative_names(texts: Iterable[str | x509.GeneralName]) -> list[x509.GeneralName]:
    """The names of a subjectAltName, each as `alternative_name` reads it."""
    if isinstance(texts, str):
        texts = (texts,)
    return [alternative_name(text) for text in texts]


def _dns(text: str) -> x509.GeneralName:
    if len(text) > _LONGEST_DNS:
        raise ValueError(f"expected at most {_LONGEST_DNS} characters, found {len(text)}")
    if re.fullmatch(r"[!-~]+", text) is None:
        raise ValueError("expected printable ASCII without spaces; dns:TEXT takes any ASCII")
    return x509.DNSName(text)


_TYPES: Mapping[str, Callable[[str], Any]] = {
    "dns": x509.DNSName,
    "email": x509.RFC822Name,
    "uri": x509.UniformResourceIdentifier,
    "ip": lambda text: x509.IPAddress(ipaddress.ip_address(text)),
    "dn": lambda text: x509.DirectoryName(subject_name(text)),
    "rid": lambda text: x509.RegisteredID(ObjectIdentifier(text)),
}


def _made(make: Callable[[str], Any], text: str, whole: str) -> x509.GeneralName:
    shown = printable(whole, _SHOWN)
    if not text.isascii() and make is not _TYPES["dn"]:
        raise ConfigError(f"expected a name in ASCII, found '{shown}'{_a_label(text)}")
    try:
        name: x509.GeneralName = make(text)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the name '{shown}': {error}") from None
    return name


def _a_label(text: str) -> str:
    """The hint for an internationalised domain name (RFC 5280 section 7.2)."""
    head, at, domain = text.rpartition("@")
    try:
        return f": write {head}{at}{domain.encode('idna').decode()}" if head.isascii() else ""
    except UnicodeError:
        return ""


def _limited(text: str, what: str) -> None:
    if not isinstance(text, str):
        raise ConfigError(f"expected {what} as text, found {type(text).__name__}")
    if len(text) > LONGEST:
        raise ConfigError(f"expected {what} of at most {LONGEST} characters, found {len(text)}")
