# SPDX-License-Identifier: GPL-2.0-or-later
"""The payloads of group key management, GSA and KD, and the notify GROUP_SENDER (RFC 9838).

Both contain substructures whose first octet is a security protocol, or zero for those without an SA: the group-wide
policy in GSA, and the keys of one member in KD. IDg, which has the format of an ID payload, is in ident.py.
"""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from fynx_scapy.iana import (
    GroupKeyBagAttribute,
    GsaAttribute,
    GwPolicyAttribute,
    MemberKeyBagAttribute,
    NotifyType,
    PayloadType,
    ProtocolId,
)
from fynx_scapy.layers.ikev2.attribute import Attribute, attribute_fields
from fynx_scapy.layers.ikev2.fields import Int, Length, Octet, OctetEnum, Octets, SizeOf
from fynx_scapy.layers.ikev2.lists import Structures
from fynx_scapy.layers.ikev2.notify import NotifyData
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.layers.ikev2.sa import IKEv2_Transform
from fynx_scapy.layers.ikev2.structure import Structure
from fynx_scapy.layers.ikev2.ts import selector_class


class GsaAttributeField(Attribute):
    """An attribute of a group SA policy; its lifetime and message ID are numbers of four octets."""

    name = "IKEv2 GSA Attribute"
    sizes = {GsaAttribute.GSA_KEY_LIFETIME: 4, GsaAttribute.GSA_INITIAL_MESSAGE_ID: 4}
    fields_desc = attribute_fields(GsaAttribute, GsaAttribute.GSA_KEY_LIFETIME)


class GwPolicyAttributeField(Attribute):
    """An attribute of the group-wide policy."""

    name = "IKEv2 Group-wide Policy Attribute"
    fields_desc = attribute_fields(GwPolicyAttribute, GwPolicyAttribute.GWP_ATD)


class WrappedKey(Structure):
    """A wrapped key: its ID, the ID of the key that wraps it, and its octets."""

    name = "IKEv2 Wrapped Key"
    fields_desc = [Int("key_id", 0), Int("kwk_id", 0), Octets("encrypted_key")]


class GroupKeyBagAttributeField(Attribute):
    """An attribute of a group key bag; the value of SA_KEY is a :class:`WrappedKey`."""

    name = "IKEv2 Group Key Bag Attribute"
    fields_desc = attribute_fields(GroupKeyBagAttribute, GroupKeyBagAttribute.SA_KEY)


class MemberKeyBagAttributeField(Attribute):
    """An attribute of a member key bag; the value of WRAP_KEY is a :class:`WrappedKey`."""

    name = "IKEv2 Member Key Bag Attribute"
    fields_desc = attribute_fields(MemberKeyBagAttribute, MemberKeyBagAttribute.WRAP_KEY)


class GsaPolicy(Structure):
    """The policy of one group SA: source and destination selector, transforms, attributes."""

    name = "IKEv2 Group SA Policy"
    size_at = 2
    fields_desc = [
        OctetEnum("proto", ProtocolId.ESP, ProtocolId),
        SizeOf("SPIsize", "SPI"),
        Length(),
        Octets("SPI", size=lambda layer: layer.fields["SPIsize"]),
        Structures("traffic_selector", selector_class, until=lambda selectors: len(selectors) == 2),
        Structures(
            "trans",
            lambda octets, offset: IKEv2_Transform,
            until=lambda transforms: bool(transforms) and transforms[-1].fields["next_payload"] == 0,
        ),
        Structures("attributes", lambda octets, offset: GsaAttributeField),
    ]


class GwPolicy(Structure):
    """The group-wide policy, with protocol zero."""

    name = "IKEv2 Group-wide Policy"
    size_at = 2
    fields_desc = [
        OctetEnum("proto", 0, ProtocolId),
        Octet("res", 0),
        Length(),
        Structures("attributes", lambda octets, offset: GwPolicyAttributeField),
    ]


class GroupKeyBag(Structure):
    """The keys of one group SA."""

    name = "IKEv2 Group Key Bag"
    size_at = 2
    fields_desc = [
        OctetEnum("proto", ProtocolId.ESP, ProtocolId),
        SizeOf("SPIsize", "SPI"),
        Length(),
        Octets("SPI", size=lambda layer: layer.fields["SPIsize"]),
        Structures("attributes", lambda octets, offset: GroupKeyBagAttributeField),
    ]


class MemberKeyBag(Structure):
    """Keys and parameters of one member, with protocol zero."""

    name = "IKEv2 Member Key Bag"
    size_at = 2
    fields_desc = [
        OctetEnum("proto", 0, ProtocolId),
        Octet("res", 0),
        Length(),
        Structures("attributes", lambda octets, offset: MemberKeyBagAttributeField),
    ]


class IKEv2_GSA(IKEv2_Payload):
    """The Group Security Association payload: a list of policies."""

    name = "IKEv2 Group Security Association"
    payload_type = PayloadType.GSA
    fields_desc = [
        *GENERIC,
        Structures("policies", lambda octets, offset: GsaPolicy if octets[offset] else GwPolicy),
    ]


class IKEv2_KD(IKEv2_Payload):
    """The Key Download payload: a list of key bags."""

    name = "IKEv2 Key Download"
    payload_type = PayloadType.KD
    fields_desc = [
        *GENERIC,
        Structures("key_bags", lambda octets, offset: GroupKeyBag if octets[offset] else MemberKeyBag),
    ]


class Notify_GroupSender(NotifyData):
    """GROUP_SENDER: how many Sender-ID values are wanted (RFC 9838)."""

    name = "IKEv2 Group Sender"
    notify_types = (NotifyType.GROUP_SENDER,)
    fields_desc = [Int("sender_ids", 1)]


__all__ = [
    "GroupKeyBag",
    "GroupKeyBagAttributeField",
    "GsaAttributeField",
    "GsaPolicy",
    "GwPolicy",
    "GwPolicyAttributeField",
    "IKEv2_GSA",
    "IKEv2_KD",
    "MemberKeyBag",
    "MemberKeyBagAttributeField",
    "Notify_GroupSender",
    "WrappedKey",
]
