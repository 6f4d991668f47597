# SPDX-License-Identifier: GPL-2.0-or-later
"""Encryption and integrity of SK and SKF payloads (RFC 7296 section 3.14, RFC 5282, RFC 7383 section 2.5)."""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag

from fynx_scapy.crypto.encr import Aead, Encryption, PlainCipher
from fynx_scapy.crypto.integ import Integrity
from fynx_scapy.errors import ConfigError, IntegrityError, MalformedError


class Protector:
    """One direction of an IKE SA: seals and opens the part of an SK payload after its generic header.

    ``prefix`` is the message from the first octet of the IKE header to the end of that generic header (with SKF: to the
    end of the two fragment numbers), with the final lengths. An AEAD takes it as additional data (RFC 5282 section
    5.1); any other integrity algorithm covers it together with IV and ciphertext. Plaintext includes the padding; its
    last octet is Pad Length. ``unchecked_icv`` is for a reader without the integrity key: the size in octets of an ICV
    that is cut off without being verified; nothing can be sealed then. Raises ConfigError for keys of wrong lengths,
    and for algorithms that do not fit together.

    The cipher's context is made for each message. That takes some microseconds; kept, it would take more memory than
    all else of an IKE SA.
    """

    __slots__ = (
        "_key_a", "_key_e", "block_size", "counter_iv", "encr", "icv_size", "integ", "iv_size",
    )  # fmt: skip

    def __init__(
        self, encr: Encryption, integ: Integrity | None, key_e: bytes, key_a: bytes, *, unchecked_icv: int = 0
    ) -> None:
        if integ is not None and not integ.icv_size:
            integ = None  # NONE was negotiated by name
        if encr.aead and (integ is not None or key_a):
            raise ConfigError(f"{encr!r} is a combined mode: leave out the integrity algorithm and its key")
        if unchecked_icv and (encr.aead or integ is not None or key_a):
            raise ConfigError(f"{encr!r} whose ICV is not checked takes no integrity algorithm and no key for it")
        if integ is None and not encr.aead and not unchecked_icv:
            raise ConfigError(f"{encr!r} needs an integrity algorithm in IKE (RFC 7296 section 3.3)")
        self.encr = encr
        self.integ = integ
        self.iv_size = encr.iv_size
        self.block_size = encr.block_size
        self.counter_iv = encr.counter_iv
        encr.check_key(key_e)
        if integ is not None:
            integ.check_key(key_a)
        self._key_e, self._key_a = key_e, key_a
        self.icv_size = unchecked_icv or (encr.icv_size if integ is None else integ.icv_size)

    def __repr__(self) -> str:
        return f"<Protector {self.encr!r}{f' {self.integ!r}' if self.integ else ''}>"

    def seal(self, prefix: bytes, plaintext: bytes, iv: bytes) -> bytes:
        """IV | ciphertext | ICV for padded plaintext. Raises ConfigError if the IV does not have ``iv_size`` octets."""
        encr = self.encr
        if len(iv) != self.iv_size:
            raise ConfigError(f"expected an IV of {self.iv_size} octets for {encr!r}, found {len(iv)}")
        if isinstance(encr, Aead):
            key, salt = encr.split(self._key_e)
            return iv + encr.sealing(key)(salt + iv, plaintext, prefix)
        assert isinstance(encr, PlainCipher)
        if self.integ is None:
            raise ConfigError("the integrity key is unknown, so no ICV can be computed")
        covered = iv + encr.encrypting(self._key_e)(iv, plaintext)
        return covered + self.integ.keyed(self._key_a)(prefix, covered)

    def open(self, prefix: bytes, body: bytes) -> bytes:
        """The padded plaintext of IV | ciphertext | ICV.

        Raises IntegrityError if the ICV is missing or does not verify, MalformedError if it verifies but the ciphertext
        is not a multiple of the block size.
        """
        least = self.iv_size + self.icv_size
        if len(body) < least:
            raise IntegrityError(f"expected at least {least} octets of IV and ICV, found {len(body)}")
        encr = self.encr
        if isinstance(encr, Aead):
            key, salt = encr.split(self._key_e)
            try:
                return encr.opening(key)(salt + body[: self.iv_size], body[self.iv_size :], prefix)
            except InvalidTag:
                raise IntegrityError("the ICV does not verify") from None
        assert isinstance(encr, PlainCipher)
        covered, icv = body[: -self.icv_size], body[-self.icv_size :]
        if self.integ is not None and not hmac.compare_digest(self.integ.keyed(self._key_a)(prefix, covered), icv):
            raise IntegrityError("the ICV does not verify")
        return encr.decrypting(self._key_e)(covered[: self.iv_size], covered[self.iv_size :])

    def pad(self, payloads: bytes, pad: bytes | None = None) -> bytes:
        """Payloads | Padding | Pad Length. The padding is the shortest one, of zeros, or else ``pad`` unchanged.

        Raises ConfigError if ``pad`` has more than 255 octets.
        """
        if pad is None:
            pad = bytes(-(len(payloads) + 1) % self.block_size)
        elif len(pad) > 255:
            raise ConfigError(f"expected padding of at most 255 octets, found {len(pad)}")
        return payloads + pad + len(pad).to_bytes()

    def unpad(self, plaintext: bytes) -> bytes:
        """The payloads without Padding and Pad Length. Raises MalformedError if Pad Length is too large."""
        if not plaintext:
            raise MalformedError("expected at least a Pad Length octet in an SK payload, found nothing")
        end = len(plaintext) - 1 - plaintext[-1]
        if end < 0:
            raise MalformedError(f"expected a Pad Length up to {len(plaintext) - 1}, found {plaintext[-1]}")
        return plaintext[:end]

    def overhead(self, length: int) -> int:
        """The size of IV, ciphertext and ICV for ``length`` octets of payloads with the shortest padding."""
        return self.iv_size + length + 1 + -(length + 1) % self.block_size + self.icv_size
