# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of live scenarios share: Bob, who listens on loopback, the target that he is, and the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Unpack

from click.testing import CliRunner, Result

from fynx_scapy import cli
from fynx_scapy.harness.scenario import Body, Scenario
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeChanges, IkeConfig, Retransmission
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.udp import UdpNetwork, free_ports

KEY = "a key that no report shows"
PROPOSALS = (
    "aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384", "aes128-sha256-prfsha256-x25519-modp2048",
)  # fmt: skip


class Bob:
    """A responder over UDP, whom a thread serves: he allows what the scenarios' peers are configured for."""

    def __init__(self, **changes: Unpack[IkeChanges]) -> None:
        self.port, natt_port = free_ports("127.0.0.1")
        children = (
            ChildConfig(
                local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", proposals=("aes128gcm16", "aes128gcm16-x25519")
            ),
        )
        config = IkeConfig(
            auth=KEY, local_id="bob", proposals=PROPOSALS, children=children, childless=True, force_encapsulation=True
        ).replace(**changes)
        settings = EndpointConfig(port=self.port, natt_port=natt_port, marker_always=True)
        self.network = UdpNetwork()
        self.endpoint = Endpoint("127.0.0.1", [config], config=settings)
        self.network.add(self.endpoint, "bob", echo=True)
        self.network.attend()

    def established(self) -> list[IkeSa]:
        """The IKE SAs that he holds, half-open ones included."""
        with self.network.lock:
            return [sa for sa in self.endpoint.sas.values() if sa.established or sa.connecting]

    def close(self) -> None:
        """Go away without a word."""
        if not self.network.closed:
            self.network.close()


@contextmanager
def bob(**changes: Unpack[IkeChanges]) -> Iterator[Bob]:
    """Bob, as long as the block lasts, with these changes of his configuration."""
    made = Bob(**changes)
    try:
        yield made
    finally:
        made.close()


def target(port: int, **more: Any) -> Target:
    """Bob as a target, with little patience."""
    quick = Retransmission(timeout=0.1, base=1.3, tries=3)
    where = f"127.0.0.1:{port}"
    given: dict[str, Any] = {"remote_id": "bob", "ping": "10.2.0.1", "error_wait": 0.05, "retransmission": quick} | more
    return Target(address=where, psk=KEY, **given)


def made(body: Body) -> Scenario:
    """A live scenario."""
    return Scenario(body.__name__, "RFC 7296", (), body, __name__, live=True)


def fynx(*words: object, key: Path | None = None) -> Result:
    """Run the command; ``key`` is the file of the pre-shared key, named by the environment."""
    environment = {"FYNX_PSK_FILE": str(key)} if key else {}
    return CliRunner().invoke(cli.main, [str(word) for word in words], env=environment)
