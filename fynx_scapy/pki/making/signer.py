# SPDX-License-Identifier: GPL-2.0-or-later
"""Signs what the builders of cryptography made: with any hash, another key, or one bit wrong.

A builder signs with a key that is thrown away. What it signed is taken out of it, changed, and signed again: the
builders refuse SHA-1, and their OCSP responses are never deterministic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fynx_scapy.errors import ConfigError
from fynx_scapy.pki import der
from fynx_scapy.pki.making.keys import PrivateKey, default_hash, kind_of, make_key, signing

SHA256 = hashes.SHA256()
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_CERTIFICATE_ALGORITHM, _CRL_ALGORITHM = 2, 1


@functools.cache
def scratch_key() -> ec.EllipticCurvePrivateKey:
    """The key that builders sign with; none of its signatures is kept."""
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def scratch_certificate() -> x509.Certificate:
    """The certificate of `scratch_key`, for the builder of OCSP responses."""
    name, public = x509.Name([]), scratch_key().public_key()
    builder = x509.CertificateBuilder(name, name, public, 1, datetime(2000, 1, 1), datetime(2049, 1, 1))
    return builder.sign(scratch_key(), SHA256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs, and what is wrong with it."""

    key: PrivateKey
    seed: bytes | None
    """What a stranger's key is made from; None for a fresh one."""
    hash: str | None = None
    pss: bool = False
    wrong_key: bool = False
    broken: bool = False

    def signing(self) -> tuple[bytes, Callable[[bytes], bytes]]:
        """The AlgorithmIdentifier, and what signs. ConfigError where the key is too short for the hash."""
        key = self.key
        if self.wrong_key:
            key = make_key(kind_of(key), None if self.seed is None else b"stranger" + self.seed, role="stranger")
        if self.pss and not kind_of(key).startswith("rsa-"):
            raise ConfigError(f"expected an RSA key for pss, found {kind_of(key)}")
        name = self.hash or default_hash(key)
        algorithm, sign = signing(key, name, pss=self.pss)

        def signed(tbs: bytes) -> bytes:
            try:
                signature = sign(tbs)
            except ValueError as error:
                raise ConfigError(f"cannot sign with {kind_of(key)} and {name}: {error}") from None
            return signature[:-1] + bytes((signature[-1] ^ 1,)) if self.broken else signature

        return algorithm, signed

    def certificate(self, tbs: bytes, *, version1: bool, mismatch: bool, duplicate: bool) -> bytes:
        """A certificate from its TBSCertificate (RFC 5280 section 4.1)."""
        fields = der.parts(tbs)
        if duplicate and fields[-1][0] == _EXTENSIONS:
            extensions = der.parts(der.elements(fields[-1])[0].content)
            fields[-1] = der.element(_EXTENSIONS, der.sequence([*extensions, extensions[-1]]))
        if version1:  # the algorithm is then one place further to the front
            fields = [field for field in fields if field[0] not in (_VERSION, _EXTENSIONS)]
        return self._signed(fields, _CERTIFICATE_ALGORITHM - version1, mismatch=mismatch)

    def crl(self, tbs: bytes) -> bytes:
        """A CRL from its TBSCertList (section 5.1)."""
        return self._signed(der.parts(tbs), _CRL_ALGORITHM, mismatch=False)

    def _signed(self, fields: Sequence[bytes], at: int, *, mismatch: bool) -> bytes:
        algorithm, sign = self.signing()
        inside = _other(algorithm) if mismatch else algorithm
        tbs = der.sequence([*fields[:at], inside, *fields[at + 1 :]])
        return der.sequence([tbs, algorithm, der.bits(sign(tbs))])


def _other(algorithm: bytes) -> bytes:
    """Another AlgorithmIdentifier: Ed25519, or Ed448."""
    both = (der.sequence([der.object_identifier(oid)]) for oid in ("1.3.101.112", "1.3.101.113"))
    return next(each for each in both if each != algorithm)


def garble(data: bytes, how: str | None) -> bytes:
    """The DER with a fault of its encoding; unchanged for None."""
    faults: dict[str | None, Callable[[], bytes]] = {
        None: lambda: data,
        "truncated": lambda: data[: len(data) * 2 // 3],
        "trailing": lambda: data + b"\x05\x00\x00",
        # Two octets of length claim more than there is: the outermost element of a certificate is longer than 127.
        "length": lambda: data[:2] + bytes((data[2] ^ 0x40,)) + data[3:],
    }
    return faults[how]()
