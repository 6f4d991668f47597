# SPDX-License-Identifier: GPL-2.0-or-later
"""Cipher suites with a peer that is configured for one of them, whoever begins."""

from __future__ import annotations

from fynx_scapy.harness import EVERY, Run, main, scenario

SUITES = {
    "gcm128_x25519": ("aes128gcm16-prfsha256-x25519", "aes128gcm16"),
    "gcm256_ecp384": ("aes256gcm16-prfsha384-ecp384", "aes256gcm16"),
    "gcm256_modp3072": ("aes256gcm16-prfsha512-modp3072", "aes256gcm16"),
    "chacha20_x448": ("chacha20poly1305-prfsha256-x448", "chacha20poly1305"),
    "cbc128_sha256_modp2048": ("aes128-sha256-prfsha256-modp2048", "aes128-sha256"),
    "cbc256_sha512_ecp521": ("aes256-sha512-prfsha512-ecp521", "aes256-sha512"),
    "cbc192_sha384_brainpool384": ("aes192-sha384-prfsha384-ecp384bp", "aes192-sha384"),
    "ccm128_ecp256": ("aes128ccm16-prfsha256-ecp256", "aes128ccm16"),
    "ctr128_sha256_brainpool256": ("aes128ctr-sha256-prfsha256-ecp256bp", "aes128ctr-sha256"),
}


def suite(run: Run) -> None:
    """Both peers derive the same keys with these algorithms, and packets pass in both directions."""
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    run.establish()
    run.send_traffic(count=1)
    run.agree()


for name, (ike, esp) in SUITES.items():
    scenario(
        "RFC 7296 section 3.3.2",
        roles=EVERY,
        name=f"suite_{name}",
        needs={"suites"},
        requirements=("7296-2.17-i03", "7296-2.17-02"),
        config={"ike": ike, "esp": esp},
    )(suite)


if __name__ == "__main__":
    main(__file__)
