# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded conversations held once more with a live strongSwan: it answers as the recorded one did."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.capture.replay import configs
from fynx_scapy.capture.replay.player import Player, ReplayVerdict, Report
from fynx_scapy.capture.replay.raw import send, shots
from fynx_scapy.capture.replay.recording import Recording, load
from fynx_scapy.lab.lab import RETRANSMISSION, Lab
from fynx_scapy.lab.peer import PeerConfig
from tests.shared import shared

pytestmark = pytest.mark.usefixtures("strongswan")

X25519 = "aes128gcm16-prfsha256-curve25519"
# Capture, which of its conversations, and the responder's configuration in it (its swanctl.conf)
RECORDED: list[tuple[str, int, dict[str, Any]]] = [
    ("psk-cbc128-sha256-modp2048", 1, {"ike": "aes128-sha256-modp2048", "esp": "aes128-sha256-modp2048"}),
    ("psk-chacha20-x25519", 1, {"ike": "chacha20poly1305-prfsha256-curve25519", "esp": "chacha20poly1305"}),
    ("psk-ccm128-ecp256", 1, {"ike": "aes128ccm16-prfsha256-ecp256", "esp": "aes128ccm16"}),
    ("psk-gcm128-pfs-x25519", 1, {"ike": X25519, "esp": "aes128gcm16-curve25519"}),
    ("psk-frag-intermediate", 1, {"ike": X25519, "esp": "aes128gcm16", "fragmentation": "force"}),
    ("psk-cookie", 4, {"ike": X25519, "esp": "aes128gcm16", "cookie_threshold": 1}),
    ("psk-childless", 1, {"ike": X25519, "esp": "aes128gcm16-curve25519"}),
]


def recording(name: str, conversation: int = 1) -> Recording:
    return load(shared(f"captures/lab/{name}.pcap"), conversation=conversation)


def replay(lab: Lab, recorded: Recording, *, keep: bool = True) -> Report:
    config = configs.initiator(recorded).replace(retransmission=RETRANSMISSION)
    session = lab.session(config)
    report = Player(recorded, session, keep=keep).play()
    if report.established and report.ok and keep:
        assert session.ping(lab.theirs.inner)
    return report


@pytest.mark.parametrize(("name", "conversation", "config"), RECORDED, ids=[row[0] for row in RECORDED])
def test_it_ends_established_and_as_recorded(name: str, conversation: int, config: dict[str, Any]):
    with Lab(PeerConfig().changed(**config)) as lab:
        for before in range(1, conversation):  # half-open ones, which make the peer ask for cookies
            chosen = shots(shared(f"captures/lab/{name}.pcap"), conversation=before)
            send(chosen, str(lab.target), speed=0, open_socket=lab.ours.namespace.socket)
        report = replay(lab, recording(name, conversation))
        (sa,) = (sa for sa in lab.peer.sas() if sa.established)
        assert [child.state for child in sa.children if child.state != "DELETED"] == ["INSTALLED"]
    assert report.established
    assert report.differences == []
    assert {each.verdict for each in report.outcomes} == {ReplayVerdict.SAME, ReplayVerdict.KEPT}


def test_to_the_recorded_end():
    with Lab(PeerConfig().changed(**RECORDED[0][2])) as lab:
        report = replay(lab, recording(RECORDED[0][0]), keep=False)
        assert lab.peer.sas() == []
    assert report.ok


def test_another_configuration_shows_the_differing_fields():
    """The peer of today has narrower selectors and no PFS."""
    config = PeerConfig().changed(ike="aes128-sha256-modp2048", esp="aes128-sha256", local_ts=("10.2.0.0/25",))
    with Lab(config) as lab:
        report = replay(lab, recording("psk-cbc128-sha256-modp2048"))
    assert report.established
    assert not report.ok
    found = {(each.message, each.payload, each.field): (each.recorded, each.found) for each in report.differences}
    assert found[4, "TSr", "traffic_selector[1].ending_address_v4"] == ("10.2.0.255", "10.2.0.127")
    # The rekey asks for a key exchange, which the peer does not have.
    assert found[16, "N(NO_PROPOSAL_CHOSEN)", ""] == ("absent", "present")
    assert found[16, "KE", ""] == ("present", "absent")
    assert {each.message for each in report.differences} == {4, 16}


def test_algorithms_that_the_peer_does_not_have():
    with Lab(PeerConfig().changed(ike="aes256gcm16-prfsha384-ecp384")) as lab:
        report = replay(lab, recording("psk-cbc128-sha256-modp2048"))
        assert lab.peer.sas() == []
    assert not report.established
    first = [each for each in report.differences if each.message == 2]
    assert ("N(NO_PROPOSAL_CHOSEN)", "absent", "present") in [(d.payload, d.recorded, d.found) for d in first]
    assert "NO_PROPOSAL_CHOSEN" in report.error


def test_raw_octets_are_answered():
    """IKE_SA_INIT is as good today as it was then; of all that follows charon knows no SPI."""
    chosen = shots(shared("captures/lab/psk-cbc128-sha256-modp2048.pcap"))
    with Lab(PeerConfig().changed(**RECORDED[0][2])) as lab:
        volley = send(chosen[:1], str(lab.target), speed=0, open_socket=lab.ours.namespace.socket)
    assert (volley.sent, volley.answers) == (1, 1)
