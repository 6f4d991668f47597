# SPDX-License-Identifier: GPL-2.0-or-later
"""Encryption algorithms, transform type 1 (RFC 7296 section 3.3.2): one class each over pyca/cryptography.

What depends on the key is done once, in :meth:`Encryption.keyed`; the result holds bound functions for the hot path.
"""

from __future__ import annotations

# Importing a family registers its algorithms.
from fynx_scapy.crypto.encr import aead, plain  # noqa: F401
from fynx_scapy.crypto.encr.base import BITS, Encryption, encryption
from fynx_scapy.crypto.keyed import KeyedCipher

__all__ = ["BITS", "Encryption", "KeyedCipher", "encryption"]
