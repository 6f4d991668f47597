# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures that we make in AUTH: which scheme fits a key and the peer, and its data (RFC 7427 sections 3 and 4).

ECDSA signatures are deterministic (RFC 6979) where the library can make them, so that a seed reproduces a run. Those of
RSASSA-PSS and ML-DSA have randomness of the library's own.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from fynx_scapy.crypto.families import Ecdsa, Key, key_kind, public_half
from fynx_scapy.crypto.schemes import DIGITAL, RSA, SCHEMES, Scheme, identified
from fynx_scapy.crypto.signatures import Signed, describe, verified
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import HashAlgorithm, name_of

__all__ = [
    "SCHEMES",
    "Key",
    "Scheme",
    "Signed",
    "choose",
    "describe",
    "fits",
    "fitting",
    "identified",
    "key_kind",
    "read_schemes",
    "sign",
    "verified",
]  # fmt: skip

_STRONGEST = {"P-384": "sha384", "P-521": "sha512", "brainpoolP384r1": "sha384", "brainpoolP512r1": "sha512"}
"""The hash as strong as a curve, where that is not SHA-256 (RFC 5480 section 4, RFC 6954 section 3)."""


def read_schemes(names: str | Scheme | Iterable[str | Scheme]) -> tuple[Scheme, ...]:
    """Schemes by their names. ConfigError for a name that there is not, with the nearest one.

    >>> [scheme.title for scheme in read_schemes(["ed25519", "rsa-pss-sha256"])]
    ['Ed25519', 'RSASSA-PSS SHA-256']
    """
    found = []
    for name in (names,) if isinstance(names, str | Scheme) else names:
        if isinstance(name, Scheme):
            found.append(name)
        elif isinstance(name, str) and name in SCHEMES:
            found.append(SCHEMES[name])
        else:
            near = difflib.get_close_matches(name, SCHEMES, 1) if isinstance(name, str) else []
            hint = f"; did you mean {near[0]!r}?" if near else f": it is one of {', '.join(SCHEMES)}"
            raise ConfigError(f"no signature scheme is called {name!r:.60}{hint}")
    return tuple(found)


def fits(scheme: Scheme, key: Key) -> bool:
    """Whether a private or public key can be used with a scheme: its type, its curve, its size."""
    return scheme.family.fits(public_half(key))


def fitting(key: Key) -> tuple[Scheme, ...]:
    """The schemes that a private or public key can use, best first; method 14 before the older ones.

    Weak ones (`Scheme.weak`) are left out: they are used only when they are named.
    """
    public = public_half(key)  # once: a private key computes it each time
    found = [scheme for scheme in SCHEMES.values() if not scheme.weak and scheme.family.fits(public)]
    best = f"ecdsa-{_STRONGEST.get(key_kind(public), 'sha256')}"
    return tuple(sorted(found, key=lambda s: (s.method != DIGITAL, isinstance(s.family, Ecdsa) and s.name != best)))


def choose(key: Key, wanted: Sequence[Scheme] | None, announced: Collection[int]) -> Scheme:
    """The scheme to sign with (RFC 7427 sections 3 and 4).

    ``wanted`` are the allowed schemes, best first; None for all that are not weak. ``announced`` are the hashes that
    the peer announced; none if it did not, or if we did not. With an announcement, a scheme of method 14 whose hash it
    has; an older method only if ``wanted`` names it. Raises ConfigError, which says why, if no scheme is left.
    """
    public = public_half(key)
    possible = fitting(public) if wanted is None else [scheme for scheme in wanted if scheme.family.fits(public)]
    kind = key_kind(public)
    if not possible:
        names = "no scheme that we have" if wanted is None else f"none of {', '.join(s.name for s in wanted) or 'none'}"
        can = f"; it fits {', '.join(scheme.name for scheme in fitting(public))}" if fitting(public) else ""
        raise ConfigError(f"the {kind} key fits {names}{can}")
    for scheme in possible:
        if scheme.method == DIGITAL and scheme.hash_id in announced:
            return scheme
    older = [scheme for scheme in possible if scheme.method != DIGITAL]
    if older and (not announced or wanted is not None):
        return older[0]
    if announced:
        heard = ", ".join(name_of(HashAlgorithm, number) for number in sorted(announced))
        needed = ", ".join(dict.fromkeys(name_of(HashAlgorithm, s.hash_id) for s in possible if s.hash_id))
        needed = f"one of the hashes {needed}" if needed else "a hash that cannot be announced"
        raise ConfigError(f"the {kind} key needs {needed}, and the peer announced {heard}")
    hint = (
        ": name rsa-sha1 to allow that"
        if any(fits(scheme, key) for scheme in SCHEMES.values() if scheme.method == RSA)
        else ""
    )
    raise ConfigError(f"the peer announced no hash algorithms, so the {kind} key needs a method older than 14{hint}")


def sign(scheme: Scheme, key: Any, octets: bytes) -> bytes:
    """The data of AUTH: the signature, which with method 14 follows its AlgorithmIdentifier (RFC 7427 section 3).

    ``key`` is a private key. Raises ConfigError if it does not fit the scheme.
    """
    if not hasattr(key, "sign"):
        raise ConfigError(f"expected a private key to sign with, found {type(key).__name__}")
    if not fits(scheme, key):
        raise ConfigError(f"the {key_kind(key)} key does not fit the signature scheme {scheme.name}")
    try:
        signature = scheme.family.sign(key, octets)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"the {key_kind(key)} key cannot sign with {scheme.name}: {error}") from None
    if scheme.method != DIGITAL:
        return signature
    return bytes((len(scheme.identifier),)) + scheme.identifier + signature
