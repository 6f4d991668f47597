# SPDX-License-Identifier: GPL-2.0-or-later
"""`KeyLog`: keys and secrets, read from files of every format or given as arguments, and written to files."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fynx_scapy.checks import as_tuple, shown
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.files import write_text
from fynx_scapy.keylog.formats import ESP_TABLE, FORMATS, IKE_TABLE, JSON_KEYS, Format, by_content, by_name
from fynx_scapy.keylog.keys import SECRET_KINDS, Entry, EspKeys, IkeKeys, Secret, check
from fynx_scapy.keylog.plain import value_of
from fynx_scapy.text import printable

Octets = bytes | str | Iterable[bytes | str]


@dataclass(slots=True, repr=False, init=False)
class KeyLog:
    """All known keys and secrets, in the order of their sources. ``warnings`` says what could not be used, and why.

    Keys of SAs are in ``ike`` and ``esp``. The secrets that keys are derived from are lists in any order:
    ``secrets`` (shared secrets of key exchanges), ``private`` (private values), ``sk_d``, ``psk``, ``ppk``, ``msk``
    (EAP). Each argument may be one value or several, bytes or text. Text is hexadecimal, except for ``psk`` and
    ``ppk``, where it is the secret itself or 0x… (hexadecimal) or 0s… (base64). Raises ConfigError for a bad value.

        >>> KeyLog(secrets=["5f" * 32], psk="lab psk")
        KeyLog(ike=0, esp=0, secrets=1, psk=1)
    """

    ike: list[IkeKeys]
    esp: list[EspKeys]
    warnings: list[str]
    secrets: list[bytes]
    private: list[bytes]
    sk_d: list[bytes]
    psk: list[bytes]
    ppk: list[bytes]
    msk: list[bytes]

    def __init__(
        self,
        ike: Iterable[IkeKeys] = (),
        esp: Iterable[EspKeys] = (),
        warnings: Iterable[str] = (),
        secrets: Octets = (),
        private: Octets = (),
        sk_d: Octets = (),
        psk: Octets = (),
        ppk: Octets = (),
        msk: Octets = (),
    ) -> None:
        self.ike, self.esp, self.warnings = list(ike), list(esp), list(warnings)
        given = {"secrets": secrets, "private": private, "sk_d": sk_d, "psk": psk, "ppk": ppk, "msk": msk}
        for kind in SECRET_KINDS:
            setattr(self, kind, _values(kind, given[kind]))

    def __repr__(self) -> str:
        counts = {"ike": len(self.ike), "esp": len(self.esp)}
        counts |= {kind: count for kind in SECRET_KINDS if (count := len(getattr(self, kind)))}
        counts |= {"warnings": len(self.warnings)} if self.warnings else {}
        return f"KeyLog({', '.join(f'{name}={count}' for name, count in counts.items())})"

    @property
    def decrypts(self) -> bool:
        """Whether anything in it can decrypt. PSK and MSK only verify AUTH, and a PPK is no use by itself."""
        return bool(self.ike or self.esp or self.secrets or self.private or self.sk_d)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> KeyLog:
        """Read a file of any known format, or a folder of them. Raises CaptureError if there is nothing to read."""
        log = cls()
        log.add(path)
        return log

    @classmethod
    def beside(cls, capture: str | os.PathLike[str]) -> KeyLog:
        """Read the keys beside a capture: NAME.keys.json, NAME.esp_sa etc. for each format, and folder NAME.keys."""
        log = cls()
        for place in cls.places_beside(capture):
            log.add(place)
        return log

    @staticmethod
    def places_beside(capture: str | os.PathLike[str]) -> list[Path]:
        """The files and the folder that `beside` reads."""
        path = Path(capture)
        stem = path.with_suffix("") if path.suffix == ".gz" else path
        suffixes = (*_TABLES, *(name for name in FORMATS if name not in _TABLES), "keys")
        return [place for suffix in suffixes if (place := stem.with_suffix(f".{suffix}")).exists()]

    def add(self, path: str | os.PathLike[str]) -> None:
        """Add the keys of a file or folder to this log."""
        place = Path(path)
        if not place.is_dir():
            self._read(place)
            return
        found = [entry for entry in sorted(place.iterdir()) if entry.is_file() and by_name(entry.name)]
        if not found:
            names = ", ".join(f"{name} or *.{name}" for name in _TABLES)
            raise CaptureError(f"{place}: no key tables in this folder; expected files named {names}")
        for entry in found:
            self._read(entry)

    def update(self, other: KeyLog) -> None:
        """Add everything in another log to this one."""
        for entry in other.entries():
            self._keep(entry)
        self.warnings += [text for text in other.warnings if text not in self.warnings]

    def entries(self) -> Iterator[Entry]:
        """Every entry: IkeKeys, EspKeys, and each secret with its kind."""
        yield from self.ike
        yield from self.esp
        for kind in SECRET_KINDS:
            for value in getattr(self, kind):
                yield Secret(kind, value)

    def _read(self, path: Path) -> None:
        try:
            octets = path.read_bytes()
            if octets[:2] == b"\x1f\x8b":
                octets = gzip.decompress(octets)
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise CaptureError(f"{path}: cannot be read: {reason}") from None
        self.parse(octets.decode("utf-8", errors="replace"), str(path), by_name(path.name))

    def parse(self, text: str, source: str = "text", form: Format | None = None) -> None:
        """Read keys from text of any known format. Warnings begin with ``source``."""
        form, source = form or by_content(text), printable(source)
        if form is None:
            self.warnings.append(
                f"{source}: line 1: expected a row of {IKE_TABLE}, a row of {ESP_TABLE}, JSON, "
                f"or the first lines of one of: {', '.join(n for n in FORMATS if n not in _TABLES)}"
            )
            return
        try:
            for place, make in form.read(text):
                try:
                    for entry in make():
                        check(entry)
                        self._keep(entry)
                except ConfigError as error:
                    self.warnings.append(f"{source}: {place}: {error}")
        except ConfigError as error:
            self.warnings.append(f"{source}: {error}")

    def _keep(self, entry: Entry) -> None:
        known: list[object]
        if isinstance(entry, Secret):
            known, kept = getattr(self, entry.kind), entry.value
        else:
            known, kept = (self.ike if isinstance(entry, IkeKeys) else self.esp), entry  # type: ignore[assignment]
        if kept not in known:
            known.append(kept)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``ikev2_decryption_table``, ``esp_sa`` and ``keys.json`` into a folder, and return their paths.

        The folder is created if needed; its files are readable by their owner only (mode 600). Algorithms without a
        name in Wireshark's tables are written to keys.json only.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            self.write(place / name, name)
        return [place / name for name in _TABLES]

    def write(self, path: str | os.PathLike[str], form: str | None = None) -> None:
        """Write one file (mode 600) in the format named ``form``; without it, the file's name decides the format.

        Raises ConfigError for a name that is not in FORMATS, OSError when the file cannot be written. Entries that the
        format cannot hold are left out.
        """
        place = Path(path)
        chosen = FORMATS.get(form) if form else by_name(place.name)
        if chosen is None:
            names = ", ".join(FORMATS)
            raise ConfigError(
                f"{form or place.name!r} is not a key format that can be written; expected one of {names}"
            )
        write_text(place, chosen.write(self.entries()), secret=True)


_TABLES = (IKE_TABLE, ESP_TABLE, JSON_KEYS)


def _values(kind: str, given: Octets) -> list[bytes]:
    values: list[bytes] = []
    for value in as_tuple(given, bytes, str, hidden=True):
        if not isinstance(value, bytes | bytearray | memoryview | str):
            raise ConfigError(f"expected text or bytes for the {SECRET_KINDS[kind]}, found {shown(value, hidden=True)}")
        octets = value_of(kind, value) if isinstance(value, str) else bytes(value)
        if not octets:
            raise ConfigError(f"the {SECRET_KINDS[kind]} is empty")
        if octets not in values:
            values.append(octets)
    return values
