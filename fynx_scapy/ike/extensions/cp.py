# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration payloads: request, reply and set (RFC 7296 sections 2.19, 2.20 and 3.15)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import Closing, MalformedError, PeerError
from fynx_scapy.iana import CpAttribute, CpType, ExchangeType, NotifyType
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.events import AddressesAssigned, AddressesReleased, ChildSaFailed, ConfigurationReceived
from fynx_scapy.ike.message import Message, Outgoing
from fynx_scapy.ike.terms.cp import ADDRESS, SUPPORTED, ConfigReply, Settings, read
from fynx_scapy.ike.terms.pool import Lease
from fynx_scapy.ike.terms.selectors import narrow
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP, IKEv2_IDi, IKEv2_SA

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord

_A = CpAttribute


@extension
class ConfigurationPayload(Extension):
    """The settings that an initiator has received, or the addresses that a responder has assigned."""

    place = Place.AUTH

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.settings: Settings | None = None
        """The settings from the peer's CFG_REPLY or CFG_SET."""
        self.leases: list[Lease] = []
        """The addresses that we have assigned to the peer."""
        self._asked = False

    # The responder's side

    def answer(self, request: Message) -> Sequence[Packet]:
        """CP(CFG_REPLY) or CP(CFG_ACK), or nothing.

        PeerError FAILED_CP_REQUIRED when policy requires a CFG_REQUEST and a Child SA is requested without one,
        INTERNAL_ADDRESS_FAILURE when no address is left, INVALID_SYNTAX when an attribute cannot be read.
        """
        payload, reply = request.get(IKEv2_CP), self.sa.config.cp_reply
        if payload is None:
            if reply is not None and reply.required and not self.leases and request.get(IKEv2_SA) is not None:
                raise PeerError(NotifyType.FAILED_CP_REQUIRED, reason="policy requires a CP(CFG_REQUEST), found none")
            return []
        try:
            attributes = read(payload)
        except MalformedError as error:
            raise PeerError(NotifyType.INVALID_SYNTAX, reason=str(error)) from error
        if reply is None:
            # Section 3.15.4: an implementation without support for Configuration payloads ignores them.
            return []
        if payload.CFGType == CpType.CFG_SET:
            return [self._take(reply, attributes)]
        return [self._reply(reply, attributes)] if payload.CFGType == CpType.CFG_REQUEST else []

    def _reply(self, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> IKEv2_CP:
        """CP(CFG_REPLY)."""
        asked = {kind for kind, _ in attributes}
        leases = self._lend(reply, attributes)
        answers = [_lease_attribute(lease) for lease in leases]
        if reply.netmask is not None and any(lease.version == 4 for lease in leases):
            # Section 3.15.1: only with an INTERNAL_IP4_ADDRESS.
            octets = ipaddress.IPv4Address(reply.netmask).packed
            answers.append(ConfigurationAttribute(type=int(_A.INTERNAL_IP4_NETMASK), value=octets))
        if asked - {_A.APPLICATION_VERSION, _A.SUPPORTED_ATTRIBUTES}:
            answers += reply.attributes()
        if _A.APPLICATION_VERSION in asked:
            # Section 2.20: an empty value does not reveal a version.
            answers.append(ConfigurationAttribute(type=int(_A.APPLICATION_VERSION), value=reply.version.encode()))
        if _A.SUPPORTED_ATTRIBUTES in asked:
            octets = b"".join(int(kind).to_bytes(2) for kind in sorted(SUPPORTED))
            answers.append(ConfigurationAttribute(type=int(_A.SUPPORTED_ATTRIBUTES), value=octets))
        return IKEv2_CP(CFGType=int(CpType.CFG_REPLY), attributes=answers)

    def _lend(self, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> list[Lease]:
        """Assign the requested addresses; those that the peer has already are used first."""
        had, assigned, failed = list(self.leases), [], False
        versions = {selector.version for selector in reply.pool}
        for kind, value in attributes:
            version = ADDRESS.get(kind)
            if version not in versions or version is None:
                # Section 3.15.4: a type of address that is not supported is ignored.
                continue
            lease = next((lease for lease in had if lease.version == version), None)
            if lease is not None:
                had.remove(lease)
            else:
                wanted = int.from_bytes(value[:16]) if value else None
                held = sum(lease.version == version for lease in self.leases)
                lease = self._lease(reply, version, wanted) if held < reply.most_addresses else None
                if lease is None:
                    failed = True
                    continue
                self.leases.append(lease)
            assigned.append(lease)
        if failed and not assigned:
            raise PeerError(NotifyType.INTERNAL_ADDRESS_FAILURE, reason="no address is left in the pool")
        if assigned:
            self.sa.emit(AddressesAssigned(*self.sa.stamp, addresses=tuple(map(str, assigned))))
        return assigned

    def _lease(self, reply: ConfigReply, version: int, wanted: int | None) -> Lease | None:
        """An address; the one that the peer has in another IKE SA if it asks for that, as when it reauthenticates."""
        sa, pool = self.sa, [selector for selector in reply.pool if selector.version == version]
        peer = None if sa.anonymous else (sa.remote_id, sa.remote.host)
        kept = sa.endpoint.pools.lent_to(peer, pool, wanted) if peer is not None else None
        if kept is not None and kept not in self.leases:
            return kept.held()
        return sa.endpoint.pools.lend(pool, version, wanted, peer)

    def _take(self, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> IKEv2_CP:
        """CP(CFG_ACK) with the accepted attributes of a CFG_SET, without their values."""
        taken = [(kind, value) for kind, value in attributes if kind in reply.accepts]
        if taken:
            self.settings = Settings.read(taken)
            self.sa.emit(ConfigurationReceived(*self.sa.stamp, settings=self.settings))
        return IKEv2_CP(
            CFGType=int(CpType.CFG_ACK), attributes=[ConfigurationAttribute(type=int(kind)) for kind, _ in taken]
        )

    def allow(self, configs: Sequence[ChildConfig]) -> Sequence[ChildConfig]:
        """Narrow the peer's selectors to the addresses that we have assigned to it, if any."""
        if not self.leases:
            return configs
        own = [lease.selector for lease in self.leases]
        narrowed = [(config, narrow(config.remote_ts, own)) for config in configs]
        return [config.replace(remote_ts=selectors) for config, selectors in narrowed if selectors]

    def inherit(self, old: ConfigurationPayload) -> None:
        """Share the addresses with the predecessor until both IKE SAs have ended."""
        self.settings, self.leases = old.settings, [lease.held() for lease in old.leases]

    def closed(self) -> None:
        """Return the addresses to the pool, unless a successor holds them."""
        leases, self.leases = self.leases, []
        given_back = [str(lease) for lease in leases if lease.drop()]
        if given_back:
            self.sa.emit(AddressesReleased(*self.sa.stamp, addresses=tuple(given_back)))

    # The initiator's side

    def again(self, config: IkeConfig) -> IkeConfig:
        """Request the addresses that we have: programs and TUN devices use them."""
        wanted = config.cp_request
        if wanted is None or self.settings is None:
            return config
        had = [(":" in address, address) for address in self.settings.addresses]
        addresses = []
        for address in wanted.addresses:
            kept = next((one for one in had if one[0] == (":" in address)), None)
            if kept is not None:
                had.remove(kept)
            addresses.append(kept[1] if kept is not None else address)
        return config.replace(cp_request=wanted.replace(addresses=addresses))

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """CP(CFG_REQUEST) in the first IKE_AUTH request."""
        wanted = self.sa.config.cp_request
        first = request is None and exchange.first and message.get(IKEv2_IDi) is not None
        return [wanted.payload()] if wanted is not None and first else []

    def sent(self, message: Outgoing, exchange: Exchange) -> None:
        """Note whether the request was really sent: a tap may have added or removed it."""
        if exchange.exchange_type == ExchangeType.IKE_AUTH:
            self._asked |= any(cp.CFGType == CpType.CFG_REQUEST for cp in message.sent.all(IKEv2_CP))

    def ended(self, exchange: Exchange) -> None:
        """Read the CFG_REPLY after IKE_AUTH; delete the IKE SA if an address that we require is missing.

        Section 3.15.4: without the address that policy requires we may delete the IKE SA.
        """
        sa, answer = self.sa, exchange.answer
        if exchange.exchange_type != ExchangeType.IKE_AUTH or answer is None or answer.error() is not None:
            return
        if (missing := self._accept(answer)) is not None:
            name = sa.config.children[0].name if sa.config.children else ""
            sa.emit(ChildSaFailed(*sa.stamp, name=name, notify_type=None, reason=missing))
            sa.delete_ike(Closing.REJECTED)

    def _accept(self, message: Message) -> str | None:
        """Read CP(CFG_REPLY), if we requested one. Returns what is missing of what we require, or None."""
        payload, wanted = message.get(IKEv2_CP), self.sa.config.cp_request
        if payload is not None and payload.CFGType == CpType.CFG_REPLY and self._asked:
            try:
                self.settings = Settings.read(read(payload))
            except MalformedError as error:
                return str(error)
            self.sa.emit(ConfigurationReceived(*self.sa.stamp, settings=self.settings))
        if wanted is None or not wanted.required or not self._asked or (self.settings and self.settings.addresses):
            return None
        return "expected a CP(CFG_REPLY) with an address, found " + ("none" if payload is None else "no address in it")


def _lease_attribute(lease: Lease) -> ConfigurationAttribute:
    if lease.version == 4:
        return ConfigurationAttribute(type=int(_A.INTERNAL_IP4_ADDRESS), value=lease.address.to_bytes(4))
    value = lease.address.to_bytes(16) + bytes([lease.prefix])
    return ConfigurationAttribute(type=int(_A.INTERNAL_IP6_ADDRESS), value=value)
