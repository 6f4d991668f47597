# SPDX-License-Identifier: GPL-2.0-or-later
"""What other implementations call the algorithms of a proposal; a `PeerConfig` has strongSwan's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fynx_scapy.errors import ConfigError

LIBRESWAN: Mapping[str, str] = {
    "aes128gcm16": "aes_gcm128", "aes256gcm16": "aes_gcm256", "aes128": "aes128", "aes192": "aes192",
    "aes256": "aes256", "chacha20poly1305": "chacha20_poly1305", "aes128ctr": "aes_ctr128",
    "sha256": "sha2_256", "sha384": "sha2_384", "sha512": "sha2_512",
    "prfsha256": "sha2_256", "prfsha384": "sha2_384", "prfsha512": "sha2_512",
    "x25519": "dh31", "ecp256": "dh19", "ecp384": "dh20", "ecp521": "dh21", "modp2048": "dh14", "modp3072": "dh15",
}  # fmt: skip
OPENIKED: Mapping[str, str] = {
    "aes128gcm16": "aes-128-gcm", "aes256gcm16": "aes-256-gcm", "aes128": "aes-128", "aes192": "aes-192",
    "aes256": "aes-256", "chacha20poly1305": "chacha20-poly1305", "aes128ctr": "aes-128-ctr",
    "sha256": "hmac-sha2-256", "sha384": "hmac-sha2-384", "sha512": "hmac-sha2-512",
    "prfsha256": "hmac-sha2-256", "prfsha384": "hmac-sha2-384", "prfsha512": "hmac-sha2-512",
    "x25519": "curve25519", "ecp256": "ecp256", "ecp384": "ecp384", "ecp521": "ecp521", "modp2048": "modp2048",
    "modp3072": "modp3072",
}  # fmt: skip
_GROUPS = ("x25519", "ecp", "modp")


@dataclass(frozen=True, slots=True)
class Suite:
    """A proposal in another implementation's names; ``esn`` is whether it asks for extended sequence numbers."""

    encr: str
    integ: tuple[str, ...]
    prf: tuple[str, ...]
    ke: tuple[str, ...]
    esn: bool

    @classmethod
    def of(cls, proposal: str, names: Mapping[str, str]) -> Suite:
        """Translate a proposal by a table of ``names``; ConfigError for a transform that the table lacks."""
        encr, *rest = proposal.split("-")
        unknown = [each for each in (encr, *rest) if each not in names and each not in ("esn", "noesn")]
        if unknown:
            raise ConfigError(f"expected one of {', '.join(names)} in a proposal, found {', '.join(unknown)}")
        return cls(
            names[encr],
            tuple(names[each] for each in rest if each.startswith("sha")),
            tuple(names[each] for each in rest if each.startswith("prf")),
            tuple(names[each] for each in rest if each.startswith(_GROUPS)),
            "esn" in rest,
        )
