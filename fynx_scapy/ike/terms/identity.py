# SPDX-License-Identifier: GPL-2.0-or-later
"""Identities: the content of IDi and IDr (RFC 7296 section 3.5)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType, name_of
from fynx_scapy.text import LONGEST, printable


@dataclass(frozen=True, slots=True)
class Identity:
    """An ID type and the identification data, as octets on the wire."""

    type: int
    data: bytes

    @classmethod
    def of(cls, value: Identity | str) -> Identity:
        """Read an identity as text: an address, ``user@host``, a name, or ``keyid:`` and hex digits.

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

    def __str__(self) -> str:
        if self.type in (IdType.ID_FQDN, IdType.ID_RFC822_ADDR):
            return printable(self.data, LONGEST)
        if isinstance(self.wire_value, str):
            return self.wire_value
        kind = "keyid" if self.type == IdType.ID_KEY_ID else name_of(IdType, self.type)
        return f"{kind}:{printable(self.data.hex(), LONGEST)}"
