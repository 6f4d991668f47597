# SPDX-License-Identifier: GPL-2.0-or-later
"""What users write by mistake, and the type checker has to report: every line that says so, and no other.

Read by mypy alone (test_typing.py), never run. ``# error: WORDS`` says which words its report has.
"""

from __future__ import annotations

from fynx_scapy import (
    ChildConfig,
    ConfigReply,
    ConfigRequest,
    DeadPeerDetection,
    EndpointConfig,
    IkeConfig,
    Lifetime,
    Limits,
    Psk,
    Retransmission,
    Session,
)
from fynx_scapy.capture import Capture, KeyLog
from fynx_scapy.events import SaDeleted
from fynx_scapy.harness import Run, expect
from fynx_scapy.lab import Meeting
from fynx_scapy.layers.ikev2 import IKEv2_SA
from fynx_scapy.net import Wire

ChildConfig(replay_windw=3)  # error: did you mean "replay_window"
ChildConfig(mode=7)  # error: expected "str"
ChildConfig(local_ts=7)  # error: expected "str | Selector
ChildConfig().replace(mod="tunnel")  # error: Unexpected keyword argument "mod"
IkeConfig()  # error: Missing named argument "auth"
IkeConfig(auth=7)  # error: expected "Credential | str | bytes | Sequence[Certificate]"
IkeConfig(auth="x", nonce_sise=16)  # error: did you mean "nonce_size"
IkeConfig(auth="x", nonce_size="a")  # error: expected "int"
IkeConfig(auth="x", fragmentation="no")  # error: expected "bool"
IkeConfig(auth="x", children=[7])  # error: expected "ChildConfig"
IkeConfig(auth="x", remote=7)  # error: expected "Address | str
IkeConfig(auth="x").replace(windw=2)  # error: Unexpected keyword argument "windw"
IkeConfig(auth="x").replace(window="2")  # error: expected "int"
EndpointConfig(prt=500)  # error: Unexpected keyword argument "prt"
EndpointConfig(port="500")  # error: expected "int"
EndpointConfig().replace(crash_secrets="text")  # error: expected "bytes
Psk(7)  # error: expected "str | bytes"
Psk("x").replace(secret=7)  # error: expected "str | bytes"
Retransmission(timeout="1")  # error: expected "float"
Retransmission().replace(trys=1)  # error: Unexpected keyword argument "trys"
DeadPeerDetection(acton="hold")  # error: did you mean "action"
Lifetime(soft=3600)  # error: expected "Limits"
Limits(second=1)  # error: did you mean "seconds"
ConfigRequest(addresses=7)  # error: expected "str
ConfigReply(pol="10.0.0.0/8")  # error: Unexpected keyword argument "pol"
Wire(los=0.1)  # error: Unexpected keyword argument "los"

Session(pks="x")  # error: Unexpected keyword argument "pks"
Session(peer={"pks": "x"})  # error: expected "PeerFields
Session(peer={"nonce_size": "x"})  # error: incompatible type
Session(peer="x")  # error: incompatible type "str"
Session(proposals=7)  # error: expected "str | Proposal
s = Session(psk="x")
s.sainit()  # error: maybe "sa_init"
s.wait(SaDeleted).reasn  # error: maybe "reason"
s.sa_init()[IKEv2_SA].append(3).nothing  # right: a layer's fields may be anything

expect(s.sa_init()).notfies("COOKIE")  # error: maybe "notifies"
expect(s.events).lakcs(SaDeleted)  # error: maybe "lacks"
expect(s.events).has("SaDeleted")  # error: expected "type[Event]"
expect(s.events).notifies("COOKIE")  # error: "EventExpectations" has no attribute "notifies"
expect(len(s.events)).equal(3)  # error: maybe "equals"
expect(lambda: s.auth()).raise_(ValueError)  # error: "CallExpectations" has no attribute "raise_"
expect(lambda: s.auth()).raises(3)  # error: expected "type[BaseException]"

KeyLog(secrets=7)  # error: incompatible type "int"
KeyLog(pks="x")  # error: Unexpected keyword argument "pks"
Capture("run.pcapng").ike_sas[0].spi  # error: "CapturedIkeSa" has no attribute "spi"
Capture("run.pcapng").messages[0].opened.layers  # error: "IkeOpened" has no attribute "layers"


def wrong(run: Run, m: Meeting) -> None:
    """In scenarios and trials too."""
    run.session(pks="x")  # error: Unexpected keyword argument "pks"
    run.session(peer={"childles": True})  # error: expected "PeerFields
    m.event(SaDeleted).nothing  # error: "SaDeleted" has no attribute "nothing"
    m.config(windw=3)  # error: Unexpected keyword argument "windw"
    m.join("client", loal="10.9.0.3")  # error: Unexpected keyword argument "loal"
