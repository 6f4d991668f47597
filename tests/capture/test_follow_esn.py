# SPDX-License-Identifier: GPL-2.0-or-later
"""Extended sequence numbers in generated captures: across 2^32 with loss, and from above it (RFC 4303 appendix A)."""

from __future__ import annotations

import functools
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP
from scapy.packet import Raw
from scapy.utils import wrpcap

from fynx_scapy import Session
from fynx_scapy.capture.follow import Follower
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.keylog import KeyLog
from fynx_scapy.net.recorder import Recorder
from tests.capture.following import Followed, follow

EDGE = 1 << 32


@functools.cache
def handshake() -> tuple[Session, Recorder]:
    session = Session(psk="lab psk", esp_proposals="aes128gcm16-esn", seed="esn")
    recorder = Recorder()
    recorder.watch(session.network, "esn")
    session.sa_init()
    session.auth()
    return session, recorder


def outbound(session: Session, seq: int) -> OutboundSa:
    (child,) = session.sa.children.values()
    assert isinstance(child, ChildSa)
    ours = child.outbound
    return OutboundSa(spi=ours.spi, encr=ours.encr, key=child_key(session), esn=True, seq=seq)


def child_key(session: Session) -> bytes:
    spi = next(iter(session.sa.children.values())).outbound.spi
    return next(keys.key for keys in handshake()[1].keys().esp if keys.spi == spi)


def capture(folder: Path, numbers: list[int]) -> Path:
    """The handshake, and ESP packets with these numbers in this order."""
    session, recorder = handshake()
    sa = outbound(session, 0)
    packets = list(recorder.packets())
    for number in numbers:
        esp = sa.seal(b"E" + struct.pack("!Q", number), 59, seq=number)
        packets.append(IP(src="192.0.2.1", dst="192.0.2.2", proto=50) / Raw(esp))
        packets[-1].time = packets[0].time + 1
    path = folder / "esn.pcap"
    wrpcap(str(path), packets)
    return path


def followed(path: Path, **options: Any) -> Followed:
    keys = handshake()[1].keys()
    return follow(path, KeyLog(secrets=keys.secrets, psk="lab psk"), **options)


def numbers_of(found: Followed) -> list[int | None]:
    return [struct.unpack("!Q", p.plaintext[1:9])[0] if p.plaintext else None for p in found.packets]


def test_a_capture_crosses_with_loss_around_the_crossing(tmp_path: Path) -> None:
    rng = random.Random(5)
    sent = [number for number in range(EDGE - 300, EDGE + 300) if rng.random() > 0.3 and abs(number - EDGE) > 5]
    for at in range(0, len(sent) - 8, 8):  # and reordered
        part = sent[at : at + 8]
        rng.shuffle(part)
        sent[at : at + 8] = part
    found = followed(capture(tmp_path, [1, 2, 3, EDGE - 1000, *sent]))
    assert numbers_of(found) == [1, 2, 3, EDGE - 1000, *sent]
    assert found.follower.esp_sa(outbound(handshake()[0], 0).spi, "192.0.2.2").highest == max(sent)


@pytest.mark.parametrize("high", [1, 3, 64])
def test_a_capture_that_begins_above_is_searched_within_the_limit(tmp_path: Path, high: int) -> None:
    sent = [high * EDGE + number for number in (7, 8, 10)]
    assert numbers_of(followed(capture(tmp_path, sent))) == sent


def test_beyond_the_limit_it_is_not_found_and_said_so(tmp_path: Path) -> None:
    sent = [65 * EDGE + number for number in (7, 8)]
    found = followed(capture(tmp_path, sent))
    assert numbers_of(found) == [None, None]
    assert {packet.icv for packet in found.packets} == {"bad"}
    assert numbers_of(followed(capture(tmp_path, sent), esn_search=65)) == sent


def test_a_high_half_that_is_given_needs_no_search(tmp_path: Path) -> None:
    sent = [77_777 * EDGE + number for number in (EDGE - 9, EDGE - 8, EDGE - 1, EDGE + 2)]
    spi = outbound(handshake()[0], 0).spi
    found = followed(capture(tmp_path, sent), esn_search=0, esn_high={spi: 77_777})
    assert numbers_of(found) == sent


def test_a_gap_of_several_cycles_is_searched_too(tmp_path: Path) -> None:
    sent = [5, 3 * EDGE + 1, 3 * EDGE + 2]
    assert numbers_of(followed(capture(tmp_path, sent))) == sent


def test_a_follower_without_keys_searches_nothing() -> None:
    follower = Follower(KeyLog())
    assert not follower.esp(bytes(64), "192.0.2.1", "192.0.2.2").keyed
