# SPDX-License-Identifier: GPL-2.0-or-later
"""Notification data that does not fit its type: a fault of the payload, kept as octets, and never an exception."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import STRUCTURES, IKEv2_Notify, parse_payloads
from tests.examples import examples

GOOD: dict[str, tuple[int, ...]] = {
    "UNSUPPORTED_CRITICAL_PAYLOAD": (1,),
    "INVALID_MESSAGE_ID": (4,),
    "INVALID_SPI": (4,),
    "INVALID_KE_PAYLOAD": (2,),
    "SET_WINDOW_SIZE": (4,),
    "IPCOMP_SUPPORTED": (3, 4, 20),
    "NAT_DETECTION_SOURCE_IP": (20,),
    "NAT_DETECTION_DESTINATION_IP": (20,),
    "COOKIE": (1, 64),
    "COOKIE2": (8, 64),
    "ADDITIONAL_IP4_ADDRESS": (4,),
    "ADDITIONAL_IP6_ADDRESS": (16,),
    "NO_NATS_ALLOWED": (12, 36),
    "AUTH_LIFETIME": (4,),
    "TICKET_LT_OPAQUE": (5, 300),
    "TICKET_OPAQUE": (1, 300),
    "LINK_ID": (1, 16),
    "QUICK_CRASH_DETECTION": (16, 128),
    "IKEV2_MESSAGE_ID_SYNC": (12,),
    "IPSEC_REPLAY_COUNTER_SYNC": (4, 8),
    "SECURE_PASSWORD_METHODS": (2, 6),
    "SIGNATURE_HASH_ALGORITHMS": (2, 10),
    "PUZZLE": (3,),
    "PPK_IDENTITY": (0, 1, 2, 200),
    "PPK_IDENTITY_KEY": (9, 30),
    "ADDITIONAL_KEY_EXCHANGE": (1, 100),
    "USE_AGGFRAG": (1,),
}
"""The sizes of data that are right whatever the octets are: the least and the most, or some of those between."""
WRONG: dict[str, tuple[int, ...]] = {
    name: tuple(size for size in {0, sizes[0] - 1, sizes[-1] + 1} if size >= 0 and size not in sizes)
    for name, sizes in GOOD.items()
} | {
    "COOKIE2": (0, 7, 65), "NO_NATS_ALLOWED": (0, 11, 13, 35, 37), "IPCOMP_SUPPORTED": (0, 2),
    "TICKET_LT_OPAQUE": (0, 4), "TICKET_OPAQUE": (0,), "LINK_ID": (0,), "IPSEC_REPLAY_COUNTER_SYNC": (0, 3, 5, 7, 9),
    "SECURE_PASSWORD_METHODS": (0, 1, 3), "SIGNATURE_HASH_ALGORITHMS": (0, 1, 11), "PPK_IDENTITY": (),
    "PPK_IDENTITY_KEY": (0, 8), "ADDITIONAL_KEY_EXCHANGE": (0,),
}  # fmt: skip


def read(kind: str | int, data: bytes) -> IKEv2_Notify:
    (layer,) = parse_payloads(41, bytes(IKEv2_Notify(type=kind, notify=data)))
    assert isinstance(layer, IKEv2_Notify)
    assert bytes(layer.notify) == data
    return layer


@pytest.mark.parametrize("kind", GOOD)
def test_data_of_each_size_that_the_rfc_allows(kind: str) -> None:
    for size in GOOD[kind]:
        layer = read(kind, b"\1" * size)
        assert layer.malformed is None, size
        assert isinstance(layer.notify, STRUCTURES[NotifyType[kind]]) == bool(size)


@pytest.mark.parametrize("kind", GOOD)
def test_data_of_each_other_size_is_a_fault(kind: str) -> None:
    for size in WRONG[kind]:
        layer = read(kind, b"\1" * size)
        assert "of the payload" in (layer.malformed or ""), size
        assert layer.notify == b"\1" * size


@pytest.mark.parametrize(
    ("kind", "data", "fault"),
    [
        ("REDIRECT", "", "expected at least 2 octets, found 0 at offset 8"),
        ("REDIRECT", "0104c00002", "gw_id of 4 octets, 3 left at offset 10"),
        ("REDIRECT", "0103c00002", "expected 4 octets of identity, found 3 at offset 9"),
        ("REDIRECT", "0204c0000201", "expected 16 octets of identity, found 4 at offset 9"),
        ("REDIRECT", "0300", "expected 1 octet of identity, found 0 at offset 9"),
        ("REDIRECT", "0104c0000201" + "00" * 15, "expected a nonce of 16 to 256 octets, found 15 at offset 14"),
        ("REDIRECT", "0104c0000201" + "00" * 257, "expected a nonce of 16 to 256 octets, found 257 at offset 14"),
        ("REDIRECTED_FROM", "0104c0000201" + "00" * 16, "16 octets too many at offset 14"),
        ("REDIRECTED_FROM", "01", "expected at least 2 octets, found 1"),
        ("SUPPORTED_AUTH_METHODS", "0202" + "01", "length 1, expected 2 to 1 at offset 10"),
        ("SUPPORTED_AUTH_METHODS", "0202" + "030e", "length 3, expected 2 to 2 at offset 10"),
        ("ROHC_SUPPORTED", "800505", "expected at least 4 octets, found 3"),
        ("ROHC_SUPPORTED", "00050002ff", "length 2, but 1 octet left"),
    ],
)
def test_data_with_a_structure_that_does_not_fit(kind: str, data: str, fault: str) -> None:
    assert fault in (read(kind, bytes.fromhex(data)).malformed or "")


def test_no_announcement_at_all_is_none() -> None:
    """RFC 9593 section 3.1: an empty SUPPORTED_AUTH_METHODS says that the list follows in IKE_INTERMEDIATE."""
    assert read("SUPPORTED_AUTH_METHODS", b"").malformed is None


@given(st.sampled_from(sorted(STRUCTURES)), st.binary(max_size=40))
@settings(max_examples=examples(200))
def test_any_data_of_a_known_type_is_kept(kind: int, data: bytes) -> None:
    layer = read(kind, data)
    assert isinstance(layer.notify, bytes) or layer.malformed is None
    layer.show(dump=True)
