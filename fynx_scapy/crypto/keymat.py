# SPDX-License-Identifier: GPL-2.0-or-later
"""Keying material of IKE SAs and Child SAs, and the input of AUTH (RFC 7296 sections 2.13 - 2.18)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from fynx_scapy.crypto.encr import Encryption
from fynx_scapy.crypto.integ import Integrity
from fynx_scapy.crypto.prf import PrfFunction


@dataclass(frozen=True, slots=True, repr=False)
class _Keys:
    """Secret octets. repr() shows only their lengths."""

    def __repr__(self) -> str:
        lengths = ", ".join(f"{field.name}=<{len(getattr(self, field.name))} octets>" for field in fields(self))
        return f"{type(self).__name__}({lengths})"


@dataclass(frozen=True, slots=True, repr=False)
class SkKeys(_Keys):
    """The seven secrets of an IKE SA (RFC 7296 section 2.14); SK_ei and SK_er end with the AEAD's salt."""

    sk_d: bytes
    sk_ai: bytes
    sk_ar: bytes
    sk_ei: bytes
    sk_er: bytes
    sk_pi: bytes
    sk_pr: bytes


@dataclass(frozen=True, slots=True, repr=False)
class ChildKeys(_Keys):
    """The keys of a Child SA: the ``_i`` pair protects what the exchange's initiator sends (RFC 7296 section 2.17)."""

    encr_i: bytes
    integ_i: bytes
    encr_r: bytes
    integ_r: bytes


def _cut(octets: bytes, *sizes: int) -> list[bytes]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(octets[start : start + size])
        start += size
    return pieces


def skeyseed(prf: PrfFunction, ni: bytes, nr: bytes, shared: bytes) -> bytes:
    """SKEYSEED = prf(Ni | Nr, g^ir) of an IKE_SA_INIT (RFC 7296 section 2.14)."""
    if prf.half_nonces:
        ni, nr = ni[:8], nr[:8]
    return prf(ni + nr, shared)


def rekey_skeyseed(
    prf: PrfFunction, sk_d: bytes, shared: bytes, ni: bytes, nr: bytes, additional: bytes = b""
) -> bytes:
    """SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the old IKE SA's PRF (RFC 7296 section 2.18).

    ``additional`` is SK(1) | SK(2) | ... of additional key exchanges in IKE_FOLLOWUP_KE (RFC 9370). For an additional
    key exchange in IKE_INTERMEDIATE, pass its shared secret as ``shared``, and the SK_d before it as ``sk_d``.
    """
    return prf(sk_d, shared + ni + nr + additional)


def mix_ppk(prf: PrfFunction, ppk: bytes, keys: SkKeys) -> SkKeys:
    """Replace SK_d, SK_pi and SK_pr by prf+(PPK, old value); other keys do not change (RFC 8784 section 3)."""
    mixed = {name: getattr(keys, name) for name in ("sk_d", "sk_pi", "sk_pr")}
    return replace(keys, **{name: prf.plus(ppk, value, len(value)) for name, value in mixed.items()})


def derive_sk(
    prf: PrfFunction,
    encr: Encryption,
    integ: Integrity | None,
    skeyseed: bytes,
    ni: bytes,
    nr: bytes,
    spi_i: bytes,
    spi_r: bytes,
) -> SkKeys:
    """{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr).

    RFC 7296 section 2.14. SPIs have 8 octets. With an AEAD ``integ`` is None, and SK_ai and SK_ar are empty
    (RFC 5282 section 7.2).
    """
    d, e, a = prf.key_size, encr.key_size, integ.key_size if integ else 0
    sizes = (d, a, a, e, e, d, d)
    return SkKeys(*_cut(prf.plus(skeyseed, ni + nr + spi_i + spi_r, sum(sizes)), *sizes))


def derive_child(
    prf: PrfFunction,
    sk_d: bytes,
    encr: Encryption,
    integ: Integrity | None,
    ni: bytes,
    nr: bytes,
    shared: bytes = b"",
    additional: bytes = b"",
) -> ChildKeys:
    """KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr), initiator to responder first, encryption before integrity.

    RFC 7296 section 2.17. The nonces are those of the exchange that creates the Child SA. ``shared`` is the shared
    secret of its key exchange, if any. ``additional`` is SK(1) | SK(2) | ... (RFC 9370), after the nonces.
    """
    e, a = encr.key_size, integ.key_size if integ else 0
    return ChildKeys(*_cut(prf.plus(sk_d, shared + ni + nr + additional, 2 * (e + a)), e, a, e, a))


def signed_octets(prf: PrfFunction, message: bytes, nonce: bytes, sk_p: bytes, id_body: bytes) -> bytes:
    """RealMessage | Nonce of the other peer | prf(SK_p, ID payload without its generic header) (RFC 7296 section 2.15).

    ``message`` is the signer's own IKE_SA_INIT message as sent, without a non-ESP marker.
    """
    return message + nonce + prf(sk_p, id_body)


def psk_auth(prf: PrfFunction, psk: bytes, octets: bytes) -> bytes:
    """AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>) (RFC 7296 section 2.15)."""
    return prf(prf(psk, b"Key Pad for IKEv2"), octets)
