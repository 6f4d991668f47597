# SPDX-License-Identifier: GPL-2.0-or-later
"""Every cipher suite, in the IKE SA and in ESP."""

from __future__ import annotations

from scapy.packet import Packet

from fynx_scapy.events import ChildSaInstalled, EspReceived
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_SA

SUITES = (
    # For the IKE SA                            for ESP
    ("aes128gcm16-prfsha256-x25519",            "aes128gcm16"),
    ("aes256gcm16-prfsha384-ecp384",            "aes256gcm16-esn"),
    ("aes192gcm12-prfsha256-ecp256",            "aes256gcm12"),
    ("aes256gcm8-prfsha512-ecp521",             "aes128gcm8"),
    ("chacha20poly1305-prfsha256-x25519",       "chacha20poly1305"),
    ("chacha20poly1305-prfsha512-x448",         "chacha20poly1305iiv"),
    ("aes128ccm16-prfsha256-modp2048",          "aes128ccm16"),
    ("aes256ccm12-prfsha384-ecp256bp",          "aes256ccm12"),
    ("aes256ccm8-prfsha384-ecp384bp",           "aes128ccm8-esn"),
    ("aes128-sha256-modp2048",                  "aes128-sha256"),
    ("aes192-sha384-ecp512bp",                  "aes192-sha384"),
    ("aes256-sha512-modp3072",                  "aes256-sha512-esn"),
    ("aes128ctr-sha1-x25519",                   "aes256ctr-sha1"),
    ("camellia256-sha256-x448",                 "camellia128-sha256"),
    ("aes128-aesxcbc-prfaesxcbc-x25519",        "aes128-aesxcbc"),
    ("aes128-aescmac-prfaescmac-ecp256",        "aes256gmac"),
    ("aes256gcm16-prfsha256-x25519",            "aes256gcm16iiv-esn"),
    ("3des-sha1-modp1024",                      "null-sha256"),
)  # fmt: skip


@scenario(
    "RFC 7296 section 3.3.2",
    requirements=(
        "7296-2.7-01",
        "7296-3.3.6-04",
        "4303-2.2.1-02",
        "7296-2.7-04",
        "4303-3.3.3-i01",
        "4303-1-02",
        "4303-2.2.1-01",
        "4303-1-04",
        "4303-1-05",
    ),
    live="in part",
)
def cipher_suites(run: Run) -> None:
    """A handshake and a ping with each of many pairs of cipher suites.

    Combined-mode and classical ciphers, every key exchange family and PRF, ESN, implicit IVs, integrity without
    encryption, and one legacy suite.
    """
    for ike, esp in SUITES:
        s = run.session(f"{ike} / {esp}", proposals=ike, esp_proposals=esp)

        # HDR, SAi1, KEi, Ni  -->  <--  HDR, SAr1, KEr, Nr
        init = s.sa_init()
        if run.refused(init):
            continue
        offered = expect(s.events).at("initiator").sent(0).packet
        expect(transforms(init), "transforms chosen").equals(transforms(offered))
        # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->  <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
        auth = s.auth()
        expect(auth).has(IKEv2_AUTH)
        if run.refused(auth):
            continue
        expect(s.events).has(ChildSaInstalled, times=len(s.ends), esn=esp.endswith("-esn"))
        expect(str(s.child.suite), "ESP suite").equals(esp)

        # ESP {ICMP echo request}  ==>  <==  ESP {ICMP echo reply}
        request_size = 20 + 8 + 1000
        expect(len(s.ping(size=1000)), "octets of the reply").equals(request_size)
        expect(s.events).has(EspReceived, times=len(s.ends), length=request_size, seq=1)


def transforms(message: Packet) -> list[tuple[int, int, int | None]]:
    """Type, ID and key length of each transform in an SA payload that holds one proposal."""
    (proposal,) = message[IKEv2_SA].prop
    found = [(transform.transform_type, transform.transform_id, transform.key_length) for transform in proposal.trans]
    return sorted(found, key=str)


if __name__ == "__main__":
    main(__file__)
