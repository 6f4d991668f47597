# SPDX-License-Identifier: GPL-2.0-or-later
"""`KeyLog`: keys and secrets, read from files of every format or given as arguments, and written to files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fynx_scapy.checks import as_tuple, shown
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.files import write_text
from fynx_scapy.keylog.envelopes import Line, unwrapped
from fynx_scapy.keylog.formats import ESP_TABLE, FORMATS, IKE_TABLE, JSON_KEYS, Format, by_name, parts
from fynx_scapy.keylog.keys import SECRET_KINDS, Elsewhere, Entry, EspKeys, IkeKeys, Secret, TlsSecret, check
from fynx_scapy.keylog.plain import value_of
from fynx_scapy.keylog.source import read_file
from fynx_scapy.text import printable

MOST_WARNINGS = 20
"""How many places of one file that cannot be read are named. The rest is counted."""

MOST_NESTED = 4
"""How deep files may name other files."""

Octets = bytes | str | Iterable[bytes | str]


@dataclass(slots=True, repr=False, init=False)
class KeyLog:
    """All known keys and secrets, in the order of their sources. ``warnings`` says what could not be used, and why.

    Keys of SAs are in ``ike`` and ``esp``. The secrets that keys are derived from are lists in any order:
    ``secrets`` (shared secrets of key exchanges), ``private`` (private values), ``sk_d``, ``psk``, ``ppk``, ``msk``
    and ``passwords`` (EAP). Each argument may be one value or several, bytes or text. Text is hexadecimal, except for
    ``psk``, ``ppk`` and ``passwords``, where it is the secret itself or 0x… (hexadecimal) or 0s… (base64). ``tls`` has
    lines of a TLS key log, for EAP-TLS and EAP-TTLS. Raises ConfigError for a bad value.
    With ``esp_null``, ESP without a key is read as NULL encryption where it looks like it.

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
    passwords: list[bytes]
    tls: list[TlsSecret]
    esp_null: bool

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
        esp_null: bool = False,
        passwords: Octets = (),
        tls: Iterable[TlsSecret] = (),
    ) -> None:
        self.esp_null = esp_null
        self.ike, self.esp, self.warnings = list(ike), list(esp), list(warnings)
        self.tls = list(tls)
        for each in self.tls:
            check(each)
        given = {"secrets": secrets, "private": private, "sk_d": sk_d, "psk": psk, "ppk": ppk, "msk": msk}
        given["passwords"] = passwords
        for kind in SECRET_KINDS:
            setattr(self, kind, _values(kind, given[kind]))

    def __repr__(self) -> str:
        counts = {"ike": len(self.ike), "esp": len(self.esp)}
        counts |= {kind: count for kind in SECRET_KINDS if (count := len(getattr(self, kind)))}
        counts |= {"tls": len(self.tls)} if self.tls else {}
        counts |= {"esp_null": True} if self.esp_null else {}
        counts |= {"warnings": len(self.warnings)} if self.warnings else {}
        return f"KeyLog({', '.join(f'{name}={count}' for name, count in counts.items())})"

    @property
    def decrypts(self) -> bool:
        """Whether anything in it can decrypt. What is known of EAP, and a PSK, only verify AUTH; a PPK does neither."""
        return bool(self.ike or self.esp or self.secrets or self.private or self.sk_d or self.esp_null)

    @property
    def verifies(self) -> bool:
        """Whether there is a secret that AUTH can be verified with."""
        return bool(self.psk or self.ppk or self.msk or self.passwords or self.tls)

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
            try:
                log.add(place)
            except CaptureError as error:  # nobody named this file
                log.warnings.append(str(error))
        return log

    @staticmethod
    def places_beside(capture: str | os.PathLike[str]) -> list[Path]:
        """The files and the folder that `beside` reads."""
        path = Path(capture)
        stem = path.with_suffix("") if path.suffix == ".gz" else path
        suffixes = (*_TABLES, *(name for name in FORMATS if name not in _TABLES), "keys")
        places = (stem.with_suffix(f".{suffix}") for suffix in suffixes if stem.name)  # a folder such as . has none
        return [place for place in places if place.is_file() or place.is_dir()]

    @staticmethod
    def folder_for(capture: str | os.PathLike[str]) -> Path:
        """The folder beside a capture that its keys are written into. ConfigError if another capture's are there."""
        path = Path(capture)
        folder = path.with_suffix(".keys")
        others = [path.with_suffix(suffix) for suffix in (".pcap", ".pcapng", ".cap") if suffix != path.suffix]
        if folder.is_dir() and (taken := [other.name for other in others if other.exists()]):
            raise ConfigError(f"{folder} has the keys of {taken[0]}: give {path.name} another name, or remove it")
        return folder

    def add(self, path: str | os.PathLike[str]) -> int:
        """Add the keys of a file or folder to this log, and return how many places in it were read, 0 if none was."""
        place = Path(path)
        if not place.is_dir():
            return self._read(place)
        try:
            entries = sorted(entry for entry in place.iterdir() if by_name(entry.name) and not entry.is_dir())
        except OSError as error:
            raise CaptureError(f"{place}: cannot be read: {error.strerror}") from None
        if not entries:
            names = ", ".join(f"{name} or *.{name}" for name in _TABLES)
            others = ", ".join(name for name in FORMATS if name not in _TABLES)
            raise CaptureError(
                f"{place}: no key tables in this folder; expected files named {names}, or one of {others} in this way"
            )
        count = 0
        for entry in entries:
            if entry.is_file():
                count += self._read(entry)
            else:  # never opened: reading a pipe or a device may not end
                self.warnings.append(f"{printable(str(entry))}: neither a file nor a link to one")
        return count

    def update(self, other: KeyLog) -> None:
        """Add everything in another log to this one."""
        self._keep(other.entries())
        self.esp_null = self.esp_null or other.esp_null
        self.warnings += [text for text in other.warnings if text not in self.warnings]

    def entries(self) -> Iterator[Entry]:
        """Every entry: IkeKeys, EspKeys, TlsSecret, and each secret with its kind."""
        yield from self.ike
        yield from self.esp
        yield from self.tls
        for kind in SECRET_KINDS:
            for value in getattr(self, kind):
                yield Secret(kind, value)

    def _read(self, path: Path, above: tuple[Path, ...] = ()) -> int:
        return self._parse(read_file(path), str(path), by_name(path.name), (*above, path))

    def parse(self, text: str, source: str = "text", form: Format | None = None) -> int:
        """Read keys from text of any known format, and return how many places were read.

        Warnings begin with ``source``. ``form`` is the format of the first lines; without it, the lines themselves say
        in which formats they are.
        """
        return self._parse(text, source, form, ())

    def _parse(self, text: str, source: str, form: Format | None, above: tuple[Path, ...]) -> int:
        source = printable(source)
        warnings: list[str] = []
        found: list[Entry] = []
        read = 0
        # a whole document of our own may look like a logger's record
        lines = list(map(Line._make, enumerate(text.split("\n"), 1))) if form is _DOCUMENT else unwrapped(text)
        for each, mine in parts(lines, form).items():
            try:
                for place, make in each.read(mine):
                    try:
                        for entry in make():
                            if isinstance(entry, Elsewhere):
                                found += self._elsewhere(entry, above)
                                continue
                            check(entry)
                            found.append(entry)
                        read += 1
                    except (ConfigError, CaptureError) as error:
                        warnings.append(f"{source}: {place}: {error}")
            except ConfigError as error:
                warnings.append(f"{source}: {error}")
        if not found and not warnings and form is None:
            warnings.append(f"{source}: no keys and no secrets in it")
        self.warnings += warnings[:MOST_WARNINGS]
        if len(warnings) > MOST_WARNINGS:
            self.warnings.append(f"{source}: {len(warnings) - MOST_WARNINGS} more places that cannot be read")
        self._keep(found)
        return read

    def _elsewhere(self, named: Elsewhere, above: tuple[Path, ...]) -> Iterable[Entry]:
        """The entries of another file that a key file names. Raises CaptureError if it cannot be read."""
        if not above:
            raise CaptureError("names another file: give that one instead")
        path = above[-1].parent / named.path
        if len(above) > MOST_NESTED or any(path.exists() and path.samefile(each) for each in above):
            raise CaptureError("files that name each other")
        log = KeyLog()
        if not path.is_file():
            raise CaptureError("names another file, which does not exist")
        log._read(path, above)
        self.warnings += log.warnings
        return log.entries()

    def _keep(self, entries: Iterable[Entry]) -> None:
        """Add entries that are not there yet."""
        lists: dict[str, list[Any]] = {"ike": self.ike, "esp": self.esp, "tls": self.tls}
        lists |= {kind: getattr(self, kind) for kind in SECRET_KINDS}
        known = {name: set(values) for name, values in lists.items()}
        for entry in entries:
            name = entry.kind if isinstance(entry, Secret) else _LISTS[type(entry)]
            kept = entry.value if isinstance(entry, Secret) else entry
            if kept not in known[name]:
                known[name].add(kept)
                lists[name].append(kept)

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
        known = by_name(place.name)
        write_text(place, self.text(form or (known.name if known else place.name)), secret=True)

    def text(self, form: str = JSON_KEYS) -> str:
        """The text of a file in the format named ``form``, like `write`."""
        chosen = FORMATS.get(form)
        if chosen is None or chosen.write is None:
            names = ", ".join(name for name, form in FORMATS.items() if form.write is not None)
            raise ConfigError(f"{form!r} is not a key format that can be written; expected one of {names}")
        return chosen.write(self.entries())


_LISTS = {IkeKeys: "ike", EspKeys: "esp", TlsSecret: "tls"}
_TABLES = (IKE_TABLE, ESP_TABLE, JSON_KEYS)
_DOCUMENT = FORMATS[JSON_KEYS]


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
