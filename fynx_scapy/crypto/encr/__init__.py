# SPDX-License-Identifier: GPL-2.0-or-later
"""Encryption algorithms, transform type 1 (RFC 7296 section 3.3.2): one class per algorithm, on pyca/cryptography.

An SA asks for the one direction that it needs (:meth:`Aead.sealing`, :meth:`PlainCipher.decrypting`, ...), because a
cipher's context takes 1 to 2.5 KB and some microseconds. :meth:`Encryption.keyed` has both directions.
"""

from __future__ import annotations

# Importing these modules registers their algorithms.
from fynx_scapy.crypto.encr import aead, plain, weak  # noqa: F401
from fynx_scapy.crypto.encr.base import BITS, Aead, Encryption, PlainCipher, encryption
from fynx_scapy.crypto.keyed import KeyedCipher

__all__ = ["BITS", "Aead", "Encryption", "KeyedCipher", "PlainCipher", "encryption"]
