# SPDX-License-Identifier: GPL-2.0-or-later
"""What an embedded peer is configured with, and what it has, in the words that all peers share."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from fynx_scapy.harness.worlds.authentication import their_auth
from fynx_scapy.harness.worlds.peers import PeerChildSa, PeerConfig, PeerIkeSa
from fynx_scapy.ike.config import ChildConfig, ConfigReply, ConfigRequest, DeadPeerDetection, IkeConfig, Retransmission
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.events import EspReceived, EspSent, Event
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.echo import ECHO_PORT, echo_request, udp_packet
from fynx_scapy.session import Session

SHORT = Retransmission(timeout=0.5, base=1.5, tries=3)
"""The schedule of both ends: a network in memory loses nothing."""
CAPABILITIES = frozenset(
    {
        "auth_lifetime",
        "address_checked", "certificates", "certreq", "chains", "choice", "crl", "distinguished_names", "eap",
        "eap_aka", "eap_only", "eap_tls13", "eap_ttls_plain", "ecdsa", "ecdsa_brainpool", "ecdsa_by_curve", "ed25519",
        "ed448", "lone_rounds",
        "mixed", "mldsa", "null", "ocsp", "ocsp_sent", "other_names", "raw_keys", "rounds", "rsa_pkcs1", "rsa_pss",
        "rsa_sha1",
        "childless", "collisions", "cookies", "delete_child", "dpd", "esn", "fragments", "gmac", "ipv6", "kernel",
        "narrowing", "pool", "ppk", "protocol50", "rekey", "several", "suites", "tfc", "transport", "vip",
        "crl_required", "hashes", "outdated",
    }
)  # fmt: skip
"""What an embedded peer can do. Not ``seamless``: with a stream of packets, virtual time never comes to a rest."""


def configs(peer: PeerConfig) -> list[IkeConfig]:
    """The configurations of an embedded peer, one per connection."""
    return [_config(each) for _, each in peer.connections()]


def endpoint_fields(peer: PeerConfig) -> dict[str, Any]:
    """The settings of its endpoint. With no other client to leave a half-open IKE SA, it asks for cookies sooner."""
    threshold = peer.cookie_threshold
    return {} if threshold is None else {"cookie_threshold": max(threshold - 1, 0)}


def _config(peer: PeerConfig) -> IkeConfig:
    ours = peer.mirrored()
    children = tuple(_child(peer, number, child) for number, child in enumerate(ours.children))
    sizes: dict[str, Any] = {} if peer.fragment_size is None else {"fragment_size": peer.fragment_size}
    remote_id: Any = None if peer.remote_id == "%any" else peer.remote_id
    if peer.auth is not None:
        fields = their_auth(peer.auth, peer.psk, peer.credentials)
        ours, remote_id = ours.replace(**fields), fields.get("remote_id", remote_id)
    return ours.replace(
        local_id=peer.local_id,
        remote_id=remote_id,
        children=children,
        childless=peer.childless != "never",
        fragmentation=peer.fragmentation != "no",
        auth_lifetime=peer.reauth or None,
        reauthenticate_after=peer.reauth or None,
        dpd=DeadPeerDetection(interval=peer.dpd_delay) if peer.dpd_delay else ours.dpd,
        cp_reply=None if peer.pool is None else ConfigReply(pool=peer.pool),
        cp_request=ConfigRequest() if peer.virtual_ip else None,
        keepalive=ours.keepalive if peer.keepalive is None else peer.keepalive,
        retransmission=SHORT,
        **sizes,
    )


def _child(peer: PeerConfig, number: int, ours: ChildConfig) -> ChildConfig:
    return ours.replace(local_ts=ours.remote_ts, remote_ts=ours.local_ts, tfc_length=peer.children[number].tfc)


def shown(sa: IkeSa, events: Sequence[Event]) -> PeerIkeSa:
    """An IKE SA of an embedded peer, as it would report it. ``events`` are its own; octets are counted from them."""
    return PeerIkeSa(
        name="lab", spi_i=sa.spi_i, spi_r=sa.spi_r, initiator=sa.initiator, established=sa.established,
        state=sa.state.value, ike=str(sa.suite) if sa.envelope.has_keys else "", local=str(sa.local),
        remote=str(sa.remote), remote_id=str(sa.remote_id or ""),
        children=tuple(_shown_child(child, events) for child in sa.children.values()),
    )  # fmt: skip


def _octets(kind: type[EspSent | EspReceived], spi: int, child: ChildSa, events: Sequence[Event]) -> int:
    """The octets to which ESP was applied (RFC 4301 section 4.4.2.1): in transport mode, not the IP header."""
    lengths = [event.length for event in events if isinstance(event, kind) and event.spi == spi]
    header = 0 if child.hosts is None else 20 if child.local_ts[0].version == 4 else 40
    return sum(lengths) - header * len(lengths)


def _shown_child(child: ChildSa, events: Sequence[Event]) -> PeerChildSa:
    replaced = child.deleting or child.rekeyed is not None or child.peer_rekeyed is not None
    return PeerChildSa(
        name=child.name, state="REKEYED" if replaced else "INSTALLED", mode=child.inbound.mode, encap=False,
        spi_in=child.inbound.spi, spi_out=child.outbound.spi, esp=str(child.suite), esn=child.outbound.esn,
        bytes_in=_octets(EspReceived, child.inbound.spi, child, events),
        bytes_out=_octets(EspSent, child.outbound.spi, child, events),
        packets_in=child.inbound.packets, packets_out=child.outbound.packets,
        local_ts=tuple(map(str, child.local_ts)), remote_ts=tuple(map(str, child.remote_ts)),
    )  # fmt: skip


class EmbeddedProbe:
    """Echo requests from behind an embedded peer, and which of them were answered."""

    _numbers = 0xF300

    def __init__(
        self, session: Session, send: Callable[[bytes], None], source: str, target: str, *, icmp: bool
    ) -> None:
        EmbeddedProbe._numbers = EmbeddedProbe._numbers % 0xFFFF + 1
        self._identifier = EmbeddedProbe._numbers
        self._send, self._source, self._target, self._icmp = send, source, target, icmp
        self._inbox = session.network.hosts[session.other].inbox
        self._first = len(self._inbox)
        self.sent = 0

    def send(self) -> None:
        """Send one more request."""
        self.sent += 1
        data = struct.pack("!I", self.sent) + bytes(56)
        if self._icmp:
            packet = echo_request(self._source, self._target, data, identifier=self._identifier, sequence=self.sent)
        else:
            packet = udp_packet(self._source, self._target, self._identifier, ECHO_PORT, data)
        self._send(packet)

    @property
    def answered(self) -> set[int]:
        """The numbers of the requests that were answered."""
        found = set()
        for packet in self._inbox[self._first :]:
            body = packet[20:] if packet[0] >> 4 == 4 else packet[40:]
            mine = body[4:6] if self._icmp else body[2:4]
            if len(body) >= 12 and int.from_bytes(mine) == self._identifier:
                found.add(int.from_bytes(body[8:12]))
        return found

    @property
    def complete(self) -> bool:
        """Whether every request was answered."""
        return len(self.answered) == self.sent
