# SPDX-License-Identifier: GPL-2.0-or-later
"""What users write, and the type checker has to accept; read by mypy alone (test_typing.py), never run."""

from __future__ import annotations

from typing import assert_type

from fynx_scapy import (
    NEVER,
    Address,
    ChildConfig,
    ConfigReply,
    ConfigRequest,
    DeadPeerDetection,
    Endpoint,
    EndpointConfig,
    IkeConfig,
    IkeSa,
    IpsecClient,
    IpsecServer,
    IpsecSession,
    Lifetime,
    Limits,
    PeerFields,
    Psk,
    Reconnect,
    Retransmission,
    Session,
)
from fynx_scapy.capture import Capture, KeyLog, process
from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa, IkeOpened
from fynx_scapy.errors import LocalError
from fynx_scapy.events import ChildSaInstalled, Event, PeerDead, SaDeleted
from fynx_scapy.exchanges import ONE, Exchange, Message, P, Round, Rule, Steps, exchange
from fynx_scapy.harness import Run, expect, scenario
from fynx_scapy.harness.expect import CallExpectations, EventExpectations, MessageExpectations, ValueExpectations
from fynx_scapy.lab import Meeting, PeerConfig, trial
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_KE, IKEv2_SA, IKEv2_VendorID
from fynx_scapy.layers.ikev2.structure import Structure
from fynx_scapy.net import AioNetwork, Network, Wire
from fynx_scapy.taps import Outgoing

# Configurations take what they convert.
child = ChildConfig(proposals="aes128gcm16-esn", local_ts="10.1.0.0/24", remote_ts=["10.2.0.0/24", "fd02::/64"])
child = child.replace(mode="transport", local_ts=("10.1.0.1",), lifetime=NEVER)
config = IkeConfig(auth="secret", local_id="alice", remote=("192.0.2.2", 500), children=child, ke="CURVE25519")
config = config.replace(auth=Psk(b"other"), remote="192.0.2.3:4500", fragmentation=False, children=(child, child))
IkeConfig(
    auth=b"secret",
    proposals=("aes128gcm16-prfsha256-x25519", "aes256-sha256-modp2048"),
    retransmission=Retransmission(timeout=1, tries=3).replace(base=1.5),
    lifetime=Lifetime(soft=Limits(seconds=60), hard=Limits(seconds=90)),
    dpd=DeadPeerDetection(interval=30, action="restart"),
    cp_request=ConfigRequest(addresses="0.0.0.0", attributes=["INTERNAL_IP4_DNS", 13]),
    cp_reply=ConfigReply(pool="10.3.0.0/24", dns=["10.0.0.1"]).replace(required=True),
)
EndpointConfig(port=1500, crash_secrets=b"s" * 32, puzzle_levels=[(5, 12)]).replace(cookie_threshold=None)
Endpoint("192.0.2.1", [config], config=EndpointConfig(marker_always=True))
Network(wire=Wire(loss=0.1)).wire.loss = 0.5

# Sessions.
s = Session(psk="secret", peer={"psk": "other", "cookie_threshold": 0, "esp_proposals": "aes256gcm16"}, seed=1)
strict: PeerFields = {"nonce_size": 16, "report_selectors": True}
s = Session(Address("127.0.0.1", 500), config=config, peer=None)
Session(esp_proposals=["aes128gcm16"], local_ts=("10.1.0.0/24",), peer=[config], endpoint=EndpointConfig())
answer = assert_type(s.sa_init(), IKEv2)
assert_type(answer["IKEv2"], Structure)
assert_type(answer[IKEv2_SA], IKEv2_SA)
answer[IKEv2_KE].group.bit_length()
assert_type(s.sa, IkeSa)
assert_type(s.wait(PeerDead), PeerDead)
assert_type(s.events, list[tuple[str, Event]])
s.wait(lambda: s.sa.established, timeout=3)

# Expectations.
assert_type(expect(answer), MessageExpectations).exchange("IKE_SA_INIT").response().has(IKEv2_SA, IKEv2_KE, group=31)
expect(answer).notifies("COOKIE").lacks(IKEv2_KE).notify_data("COOKIE").equals(b"")
assert_type(expect(s.events), EventExpectations).at("responder").has(ChildSaInstalled, esn=False).lacks(SaDeleted)
assert_type(expect(s.events).sent(0), MessageExpectations).message_id(0)
assert_type(expect(len(s.events), "events"), ValueExpectations).equals(7).between(1, 9)
assert_type(expect("text"), ValueExpectations).contains("x")
assert_type(expect([1, 2]), ValueExpectations).excludes(3)
assert_type(expect(lambda: s.auth()), CallExpectations).raises(LocalError, "no Child SA")
for again in (s,):
    expect(lambda again=again: again.auth()).raises(LocalError)

# Captures.
capture = Capture("run.pcapng", KeyLog(secrets=["5f0c" * 16], psk="lab psk"))
KeyLog(secrets=b"\1" * 32, psk=[b"octets", "text"])
assert_type(capture.ike_sas, list[CapturedIkeSa])
assert_type(capture.child_sas, list[CapturedChildSa])
assert_type(capture.sas, list[CapturedIkeSa | CapturedChildSa])
opened = assert_type(capture.messages[0].opened, IkeOpened)
assert_type(opened.auth[0].verified, bool | None)
assert_type(capture.conversations[0].sas, list[CapturedIkeSa])
process("captures", KeyLog(), ports=[10500])


# Scenarios, trials, taps, exchanges.
def cut(message: Outgoing) -> None:
    """A tap."""
    message.payloads.clear()


@scenario("RFC 7296 section 1.2")
def right(run: Run) -> None:
    """A scenario."""
    session = run.session("label", peer={"childless": True}, esp_proposals="aes128gcm16", seed=3)
    session.tap("payloads", cut, when=lambda message: True)()


@trial("RFC 7296 section 1.2", config={"dpd_delay": 1}, ours={"window": 2}, endpoint={"port": 1500})
def meets(m: Meeting) -> None:
    """A trial."""
    assert_type(m.event(SaDeleted, by_peer=True), SaDeleted)
    m.join("client", m.config(local_id="client", child={"mode": "transport"}), local="10.9.0.3")
    PeerConfig(ike="aes256gcm16-prfsha384-ecp384").replace(port=1500).mirrored(window=2)


@exchange(240)
class Greeting(Exchange):
    """An exchange."""

    rules = (Round(Rule({P.V: ONE}), Rule({P.V: ONE})),)

    def initiate(self) -> Steps:
        """Say something."""
        answer = yield self.request(IKEv2_VendorID(vendorID=b"good morning"))
        assert_type(answer, Message)


# Clients and servers of asyncio programs.
async def programs() -> None:
    async with IpsecServer([config], local=["192.0.2.1", "2001:db8::1"], unique=True, backlog=5) as server:
        async for session in server:
            assert_type(session, IpsecSession)
            async for packet in session:
                assert_type(packet, bytes)
                await session.send_packet(packet)
        server.reload(config)
    async with AioNetwork(history=10) as network:
        policy = Reconnect(attempts=3).replace(wait=0.5)
        async with IpsecClient(config, network=network, reconnect=policy) as client, await client.connect() as one:
            await one.rekey(child=one.children[0])
            assert_type(await one.recv_packets(), list[bytes])
            async for event in one.events():
                assert_type(event, Event)
