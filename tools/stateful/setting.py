# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of both endpoints, different for each life."""

from __future__ import annotations

import random
from typing import NamedTuple

from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Psk
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.lifetime import Lifetime, Limits
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection

US, PEER = "192.0.2.1", "192.0.2.2"
CHILD_LIMIT = 8
LINGER_LIMIT = 64


class Setting(NamedTuple):
    """Our configuration, the peer's configuration, and our endpoint's."""

    ours: IkeConfig
    theirs: IkeConfig
    endpoint: EndpointConfig


def setting(chance: random.Random) -> Setting:
    """Draw small limits, short lifetimes, and sometimes an unusual value."""
    child = ChildConfig(
        proposals=chance.choice(
            ("aes128gcm16", "aes128gcm16-x25519-ecp256", "aes128-sha256-x25519", "aes128gcm16-esn")
        ),
        local_ts=("10.1.0.0/16", "2001:db8:1::/64"),
        remote_ts=("10.2.0.0/16", "2001:db8:2::/64"),
        mode=chance.choice(("tunnel", "tunnel", "tunnel", "transport")),
        single_pair=chance.random() < 0.1,
        lifetime=Lifetime(soft=Limits(seconds=chance.choice((60.0, 900.0)), packets=chance.choice((None, 50)))),
    )
    reply = ConfigReply(pool=("10.2.0.0/24", "2001:db8:2::/120"), dns="10.1.0.53", accepts=("INTERNAL_IP4_DNS",))
    if child.mode == "transport":
        child = child.replace(local_ts="0.0.0.0/0", remote_ts="0.0.0.0/0")
    asked = chance.random() < 0.5
    ours = IkeConfig(
        local_id="us",
        remote_id="peer",
        auth=Psk("fuzz"),
        remote=Address(PEER, 500),
        children=(child,),
        proposals=chance.choice(("aes128gcm16-prfsha256-x25519-ecp256", "aes128-sha256-x25519")),
        cp_reply=reply if child.mode == "tunnel" and asked else None,
        window=chance.choice((1, 1, 4)),
        invalid_message_id=chance.choice((None, 1.0)),
        child_limit=CHILD_LIMIT,
        fragment_size=chance.choice((576, 1280)),
        lifetime=Lifetime(soft=Limits(seconds=chance.choice((300.0, 3600.0)))),
        reauthenticate_after=chance.choice((None, None, 1800.0)),
        dpd=DeadPeerDetection(
            interval=chance.choice((30.0, 300.0)), action=chance.choice(("clear", "clear", "hold", "restart"))
        ),
    )
    turned = child.replace(local_ts=child.remote_ts, remote_ts=child.local_ts)
    theirs = IkeConfig(
        local_id="peer",
        remote_id="us",
        auth=Psk("fuzz"),
        remote=Address(US, 500),
        children=(turned,),
        proposals=ours.proposals,
        window=chance.choice((1, 4)),
        force_encapsulation=chance.random() < 0.5,
        fragmentation=chance.random() < 0.8,
        cp_request=ConfigRequest() if ours.cp_reply and chance.random() < 0.5 else None,
    )
    settings = EndpointConfig(
        crash_secrets=chance.choice(((), (bytes(16),))),
        report_selectors=chance.random() < 0.5,
        source_threshold=5,
        linger_limit=LINGER_LIMIT,
    )
    return Setting(ours, theirs, settings)
