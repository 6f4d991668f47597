# SPDX-License-Identifier: GPL-2.0-or-later
"""One IKE_SA_INIT request from layers to octets and back, as the engine does it (pytest-benchmark)."""

from __future__ import annotations

from typing import Any

from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    build_message,
    parse_message,
)


def request() -> bytes:
    """A request with one proposal of four transforms, KE, Nonce and four notifies."""
    header = IKEv2(init_SPI=bytes(range(8)), exch_type=34, flags=8)
    transforms = [
        IKEv2_Transform(transform_type=1, transform_id=12, key_length=256),
        IKEv2_Transform(transform_type=2, transform_id=5),
        IKEv2_Transform(transform_type=3, transform_id=12),
        IKEv2_Transform(transform_type=4, transform_id=31),
    ]
    payloads = [
        IKEv2_SA(prop=[IKEv2_Proposal(proposal=1, proto=1, trans=transforms)]),
        IKEv2_KE(group=31, ke=bytes(32)),
        IKEv2_Nonce(nonce=bytes(32)),
        *(
            IKEv2_Notify(type=kind, notify=data)
            for kind, data in ((16388, bytes(20)), (16389, bytes(20)), (16430, b""), (16406, b""))
        ),
    ]
    return build_message(header, payloads)


def test_build(benchmark: Any) -> None:
    message = benchmark(request)
    assert len(message) == int.from_bytes(message[24:28])


def test_dissect(benchmark: Any) -> None:
    header, payloads = benchmark(parse_message, request())
    assert header.init_SPI == bytes(range(8))
    assert len(payloads) == 7
