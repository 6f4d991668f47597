# SPDX-License-Identifier: GPL-2.0-or-later
"""DER in IKEv2 payloads as text: distinguished names and AlgorithmIdentifiers.

Names have strongSwan's format, ``C=CH, O=Lab, CN=moon``, in the order of the encoding. Attribute types and
their short names: RFC 4519 section 2, RFC 2985 section 5.2.1 (E). Signature algorithms: RFC 7427 appendix A, RFC 8420.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.text import counted, printable

_SEQUENCE, _SET, _OID = 0x30, 0x31, 0x06
_UTF8, _PRINTABLE, _IA5, _TELETEX, _BMP, _UNIVERSAL = 0x0C, 0x13, 0x16, 0x14, 0x1E, 0x1C
_ENCODINGS = {_UTF8: "utf-8", _PRINTABLE: "ascii", _IA5: "ascii", _TELETEX: "latin-1", _BMP: "utf-16-be",
              _UNIVERSAL: "utf-32-be"}  # fmt: skip

ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "T",
    "2.5.4.42": "GN",
    "2.5.4.43": "I",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "E",
}
_OIDS = {name.lower(): oid for oid, name in ATTRIBUTES.items()} | {"emailaddress": "1.2.840.113549.1.9.1"}

SIGNATURE_ALGORITHMS = {
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.2.840.10040.4.3": "dsa-with-SHA1",
    "2.16.840.1.101.3.4.3.2": "dsa-with-SHA256",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}

_ARC_BITS = 128
"""The longest numbers in use are UUIDs (ITU-T X.667). Python refuses to print numbers of 4,300 digits."""

_PRINTABLE_SET = frozenset(string.ascii_letters + string.digits + " '()+,-./:=?")


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each DER element in ``data``. Raises MalformedError."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise MalformedError("DER: an element has no length")
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 4 or at + octets > len(data):
                raise MalformedError("DER: a length is invalid")
            size = int.from_bytes(data[at : at + octets])
            at += octets
        if at + size > len(data):
            raise MalformedError(f"DER: an element has {counted(size, 'octet')}, but {len(data) - at} are left")
        yield tag, data[at : at + size]
        at += size


def _only(data: bytes, wanted: int) -> bytes:
    elements = list(_elements(data))
    if len(elements) != 1 or elements[0][0] != wanted:
        raise MalformedError(f"DER: expected one element with tag {wanted:#x}")
    return elements[0][1]


def _oid_text(content: bytes) -> str:
    numbers, number = [], 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if number >> _ARC_BITS:
            raise MalformedError(f"DER: an object identifier has a number of more than {_ARC_BITS} bits")
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    if not numbers or content[-1] & 0x80:
        raise MalformedError("DER: an object identifier is invalid")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    content = b""
    for number in (first * 40 + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return _element(_OID, content)


def name_text(der: bytes) -> str:
    """A DER distinguished name as printable text, ``C=CH, O=Lab, CN=moon``. Raises MalformedError."""
    parts = []
    for tag, rdn in _elements(_only(der, _SEQUENCE)):
        if tag != _SET:
            raise MalformedError("DER: a relative distinguished name is not a set")
        pairs = []
        for inner, pair in _elements(rdn):
            fields = list(_elements(pair)) if inner == _SEQUENCE else []
            if len(fields) != 2 or fields[0][0] != _OID:
                raise MalformedError("DER: an attribute is not a pair of type and value")
            oid = _oid_text(fields[0][1])
            encoding = _ENCODINGS.get(fields[1][0])
            value = fields[1][1].decode(encoding, "backslashreplace") if encoding else "#" + fields[1][1].hex()
            pairs.append(ATTRIBUTES.get(oid, oid) + "=" + printable(re.sub(r"([,+\\])", r"\\\1", value)))
        parts.append(" + ".join(pairs))
    return ", ".join(parts)


def name_octets(text: str) -> bytes:
    """A distinguished name in DER, from text: the inverse of :func:`name_text`. Raises ConfigError.

    Values are encoded as PrintableString if possible, as IA5String for E and DC, else as UTF8String. Write a backslash
    before a comma in a value.
    """
    rdns = b""
    for part in re.split(r"(?<!\\)[,/]\s*", text.strip().lstrip("/")) if text.strip() else ():
        pairs = []
        for pair in re.split(r"(?<!\\)\+", part):
            kind, equals, value = pair.strip().partition("=")
            kind = kind.strip()
            oid = _OIDS.get(kind.lower(), kind if re.fullmatch(r"[0-2](\.\d+)+", kind) else "")
            if not equals or not oid:
                raise ConfigError(f"{part!r} is not an attribute of a distinguished name; expected one such as CN=moon")
            value = re.sub(r"\\(.)", r"\1", value.strip())
            tag = _IA5 if ATTRIBUTES.get(oid) in ("E", "DC") else _PRINTABLE if set(value) <= _PRINTABLE_SET else _UTF8
            if tag == _IA5 and not value.isascii():
                tag = _UTF8
            pairs.append(_element(_SEQUENCE, _oid(oid) + _element(tag, value.encode())))
        rdns += _element(_SET, b"".join(sorted(pairs)))
    return _element(_SEQUENCE, rdns)


def algorithm_name(der: bytes) -> str:
    """The algorithm name of a DER AlgorithmIdentifier: a known name, the dotted OID, or hexadecimal digits."""
    try:
        elements = list(_elements(_only(der, _SEQUENCE)))
        if not elements or elements[0][0] != _OID:
            return der.hex()
        oid = _oid_text(elements[0][1])
    except MalformedError:
        return der.hex()
    return SIGNATURE_ALGORITHMS.get(oid, oid)
