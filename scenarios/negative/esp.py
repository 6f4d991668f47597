# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP (RFC 4303): SPI, sequence, replay, padding, next header, ICV, ESN; CBC with HMAC beside AES-GCM."""

from __future__ import annotations

from fynx_scapy.harness.cases import Case, carries, cases, delivered, discarded
from fynx_scapy.harness.verbs import (
    cut_to,
    esp,
    esp_add_to_seq,
    esp_replayed,
    extend,
    flip,
    flip_icv,
    octets_instead,
    overwrite,
    truncate,
)

CBC = {"esp_proposals": "aes128-sha256"}
GCM = {"esp_proposals": "aes128gcm16"}
ESN = {"esp_proposals": "aes128gcm16-esn"}
CHACHA = {"esp_proposals": "chacha20poly1305"}
NULL = {"esp_proposals": "null-sha256"}

SPI, SEQ, IV, BODY = 0, 7, 8, 30
"""Octets of an ESP packet: the first of the SPI, the last of the number, the first of the IV, one of the ciphertext."""


def flipped(name: str, ours: dict[str, str]) -> list[Case]:
    """One bit of each part of the packet is wrong: nothing of it is delivered."""
    places = {"spi": SPI, "seq": SEQ, "iv": IV, "body": BODY, "icv": -1}
    return [
        Case(
            f"esp_{name}_{part}_flipped", base="esp", at="packet", do=flip(at), ours=ours, then=discarded(),
            severity="critical",
            requirements=("4303-3.4.4.1-01", "4303-3.4.4.1-05" if name == "cbc" else "4303-3.4.4.2-01"),
        )
        for part, at in places.items()
    ]  # fmt: skip


cases(
    __name__,
    [
        *flipped("gcm", GCM),
        *flipped("cbc", CBC),
        *flipped("chacha", CHACHA),
        Case(
            "esp_null_icv_flipped", base="esp", at="packet", do=flip_icv(), ours=NULL, then=discarded(),
            severity="critical", requirements=("4303-3.4.4.1-01", "4303-3.4.4.1-05"),
        ),
        Case(
            "esp_null_body_flipped", base="esp", at="packet", do=flip(BODY), ours=NULL, then=discarded(),
            severity="critical", requirements=("4303-3.4.4.1-05",),
        ),
        Case(
            "esp_esn_icv_flipped", base="esp", at="packet", do=flip_icv(), ours=ESN, then=discarded(),
            severity="critical", requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_truncated", base="esp", at="packet", do=truncate(1), then=discarded(), severity="high",
            requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_without_icv", base="esp", at="packet", do=truncate(16), then=discarded(), severity="critical",
            requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_extended", base="esp", at="packet", do=extend(4), then=discarded(), severity="high",
            requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_header_alone", base="esp", at="packet", do=cut_to(8), then=discarded(), severity="high",
            requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_seven_octets", base="esp", at="packet", do=cut_to(7), then=discarded(), severity="high",
            requirements=("4303-3.4.2-01",),
        ),
        Case(
            "esp_icv_of_zeros", base="esp", at="packet", do=esp(icv=bytes(16)), ours=GCM, then=discarded(),
            severity="critical", requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_icv_of_zeros_cbc", base="esp", at="packet", do=esp(icv=bytes(16)), ours=CBC, then=discarded(),
            severity="critical", requirements=("4303-3.4.4.1-05",),
        ),
        Case(
            "esp_unknown_spi", base="esp", at="packet", do=esp(spi=0xDEADBEEF), then=discarded(), severity="high",
            requirements=("4303-3.4.2-01",),
        ),
        Case(
            "esp_spi_zero", base="esp", at="packet", do=esp(spi=0), then=discarded(), severity="high",
            requirements=("4303-2.1-06", "3948-1-03"),
        ),
        Case(
            "esp_spi_reserved", base="esp", at="packet", do=esp(spi=255), then=discarded(),
            requirements=("4303-2.1-06",),
        ),
        Case(
            "esp_replayed", base="esp", at="packet", do=esp_replayed(), then=delivered(1) & carries(),
            severity="critical", requirements=("4303-3.4.3-01", "4303-3.4.3-05", "4303-2.2-03"),
        ),
        Case(
            "esp_replayed_many_times", base="esp", at="packet", do=esp_replayed(20), then=delivered(1) & carries(),
            severity="critical", requirements=("4303-3.4.3-05",),
        ),
        Case(
            "esp_replayed_with_esn", base="esp", at="packet", do=esp_replayed(3), ours=ESN,
            then=delivered(1) & carries(), severity="critical", requirements=("4303-3.4.3-05",),
        ),
        Case(
            "esp_seq_zero", base="esp", at="packet", do=esp(seq=0), then=discarded(), severity="high",
            requirements=("4303-3.4.3-04",),
        ),
        Case(
            "esp_seq_ahead", base="esp", at="packet", do=esp_add_to_seq(31), then=delivered(1) & carries(),
            requirements=("4303-3.4.3-10",),
            what="A packet is 31 numbers ahead, and the one after it 31 behind: both are taken.",
        ),
        Case(
            "esp_seq_far_ahead_and_forged", base="esp", at="packet", do=esp_add_to_seq(1_000_000) + esp(icv=bytes(16)),
            then=discarded(), severity="critical", requirements=("4303-3.4.3-i03", "4303-3.4.3-08"),
        ),
        Case(
            "esp_forged_number_then_honest", base="esp", at="packet", do=esp(seq=1, icv=bytes(16)), then=discarded(),
            severity="critical", requirements=("4303-3.4.3-08",),
        ),
        Case(
            "esp_dummy", base="esp", at="packet", do=esp(next_header=59), then=discarded(),
            requirements=("4303-2.6-02", "4303-3.4.4.1-i01", "4303-2.6-01"),
        ),
        Case(
            "esp_dummy_of_noise", base="esp", at="packet", do=esp(next_header=59, payload=b"\xff" * 60),
            then=discarded(), requirements=("4303-2.6-03", "4303-2.6-02"),
        ),
        Case(
            "esp_dummy_empty", base="esp", at="packet", do=esp(next_header=59, payload=b""), then=discarded(),
            requirements=("4303-2.6-03",),
        ),
        Case(
            "esp_next_header_wrong", base="esp", at="packet", do=esp(next_header=41), then=discarded(),
            severity="high", requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_next_header_unknown", base="esp", at="packet", do=esp(next_header=253), then=discarded(),
            severity="high", requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_pad_length_beyond", base="esp", at="packet", do=esp(pad_length=255), then=discarded(),
            severity="high", requirements=("4303-2.5-i01",),
        ),
        Case(
            "esp_padding_wrong", base="esp", at="packet", do=esp(padding=b"\xaa" * 6 + b"\xbb" * 4), ours=CBC,
            then=discarded(), severity="low", requirements=("4303-2.4-04",),
        ),
        Case(
            "esp_padding_long", base="esp", at="packet",
            do=esp(padding=bytes(range(1, 251))), ours=CBC, then=delivered(1) & carries(),
            requirements=("4303-2.4-02",),
        ),
        Case(
            "esp_inner_noise", base="esp", at="packet", do=esp(payload=bytes(range(64)), next_header=4),
            then=discarded(), severity="high", requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_inner_empty", base="esp", at="packet", do=esp(payload=b"", next_header=4), then=discarded(),
            severity="high", requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_inner_of_one_octet", base="esp", at="packet", do=esp(payload=b"E", next_header=4), then=discarded(),
            severity="high", requirements=("4303-3.4.4.2-01",),
        ),
        Case(
            "esp_tfc", base="esp", at="packet", do=esp(tfc=bytes(100)), then=delivered(1) & carries(),
            requirements=("4303-2.7-02",),
        ),
        Case(
            "esp_octets_of_nobody", base="esp", at="packet", do=octets_instead(b"\x12\x34\x56\x78" * 20),
            then=discarded(), severity="high", requirements=("4303-3.4.2-01",),
        ),
        Case(
            "esp_empty_datagram", base="esp", at="packet", do=octets_instead(b""), then=discarded(),
            severity="high", requirements=("4303-3.4.2-01",),
        ),
        Case(
            "esp_header_overwritten", base="esp", at="packet", do=overwrite(0, b"\xff" * 8), then=discarded(),
            severity="high", requirements=("4303-3.4.2-01",),
        ),
    ],
)  # fmt: skip
