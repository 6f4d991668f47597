# SPDX-License-Identifier: GPL-2.0-or-later
"""Key exchange methods, transform type 4 (RFC 7296 section 3.3.2): one class per method.

The peer's public values are checked as RFC 6989 section 2 requires. An invalid one raises KeyExchangeError.
"""

from __future__ import annotations

# Importing these modules registers their methods.
from fynx_scapy.crypto.ke import curves, mlkem, modp  # noqa: F401
from fynx_scapy.crypto.ke.base import KeyExchange, PrivateKey, Random, Shared, is_weaker, key_exchange

__all__ = ["KeyExchange", "PrivateKey", "Random", "Shared", "is_weaker", "key_exchange"]
