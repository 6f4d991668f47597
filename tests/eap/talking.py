# SPDX-License-Identifier: GPL-2.0-or-later
"""Two ends of an EAP conversation, and what they say."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from scapy.layers.eap import EAP

from fynx_scapy.eap.accounts import Accounts
from fynx_scapy.eap.method import PeerMethod, ServerMethod
from fynx_scapy.eap.peer import EapPeer
from fynx_scapy.eap.server import EapServer
from fynx_scapy.eap.tunnel import TlsConfig
from fynx_scapy.layers.ikev2.eap.names import eap_text
from fynx_scapy.pki.making import Authority

ACCOUNTS = Accounts({"carol": "Ar3etTnp"})
Edit = Callable[[bytes], bytes]


class Talk:
    """A conversation in memory. ``down`` and ``up`` may change the packets of the server and of the peer."""

    def __init__(
        self,
        ours: Sequence[PeerMethod],
        theirs: Sequence[ServerMethod],
        *,
        identity: str = "carol",
        seed: int = 1,
        down: Edit = bytes,
        up: Edit = bytes,
    ) -> None:
        octets = random.Random(seed).randbytes
        self.notices: list[str] = []
        self.peer = EapPeer(identity.encode(), ours, octets, self.notices.append)
        self.server = EapServer(theirs, octets)
        self.said: list[str] = []
        self.down, self.up = down, up

    def run(self) -> Talk:
        """Until success. AuthenticationError of the peer when it ends otherwise."""
        request: EAP = self.server.begin()
        while True:
            octets = self.down(bytes(request))
            self.said.append(eap_text(octets))
            response = self.peer.receive(octets)
            if response is None:
                return self
            octets = self.up(bytes(response))
            self.said.append(eap_text(octets))
            request = self.server.receive(octets)


@cache
def root() -> Authority:
    """Whom both trust."""
    return Authority.root(seed="root")


@cache
def tls(name: str, anchor: Authority | None = None, **fields: Any) -> TlsConfig:
    """One end with a certificate of the root, or of another authority."""
    made = (anchor or root()).issue(f"CN={name}", [name], "ecdsa-p256", seed=name)
    return TlsConfig(
        certificates=made.pem,
        key=made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        anchors=root().pem,
        **fields,
    )
