# SPDX-License-Identifier: GPL-2.0-or-later
"""Which conversation an ESP flow belongs to, and what raw replay sends of it: the SPIs decide, not place and time."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy.capture import Capture, KeyLog
from fynx_scapy.capture.replay.raw import shots
from fynx_scapy.cli import main
from fynx_scapy.errors import ConfigError
from tests.capture.build import esp, ipv4, pcap, udp
from tests.capture.crossing import RAW_IP, crossing
from tests.shared import shared


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crossing(tmp_path_factory.mktemp("owners"))


def message(spi: int, exchange: int, *, sk: bool = False) -> bytes:
    """A message of an initiator: its header, and an SK payload that nobody can open."""
    body = b"\0\0" + struct.pack("!H", 44) + bytes(40) if sk else b""
    return struct.pack("!QQBBBBII", spi, 99, 46 if sk else 0, 0x20, exchange, 8, 1, 28 + len(body)) + body


INIT, AUTH, INFORMATIONAL = 34, 35, 37


def owned(*packets: bytes) -> list[list[int]]:
    """The SPIs of the flows of each conversation."""
    capture = Capture(io.BytesIO(pcap(packets, RAW_IP)), KeyLog())
    return [[flow.spi for flow in conversation.flows] for conversation in capture.conversations]


def ike(spi: int, exchange: int, port: int = 500) -> bytes:
    octets = message(spi, exchange, sk=exchange != INIT)
    return ipv4(17, udp(port, 500 if port == 500 else 4500, octets if port == 500 else bytes(4) + octets))


def test_keys_show_whose_flow_it_is(crossed: Path) -> None:
    with Capture(crossed) as capture:
        one, two = capture.conversations
        for conversation in (one, two):
            children = {spi for sa in conversation.sas for child in sa.children for spi in (child.spi_i, child.spi_r)}
            assert {flow.spi for flow in conversation.flows} == children
            assert len(conversation.sas) == 2  # the IKE SA was rekeyed
        assert len(one.flows) + len(two.flows) == len(capture.flows) == 8


def test_without_keys_no_flow_has_two_owners(crossed: Path) -> None:
    with Capture(crossed, KeyLog()) as capture:
        found = [id(flow) for conversation in capture.conversations for flow in conversation.flows]
        assert len(found) == len(set(found)) == len(capture.flows)


def test_a_flow_follows_the_exchange_that_could_not_be_read() -> None:
    packets = [ike(1, INIT), ike(2, INIT), ike(1, AUTH), ipv4(50, esp(1, 0x100)), ike(2, AUTH), ipv4(50, esp(1, 0x200))]
    assert owned(*packets, ike(1, INFORMATIONAL), ipv4(50, esp(2, 0x100))) == [[0x100], [0x200]]


def test_a_refused_attempt_has_no_flow() -> None:
    assert owned(ike(1, INIT), ike(1, AUTH), ike(2, INIT), ipv4(50, esp(1))) == [[0x11223344], []]


def test_esp_before_a_conversation_is_not_its_own() -> None:
    assert owned(ipv4(50, esp(1)), ike(1, INIT), ike(1, AUTH), ipv4(50, esp(1, 0x300))) == [[0x300]]


def test_esp_before_the_middle_of_a_conversation_is_its_own() -> None:
    """The capture began after IKE_AUTH."""
    assert owned(ipv4(50, esp(1)), ike(1, INFORMATIONAL)) == [[0x11223344]]


def test_two_clients_behind_one_nat_differ_in_their_ports() -> None:
    packets = [ike(1, INIT, 1111), ike(1, AUTH, 1111), ike(2, INIT, 2222), ike(2, AUTH, 2222)]
    packets += [ipv4(17, udp(port, 4500, esp(1, spi))) for port, spi in ((1111, 0x100), (2222, 0x200))]
    assert owned(*packets) == [[0x100], [0x200]]


def test_other_hosts_have_their_own() -> None:
    assert owned(ike(1, INIT), ike(1, AUTH), ipv4(50, esp(1), "10.9.9.9", "10.9.9.8")) == [[]]


# Raw replay


@pytest.mark.parametrize("side", ["initiator", "responder"])
def test_raw_replay_cuts_by_the_spis(crossed: Path, side: str) -> None:
    with Capture(crossed) as capture:
        for conversation in capture.conversations:
            own = [each.number for each in conversation.messages if conversation.left(each) == (side == "initiator")]
            assert [shot.number for shot in shots(crossed, side, conversation.number)] == own
            assert len(own) > 6


@pytest.mark.parametrize(("number", "count"), [(1, 12), (2, 6)])
def test_raw_replay_of_two_peers_that_began_at_the_same_time(number: int, count: int) -> None:
    path = shared("cases/C24-raw-replay-crossing/arkime-IKEv2.pcap")
    chosen = shots(path, "initiator", number)
    with Capture(path) as capture:
        (spis,) = capture.conversations[number - 1].spis
        esp_packets = sum(flow.packets for flow in capture.conversations[number - 1].flows) // 2
    assert {shot.payload[:16] for shot in chosen if shot.payload[8:16] != bytes(8)} == {b"".join(spis)}
    assert (len(chosen), chosen.left_out) == (count, esp_packets)


def test_the_command_says_what_raw_replay_left_out() -> None:
    path = shared("cases/C24-raw-replay-crossing/arkime-IKEv2.pcap")
    words = ["replay", "--raw", "--speed", "0", "--conversation", "2", "--target", "127.0.0.1:9", str(path)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "14 packets not in UDP left out" in done.stdout) == (0, True), done.output
    document = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert (document["sent"], document["left_out"]) == (6, 14)


def test_keepalives_belong_to_the_path_that_was_used_last() -> None:
    keepalive = [ipv4(17, udp(port, 4500, b"\xff")) for port in (1111, 2222)]
    packets = [ike(1, INIT, 1111), ike(2, INIT, 2222), *keepalive]
    capture = Capture(io.BytesIO(pcap(packets, RAW_IP)), KeyLog())
    owners = capture.transcript.owners
    found = [owners.of_path("10.0.0.1", port, "10.0.0.2", 4500, 4) for port in (1111, 2222)]
    assert found == capture.conversations


def test_a_number_that_is_not_there_says_which_there_are(crossed: Path) -> None:
    with Capture(crossed) as capture:
        assert capture.transcript.numbered(2).number == 2
        for number in (0, 3):
            with pytest.raises(ConfigError, match=f"expected a conversation from 1 to 2, found {number}"):
                capture.transcript.numbered(number)
