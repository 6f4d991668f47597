# SPDX-License-Identifier: GPL-2.0-or-later
"""The keys of one SA, and the secrets that keys are derived from. Every format is read into these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, Integ, Prf, TransformType, name_of
from fynx_scapy.text import counted

REGISTRIES = {TransformType.ENCR: Encr, TransformType.INTEG: Integ, TransformType.PRF: Prf}


@dataclass(frozen=True, slots=True)
class IkeKeys:
    """The keys of one IKE SA (RFC 7296 section 2.14). ``sk_ei`` and ``sk_er`` hold key and salt.

    SPIs are 8 octets, or empty if the source does not have them. Such keys fit any IKE SA whose ICV they verify.
    ``unchecked_icv`` is the size in octets of an ICV whose key is unknown.
    """

    spi_i: bytes
    spi_r: bytes
    encr: Transform
    integ: Transform | None
    sk_ei: bytes = field(repr=False)
    sk_er: bytes = field(repr=False)
    sk_ai: bytes = field(default=b"", repr=False)
    sk_ar: bytes = field(default=b"", repr=False)
    prf: Transform | None = None
    sk_d: bytes = field(default=b"", repr=False)
    sk_pi: bytes = field(default=b"", repr=False)
    sk_pr: bytes = field(default=b"", repr=False)
    unchecked_icv: int = 0


@dataclass(frozen=True, slots=True)
class EspKeys:
    """The keys of one ESP SA, that is, of one direction (RFC 4301 section 4.1).

    ``key`` holds key and salt. ``spi`` is None if a table's row is for any SPI, or for those that fit ``spis``, such as
    ``0x0000****``. ``src`` and ``dst`` may hold "*", or be a prefix. ``esn`` is None if the source does not say, and
    ``esn_high`` is the high half of the numbers at the beginning. ``unchecked_icv`` is the size in octets of an ICV
    whose key is unknown.
    """

    spi: int | None
    src: str
    dst: str
    encr: Transform
    key: bytes = field(repr=False)
    integ: Transform | None = None
    auth_key: bytes = field(default=b"", repr=False)
    esn: bool | None = None
    unchecked_icv: int = 0
    spis: str = ""
    esn_high: int = 0

    def fits(self, spi: int) -> bool:
        """Whether these keys may belong to an SPI."""
        if self.spi is not None:
            return self.spi == spi
        return not self.spis or fnmatchcase(f"0x{spi:08x}", self.spis)


SECRET_KINDS = {
    "secrets": "shared secret of a key exchange",
    "private": "private value of a key exchange",
    "sk_d": "SK_d",
    "psk": "pre-shared key",
    "ppk": "post-quantum pre-shared key",
    "msk": "EAP MSK",
    "passwords": "password",
}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that keys or AUTH are computed from. ``kind`` is one of SECRET_KINDS."""

    kind: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """A secret of one TLS connection, as a line of its key log (SSLKEYLOGFILE) has it."""

    label: str
    """CLIENT_RANDOM (the master secret of TLS 1.2) or EXPORTER_SECRET (TLS 1.3)."""
    random: bytes
    """The random of the ClientHello: 32 octets."""
    secret: bytes = field(repr=False)


TLS_LABELS = {"CLIENT_RANDOM": (48,), "EXPORTER_SECRET": (32, 48)}
"""The labels that keys are exported with, and how long their secrets may be (RFC 5246 section 8.1, RFC 8446)."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another file that a key file names."""

    path: str


Entry = IkeKeys | EspKeys | Secret | TlsSecret
# A reader yields (place in the file, function that makes the keys). If the function raises, only that place is skipped
Rows = Iterator[tuple[str, Callable[[], Iterable[Entry | Elsewhere]]]]


def check(keys: Entry) -> None:
    """Raises ConfigError if a key does not have the length that its algorithm needs."""
    if isinstance(keys, Secret):
        if not keys.value:
            raise ConfigError(f"the {SECRET_KINDS[keys.kind]} is empty")
        return
    if isinstance(keys, TlsSecret):
        sizes = TLS_LABELS.get(keys.label)
        if sizes is None:
            raise ConfigError(f"the label is none of {', '.join(TLS_LABELS)}")
        for what, octets, fit in (("random", keys.random, (32,)), ("secret", keys.secret, sizes)):
            if len(octets) not in fit:
                said = " or ".join(map(str, fit))
                raise ConfigError(f"the {what} of {keys.label} has {counted(len(octets), 'octet')}, expected {said}")
        return
    esp = isinstance(keys, EspKeys)
    if isinstance(keys, EspKeys):
        ciphers, signers = [keys.key], [keys.auth_key]
    else:
        ciphers, signers = [keys.sk_ei, keys.sk_er], [keys.sk_ai, keys.sk_ar]
    suite = encryption(keys.encr.id, keys.encr.key_length, esp=esp)
    if keys.integ is None and not suite.aead and not esp and not keys.unchecked_icv:
        raise ConfigError(f"{name(keys.encr)} needs an integrity algorithm, found none")
    wanted = 0 if suite.aead or keys.unchecked_icv or keys.integ is None else integrity(keys.integ.id).key_size
    for what, size, values in (("encryption", suite.key_size, ciphers), ("integrity", wanted, signers)):
        for value in values:
            if len(value) != size:
                raise ConfigError(
                    f"the {what} key has {counted(len(value), 'octet')}, expected {size} ({name(keys.encr)})"
                )


def name(transform: Transform) -> str:
    """The name of a transform in messages."""
    length = f" with a key of {transform.key_length} bits" if transform.key_length else ""
    return name_of(REGISTRIES[transform.type], transform.id) + length
