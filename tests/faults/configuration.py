# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in Configuration payloads, and one in what an implementation must be able to do at all."""

from __future__ import annotations

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import CpAttribute, CpType, NotifyType
from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.extensions.cp import ConfigurationPayload
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.terms.cp import SUPPORTED
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP, IKEv2_IDi
from tests.faults.fault import Faulty, fault

_ADDRESS = ConfigurationAttribute(type=int(CpAttribute.INTERNAL_IP4_ADDRESS), value=bytes([10, 9, 9, 9]))


@fault("cp", "7296-2.19-06")
def replies_unasked(bad: Faulty) -> None:
    """Sends CP(CFG_REPLY) although it was not asked for anything."""

    def answer(original, extension, request):
        payloads = list(original(extension, request))
        if request.get(IKEv2_CP) is None and request.get(IKEv2_IDi) is not None:
            payloads.append(IKEv2_CP(CFGType=int(CpType.CFG_REPLY), attributes=[_ADDRESS.copy()]))
        return payloads

    bad.swap(ConfigurationPayload, "answer", answer)


def _kinds(message) -> set[int]:
    return {attribute.type & 0x7FFF for payload in message.all(IKEv2_CP) for attribute in payload.attributes}


@fault("cp", "7296-3.15.1-21")
def refuses_unknown_attributes(bad: Faulty) -> None:
    """Refuses a Configuration payload with an attribute of an unknown type."""
    known = {int(kind) for kind in CpAttribute}
    bad.refuse(lambda message: _kinds(message) - known)


@fault("cp", "7296-1.7-04")
def refuses_an_address_expiry(bad: Faulty) -> None:
    """Refuses the attribute INTERNAL_ADDRESS_EXPIRY, which RFC 7296 has removed."""
    bad.refuse(lambda message: 5 in _kinds(message))


@fault("cp", "7296-3.15.1-01")
def refuses_reserved_bits_of_attributes(bad: Faulty) -> None:
    """Refuses an attribute whose reserved bit is set."""
    bad.refuse(lambda message: any(a.type & 0x8000 for p in message.all(IKEv2_CP) for a in p.attributes))


@fault("cp", "7296-3.15.1-01")
def sends_reserved_bits_of_attributes(bad: Faulty) -> None:
    """Sets the reserved bit of its attributes."""

    def change(payload):
        if isinstance(payload, IKEv2_CP):
            for attribute in payload.attributes:
                attribute.type |= 0x8000

    bad.each_payload(change)


@fault("cp", "7296-3.15.1-05")
def gives_more_addresses_than_asked(bad: Faulty) -> None:
    """Assigns one more address than it was asked for."""

    def reply(original, extension, config, attributes):
        payload = original(extension, config, attributes)
        if any(a.type == CpAttribute.INTERNAL_IP4_ADDRESS for a in payload.attributes):
            payload.attributes.append(_ADDRESS.copy())
        return payload

    bad.swap(ConfigurationPayload, "_reply", reply)


@fault("cp", "7296-3.15.1-24", "7296-3.15.1-22")
def is_silent_about_cfg_set(bad: Faulty) -> None:
    """Does not answer CP(CFG_SET)."""

    def answer(original, answers, request):
        payload = request.get(IKEv2_CP)
        if payload is None or payload.CFGType != CpType.CFG_SET:
            original(answers, request)

    bad.swap(Answers, "_answer", answer)


@fault("cp", "7296-3.15.1-23")
def acknowledges_everything(bad: Faulty) -> None:
    """Acknowledges attributes of CP(CFG_SET) that it does not accept."""

    def take(original, extension, reply, attributes):
        payload = original(extension, reply, attributes)
        payload.attributes = [ConfigurationAttribute(type=kind) for kind, _ in attributes]
        return payload

    bad.swap(ConfigurationPayload, "_take", take)


@fault("cp", "7296-3.15.1-22")
def acknowledges_with_values(bad: Faulty) -> None:
    """Sends the values of the attributes back in CP(CFG_ACK)."""

    def take(original, extension, reply, attributes):
        payload, values = original(extension, reply, attributes), dict(attributes)
        for attribute in payload.attributes:
            attribute.value = values[attribute.type]
        return payload

    bad.swap(ConfigurationPayload, "_take", take)


@fault("cp", "7296-3.15.4-i01")
def ends_the_ike_sa_without_an_address(bad: Faulty) -> None:
    """Fails the whole IKE_AUTH when no address is left."""

    def answer(original, exchange, request):
        payloads = original(exchange, request)
        if any(getattr(p, "type", 0) == NotifyType.INTERNAL_ADDRESS_FAILURE for p in payloads):
            raise PeerError(NotifyType.INTERNAL_ADDRESS_FAILURE, reason="no address")
        return payloads

    bad.swap(IkeAuth, "_child_answer", answer)


@fault("cp", "7296-2.19-07")
def forgets_that_it_requires_a_request(bad: Faulty) -> None:
    """Sets up a Child SA without CP(CFG_REQUEST) although its policy requires one."""

    def answer(original, extension, request):
        return original(extension, request) if request.get(IKEv2_CP) is not None else []

    bad.swap(ConfigurationPayload, "answer", answer)


@fault("cp", "7296-2.19-02")
def puts_the_configuration_last(bad: Faulty) -> None:
    """Puts its Configuration payload behind the SA payload."""

    def tap(message):
        message.payloads.sort(key=lambda payload: isinstance(payload, IKEv2_CP))

    bad.tap(tap)


@fault("cp", "7296-3.15.1-16")
def lists_supported_attributes_as_octets(bad: Faulty) -> None:
    """Answers SUPPORTED_ATTRIBUTES with a list of types of one octet each."""

    def change(payload):
        for attribute in payload.attributes if isinstance(payload, IKEv2_CP) else ():
            if attribute.type == CpAttribute.SUPPORTED_ATTRIBUTES and attribute.value:
                attribute.value = bytes(sorted(int(kind) & 0xFF for kind in SUPPORTED))[:13]

    bad.each_payload(change)


@fault("cp", "7296-3.15.1-06")
def sends_a_netmask_without_address(bad: Faulty) -> None:
    """Sends INTERNAL_IP4_NETMASK in every reply, with or without an address."""

    def reply(original, extension, config, attributes):
        payload = original(extension, config, attributes)
        mask = ConfigurationAttribute(type=int(CpAttribute.INTERNAL_IP4_NETMASK), value=bytes([255, 255, 255, 0]))
        payload.attributes.append(mask)
        return payload

    bad.swap(ConfigurationPayload, "_reply", reply)


@fault("other", "7296-4-04", connects=False)
def sets_up_no_child_sa_in_ike_auth(bad: Faulty) -> None:
    """Refuses every first Child SA: an IKE SA is all that four messages set up."""
    refusal = NotifyType.NO_ADDITIONAL_SAS
    bad.swap(IkeAuth, "_child_answer", lambda original, exchange, request: [notify(refusal)])
    bad.swap(IkeAuth, "_take_child", lambda original, exchange, child, sent, answer: None)
