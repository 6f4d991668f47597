# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of ``auth`` in swanctl.conf: ``psk``, ``eap`` with a method, or ``pubkey`` with limits on what signs.

``rsa-2048-sha256-ecdsa-256-sha384``: a kind of key, the least size of such keys, and hashes, best first, any number of
times. With ``ike:`` in front of the kind, the hashes are for AUTH alone; without it, for the signatures of authorities
too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fynx_scapy.checks import shown
from fynx_scapy.crypto.schemes import SCHEMES
from fynx_scapy.errors import ConfigError

_IKE = "ike:"
_OLDER = {"sha256": "p256", "sha384": "p384", "sha512": "p521"}
"""The curve of the method before RFC 7427 that has this hash (RFC 4754)."""
_HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512", "identity")


def _schemes(*prefixes: str) -> tuple[str, ...]:
    return tuple(name for name, each in SCHEMES.items() if name.startswith(prefixes) and not each.weak)


def _rsa(hash_name: str) -> tuple[str, ...]:
    return (f"rsa-pkcs1-{hash_name}", *(["rsa-sha1"] if hash_name == "sha1" else ()))


def _pss(hash_name: str) -> tuple[str, ...]:
    return (f"rsa-pss-{hash_name}",)


def _ecdsa(hash_name: str) -> tuple[str, ...]:
    return (f"ecdsa-{hash_name}", f"ecdsa-{_OLDER.get(hash_name, '')}")


def _pubkey(hash_name: str) -> tuple[str, ...]:
    return ("ed25519", "ed448") if hash_name == "identity" else (*_rsa(hash_name), *_ecdsa(hash_name))


_KINDS = {
    "pubkey": (_pubkey, ()),
    "rsa": (_rsa, _schemes("rsa-pss-", "rsa-pkcs1-")),
    "rsa/pss": (_pss, _schemes("rsa-pss-")),
    "ecdsa": (_ecdsa, _schemes("ecdsa-")),
    "ed25519": (lambda name: ("ed25519",) if name == "identity" else (), ("ed25519",)),
    "ed448": (lambda name: ("ed448",) if name == "identity" else (), ("ed448",)),
}
"""Each kind of key: the schemes of a hash, and those where no hash is named (none for all)."""
_SIZED: Mapping[str, tuple[str, int, int]] = {
    "rsa": ("RSA", 512, 16384),
    "rsa/pss": ("RSA", 512, 16384),
    "ecdsa": ("ECDSA", 256, 521),
}


EAP = ("mschapv2", "md5", "tls", "ttls")
"""The methods of EAP."""
ANY_EAP = "any"
"""``eap`` without a method: that which the server wants."""
_NO_EAP = {
    "aka": "its USIMs are not in this file: use a TOML file",
    "aka-3gpp2": "its USIMs are not in this file: use a TOML file",
    "sim": "EAP-SIM is not supported",
    "radius": "no AAA server is asked",
    "dynamic": "a gateway says one method",
}


@dataclass(frozen=True, slots=True)
class Method:
    """How one end authenticates."""

    psk: bool = False
    eap: str = ""
    """The method of EAP, or `ANY_EAP`; empty without EAP."""
    schemes: tuple[str, ...] | None = None
    """The signature schemes of AUTH, best first; None for all."""
    chain_limited: bool = False
    """Whether the signatures of authorities are limited too."""
    sizes: tuple[tuple[str, int], ...] = ()
    """The least size in bits of keys of a kind, ``RSA`` or ``ECDSA``."""


def method(text: str) -> Method:
    """Read the value of ``auth``. ConfigError for what we do not have, and for a word that strongSwan ignores."""
    if text.lower() == "psk":
        return Method(psk=True)
    if text.lower().startswith("xauth"):
        raise ConfigError(f"expected psk, pubkey or eap (XAuth is of IKEv1), found {shown(text)}")
    if re.fullmatch("eap([-:].*)?", text.lower()):
        return Method(eap=_eap(text))
    found: dict[bool, list[str]] = {True: [], False: []}
    whole: list[str] = []
    kind, ike, hashed = "", False, False
    sizes: dict[str, int] = {}
    size_expected = False

    def close() -> None:
        if kind and not hashed:
            whole.extend(_KINDS[kind][1] or ("*",))

    for word in text.split("-"):
        name = word.removeprefix(_IKE)
        if name in _KINDS:
            close()
            kind, ike, hashed, size_expected = name, word != name, False, name in _SIZED
            continue
        if not kind:
            raise ConfigError(_unknown(text, word, ("psk", *_KINDS)))
        if size_expected and word.isdecimal():
            of, least, most = _SIZED[kind]
            if not least <= int(word[:6]) <= most:
                raise ConfigError(f"expected a size of {of} keys from {least} to {most} bits in {shown(text)}")
            sizes[of] = min(int(word), sizes.get(of, int(word)))
        else:
            made = [each for each in _KINDS[kind][0](word) if each in SCHEMES] if word in _HASHES else []
            if not made:
                raise ConfigError(_unknown(text, word, (*_KINDS, *_HASHES)))
            found[ike] += made
            hashed = True
        size_expected = False
    close()
    # What is said of AUTH counts for it; without that, what is said of all signatures (auth_cfg.c of strongSwan).
    schemes = found[True] or found[False] or ([] if "*" in whole else whole)
    return Method(
        schemes=tuple(dict.fromkeys(schemes)) or None,
        chain_limited=bool(found[False]),
        sizes=tuple(sizes.items()),
    )


def _eap(text: str) -> str:
    """The method of ``eap-METHOD``."""
    name, colon, _ = text.lower().removeprefix("eap").removeprefix("-").partition(":")
    if colon:
        raise ConfigError(f"limits on the certificates of EAP are not supported, found {shown(text)}")
    if not name:
        return ANY_EAP
    if name not in EAP:
        near = difflib.get_close_matches(name, EAP, 1)
        why = _NO_EAP.get(name) or (f"did you mean 'eap-{near[0]}'?" if near else "")
        wanted = ", ".join(f"eap-{each}" for each in EAP)
        raise ConfigError(f"expected one of {wanted}, found {shown(text)}{f'; {why}' if why else ''}")
    return name


def _unknown(text: str, word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word.lower(), known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f": expected one of {', '.join(known)}"
    return f"no kind of authentication, key or hash is called {shown(word)} in {shown(text)}{hint}"
