# SPDX-License-Identifier: GPL-2.0-or-later
"""The Encrypted payload of every message that a peer sends, and its ESP packets (RFC 7296 section 3.14, RFC 4303)."""

from __future__ import annotations

import functools

from fynx_scapy import SessionFields
from fynx_scapy.events import ChildSaInstalled
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import case
from fynx_scapy.harness.sent import conversation, is_response, messages
from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2 import IKEv2_VendorID, parse_message
from fynx_scapy.taps import Datagram, DatagramKind

CBC, BLOCK, IV_AT = "aes128-sha256-modp2048", 16, 32


@case(
    requirements=("7296-3.1-01", "7296-3.2-i01", "7296-3.14-03", "7296-3.14-04", "7296-3.14-05"),
    roles=BOTH, live="in part",
)  # fmt: skip
def sent_encrypted_payloads(run: Run) -> None:
    """SK stands last and names the first payload inside; IVs are new; padding fills up whole blocks, and no more."""
    ivs: list[bytes] = []
    _, heard = conversation(run, embedded={"proposals": CBC})
    blocks = run.embedded("padding, which a cipher in a counter mode does not need")
    for message in heard:
        if not message.encrypted:
            continue
        for wire in message.wire:
            _, layers = parse_message(wire)
            kinds = [int(layer.payload_type) for layer in layers]
            expect(kinds[-1] in (PayloadType.SK, PayloadType.SKF), "SK as the last payload").holds()
            expect(sum(kind in (PayloadType.SK, PayloadType.SKF) for kind in kinds), "SK payloads").equals(1)
            if kinds[-1] == PayloadType.SK:
                first = int(message.payloads[0].payload_type) if message.payloads else 0
                expect(int(layers[-1].next_payload), "Next Payload of SK").equals(first)
            ivs.append(wire[IV_AT : IV_AT + 8])
        if message.payloads:
            expect(int(message.payloads[-1].next_payload or 0), "Next Payload of the last payload").equals(0)
        if not blocks:
            continue
        plaintext = message.plaintext or b""
        expect(len(plaintext) % BLOCK, "octets beyond whole blocks").equals(0)
        expect(plaintext[-1], "pad length").between(0, BLOCK - 1)
    expect(len(set(ivs)), "different IVs").equals(len(ivs))


@case(requirements=("7383-2.4-05", "7383-2.4-04"), roles=BOTH)
def answers_in_the_form_of_the_request(run: Run) -> None:
    """Whole requests have whole answers; a long answer to a request in fragments comes in fragments."""
    _, heard = conversation(run, "nothing is long")
    for message in heard:
        kinds = {wire[16] for wire in message.wire}
        expect(PayloadType.SKF in kinds, "fragments").fails()
    s = run.session("everything is long", peer={"fragment_size": 300})
    s.config = s.config.replace(fragment_size=300)
    s.client.configs = [config.replace(fragment_size=300) for config in s.client.configs]
    run.establish(s)
    s.peer.taps.add("payloads", lambda m: m.payloads.append(IKEv2_VendorID(vendorID=bytes(900))))
    answer = s.request("INFORMATIONAL", IKEv2_VendorID(vendorID=bytes(900)))
    expect(answer).response()
    expect(is_response(messages(s)[-1]), "a response").holds()
    expect(len(messages(s)[-1].wire), "fragments of the answer").between(3, 20)


def note(seen: list[Datagram], _time: float, datagram: Datagram, _fate: str) -> None:
    """Record a datagram."""
    seen.append(datagram)


@case(requirements=("4303-2-01", "4303-2.1-i01", "4303-2.1-06", "3948-1-03"), roles=BOTH, live="in part")
def sent_esp_spis(run: Run) -> None:
    """No ESP SPI of the peer is 0 to 255, in its offers and in its packets; without a NAT ESP is protocol 50."""
    plain: SessionFields = {}
    forced: SessionFields = {"peer": {"force_encapsulation": True}}
    for label, given in (("ESP", plain), ("ESP in UDP", forced)):
        if given and not run.embedded("a peer that puts ESP into UDP by itself"):
            return
        seen: list[Datagram] = []
        s, _ = conversation(run, label, **given)
        installed = [e for who, e in s.events if who == s.name and isinstance(e, ChildSaInstalled)]
        expect(min(event.outbound.spi for event in installed), "the lowest SPI of the peer").between(256, 2**32 - 1)
        s = run.session(f"packets: {label}", **given)
        s.network.observe(functools.partial(note, seen))
        run.establish(s)
        s.ping()
        esp = [d for d in seen if d.kind in (DatagramKind.ESP, DatagramKind.ESP_IN_UDP)]
        expect(len(esp), "ESP packets").between(2, 8)
        expect(min(int.from_bytes(d.data[:4]) for d in esp), "the lowest SPI").between(256, 2**32 - 1)
        wanted = DatagramKind.ESP_IN_UDP if given or s.sa.nat else DatagramKind.ESP
        expect({d.kind for d in esp}, "how ESP travels").equals({wanted})
