# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration payloads: asked for, given, set (RFC 7296 sections 2.19, 2.20 and 3.15)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from scapy.packet import Packet

from fynx_scapy.errors import MalformedError, PeerError
from fynx_scapy.iana import CpAttribute, CpType, NotifyType
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import AddressesAssigned, AddressesReleased, ConfigurationReceived
from fynx_scapy.ike.message import Message, Payloads
from fynx_scapy.ike.terms.cp import ADDRESS, SUPPORTED, ConfigReply, Settings, read
from fynx_scapy.ike.terms.pool import Lease
from fynx_scapy.ike.terms.selectors import narrow
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP, IKEv2_SA

_A = CpAttribute

# The responder's side


def answer(sa: SaRecord, request: Message) -> list[Packet]:
    """What answers the Configuration payload of a request: one payload or none.

    PeerError FAILED_CP_REQUIRED when policy wants one and a Child SA is asked for without it, INTERNAL_ADDRESS_FAILURE
    when no address is left, INVALID_SYNTAX when an attribute cannot be read.
    """
    payload, reply = request.get(IKEv2_CP), sa.config.cp_reply
    if payload is None:
        if reply is not None and reply.required and not sa.leases and request.get(IKEv2_SA) is not None:
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
        return [_take(sa, reply, attributes)]
    return [_reply(sa, reply, attributes)] if payload.CFGType == CpType.CFG_REQUEST else []


def _reply(sa: SaRecord, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> IKEv2_CP:
    """CP(CFG_REPLY)."""
    asked = {kind for kind, _ in attributes}
    leases = _lend(sa, reply, attributes)
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


def _lend(sa: SaRecord, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> list[Lease]:
    """Addresses for those asked for; the ones that the peer has already come first."""
    had, found, failed = list(sa.leases), [], False
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
            held = sum(lease.version == version for lease in sa.leases)
            lease = sa.endpoint.pools.lend(reply.pool, version, wanted) if held < reply.most_addresses else None
            if lease is None:
                failed = True
                continue
            sa.leases.append(lease)
        found.append(lease)
    if failed and not found:
        raise PeerError(NotifyType.INTERNAL_ADDRESS_FAILURE, reason="no address is left in the pool")
    if found:
        sa.emit(AddressesAssigned(*sa.stamp, addresses=tuple(map(str, found))))
    return found


def _take(sa: SaRecord, reply: ConfigReply, attributes: list[tuple[int, bytes]]) -> IKEv2_CP:
    """CP(CFG_ACK): the attributes of a CFG_SET that were accepted, empty."""
    taken = [(kind, value) for kind, value in attributes if kind in reply.accepts]
    if taken:
        sa.settings = Settings.read(taken)
        sa.emit(ConfigurationReceived(*sa.stamp, settings=sa.settings))
    return IKEv2_CP(
        CFGType=int(CpType.CFG_ACK), attributes=[ConfigurationAttribute(type=int(kind)) for kind, _ in taken]
    )


def bound(sa: SaRecord, configs: Sequence[ChildConfig]) -> list[ChildConfig]:
    """The configurations with the peer's selectors narrowed to the addresses that it was given, if it was given any."""
    if not sa.leases:
        return list(configs)
    own = [lease.selector for lease in sa.leases]
    narrowed = [(config, narrow(config.remote_ts, own)) for config in configs]
    return [config.replace(remote_ts=selectors) for config, selectors in narrowed if selectors]


def release(sa: SaRecord) -> None:
    """The IKE SA has ended: its addresses go back, unless a successor holds them."""
    leases, sa.leases = sa.leases, []
    given_back = [str(lease) for lease in leases if lease.drop()]
    if given_back:
        sa.emit(AddressesReleased(*sa.stamp, addresses=tuple(given_back)))


# The initiator's side


def accept(sa: SaRecord, sent: Payloads, message: Message) -> str | None:
    """Take in the peer's CP(CFG_REPLY), if one was asked for. Returns what is missing of what we require, or None."""
    payload, request = message.get(IKEv2_CP), sa.config.cp_request
    asked = any(cp.CFGType == CpType.CFG_REQUEST for cp in sent.all(IKEv2_CP))
    if payload is not None and payload.CFGType == CpType.CFG_REPLY and asked:
        try:
            sa.settings = Settings.read(read(payload))
        except MalformedError as error:
            return str(error)
        sa.emit(ConfigurationReceived(*sa.stamp, settings=sa.settings))
    if request is None or not request.required or not asked or (sa.settings is not None and sa.settings.addresses):
        return None
    return "expected a CP(CFG_REPLY) with an address, found " + ("none" if payload is None else "no address in it")


def _lease_attribute(lease: Lease) -> ConfigurationAttribute:
    if lease.version == 4:
        return ConfigurationAttribute(type=int(_A.INTERNAL_IP4_ADDRESS), value=lease.address.to_bytes(4))
    value = lease.address.to_bytes(16) + bytes([lease.prefix])
    return ConfigurationAttribute(type=int(_A.INTERNAL_IP6_ADDRESS), value=value)
