# SPDX-License-Identifier: GPL-2.0-or-later
"""The transforms that IKE negotiates, and their keywords in proposals (RFC 7296 section 3.3.2).

To add a transform, write a class with the decorator :func:`register`. No other code changes.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

from fynx_scapy import private_use
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import (
    Encr,
    IanaRegistry,
    Integ,
    KeMethod,
    KeyWrap,
    Prf,
    SequenceNumbers,
    TransformType,
    name_of,
    private_names,
)

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
    ``key_lengths``; ``short`` means the first of these. An algorithm without ``key_lengths`` has no Key Length
    attribute. ``legacy`` marks what RFC 8221, RFC 8247 or RFC 9395 forbid or replace, and truncations that no RFC has:
    no default proposal has any of these.
    """

    type: ClassVar[TransformType]
    id: ClassVar[int]
    name: ClassVar[str]
    keywords: ClassVar[tuple[str, ...]] = ()
    short: ClassVar[tuple[str, ...]] = ()
    key_lengths: ClassVar[tuple[int, ...]] = ()
    legacy: ClassVar[bool] = False


class _Named(NamedTuple):
    type: TransformType
    id: int
    keyword: str
    key_lengths: tuple[int | None, ...] = (None,)
    short: str = ""


NAMED_ONLY = (  # what no library that we use has: a proposal can offer it, so that a test sees it refused
    _Named(TransformType.ENCR, Encr.ENCR_DES_IV64, "des_iv64"),
    _Named(TransformType.ENCR, Encr.ENCR_DES_IV32, "des_iv32"),
    _Named(TransformType.ENCR, Encr.ENCR_RC5, "rc5_{}", (128,), "rc5"),
    _Named(TransformType.ENCR, Encr.ENCR_3IDEA, "3idea"),
    _Named(TransformType.ENCR, private_use.Encr.ENCR_SERPENT_CBC, "serpent{}", (128, 192, 256), "serpent"),
    _Named(TransformType.ENCR, private_use.Encr.ENCR_TWOFISH_CBC, "twofish{}", (128, 192, 256), "twofish"),
    _Named(TransformType.PRF, Prf.PRF_HMAC_TIGER, "prftiger"),
    _Named(TransformType.INTEG, Integ.AUTH_DES_MAC, "desmac"),
    _Named(TransformType.INTEG, Integ.AUTH_KPDK_MD5, "kpdkmd5"),
    _Named(TransformType.KE, private_use.KeMethod.NTRU_112, "ntru112"),
    _Named(TransformType.KE, private_use.KeMethod.NTRU_128, "ntru128"),
    _Named(TransformType.KE, private_use.KeMethod.NTRU_192, "ntru192"),
    _Named(TransformType.KE, private_use.KeMethod.NTRU_256, "ntru256"),
    _Named(TransformType.KE, private_use.KeMethod.SNTRUP761X25519, "sntrup761x25519"),
    _Named(TransformType.KE, private_use.KeMethod.NEWHOPE_128, "newhope128"),
)

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
        raise ConfigError(missing(family.type, number))
    return algorithm


def missing(kind: TransformType, number: int) -> str:
    """Why we cannot use a transform that has no class."""
    named = any((row.type, row.id) == (kind, number) for row in NAMED_ONLY)
    why = ": no library that we use has it. It can be offered, but not used" if named else ""
    return f"{kind.name} {name_of(REGISTRIES[kind], number)} is not implemented{why}"


def implemented(transform: Transform) -> bool:
    """Whether there is a class for a transform. Any other can be offered, but not used."""
    _load()
    return (transform.type, transform.id) in _BY_NUMBER


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
def _load() -> None:
    """Import each family, which registers its classes; they import this module."""
    for family in ("encr", "integ", "prf", "ke"):
        importlib.import_module(f"{__package__}.{family}")


@functools.cache
def _keywords() -> dict[str, Transform]:
    _load()
    words = {
        word.format(length): Transform(algorithm.type, int(algorithm.id), length)
        for algorithm in _BY_NUMBER.values()
        for word in algorithm.keywords
        for length in algorithm.key_lengths or (None,)
    }
    for row in NAMED_ONLY:
        words |= {row.keyword.format(length): Transform(row.type, int(row.id), length) for length in row.key_lengths}
    return words


@functools.cache
def _other_words() -> dict[str, Transform]:
    """Short forms ("aes" is aes128), and the names of transforms that are in a registry only."""
    _load()
    words = {
        word: Transform(algorithm.type, int(algorithm.id), algorithm.key_lengths[0])
        for algorithm in _BY_NUMBER.values()
        for word in algorithm.short
    }
    words |= {row.short: Transform(row.type, int(row.id), row.key_lengths[0]) for row in NAMED_ONLY if row.short}
    for kind in (TransformType.ENCR, TransformType.PRF, TransformType.INTEG, TransformType.KE):
        for number, name in {**{int(m): m.name for m in REGISTRIES[kind]}, **private_names(REGISTRIES[kind])}.items():
            words.setdefault(name.lower(), Transform(kind, number))
    return words


@functools.cache
def _words() -> dict[Transform, str]:
    return {transform: word for word, transform in reversed(_keywords().items())}


def keyword(word: str) -> tuple[Transform, ...]:
    """The transform of a keyword in a proposal, or of a name in a registry (``encr_rc5_128``).

    Raises ConfigError for an unknown one, with the nearest keywords.

    >>> keyword("aes128gcm16")
    (Transform(type=<TransformType.ENCR: 1>, id=20, key_length=128),)
    """
    plain = word.strip().lower()
    transform = _keywords().get(plain) or _other_words().get(plain)
    name, _, digits = plain.rpartition("_")
    if transform is None and digits.isdecimal() and name in _other_words():
        transform = dataclasses.replace(_other_words()[name], key_length=int(digits[:5]))  # as keyword_of writes it
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
