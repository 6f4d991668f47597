# SPDX-License-Identifier: GPL-2.0-or-later
"""The proposals of a configuration that names none, and those for old peers (RFC 8221, RFC 8247)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fynx_scapy.iana import ProtocolId

# A word for several proposals. The guide has the list, with the peers whose own defaults it fits.
NAMED: Mapping[str, Mapping[int, Sequence[str]]] = {
    "default": {
        ProtocolId.IKE: (
            "aes128gcm16-prfsha256-x25519",
            "aes256gcm16-prfsha384-ecp384",
            "aes128-sha256-prfsha256-x25519-modp2048",
        ),
        ProtocolId.ESP: ("aes128gcm16", "chacha20poly1305", "aes128-sha256", "aes128-sha512-sha384"),
    },
    # What RFC 8221 and RFC 8247 still let an old peer use: SHA-1, 3DES, MODP groups of 1024 and 1536 bits.
    "legacy": {
        ProtocolId.IKE: (
            "aes256-aes192-aes128-3des-sha256-sha1-prfsha256-prfsha1-modp2048-modp1536-modp1024",
            "aes256gcm16-aes128gcm16-prfsha256-prfsha1-modp2048-modp1536-modp1024",
        ),
        ProtocolId.ESP: ("aes256-aes192-aes128-3des-sha256-sha1",),
    },
}
