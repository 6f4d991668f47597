# SPDX-License-Identifier: GPL-2.0-or-later
"""Encryption algorithms, transform type 1 (RFC 7296 section 3.3.2): one class per algorithm, on pyca/cryptography.

:meth:`Encryption.keyed` does the work for a key once; its result has bound functions for the fast path.
"""

from __future__ import annotations

# Importing these modules registers their algorithms.
from fynx_scapy.crypto.encr import aead, plain, weak  # noqa: F401
from fynx_scapy.crypto.encr.base import BITS, Encryption, encryption
from fynx_scapy.crypto.keyed import KeyedCipher

__all__ = ["BITS", "Encryption", "KeyedCipher", "encryption"]
