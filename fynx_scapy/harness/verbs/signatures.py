# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for signatures in AUTH (RFC 7296 sections 2.15 and 3.8, RFC 4754, RFC 7427): right ones of the wrong kind.

`signed`, `digest_info` and `pss` sign anew with our key. The others change what the signature says of itself, or what
it is; they can follow.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from fynx_scapy.crypto.families import Pss
from fynx_scapy.crypto.schemes import DIGITAL, SCHEMES, Scheme
from fynx_scapy.crypto.signing import fits, fitting, key_kind, read_schemes, sign
from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.harness.verbs.mutation import CHECKS, Scene, payload_verb
from fynx_scapy.ike.auth.authenticator import OwnAuth
from fynx_scapy.ike.auth.methods import Covered
from fynx_scapy.ike.auth.signing import Signer
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_AUTH

Sign = Callable[[Any, bytes], bytes]
"""A function of a private key and of what is signed: the data of AUTH."""
_MASKS = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384()}

OVER: dict[str, Callable[[Covered], bytes]] = {
    "nothing": lambda covered: b"",
    "message": lambda covered: covered.message,
    "no-nonce": lambda covered: replace(covered, nonce=b"").octets,
    "no-identity": lambda covered: covered.octets[: len(covered.message) + len(covered.nonce)],
    "another-identity": lambda covered: replace(covered, identity=covered.identity + b"x").octets,
    "another-nonce": lambda covered: replace(covered, nonce=bytes(len(covered.nonce))).octets,
    "identity-first": lambda covered: covered.octets[len(covered.message) :] + covered.message,
}
"""Other octets than those of RFC 7296 section 2.15."""


_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the group of P-256 (RFC 4754 refers to FIPS 186-2 for it)."""
VALUES: dict[str, Callable[[int], int]] = {
    "": lambda number: number,
    "zero": lambda number: 0,
    "order": lambda number: _P256_ORDER,
    "order-added": lambda number: number + _P256_ORDER,
    "order-subtracted": lambda number: number - _P256_ORDER,
}
"""What r and s of ECDSA can be made into. Both have to be from 1 to the order minus 1 (FIPS 186-4 section 6.4)."""
_OBJECTS = {"sha1": "2b0e03021a", "sha256": "608648016503040201", "sha384": "608648016503040202"}
"""The object identifiers of hashes, as in DER (RFC 8017 appendix B.1)."""


def _element(tag: int, *parts: bytes) -> bytes:
    """An element of DER of less than 128 octets."""
    content = b"".join(parts)
    return bytes((tag, len(content))) + content


def _integer(number: int) -> bytes:
    return _element(0x02, number.to_bytes(number.bit_length() // 8 + 1, signed=True))


def _info(name: str, digest: bytes, parameters: bytes = b"\x05\0") -> bytes:
    """DigestInfo."""
    algorithm = _element(0x30, _element(0x06, bytes.fromhex(_OBJECTS[name])), parameters)
    return _element(0x30, algorithm, _element(0x04, digest))


def _padded(info: bytes, size: int, kind: int = 1) -> bytes:
    return bytes((0, kind)) + b"\xff" * (size - len(info) - 3) + b"\0" + info


def _filled(short: bytes, size: int) -> bytes:
    return short + b"\x5a" * (size - len(short))


DIGEST_INFOS: dict[str, Callable[[bytes, int], bytes]] = {
    "garbage-behind": lambda digest, size: _filled(_padded(_info("sha256", digest), 62), size),
    "garbage-in-parameters": lambda digest, size: _padded(_info("sha256", digest, _element(0x04, b"Z" * 64)), size),
    "garbage-in-padding": lambda digest, size: _padded(_info("sha256", digest), size).replace(b"\xff" * 8, b"Z" * 8, 1),
    "short-padding": lambda digest, size: b"\0" + _padded(_info("sha256", digest), size - 1),
    "without-digest-info": _padded,
    "another-hash": lambda digest, size: _padded(_info("sha384", digest), size),
    "sha1": lambda digest, size: _padded(_info("sha1", digest[:20]), size),
    "longer-digest": lambda digest, size: _padded(_info("sha256", digest + b"Z"), size),
    "block-type-2": lambda digest, size: _padded(_info("sha256", digest), size, kind=2),
}
"""What can be wrong with the octets of RSASSA-PKCS1-v1_5, from a digest of SHA-256 (RFC 8017 section 9.2)."""


@payload_verb
def signed(_: Scene, message: Outgoing, scheme: str = "", *, key: str = "", over: str = "") -> None:
    """Sign AUTH by another scheme (``ecdsa-sha512``), with a new key of a kind (``ecdsa-p384``), or over other octets.

    ``over`` is one of ``nothing``, ``message``, ``no-nonce``, ``another-nonce``, ``no-identity``, ``another-identity``
    and ``identity-first``. What is not said stays as it is.
    """
    auth, own, signer = _own(message)
    used = _new_key(key) if key else signer.key()
    usual = signer.scheme if fits(signer.scheme, used) else fitting(used)[0]
    chosen = SCHEMES[scheme] if scheme else usual
    _check_fit(chosen, used)
    auth.auth_type = chosen.method
    octets_of = OVER[over] if over else (lambda covered: covered.octets)
    _compute(message, auth, lambda outgoing: sign(chosen, used, octets_of(own.covered(outgoing))))


@payload_verb
def digest_info(_: Scene, message: Outgoing, how: str) -> None:
    """Sign AUTH with RSASSA-PKCS1-v1_5 and SHA-256, with other octets than RFC 8017 section 9.2 wants.

    ``how``: ``garbage-behind``, ``garbage-in-parameters``, ``garbage-in-padding``, ``short-padding``,
    ``without-digest-info``, ``another-hash``, ``sha1``, ``longer-digest``, ``block-type-2``.
    """
    scheme = SCHEMES["rsa-pkcs1-sha256"]

    def data(key: Any, octets: bytes) -> bytes:
        # The RSA operation itself (section 5.2.1), on octets that no library would sign.
        numbers = key.private_numbers()
        encoded = int.from_bytes(DIGEST_INFOS[how](hashlib.sha256(octets).digest(), key.key_size // 8))
        first, second = pow(encoded, numbers.dmp1, numbers.p), pow(encoded, numbers.dmq1, numbers.q)
        both: int = second + numbers.iqmp * (first - second) % numbers.p * numbers.q
        signature = both.to_bytes(key.key_size // 8)
        return bytes((len(scheme.identifier),)) + scheme.identifier + signature

    _sign_rsa(message, scheme, data)


@payload_verb
def pss(_: Scene, message: Outgoing, *, mask: str = "sha256", salt: int = 32) -> None:
    """Sign AUTH with RSASSA-PSS and SHA-256, with another hash in the mask or another salt length than it says."""
    scheme = SCHEMES["rsa-pss-sha256"]
    odd = replace(scheme, family=Pss(hashes.SHA256(), _MASKS[mask], salt))
    _sign_rsa(message, odd, lambda key, octets: sign(odd, key, octets))


@payload_verb
def auth_algorithm(_: Scene, message: Outgoing, algorithm: str | bytes, *, length: int | None = None) -> None:
    """Let AUTH of method 14 say another AlgorithmIdentifier: that of a scheme, or octets. The signature stays.

    ``length`` is the octet before it.
    """
    said = SCHEMES[algorithm].identifier if isinstance(algorithm, str) else algorithm

    def change(data: bytes) -> bytes:
        return bytes((len(said) if length is None else length,)) + said + data[1 + data[0] :]

    _change(message, change)


@payload_verb
def ecdsa_values(_: Scene, message: Outgoing, r: str = "", s: str = "") -> None:
    """Give our signature with P-256 another r or s: ``zero``, ``order``, ``order-added``, ``order-subtracted``."""
    auth, _own_auth, signer = _own(message)
    if key_kind(signer.key()) != "P-256":
        raise LocalError(f"expected a signature with P-256 in AUTH, found one of {key_kind(signer.key())}")

    def change(data: bytes) -> bytes:
        size = 1 + data[0]
        numbers = decode_dss_signature(data[size:])
        changed = (_integer(VALUES[word](number)) for word, number in zip((r, s), numbers, strict=True))
        return data[:size] + _element(0x30, *changed)

    _check_method(auth)
    _change(message, change)


@payload_verb
def auth_signature(_: Scene, message: Outgoing, signature: bytes) -> None:
    """Send these octets as the signature of AUTH of method 14, behind its AlgorithmIdentifier."""
    _check_method(message.one(IKEv2_AUTH))
    _change(message, lambda data: data[: 1 + data[0]] + signature)


@payload_verb
def auth_without_algorithm(_: Scene, message: Outgoing) -> None:
    """Leave out the AlgorithmIdentifier of AUTH of method 14, and the octet before it."""
    _check_method(message.one(IKEv2_AUTH))
    _change(message, lambda data: data[1 + data[0] :])


def _own(message: Outgoing) -> tuple[IKEv2_AUTH, OwnAuth, Signer[Any]]:
    """Our AUTH payload, and what computes its data. LocalError if that is no signature."""
    auth = message.one(IKEv2_AUTH)
    for layer, _, value in message.computed:
        if layer is auth and isinstance(value, OwnAuth) and isinstance(value.by, Signer):
            return auth, value, value.by
    raise LocalError("expected an AUTH payload that is a signature of ours")


def _compute(message: Outgoing, auth: IKEv2_AUTH, value: Callable[[Outgoing], bytes]) -> None:
    message.computed = [(layer, name, value if layer is auth else old) for layer, name, old in message.computed]


def _change(message: Outgoing, change: Callable[[bytes], bytes]) -> None:
    """Change the data of AUTH when they are computed. LocalError if nothing computes them."""
    auth = message.one(IKEv2_AUTH)
    old = next((value for layer, _, value in message.computed if layer is auth), None)
    if old is None:
        raise LocalError("expected an AUTH payload that is computed, found one with fixed data")
    _compute(message, auth, lambda outgoing: change(old(outgoing)))


def _sign_rsa(message: Outgoing, scheme: Scheme, make: Sign) -> None:
    auth, own, signer = _own(message)
    key = signer.key()
    _check_fit(scheme, key)
    auth.auth_type = scheme.method
    _compute(message, auth, lambda outgoing: make(key, own.covered(outgoing).octets))


def _check_fit(scheme: Scheme, key: Any) -> None:
    if not fits(scheme, key):
        raise LocalError(f"expected a key for {scheme.name}, found one of kind {key_kind(key)}")


def _check_method(auth: IKEv2_AUTH) -> None:
    if int(auth.auth_type) != DIGITAL:
        raise LocalError(f"expected AUTH of method {DIGITAL}, found method {int(auth.auth_type)}")


def _new_key(kind: str) -> Any:
    """A key of a kind that nobody knows; the same each time, so that a run can be repeated."""
    from fynx_scapy.pki.making import make_key

    return make_key(kind, b"the key of a verb", role="verb")


def _check_signed(scheme: str = "", *, key: str = "", over: str = "") -> None:
    if scheme:
        read_schemes(scheme)
    _one_of(over or "nothing", OVER, "what is signed instead")


def _one_of(word: str, known: Iterable[str], what: str) -> None:
    """ConfigError, with the nearest word, for one that is not known."""
    if word not in known:
        near = difflib.get_close_matches(str(word), known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"expected {what}, one of {', '.join(filter(None, known))}, found {word!r:.60}{hint}")


def _check_values(r: str = "", s: str = "") -> None:
    for word in (r, s):
        _one_of(word, VALUES, "a value of ECDSA")


def _check_pss(*, mask: str = "sha256", salt: int = 32) -> None:
    _one_of(mask, _MASKS, "the hash of a mask")
    if not 0 <= salt <= 64:
        raise ConfigError(f"expected a salt of 0 to 64 octets, found {salt}")


CHECKS["signed"] = _check_signed
CHECKS["digest_info"] = lambda how: _one_of(how, DIGEST_INFOS, "what is wrong with DigestInfo")
CHECKS["pss"] = _check_pss
CHECKS["ecdsa_values"] = _check_values
CHECKS["auth_algorithm"] = lambda algorithm, **_: read_schemes(algorithm) if isinstance(algorithm, str) else None
