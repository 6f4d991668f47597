# SPDX-License-Identifier: GPL-2.0-or-later
"""Names in certificates: when two are the same (RFC 5280 section 7.1), and name constraints (section 4.2.1.10)."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from fynx_scapy.errors import CertificateError, MalformedError
from fynx_scapy.pki import der
from fynx_scapy.pki.parsed import Parsed, reading
from fynx_scapy.text import counted, printable

Normal = tuple[frozenset[tuple[bytes, str | bytes]], ...]
MOST_COMPARISONS = 1 << 16
"""No path needs more comparisons of a name with a constraint than this."""
_SHOWN = 100


def normal(name: bytes) -> Normal:
    """A distinguished name in DER, in a form that is equal for names that are the same.

    Of RFC 4518's string preparation this is normalization (NFKC), case folding, and the compression of white space.
    Raises MalformedError.
    """
    return tuple(frozenset(map(_attribute, der.inside(rdn.whole, der.SET))) for rdn in der.inside(name))


def _attribute(attribute: der.Element) -> tuple[bytes, str | bytes]:
    parts = der.inside(attribute.whole)
    if len(parts) != 2:
        raise MalformedError(f"expected a type and a value in a name, found {counted(len(parts), 'element')}")
    kind, value = parts
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        return kind.content, value.whole
    try:
        text = value.content.decode(encoding)
    except ValueError:
        raise MalformedError(f"expected text in {encoding} in a name, found other octets") from None
    return kind.content, " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""The string types by their tags: UTF8String, PrintableString, TeletexString, IA5String, UniversalString, BMPString."""


def check_constraints(path: Sequence[Parsed]) -> None:
    """Check each name of a path, which begins with the leaf, against the constraints of all issuers above it.

    CertificateError ``name-constraints``, or ``too-complex`` when there are too many names and constraints.
    """
    spent = 0
    for at, issuer in enumerate(path):
        constraints = issuer.get(x509.NameConstraints)
        if at == 0 or constraints is None:
            continue
        permitted, excluded = list(constraints.permitted_subtrees or ()), list(constraints.excluded_subtrees or ())
        for place, below in enumerate(path[:at]):
            if below.self_issued and place:
                continue  # "Name constraints are not applied to self-issued certificates", the leaf excepted
            names = constrained_names(below)
            spent += len(names) * (len(permitted) + len(excluded))
            if spent > MOST_COMPARISONS:
                raise CertificateError(
                    "too-complex", f"the name constraints of {issuer.text} are too many", issuer.text
                )
            with reading(f"the names of {below.text}"):
                for name in names:
                    _check_name(name, permitted, excluded, below, issuer)


def constrained_names(below: Parsed) -> list[x509.GeneralName]:
    """What constraints apply to: subjectAltName and subject; its mail addresses where there is no subjectAltName."""
    with reading(f"the subject of {below.text}"):
        subject, names = below.certificate.subject, below.names()
        if not names:
            mail = subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
            names = [x509.RFC822Name(each.value) for each in mail if isinstance(each.value, str)]
        return [*names, x509.DirectoryName(subject)] if subject.rdns else names


def _check_name(
    name: x509.GeneralName,
    permitted: Iterable[x509.GeneralName],
    excluded: Iterable[x509.GeneralName],
    below: Parsed,
    issuer: Parsed,
) -> None:
    allowed = [each for each in permitted if type(each) is type(name)]
    barred = [each for each in excluded if type(each) is type(name)]
    if (allowed or barred) and not isinstance(name, _COMPARABLE):
        reason = "which has a kind of name that we cannot compare"
    elif allowed and not any(within(name, each) for each in allowed):
        reason = f"which does not permit {shown(name)}"
    elif any(within(name, each) or _covers(name, each) for each in barred):
        reason = f"which excludes {shown(name)}"
    else:
        return
    text = f"{below.text} breaks the name constraints of {issuer.text}, {reason}"
    raise CertificateError("name-constraints", text, below.text)


_COMPARABLE = (
    x509.DNSName,
    x509.RFC822Name,
    x509.IPAddress,
    x509.DirectoryName,
    x509.UniformResourceIdentifier,
)


def within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    """Whether a name is in the subtree of a constraint of the same kind."""
    if isinstance(name, x509.DirectoryName) and isinstance(base, x509.DirectoryName):
        outer = normal(base.value.public_bytes())
        return normal(name.value.public_bytes())[: len(outer)] == outer
    if isinstance(name, x509.IPAddress) and isinstance(base, x509.IPAddress):
        return _in_network(name.value, base.value)
    value, limit = str(name.value), str(base.value)
    if isinstance(name, x509.RFC822Name):
        mailbox, _, host = value.rpartition("@")
        if "@" in limit:
            wanted, _, limit = limit.rpartition("@")
            return mailbox == wanted and host.lower() == limit.lower()
        return _host_within(host, limit)
    if isinstance(name, x509.UniformResourceIdentifier):
        return _host_within(_host(value), limit)
    # A leading dot is not in RFC 5280 for dNSName, but common: it leaves out the domain itself.
    value, limit = value.lower().rstrip("."), limit.lower()
    return not limit or value.endswith(limit if limit.startswith(".") else f".{limit}") or value == limit


def _host_within(host: str, limit: str) -> bool:
    host, limit = host.lower(), limit.lower()
    return not limit or (host.endswith(limit) if limit.startswith(".") else host == limit)


def _host(uri: str) -> str:
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        host = ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if host:
            return host
    text = f"expected a URI with a host name where a constraint applies to URIs, found {printable(uri, _SHOWN)}"
    raise CertificateError("name-constraints", text)


def _in_network(address: object, network: object) -> bool:
    for version in (
        (ipaddress.IPv4Address, ipaddress.IPv4Network),
        (ipaddress.IPv6Address, ipaddress.IPv6Network),
    ):
        if isinstance(address, version[0]) and isinstance(network, version[1]):
            return address in network
    return False


def _covers(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    """Whether a wildcard in a name stands for names that are excluded."""
    value, limit = str(name.value).lower(), str(base.value).lower()
    return isinstance(name, x509.DNSName) and value.startswith("*.") and limit.endswith(value[1:])


def shown(name: x509.GeneralName) -> str:
    """A name in words: printable and short."""
    value = name.value
    if isinstance(value, x509.Name):
        return printable(value.rfc4514_string(), _SHOWN)
    if isinstance(value, bytes):
        return f"{value[:32].hex()}"
    return printable(str(value), _SHOWN)
