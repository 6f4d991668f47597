# SPDX-License-Identifier: GPL-2.0-or-later
"""The audit checks an error notify against the request that it answers, and blames the peer that is at fault."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scapy.packet import Packet

from fynx_scapy import Session
from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import PROFILES, Audit, Finding, Severity, audit, judge
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
)
from fynx_scapy.net import Recorder
from tests.capture.build import ethernet, ipv4, pcap, udp
from tests.shared import shared

SPI = b"initiate"
MODP_2048, ECP_256, ECP_384 = 14, 19, 20


def request(group: int, groups: tuple[int, ...], mark: int = 0, *more: Packet) -> bytes:
    trans = [
        IKEv2_Transform(transform_type="ENCR", transform_id=20, key_length=128),
        IKEv2_Transform(transform_type="PRF", transform_id=5),
        *(IKEv2_Transform(transform_type="KE", transform_id=each) for each in groups),
    ]
    message = IKEv2(exch_type="IKE_SA_INIT", init_SPI=SPI, flags="Initiator")
    for layer in more:
        message /= layer
    message /= IKEv2_SA(prop=[IKEv2_Proposal(trans=trans)])
    return bytes(message / IKEv2_KE(group=group, ke=bytes(64)) / IKEv2_Nonce(nonce=bytes([mark]) * 32))


def refusal(kind: str, data: bytes) -> bytes:
    return bytes(IKEv2(exch_type="IKE_SA_INIT", init_SPI=SPI, flags="Response") / IKEv2_Notify(type=kind, notify=data))


def audited(*messages: bytes) -> Audit:
    """The audit of requests and responses by turns."""
    ends: list[tuple[str, str]] = [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")]
    frames = [
        ethernet(ipv4(17, udp(500, 500, message), *ends[at % 2], ident=at + 1)) for at, message in enumerate(messages)
    ]
    with Capture(io.BytesIO(pcap(frames)), KeyLog()) as capture:
        return audit(capture)


def ke(*turns: tuple[int, tuple[int, ...], bytes]) -> list[Finding]:
    """The findings for INVALID_KE_PAYLOAD after requests of (group, groups offered), answered with data."""
    messages = []
    for mark, (group, groups, data) in enumerate(turns):
        messages += [request(group, groups, mark), refusal("INVALID_KE_PAYLOAD", data)]
    return sorted(audited(*messages).find("error.INVALID_KE_PAYLOAD"), key=lambda found: found.evidence)


def test_another_group_of_the_offer_is_the_ordinary_case() -> None:
    (error,) = ke((ECP_256, (ECP_256, MODP_2048), b"\0\x0e"))
    assert error.severity is Severity.LOW
    assert "prefer different groups" in error.cause


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\x13", "already has a KE payload of ECP_256"),  # the group just used
        (b"\0\x14", "ECP_384 was never offered: the offer has ECP_256, MODP_2048. It must not be followed"),
        (b"\0\0", "was never offered"),
        (b"\x13", "Its data has 1 octet"),
        (b"", "Its data has 0 octets"),
        (b"\0\0\0\x0e", "Its data has 4 octets"),
    ],
)
def test_a_request_for_a_group_that_makes_no_sense(data: bytes, words: str) -> None:
    (error,) = ke((ECP_256, (ECP_256, MODP_2048), data))
    assert error.severity is Severity.MEDIUM
    assert words in error.explanation
    assert "broken" in error.cause


def test_one_group_and_the_other_in_turn() -> None:
    both = (ECP_256, MODP_2048)
    first, second, third = ke(
        (ECP_256, both, b"\0\x0e"), (MODP_2048, both, b"\0\x13"), (ECP_256, both, b"\0\x0e")
    )  # fmt: skip
    assert first.severity is Severity.LOW
    assert second.severity is third.severity is Severity.MEDIUM
    assert "ECP_256 was refused before, in packet 2" in second.explanation


def test_three_tries_with_the_same_group_are_one_line() -> None:
    messages = []
    for mark in range(3):
        messages += [request(ECP_256, (ECP_256,), mark), refusal("INVALID_KE_PAYLOAD", b"\0\x13")]
    found = audited(*messages)
    assert len(found.find("error.INVALID_KE_PAYLOAD")) == 3
    (line,) = [each for each in found.grouped() if each.rule == "error.INVALID_KE_PAYLOAD"]
    assert line.evidence == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(("name", "words"), [("ke_same", "already has a KE payload"), ("ke_other", "never offered")])
def test_captures(name: str, words: str) -> None:
    with Capture(shared(f"cases/C13-invalid-ke-cause/{name}.pcap"), KeyLog()) as capture:
        (error,) = audit(capture).find("error.INVALID_KE_PAYLOAD")
    assert words in error.explanation
    assert error.severity is Severity.MEDIUM


# -- NO_PROPOSAL_CHOSEN


def rekeyed(folder: Path, ours: Any, theirs: Any) -> Audit:
    """The audit of a rekey between two configurations for Child SAs."""
    session, recorder = Session(esp_proposals=ours, peer={"esp_proposals": theirs}, seed=1), Recorder()
    recorder.watch(session.network, "pfs")
    session.connect()
    session.rekey_child()
    recorder.save_capture(folder / "run.pcapng")
    with Capture(folder / "run.pcapng", recorder.keys()) as capture:
        return audit(capture)


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ("aes256gcm16-ecp384", "aes256gcm16", "The offer has ECP_384, and the responder wants another group or none"),
        ("aes256gcm16", "aes256gcm16-ecp384", "The offer has none, and the responder wants one"),
        ("aes128-sha256-ecp384", "aes128-sha256-x25519", "The offer has ECP_384"),
    ],
)
def test_pfs_at_one_end_only(ours: str, theirs: str, words: str, tmp_path: Path) -> None:
    (error,) = rekeyed(tmp_path, ours, theirs).find("error.NO_PROPOSAL_CHOSEN")
    assert words in error.explanation
    assert "accepted the same encryption, integrity and ESN in IKE_AUTH" in error.explanation
    assert "PFS is configured" in error.cause


def test_the_initiator_refuses_what_the_responder_offers(tmp_path: Path) -> None:
    session, recorder = Session(esp_proposals="aes128gcm16", peer={"esp_proposals": "aes128gcm16-x25519"}), Recorder()
    recorder.watch(session.network, "pfs")
    session.connect()
    session.peer_sa.rekey_child(next(iter(session.peer_sa.children.values())))
    session.network.run()
    recorder.save_capture(tmp_path / "run.pcapng")
    with Capture(tmp_path / "run.pcapng", recorder.keys()) as capture:
        (error,) = audit(capture).find("error.NO_PROPOSAL_CHOSEN")
    assert error.title == "NO_PROPOSAL_CHOSEN from the initiator in CREATE_CHILD_SA"
    assert error.explanation.startswith("The initiator accepts none of the offered combinations")
    assert "PFS" in error.cause


@pytest.mark.parametrize("name", ["a_pfs", "a_pfs2"])
def test_captures_of_pfs(name: str) -> None:
    folder = shared("cases/C14-pfs-mismatch")
    with Capture(folder / f"{name}.pcapng", folder / f"{name}.keys") as capture:
        (error,) = audit(capture).find("error.NO_PROPOSAL_CHOSEN")
    assert "PFS" in error.cause
    assert error.severity is Severity.MEDIUM


def test_what_the_refusing_peer_offers_itself_is_compared(tmp_path: Path) -> None:
    """Two hosts call each other, and neither takes what the other offers."""
    recorder = Recorder()
    ends = ["aes128-sha256-modp2048", "aes256-sha256-modp2048"]
    for seed, (ours, theirs) in enumerate((ends, ends[::-1])):
        session = Session(proposals=ours, peer={"proposals": theirs}, seed=seed)
        recorder.watch(session.network, "crossed")
        session.connect()
    recorder.save_capture(tmp_path / "run.pcapng")
    with Capture(tmp_path / "run.pcapng", recorder.keys()) as capture:
        facts = audit(capture).facts
    first, second = facts.conversations
    second = replace(second, initiator=second.responder, responder=second.initiator)  # the other one calls
    found = judge(replace(facts, conversations=(first, second)), PROFILES["rfc"]).find("error.NO_PROPOSAL_CHOSEN")
    assert "ENCR is ENCR_AES_CBC-128 here and ENCR_AES_CBC-256 there" in found[0].explanation
    assert "INTEG" not in found[0].explanation.partition("itself")[2]


# -- other errors


def test_unsupported_critical_payload() -> None:
    unknown = bytes(request(ECP_256, (ECP_256,)))
    for data, words in [
        (b"\xc8", "has no payload of type 200"),
        (b"\x21", "The critical bit of that payload (SA) is not set"),
        (b"", "Its data has 0 octets"),
    ]:
        (error,) = audited(unknown, refusal("UNSUPPORTED_CRITICAL_PAYLOAD", data)).find(
            "error.UNSUPPORTED_CRITICAL_PAYLOAD"
        )
        assert words.lower() in error.explanation.lower()
        assert "broken" in error.cause


def test_invalid_syntax_says_whether_the_request_is_malformed() -> None:
    good = request(ECP_256, (ECP_256,))
    (error,) = audited(good, refusal("INVALID_SYNTAX", b"")).find("error.INVALID_SYNTAX")
    assert "finds nothing malformed" in error.explanation
    bad = good[:-33] + b"\xff" + good[-32:]  # the nonce payload's length
    (error,) = audited(bad, refusal("INVALID_SYNTAX", b"")).find("error.INVALID_SYNTAX")
    assert "malformed indeed" in error.explanation
    assert "initiator's" in error.cause


# -- cookies


def cookie(data: bytes) -> IKEv2_Notify:
    return IKEv2_Notify(type="COOKIE", notify=data)


@pytest.mark.parametrize(
    ("sent", "title"),
    [
        ([None, None], "the initiator does not return the cookie"),
        ([None, b"other"], "the initiator returns another cookie"),
        ([None, b"cookie-0", b"cookie-1"], "the responder asked for a cookie 3 times"),
        ([None, b"cookie-0"], ""),
    ],
)
def test_cookies_that_lead_nowhere(sent: list[bytes | None], title: str) -> None:
    messages = []
    for at, data in enumerate(sent):
        messages.append(request(ECP_256, (ECP_256,), at, *([] if data is None else [cookie(data)])))
        if title or not at:
            messages.append(refusal("COOKIE", b"cookie-%d" % at))
    found = audited(*messages).find("ike.cookie")
    assert [each.title for each in found] == [title] * bool(title)
