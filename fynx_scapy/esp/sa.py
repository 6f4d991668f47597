# SPDX-License-Identifier: GPL-2.0-or-later
"""What both directions of a Child SA have in common (RFC 4301 section 4.4.2).

The fast path is in :mod:`fynx_scapy.esp.outbound` and :mod:`fynx_scapy.esp.inbound`. What depends on the algorithms is
one function per SA (:mod:`fynx_scapy.esp.framing`). It is made when the first packet comes, because a cipher's context
takes more memory than all else of an SA. To craft an invalid packet, use :class:`fynx_scapy.esp.parts.EspParts`.
"""

from __future__ import annotations

from typing import Any

from fynx_scapy.crypto.encr import Encryption, KeyedCipher
from fynx_scapy.crypto.integ import Integrity, Sign
from fynx_scapy.errors import ConfigError
from fynx_scapy.esp.replay import LIMIT_32, LIMIT_64

MODES = ("tunnel", "transport")
MADE = ("_opener", "_sealer")
"""The attributes that are made when the first packet comes."""


class EspSa:
    """What both directions share: SPI, algorithms with their keys, mode, counters.

    ``key`` is the encryption key from KEYMAT, with the salt; ``auth_key`` is the integrity key, empty with a combined
    mode. ``packets`` and ``bytes`` count the traffic; bytes are those that the cipher processed, with padding
    (RFC 4301 section 4.4.2.1). Raises ConfigError for keys of the wrong length, and for combinations that RFC 4303
    forbids.
    """

    __slots__ = (
        "_auth_key", "_key", "_overhead", "align", "bytes", "encr", "esn", "icv_size", "implicit_iv", "integ", "limit",
        "mode", "packets", "spi",
    )  # fmt: skip

    def __init__(
        self,
        *,
        spi: int,
        encr: Encryption,
        key: bytes,
        integ: Integrity | None = None,
        auth_key: bytes = b"",
        esn: bool = False,
        mode: str = "tunnel",
        icv_removed: bool = False,
    ):
        if not 1 <= spi <= LIMIT_32:
            # Zero "MUST NOT be sent on the wire" (section 2.1); EspParts(spi=0) can.
            raise ConfigError(f"expected an SPI between 1 and {LIMIT_32:#x}, found {spi:#x}")
        if mode not in MODES:
            raise ConfigError(f"expected an SA mode of {' or '.join(MODES)}, found {mode!r}")
        if integ is not None and not integ.icv_size:
            integ = None  # AUTH_NONE
        if encr.aead and (integ is not None or auth_key):
            raise ConfigError(f"{encr.name} is a combined mode: leave out the integrity algorithm and its key")
        if integ is None and auth_key:
            raise ConfigError("found an integrity key without an integrity algorithm: set integ too")
        if integ is None and not encr.aead and not encr.key_size and not icv_removed:
            raise ConfigError('encryption and integrity "MUST NOT both be NULL" (RFC 4303 section 5)')
        encr.check_key(key)
        if integ is not None:
            integ.check_key(auth_key)
        self.spi = spi
        self.encr = encr
        self.integ = integ
        self._key = key
        self._auth_key = auth_key
        self.esn = esn
        self.mode = mode
        self.limit = LIMIT_64 if esn else LIMIT_32
        self.icv_size = encr.icv_size if encr.aead else integ.icv_size if integ is not None else 0
        self.implicit_iv = encr.aead and not encr.iv_size
        # Pad Length and Next Header are right aligned in a 4-byte word, whatever the cipher asks for (section 2.4).
        self.align = max(4, encr.block_size)
        self._overhead = 8 + encr.iv_size + self.icv_size  # all of a packet that is not ciphertext
        self.packets = 0
        self.bytes = 0

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Without the functions that hold the keyed ciphers: a copy makes its own when it needs them."""
        names = [name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ())]
        return None, {name: None if name in MADE else getattr(self, name) for name in names}

    def cipher(self) -> KeyedCipher:
        """The cipher with its key, for crafted packets."""
        return self.encr.keyed(self._key)

    def sign(self) -> Sign | None:
        """The integrity algorithm with its key, for crafted packets; None without one."""
        return self.integ.keyed(self._auth_key) if self.integ is not None else None

    def _described(self, number: str) -> str:
        integ = f", {self.integ.name}" if self.integ is not None else ""
        numbers = "64-bit" if self.esn else "32-bit"
        return (
            f"{type(self).__name__}(spi={self.spi:#010x}, {self.encr.name}{integ}, {numbers} sequence numbers, "
            f"{self.mode}, {number}, packets={self.packets}, bytes={self.bytes})"
        )
