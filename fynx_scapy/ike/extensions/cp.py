# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration payloads: asked for, given, set (RFC 7296 sections 2.19, 2.20 and 3.15)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import MalformedError, PeerError
from fynx_scapy.iana import CpAttribute, CpType, ExchangeType, NotifyType
from fynx_scapy.ike.config import ChildConfig
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
    """What one IKE SA has asked for and been given, as initiator, or has lent, as responder."""

    place = Place.AUTH

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.settings: Settings | None = None
        """What the peer has given us, or set."""
        self.leases: list[Lease] = []
        """The addresses that the peer has of us."""
        self._asked = False

    # The responder's side

    def answer(self, request: Message) -> Sequence[Packet]:
        """CP(CFG_REPLY) or CP(CFG_ACK), or nothing.

        PeerError FAILED_CP_REQUIRED when policy wants one and a Child SA is asked for without it,
        INTERNAL_ADDRESS_FAILURE when no address is left, INVALID_SYNTAX when an attribute cannot be read.
        """
        payload, reply = request.get(IKEv2_CP), self.sa.config.cp_reply
        if payload is None:
            if reply is not None and reply.required and not self.leases and request.get(IKEv2_SA) is not None:
                raise PeerError(NotifyType.FAILED_CP_REQUIRED, reason="policy wants a CP(CFG_REQUEST), found none")
            return []
        try:
            attributes = read(payload)
        except MalformedError as error:
            raise PeerError(NotifyType.INVALID_SYNTAX, reason=str(error)) from error
        if reply is None:
            # Section 3.15.4: who does not support Configuration payloads ignores them.
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
            # Section 2.20: an empty one declines to tell.
            answers.append(ConfigurationAttribute(type=int(_A.APPLICATION_VERSION), value=reply.version.encode()))
        if _A.SUPPORTED_ATTRIBUTES in asked:
            octets = b"".join(int(kind).to_bytes(2) for kind in sorted(SUPPORTED))
            answers.append(ConfigurationAttribute(type=int(_A.SUPPORTED_ATTRIBUTES), value=octets))
        return IKEv2_CP(CFGType=int(CpType.CFG_REPLY), attributes=answers)

    def _lend(self, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> list[Lease]:
        """Addresses for those asked for; the ones that the peer has already come first."""
        pools, had, found, failed = self.sa.endpoint.pools, list(self.leases), [], False
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
                lease = pools.lend(reply.pool, version, wanted) if held < reply.most_addresses else None
                if lease is None:
                    failed = True
                    continue
                self.leases.append(lease)
            found.append(lease)
        if failed and not found:
            raise PeerError(NotifyType.INTERNAL_ADDRESS_FAILURE, reason="no address is left in the pool")
        if found:
            self.sa.emit(AddressesAssigned(*self.sa.stamp, addresses=tuple(map(str, found))))
        return found

    def _take(self, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> IKEv2_CP:
        """CP(CFG_ACK): the attributes of a CFG_SET that were accepted, empty."""
        taken = [(kind, value) for kind, value in attributes if kind in reply.accepts]
        if taken:
            self.settings = Settings.read(taken)
            self.sa.emit(ConfigurationReceived(*self.sa.stamp, settings=self.settings))
        return IKEv2_CP(
            CFGType=int(CpType.CFG_ACK), attributes=[ConfigurationAttribute(type=int(kind)) for kind, _ in taken]
        )

    def allow(self, configs: Sequence[ChildConfig]) -> Sequence[ChildConfig]:
        """With the peer's selectors narrowed to the addresses that it was given, if it was given any."""
        if not self.leases:
            return configs
        own = [lease.selector for lease in self.leases]
        narrowed = [(config, narrow(config.remote_ts, own)) for config in configs]
        return [config.replace(remote_ts=selectors) for config, selectors in narrowed if selectors]

    def inherit(self, old: ConfigurationPayload) -> None:
        """The addresses are those of both IKE SAs until the last of them has ended."""
        self.settings, self.leases = old.settings, [lease.held() for lease in old.leases]

    def closed(self) -> None:
        """Its addresses go back, unless a successor holds them."""
        leases, self.leases = self.leases, []
        given_back = [str(lease) for lease in leases if lease.drop()]
        if given_back:
            self.sa.emit(AddressesReleased(*self.sa.stamp, addresses=tuple(given_back)))

    # The initiator's side

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """CP(CFG_REQUEST) in the first IKE_AUTH request."""
        wanted = self.sa.config.cp_request
        return [wanted.payload()] if wanted is not None and request is None and message.get(IKEv2_IDi) else []

    def sent(self, message: Outgoing, exchange: Exchange) -> None:
        """A tap may have added the request, or taken it out."""
        if exchange.exchange_type == ExchangeType.IKE_AUTH:
            self._asked |= any(cp.CFGType == CpType.CFG_REQUEST for cp in message.sent.all(IKEv2_CP))

    def ended(self, exchange: Exchange) -> None:
        """Take in what IKE_AUTH was answered with, once the Child SA is there; without what we require, go.

        Section 3.15.4: without the address that policy requires we may tear the IKE SA down.
        """
        sa, answer = self.sa, exchange.answer
        if exchange.exchange_type != ExchangeType.IKE_AUTH or answer is None or answer.error() is not None:
            return
        if (missing := self._accept(answer)) is not None:
            name = sa.config.children[0].name if sa.config.children else ""
            sa.emit(ChildSaFailed(*sa.stamp, name=name, notify_type=None, reason=missing))
            sa.delete_ike()

    def _accept(self, message: Message) -> str | None:
        """Take in CP(CFG_REPLY), if one was asked for. Returns what is missing of what we require, or None."""
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
