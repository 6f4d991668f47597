# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations that check themselves: each setting declares its default and the check that a value must pass.

>>> @dataclass(frozen=True, slots=True, kw_only=True)
... class Oven(Checked):
...     degrees: float = setting(180.0, number(50, 250, "degrees"))
...     grill: bool = setting(False, flag())
>>> Oven(degrees=-1)
ConfigError: expected Oven.degrees to be a number of degrees from 50 to 250, found -1
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

Read = Callable[[Any], Any]

CENTURY = 100 * 365 * 86400.0
"""The longest time that a setting accepts, in seconds. More is a mistake, and the limit keeps sums of times finite."""

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Check:
    """A check of one value."""

    wanted: str
    """What the value must be, in words, for error texts."""
    accepts: Callable[[Any], bool]
    """Whether a value passes."""
    hidden: bool = False
    """Whether the value is kept out of error texts, because it may be a key."""
    item: Check | None = None
    """The check of each item, for a tuple or a mapping."""
    of: type | None = None
    """The class of the value, where the check asks for one."""
    file: bool = False
    """Whether text names a file. In a configuration file it is relative to that one."""

    def fault(self, name: str, value: object) -> str:
        """The error text for a value that does not pass. For a tuple it names the first wrong item, if there is one."""
        if self.item is not None and isinstance(value, tuple):
            for number, item in enumerate(value):
                if not self.item.accepts(item):
                    return self.item.fault(f"{name}[{number}]", item)
        return f"expected {name} to be {self.wanted}, found {shown(value, self.hidden)}"


def flag() -> Check:
    """True or False, and nothing else that Python treats as true or false."""
    return Check("True or False", lambda value: isinstance(value, bool))


def whole(low: int, high: int, unit: str = "") -> Check:
    """A whole number of ``unit`` from ``low`` to ``high``, both included."""
    return Check(
        f"a whole number{_of(unit)} from {low} to {high}", lambda value: _is_whole(value) and low <= value <= high
    )


def number(low: float, high: float, unit: str = "") -> Check:
    """A finite number of ``unit`` from ``low`` to ``high``, both included."""
    return Check(f"a number{_of(unit)} from {low:g} to {high:g}", lambda v: _is_number(v) and low <= v <= high)


def seconds(*, zero: bool = False, most: float = CENTURY) -> Check:
    """A time in seconds, up to ``most``; 0 only with ``zero``."""
    wanted = f"a number of seconds, {'0 or more' if zero else 'more than 0'}, up to {most:.10g}"
    return Check(wanted, lambda value: _is_number(value) and (value >= 0 if zero else value > 0) and value <= most)


def udp_port() -> Check:
    """A UDP port."""
    return whole(1, 65535)


def one_of(*names: str) -> Check:
    """One of these words."""
    return Check(_words([repr(name) for name in names]), lambda value: isinstance(value, str) and value in names)


def text(*, empty: bool = False) -> Check:
    """Text; the empty string only with ``empty``."""
    return Check("text" if empty else "text that is not empty", lambda v: isinstance(v, str) and (empty or bool(v)))


def octets(low: int, high: int, *, hidden: bool = True) -> Check:
    """Bytes of ``low`` to ``high`` octets: with ``hidden`` a secret."""
    wanted = f"bytes, {low} to {high} octets"
    return Check(wanted, lambda value: isinstance(value, bytes) and low <= len(value) <= high, hidden)


SECRET = Check("text or bytes that are not empty", lambda value: isinstance(value, str | bytes) and bool(value), True)
"""A key as a user writes it."""


def kind(cls: type, *, hidden: bool = False) -> Check:
    """An instance of a class."""
    return Check(_a(cls.__name__), lambda value: isinstance(value, cls), hidden, of=cls)


def optional(check: Check) -> Check:
    """None, or a value that passes ``check``."""
    return Check(
        f"{check.wanted}, or None",
        lambda v: v is None or check.accepts(v),
        check.hidden,
        check.item,
        check.of,
        check.file,
    )


def several(check: Check, low: int = 0, high: int = 4096) -> Check:
    """A tuple of ``low`` to ``high`` items, each of which passes ``check``."""
    wanted = f"a tuple of {low} to {high} items, each {check.wanted}"
    return Check(
        wanted,
        lambda value: isinstance(value, tuple) and low <= len(value) <= high and all(map(check.accepts, value)),
        check.hidden,
        check,
        file=check.file,
    )


def named(check: Check) -> Check:
    """A mapping from names to values, each of which passes ``check``."""
    return Check(
        f"a mapping from names, each to {check.wanted}",
        lambda v: isinstance(v, Mapping) and all(isinstance(k, str) and k and check.accepts(v[k]) for k in v),
        check.hidden,
        check,
        Mapping,
    )


def pair(first: Check, second: Check) -> Check:
    """A tuple of two values, each with its own check."""
    return Check(
        f"a pair of {first.wanted} and {second.wanted}",
        lambda v: isinstance(v, tuple) and len(v) == 2 and first.accepts(v[0]) and second.accepts(v[1]),
        first.hidden or second.hidden,
    )


def setting(default: Any, check: Check, *, read: Read | None = None, repr: bool = True, key: str = "") -> Any:
    """A field of a `Checked` class, with its default and its check.

    ``read`` converts what a user writes before the check; it raises ConfigError for what it cannot read. ``repr`` is
    that of dataclasses.field. ``key`` is the name of the setting in a file, if it is not that of the field.
    """
    return dataclasses.field(default=default, repr=repr, metadata={"check": check, "read": read, "key": key})


def required(check: Check, *, read: Read | None = None, repr: bool = True, key: str = "") -> Any:
    """A field like `setting`, but without a default."""
    return dataclasses.field(repr=repr, metadata={"check": check, "read": read, "key": key})


class Checked:
    """A mixin for dataclasses that check themselves when they are made. ``replace`` makes a changed copy."""

    __slots__ = ()

    if not TYPE_CHECKING:  # each class declares the arguments of its own replace()

        def replace(self, **changes: Any) -> Self:
            """A copy with some fields changed, checked in the same way. ConfigError for a value that does not pass."""
            known = [field.name for field in dataclasses.fields(self)]
            for name in changes.keys() - set(known):
                raise ConfigError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(sorted(known))}")
            return dataclasses.replace(self, **changes)

    def __post_init__(self) -> None:
        cls: Any = type(self)
        for known in settings_of(cls):
            value = getattr(self, known.name)
            if value is known.ready:
                continue
            if value is known.default:  # the default was read and checked when the class was first used
                self._set(known.name, known.ready)
                continue
            checked = known.checked(value)
            if checked is not value:
                self._set(known.name, checked)
        self._check_together()

    def _check_together(self) -> None:
        """Check settings that depend on each other; ConfigError."""

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def check_setting(config: Checked, name: str, value: object) -> None:
    """Check a new value of one setting; ConfigError."""
    cls: Any = type(config)
    for known in settings_of(cls):
        if known.name == name:
            known.checked(value)


def check_values(owner: str, checks: Mapping[str, Check], **values: object) -> None:
    """Check the arguments of a call; ConfigError, which names ``owner`` and the argument."""
    for name, value in values.items():
        if not checks[name].accepts(value):
            raise ConfigError(checks[name].fault(f"{owner}.{name}", value))


class Setting:
    """One setting of a class, with its default read and checked."""

    __slots__ = ("check", "default", "key", "name", "owner", "read", "ready")

    def __init__(self, owner: str, field: dataclasses.Field[Any]) -> None:
        self.owner, self.name = owner, field.name
        self.check: Check = field.metadata["check"]
        self.read: Read | None = field.metadata["read"]
        self.key: str = field.metadata["key"] or field.name
        self.default = field.default
        self.ready = self.checked(field.default) if self.has_default else dataclasses.MISSING

    @property
    def has_default(self) -> bool:
        """Whether the setting may be left out."""
        return self.default is not dataclasses.MISSING

    def checked(self, value: Any, name: str = "") -> Any:
        """A value after reading and checking it; ConfigError, which calls the setting ``name`` if that is given."""
        name = name or f"{self.owner}.{self.name}"
        if self.read is not None:
            try:
                value = self.read(value)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        if not self.check.accepts(value):
            raise ConfigError(self.check.fault(name, value))
        return value


@functools.cache
def settings_of(cls: Any) -> tuple[Setting, ...]:
    """The settings of a `Checked` class, in the order of its fields."""
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)
    return tuple(Setting(cls.__name__, field) for field in fields if "check" in field.metadata)


def read_secret(value: object, name: str) -> bytes:
    """The octets of a secret: bytes, text in UTF-8, or hex digits after ``0x``. ConfigError, which does not show it."""
    if isinstance(value, str):
        try:
            value = bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode()
        except ValueError:
            raise ConfigError(f"expected hex digits after 0x in {name}") from None
    if not isinstance(value, bytes | bytearray):
        raise ConfigError(f"expected text or bytes for {name}, found {shown(value, hidden=True)}")
    return bytes(value)


def secret_in_file(octets: bytes, name: str) -> bytes:
    """The secret that a file has: its octets or, in ASCII, the hex digits after ``0x``. ConfigError, without it."""
    if not (octets.startswith(b"0x") and octets.isascii()):
        return octets
    secret = read_secret(octets.decode(), name)
    if not secret:
        raise ConfigError(f"expected hex digits after 0x in {name}, found none")
    return secret


def only_line(octets: bytes, what: str, name: str) -> bytes:
    """The one line of a file with a secret, without its end; octets that are no text may be any. ConfigError.

    The mark that some editors put before text in UTF-8 is no part of it.
    """
    line = octets.removesuffix(b"\n").removesuffix(b"\r")
    if line.startswith(BOM_UTF8) and _is_utf8(line):
        line = line.removeprefix(BOM_UTF8)
    if not line:
        raise ConfigError(f"{name}: expected {what}, but the file is empty")
    if (lines := len(re.split(b"\r\n|\n|\r", line))) > 1 and _is_utf8(line):
        raise ConfigError(f"{name}: expected {what} on one line, found {lines} lines")
    return line


def as_tuple(value: Any, *single: type, hidden: bool = False) -> tuple[Any, ...]:
    """A tuple from what a user writes: one item of the types ``single``, or a collection. ConfigError otherwise."""
    if isinstance(value, single):
        return (value,)
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        wanted = _words([*(_a(item.__name__) for item in single), "a sequence"])
        raise ConfigError(f"expected {wanted}, found {shown(value, hidden)}")
    return tuple(value)


def shown(value: object, hidden: bool = False) -> str:
    """A value as error texts show it: short, printable, and without octets, which may be a key."""
    if hidden or not isinstance(value, str | int | float | None):
        if isinstance(value, bytes | str):
            return f"{'bytes' if isinstance(value, bytes) else 'text'} of length {len(value)}"
        return f"{_a(type(value).__name__)} of {len(value)}" if isinstance(value, tuple) else _a(type(value).__name__)
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a whole number of {value.bit_length()} bits"
    return printable(repr(value), _SHOWN)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _of(unit: str) -> str:
    return f" of {unit}" if unit else ""


def _a(name: str) -> str:
    return f"an {name}" if name[:1].upper() in "AEIOU" else f"a {name}"


def _words(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
