# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys (RFC 7296 sections 2.13, 2.14, 2.17 and 2.18): a peer that derives others cannot go on, or carry packets."""

from __future__ import annotations

from fynx_scapy.harness.cases import Case, accepted, alive, carries, cases, chooses, taken
from fynx_scapy.harness.verbs import NOTHING, insert_notify, nonce_size, set_transforms

LENGTHS, BORDERS, SHORT_KEYS = ("7296-2.13-03", "7296-2.14-01"), ("7296-2.13-i01",), ("7296-2.14-i01",)
ORDER = ("7296-2.17-01", "7296-2.17-02")

SUITES = [
    Case(
        f"keys_of_{name}", base="connect", at="IKE_AUTH request", do=NOTHING, then=accepted() & alive() & carries(),
        ours={"proposals": proposal}, requirements=requirements, severity="high",
        what=f"With {proposal} both ends derive the same keys: IKE_AUTH, a request and a packet go through.",
    )
    for name, proposal, requirements in (
        ("prf_md5", "aes128-sha1-prfmd5-modp1024", (*LENGTHS, *BORDERS)),
        ("prf_sha1", "aes256-sha1-prfsha1-modp1024", (*LENGTHS, *BORDERS)),
        ("prf_sha384", "aes256gcm16-prfsha384-x25519", LENGTHS),
        ("prf_sha512", "aes256-sha512-prfsha512-x25519", LENGTHS),
        ("prf_aesxcbc", "aes256-aesxcbc-prfaesxcbc-x25519", (*LENGTHS, *BORDERS, *SHORT_KEYS)),
        ("prf_aescmac", "aes128gcm16-prfaescmac-x25519", (*LENGTHS, *SHORT_KEYS)),
    )
] + [
    Case(
        f"keys_of_{name}_with_a_nonce_of_{size}_octets", base="connect", at="IKE_SA_INIT request",
        do=nonce_size(size), then=accepted() & alive() & carries(), ours={"proposals": f"aes128gcm16-{name}-x25519"},
        requirements=SHORT_KEYS,
    )
    for name in ("prfaesxcbc", "prfaescmac") for size in (16, 100, 256)
]  # fmt: skip

CHILDREN = [
    Case(
        f"keys_of_esp_{name}", base="create_child", at=at, do=do, then=then & carries(), severity="high",
        ours={"esp_proposals": proposal}, requirements=(*ORDER, "7296-2.17-i03", "7296-2.17-i01"),
        what=f"A Child SA with {proposal} carries packets both ways, whoever has created it.",
    )
    for at, do, then, whose in (
        ("request", NOTHING, accepted(), "ours"), ("response", insert_notify(40960), taken(), "the_peers"),
    )
    for name, proposal in (
        (f"aes256_sha1_{whose}", "aes256-sha1"), (f"aes128_sha512_{whose}", "aes128-sha512"),
        (f"null_sha256_{whose}", "null-sha256"), (f"with_pfs_{whose}", "aes256-sha256-x25519"),
    )
]  # fmt: skip

REKEYS = [
    Case(
        "keys_after_a_rekey_with_another_prf", base="rekey_ike", do=set_transforms("PRF", 6), severity="high",
        ours={"proposals": "aes128gcm16-prfsha256-prfsha384-x25519"}, requirements=("7296-2.18-i02",),
        then=accepted() & chooses(1, prf=6) & alive(),
    ),
    Case(
        "keys_after_a_rekey", base="rekey_ike", at="response", do=insert_notify(40960), then=taken() & alive(),
        requirements=("7296-2.18-i02",), severity="high",
    ),
]  # fmt: skip

cases(__name__, [*SUITES, *CHILDREN, *REKEYS])
