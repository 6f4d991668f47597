# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a certificate has the identity of an ID payload, by the rules of RFC 4945 section 3.1.

A name has to be in subjectAltName, or be the whole subject: a commonName is no host name (section 3.1.9).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from fynx_scapy.errors import CertificateError, MalformedError
from fynx_scapy.iana import IdType
from fynx_scapy.pki import der
from fynx_scapy.pki.names import normal, shown
from fynx_scapy.pki.parsed import Parsed, parse, reading
from fynx_scapy.text import printable

MOST_OCTETS = 4096
"""No longer identity is compared."""
_SHOWN, _NAMES_SHOWN = 100, 5
_EMPTY_NAME = b"\x30\x00"
# GeneralName (RFC 5280 section 4.2.1.6): the context tags of the choices that have an ID type.
_CHOICES = {0x81: IdType.ID_RFC822_ADDR, 0x82: IdType.ID_FQDN, 0xA4: IdType.ID_DER_ASN1_DN}
_ADDRESS_CHOICE = {4: IdType.ID_IPV4_ADDR, 16: IdType.ID_IPV6_ADDR}
_ADDRESS_OCTETS: dict[int, int] = {kind: octets for octets, kind in _ADDRESS_CHOICE.items()}


@dataclass(frozen=True, slots=True)
class Match:
    """Where a certificate has an identity."""

    how: str
    """The field and its value: ``dNSName gw.example``. Printable."""


def matches(
    certificate: x509.Certificate | bytes,
    id_type: int,
    value: bytes,
    *,
    wildcards: bool = False,
    configured: bool = False,
) -> Match:
    """Find the identity of an ID payload, without its header, in a certificate.

    ``wildcards`` lets ``*.example`` in the certificate stand for one label, which RFC 4945 section 3.1.2 forbids.
    ``configured`` says that this identity was configured for the peer, which is what ID_KEY_ID needs: it names nothing
    in a certificate. Raises CertificateError ``identity``, or ``malformed`` for octets that are no certificate.
    """
    parsed = parse(certificate)
    if len(value) > MOST_OCTETS:
        raise CertificateError(
            "identity", f"expected an identity of at most {MOST_OCTETS} octets, found more", parsed.text
        )
    if id_type == IdType.ID_DER_ASN1_GN:
        id_type, value = _choice(parsed, value)
    if id_type == IdType.ID_KEY_ID and configured:
        return Match("a key ID, by configuration")
    if id_type not in _FINDERS:
        raise _wrong(parsed, f"an ID of type {_named(id_type)}, which no certificate has")
    with reading(f"the names of {parsed.text}"):
        fits = len(value) == _ADDRESS_OCTETS.get(id_type, len(value))
        found = _FINDERS[id_type](parsed, value, wildcards) if fits else None
    if found is None:
        raise _wrong(parsed, f"{_named(id_type)} {text_of(id_type, value)}", _hint(parsed, id_type, value))
    return Match(found)


def identities(certificate: x509.Certificate | bytes) -> list[tuple[IdType, bytes]]:
    """The identities that a certificate has, as type and value of an ID payload, best first (section 3.1.8).

    Host names come first, then mail addresses, IP addresses, and the subject. Wildcards are left out.
    """
    parsed = parse(certificate)
    found: list[tuple[IdType, bytes]] = []
    for name in parsed.names():
        if isinstance(name, x509.DNSName) and "*" not in name.value:
            found.append((IdType.ID_FQDN, name.value.encode()))
        elif isinstance(name, x509.RFC822Name):
            found.append((IdType.ID_RFC822_ADDR, name.value.encode()))
        elif isinstance(name, x509.IPAddress) and isinstance(name.value, ipaddress.IPv4Address | ipaddress.IPv6Address):
            found.append((_ADDRESS_CHOICE[len(name.value.packed)], name.value.packed))
    found.sort(key=lambda each: _ORDER.index(each[0]))
    return found + ([(IdType.ID_DER_ASN1_DN, parsed.subject)] if parsed.subject != _EMPTY_NAME else [])


_ORDER = (IdType.ID_FQDN, IdType.ID_RFC822_ADDR, IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR)


def _fqdn(parsed: Parsed, value: bytes, wildcards: bool) -> str | None:
    """ "Case-insensitive string comparison MUST be performed" (section 3.1.2)."""
    wanted = _lower(value)
    for name in parsed.names():
        if not wanted or not isinstance(name, x509.DNSName):
            continue
        known = name.value.lower()
        if (known == wanted and "*" not in known) or (wildcards and _stands_for(known, wanted)):
            return f"dNSName {shown(name)}"
    return None


def _stands_for(pattern: str, name: str) -> bool:
    """Whether ``*.example`` stands for a name: for exactly one label, which is the first."""
    label, _, rest = name.partition(".")
    return bool(label) and "*" not in name and pattern.startswith("*.") and pattern[2:] == rest


def _mail(parsed: Parsed, value: bytes, wildcards: bool) -> str | None:
    wanted = _lower(value)
    for name in parsed.names():
        if wanted and isinstance(name, x509.RFC822Name) and name.value.lower() == wanted:
            return f"rfc822Name {shown(name)}"
    return None


def _address(parsed: Parsed, value: bytes, wildcards: bool) -> str | None:
    """Compared octet by octet (section 3.1.1). The size is that of the ID type."""
    for name in parsed.names():
        packed = getattr(name.value, "packed", None) if isinstance(name, x509.IPAddress) else None
        if packed is not None and packed == value:
            return f"iPAddress {shown(name)}"
    return None


def _subject(parsed: Parsed, value: bytes, wildcards: bool) -> str | None:
    """The whole subject (section 3.1.5), in the same octets, or the same name in another encoding (RFC 5280, 7.1)."""
    if value == _EMPTY_NAME:
        return None
    if value == parsed.subject:
        return f"subject {parsed.text}"
    try:
        same = normal(value) == normal(parsed.subject)
    except MalformedError:
        return None
    return f"subject {parsed.text}, in another encoding" if same else None


_FINDERS: dict[int, Callable[[Parsed, bytes, bool], str | None]] = {
    IdType.ID_FQDN: _fqdn,
    IdType.ID_RFC822_ADDR: _mail,
    IdType.ID_IPV4_ADDR: _address,
    IdType.ID_IPV6_ADDR: _address,
    IdType.ID_DER_ASN1_DN: _subject,
}


def _lower(value: bytes) -> str:
    """Text in small letters; empty, which no name is, for octets that are no text."""
    try:
        return value.decode().lower()
    except ValueError:
        return ""


def _choice(parsed: Parsed, value: bytes) -> tuple[int, bytes]:
    """The ID type and value that a GeneralName stands for."""
    try:
        choice, *more = der.elements(value)
    except (MalformedError, ValueError):
        raise _wrong(parsed, "a GeneralName that cannot be read") from None
    kind = _ADDRESS_CHOICE.get(len(choice.content)) if choice.tag == 0x87 else _CHOICES.get(choice.tag)
    if kind is None or more:
        raise _wrong(parsed, "a GeneralName of a kind that we do not compare")
    return kind, choice.content


def _named(id_type: int) -> str:
    return IdType(id_type).name if id_type in IdType.__members__.values() else str(id_type)


def text_of(id_type: int, value: bytes) -> str:
    """An identity in words, printable and short."""
    if id_type in (IdType.ID_FQDN, IdType.ID_RFC822_ADDR):
        return printable(value, _SHOWN)
    if len(value) == _ADDRESS_OCTETS.get(id_type):
        return str(ipaddress.ip_address(value))
    return printable(value[:_SHOWN].hex())


def _hint(parsed: Parsed, id_type: int, value: bytes) -> str:
    if id_type != IdType.ID_FQDN:
        return ""
    wanted = _lower(value)
    if wanted.startswith("*"):
        return " (a wildcard is no identity: name one host)"
    names = [name.value.lower() for name in parsed.names() if isinstance(name, x509.DNSName)]
    if any(_stands_for(name, wanted) for name in names):
        return " (a wildcard stands for no name unless Trust.wildcards is set: RFC 4945 section 3.1.2)"
    with reading(f"the subject of {parsed.text}"):
        common = [each.value for each in parsed.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if any(isinstance(each, str) and each.lower() == wanted for each in common):
        return " (its commonName is the same, which does not count: RFC 4945 section 3.1.9)"
    return ""


def _wrong(parsed: Parsed, wanted: str, hint: str = "") -> CertificateError:
    names = [shown(name) for name in parsed.names()]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    has = ", ".join(names[:_NAMES_SHOWN]) + more if names else "no subjectAltName"
    text = f"expected {wanted} in the certificate of {parsed.text}, found {has}{hint}"
    return CertificateError("identity", text, parsed.text)
