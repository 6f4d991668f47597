# SPDX-License-Identifier: GPL-2.0-or-later
"""Nonces (RFC 7296 sections 2.10 and 3.9): their size, and that none is used twice."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.events import MessageReceived
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import (
    Case,
    Heard,
    accepted,
    alive,
    answered,
    carries,
    case,
    cases,
    chooses_nothing,
    gives_up,
    goes_on,
    no_child,
    refused,
    sends,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import NOTHING, nonce_size, nonce_value
from fynx_scapy.layers.ikev2 import IKEv2_Nonce

SHA512 = {"proposals": "aes256gcm16-prfsha512-x25519"}
REFUSED = (refused(protected=False) | silent()) & chooses_nothing()
MALFORMED = answered("INVALID_SYNTAX", protected=True) & no_child()


def nonces_of(least: int) -> Callable[[Heard], str | None]:
    """A judgement: the message's nonces have that many octets, or more."""

    def fault(message: Heard) -> str | None:
        sizes = [len(bytes(payload.nonce)) for payload in message.payloads if isinstance(payload, IKEv2_Nonce)]
        return next((f"a nonce of {size} octets" for size in sizes if not least <= size <= 256), None)

    return fault


NONCE_16 = sends("its nonces have 16 to 256 octets", nonces_of(16))
NONCE_32 = sends("its nonces have 32 to 256 octets", nonces_of(32))

SIZES = [
    Case(
        f"nonce_of_{size}_octets_in_init", base="init", do=nonce_size(size), then=REFUSED, severity="high",
        requirements=("7296-3.9-01",),
    )
    for size in (0, 1, 8, 15, 257, 1024)
] + [
    Case(
        f"nonce_of_{size}_octets_in_init", base="connect", at="IKE_SA_INIT request", do=nonce_size(size),
        then=accepted() & alive() & carries(), requirements=("7296-3.9-01",),
    )
    for size in (16, 17, 255, 256)
] + [
    Case(
        f"nonce_of_{size}_octets_with_sha512", base="init", do=nonce_size(size), then=REFUSED, severity="high",
        requirements=("7296-2.10-01",), ours=SHA512,
    )
    for size in (16, 31)
] + [
    Case(
        "nonce_of_32_octets_with_sha512", base="init", do=nonce_size(32), then=accepted() & NONCE_32, ours=SHA512,
        requirements=("7296-2.10-01",),
    ),
    Case(
        "nonce_of_the_peer_with_sha512", base="init", do=NOTHING, then=accepted() & NONCE_32, ours=SHA512,
        requirements=("7296-2.10-01",), what="A peer's nonce has at least half the key size of the PRF.",
    ),
    Case(
        "nonce_of_the_peer", base="create_child", do=NOTHING, then=accepted() & NONCE_16,
        requirements=("7296-3.9-01", "7296-2.10-01"), what="A peer's nonce has 16 to 256 octets.",
    ),
    Case(
        "nonce_of_zeros", base="connect", at="IKE_SA_INIT request", do=nonce_value(bytes(32)),
        then=accepted() & alive(), requirements=("7296-3.9-01",), severity="low",
    ),
] + [
    Case(
        f"nonce_of_{size}_octets_in_{base}", base=base, do=nonce_size(size), then=MALFORMED, severity="high",
        requirements=("7296-3.9-01",),
    )
    for base in ("create_child", "rekey_child", "rekey_ike") for size in (0, 15, 257)
] + [
    Case(
        f"nonce_of_{size}_octets_in_{base}", base=base, do=nonce_size(size), then=accepted() & then,
        requirements=("7296-3.9-01",),
    )
    for base, then in (("create_child", carries()), ("rekey_child", carries()), ("rekey_ike", alive()))
    for size in (16, 256)
] + [
    Case(
        f"nonce_of_{size}_octets_in_init_response", base="connect", at="IKE_SA_INIT response", do=nonce_size(size),
        then=gives_up(), requirements=("7296-3.9-01",), severity="high",
    )
    for size in (0, 15, 257)
] + [
    Case(
        "nonce_of_16_octets_in_init_response_with_sha512", base="connect", at="IKE_SA_INIT response",
        do=nonce_size(16), then=gives_up(), requirements=("7296-2.10-01",), ours=SHA512, severity="high",
    ),
] + [
    Case(
        f"nonce_of_{size}_octets_in_init_response", base="connect", at="IKE_SA_INIT response", do=nonce_size(size),
        then=goes_on() & alive(), requirements=("7296-3.9-01",),
    )
    for size in (16, 256)
] + [
    Case(
        f"nonce_of_{size}_octets_in_create_child_response", base="create_child", at="response", do=nonce_size(size),
        then=taken() & carries(), requirements=("7296-3.9-01",),
    )
    for size in (16, 256)
]  # fmt: skip

cases(__name__, SIZES)


@case(requirements=("7296-3.9-02", "7296-2.10-01"), severity="critical", roles=BOTH)
def nonces_are_not_used_twice(run: Run) -> None:
    """The nonces of a peer differ in every exchange: IKE_SA_INIT, new Child SAs and rekeys."""
    s = run.session()
    run.establish(s)
    # HDR, SK {SA, Ni, TSi, TSr}  -->     <--  HDR, SK {SA, Nr, TSi, TSr}
    s.create_child()
    s.create_child()
    s.rekey_child()
    s.rekey_ike()
    received = [event for at, event in s.events if at == s.name and isinstance(event, MessageReceived)]
    nonces = [bytes(p.nonce) for event in received for p in event.payloads if isinstance(p, IKEv2_Nonce)]
    expect(len(nonces), "nonces of the peer").between(5, 100)
    expect(len(set(nonces)), "different nonces").equals(len(nonces))
