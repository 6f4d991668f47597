# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory does not grow with the layers of messages: they are parsed when they are asked for."""

from __future__ import annotations

import struct

import pytest

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import audit
from fynx_scapy.capture.follow import layers as layers_module
from fynx_scapy.capture.follow import learner as learner_module
from fynx_scapy.capture.follow.follower import Follower
from fynx_scapy.capture.follow.layers import Layers
from fynx_scapy.keylog import KeyLog
from tests.capture.build import ethernet, ike, ipv4, pcap, stream, udp

VENDOR = b"\0\0" + (20).to_bytes(2) + bytes(16)


def message(number: int, vendors: int = 1) -> bytes:
    """A request with some vendor IDs, of another IKE SA for each number."""
    chain = b"".join((b"\x2b" if at < vendors - 1 else b"\0") + VENDOR[1:] for at in range(vendors))
    data = bytearray(ike(kind=43, body=chain))
    data[:8], data[18] = struct.pack("!Q", number + 1), 34  # IKE_SA_INIT
    return bytes(data)


@pytest.mark.slow
def test_layers_are_the_same_whenever_they_are_asked_for() -> None:
    frames = [ethernet(ipv4(17, udp(500, 500, message(number, 50)))) for number in range(400)]
    with Capture(stream(pcap(frames)), KeyLog()) as capture:
        assert len(capture.conversations) == 400
        assert len(audit(capture).facts.conversations) == 400
        assert capture.opener._layers._octets <= layers_module.MOST_OCTETS < 400 * len(message(0, 50))
        first = capture.messages[0]
        assert [layer.payload_type for layer in first.layers] == [43] * 50
        assert first.layers[0] is first.layers[0]


def test_a_message_larger_than_all_is_kept_alone() -> None:
    layers = Layers()
    large = message(1, 2000)
    assert len(large) < layers_module.MOST_OCTETS
    for number in range(10):
        layers.outer(message(number, 2000), 0)
    assert layers._octets <= layers_module.MOST_OCTETS


def test_the_errors_of_one_message_are_few() -> None:
    wrong = b"".join((b"\x2c" if at < 99 else b"\0") + b"\0" + (8).to_bytes(2) + bytes(4) for at in range(100))
    found = Follower(KeyLog()).ike(ike(kind=44, body=wrong))
    assert len(found.errors) <= 21


def test_first_requests_are_bounded() -> None:
    follower = Follower(KeyLog())
    for number in range(40):
        data = bytearray(message(7, 1000))
        data[-1] = number
        follower.ike(bytes(data))
    (kept,) = follower._learner._inits.values()
    assert len(kept) == learner_module.MOST_REPEATED
    assert follower._learner._octets == sum(len(octets) for octets, _ in kept)
