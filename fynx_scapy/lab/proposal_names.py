# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of algorithms in other implementations. A `PeerConfig` uses those of strongSwan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fynx_scapy.crypto.transforms import keyword
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import TransformType

LIBRESWAN: Mapping[str, str] = {
    "aes128gcm16": "aes_gcm128", "aes192gcm16": "aes_gcm192", "aes256gcm16": "aes_gcm256",
    "aes128gcm12": "aes_gcm_12_128", "aes256gcm12": "aes_gcm_12_256",
    "aes128gcm8": "aes_gcm_8_128", "aes256gcm8": "aes_gcm_8_256",
    "aes128": "aes128", "aes192": "aes192", "aes256": "aes256", "chacha20poly1305": "chacha20_poly1305",
    "aes128ctr": "aes_ctr128", "aes192ctr": "aes_ctr192", "aes256ctr": "aes_ctr256", "3des": "3des",
    "camellia128": "camellia128", "camellia256": "camellia256",
    "sha1": "sha1", "sha256": "sha2_256", "sha384": "sha2_384", "sha512": "sha2_512", "md5": "md5",
    "aesxcbc": "aes_xcbc",
    "prfsha1": "sha1", "prfsha256": "sha2_256", "prfsha384": "sha2_384", "prfsha512": "sha2_512", "prfmd5": "md5",
    "prfaesxcbc": "aes_xcbc",
    "x25519": "dh31", "ecp256": "dh19", "ecp384": "dh20", "ecp521": "dh21", "modp1536": "dh5", "modp2048": "dh14",
    "modp3072": "dh15", "modp4096": "dh16", "modp6144": "dh17", "modp8192": "dh18",
}  # fmt: skip
OPENIKED: Mapping[str, str] = {
    "aes128gcm16": "aes-128-gcm", "aes256gcm16": "aes-256-gcm",
    "aes128gcm12": "aes-128-gcm-12", "aes256gcm12": "aes-256-gcm-12",
    "aes128": "aes-128", "aes192": "aes-192", "aes256": "aes-256", "3des": "3des",
    "chacha20poly1305": "chacha20-poly1305", "aes128ctr": "aes-128-ctr",
    "md5": "hmac-md5", "sha1": "hmac-sha1", "sha256": "hmac-sha2-256", "sha384": "hmac-sha2-384",
    "sha512": "hmac-sha2-512",
    "prfmd5": "hmac-md5", "prfsha1": "hmac-sha1", "prfsha256": "hmac-sha2-256", "prfsha384": "hmac-sha2-384",
    "prfsha512": "hmac-sha2-512",
    "x25519": "curve25519", "ecp256": "ecp256", "ecp384": "ecp384", "ecp521": "ecp521", "ecp256bp": "brainpool256",
    "ecp384bp": "brainpool384", "ecp512bp": "brainpool512", "modp768": "modp768", "modp1024": "modp1024",
    "modp1536": "modp1536", "modp2048": "modp2048", "modp3072": "modp3072", "modp4096": "modp4096",
    "modp6144": "modp6144", "modp8192": "modp8192", "sntrup761x25519": "sntrup761x25519",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PeerProposal:
    """A proposal in the names of another implementation. ``esn`` is whether it has extended sequence numbers."""

    encr: tuple[str, ...]
    integ: tuple[str, ...]
    prf: tuple[str, ...]
    ke: tuple[str, ...]
    esn: bool

    @classmethod
    def of(cls, proposal: str, names: Mapping[str, str]) -> PeerProposal:
        """Translate a proposal with a table of ``names``; ConfigError for a transform that is not in the table."""
        words = proposal.split("-")
        algorithms = [word for word in words if word not in ("esn", "noesn")]
        unknown = [word for word in algorithms if word not in names]
        if unknown:
            raise ConfigError(f"expected one of {', '.join(names)} in a proposal, found {', '.join(unknown)}")

        def named(kind: TransformType) -> tuple[str, ...]:
            return tuple(names[word] for word in algorithms if keyword(word)[0].type is kind)

        return cls(
            named(TransformType.ENCR), named(TransformType.INTEG), named(TransformType.PRF), named(TransformType.KE),
            "esn" in words,
        )  # fmt: skip

    @classmethod
    def all_of(cls, proposals: str, names: Mapping[str, str]) -> list[PeerProposal]:
        """Translate proposals, separated by commas; ConfigError as in `of`."""
        return [cls.of(proposal, names) for proposal in proposals.split(",")]
