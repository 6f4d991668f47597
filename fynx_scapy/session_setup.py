# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets up a session: our endpoint on its network and, unless the peer is live, an embedded peer."""

from __future__ import annotations

import builtins
import difflib
import ipaddress
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias, TypedDict

from scapy.config import conf

from fynx_scapy.checks import Check, flag, kind, optional, shown, text, udp_port
from fynx_scapy.errors import ConfigError, LocalError, TransportError
from fynx_scapy.ike.basics.randomness import Randomness, SeededRandomness, SystemRandomness
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, IkeFields, Psk, Retransmission
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.credentials.together import Auth, mirrored, read_auth
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
"""The default retransmission schedule towards a live peer. It gives up after 5 seconds, for a user at a prompt."""


class PeerFields(IkeFields, EndpointFields, total=False):
    """How the embedded peer differs from the mirror image of our configuration: fields of any configuration."""

    auth: Auth
    """As in IkeConfig."""
    psk: str | bytes
    """The peer's pre-shared key."""
    esp_proposals: Proposals
    """What the peer accepts for every Child SA."""
    local_ts: Selectors
    """The traffic selectors behind the peer, in every Child SA."""
    remote_ts: Selectors
    """The traffic selectors behind us, in every Child SA."""
    replay_window: int
    """As in ChildConfig, for every Child SA."""
    tfc_length: int
    """As in ChildConfig, for every Child SA."""
    registry: Registry
    """Exchanges and extensions that only the embedded peer knows."""


Peers: TypeAlias = "PeerFields | IkeConfig | Sequence[IkeConfig] | None"


class SessionFields(TypedDict, total=False):
    """The arguments of `Session`, without the target."""

    psk: str | bytes
    """The pre-shared key."""
    local_id: Identity | str
    """Our identity."""
    remote_id: Identity | str | None
    """The identity that the peer must prove; None accepts any."""
    proposals: Proposals | None
    """What we offer for the IKE SA; None for the default of IkeConfig."""
    esp_proposals: Proposals | None
    """What we offer for the Child SA; None for the default of ChildConfig."""
    local_ts: Selectors | None
    """The traffic selectors behind us; None for the default of ChildConfig."""
    remote_ts: Selectors | None
    """The traffic selectors behind the peer; None for the default of ChildConfig."""
    local: str | None
    """Our address. By default 192.0.2.1 or, towards a live peer, the address that the kernel sends from."""
    remote: str
    """The address of the embedded peer."""
    port: int | None
    """Our UDP port towards a live peer; by default 500 if available, else (or if the peer uses other ports) a free
    port."""
    natt_port: int | None
    """Our UDP port for NAT traversal towards a live peer; by default 4500, in the same way."""
    marker_always: bool | None
    """Whether IKE has the non-ESP marker on every port. By default only towards a live peer that listens on a port
    other than 500 and 4500, because many such peers expect it."""
    config: IkeConfig | None
    """Our whole configuration, in place of the seven arguments above that describe the IKE SA and its Child SA."""
    endpoint: EndpointConfig | None
    """The configuration of our endpoint."""
    peer: Peers
    """The embedded peer's configuration. By default it mirrors ours. A dict changes fields of it, by the same names
    (``{"psk": "other"}``); one or several IkeConfig replace it."""
    seed: int | str | None
    """The same seed repeats an embedded session to the byte."""
    network: Hosts | None
    """The network to use; several sessions may share one."""
    name: str
    """The name of our endpoint in ``events``, for sessions that share a network. The embedded peer is called
    ``responder``, or ``initiator`` if we are called ``responder``."""
    destination: str | None
    """The default destination of `Session.ping`."""
    retransmission: Retransmission | None
    """When a request is sent again and when it is given up. By default as in ``config`` or IkeConfig; towards a live
    peer without ``config`` after 5 seconds, sooner when ICMP reports repeatedly that the port is unreachable."""
    registry: Registry
    """Exchanges and extensions that only our endpoint knows."""
    attended: bool | None
    """Whether a thread answers a live peer between two steps; None for: at a Python prompt."""


def at_prompt() -> bool:
    """Whether somebody types at a Python prompt. Scapy sets ``sys.ps1`` in programs too, when its colours change."""
    if not hasattr(sys, "ps1"):
        return False
    typed = sys.flags.interactive or conf.interactive or hasattr(builtins, "get_ipython")
    program = not typed and hasattr(sys.modules["__main__"], "__file__")
    return not program or str(sys.ps1) != conf.color_theme.prompt(conf.prompt)


def other(name: str) -> str:
    """The name of the embedded peer when ours is ``name``."""
    return RESPONDER if name != RESPONDER else INITIATOR


def _is_target(value: object) -> bool:
    return isinstance(value, Address) or (isinstance(value, str) and bool(value))


ARGUMENTS = {
    "target": optional(Check("HOST, HOST:PORT or an Address", _is_target)),
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
    "attended": optional(flag()),
}
"""Checks for the arguments of a session that do not become a setting of a configuration."""


FLAT = {
    "psk": "fynx", "local_id": "alice", "remote_id": "bob", "proposals": None, "esp_proposals": None, "local_ts": None,
    "remote_ts": None,
}  # fmt: skip
"""The arguments that ``config`` takes the place of, with their defaults."""


def only_one(config: IkeConfig | None, given: Mapping[str, object]) -> None:
    """ConfigError for an argument that has no effect, because ``config`` is given too."""
    wrong = [name for name, default in FLAT.items() if config is not None and given[name] != default]
    if wrong:
        raise ConfigError(f"expected either config or {wrong[0]}, found both: put {wrong[0]} into the configuration")


class SessionSetup(NamedTuple):
    """The network, our endpoint, the embedded peer (None: the peer is live), and our configuration."""

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
    name: str = INITIATOR,
) -> SessionSetup:
    """Set up our endpoint and an embedded peer, on a network in memory unless one is given. Either may initiate."""
    if (":" in local) != (":" in remote):
        raise ConfigError(f"expected two addresses of one IP version, found local {local!r} and remote {remote!r}")
    config = config.replace(remote=Address(remote, IKE_PORT))
    network = network or Network(seed=seed if seed is not None else 0)
    client = Endpoint(local, [config], config=endpoint, randomness=_randomness(seed, INITIATOR), registry=registry)
    peer_endpoint, peer_registry = EndpointConfig(), None
    changes: Mapping[str, Any] | IkeConfig | Sequence[IkeConfig] | None = peer
    if isinstance(changes, Mapping):
        changes = dict(changes)
        peer_registry = changes.pop("registry", None)
        known: Any = {field.name: changes.pop(field.name) for field in fields(EndpointConfig) if field.name in changes}
        peer_endpoint = EndpointConfig(**known)
    random = _randomness(seed, RESPONDER)
    configs = mirror_image(config, changes)
    server = Endpoint(remote, configs, config=peer_endpoint, randomness=random, registry=peer_registry)
    network.add(client, name, echo=True)
    network.add(server, other(name), echo=True)
    return SessionSetup(network, client, server, config)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Our address, ports and name towards a live peer; None for the default that `SessionFields` describes."""

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
) -> SessionSetup:
    """Set up our endpoint on a real network, towards the peer at ``target``. Either of them may initiate.

    LocalError for a configuration of an embedded ``peer``, and for a network in memory.
    ConfigError when ``target`` does not resolve or is our own socket, TransportError when it cannot be reached or our
    ports are not available.
    """
    if peer is not None:
        raise LocalError("expected either the address of a live peer or peer=, which configures an embedded one")
    if network is not None and not isinstance(network, UdpNetwork):
        raise LocalError(f"expected a UdpNetwork for a live peer, found {type(network).__name__}")
    remote = target if isinstance(target, Address) else resolve(target, IKE_PORT)
    other_port = remote.port not in (IKE_PORT, NATT_PORT)
    config = config.replace(remote=remote)
    if other_port and config.remote_natt_port == NATT_PORT:
        config = config.replace(remote_natt_port=remote.port)
    made = network or UdpNetwork()
    try:
        client = _client(made, config, remote, here, endpoint, seed, registry, other_port=other_port)
        if _is_own(client, remote):
            made.remove(here.name)
            raise ConfigError(f"expected the address of a peer, found {remote}, which is our own socket")
        return SessionSetup(made, client, None, config)
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
    other_port: bool,
) -> Endpoint:
    """Add our endpoint to the network: on the requested ports, else on 500 and 4500, else on free ones.

    ``other_port`` says that the peer listens on a port other than 500 and 4500; ours are then free ones too.
    """
    settings = endpoint or EndpointConfig()
    if endpoint is None or here.marker_always is not None:
        settings = settings.replace(marker_always=other_port if here.marker_always is None else here.marker_always)
    settings = settings.replace(port=here.port or settings.port, natt_port=here.natt_port or settings.natt_port)
    host = here.local or source_for(remote, network.open_socket)

    def add(our_config: EndpointConfig) -> Endpoint:
        random = _randomness(seed, here.name)
        client = Endpoint(host, [config], config=our_config, randomness=random, registry=registry)
        network.add(client, here.name, echo=True)
        return client

    requested = here.port or here.natt_port or endpoint
    if requested or not other_port:
        try:
            return add(settings)
        except TransportError:
            if requested:
                raise
    port, natt_port = free_ports(host, 2, network.open_socket)
    return add(settings.replace(port=port, natt_port=natt_port))


def _is_own(client: Endpoint, remote: Address) -> bool:
    """Whether ``remote`` is a socket of ``client``. The system takes 0.0.0.0 and :: for itself."""
    there, here = (ipaddress.ip_address(host.partition("%")[0]) for host in (remote.host, client.host))
    same = there == here or (there.is_unspecified and there.version == here.version)
    return same and remote.port in (client.config.port, client.config.natt_port)


def _randomness(seed: int | str | None, name: str) -> Randomness:
    return SystemRandomness() if seed is None else SeededRandomness(f"{seed} {name}")


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
    """An IkeConfig from a session's flat arguments; None keeps the default."""
    child: ChildFields = {}
    if esp_proposals is not None:
        child["proposals"] = esp_proposals
    if local_ts is not None:
        child["local_ts"] = local_ts
    if remote_ts is not None:
        child["remote_ts"] = remote_ts
    ours = IkeConfig(auth=psk, local_id=local_id, remote_id=remote_id, children=ChildConfig(**child))
    return ours if proposals is None else ours.replace(proposals=proposals)


PROOFS = ("auth", "remote_auth", "trust", "local_id")


def mirror_image(ours: IkeConfig, peer: Mapping[str, Any] | IkeConfig | Sequence[IkeConfig] | None) -> list[IkeConfig]:
    """The embedded peer's configurations: ours seen from the other side, with the changes that ``peer`` asks for."""
    if isinstance(peer, IkeConfig):
        return [peer]
    if peer is not None and not isinstance(peer, Mapping):
        if not isinstance(peer, list | tuple) or not all(isinstance(config, IkeConfig) for config in peer):
            raise ConfigError(f"expected peer to be a dict of fields, an IkeConfig or several, found {shown(peer)}")
        return list(peer)
    children = tuple(child.replace(local_ts=child.remote_ts, remote_ts=child.local_ts) for child in ours.children)
    changes = dict(peer or {})
    mirror = mirrored(ours.auth, ours.remote_auth, ours.trust)
    # What proves an identity comes with it.
    given = {name: changes.pop(name) for name in PROOFS if name in changes}
    mirror |= given
    certified = hasattr(read_auth(mirror["auth"]), "identities")
    named = {"local_id": ours.remote_id or (None if certified else "fynx"), "remote_id": ours.local_id}
    try:
        theirs = ours.replace(**(named | mirror), children=children, remote=None, ke=None)
    except ConfigError as error:
        hint = '; the embedded peer has ours unless peer={"auth": Certificate(…)} gives it one of its own'
        raise ConfigError(f"{error}{hint if certified and 'auth' not in given else ''}") from None
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
        names = ", ".join(sorted(map(str, unknown)))
        every = {*IkeConfig.__dataclass_fields__, *EndpointConfig.__dataclass_fields__, *child_fields, "psk"}
        near = difflib.get_close_matches(min(map(str, unknown)), every, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"expected fields of IkeConfig, ChildConfig or EndpointConfig in peer, found {names}{hint}")
    if child_changes:
        theirs = theirs.replace(children=tuple(child.replace(**child_changes) for child in theirs.children))
    return [theirs.replace(**changes)]
