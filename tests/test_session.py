# SPDX-License-Identifier: GPL-2.0-or-later
"""A person at the prompt: each step returns the peer's answer as Scapy layers, decrypted."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from fynx_scapy.errors import AuthenticationError, ConfigError, LocalError, Timeout
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import IkeConfig, Psk
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_AUTH,
    IKEv2_Delete,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Notify,
    IKEv2_SA,
    IKEv2_TSi,
)
from fynx_scapy.session import Session


def test_a_whole_conversation():
    s = Session(psk="secret", local_id="alice", remote_id="bob", seed=1)
    init = s.sa_init()
    assert isinstance(init, IKEv2)
    assert IKEv2_SA in init
    assert IKEv2_KE in init
    auth = s.auth()
    assert bytes(auth[IKEv2_IDr].ID) == b"bob"
    assert IKEv2_TSi in auth
    assert auth[IKEv2_AUTH].auth_type == 2
    reply = s.ping("10.2.0.1")
    assert isinstance(reply, IP)
    assert reply[ICMP].type == 0
    assert len(s.ping(size=1200)) == 1228
    assert not s.liveness().payload.payload
    told = s.request("INFORMATIONAL", IKEv2_Notify(type="INITIAL_CONTACT"))
    assert told.exch_type == 37
    assert IKEv2_Delete in s.delete(s.child)
    with pytest.raises(LocalError, match="Child SA"):
        s.ping()
    s.delete()
    assert s.peer.sas == {} or s.peer_sa.state.value == "closed"
    assert "IKE_AUTH" in str(s.ladder())


def test_udp_echo_through_the_tunnel():
    s = Session(seed=1)
    s.connect()
    reply = s.send(IP(src="10.1.0.9", dst="10.2.0.9") / UDP(sport=4000, dport=7) / Raw(b"hello"))
    assert (reply[UDP].sport, bytes(reply[Raw])) == (7, b"hello")


def test_steps_out_of_order_are_named():
    s = Session(seed=1)
    with pytest.raises(LocalError, match="sa_init"):
        s.auth()
    s.connect()
    with pytest.raises(LocalError, match="established"):
        s.sa_init()
    with pytest.raises(LocalError, match="traffic selectors"):
        s.send(IP(src="10.1.0.9", dst="10.99.0.9") / ICMP())


def test_a_refusal_is_an_answer_and_silence_is_a_timeout():
    s = Session(seed=1, peer={"proposals": "aes256-sha256-modp2048"})
    assert s.connect()[IKEv2_Notify].type == NotifyType.NO_PROPOSAL_CHOSEN
    s = Session(seed=1, peer={"psk": "other"})
    assert s.connect()[IKEv2_Notify].type == NotifyType.AUTHENTICATION_FAILED
    s = Session(seed=1)
    s.network.wire.loss = 1.0
    with pytest.raises(Timeout):
        s.sa_init()


def test_a_peer_that_cannot_prove_itself_is_an_error():
    s = Session(seed=1)

    def spoil(message):
        for payload in message.payloads:
            if isinstance(payload, IKEv2_AUTH):
                payload.load = bytes(32)

    s.peer.taps.add("payloads", spoil)
    s.sa_init()
    with pytest.raises(AuthenticationError):
        s.auth()


def test_the_peer_is_configured_by_the_same_names_or_as_a_whole():
    s = Session(
        seed=1, peer={"esp_proposals": "aes256gcm16", "cookie_threshold": 0}, esp_proposals="aes128gcm16,aes256gcm16"
    )
    s.connect()
    assert str(s.child.suite) == "aes256gcm16"
    s = Session(seed=1, peer=IkeConfig(local_id="bob", auth=Psk("fynx"), children=()))
    answer = s.connect()
    assert answer[IKEv2_Notify].type == NotifyType.TS_UNACCEPTABLE
    with pytest.raises(ConfigError, match="nonsense"):
        Session(peer={"nonsense": 1})  # type: ignore[arg-type]  # is refused at run time too


def test_wrong_arguments_say_what_was_expected():
    with pytest.raises(ConfigError, match="aes128gcm16"):
        Session(proposals="aes128gcm61-prfsha256-x25519")
    with pytest.raises(ConfigError, match="traffic selector"):
        Session(local_ts="10.1.0.0/99")
    with pytest.raises(ConfigError, match="identity"):
        Session(local_id="")
    with pytest.raises(ConfigError, match="pre-shared key"):
        Session(psk="")
    s = Session(seed=1)
    s.connect()
    with pytest.raises(ConfigError, match="INFORMATIONAL"):
        s.request("INFORMATIONAL_")


def test_taps_are_one_call_away():
    s = Session(seed=1)
    remove = s.tap("payloads", lambda message: message.payloads.insert(0, IKEv2_Notify(type="INITIAL_CONTACT")))
    s.sa_init()
    remove()
    assert s.auth()[IKEv2_AUTH]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"port": "500"}, "Session.port to be a whole number from 1 to 65535, or None, found '500'"),
        ({"natt_port": 0}, "Session.natt_port"),
        ({"marker_always": "no"}, "Session.marker_always to be True or False, or None, found 'no'"),
        ({"seed": 2.5}, "Session.seed"),
        ({"network": "lan"}, "Session.network to be a Hosts"),
        ({"config": {"auth": "x"}}, "Session.config to be an IkeConfig"),
        ({"endpoint": {"port": 500}}, "Session.endpoint to be an EndpointConfig"),
        ({"retransmission": 3}, "Session.retransmission to be a Retransmission"),
        ({"name": ""}, "Session.name"),
        ({"remote": None}, "Session.remote"),
        ({"peer": "bob"}, "expected peer to be a dict of fields, an IkeConfig or several, found 'bob'"),
        ({"peer": ["bob"]}, "expected peer to be a dict of fields, an IkeConfig or several"),
        ({"peer": 5}, "expected peer to be a dict of fields, an IkeConfig or several, found 5"),
        ({"peer": {1: 2}}, "expected fields of IkeConfig, .* found 1"),
        ({"target": 5}, "Session.target to be HOST, HOST:PORT or an Address, or None, found 5"),
        ({"target": "[::1"}, r"expected an address such as \[2001:db8::1\]:500, found '\[::1'"),
        ({"local": "2001:db8::1"}, "expected two addresses of one IP version"),
        ({"psk": "x", "config": IkeConfig(auth="y")}, "expected either config or psk, found both"),
        ({"psk": ""}, "expected a pre-shared key of at least one octet"),
        ({"peer": {"fragmentation": "no"}}, "IkeConfig.fragmentation to be True or False"),
        ({"peer": {"port": 65536}}, "EndpointConfig.port"),
        ({"psk": 12345}, r"IkeConfig.auth to be a pre-shared key \(a Psk, .*, found an int$"),
        ({"proposals": 7}, "IkeConfig.proposals: expected a str, a Proposal or a sequence, found 7"),
        ({"local_ts": {"10.0.0.0/8": 1}}, "ChildConfig.local_ts"),
    ],
)
def test_arguments_are_checked(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Session(**wrong)
