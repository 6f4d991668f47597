# SPDX-License-Identifier: GPL-2.0-or-later
"""Ladders: what was sent, what became of it, and three pictures of that."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from fynx_scapy.errors import Timeout
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.ladder import STYLE, Ladder, Row, payload_name
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_Nonce, IKEv2_Notify, IKEv2_Payload
from fynx_scapy.session import Session


def fates(session: Session) -> list[tuple[str, str]]:
    return [(row.title, row.fate) for row in session.ladder().packets]


def test_a_handshake_reads_like_the_rfc() -> None:
    s = Session(seed=1)
    s.connect()
    s.ping()
    s.delete(s.child)
    text = str(s.ladder())
    lines = text.splitlines()
    assert lines[0].split() == ["initiator", "responder"]
    assert "   0.020 IKE_AUTH request 1         HDR, SK {IDi, IDr, AUTH, SA, TSi, TSr}  -->" in lines
    assert "   0.030 IKE_AUTH response 1                    <--  HDR, SK {IDr, AUTH, SA, TSi, TSr}" in lines
    assert re.search(r"HDR, SA, KE, Ni, N\(NAT_DETECTION_SOURCE_IP\),\s+N\(NAT_DETECTION_DESTINATION_IP\)", text)
    assert re.search(r"ESP +SPI [0-9a-f]{8}, seq 1, 84 octets inside  ==>", text)
    assert "HDR, SK {D(ESP)}  -->" in text
    assert "* responder: IKE SA established: bob with alice" in text
    assert "10.1.0.0/24 === 10.2.0.0/24" in text
    assert all(len(line) <= 112 for line in lines)
    assert {row.fate for row in s.ladder().packets} == {"delivered"}
    assert repr(s.ladder()) == text


def test_payloads_in_the_notation_of_the_rfc() -> None:
    assert payload_name(IKEv2_Nonce()) == "Ni"
    assert payload_name(IKEv2_Nonce(), request=False) == "Nr"
    assert payload_name(IKEv2_Notify(type="COOKIE")) == "N(COOKIE)"
    assert payload_name(IKEv2_Delete(proto="IKE")) == "D(IKE)"
    assert payload_name(IKEv2_Payload(payload_type=200)) == "UNKNOWN-200"


def test_a_cookie_answer_shows_that_the_request_arrived() -> None:
    s = Session(seed=1, peer={"cookie_threshold": 0})
    s.sa_init()
    assert fates(s) == [(f"IKE_SA_INIT {what} 0", "delivered") for what in ("request", "response") * 2]
    assert s.ladder().packets[1].text == "HDR, N(COOKIE)"
    assert s.ladder().packets[2].text.startswith("HDR, N(COOKIE), SA, KE, Ni")


@pytest.mark.parametrize(("refuse", "fate"), [(False, ""), (True, ": not followed")])
def test_the_group_that_the_peer_wants(refuse: bool, fate: str) -> None:
    s = Session(
        seed=1, proposals="aes128gcm16-prfsha256-ecp384-x25519", peer={"proposals": "aes128gcm16-prfsha256-x25519"}
    )
    s.config = s.config.replace(refuse_weaker_ke=refuse)
    s.sa_init()
    remark = f"the peer wants CURVE25519 instead of ECP_384, which is weaker than the first one offered{fate}"
    assert remark in [row.text for row in s.ladder().rows]


def test_lost_and_sent_again() -> None:
    s = Session(seed=1)
    s.connect()
    s.client.taps.add("datagrams", lambda _message, datagrams, attempt: datagrams if attempt else [])
    s.liveness()
    request, again, answer = s.ladder().packets[-3:]
    assert (request.fate, request.marks) == ("lost", ["lost"])
    assert (again.fate, again.attempt, again.marks) == ("delivered", 1, ["retransmission 1"])
    assert again.octets == request.octets
    assert again.text == request.text == "HDR, SK {}"
    assert answer.fate == "delivered"
    assert "HDR, SK {}  [lost]  --X" in str(s.ladder())


def test_an_answer_that_was_lost_comes_out_of_the_cache() -> None:
    s = Session(seed=1)
    s.connect()
    s.peer.taps.add("datagrams", lambda _message, datagrams, attempt: datagrams if attempt else [])
    s.liveness()
    assert [row.fate for row in s.ladder().packets[-4:]] == ["delivered", "lost", "delivered", "delivered"]


def test_changed_on_its_way() -> None:
    s = Session(seed=1)
    s.connect()

    def flip(_time: float, datagram: Datagram) -> Iterable[Datagram]:
        return [replace(datagram, data=datagram.data[:-1] + bytes([datagram.data[-1] ^ 1]))]

    away = s.network.intercept(flip)
    with pytest.raises(Timeout):
        s.ping(timeout=0.5)
    away()
    last = s.ladder().packets[-1]
    assert (last.title, last.fate) == ("ESP", "dropped")
    assert last.marks == ["dropped: changed on its way, its ICV does not verify"]


def test_a_copy_and_a_forgery() -> None:
    s = Session(seed=1)
    s.connect()
    s.network.wire.duplication = 1.0
    s.ping()
    s.network.run()
    copies = [row for row in s.ladder().packets if row.copy]
    assert copies
    assert copies[0].marks == ["a copy", "dropped: sequence number 1 was seen or is too old"]
    s.network.wire.duplication = 0.0
    forged = Datagram(bytes(40), Address("192.0.2.66", 0), Address("192.0.2.2", 0), DatagramKind.ESP)
    s.network.inject(forged)
    s.network.run()
    last = s.ladder().packets[-1]
    assert (last.sender, last.receiver, last.fate, last.copy) == ("", "responder", "dropped", False)
    assert last.marks[0] == "not sent by the peer"


def test_a_message_changed_by_a_tap_says_so() -> None:
    s = Session(seed=1)
    s.tap("payloads", lambda message: message.payloads.append(IKEv2_Notify(type="INITIAL_CONTACT")))
    s.sa_init()
    row = s.ladder().packets[0]
    assert row.marks == ["changed: payloads"]
    assert row.text.endswith("N(INITIAL_CONTACT)")


def test_ends_and_strangers() -> None:
    s = Session(seed=1)
    s.sa_init()
    events = [*s.events, ("mallory", s.events[0][1])]
    ladder = Ladder(events, ends=("responder", "initiator"))
    assert ladder.ends == ("responder", "initiator")
    assert len(ladder.packets) == 2
    assert not ladder.rightwards(ladder.packets[0])
    assert str(Ladder([])).split() == ["initiator", "responder"]


def test_html_opens_and_escapes() -> None:
    s = Session(seed=1, local_id="alice<b>&co")
    s.connect()
    ladder = s.ladder()

    def details(row: Row) -> str:
        return f"<i>{html.escape(row.title)}</i>" if row.title.startswith("IKE_AUTH") else ""

    page = ladder.html(details)
    tree = ElementTree.fromstring(page)
    assert len(tree.findall("details")) == 2
    assert [element.text for element in tree.iter("i")] == ["IKE_AUTH request 1", "IKE_AUTH response 1"]
    assert len([div for div in tree.iter("div") if div.get("class") == "arrow"]) == 4
    assert "alice<b>" not in page
    assert "alice&lt;b&gt;&amp;co" in page
    assert "details" not in ladder.html()
    assert STYLE in ladder._repr_html_()
    assert "url(" not in STYLE


def test_svg_is_a_picture() -> None:
    s = Session(seed=1)
    s.connect()
    s.ping()
    s.network.wire.loss = 1.0
    with pytest.raises(Timeout):
        s.liveness()
    tree = ElementTree.fromstring(s.ladder().svg())
    space = "{http://www.w3.org/2000/svg}"
    assert tree.tag == f"{space}svg"
    kinds = {path.get("class") for path in tree.iter(f"{space}path")}
    assert kinds == {"ike", "esp", "lost"}
    words = " ".join(text.text or "" for text in tree.iter(f"{space}text"))
    assert "IKE_AUTH request 1: HDR, SK {IDi, IDr, AUTH, SA, TSi, TSr}" in words
    _, _, width, height = map(float, str(tree.get("viewBox")).split())
    for text in tree.iter(f"{space}text"):
        assert 0 <= float(str(text.get("x"))) <= width
        assert 0 <= float(str(text.get("y"))) <= height
