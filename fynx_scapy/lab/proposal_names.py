# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of algorithms in other implementations. A `PeerConfig` uses those of strongSwan."""

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
class PeerProposal:
    """A proposal in the names of another implementation. ``esn`` is whether it has extended sequence numbers."""

    encr: str
    integ: tuple[str, ...]
    prf: tuple[str, ...]
    ke: tuple[str, ...]
    esn: bool

    @classmethod
    def of(cls, proposal: str, names: Mapping[str, str]) -> PeerProposal:
        """Translate a proposal with a table of ``names``; ConfigError for a transform that is not in the table."""
        encr, *rest = proposal.split("-")
        unknown = [name for name in (encr, *rest) if name not in names and name not in ("esn", "noesn")]
        if unknown:
            raise ConfigError(f"expected one of {', '.join(names)} in a proposal, found {', '.join(unknown)}")
        return cls(
            names[encr],
            tuple(names[name] for name in rest if name.startswith("sha")),
            tuple(names[name] for name in rest if name.startswith("prf")),
            tuple(names[name] for name in rest if name.startswith(_GROUPS)),
            "esn" in rest,
        )
