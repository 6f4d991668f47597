# SPDX-License-Identifier: GPL-2.0-or-later
"""Why ESP does not open with the keys of its SA: a table of what implementations do otherwise, tried on a packet.

An ICV that verifies with one deviation proves it: chance is excluded, and nothing else is taken from the packet. The
cost is bounded: a few packets of an SA, at most `MOST_ATTEMPTS` each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from fynx_scapy.capture.follow.decrypt import Material
from fynx_scapy.capture.follow.origins import child_keys
from fynx_scapy.capture.follow.pool import SecretPool
from fynx_scapy.capture.follow.sas import CapturedChildSa
from fynx_scapy.capture.follow.tries.guess import SUITES
from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.integ import Integrity, integrity
from fynx_scapy.crypto.keymat import ChildKeys, derive_child
from fynx_scapy.crypto.prf import PrfFunction, prf
from fynx_scapy.iana import Encr, Integ
from fynx_scapy.keynames import CipherSuite

MOST_ATTEMPTS = 600
MOST_SIBLINGS = 32
"""How many other SAs' keys are tried."""
MOST_KEYS = 4
"""For how many possible keys of a Child SA this is done, if no ICV has confirmed any."""

SIZES = (12, 16, 20, 24, 32, 8, 10)
"""Sizes of an ICV in octets, the commonest first."""
FAMILIES: tuple[tuple[int, ...], ...] = (
    (Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_16_IIV),
    (Encr.ENCR_AES_CCM_16, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_8_IIV),
    (Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_CHACHA20_POLY1305_IIV),
)
"""Combined modes that take the same key, but have ICVs of other sizes, or IVs that are not sent."""
DRAFT = (
    "HMAC-SHA-256 is truncated to 96 bits, as in draft-ietf-ipsec-ciph-sha-256-00 (old Linux kernels, Android), and "
    "not to 128 as in RFC 4868"
)


class Named(NamedTuple):
    """Material with what was done otherwise, in words. ``alone``: do not try other ICVs and ESN with it."""

    words: str
    material: Material
    alone: bool = False


def why(packet: bytes, known: Iterable[Iterator[Named]], high: int = 0) -> str:
    """What was done otherwise, in words: the first deviation, or pair of deviations, whose ICV verifies. Or empty.

    ``known`` are, for each SA that the packet may belong to, its material (first), and the same with other keys.
    """
    attempts = 0
    for materials in known:
        for keys, material, alone in materials:
            icvs = [("", material)] if alone else _icvs(material)
            for esn, (icv, changed) in itertools.product((False,) if alone else (False, True), icvs):
                made = replace(changed, esn=not material.esn) if esn else changed
                words = [word for word in (keys, _ESN[made.esn] if esn else "", icv) if word]
                attempts += 1
                if attempts > MOST_ATTEMPTS:
                    return ""
                if words and made.verifies(packet, high):
                    return "; ".join(words)
    return ""


_ESN = {
    True: "it was protected with 64-bit sequence numbers (ESN), which were not agreed on",
    False: "it was protected with 32-bit sequence numbers, although 64 bits (ESN) were agreed on",
}


def _icvs(material: Material) -> Iterator[tuple[str, Material]]:
    """The material, and the same with an ICV of another size."""
    yield "", material
    integ = material.integ
    if integ is not None:
        for size in SIZES:
            if size != integ.icv_size:
                short = type(integ.name, (type(integ),), {"icv_size": size})()
                draft = integ.id == Integ.AUTH_HMAC_SHA2_256_128 and size == 12
                text = f"its ICV has {size * 8} bits instead of the {integ.icv_size * 8} of {integ.name}"
                yield DRAFT if draft else text, replace(material, integ=short)
    for family in FAMILIES:
        for number in family if material.encr.id in family else ():
            if number != material.encr.id:
                other = encryption(number, material.encr.key_length, esp=True)
                yield (
                    f"it is protected with {other.name}, and not with {material.encr.name}",
                    replace(material, encr=other),
                )


# -- keys


def of_child(
    child: CapturedChildSa, by_initiator: bool, pool: SecretPool, siblings: Sequence[CapturedChildSa]
) -> Iterator[Named]:
    """The material of one direction of a Child SA, then the same with keys that a mistake would give.

    Raises ConfigError for an unsupported algorithm.
    """
    derived = list(itertools.islice(child_keys(child, pool), MOST_KEYS))
    known = [keys for keys, _, _ in derived] or ([child.keys] if child.keys is not None else [])
    for keys in known:
        own, other = (_material(child.suite, keys, way) for way in (by_initiator, not by_initiator))
        yield Named("", own)
        yield Named("it was protected with the keys of the other direction", other)
        yield from _reordered(own, keys, by_initiator)
    for sibling in siblings[:MOST_SIBLINGS]:
        if sibling is not child and sibling.keys is not None:
            text = f"it was protected with the keys of another Child SA ({sibling.spi_i:08x}/{sibling.spi_r:08x})"
            for way in (True, False):
                yield Named(text, _material(sibling.suite, sibling.keys, way), alone=True)
    above = child.ike_sa.suite
    if above is not None and above.prf is not None:
        for _, sk_d, secrets in derived:
            yield from _rederived(child, by_initiator, prf(above.prf.id), sk_d, secrets)


def _rederived(
    child: CapturedChildSa, by_initiator: bool, function: PrfFunction, sk_d: bytes, secrets: tuple[bytes, ...]
) -> Iterator[Named]:
    """Keys derived from something else than RFC 7296 section 2.17 wants, or for other algorithms."""
    encr, integ = _algorithms(child.suite)
    shared, *more = secrets or (b"",)
    (ni, nr), rest = child.nonces, b"".join(more)
    changes = [("its keys come from the nonces in the wrong order", sk_d, (nr, ni, shared, rest))]
    if shared:
        changes.append(("its keys do not depend on its own key exchange (PFS)", sk_d, (ni, nr, b"", b"")))
    for sa, which in ((child.ike_sa.parent, "replaced"), (child.ike_sa.rekeyed_by, "was replaced by")):
        if sa is not None and sa.keys is not None and sa.keys.sk_d:
            text = f"its keys come from SK_d of the IKE SA that its own {which}"
            changes.append((text, sa.keys.sk_d, (ni, nr, shared, rest)))
    for text, key, parts in changes:
        yield Named(text, _material(child.suite, derive_child(function, key, encr, integ, *parts), by_initiator))
    for suite in SUITES:
        other, signer = _algorithms(suite)
        if (other.id, other.key_length, signer) != (encr.id, encr.key_length, integ):
            made = derive_child(function, sk_d, other, signer, ni, nr, shared, rest)
            name = other.name + (f" and {signer.name}" if signer is not None else "")
            bits = f" with a key of {other.key_length} bits" if other.key_length else ""
            text = f"it is protected with {name}{bits}, which was not agreed on"
            yield Named(text, _material(suite, made, by_initiator), alone=True)


def of_row(own: Material, siblings: Iterable[Named]) -> Iterator[Named]:
    """The material of a row of a key table, then those of other rows."""
    yield Named("", own)
    yield from _salted(own)
    yield from siblings


def _algorithms(suite: CipherSuite) -> tuple[Encryption, Integrity | None]:
    encr = encryption(suite.encr.id, suite.encr.key_length, esp=True)
    return encr, None if encr.aead or suite.integ is None else integrity(suite.integ.id)


def _material(suite: CipherSuite, keys: ChildKeys, by_initiator: bool) -> Material:
    encr, integ = _algorithms(suite)
    key, auth = (keys.encr_i, keys.integ_i) if by_initiator else (keys.encr_r, keys.integ_r)
    return Material(encr, integ, key, auth, bool(suite.esn))


def _reordered(own: Material, keys: ChildKeys, by_initiator: bool) -> Iterator[Named]:
    """KEYMAT taken in another order (RFC 7296 section 2.17)."""
    size = len(own.auth_key)
    if size:
        both = own.key + own.auth_key
        text = "the integrity key was taken from KEYMAT before the encryption key"
        yield Named(text, replace(own, auth_key=both[:size], key=both[size:]))
        whole, at = keys.encr_i + keys.integ_i + keys.encr_r + keys.integ_r, len(own.key)
        first, second = whole[:at], whole[at : 2 * at]
        text = "the encryption keys of both directions were taken from KEYMAT before the integrity keys"
        signing = whole[2 * at :]
        if by_initiator:
            yield Named(text, replace(own, key=first, auth_key=signing[:size]))
        else:
            yield Named(text, replace(own, key=second, auth_key=signing[size:]))
    yield from _salted(own)


def _salted(own: Material) -> Iterator[Named]:
    """Another salt of a combined mode, whose place is after the key (RFC 4106 section 8.1)."""
    size = own.encr.salt_size
    if own.encr.aead and size:
        yield Named("the salt was taken from KEYMAT before the key", replace(own, key=own.key[size:] + own.key[:size]))
        yield Named("the salt is zero", replace(own, key=own.key[:-size] + bytes(size)))
