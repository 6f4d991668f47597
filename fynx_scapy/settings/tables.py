# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of a file to configurations: any `Checked` class, by its own settings and their own checks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fynx_scapy.checks import Check, Checked, Setting, read_secret, settings_of
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.certificates import Certificate
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.rounds import LEAST, MOST, Rounds
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings import positions
from fynx_scapy.settings.places import PLACES, Place
from fynx_scapy.settings.source import exposed, read_secret_file, readable_by_all
from fynx_scapy.text import LONGEST, printable

SECRET_FILE = "_file"
"""What is put behind the key of a secret, to name the file that holds it."""
ROUND_ID = "id"
"""The key of the identity of one round of several."""

C = TypeVar("C", bound=Checked)

# What Python and TOML call the same thing.
_WORDS = {
    "True or False": "true or false",
    "text or bytes": "text",
    "bytes, ": "text, ",
    ", or None": ", or false",
    "a tuple of": "an array of",
    "a mapping from names": "a table with a key for each",
    "a dict": "a table",
}


def in_toml(text: str) -> str:
    """What a check says of a value, in the words of TOML."""
    for python, toml in _WORDS.items():
        text = text.replace(python, toml)
    return text


class Reader:
    """Makes configurations of the tables of one file. Errors name the file, the line and the key."""

    def __init__(self, path: Path, lines: Mapping[positions.Path, int]) -> None:
        self.path = path
        self.exposed: set[Path] = set()
        """The files with a secret that every user of this machine may read."""
        self._lines = lines

    def warnings(self) -> tuple[str, ...]:
        """A line for each file with a secret that everybody may read."""
        return tuple(exposed(path) for path in sorted(self.exposed))

    def read(self, cls: type[C], table: object, at: positions.Path = (), *, also: tuple[str, ...] = ()) -> C:
        """A configuration of this class. ConfigError for an unknown key, and for a value that does not pass.

        Errors name the keys in ``also`` too, which the caller has read.
        """
        if not isinstance(table, dict):
            raise self.fault(at, f"expected {_dotted(at)} to be a table, found {_kind(table)}")
        kind: Any = cls
        known = {key: setting for setting in settings_of(kind) for key in keys_of(setting)}
        values: dict[str, Any] = {}
        for key, value in table.items():
            setting = known.get(key)
            if setting is None:
                raise self.fault((*at, key), f"unknown key {_shown((*at, key))}; {_meant(key, (*known, *also))}")
            if setting.name in values:
                raise self.fault((*at, key), f"expected {_either(setting)}, found {'both' if _two(setting) else 'two'}")
            if key != setting.key or _is_secret(setting.check, value):
                if isinstance(value, list) and setting.check.item is None:
                    raise self.fault((*at, key), f"expected {_dotted((*at, key))} to be text, found {_kind(value)}")
                read = self._named_secrets if setting.check.of is Mapping else self._secrets
                value = read(value, (*at, key), key.endswith(SECRET_FILE))
            values[setting.name] = self._value(setting, value, (*at, key))
        for setting in known.values():
            if not setting.has_default and setting.name not in values:
                found = "neither" if _two(setting) else "none"
                raise self.fault(at, f"expected {_either(setting)} in {_dotted(at)}, found {found}")
        try:
            return cls(**values)
        except ConfigError as error:
            raise self.fault(at, str(error)) from None

    def fault(self, at: positions.Path, text: str) -> ConfigError:
        """The error about what stands there."""
        while at and at not in self._lines:  # what was not written by that name stands in what was
            at = at[:-1]
        where = f": line {self._lines[at]}" if at in self._lines else ""
        return ConfigError(f"{self.path}{where}: {in_toml(text)}")

    def _value(self, setting: Setting, value: object, at: positions.Path) -> Any:
        check = setting.check
        if value is False and check.accepts(None):
            return None
        if check.of is Mapping and not check.hidden:
            if not isinstance(value, dict):
                raise self.fault(at, f"expected {_dotted(at)} to be a table of tables, found {_kind(value)}")
            return {name: self._item(check.item, item, (*at, name)) for name, item in value.items()}
        if check.item is not None and _table(check.item) and isinstance(value, list):
            return tuple(self._item(check.item, item, (*at, index)) for index, item in enumerate(value))
        if _table(check) or (check.item is not None and _table(check.item)):
            return self._item(check if _table(check) else check.item, value, at)
        if check.of is Credential and not isinstance(value, bytes):
            return self._credentials(PLACES[setting.name], value, at)
        if check.file:
            value = self._files(value, at)
        try:
            return setting.checked(_tuples(value), _dotted(at))
        except ConfigError as error:
            raise self.fault(at, str(error)) from None

    def _item(self, check: Check | None, value: object, at: positions.Path) -> Any:
        assert check is not None
        assert check.of is not None
        if isinstance(value, str | list) and (alone := file_alone(check.of)):
            value = {alone: value}
        return self.read(check.of, value, at)

    def _credentials(self, place: Place, value: object, at: positions.Path) -> Any:
        """A credential; several certificates of ours, of which one is chosen; or rounds of anything else (RFC 4739).

        Certificates are rounds, too, where one of them says its identity.
        """
        if isinstance(value, list) and value:
            if len(value) == 1:
                return (self._alone(place, value[0], at),)
            found = [self._round(place, item, (*at, index)) for index, item in enumerate(value)]
            credentials = tuple(credential for credential, _ in found)
            if all(isinstance(each, Certificate) and who is None for each, who in found):
                return credentials
            try:
                return Rounds(*(credential if who is None else (credential, who) for credential, who in found))
            except ConfigError as error:
                raise self.fault(at, f"{_dotted(at)}: {error}") from None
        return self._credential(place, value, at)

    def _alone(self, place: Place, value: object, at: positions.Path) -> Credential:
        """The only credential of an array: a certificate. ConfigError for another one: there is no single round."""
        found = self._credential(place, value, (*at, 0))
        if not isinstance(found, Certificate):
            wanted = f"a table, or an array of {LEAST} to {MOST} for several rounds of authentication (RFC 4739)"
            found_one = "found an array of 1: write the table without the brackets"
            raise self.fault(at, f"expected {_dotted(at)} to be {wanted}, {found_one}")
        return found

    def _round(self, place: Place, value: object, at: positions.Path) -> tuple[Credential, Identity | None]:
        """The credential of one round, and its identity where it has one of its own (RFC 4739 section 2.1)."""
        if not isinstance(value, dict) or ROUND_ID not in value:
            return self._credential(place, value, at, also=(ROUND_ID,)), None
        try:
            who = Identity.of(value[ROUND_ID])
        except ConfigError as error:
            raise self.fault((*at, ROUND_ID), f"{_dotted((*at, ROUND_ID))}: {error}") from None
        table = {key: each for key, each in value.items() if key != ROUND_ID}
        return self._credential(place, table, at, also=(ROUND_ID,)), who

    def _credential(self, place: Place, value: object, at: positions.Path, *, also: tuple[str, ...] = ()) -> Credential:
        if not isinstance(value, dict):
            wanted = f"a table such as {place.example}"
            raise self.fault(at, f"expected {_dotted(at)} to be {wanted}, found {_kind(value)}")
        if ROUND_ID in value:
            why = f"one of several rounds has an {ROUND_ID}: write {place.identity} in its place"
            raise self.fault((*at, ROUND_ID), f"{_dotted((*at, ROUND_ID))}: {why}")
        table = self.read(self._kind_of_credential(place, value, at), value, at, also=also)
        self.exposed |= {path for name in table.secret_files() if readable_by_all(path := Path(name))}
        try:
            credential: Credential = table.credential()
        except ConfigError as error:
            raise self.fault(at, f"{_dotted(at)}: {error}") from None
        return credential

    def _kind_of_credential(self, place: Place, table: Mapping[str, object], at: positions.Path) -> Any:
        """The class of a table, which one of its keys says."""
        found = {key: kind for key in table if (kind := place.kinds.get(key.removesuffix(SECRET_FILE)))}
        if not found and place.otherwise is not None:
            return place.otherwise
        if not found:
            kinds: tuple[Any, ...] = place.tables
            known = {key for kind in kinds for setting in settings_of(kind) for key in keys_of(setting)}
            if wrong := next((key for key in table if key not in known), None):
                raise self.fault((*at, wrong), f"unknown key {_shown((*at, wrong))}; {_meant(wrong, known)}")
            raise self.fault(at, f"expected one of {', '.join(place.kinds)} in {_dotted(at)}, found none")
        for key, kind in found.items():
            if isinstance(kind, Mapping):
                return self._named_kind(kind, table.get(key), (*at, key))
        first, *_ = found
        if other := next((key for key, kind in found.items() if kind is not found[first]), None):
            raise self.fault(
                (*at, other), f"expected one kind of credential in {_dotted(at)}, found {first} and {other}"
            )
        return found[first]

    def _named_kind(self, kinds: Mapping[str, Any], value: object, at: positions.Path) -> Any:
        """The class of a table, which the value of one of its keys says: a name of ``kinds``, or several for one."""
        names: list[Any] = value if isinstance(value, list) and value else [value]
        for name in names:
            if not isinstance(name, str):
                raise self.fault(at, f"expected {_dotted(at)} to be {_words(kinds)}, found {_kind(name)}")
            if name not in kinds:
                near = difflib.get_close_matches(name, kinds, 1)
                found = f"{printable(name, LONGEST)!r}{f'; did you mean {near[0]!r}?' if near else ''}"
                raise self.fault(at, f"expected {_dotted(at)} to be {_words(kinds)}, found {found}")
        first, *more = dict.fromkeys(kinds[name] for name in names)
        if more:
            raise self.fault(at, f"expected methods that go together in {_dotted(at)}, found {_words(names, 'and')}")
        return first

    def _files(self, value: object, at: positions.Path) -> object:
        """The name of a file, or several, from the folder of the file that has them."""
        if isinstance(value, list):
            return [self._files(item, (*at, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or not value or any(sign in value for sign in "\0\n"):
            raise self.fault(at, f"expected {_dotted(at)} to be the name of a file, found {_kind(value)}")
        return str(self.path.parent / value)

    def _secrets(self, value: object, at: positions.Path, in_file: bool) -> Any:
        """The octets of a secret, or of several: as text, or as the names of files that hold them."""
        if isinstance(value, list):
            return tuple(self._secrets(item, at, in_file) for item in value)
        if not in_file:
            if readable_by_all(self.path):
                self.exposed.add(self.path)
            if not isinstance(value, str):
                raise self.fault(at, f"expected {_dotted(at)} to be text, found {_kind(value)}")
        elif not isinstance(value, str) or not value or "\0" in value:
            raise self.fault(at, f"expected {_dotted(at)} to be the name of a file, found {_kind(value)}")
        try:
            if not in_file:
                return read_secret(value, _dotted(at))
            path = self.path.parent / value
            if readable_by_all(path):
                self.exposed.add(path)
            return read_secret_file(path)
        except ConfigError as error:
            raise self.fault(at, str(error)) from None

    def _named_secrets(self, value: object, at: positions.Path, in_file: bool) -> Any:
        """The octets of secrets with names."""
        if not isinstance(value, dict) or not value:
            found = "an empty one" if isinstance(value, dict) else _kind(value)
            raise self.fault(at, f"expected {_dotted(at)} to be a table from names to secrets, found {found}")
        return {name: self._secrets(secret, (*at, name), in_file) for name, secret in value.items()}


def keys_of(setting: Setting) -> tuple[str, ...]:
    """The keys by which a table may have a setting: its own one, and those for a secret, also in a file of its own."""
    place = PLACES.get(setting.name) if setting.check.of is Credential else None
    if place is not None:
        return (place.short, place.short + SECRET_FILE, setting.key) if place.short else (setting.key,)
    secret = (
        setting.check.hidden
        and setting.check.of is not Mapping
        and not (setting.check.item is not None and _table(setting.check.item))
    )
    return (setting.key, setting.key + SECRET_FILE) if secret else (setting.key,)


def file_alone(cls: Any) -> str:
    """The key of a table that may be written as the name of a file: its only needed one. Empty if there is no such."""
    needed = [one for one in settings_of(cls) if not one.has_default] if issubclass(cls, Checked) else []
    return needed[0].key if len(needed) == 1 and needed[0].check.file else ""


def _either(setting: Setting) -> str:
    *first, last = keys_of(setting)
    return f"{', '.join(first)} or {last}" if first else last


def _two(setting: Setting) -> bool:
    return len(keys_of(setting)) == 2


def _is_secret(check: Check, value: object) -> bool:
    """Whether a value is a secret itself: not false for none, nor a table that has one."""
    absent = value is False and check.accepts(None)
    return (
        check.hidden
        and check.of is not Credential
        and not absent
        and not (check.item is not None and _table(check.item))
    )


def _table(check: Check) -> bool:
    return check.of is not None and issubclass(check.of, Checked)


def _tuples(value: object) -> Any:
    """An array as the tuple that configurations hold, at every depth."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _kind(value: object) -> str:
    """What a value is, without the value, which may be a secret in the wrong place."""
    names = {dict: "a table", list: "an array", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "a date or time")


def _dotted(at: positions.Path) -> str:
    words = (f"[{part}]" if isinstance(part, int) else f".{printable(part, LONGEST)}" for part in at)
    return "".join(words).removeprefix(".") or "the file"


def _shown(at: positions.Path) -> str:
    return repr(_dotted(at))


def _words(names: Iterable[str], before_last: str = "or") -> str:
    *first, last = map(repr, names)
    return f"{', '.join(first)} {before_last} {last}" if first else last


def _meant(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"the keys here are {', '.join(sorted(known))}"
