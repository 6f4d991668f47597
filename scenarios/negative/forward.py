# SPDX-License-Identifier: GPL-2.0-or-later
"""Forward compatibility (RFC 7296 sections 2.5, 3.2 and 3.10.1): what a peer does not know, it skips or refuses."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    Heard,
    accepted,
    alive,
    carries,
    cases,
    goes_on,
    refused,
    sends,
    taken,
)
from fynx_scapy.harness.verbs import (
    insert,
    insert_many,
    insert_notify,
    insert_unknown,
    move_last,
    notify_flood,
    reserved_everywhere,
    reverse,
    swap,
)
from fynx_scapy.layers.ikev2 import (
    IKEv2_Payload,
    IKEv2_VendorID,
)


def _no_flags(message: Heard) -> str | None:
    """Of the payloads of RFC 7296: neither the critical bit nor a reserved one."""
    for payload in message.payloads:
        if 33 <= int(payload.payload_type or 0) <= 48 and int(payload.flags or 0):
            return f"flags {int(payload.flags):#04x} of {payload.name}"
    return None


PLAIN = sends("its payloads have no flags", _no_flags)

UNKNOWN_PAYLOADS = [
    Case(
        "unknown_payload_in_init", base="connect", at="IKE_SA_INIT request", do=insert_unknown(200),
        then=accepted() & alive(), requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_first", base="connect", at="IKE_SA_INIT request", do=insert_unknown(128, at=0),
        then=accepted() & alive(), requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_auth", base="auth", do=insert_unknown(200, at=0), then=accepted() & alive(),
        requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_liveness", base="liveness", do=insert_unknown(255, at=0), then=accepted() & alive(),
        requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_create_child", base="create_child", do=insert_unknown(200), then=accepted() & alive(),
        requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_rekey_child", base="rekey_child", do=insert_unknown(200), then=accepted() & carries(),
        requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_rekey_ike", base="rekey_ike", do=insert_unknown(200), then=accepted(),
        requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_delete", base="delete_child", do=insert_unknown(200), then=accepted() & alive(),
        requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_init_response", base="connect", at="IKE_SA_INIT response", do=insert_unknown(200),
        then=goes_on(), requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_auth_response", base="connect", at="IKE_AUTH response", do=insert_unknown(200),
        then=taken() & alive(), requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_liveness_response", base="liveness", at="response", do=insert_unknown(200, at=0),
        then=taken() & alive(), requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payload_in_create_child_response", base="create_child", at="response", do=insert_unknown(200),
        then=taken() & alive() & carries(), requirements=("7296-2.5-07", "7296-2.5-09"),
    ),
    Case(
        "unknown_payloads_fifty", base="connect", at="IKE_SA_INIT request", requirements=("7296-2.5-07",),
        do=insert_many(IKEv2_Payload(payload_type=200, load=b"?"), 50), then=accepted() & alive(),
        what="Fifty payloads of unknown types in IKE_SA_INIT are skipped.",
    ),
    Case(
        "unknown_payload_of_3_kib", base="connect", at="IKE_SA_INIT request", severity="low",
        do=insert(IKEv2_Payload(payload_type=200, load=bytes(2400))), then=accepted() & alive(),
        requirements=("7296-2.5-07",),
    ),
    Case(
        "unknown_payload_empty", base="connect", at="IKE_SA_INIT request",
        do=insert(IKEv2_Payload(payload_type=200)), then=accepted() & alive(), requirements=("7296-2.5-07",),
    ),
]  # fmt: skip

ORDER = [
    Case(
        "order_reversed_in_init", base="connect", at="IKE_SA_INIT request", do=reverse(), then=accepted() & alive(),
        requirements=("7296-2.5-11",),
    ),
    Case(
        "order_of_nonce_ke_sa", base="init", do=swap("SA", "Ni"), then=accepted(), requirements=("7296-2.5-11",),
    ),
    Case(
        "order_reversed_in_auth", base="auth", do=reverse(), then=accepted() & alive() & carries(),
        requirements=("7296-2.5-11",),
    ),
    Case(
        "order_of_selectors_in_auth", base="auth", do=swap("TSi", "TSr"), then=accepted() & alive() & carries(),
        requirements=("7296-2.5-11",),
    ),
    Case(
        "order_of_identity_in_auth", base="auth", do=move_last("IDi"), then=accepted() & alive(),
        requirements=("7296-2.5-11",),
    ),
    Case(
        "order_reversed_in_create_child", base="create_child", do=reverse(), then=accepted() & carries(),
        requirements=("7296-2.5-11",),
    ),
    Case(
        "order_reversed_in_rekey_child", base="rekey_child", do=reverse(), then=accepted() & carries(),
        requirements=("7296-2.5-11",),
    ),
    Case(
        "order_reversed_in_rekey_ike", base="rekey_ike", do=reverse(), then=accepted(), requirements=("7296-2.5-11",),
    ),
    Case(
        "order_reversed_in_init_response", base="connect", at="IKE_SA_INIT response", do=reverse(), then=goes_on(),
        requirements=("7296-2.5-11",),
    ),
    Case(
        "order_reversed_in_auth_response", base="connect", at="IKE_AUTH response", do=reverse(),
        then=taken() & alive() & carries(), requirements=("7296-2.5-11",),
    ),
    Case(
        "order_reversed_in_create_child_response", base="create_child", at="response", do=reverse(),
        then=taken() & carries(), requirements=("7296-2.5-11",),
    ),
]  # fmt: skip

NOTIFIES = [
    Case(
        "unknown_status_in_init", base="connect", at="IKE_SA_INIT request", do=insert_notify(40960, b"\x01"),
        then=accepted() & alive(), requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_in_auth", base="auth", do=insert_notify(50000), then=accepted() & alive(),
        requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_in_liveness", base="liveness", do=insert_notify(65535, bytes(200)), then=accepted() & alive(),
        requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_in_create_child", base="create_child", do=insert_notify(40960, at=0),
        then=accepted() & carries(), requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_in_rekey_ike", base="rekey_ike", do=insert_notify(40960), then=accepted(),
        requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_in_init_response", base="connect", at="IKE_SA_INIT response", do=insert_notify(40960),
        then=goes_on(), requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_in_auth_response", base="connect", at="IKE_AUTH response", do=insert_notify(40960),
        then=taken() & alive() & carries(), requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_in_create_child_response", base="create_child", at="response", do=insert_notify(40960),
        then=taken() & carries(), requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_flood", base="init", do=notify_flood(100), then=accepted(), requirements=("7296-3.10.1-03",),
    ),
    Case(
        "unknown_status_flood_inside", base="liveness", do=notify_flood(150), then=accepted() & alive(),
        requirements=("7296-3.10.1-03",),
    ),
    Case(
        "status_of_reserved_types", base="liveness", do=insert_notify(16384) + insert_notify(16383 + 2, b""),
        then=(accepted() | refused(protected=True)), source="RFC 7296 section 3.10.1", severity="low",
    ),
]  # fmt: skip

VENDOR_IDS = [
    Case(
        f"vendor_id_of_{size}_octets", base="connect", at="IKE_SA_INIT request",
        do=insert(IKEv2_VendorID(vendorID=bytes(range(256))[:size]), at=3), then=accepted() & alive(),
        requirements=("7296-3.12-04",),
    )
    for size in (0, 1, 16, 200)
] + [
    Case(
        "vendor_id_in_auth", base="auth", do=insert(IKEv2_VendorID(vendorID=b"\xff" * 16)),
        then=accepted() & alive() & carries(), requirements=("7296-3.12-04",),
    ),
    Case(
        "vendor_id_in_liveness", base="liveness", do=insert(IKEv2_VendorID(vendorID=b"")), then=accepted() & alive(),
        requirements=("7296-3.12-04",),
    ),
    Case(
        "vendor_id_in_init_response", base="connect", at="IKE_SA_INIT response",
        do=insert(IKEv2_VendorID(vendorID=bytes(200)), at=3), then=goes_on(), requirements=("7296-3.12-04",),
    ),
    Case(
        "vendor_id_in_auth_response", base="connect", at="IKE_AUTH response",
        do=insert(IKEv2_VendorID(vendorID=b"\x00"), at=0), then=taken() & alive(), requirements=("7296-3.12-04",),
    ),
    Case(
        "vendor_ids_hundred", base="init", requirements=("7296-3.12-04",),
        do=insert_many(IKEv2_VendorID(vendorID=b"fynx"), 100),
        then=accepted(), what="A hundred vendor IDs in IKE_SA_INIT are ignored.",
    ),
]  # fmt: skip

RESERVED = [
    Case(
        "reserved_everywhere_in_init", base="connect", at="IKE_SA_INIT request", do=reserved_everywhere(),
        then=accepted() & alive() & PLAIN,
        requirements=("7296-2.5-06", "7296-3.2-06", "7296-3.3.1-01", "7296-3.3.2-01"),
    ),
    Case(
        "reserved_everywhere_in_auth", base="auth", do=reserved_everywhere(), then=accepted() & alive() & carries(),
        requirements=("7296-2.5-06", "7296-3.2-06", "7296-3.5-01", "7296-3.8-02", "7296-3.13-01"),
    ),
    Case(
        "reserved_everywhere_in_liveness", base="liveness", do=reserved_everywhere(), then=accepted() & alive(),
        requirements=("7296-2.5-06", "7296-3.2-06"),
    ),
    Case(
        "reserved_everywhere_in_create_child", base="create_child", do=reserved_everywhere(),
        then=accepted() & carries() & PLAIN, requirements=("7296-2.5-06", "7296-3.2-06"),
    ),
    Case(
        "reserved_everywhere_in_rekey_ike", base="rekey_ike", do=reserved_everywhere(), then=accepted() & PLAIN,
        requirements=("7296-2.5-06", "7296-3.2-06"),
    ),
    Case(
        "reserved_everywhere_in_delete", base="delete_child", do=reserved_everywhere(), then=accepted() & alive(),
        requirements=("7296-2.5-06", "7296-3.2-06"),
    ),
    Case(
        "reserved_everywhere_in_init_response", base="connect", at="IKE_SA_INIT response", do=reserved_everywhere(),
        then=goes_on(), requirements=("7296-2.5-06", "7296-3.2-06", "7296-3.3.1-01", "7296-3.3.2-01"),
    ),
    Case(
        "reserved_everywhere_in_auth_response", base="connect", at="IKE_AUTH response", do=reserved_everywhere(),
        then=taken() & alive() & carries(),
        requirements=("7296-2.5-06", "7296-3.2-06", "7296-3.5-01", "7296-3.8-02", "7296-3.13-01"),
    ),
    Case(
        "reserved_everywhere_in_create_child_response", base="create_child", at="response", do=reserved_everywhere(),
        then=taken() & carries(), requirements=("7296-2.5-06", "7296-3.2-06"),
    ),
]  # fmt: skip

cases(
    __name__,
    [*UNKNOWN_PAYLOADS, *ORDER, *NOTIFIES, *VENDOR_IDS, *RESERVED],
)
