# SPDX-License-Identifier: GPL-2.0-or-later
"""The SA and KE payloads of every message that a peer sends (RFC 7296 sections 3.3 and 3.4)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fynx_scapy.events import MessageReceived
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import case
from fynx_scapy.harness.sent import conversation, is_response, payloads
from fynx_scapy.iana import Encr, ExchangeType, Integ, KeMethod, ProtocolId, TransformType
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_SA

KEY_LENGTH = 14
VARIABLE = {
    Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16,
    Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_16, Encr.ENCR_NULL_AUTH_AES_GMAC,
    Encr.ENCR_CAMELLIA_CBC, Encr.ENCR_CAMELLIA_CTR,
}  # fmt: skip
"""Ciphers whose keys have several lengths: they always say which (RFC 7296 section 3.3.5)."""
AEAD = {
    Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16, Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12,
    Encr.ENCR_AES_GCM_16, Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_NULL_AUTH_AES_GMAC,
}  # fmt: skip
MODP_OCTETS = {
    KeMethod.MODP_1024: 128, KeMethod.MODP_1536: 192, KeMethod.MODP_2048: 256, KeMethod.MODP_3072: 384,
    KeMethod.MODP_4096: 512,
}  # fmt: skip
MIXED = ("aes128-aes256-sha256-sha512-modp2048", "aes128gcm16-aes256gcm16-prfsha256-modp2048")
MIXED_ESP = ("aes128-aes256-sha256-modp2048", "aes128gcm16-aes256gcm16-chacha20poly1305-modp2048")


def talk(run: Run) -> list[MessageReceived]:
    """What the peer sends in a conversation in which it may offer several suites of either kind."""
    return conversation(run, embedded={"proposals": MIXED, "esp_proposals": MIXED_ESP})[1]


def proposals(heard: list[MessageReceived]) -> list[tuple[MessageReceived, Any]]:
    """Every proposal with its message."""
    return [(m, one) for m in heard for payload in payloads([m], IKEv2_SA) for one in payload.prop]


@case(
    requirements=(
        "7296-3.3-05", "7296-3.3-06", "7296-3.3-04", "7296-3.3.1-01", "7296-3.3.2-01", "7296-3.3.1-04",
        "7296-3.3.1-i01",
    ),
    roles=BOTH, live="in part",
)  # fmt: skip
def sent_proposals(run: Run) -> None:
    """Proposals are numbered from 1, have zero in what is reserved, right counts, and an SPI of the right size."""
    heard = talk(run)
    for message in heard:
        for payload in payloads([message], IKEv2_SA):
            if not is_response(message):
                numbers = [one.proposal for one in payload.prop]
                expect(numbers, "numbers of proposals").equals(list(range(1, len(numbers) + 1)))
            expect(payload.faults() if hasattr(payload, "faults") else [], "faults of the SA payload").equals([])
    for message, one in proposals(heard):
        expect(one.flags, "reserved octet of a proposal").equals(0)
        expect([(each.flags, each.res2) for each in one.trans], "reserved octets").equals([(0, 0)] * len(one.trans))
        expect(one.faults(), "wrong counts").equals([])
        first = message.header.exch_type == ExchangeType.IKE_SA_INIT
        size = 4 if one.proto == ProtocolId.ESP else 0 if first else 8
        expect((one.SPIsize, len(one.SPI or b"")), "octets of the SPI").equals((size, size))


@case(
    requirements=("7296-2.13-01", "7296-3.3-09", "7296-3.3-10", "7296-3.3.5-01", "7296-3.3.5-03", "7296-3.3.5-04"),
    roles=BOTH, live="in part",
)  # fmt: skip
def sent_key_lengths(run: Run) -> None:
    """Key Length: in bits, in the short form, once, with every cipher that has several, and with nothing else."""
    for _, one in proposals(talk(run)):
        for each in one.trans:
            lengths = [attribute for attribute in each.attributes if attribute.type == KEY_LENGTH]
            what = f"Key Length attributes of {each.mysummary()}"
            variable = each.transform_type == TransformType.ENCR and each.transform_id in VARIABLE
            expect(len(lengths), what).equals(int(variable))
            for attribute in lengths:
                expect(attribute.AF, f"{what}: AF").equals(1)
                expect(attribute.value in (128, 192, 256), f"{what}: {attribute.value} bits").holds()


@case(
    requirements=("7296-3.3-07", "7296-3.3-i01", "7296-5-02", "7296-1.2-06", "7296-1.2-i06", "4303-3.2-02"),
    roles=BOTH, live="in part",
)  # fmt: skip
def sent_suites(run: Run) -> None:
    """Combined-mode ciphers stand alone and without INTEG; no NULL, no NONE, and no key exchange in IKE_AUTH."""
    for message, one in proposals(talk(run)):
        of = Counter((each.transform_type, each.transform_id) for each in one.trans)
        encr = {number for kind, number in of if kind == TransformType.ENCR}
        integ = {number for kind, number in of if kind == TransformType.INTEG}
        expect(bool(encr & AEAD) and bool(encr - AEAD), "combined-mode and other ciphers in one proposal").fails()
        expect(integ - {Integ.NONE} if encr & AEAD else set(), "integrity algorithms of an AEAD").equals(set())
        expect(bool(encr & AEAD or integ - {Integ.NONE}), "integrity protection").holds()
        if one.proto == ProtocolId.IKE:
            expect(Encr.ENCR_NULL in encr, "ENCR_NULL for the IKE SA").fails()
        groups = {number for kind, number in of if kind == TransformType.KE}
        expect(KeMethod.NONE in groups, "NONE as a transform").fails()
        if message.header.exch_type == ExchangeType.IKE_AUTH:
            expect(sorted(groups), "groups in IKE_AUTH").equals([])


@case(
    requirements=("7296-1.3-04", "7296-1.3-05", "7296-3.4-01", "7296-3.4-02", "7296-3.4-03"), roles=BOTH, live="in part"
)
def sent_key_exchanges(run: Run) -> None:
    """A KE payload is of a group that the SA payload of its message names, and has the octets of its prime."""
    heard = talk(run)
    if run.embedded("proposals without a group"):
        heard += conversation(run, "no group for ESP")[1]
    seen = 0
    for message in heard:
        offered = {
            each.transform_id for _, one in proposals([message]) for each in one.trans if each.transform_type == 4
        }
        for payload in payloads([message], IKEv2_KE):
            seen += 1
            expect(payload.group in offered, f"group {payload.group} in the SA payload of its message").holds()
            if payload.group in MODP_OCTETS:
                expect(len(payload.ke), "octets of the public value").equals(MODP_OCTETS[payload.group])
    expect(seen, "KE payloads").between(2, 40)  # a live peer's Child SAs may be without
