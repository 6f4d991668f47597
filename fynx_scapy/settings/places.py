# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tables a setting that is a credential may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from fynx_scapy.settings.credentials import (
    CertificatesTable,
    CertificateTable,
    CredentialTable,
    NullTable,
    PskTable,
    RawKeysTable,
    RawKeyTable,
)
from fynx_scapy.settings.eap import CLIENTS, GATEWAYS

Kind: TypeAlias = "type[CredentialTable] | Mapping[str, type[CredentialTable]]"
"""A table, or several of which the value of the key chooses one."""


class Place(NamedTuple):
    """A setting that is a credential."""

    kinds: Mapping[str, Kind]
    """What its table may be, by the key that says so. One that has several tables counts before the others."""
    otherwise: type[CredentialTable] | None
    """What a table is that has none of these keys; None if it needs one."""
    short: str
    """The key beside the table for a pre-shared key alone; empty if there is none."""
    identity: str
    """The setting that is the identity of a single one."""
    example: str

    @property
    def tables(self) -> tuple[type[CredentialTable], ...]:
        """All of them, each once."""
        found = [
            each for kind in self.kinds.values() for each in (kind.values() if isinstance(kind, Mapping) else [kind])
        ]
        return tuple(dict.fromkeys([*found, *([self.otherwise] if self.otherwise else [])]))


PLACES: Mapping[str, Place] = {
    "auth": Place(
        {"psk": PskTable, "cert": CertificateTable, "raw_key": RawKeyTable, "null": NullTable, "eap": CLIENTS},
        None, "psk", "local_id", '{ cert = "gw.pem", key = "gw.key" } or { psk_file = "gw.psk" }',
    ),
    "remote_auth": Place(
        {"psk": PskTable, "raw_keys": RawKeysTable, "null": NullTable, "eap": GATEWAYS},
        CertificatesTable, "", "remote_id", '{ schemes = ["rsa-pss-sha256"] } or { psk_file = "peer.psk" }',
    ),
}  # fmt: skip
"""By the name of the setting in `IkeConfig`."""
