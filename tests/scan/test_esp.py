# SPDX-License-Identifier: GPL-2.0-or-later
"""Behind authentication: the ESP proposals of our own endpoint, exactly; and its back-off, if it has requests."""

from __future__ import annotations

import itertools

import pytest

from fynx_scapy import DeadPeerDetection, Session
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.message import Outgoing, notify
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_SA
from fynx_scapy.scan.asker import Stopped
from fynx_scapy.scan.catalogue import KE
from fynx_scapy.scan.esp import FIRST, EspAsker, back_off, ike_proposals
from fynx_scapy.scan.limits import ScanLimits
from fynx_scapy.scan.result import Accepted, proposal_text
from fynx_scapy.scan.scanner import box_of
from fynx_scapy.scan.search import Found, Point
from tests.scan.hosts import responder, scan_of
from tests.scan.policy import host, refused

LIMITS = ScanLimits(rate=1000.0, checks=4096)


def session(esp: str, **peer: object) -> Session:
    made = Session(psk="key", esp_proposals=FIRST, seed=1, peer={"esp_proposals": esp, **peer})  # type: ignore[arg-type]
    made.connect()
    return made


def combinations(texts: list[str]) -> set[Point]:
    boxes = [box_of(str(Proposal.parse(text, ProtocolId.ESP))) for text in texts]
    return {point for box in boxes for point in itertools.product(*box)}


@pytest.mark.parametrize(
    "esp",
    [
        ["aes128gcm16"],
        ["aes256gcm16-chacha20poly1305-esn-noesn", "aes128-sha256-sha1-noesn"],
        ["aes256-3des-sha1-modp2048-ecp256", "aes128gcm16-x25519-esn", "null-sha512"],
    ],
    ids=["one", "two", "three"],
)
def test_exactly_what_the_configuration_offers(esp: list[str]) -> None:
    check(esp, 65000)


@pytest.mark.parametrize("decoy", [1, None])
def test_with_another_decoy_and_with_none(decoy: int | None) -> None:
    check(["aes256-sha1-modp2048-ecp256", "aes128gcm16"], decoy)


def check(esp: list[str], decoy: int | None) -> None:
    """The same is found whatever the decoy is, and no other group is ever sent in its place."""
    made = session(",".join(esp))
    before = len(made.peer.children)
    groups: set[int] = set()

    def look(message: Outgoing) -> None:
        groups.update(each.group for each in message.payloads if isinstance(each, IKEv2_KE))

    made.tap("payloads", look)
    accepted = EspAsker(made, LIMITS, decoy=decoy).run()
    assert groups == {decoy} if decoy is not None else len(groups) > 1
    found = {
        tuple(sorted(point, key=lambda transform: transform.type))
        for each in accepted.proposals
        for point in itertools.product(*each.box)
    }
    assert found == combinations(esp)
    assert accepted.complete
    assert len(made.peer.children) == before, "every Child SA that a question has set up is deleted"


def test_a_scan_with_a_key() -> None:
    def authenticate(proposals: tuple[Proposal, ...]) -> Session:
        return Session(psk="key", proposals=proposals, esp_proposals=FIRST, peer={"esp_proposals": "aes128gcm16-esn"})

    with scan_of(responder("aes256-sha1-modp1024"), wrong_requests=False, authenticate=authenticate) as scan:
        result = scan.run()
    told = result.as_dict()
    assert [each["text"] for each in told["esp"]["proposals"]] == ["aes128gcm16-esn"]
    assert (told["esp"]["protocol"], told["counts"]["esp_questions"] > 5, told["notes"]) == ("ESP", True, [])


def test_the_decoy_is_that_of_the_ike_sa() -> None:
    """A host that refuses group 65000 as malformed would end the IKE SA for it."""

    def authenticate(proposals: tuple[Proposal, ...]) -> Session:
        return Session(psk="key", proposals=proposals, esp_proposals=FIRST, peer={"esp_proposals": "aes128gcm16"})

    def refuse(data: bytes, group: int) -> list[bytes] | None:
        return refused(data, NotifyType.INVALID_SYNTAX) if group == 65000 else None

    made = host(box_of("aes128gcm16-prfsha256-x25519"), decoy=refuse)
    with scan_of(made, wrong_requests=False, authenticate=authenticate) as scan:
        scan.run()
    assert scan._esp is not None
    assert scan._esp.decoy == 1


def test_a_wrong_key_is_a_note() -> None:
    def authenticate(proposals: tuple[Proposal, ...]) -> Session:
        return Session(psk="key", esp_proposals=FIRST, peer={"psk": "another"})

    with scan_of(responder("aes256-sha1-modp1024"), wrong_requests=False, authenticate=authenticate) as scan:
        result = scan.run()
    assert (result.esp, result.complete) == (None, True)
    assert [note for note in result.notes if note.startswith("ESP was not asked for: ")] != []


def test_a_peer_that_allows_no_more_child_sas() -> None:
    with pytest.raises(Stopped, match="the peer allows no more Child SAs"):
        EspAsker(session("aes128gcm16", peer_children_limit=1), LIMITS).run()


def test_a_busy_peer_is_asked_again_and_given_up() -> None:
    """TEMPORARY_FAILURE: five times, with longer and longer waits (RFC 7296 section 2.25)."""
    made = session("aes128gcm16")
    refused: list[float] = []

    def busy(message: Outgoing) -> None:
        if message.header.exch_type == ExchangeType.CREATE_CHILD_SA and len(refused) < 2:
            refused.append(made.network.now)
            message.payloads[:] = [notify(NotifyType.TEMPORARY_FAILURE)]

    made.peer.taps.add("payloads", busy)
    accepted = EspAsker(made, LIMITS).run()
    assert [proposal_text(each) for each in accepted.proposals] == ["aes128gcm16-noesn"]
    assert [later - earlier > 0.9 for earlier, later in itertools.pairwise(refused)] == [True]


def test_back_off_of_a_peer_that_checks_whether_we_live() -> None:
    """Its first request, and the seconds after it at which it came again: RFC 7296 section 2.4 wants them to grow."""
    made = session("aes128gcm16", dpd=DeadPeerDetection(interval=5.0))
    times = back_off(made, 120.0)
    assert len(times) >= 3
    gaps = [later - earlier for earlier, later in itertools.pairwise([0.0, *times])]
    assert gaps == sorted(gaps)
    assert back_off(session("aes128gcm16"), 60.0) == []


def test_a_peer_that_leaves_out_the_key_exchange() -> None:
    """It accepts a proposal with a key exchange as if it had none: that is no such proposal of its own."""
    made = session("aes128gcm16")

    def strip(message: Outgoing) -> None:
        message.payloads[:] = [payload for payload in message.payloads if not isinstance(payload, IKEv2_KE)]
        for payload in message.payloads:
            for proposal in payload.prop if isinstance(payload, IKEv2_SA) else ():
                proposal.trans = [each for each in proposal.trans if each.transform_type != KE]

    made.tap("payloads", strip)
    accepted = EspAsker(made, LIMITS).run()
    assert [proposal_text(each) for each in accepted.proposals] == ["aes128gcm16-noesn"]


def test_a_session_offers_what_was_found_and_we_can_do() -> None:
    accepted = Accepted(ProtocolId.IKE)
    assert str(ike_proposals(accepted)[0]) == "aes128gcm16-prfsha256-x25519"
    accepted.proposals = [
        Found(box_of("encr_rc5_128-prfsha256-sha256-x25519"), 1, 1),
        Found(box_of("aes128-encr_rc5_128-prfsha1-sha1-gost3410_2012_256-x25519"), 1, 1),
    ]
    assert [str(each) for each in ike_proposals(accepted)] == ["aes128-prfsha1-sha1-x25519"]
