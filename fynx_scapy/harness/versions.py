# SPDX-License-Identifier: GPL-2.0-or-later
"""Versions of peers, and ranges of them: ``5.9.8``, ``>=5.9.8,<6.0``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

Version = tuple[int, ...]

_TERM = re.compile(r"(==|>=|<=|>|<)?\s*(\d{1,9}(?:\.\d{1,9}){0,7})")
_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def parsed(version: str) -> Version:
    """The leading numbers of a version, for comparison: ``6.0.1-6+deb13u7`` is (6, 0, 1), no number is ()."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def within(version: Version, text: str) -> bool:
    """Whether a version lies in a range, as `read_range` accepts it. Every version lies in the empty range.

    ``5.9`` has every version that begins with 5.9. With ``<`` and the like, missing numbers count as 0.
    """
    return all(_holds(version, *_term(term)) for term in text.split(",") if term.strip())


def read_range(value: Any) -> Any:
    """Check a range and return it. ConfigError for what is none."""
    if isinstance(value, str) and value:
        for term in value.split(","):
            _term(term)
    return value


def _term(text: str) -> tuple[str, Version]:
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"expected versions such as '5.9.8' or '>=5.9.8,<6.0', found {printable(repr(text), 60)}")
    return found[1] or "==", parsed(found[2])


def _holds(version: Version, comparison: str, bound: Version) -> bool:
    if comparison == "==":
        return version[: len(bound)] == bound
    length = max(len(version), len(bound))
    return _COMPARISONS[comparison](_padded(version, length), _padded(bound, length))


def _padded(version: Version, length: int) -> Version:
    return version + (0,) * (length - len(version))
