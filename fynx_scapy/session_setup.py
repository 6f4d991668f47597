# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets up a session: our endpoint on its network and, unless the peer is live, an embedded peer."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias, TypedDict

from fynx_scapy.checks import Check, flag, kind, optional, shown, text, udp_port
from fynx_scapy.errors import ConfigError, LocalError, TransportError
from fynx_scapy.ike.basics.randomness import Randomness, SeededRandomness, SystemRandomness
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, IkeFields, Psk, Retransmission
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.path.nat import IKE_PORT, NATT_PORT
from fynx_scapy.ike.terms.child_config import ChildFields, Proposals, Selectors
from fynx_scapy.ike.terms.endpoint_config import EndpointFields
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.net.udp import UdpNetwork, free_ports, resolve, source_for

INITIATOR, RESPONDER = "initiator", "responder"
LIVE = Retransmission(timeout=0.7, base=1.4, tries=3)
"""The schedule towards a live peer unless another is asked for: whoever waits at a prompt is told after 5 seconds."""


class PeerFields(IkeFields, EndpointFields, total=False):
    """How the embedded peer differs from our mirror image: fields of any configuration."""

    auth: Psk | str | bytes
    psk: str | bytes
    esp_proposals: Proposals
    local_ts: Selectors
    remote_ts: Selectors
    replay_window: int
    tfc_length: int
    registry: Registry


Peers: TypeAlias = "PeerFields | IkeConfig | Sequence[IkeConfig] | None"


class SessionFields(TypedDict, total=False):
    """What a `Session` is made from, without the target."""

    psk: str | bytes
    local_id: Identity | str
    remote_id: Identity | str | None
    proposals: Proposals | None
    esp_proposals: Proposals | None
    local_ts: Selectors | None
    remote_ts: Selectors | None
    local: str | None
    remote: str
    port: int | None
    natt_port: int | None
    marker_always: bool | None
    config: IkeConfig | None
    endpoint: EndpointConfig | None
    peer: Peers
    seed: int | str | None
    network: Hosts | None
    name: str
    destination: str | None
    retransmission: Retransmission | None
    registry: Registry


ARGUMENTS = {
    "local": optional(text()),
    "remote": text(),
    "port": optional(udp_port()),
    "natt_port": optional(udp_port()),
    "marker_always": optional(flag()),
    "config": optional(kind(IkeConfig)),
    "endpoint": optional(kind(EndpointConfig)),
    "seed": Check("a whole number or text, or None", lambda seed: isinstance(seed, int | str | None)),
    "network": optional(kind(Hosts)),
    "name": text(),
    "destination": optional(text()),
    "retransmission": optional(kind(Retransmission)),
    "registry": optional(kind(Registry)),
}
"""What those of a session's arguments have to be that become no setting of a configuration."""


class Ends(NamedTuple):
    """Our endpoint on its network, the embedded peer (None: a live one), and what we connect with."""

    network: Hosts
    client: Endpoint
    peer: Endpoint | None
    config: IkeConfig


def embedded(
    config: IkeConfig,
    local: str,
    remote: str,
    endpoint: EndpointConfig | None,
    peer: Peers,
    seed: int | str | None,
    network: Hosts | None,
    registry: Registry | None = None,
) -> Ends:
    """Ours and an embedded peer, on a network in memory if none is given."""
    config = config.replace(remote=Address(remote, IKE_PORT))
    network = network or Network(seed=seed if seed is not None else 0)
    client = Endpoint(local, config=endpoint, randomness=_randomness(seed, INITIATOR), registry=registry)
    theirs, beside = EndpointConfig(), None
    changed: Mapping[str, Any] | IkeConfig | Sequence[IkeConfig] | None = peer
    if isinstance(changed, Mapping):
        changed = dict(changed)
        beside = changed.pop("registry", None)
        known: Any = {field.name: changed.pop(field.name) for field in fields(EndpointConfig) if field.name in changed}
        theirs = EndpointConfig(**known)
    random = _randomness(seed, RESPONDER)
    other = Endpoint(remote, _mirrored(config, changed), config=theirs, randomness=random, registry=beside)
    network.add(client, INITIATOR)
    network.add(other, RESPONDER, echo=True)
    return Ends(network, client, other, config)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Our own address, ports and name towards a live peer; None leaves a value to us, as `Session` says."""

    local: str | None = None
    port: int | None = None
    natt_port: int | None = None
    marker_always: bool | None = None
    name: str = INITIATOR


def live(
    config: IkeConfig,
    target: str | Address,
    here: LocalSettings,
    endpoint: EndpointConfig | None,
    peer: Peers,
    seed: int | str | None,
    network: Hosts | None,
    registry: Registry | None = None,
) -> Ends:
    """Ours on a real network, and the peer that listens at ``target``, who may begin as well as we.

    LocalError for a configuration of an embedded ``peer``, and for a network in memory.
    ConfigError when there is no such host or it is our own socket, TransportError when there is no way to it, or the
    ports are not to be had.
    """
    if peer is not None:
        raise LocalError("expected the address of a live peer or the configuration of an embedded one, found both")
    if network is not None and not isinstance(network, UdpNetwork):
        raise LocalError(f"expected a UdpNetwork towards a live peer, found {type(network).__name__}")
    remote = target if isinstance(target, Address) else resolve(target, IKE_PORT)
    own_ports = remote.port not in (IKE_PORT, NATT_PORT)
    config = config.replace(remote=remote)
    if own_ports and config.remote_natt_port == NATT_PORT:
        config = config.replace(remote_natt_port=remote.port)
    made = network or UdpNetwork()
    try:
        client = _client(made, config, remote, here, endpoint, seed, registry, own_ports=own_ports)
        if _is_own(client, remote):
            made.remove(here.name)
            raise ConfigError(f"expected a peer other than ourselves, found {remote}, which is a socket of our own")
        return Ends(made, client, None, config)
    except (ConfigError, TransportError):
        if network is None:
            made.close()
        raise


def _client(
    network: UdpNetwork,
    config: IkeConfig,
    remote: Address,
    here: LocalSettings,
    endpoint: EndpointConfig | None,
    seed: int | str | None,
    registry: Registry | None,
    *,
    own_ports: bool,
) -> Endpoint:
    """Our endpoint, plugged in: on ports 500 and 4500 unless others are asked for, else on free ones."""
    settings = endpoint or EndpointConfig()
    if endpoint is None or here.marker_always is not None:
        settings = settings.replace(marker_always=own_ports if here.marker_always is None else here.marker_always)
    settings = settings.replace(port=here.port or settings.port, natt_port=here.natt_port or settings.natt_port)
    host = here.local or source_for(remote, network.open_socket)

    def plugged_in(config_of_ours: EndpointConfig) -> Endpoint:
        random = _randomness(seed, here.name)
        client = Endpoint(host, [config], config=config_of_ours, randomness=random, registry=registry)
        network.add(client, here.name, echo=True)
        return client

    asked = here.port or here.natt_port or endpoint
    if asked or not own_ports:
        try:
            return plugged_in(settings)
        except TransportError:
            if asked:
                raise
    port, natt_port = free_ports(host, 2, network.open_socket)
    return plugged_in(settings.replace(port=port, natt_port=natt_port))


def _is_own(client: Endpoint, remote: Address) -> bool:
    """Whether what is sent to ``remote`` comes back to ``client``; the system takes 0.0.0.0 and :: for itself."""
    there, here = (ipaddress.ip_address(host.partition("%")[0]) for host in (remote.host, client.host))
    same = there == here or (there.is_unspecified and there.version == here.version)
    return same and remote.port in (client.config.port, client.config.natt_port)


def _randomness(seed: int | str | None, who: str) -> Randomness:
    return SystemRandomness() if seed is None else SeededRandomness(f"{seed} {who}")


def config_of(
    *,
    psk: str | bytes,
    local_id: Identity | str,
    remote_id: Identity | str | None,
    proposals: Proposals | None,
    esp_proposals: Proposals | None,
    local_ts: Selectors | None,
    remote_ts: Selectors | None,
) -> IkeConfig:
    """An IkeConfig from a session's flat arguments; None leaves a default in place."""
    child: ChildFields = {}
    if esp_proposals is not None:
        child["proposals"] = esp_proposals
    if local_ts is not None:
        child["local_ts"] = local_ts
    if remote_ts is not None:
        child["remote_ts"] = remote_ts
    ours = IkeConfig(auth=psk, local_id=local_id, remote_id=remote_id, children=ChildConfig(**child))
    return ours if proposals is None else ours.replace(proposals=proposals)


def _mirrored(ours: IkeConfig, peer: Mapping[str, Any] | IkeConfig | Sequence[IkeConfig] | None) -> list[IkeConfig]:
    """What the embedded peer accepts: our configuration seen from the other side, with some of it changed."""
    if isinstance(peer, IkeConfig):
        return [peer]
    if peer is not None and not isinstance(peer, Mapping):
        if isinstance(peer, str | bytes) or not all(isinstance(each, IkeConfig) for each in peer):
            raise ConfigError(f"expected fields, an IkeConfig or several for peer, found {shown(peer)}")
        return list(peer)
    children = tuple(child.replace(local_ts=child.remote_ts, remote_ts=child.local_ts) for child in ours.children)
    mirrored = ours.replace(
        local_id=ours.remote_id or "fynx", remote_id=ours.local_id, children=children, remote=None, ke=None
    )
    changes = dict(peer or {})
    child_fields = {
        "esp_proposals": "proposals",
        "local_ts": "local_ts",
        "remote_ts": "remote_ts",
        "replay_window": "replay_window",
        "tfc_length": "tfc_length",
    }
    child_changes = {new: changes.pop(name) for name, new in child_fields.items() if name in changes}
    if "psk" in changes:
        changes["auth"] = Psk(changes.pop("psk"))
    unknown = changes.keys() - set(IkeConfig.__dataclass_fields__)
    if unknown:
        raise ConfigError(
            f"expected fields of IkeConfig, ChildConfig or EndpointConfig in peer, found {', '.join(sorted(unknown))}"
        )
    if child_changes:
        mirrored = mirrored.replace(children=tuple(child.replace(**child_changes) for child in mirrored.children))
    return [mirrored.replace(**changes)]
