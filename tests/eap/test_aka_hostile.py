# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA and EAP-AKA' against packets that nobody may send (RFC 4187 sections 6.3 and 10)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.eap import EAP

from fynx_scapy.crypto.milenage import Milenage
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.layers.ikev2.eap import EAP_AKA
from fynx_scapy.layers.ikev2.eap import aka as layers
from tests.eap.aka_talking import (
    OPC,
    Change,
    K,
    answered,
    changed,
    failed,
    flipped,
    resealed,
    talk,
    usim,
    valued,
    with_,
    without,
)


@pytest.mark.parametrize("prime", [False, True])
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (flipped(layers.AT_MAC), "AT_MAC to verify"),
        (without(layers.AT_MAC), "AT_MAC in EAP request"),
        (without(layers.AT_RAND), "AT_RAND in EAP request"),
        (without(layers.AT_CHECKCODE), "AT_MAC to verify"),
        (with_(layers.AT_RAND(value=bytes(16))), "one AT_RAND"),
        (with_(layers.AKA_Attribute(type=100, value=b"xy")), "no attribute 100"),
        (with_(layers.AT_RES(value=b"12345678")), "no AT_RES"),
        (with_(layers.AT_IV(value=bytes(16))), "both AT_IV and AT_ENCR_DATA"),
        (valued(layers.AT_RAND, bytes(32)), "RAND of 16 octets, found 32"),
        (lambda packet: setattr(packet, "subtype", 13), "found Reauthentication"),
        (lambda packet: setattr(packet[layers.AT_AUTN], "length", 9), "well-formed attributes"),
    ],
)
def test_challenges_that_the_peer_cannot_use(prime: bool, change: Change, wanted: str) -> None:
    """Section 6.3.1: Client-Error, then EAP-Failure."""
    made = talk(prime, down=changed(1, change))
    peer, server = failed(made)
    assert wanted in peer
    assert "a client error with code 0" in server
    assert made.said[-2:] == [f"response AKA{chr(39) * prime} Client-Error", "failure"]


@pytest.mark.parametrize("prime", [False, True])
def test_a_usim_that_has_taken_the_last_sequence_number(prime: bool) -> None:
    """Its subscriber has no number left, and is refused by EAP."""
    made = talk(prime, ours={"usim": usim(sqn=(1 << 48) - 1)})
    assert "a sequence number below" in failed(made)[1]
    assert made.said[-3:-2] == [f"request AKA{chr(39) * prime} Notification"]


def test_an_attribute_that_may_be_skipped() -> None:
    """Section 8.1: the server goes on. The checkcode then shows that the peer did not send it."""
    made = talk(False, up=changed(5, with_(layers.AKA_Attribute(type=200, value=b"xy"))))
    assert "AT_CHECKCODE" in failed(made)[0]
    assert made.said[4] == "request AKA Challenge"


@pytest.mark.parametrize("prime", [False, True])
def test_an_identity_packet_that_somebody_changed(prime: bool) -> None:
    """Section 10.13: AT_CHECKCODE."""
    made = talk(
        prime, theirs={"question": "any"},
        down=changed(5, lambda packet: setattr(packet, "attributes", [layers.AT_PERMANENT_ID_REQ()])),
    )  # fmt: skip
    assert "AT_CHECKCODE" in failed(made)[0]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (without(layers.AT_PERMANENT_ID_REQ), "one request for an identity, found 0"),
        (with_(layers.AT_ANY_ID_REQ()), "one request for an identity, found 2"),
        (with_(layers.AT_MAC()), "no AT_MAC"),
    ],
)
def test_questions_that_the_peer_cannot_use(change: Change, wanted: str) -> None:
    assert wanted in failed(talk(False, down=changed(5, change)))[0]


def test_the_same_question_twice() -> None:
    made = talk(False, theirs={"question": "any"}, identity="0999")
    made.down = changed(5, lambda packet: setattr(packet, "attributes", [layers.AT_ANY_ID_REQ()]), times=3)
    assert "less private identity" in failed(made)[0]


@pytest.mark.parametrize("prime", [False, True])
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (flipped(layers.AT_MAC), "AT_MAC to verify"),
        (flipped(layers.AT_RES), "AT_MAC to verify"),
        (without(layers.AT_RES), "AT_RES in EAP response"),
        (without(layers.AT_MAC), "AT_MAC in EAP response"),
        (with_(layers.AT_RES(value=b"12345678")), "one AT_RES"),
        (with_(layers.AKA_Attribute(type=100, value=b"xy")), "no attribute 100"),
        (lambda packet: setattr(packet[layers.AT_RES], "length", 0), "well-formed attributes"),
        (lambda packet: setattr(packet, "subtype", 5), "expected Challenge, found Identity"),
    ],
)
def test_responses_that_the_server_cannot_use(prime: bool, change: Change, wanted: str) -> None:
    """Section 6.3.2: a notification, and EAP-Failure behind its answer."""
    made = talk(prime, up=changed(1, change))
    peer, server = failed(made)
    assert wanted in server
    assert "the notification general failure" in peer
    assert [each.split()[-1] for each in made.said[-3:]] == ["Notification", "Notification", "failure"]


@pytest.mark.parametrize("prime", [False, True])
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (flipped(layers.AT_RES), "RES of the subscriber's USIM"),
        (valued(layers.AT_RES, b"1234"), "RES of the subscriber's USIM"),
        (valued(layers.AT_CHECKCODE, b""), "AT_CHECKCODE over the identity packets"),
    ],
)
def test_responses_under_the_right_mac(prime: bool, change: Change, wanted: str) -> None:
    peer, server = failed(resealed(talk(prime), prime, change))
    assert wanted in server
    assert peer.endswith("the notification general failure")


@pytest.mark.parametrize("prime", [False, True])
def test_a_failure_after_authentication(prime: bool) -> None:
    """Section 6.2: the notification is under the MAC. Nobody offered AT_RESULT_IND."""
    peer, server = failed(resealed(talk(prime), prime, with_(layers.AT_RESULT_IND())))
    assert "AT_RESULT_IND, which we did not offer" in server
    assert "general failure after authentication" in peer


@pytest.mark.parametrize("prime", [False, True])
def test_a_notification_under_another_mac(prime: bool) -> None:
    made = talk(prime, theirs={"indications": True}, down=changed(12, flipped(layers.AT_MAC)))
    with pytest.raises(AuthenticationError, match="under a MAC that verifies"):
        made.run()
    assert made.peer.outcome is None


@pytest.mark.parametrize("subtype", [layers.IDENTITY, layers.CHALLENGE, layers.NOTIFICATION])
def test_nothing_but_the_end_after_the_response(subtype: int) -> None:
    """An identity request, another challenge, and a success that was not agreed on."""
    made, challenge, made_keys = answered(question="")
    parts: dict[int, list[Any]] = {
        layers.IDENTITY: [layers.AT_PERMANENT_ID_REQ()],
        layers.CHALLENGE: challenge.attributes,
        layers.NOTIFICATION: [layers.AT_NOTIFICATION(number=32768), layers.AT_MAC()],
    }
    packet = EAP_AKA(code=1, id=challenge.id + 1, subtype=subtype, attributes=parts[subtype])
    packet = made_keys.sealed(packet) if subtype == layers.NOTIFICATION else packet
    answer = made.peer.receive(bytes(packet))
    assert answer is not None
    assert answer.subtype == layers.CLIENT_ERROR


@pytest.mark.parametrize(
    ("subtype", "change", "wanted"),
    [
        (4, without(layers.AT_KDF), "functions [1], found []"),
        (4, with_(layers.AT_KDF(number=2)), "functions [1], found [1, 2]"),
        (1, lambda packet: setattr(packet, "attributes", [layers.AT_KDF()]), "function of [], found [1]"),
        (1, lambda packet: setattr(packet, "attributes", [layers.AT_KDF(number=9)]), "function of [], found [9]"),
        (5, lambda packet: setattr(packet, "subtype", 1), "expected Identity, found Challenge"),
    ],
)
def test_responses_of_aka_prime_that_the_server_cannot_use(subtype: int, change: Change, wanted: str) -> None:
    """RFC 9048 section 3.2."""
    made = talk(True, ours={"usim": usim(sqn=1 << 20)}, up=changed(subtype, change))
    assert wanted in failed(made)[1]


def test_a_usim_that_refuses_its_own_number() -> None:
    made = talk(False)
    request = made.server.begin()
    for _ in range(2):
        request = made.server.receive(bytes(made.peer.receive(bytes(request)) or b""))
    for _ in range(3):
        assert request.subtype == layers.CHALLENGE
        auts = Milenage(K, OPC).auts(request[layers.AT_RAND].value, 7)
        response = EAP_AKA(code=2, id=request.id, subtype=4, attributes=[layers.AT_AUTS(value=auts)])
        request = made.server.receive(bytes(response))
    assert request.subtype == layers.NOTIFICATION


def test_a_success_after_a_notification_of_failure() -> None:
    """Section 6.3.4: "the peer MUST no longer accept the EAP-Success packet"."""
    made = talk(False, up=changed(1, flipped(layers.AT_MAC)))
    made.down = lambda octets: b"\x03" + octets[1:] if octets[0] == 4 else octets
    with pytest.raises(AuthenticationError, match="notification general failure"):
        made.run()
    assert made.peer.outcome is None


@pytest.mark.parametrize(("code", "wanted"), [(0, "under a MAC"), (32768, "under a MAC"), (49152, "a failure without")])
def test_notifications_that_nobody_may_send(code: int, wanted: str) -> None:
    def change(packet: EAP) -> None:
        packet.subtype, packet.attributes = 12, [layers.AT_NOTIFICATION(number=code)]

    assert wanted in failed(talk(False, down=changed(5, change)))[0]


def test_another_notification() -> None:
    def change(packet: EAP) -> None:
        packet.subtype, packet.attributes = 12, [layers.AT_NOTIFICATION(number=16384)]

    made = talk(False, down=changed(5, change))
    request = made.server.begin()
    request = made.server.receive(bytes(made.peer.receive(bytes(request)) or b""))
    made.peer.receive(made.down(bytes(request)))
    again = bytearray(changed(5, change)(bytes(request)))
    again[1] += 1
    answer = made.peer.receive(bytes(again))
    assert answer is not None
    assert answer.subtype == layers.CLIENT_ERROR


@given(st.sampled_from([23, 50]), st.binary(max_size=60))
def test_any_octets_at_the_peer(kind: int, body: bytes) -> None:
    made = talk(kind == 50)
    octets = b"\x01\x05" + (5 + len(body)).to_bytes(2) + bytes([kind]) + body
    made.peer.receive(octets)
    assert made.peer.outcome is None


@given(st.sampled_from([23, 50]), st.binary(max_size=60))
def test_any_octets_at_the_server(kind: int, body: bytes) -> None:
    made = talk(kind == 50)
    request = made.server.receive(bytes(made.peer.receive(bytes(made.server.begin())) or b""))
    octets = b"\x02" + bytes([request.id]) + (5 + len(body)).to_bytes(2) + bytes([kind]) + body
    made.server.receive(octets)
    assert made.server.outcome is None
