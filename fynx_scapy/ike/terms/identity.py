# SPDX-License-Identifier: GPL-2.0-or-later
"""Identities: the content of IDi and IDr (RFC 7296 section 3.5)."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import IdType, name_of
from fynx_scapy.layers.ikev2.der import name_octets, name_text
from fynx_scapy.text import LONGEST, printable

_DN = re.compile(r"(?:[A-Z]{1,12}|\d+(?:\.\d+)+)\s*=")
"""The beginning of a distinguished name: the type of its first attribute, which no other identity begins with."""


LONGEST_NAME = 4096
"""Octets of a distinguished name beyond which it is only the same as the same octets."""


@lru_cache(maxsize=64)
def _normal(name: bytes) -> object:
    """A distinguished name in a form that is equal for names that are the same; None for octets that are none.

    A peer's name is compared with that of each configuration: it is read once.
    """
    from fynx_scapy.pki.names import normal  # only for certificates: slow to import

    try:
        return normal(name)
    except MalformedError:
        return None


@dataclass(frozen=True, slots=True)
class Identity:
    """An ID type and the identification data, as octets on the wire."""

    type: int
    data: bytes

    @classmethod
    def of(cls, value: Identity | str) -> Identity:
        """Read an identity as text: an address, ``user@host``, a name, ``keyid:`` and hex digits, or ``C=CH, CN=moon``.

        ConfigError when it cannot be read.
        """
        if isinstance(value, Identity):
            return value
        if not isinstance(value, str):
            raise ConfigError(f"expected an identity as text, found {shown(value)}")
        if not value:
            raise ConfigError(
                "expected an identity such as 'alice', 'alice@example.org' or '192.0.2.1', found an empty string"
            )
        if value.startswith("keyid:"):
            try:
                return cls(IdType.ID_KEY_ID, bytes.fromhex(value[6:]))
            except ValueError:
                raise ConfigError(f"expected hex digits after keyid:, found {value[6:]!r}") from None
        if _DN.match(value):
            return cls(IdType.ID_DER_ASN1_DN, name_octets(value))
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return cls(IdType.ID_RFC822_ADDR if "@" in value else IdType.ID_FQDN, value.encode())
        return cls(IdType.ID_IPV4_ADDR if address.version == 4 else IdType.ID_IPV6_ADDR, address.packed)

    @classmethod
    def parse(cls, body: bytes) -> Identity:
        """Read the body of an ID payload: type, three reserved octets, data."""
        return cls(body[0], body[4:])

    @property
    def wire_value(self) -> bytes | str:
        """The value of the layer's field ID: an address as text, anything else as octets."""
        if self.type in (IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR) and len(self.data) in (4, 16):
            return str(ipaddress.ip_address(self.data))
        return self.data

    def same(self, other: Identity) -> bool:
        """Whether both are the same identity. A distinguished name may be encoded in several ways (RFC 5280, 7.1)."""
        if self == other or not self.type == other.type == IdType.ID_DER_ASN1_DN:
            return self == other
        if max(len(self.data), len(other.data)) > LONGEST_NAME:
            return False
        mine, theirs = _normal(self.data), _normal(other.data)
        return mine is not None and mine == theirs

    def __str__(self) -> str:
        if self.type in (IdType.ID_FQDN, IdType.ID_RFC822_ADDR):
            return printable(self.data, LONGEST)
        if isinstance(self.wire_value, str):
            return self.wire_value
        if self.type == IdType.ID_DER_ASN1_DN:
            with suppress(MalformedError):
                if name := name_text(self.data):  # an empty name has no text
                    return printable(name, LONGEST)
        kind = "keyid" if self.type == IdType.ID_KEY_ID else name_of(IdType, self.type)
        return f"{kind}:{printable(self.data.hex(), LONGEST)}" if self.data else kind
