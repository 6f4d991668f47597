# SPDX-License-Identifier: GPL-2.0-or-later
"""Every IKEv2 message of every capture is parsed, built back to the same bytes, and rebuilt from command()."""

from __future__ import annotations

import pytest
from scapy.config import conf
from scapy.packet import Packet

from fynx_scapy.layers import ikev2
from fynx_scapy.layers.ikev2 import IKEv2, build_message, chain, errors, parse_message, unchain
from tests.layers.packets import clear_cache, messages

# Malformed on purpose, or of a payload type for private use; what is wrong with each, in a few words.
KNOWN_FAULTS = {
    "ikev2-id-normal.pcap:0": "expected an address of 4 octets",
    "ikev2-id-short.pcap:0": "res2 has 3 octets, 0 left at offset 33",
    "ikev2pI2-segfault.pcapng:0": "IKEv2 Proposal: length 43690",
    "isakmp-delete-segfault.pcap:0": "length 1126274970, but 138 octets",
    "ipsec_isakmp_esp.pcap:116": "expected a payload IDi, found the end of the message at offset 812",
}


def pasted(text: str) -> Packet:
    """Execute the output of command()."""
    names = {name: getattr(ikev2, name) for name in ikev2.__all__}
    names |= {cls.__name__: cls for cls in conf.layers if cls.__name__ not in names}
    return eval(text, names)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["lab", "external"])
def test_every_message_builds_back(folder: str) -> None:
    well_formed, faults = 0, {}
    for where, layer, octets in messages(folder):
        packet = clear_cache(layer.copy())
        assert packet.do_build() == octets, where
        found = errors(layer)
        if found:
            faults[where] = "; ".join(found)
        else:
            well_formed += 1
        header, payloads = parse_message(octets)
        assert build_message(header, payloads) == octets, where
        assert chain(header, payloads).do_build() == octets, where
        assert build_message(*unchain(layer)) == octets, where
    assert well_formed > (500 if folder == "lab" else 100)
    expected = {} if folder == "lab" else KNOWN_FAULTS
    assert {where.split(":")[0] for where in faults} == {where.split(":")[0] for where in expected}
    for where, text in expected.items():
        capture = where.split(":")[0]
        assert any(text in fault for place, fault in faults.items() if place.startswith(capture)), (where, faults)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["lab", "external"])
def test_command_pasted_back_rebuilds_the_bytes(folder: str) -> None:
    seen = set()
    for where, layer, octets in messages(folder):
        shape = (layer.name, *(type(payload) for payload in layer.iterpayloads()))
        if shape in seen and folder == "lab":  # the same payloads again say nothing new
            continue
        seen.add(shape)
        assert pasted(layer.command()).do_build() == octets, where
    assert len(seen) > 5


def test_summary_shows_exchange_flags_id_and_payloads() -> None:
    _, layer, _ = next(messages("lab"))
    assert isinstance(layer, IKEv2)
    text = layer.summary()
    for part in ("IKE_SA_INIT", "request", "Initiator", "id=0", "SA", "KE", "Nonce", "N(NAT_DETECTION_SOURCE_IP)"):
        assert part in text
