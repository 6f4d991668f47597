# SPDX-License-Identifier: GPL-2.0-or-later
"""A post-quantum pre-shared key, which goes with any credential (RFC 8784)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.checks import Checked, as_tuple, octets, read_secret, required, setting, whole
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import PpkIdType, lookup
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.rounds import Rounds
from fynx_scapy.ike.credentials.secrets import Null
from fynx_scapy.text import printable


def _ppk_type(value: Any) -> Any:
    return lookup(PpkIdType, value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Ppk(Checked):
    """A post-quantum pre-shared key and its PPK_ID (RFC 8784).

    Text is encoded as UTF-8, and ``0x…`` is read as hex digits. The repr hides the key. RFC 8784 section 6 wants at
    least 256 bits of entropy.
    """

    secret: bytes = required(octets(1, 65535), read=partial(read_secret, name="a PPK"), repr=False)
    """The octets of the key."""
    id: bytes = required(octets(1, 1024, hidden=False), read=partial(read_secret, name="a PPK_ID"))
    """The PPK_ID without the octet of its type."""
    type: int = setting(PpkIdType.PPK_ID_FIXED, whole(1, 255), read=_ppk_type)
    """The type of the PPK_ID: ``fixed`` (2), ``opaque`` (1), or another number (section 5.1)."""

    if TYPE_CHECKING:

        def __init__(self, secret: str | bytes, id: str | bytes, type: str | int = ...) -> None: ...
        def replace(self, *, secret: str | bytes = ..., id: str | bytes = ..., type: str | int = ...) -> Self: ...

    def __str__(self) -> str:
        """The PPK_ID, printable."""
        return printable(self.id.decode(errors="backslashreplace"))

    @property
    def wire_id(self) -> bytes:
        """The data of PPK_IDENTITY: the type of the PPK_ID, and the PPK_ID."""
        return bytes([self.type]) + self.id


def read_ppks(value: Any) -> tuple[Any, ...]:
    """What a user writes as `IkeConfig.ppk`, as a tuple; ConfigError."""
    return () if value is None else as_tuple(value, Ppk, hidden=True)


def check_ppks(ppks: Sequence[Ppk], required: bool, *credentials: Credential) -> None:
    """Check the PPKs of a configuration, beside what both ends authenticate with. ConfigError."""
    if required and not ppks:
        raise ConfigError("expected IkeConfig.ppk, because ppk_required is True, found no PPK")
    ids = [ppk.wire_id for ppk in ppks]
    if twice := next((ppk for ppk in ppks if ids.count(ppk.wire_id) > 1), None):
        raise ConfigError(f"expected IkeConfig.ppk to have each PPK_ID once, found {str(twice)!r} twice")
    if ppks and any(isinstance(each, Rounds) for each in credentials):
        # Section 3 has one request "containing the AUTH payload", and one decision in its answer.
        raise ConfigError(
            "expected either IkeConfig.ppk or Rounds, found both: "
            "RFC 8784 does not say which of several AUTH payloads (RFC 4739) a PPK goes into"
        )
    if ppks and not required and any(isinstance(each, Null) for each in credentials):
        # Section 5.2.3: "Using PPKs MUST be mandatory for the peers if they advertise support for PPKs in IKE_SA_INIT
        # and use NULL Authentication."
        raise ConfigError("expected IkeConfig.ppk_required to be True, because an end authenticates with NULL")
