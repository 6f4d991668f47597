# SPDX-License-Identifier: GPL-2.0-or-later
"""ML-KEM (FIPS 203, draft-ietf-ipsecme-ikev2-mlkem section 2): a KEM."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm

from fynx_scapy.crypto.ke.base import KeyExchange, PrivateKey
from fynx_scapy.crypto.transforms import register
from fynx_scapy.errors import ConfigError, KeyExchangeError
from fynx_scapy.iana import KeMethod


class _MlKem(KeyExchange):
    kem = True
    private_size = 64  # the seed d | z
    ciphertext_size: ClassVar[int]
    library: ClassVar[str]

    @property
    def shared_size(self) -> int:
        """FIPS 203: 256 bits with every parameter set."""
        return 32

    @property
    def answer_size(self) -> int:
        """Octets of the ciphertext."""
        return self.ciphertext_size

    def _class(self, suffix: str) -> Any:
        try:
            module = importlib.import_module("cryptography.hazmat.primitives.asymmetric.mlkem")
            return getattr(module, self.library + suffix)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error

    def private(self, octets: bytes) -> PrivateKey:
        """The decapsulation key of a seed of 64 octets (FIPS 203 algorithm 16)."""
        if len(octets) != self.private_size:
            raise ConfigError(f"expected a seed of {self.private_size} octets for {self.name}, found {len(octets)}")
        try:
            private = self._class("PrivateKey").from_seed_bytes(octets)
        except UnsupportedAlgorithm as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error
        return PrivateKey(self, private.public_key().public_bytes_raw(), private.decapsulate)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """(ciphertext, shared secret). Raises KeyExchangeError for an invalid encapsulation key (FIPS 203 section 7.2).

        The library supplies the randomness, so a seeded run does not repeat it.
        """
        if len(public) != self.public_size:
            raise KeyExchangeError(
                f"expected {self.public_size} octets of {self.name} key exchange data, found {len(public)}"
            )
        library = self._class("PublicKey")
        try:
            shared, ciphertext = library.from_public_bytes(public).encapsulate()
        except ValueError:
            raise KeyExchangeError(f"the public value is not an encapsulation key of {self.name} (FIPS 203)") from None
        except UnsupportedAlgorithm as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error
        return ciphertext, shared


@register
class MlKem768(_MlKem):
    """ML-KEM-768."""

    id = KeMethod.ML_KEM_768
    keywords = ("mlkem768",)
    strength = 192
    public_size = 1184
    ciphertext_size = 1088
    library = "MLKEM768"


@register
class MlKem1024(_MlKem):
    """ML-KEM-1024."""

    id = KeMethod.ML_KEM_1024
    keywords = ("mlkem1024",)
    strength = 256
    public_size = 1568
    ciphertext_size = 1568
    library = "MLKEM1024"
