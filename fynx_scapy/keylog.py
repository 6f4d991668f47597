# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys of IKE and ESP SAs, read from and written to every format that we know.

Formats: Wireshark's ``ikev2_decryption_table`` and ``esp_sa`` as strongSwan's save-keys plugin writes them (names in
keynames.py), our own ``keys.json``, which holds everything, and the lab's ``keys.json`` (strongSwan's proposals, both
ends' keys). A row that cannot be used becomes a warning with file and line; the rows around it are kept.
"""

from __future__ import annotations

import csv
import ipaddress
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import keynames
from .crypto.encr import encryption
from .crypto.integ import integrity
from .crypto.transforms import Transform
from .errors import CaptureError, ConfigError
from .iana import Encr, Integ, Prf, TransformType, lookup, name_of

IKE_TABLE, ESP_TABLE, JSON_KEYS = "ikev2_decryption_table", "esp_sa", "keys.json"
FORMAT = "fynx-scapy keys 1"
REGISTRIES = {TransformType.ENCR: Encr, TransformType.INTEG: Integ, TransformType.PRF: Prf}


@dataclass(frozen=True, slots=True)
class IkeKeys:
    """The keys of one IKE SA (RFC 7296 section 2.14). ``sk_ei`` and ``sk_er`` hold key and salt; SPIs are 8 octets."""

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


@dataclass(frozen=True, slots=True)
class EspKeys:
    """The keys of one ESP SA, which is one direction (RFC 4301 section 4.1).

    ``key`` holds key and salt. ``spi`` is None where a table's row is for any SPI, ``src`` and ``dst`` may hold "*".
    ``esn`` is None where the source does not say. ``unchecked_icv`` counts the octets of an ICV whose key is not known.
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


@dataclass(slots=True)
class KeyLog:
    """All the keys at hand, in the order of their sources; ``warnings`` says what could not be used, and why."""

    ike: list[IkeKeys] = field(default_factory=list)
    esp: list[EspKeys] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> KeyLog:
        """Read a file of any known format, or a folder of them; CaptureError where there is nothing to read."""
        log = cls()
        log.add(path)
        return log

    @classmethod
    def beside(cls, capture: str | os.PathLike[str]) -> KeyLog:
        """What lies beside a capture: NAME.ikev2_decryption_table, NAME.esp_sa, NAME.keys.json, folder NAME.keys."""
        path = Path(capture)
        stem = path.with_suffix("") if path.suffix == ".gz" else path
        log = cls()
        for suffix in (IKE_TABLE, ESP_TABLE, JSON_KEYS, "keys"):
            candidate = stem.with_suffix("." + suffix)
            if candidate.exists():
                log.add(candidate)
        return log

    def add(self, path: str | os.PathLike[str]) -> None:
        """Read one more file or folder into this log."""
        place = Path(path)
        if not place.is_dir():
            self._read(place)
            return
        found = [entry for entry in sorted(place.iterdir()) if entry.is_file() and _reader(entry.name)]
        if not found:
            names = ", ".join(f"{name} or *.{name}" for name in (IKE_TABLE, ESP_TABLE, JSON_KEYS))
            raise CaptureError(f"{place}: no key tables in this folder; expected {names}")
        for entry in found:
            self._read(entry)

    def _read(self, path: Path) -> None:
        try:
            text = path.read_text("utf-8", errors="replace")
        except OSError as error:
            raise CaptureError(f"{path}: cannot be read: {error.strerror}") from None
        reader = _reader(path.name) or _reader_of(text)
        if reader is None:
            self.warnings.append(f"{path}: line 1: expected a row of {IKE_TABLE}, a row of {ESP_TABLE} or JSON")
            return
        try:
            for place, make in reader(text):
                try:
                    self._keep(make())
                except ConfigError as error:
                    self.warnings.append(f"{path}: {place}: {error}")
        except ConfigError as error:
            self.warnings.append(f"{path}: {error}")

    def _keep(self, keys: Iterable[IkeKeys | EspKeys]) -> None:
        for entry in keys:
            _check(entry)
            known = self.ike if isinstance(entry, IkeKeys) else self.esp
            if entry not in known:
                known.append(entry)  # type: ignore[arg-type]

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``ikev2_decryption_table``, ``esp_sa`` and ``keys.json`` into a folder, and return their paths.

        The folder is made where it is not there, its files are for their owner's eyes (mode 600). What has no name in a
        table stands in keys.json alone.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        document = {"format": FORMAT, "ike": [_to_json(k) for k in self.ike], "esp": [_to_json(k) for k in self.esp]}
        contents = {
            IKE_TABLE: "".join(row for keys in self.ike if (row := ike_row(keys))),
            ESP_TABLE: "".join(row for keys in self.esp if (row := esp_row(keys))),
            JSON_KEYS: json.dumps(document, indent=1) + "\n",
        }
        for name, text in contents.items():
            with open(place / name, "w", encoding="utf-8", newline="\n", opener=_private) as stream:
                stream.write(text)
        return [place / name for name in contents]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def ike_row(keys: IkeKeys) -> str | None:
    """The line of ``ikev2_decryption_table`` for one IKE SA, or None where the table has no name for its algorithms."""
    names = keynames.write_ike(keys.encr, keys.integ)
    if names is None:
        return None
    values = (keys.spi_i, keys.spi_r, keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar)
    spi_i, spi_r, sk_ei, sk_er, sk_ai, sk_ar = (value.hex() for value in values)
    return f'{spi_i},{spi_r},{sk_ei},{sk_er},"{names[0]}",{sk_ai},{sk_ar},"{names[1]}"\n'


def esp_row(keys: EspKeys) -> str | None:
    """The line of ``esp_sa`` for one ESP SA, or None where the table has no name for its algorithms."""
    names = keynames.write_esp(keys.encr, keys.integ, keys.unchecked_icv)
    if names is None:
        return None
    family = "IPv6" if ":" in keys.src + keys.dst else "IPv4"
    spi = "*" if keys.spi is None else f"0x{keys.spi:08x}"
    key, auth_key = (f"0x{value.hex()}" if value else "" for value in (keys.key, keys.auth_key))
    return f'"{family}","{keys.src}","{keys.dst}","{spi}","{names[0]}","{key}","{names[1]}","{auth_key}"\n'


def _check(keys: IkeKeys | EspKeys) -> None:
    """ConfigError where a key has not the length that its algorithm asks for."""
    esp = isinstance(keys, EspKeys)
    if isinstance(keys, EspKeys):
        ciphers, signers, unchecked = [keys.key], [keys.auth_key], keys.unchecked_icv
    else:
        ciphers, signers, unchecked = [keys.sk_ei, keys.sk_er], [keys.sk_ai, keys.sk_ar], 0
    suite = encryption(keys.encr.id, keys.encr.key_length, esp=esp)
    if keys.integ is None and not suite.aead and not esp:
        raise ConfigError(f"{_name(keys.encr)} needs an integrity algorithm, found none")
    wanted = 0 if suite.aead or unchecked or keys.integ is None else integrity(keys.integ.id).key_size
    for what, size, values in (("encryption", suite.key_size, ciphers), ("integrity", wanted, signers)):
        for value in values:
            if len(value) != size:
                raise ConfigError(f"the {what} key has {len(value)} octets, expected {size} ({_name(keys.encr)})")


def _name(transform: Transform) -> str:
    length = f" with a key of {transform.key_length} bits" if transform.key_length else ""
    return name_of(REGISTRIES[transform.type], transform.id) + length


# A reader yields (place in the file, function that makes the keys): what it raises concerns that place alone
Rows = Iterator[tuple[str, Callable[[], Iterable[IkeKeys | EspKeys]]]]


def _reader(name: str) -> Callable[[str], Rows] | None:
    """The format that a file's name tells: the plain names, or any name with them behind a dot."""
    readers = {IKE_TABLE: _ike_table, ESP_TABLE: _esp_table, JSON_KEYS: _json}
    return next((read for suffix, read in readers.items() if name == suffix or name.endswith("." + suffix)), None)


def _reader_of(text: str) -> Callable[[str], Rows] | None:
    """The format that a file's first line tells."""
    first = next((line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    if first.startswith("{"):
        return _json
    columns = first.replace('"', "").split(",")
    if columns[0].casefold() in ("ipv4", "ipv6"):
        return _esp_table
    return _ike_table if len(columns) == 8 and len(columns[0]) == 16 else None


def _table(text: str, columns: int, make: Callable[[list[str]], Iterable[IkeKeys | EspKeys]]) -> Rows:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue

        def row(line: str = line) -> Iterable[IkeKeys | EspKeys]:
            try:
                values = next(csv.reader([line], strict=True))
            except csv.Error as error:
                raise ConfigError(f"not a row of comma-separated values: {error}") from None
            if len(values) != columns:
                raise ConfigError(f"{len(values)} columns, expected {columns}")
            return make([value.strip() for value in values])

        yield f"line {number}", row


def _octets(text: str, what: str, count: int | None = None) -> bytes:
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        raise ConfigError(f"the {what} is not hexadecimal ({len(digits)} characters)") from None  # never the key itself
    if count is not None and len(value) != count:
        raise ConfigError(f"the {what} has {len(value)} octets, expected {count}")
    return value


def _ike_table(text: str) -> Rows:
    return _table(text, 8, _ike_keys)


def _ike_keys(row: list[str]) -> Iterable[IkeKeys]:
    encr, integ = keynames.read_ike(row[4], row[7])
    spi_i, spi_r = _octets(row[0], "initiator's SPI", 8), _octets(row[1], "responder's SPI", 8)
    sk_ei, sk_er, sk_ai, sk_ar = (
        _octets(row[column], name) for column, name in ((2, "SK_ei"), (3, "SK_er"), (5, "SK_ai"), (6, "SK_ar"))
    )
    yield IkeKeys(spi_i, spi_r, encr, integ, sk_ei, sk_er, sk_ai, sk_ar)


def _esp_table(text: str) -> Rows:
    return _table(text, 8, _esp_keys)


def _esp_keys(row: list[str]) -> Iterable[EspKeys]:
    numbers, integ, unchecked = keynames.read_esp(row[4], row[6])
    src, dst = _address(row[1]), _address(row[2])
    key, auth_key = _octets(row[5], "encryption key"), _octets(row[7], "authentication key")
    spi = _spi(row[3])
    for number in numbers:
        encr = _sized(number, key)
        yield EspKeys(spi, src, dst, encr, key, integ, b"" if unchecked else auth_key, None, unchecked)


def _address(text: str) -> str:
    if "*" in text:
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ConfigError(f"{text!r} is not an address, and has no wildcard '*'") from None


def _spi(text: str) -> int | None:
    if text.strip("*") in ("", "0x"):
        return None
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise ConfigError(f"the SPI {text!r} is not 32 bits in hexadecimal, nor '*'")
    return value


def _sized(number: int, key: bytes) -> Transform:
    """An ESP encryption transform whose key length follows from the key, which may end in a salt."""
    sizes = {}
    for bits in (None, *keynames.KEY_LENGTHS):
        try:
            sizes[encryption(number, bits, esp=True).key_size] = bits
        except ConfigError:
            continue
    if len(key) not in sizes:
        expected = ", ".join(map(str, sorted(sizes)))
        raise ConfigError(f"the encryption key has {len(key)} octets, expected one of {expected}")
    return Transform(TransformType.ENCR, number, sizes[len(key)])


def _json(text: str) -> Rows:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError("expected a JSON object")
    if "ike_sas" in document or "child_sas" in document:
        sources: tuple[tuple[str, Any], ...] = (("ike_sas", _lab_ike), ("child_sas", _lab_esp))
    elif document.get("format") == FORMAT:
        sources = (("ike", _own_ike), ("esp", _own_esp))
    else:
        raise ConfigError(f'expected "format": "{FORMAT}", or the lab\'s "ike_sas" and "child_sas"')
    for name, make in sources:
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise ConfigError(f"{name} is not a list")
        for index, entry in enumerate(entries):

            def row(entry: Any = entry, make: Any = make) -> Iterable[IkeKeys | EspKeys]:
                try:
                    return list(make(entry))
                except KeyError as missing:
                    raise ConfigError(f"the member {missing} is missing") from None
                except (TypeError, AttributeError):
                    raise ConfigError("a member has the wrong type") from None

            yield f"{name}[{index}]", row


def _lab_ike(entry: dict[str, Any]) -> Iterator[IkeKeys]:
    suite = keynames.read_proposal(entry["proposal"])
    keys = {name: _octets(value, name) for name, value in entry["keys"].items()}
    yield IkeKeys(
        _octets(entry["spi_i"], "initiator's SPI", 8),
        _octets(entry["spi_r"], "responder's SPI", 8),
        suite.encr,
        suite.integ,
        keys["SK_EI"],
        keys["SK_ER"],
        keys.get("SK_AI", b""),
        keys.get("SK_AR", b""),
        suite.prf,
        keys.get("SK_D", b""),
        keys.get("SK_PI", b""),
        keys.get("SK_PR", b""),
    )


def _lab_esp(entry: dict[str, Any]) -> Iterator[EspKeys]:
    """Both directions of a Child SA; where the entry does not tell whose key a direction has, either one is tried."""
    suite = keynames.read_proposal(entry["proposal"])
    for sa in entry["sas"]:
        for end in [sa["key"]] if "key" in sa else ["initiator", "responder"]:
            key = _octets(entry[f"encryption_{end}_key"], "encryption key") if suite.encr.id != Encr.ENCR_NULL else b""
            auth_key = _octets(entry.get(f"integrity_{end}_key", ""), "integrity key")
            src, dst = _address(sa["src"]), _address(sa["dst"])
            yield EspKeys(_spi(sa["spi"]), src, dst, suite.encr, key, suite.integ, auth_key, suite.esn)


def _to_json(keys: IkeKeys | EspKeys) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, Transform):
            return {"name": name_of(REGISTRIES[value.type], value.id), "id": value.id, "key_length": value.key_length}
        return value

    document = {name: plain(getattr(keys, name)) for name in keys.__slots__}
    if isinstance(keys, EspKeys) and keys.spi is not None:
        document["spi"] = f"{keys.spi:08x}"
    return document


def _transform(kind: TransformType, value: dict[str, Any] | None) -> Transform | None:
    if value is None:
        return None
    return Transform(kind, lookup(REGISTRIES[kind], value["id"]), _typed(value["key_length"], int, "key_length"))


def _typed(value: Any, kind: type, name: str) -> Any:
    if value is not None and type(value) is not kind:
        raise ConfigError(f"{name} is {value!r}, expected {kind.__name__} or null")
    return value


def _needed(transform: Transform | None) -> Transform:
    if transform is None:
        raise ConfigError("encr is null, expected a transform")
    return transform


def _own_ike(entry: dict[str, Any]) -> Iterator[IkeKeys]:
    secrets = ("sk_ei", "sk_er", "sk_ai", "sk_ar", "sk_d", "sk_pi", "sk_pr")
    yield IkeKeys(
        spi_i=_octets(entry["spi_i"], "spi_i", 8),
        spi_r=_octets(entry["spi_r"], "spi_r", 8),
        encr=_needed(_transform(TransformType.ENCR, entry["encr"])),
        integ=_transform(TransformType.INTEG, entry["integ"]),
        prf=_transform(TransformType.PRF, entry["prf"]),
        **{name: _octets(entry[name], name) for name in secrets},
    )


def _own_esp(entry: dict[str, Any]) -> Iterator[EspKeys]:
    yield EspKeys(
        spi=None if entry["spi"] is None else _spi(entry["spi"]),
        src=_address(entry["src"]),
        dst=_address(entry["dst"]),
        encr=_needed(_transform(TransformType.ENCR, entry["encr"])),
        key=_octets(entry["key"], "key"),
        integ=_transform(TransformType.INTEG, entry["integ"]),
        auth_key=_octets(entry["auth_key"], "auth_key"),
        esn=_typed(entry["esn"], bool, "esn"),
        unchecked_icv=_typed(entry["unchecked_icv"], int, "unchecked_icv") or 0,
    )
