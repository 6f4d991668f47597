# SPDX-License-Identifier: GPL-2.0-or-later
"""A live peer that scenarios run against: its address, its identity, and the configuration of our sessions with it."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.checks import (
    Check,
    flag,
    kind,
    optional,
    required,
    seconds,
    setting,
    text,
    udp_port,
)
from fynx_scapy.errors import OutOfReach
from fynx_scapy.harness.proofs import Proofs
from fynx_scapy.iana import ProtocolId
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Proposals, Psk, Retransmission, Selectors
from fynx_scapy.ike.terms.child_config import read_proposals, read_selectors
from fynx_scapy.net.sockets import OpenSocket
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session

QUICK = Retransmission(timeout=0.5, base=1.5, tries=3)
"""A live peer answers soon, so a request is given up after four seconds."""

NOT_OURS = {
    "peer": "the scenario configures the embedded peer: {}",
    "network": "the scenario brings a network in memory",
}
_CREDENTIALS = ("psk", "local_id", "remote_id", "local", "remote", "local_ts", "remote_ts", "seed")


_READ = Check("readable", lambda value: True)


def _readable(reader: Callable[[Any], object]) -> Callable[[Any], Any]:
    """Check that ``reader`` accepts a value, and keep the value as written."""

    def read(value: Any) -> Any:
        if value is not None:
            reader(value)
        return value

    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Proofs):
    """A live peer and our configuration towards it. None leaves a setting to `Session` or the scenario."""

    address: str = required(text())
    """``HOST`` or ``HOST:PORT``."""
    remote_id: str | None = setting(None, optional(text()))
    """The identity that the peer must prove."""
    proposals: Proposals | None = setting(None, _READ, read=_readable(partial(read_proposals, ProtocolId.IKE)))
    """What we offer for the IKE SA, as in IkeConfig."""
    esp_proposals: Proposals | None = setting(None, _READ, read=_readable(partial(read_proposals, ProtocolId.ESP)))
    """What we offer for Child SAs, as in ChildConfig."""
    local_ts: Selectors | None = setting(None, _READ, read=_readable(read_selectors))
    """Our traffic selectors."""
    remote_ts: Selectors | None = setting(None, _READ, read=_readable(read_selectors))
    """The peer's traffic selectors."""
    ping: str | None = setting(None, optional(text()))
    """An inner address that answers pings; by default the first host of the selectors."""
    local: str | None = setting(None, optional(text()))
    """Our address."""
    port: int | None = setting(None, optional(udp_port()))
    """Our UDP port."""
    natt_port: int | None = setting(None, optional(udp_port()))
    """Our UDP port for NAT traversal."""
    marker_always: bool | None = setting(None, optional(flag()))
    """Whether IKE has the non-ESP marker on every port."""
    retransmission: Retransmission = setting(QUICK, kind(Retransmission))
    """When a request without an answer is sent again and given up."""
    error_wait: float = setting(0.3, seconds(zero=True))
    """As in IkeConfig."""
    open_socket: OpenSocket = setting(socket.socket, Check("a function that opens a socket", callable))
    """The function that opens the sockets, for example in another network namespace."""

    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...

    def config(self, given: Mapping[str, Any]) -> IkeConfig:
        """Our configuration: what the scenario sets, with this peer's credentials, identities and traffic selectors.

        ``given`` are the arguments of `Run.session`. OutOfReach when some of them are for an embedded peer;
        ConfigError as in IkeConfig.
        """
        for name, reason in NOT_OURS.items():
            if given.get(name) is not None:
                raise OutOfReach(reason.format(names_of(given[name])))
        mine = {k: v for k, v in given.items() if k not in (*NOT_OURS, *_CREDENTIALS, "config") and v is not None}
        extra = mine.keys() - {"proposals", "esp_proposals"}
        if extra:
            raise OutOfReach(f"the scenario sets {', '.join(sorted(extra))}")
        plain = IkeConfig(auth=Psk(self.psk))
        config: IkeConfig = given.get("config") or plain
        proposals = mine.get("proposals") or (config.proposals != plain.proposals and config.proposals)
        changes: dict[str, Any] = {"proposals": proposals or self.proposals or config.proposals}
        return config.replace(
            **self.changes(),
            remote_id=self.remote_id,
            children=tuple(self.child(child, mine.get("esp_proposals")) for child in config.children),
            retransmission=self.retransmission,
            error_wait=self.error_wait,
            **changes,
        )

    def child(self, child: ChildConfig, esp_proposals: Proposals | None = None) -> ChildConfig:
        """Our configuration of a Child SA, with this peer's traffic selectors and, by default, its proposals."""
        plain = ChildConfig()
        chosen = esp_proposals or (child.proposals != plain.proposals and child.proposals)
        return child.replace(
            proposals=chosen or self.esp_proposals or child.proposals,
            local_ts=self.local_ts or plain.local_ts,
            remote_ts=self.remote_ts or plain.remote_ts,
        )

    def session(self, config: IkeConfig, network: UdpNetwork, endpoint: EndpointConfig | None = None) -> Session:
        """A session with this peer. TransportError and ConfigError as in `Session`."""
        return Session(
            self.address,
            config=config,
            endpoint=endpoint,
            local=self.local,
            port=self.port,
            natt_port=self.natt_port,
            marker_always=self.marker_always,
            destination=self.ping,
            network=network,
            attended=False,
        )


def names_of(value: object) -> str:
    """What a case configures of the embedded peer, in words."""
    if isinstance(value, Mapping):
        return ", ".join(value)
    return f"fields of {type(value).__name__}" if dataclasses.is_dataclass(value) else type(value).__name__
