# SPDX-License-Identifier: GPL-2.0-or-later
"""The transforms that IKE negotiates, and their keywords in proposals (RFC 7296 section 3.3.2).

To add a transform, write a class with the decorator :func:`register`. No other code changes.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, IanaRegistry, Integ, KeMethod, KeyWrap, Prf, SequenceNumbers, TransformType, name_of

REGISTRIES: dict[int, type[IanaRegistry]] = {  # transform type -> registry of its transform IDs
    TransformType.ENCR: Encr,
    TransformType.PRF: Prf,
    TransformType.INTEG: Integ,
    TransformType.KE: KeMethod,
    TransformType.SN: SequenceNumbers,
    **dict.fromkeys(range(TransformType.ADDKE1, TransformType.ADDKE7 + 1), KeMethod),
    TransformType.KWA: KeyWrap,
}


@dataclass(frozen=True, slots=True)
class Transform:
    """A transform as negotiated: type, ID, and the Key Length attribute in bits, if any."""

    type: TransformType
    id: int
    key_length: int | None = None


class Algorithm:
    """The base class of all transforms.

    ``keywords`` are strongSwan's keywords; we print the first one. ``{}`` is replaced by the key length in bits, one of
    ``key_lengths``. An algorithm without ``key_lengths`` has no Key Length attribute. ``legacy`` marks algorithms that
    RFC 8221 and RFC 8247 advise against.
    """

    type: ClassVar[TransformType]
    id: ClassVar[int]
    name: ClassVar[str]
    keywords: ClassVar[tuple[str, ...]] = ()
    key_lengths: ClassVar[tuple[int, ...]] = ()
    legacy: ClassVar[bool] = False


A = TypeVar("A", bound=Algorithm)

_BY_NUMBER: dict[tuple[int, int], type[Algorithm]] = {}


def register(algorithm: type[A]) -> type[A]:
    """Class decorator: register a transform under its type, its ID and its keywords."""
    algorithm.name = name_of(REGISTRIES[algorithm.type], algorithm.id)
    _BY_NUMBER[algorithm.type, algorithm.id] = algorithm
    return algorithm


def find(family: type[A], number: int) -> type[A]:
    """The class of a transform ID in ``family`` (its base class). Raises ConfigError if it is not implemented."""
    algorithm = _BY_NUMBER.get((family.type, number))
    if algorithm is None or not issubclass(algorithm, family):
        raise ConfigError(f"{family.type.name} {name_of(REGISTRIES[family.type], number)} is not implemented")
    return algorithm


@register
class NoEsn(Algorithm):
    """32-bit sequence numbers (RFC 4303 section 2.2)."""

    type = TransformType.SN
    id = SequenceNumbers.NO_ESN
    keywords = ("noesn",)


@register
class Esn(Algorithm):
    """64-bit sequence numbers, of which 32 bits are sent (RFC 4303 section 2.2.1)."""

    type = TransformType.SN
    id = SequenceNumbers.ESN
    keywords = ("esn",)


@functools.cache
def _keywords() -> dict[str, Transform]:
    for family in ("encr", "integ", "prf", "ke"):  # importing each registers its classes; they import this module
        importlib.import_module(f"{__package__}.{family}")
    return {
        word.format(length): Transform(algorithm.type, int(algorithm.id), length)
        for algorithm in _BY_NUMBER.values()
        for word in algorithm.keywords
        for length in algorithm.key_lengths or (None,)
    }


@functools.cache
def _words() -> dict[Transform, str]:
    return {transform: word for word, transform in reversed(_keywords().items())}


def keyword(word: str) -> tuple[Transform, ...]:
    """The transform of a keyword in a proposal. Raises ConfigError for an unknown one, with the nearest keywords.

    >>> keyword("aes128gcm16")
    (Transform(type=<TransformType.ENCR: 1>, id=20, key_length=128),)
    """
    transform = _keywords().get(word.strip().lower())
    if transform is None:
        near = difflib.get_close_matches(word.lower(), _keywords(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"{word!r} is not a known algorithm{hint}")
    return (transform,)


def keyword_of(transform: Transform) -> str:
    """The keyword of a transform, or IANA's name and the key length if it has none.

    >>> keyword_of(Transform(TransformType.ENCR, 20, 128))
    'aes128gcm16'
    """
    word = _words().get(transform)
    if word is not None:
        return word
    registry = REGISTRIES.get(transform.type)
    name = name_of(registry, transform.id) if registry else f"UNKNOWN-{transform.type}-{transform.id}"
    return name if transform.key_length is None else f"{name}_{transform.key_length}"
