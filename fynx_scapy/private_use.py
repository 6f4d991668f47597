# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of numbers in the private-use ranges of IANA's registries. A class is named after the registry it adds to.

These numbers are not registered: another vendor may use the same one. A name is what the number means in practice.
"""

from __future__ import annotations

from enum import IntEnum


class Encr(IntEnum):
    """Encryption algorithms, as strongSwan numbers them."""

    ENCR_SERPENT_CBC = 1026
    ENCR_TWOFISH_CBC = 1027


class Integ(IntEnum):
    """Integrity algorithms: strongSwan's numbers, and for RIPEMD-160, which IKEv2 cannot negotiate, one of ours."""

    AUTH_HMAC_SHA1_128 = 1025
    AUTH_HMAC_SHA2_256_96 = 1026
    AUTH_HMAC_SHA2_256_256 = 1027
    AUTH_HMAC_SHA2_384_384 = 1028
    AUTH_CAMELLIA_XCBC_96 = 1029
    AUTH_HMAC_RIPEMD_160_96 = 65300


TABLES: dict[str, type[IntEnum]] = {table.__name__: table for table in (Encr, Integ)}
