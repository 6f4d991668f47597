# SPDX-License-Identifier: GPL-2.0-or-later
"""What we say of the proof that we accept: SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4) and SUPPORTED_AUTH_METHODS
(RFC 9593). A list that cannot be read, or is of no use, must not hurt.
"""

from __future__ import annotations

from fynx_scapy.harness.cases import Case, alive, cases, deletes, taken
from fynx_scapy.harness.verbs import insert_notify, set_field
from fynx_scapy.scenarios.negative.signatures import ECDSA, FINE, NOT_TAKEN

HASHES, METHODS = "N(SIGNATURE_HASH_ALGORITHMS).notify", "N(SUPPORTED_AUTH_METHODS).notify"
TAKEN = taken() & alive()
EITHER, TAKEN_OR_NOT = FINE | NOT_TAKEN, TAKEN | deletes()
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
KEY = bytes((3 + len(ECDSA_SHA256), 14, 0)) + ECDSA_SHA256
"""An announcement of method 14 with ECDSA and SHA-256."""

STRICT_HASHES = {
    "with_unknown_ones_first": b"\x12\x34\x43\x21\0\2",
    "with_a_reserved_one": b"\0\0\0\2",
    "repeated": b"\0\2" * 30,
    "behind_one_that_is_repeated": b"\x12\x34" * 300 + b"\0\2",
}
HASH_LISTS = {
    "of_odd_length": b"\0\2\0",
    "of_one_octet": b"\2",
    "empty": b"",
    "unknown_alone": b"\x12\x34",
    "of_thousands": b"\x12\x34" * 4000 + b"\0\2",
    "sha1_alone": b"\0\1",
}
STRICT_METHODS = {
    "with_an_unknown_one": b"\4\xc8\1\2" + KEY,
    "with_an_algorithm_that_is_none": b"\6\x0e\0\xff\xff\xff" + KEY,
    "with_a_link_to_no_authority": bytes((KEY[0], 14, 99)) + ECDSA_SHA256 + KEY,
}
METHOD_LISTS = {
    "empty": b"",
    "of_length_0": b"\0\0\0",
    "of_length_1": b"\1\1\1",
    "beyond_the_payload": b"\xff\x0e\0",
    "cut_short": KEY[:-3],
    "of_thousands": b"\3\1\0" * 5000,
    "psk_alone": b"\2\2",
}


def _hashes(name: str, data: bytes, *, strict: bool) -> list[Case]:
    """In the request and in the response of IKE_SA_INIT."""
    return [
        Case(f"announced_hashes_{name}{suffix}", base="connect", at=f"IKE_SA_INIT {at}", do=set_field(HASHES, data),
             given=ECDSA, then=then, source="RFC 7427 section 4")
        for at, suffix, then in (
            ("request", "", FINE if strict else EITHER),
            ("response", "_in_response", TAKEN if strict else TAKEN_OR_NOT),
        )
    ]  # fmt: skip


def _methods(name: str, data: bytes, *, strict: bool) -> list[Case]:
    """In the response of IKE_SA_INIT and in the request of IKE_AUTH."""
    return [
        Case(f"announced_methods_{name}{suffix}", base="connect", at=at, do=set_field(METHODS, data), given=ECDSA,
             then=then, source="RFC 9593 section 3.2")
        for at, suffix, then in (
            ("IKE_AUTH request", "", FINE if strict else EITHER),
            ("IKE_SA_INIT response", "_in_response", TAKEN if strict else TAKEN_OR_NOT),
        )
    ]  # fmt: skip


cases(
    __name__,
    [
        *(row for name, data in STRICT_HASHES.items() for row in _hashes(name, data, strict=True)),
        *(row for name, data in HASH_LISTS.items() for row in _hashes(name, data, strict=False)),
        *(row for name, data in STRICT_METHODS.items() for row in _methods(name, data, strict=True)),
        *(row for name, data in METHOD_LISTS.items() for row in _methods(name, data, strict=False)),
        Case("announced_hashes_twice", base="connect", at="IKE_SA_INIT request", given=ECDSA, then=EITHER,
             do=insert_notify("SIGNATURE_HASH_ALGORITHMS", b"\x12\x34"), source="RFC 7427 section 4"),
        Case("announced_hashes_after_ike_sa_init", base="auth", given=ECDSA, then=FINE,
             do=insert_notify("SIGNATURE_HASH_ALGORITHMS", b"\x12\x34"), source="RFC 7427 section 4",
             what="\"sent inside the IKE_SA_INIT exchange\": in IKE_AUTH it changes nothing."),
    ],
)  # fmt: skip
