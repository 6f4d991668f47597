# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP between two ends: identity, method, success and failure (RFC 3748 sections 2 to 5)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.eap import EAP

from fynx_scapy.eap import packets
from fynx_scapy.eap.md5 import Md5Peer, Md5Server
from fynx_scapy.eap.mschapv2 import Mschapv2Peer, Mschapv2Server
from fynx_scapy.eap.peer import EapPeer
from fynx_scapy.eap.server import EapServer
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.layers.ikev2.eap import EAP_Expanded
from tests.eap.talking import ACCOUNTS, Talk

PASSWORD = "Ar3etTnp"
MD5, MSCHAPV2 = Md5Peer("carol", PASSWORD), Mschapv2Peer("carol", PASSWORD)
SERVERS = (Mschapv2Server(ACCOUNTS), Md5Server(ACCOUNTS))


def octets(count: int) -> bytes:
    return random.Random(count).randbytes(count)


def peer(*methods: Md5Peer | Mschapv2Peer) -> EapPeer:
    return EapPeer(b"carol", methods or (MD5, MSCHAPV2), octets)


def answered(server: EapServer, said: bytes | None = None) -> EapServer:
    """A server that has asked for the identity and has had it."""
    request = server.begin()
    server.receive(bytes(packets.identity_response(b"carol"))[:1] + bytes([request.id]) + b"\0\x0a\x01carol")
    return server


def test_the_first_method_that_both_have() -> None:
    talk = Talk([MSCHAPV2, MD5], SERVERS).run()
    assert talk.said == [
        "request Identity",
        "response Identity",
        "request MSCHAPv2 Challenge",
        "response MSCHAPv2 Response",
        "request MSCHAPv2 Success",
        "response MSCHAPv2 Success",
        "success",
    ]
    assert talk.peer.outcome == talk.server.outcome
    assert talk.peer.outcome is not None
    assert len(talk.peer.outcome.msk) == 64
    assert "msk" not in repr(talk.peer.outcome)
    assert PASSWORD not in repr((MSCHAPV2, MD5, ACCOUNTS, SERVERS))


def test_another_method_after_a_nak() -> None:
    talk = Talk([MD5], SERVERS).run()
    assert talk.said[3:5] == ["response Nak", "request MD5"]
    assert talk.peer.outcome is not None
    assert talk.peer.outcome.msk == b""


def test_no_method_that_both_have() -> None:
    talk = Talk([MSCHAPV2], [Md5Server(ACCOUNTS)])
    with pytest.raises(AuthenticationError, match="failure after EAP response Nak"):
        talk.run()
    assert "take one of our EAP methods (MD5)" in str(talk.server.error)


@pytest.mark.parametrize("method", [Md5Peer("carol", "wrong"), Mschapv2Peer("carol", "wrong")])
def test_a_wrong_password(method: Md5Peer | Mschapv2Peer) -> None:
    talk = Talk([method], SERVERS)
    with pytest.raises(AuthenticationError):
        talk.run()
    assert talk.said[-1] == "failure"
    assert "for carol to verify, but the password is another one" in str(talk.server.error)
    assert talk.server.outcome is None


def test_an_unknown_user_is_named_here_and_told_what_a_wrong_password_is_told() -> None:
    answers = []
    for user in ("eve", "carol"):
        talk = Talk([Mschapv2Peer(user, "wrong")], SERVERS)
        with pytest.raises(AuthenticationError) as told:
            talk.run()
        answers.append((talk.said, str(told.value), str(talk.server.error)))
    assert answers[0][:2] == answers[1][:2]
    assert answers[0][2] == "expected a user that we know, found eve"


def test_the_peer_is_told_why() -> None:
    with pytest.raises(AuthenticationError, match=r"found E=691 \(authentication failure\)"):
        Talk([Mschapv2Peer("carol", "wrong")], SERVERS).run()


def test_an_unknown_user_looks_like_a_wrong_password() -> None:
    strangers = Talk([Mschapv2Peer("dave", "x")], SERVERS, identity="dave")
    known = Talk([Mschapv2Peer("carol", "x")], SERVERS)
    for talk in (strangers, known):
        with pytest.raises(AuthenticationError):
            talk.run()
    assert strangers.said == known.said


def test_another_try() -> None:
    """RFC 2759 section 9.1.4, with a peer that does not take it: it acknowledges the failure."""
    talk = Talk([Mschapv2Peer("carol", "wrong")], [Mschapv2Server(ACCOUNTS, retries=2)])
    with pytest.raises(AuthenticationError, match="E=691"):
        talk.run()


def test_the_name_without_its_domain() -> None:
    """RFC 2759 section 4: "only the user name is used, without any associated Windows NT domain name"."""
    users = {r"LAB\carol": PASSWORD, "carol": PASSWORD}
    talk = Talk([Mschapv2Peer(r"LAB\carol", PASSWORD)], [Mschapv2Server(type(ACCOUNTS)(users))]).run()
    assert talk.peer.outcome == talk.server.outcome


# Success and failure


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_success_too_early(after: int) -> None:
    """RFC 3748 section 4.2: not before the method has finished."""
    talk = Talk([MSCHAPV2], SERVERS)
    count = 0

    def early(packet: bytes) -> bytes:
        nonlocal count
        count += 1
        return b"\x03" + packet[1:2] + b"\0\x04" if count == after + 1 else packet

    talk.down = early
    with pytest.raises(AuthenticationError, match="a success too early"):
        talk.run()


def test_a_failure_at_any_time() -> None:
    with pytest.raises(AuthenticationError, match="found a failure"):
        peer().receive(b"\x04\x01\0\x04")


def test_nothing_after_the_end() -> None:
    talk = Talk([MD5], SERVERS).run()
    assert bytes(talk.server.receive(b"\x02\x07\0\x06\x04\0"))[0] == 4
    assert "after the end of EAP" in str(talk.server.error)


# The peer


def test_a_repeated_request_is_answered_alike() -> None:
    """Section 4.1: "duplicate Requests"."""
    one = peer()
    request = b"\x01\x05\0\x0d\x04\x08challeng"[:14]
    request = request[:3] + bytes([len(request)]) + request[4:]
    assert bytes(one.receive(request) or b"") == bytes(one.receive(request) or b"")


def test_a_notification_is_told_and_answered() -> None:
    talk = Talk([MD5], SERVERS)
    answer = talk.peer.receive(b"\x01\x09\0\x0a\x02hi\x1b[m")
    assert bytes(answer or b"") == b"\x02\x09\0\x05\x02"
    assert "\x1b" not in talk.notices[0]
    for number in range(10, 25):
        talk.peer.receive(b"\x01" + bytes([number]) + b"\0\x06\x02x")
    with pytest.raises(AuthenticationError, match="at most 16 EAP notifications"):
        talk.peer.receive(b"\x01\x30\0\x06\x02x")


def test_no_other_method_once_one_has_begun() -> None:
    """Section 2.1: "MUST NOT send a Request of a different Type"."""
    one = peer()
    one.receive(b"\x01\x05\0\x0e\x04\x08challeng")
    with pytest.raises(AuthenticationError, match="expected EAP-MD5 to go on, found EAP request Identity"):
        one.receive(b"\x01\x06\0\x05\x01")


def test_an_expanded_method_gets_an_expanded_nak() -> None:
    """Section 5.3.2."""
    request = EAP_Expanded(code=EAP.REQUEST, id=7, vendor=10415, vendor_type=3, data=b"\x01\0")
    answer = peer().receive(bytes(request))
    assert isinstance(answer, EAP_Expanded)
    assert packets.wanted_by(answer) == [4, 26]


@given(st.binary(max_size=80))
def test_any_octets_at_the_peer(data: bytes) -> None:
    one = peer()
    try:
        response = one.receive(data)
    except AuthenticationError:
        return
    assert response is not None
    assert one.outcome is None


# The server


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        (b"", "at least 4 octets"),
        (b"\x02\x01\0\x09\x01", "of 9 octets"),
        (b"\x01\x01\0\x05\x01", "expected an EAP response"),
        (b"\x02\x77\0\x05\x01", "identifier"),
    ],
)
def test_responses_that_are_none(response: bytes, wanted: str) -> None:
    server = EapServer(SERVERS, octets)
    server.begin()
    assert bytes(server.receive(response))[0] == EAP.FAILURE
    assert wanted in str(server.error)


def test_a_method_nobody_asked_for() -> None:
    talk = Talk([MD5], [Md5Server(ACCOUNTS)])
    count = 0

    def other(packet: bytes) -> bytes:
        nonlocal count
        count += 1
        return packet[:4] + b"\x1a" + packet[5:] if count == 2 else packet

    talk.up = other
    with pytest.raises(AuthenticationError):
        talk.run()
    assert "expected EAP-MD5 to go on" in str(talk.server.error)


def test_no_nak_once_a_method_has_been_taken() -> None:
    talk = Talk([MSCHAPV2], SERVERS)
    count = 0

    def late(packet: bytes) -> bytes:
        nonlocal count
        count += 1
        return packet[:2] + b"\0\x06\x03\x04" if count == 3 else packet

    talk.up = late
    with pytest.raises(AuthenticationError):
        talk.run()
    assert "expected EAP-MSCHAPv2 to go on" in str(talk.server.error)


@given(st.binary(max_size=80))
def test_any_octets_at_the_server(data: bytes) -> None:
    server = answered(EapServer(SERVERS, octets))
    assert bytes(server.receive(data))[0] in (EAP.REQUEST, EAP.FAILURE)
    assert server.outcome is None


def test_users_must_have_names_and_passwords() -> None:
    for wrong in ({}, {"": "x"}, {"carol": ""}):
        with pytest.raises(ConfigError):
            type(ACCOUNTS)(wrong)


@pytest.mark.requirements("1994-4.1-i01", negative=True)
@pytest.mark.parametrize("size", [0, 17, 255])
@pytest.mark.parametrize("end", ["down", "up"])
def test_a_value_size_of_md5_that_the_packet_does_not_have(end: str, size: int) -> None:
    """Without a name behind the value, which Scapy then ends with the packet."""

    def resized(octets: bytes) -> bytes:
        return octets[:5] + bytes([size]) + octets[6:] if octets[4:6] == b"\x04\x10" else octets

    talk = Talk([MD5], [Md5Server(ACCOUNTS)])
    setattr(talk, end, resized)
    with pytest.raises(AuthenticationError) as caught:
        talk.run()
    said = str(caught.value if end == "down" else talk.server.error)
    assert said == f"expected a Value-Size of 1 to 16 in EAP-MD5, as many octets as follow, found {size}"
