# SPDX-License-Identifier: GPL-2.0-or-later
"""The audit blames the path or the capture, not the peers: lost IP fragments, a snap length, what cannot be read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy import Session
from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import Audit, Status, audit
from fynx_scapy.commands.audit import audit as command
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_KE, IKEv2_Nonce, IKEv2_Proposal, IKEv2_SA, IKEv2_Transform
from fynx_scapy.net import Recorder
from fynx_scapy.report.audit import render
from tests.capture.build import esp, ethernet, ike, ipv4, ipv6, pcap, udp
from tests.shared import shared

ALICE, BOB = "10.0.0.1", "10.0.0.2"


def initial(flags: str) -> bytes:
    trans = [IKEv2_Transform(transform_type="ENCR", transform_id=20, key_length=128)]
    return bytes(
        IKEv2(exch_type="IKE_SA_INIT", init_SPI=b"initiate", resp_SPI=b"responds", flags=flags)
        / IKEv2_SA(prop=[IKEv2_Proposal(trans=trans)])
        / IKEv2_KE(group=31, ke=bytes(32))
        / IKEv2_Nonce(nonce=bytes(32))
    )


def packet(message: bytes, by: str, port: int = 500, ident: int = 1) -> bytes:
    return ipv4(17, udp(port, port, message), by, BOB if by == ALICE else ALICE, ident)


def piece(by: str, ident: int, *, first: bool, port: int = 500) -> bytes:
    """The first or the last of two fragments of a large IKE_AUTH message."""
    message = bytes(4 * (port == 4500)) + ike(b"responds", kind=46, body=bytes(1972))
    whole = udp(port, port, message)
    part, field = (whole[:1480], 0x2000) if first else (whole[1480:], 1480 // 8)
    return ipv4(17, part, by, BOB if by == ALICE else ALICE, ident, field)


def audited(*frames: bytes) -> Audit:
    with Capture(io.BytesIO(pcap([ethernet(frame) for frame in frames])), KeyLog()) as capture:
        return audit(capture)


INIT = (packet(initial("Initiator"), ALICE), packet(initial("Response"), BOB, ident=2))


@pytest.mark.parametrize(
    ("first", "port", "words"),
    [
        (True, 500, "3 UDP 500 packets came as first fragments only"),
        (True, 4500, "3 UDP 4500 packets came as first fragments only"),
        (False, 500, "3 UDP packets came without their first fragments"),
    ],
)
def test_lost_fragments_of_the_request(first: bool, port: int, words: str) -> None:
    found = audited(*INIT, *(piece(ALICE, 100 + n, first=first, port=port) for n in range(3)))
    (lost,) = found.find("path.lost")
    assert lost.title == f"IKE_SA_INIT is not followed by IKE_AUTH; {words}"
    assert lost.evidence == (3, 4, 5)
    assert lost.status is Status.FAILED
    assert "drops IP fragments" in lost.cause
    assert "RFC 7383" in lost.cause
    assert not found.find("unreadable")


def test_lost_fragments_of_the_response() -> None:
    request = IKEv2(
        exch_type="IKE_AUTH", init_SPI=b"initiate", resp_SPI=b"responds", flags="Initiator", id=1
    )  # fmt: skip
    found = audited(*INIT, packet(bytes(request), ALICE, ident=3), piece(BOB, 7, first=True))
    (lost,) = found.find("path.lost")
    assert lost.title == "IKE_AUTH has no response; 1 UDP 500 packet came as first fragments only"
    assert "The responder sent" in lost.explanation


def test_an_initial_request_that_came_in_fragments_before_its_answer() -> None:
    found = audited(piece(ALICE, 7, first=True), piece(ALICE, 8, first=True), INIT[1])
    (lost,) = found.find("path.lost")
    assert lost.title == "IKE_SA_INIT came in fragments; 2 UDP 500 packets came as first fragments only"
    assert lost.evidence == (1, 2)
    assert not found.find("unreadable")


@pytest.mark.parametrize("port", [500, 4500])
def test_nothing_but_first_fragments(port: int) -> None:
    found = audited(*(piece(ALICE, n, first=True, port=port) for n in (7, 8, 9)))
    (lost,) = found.find("path.lost")
    assert lost.title == f"no IKE message came whole; 3 UDP {port} packets came as first fragments only"
    assert lost.evidence == (1, 2, 3)
    assert "drops IP fragments" in lost.cause
    assert not found.find("unreadable")


def test_last_fragments_alone_may_be_of_anything() -> None:
    found = audited(piece(ALICE, 7, first=False))
    assert not found.find("path.lost")
    assert found.find("unreadable")


def test_fragments_between_other_hosts_are_not_told_of_this_conversation() -> None:
    stray = ipv4(17, udp(500, 500, bytes(100)), "10.9.9.9", "10.9.9.8", 5, 0x2000)
    found = audited(*INIT, stray)
    (lost,) = found.find("path.lost")
    assert (lost.subject, lost.evidence) == ("stream", (3,))
    assert lost.title.startswith("no IKE message came whole")


def test_lost_fragments_in_a_capture() -> None:
    with Capture(shared("cases/C15-lost-fragments/lostfrag.pcap"), KeyLog()) as capture:
        found = audit(capture)
    (lost,) = found.find("path.lost")
    assert lost.title == (
        "IKE_SA_INIT is not followed by IKE_AUTH; 4 UDP 500 packets came as first fragments only"
    )  # fmt: skip


def test_nothing_is_judged_by_what_the_snap_length_cut() -> None:
    with Capture(shared("cases/C23-snaplen/snap96.pcap"), KeyLog()) as capture:
        found = audit(capture)
    (cut,) = found.find("capture.cut")
    assert cut.title == "the capture holds only 96 octets of 12 packets"
    assert cut.status is Status.UNKNOWN
    assert cut.evidence == tuple(range(1, 13))
    assert [each for each in found.findings if each.status in (Status.FAILED, Status.FORBIDDEN)] == []
    assert not found.find("path.nat")  # the notifies may be in what is missing
    assert not found.facts.fingerprints


# -- groups


def test_problems_of_one_kind_are_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "can.pcap"
    path.write_bytes(pcap([bytes(16)] * 50, linktype=227) + b"cut")
    with Capture(path, KeyLog()) as capture:
        found = audit(capture)
    links = [each for each in found.findings if "227" in each.title]
    assert len(links) <= 1
    assert len(found.findings) <= 3
    done = CliRunner().invoke(command, [str(path), "--json", str(tmp_path / "a.json"), "-o", str(tmp_path / "a.txt")])
    assert done.exit_code == 1
    (document,) = json.loads((tmp_path / "a.json").read_text())["captures"]
    assert len(document["findings"]) == len(found.findings)
    assert len((tmp_path / "a.txt").read_text().splitlines()) < 30
    assert len(render([found]).splitlines()) < 700


def test_malformed_messages_of_one_kind_are_one_line() -> None:
    short = [ike(b"responds", kind=41, body=b"\0\0\0" + bytes((length,))) for length in (1, 2, 3, 3)]
    found = audited(*INIT, *(packet(message, ALICE, ident=10 + n) for n, message in enumerate(short)))
    lines = [each for each in found.grouped() if each.rule == "malformed"]
    assert len(lines) < len(found.find("malformed"))
    assert sum(each.count for each in lines) == len(found.find("malformed"))


def test_fingerprints_come_after_findings(tmp_path: Path) -> None:
    path = shared("captures/lab/psk-multi-proposal.pcap")
    page, text = tmp_path / "a.html", tmp_path / "a.json"
    done = CliRunner().invoke(command, [str(path), "--html", str(page), "--json", str(text)])
    assert done.output.index("severity") < done.output.index("fingerprint of")
    document = text.read_text()
    assert document.index('"findings"') < document.index('"fingerprints"')
    assert page.read_text().index("severity") < page.read_text().index("Fingerprints")


def test_an_ipv6_message_in_fragments_is_told_too() -> None:
    whole = udp(500, 500, ike(b"responds", kind=46, body=bytes(1972)))
    fragment = b"\x11\0\0\1\0\0\0\7" + whole[:1400]
    request = ipv6(17, udp(500, 500, initial("Initiator")))
    response = ipv6(17, udp(500, 500, initial("Response")), "fd00::2", "fd00::1")
    (lost,) = audited(request, response, ipv6(44, fragment)).find("path.lost")
    assert "1 UDP 500 packet came as first fragments only" in lost.title


def test_spis_and_numbers_that_no_sa_has() -> None:
    numbers = [(0, 1), (5, 1), (0x1000, 0), (0x1000, 1), (0x2000, 1)]
    found = audited(*(ipv4(50, esp(number, spi), ident=at + 1) for at, (spi, number) in enumerate(numbers)))
    assert [each.title for each in found.find("flow.spi")] == [
        "1 packet with SPI 0, which must not be on the wire",
        "1 packet with the reserved SPI 5",
    ]
    (zero,) = found.find("flow.zero")
    assert (zero.subject, zero.evidence, zero.status) == ("ESP 00001000", (3,), Status.FAILED)
    assert not found.find("unreadable")


def test_what_esp_carries_contradicts_its_next_header(tmp_path: Path) -> None:
    session, recorder = Session(seed=1), Recorder()
    recorder.watch(session.network, "odd")
    session.connect()
    frames, keys = [bytes(each) for each in recorder.packets()], recorder.keys()
    with Capture(io.BytesIO(pcap(frames, linktype=101)), keys) as capture:
        child = capture.child_sas[0]
        assert child.keys is not None
    encr = encryption(child.suite.encr.id, child.suite.encr.key_length, esp=True)
    sa = OutboundSa(spi=child.spi_r, encr=encr, key=child.keys.encr_i)
    frames.append(ipv4(50, sa.seal(ipv6(59, b""), 4), "192.0.2.1", "192.0.2.2"))
    with Capture(io.BytesIO(pcap(frames, linktype=101)), keys) as capture:
        (odd,) = audit(capture).find("flow.odd")
    assert odd.evidence == (len(frames),)
    assert odd.status is Status.FAILED
