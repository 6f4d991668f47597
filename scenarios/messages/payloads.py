# SPDX-License-Identifier: GPL-2.0-or-later
"""The payloads of every message that a peer sends (RFC 7296 sections 3.2 to 3.15)."""

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from fynx_scapy import ChildConfig, ConfigReply, ConfigRequest, IkeConfig, Psk
from fynx_scapy.events import ChildSaInstalled
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import case
from fynx_scapy.harness.sent import conversation, each, is_response, messages, payloads
from fynx_scapy.iana import CpAttribute, IdType, NotifyType, ProtocolId
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_CP,
    IKEv2_Delete,
    IKEv2_IDi,
    IKEv2_IDr,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_SA,
    IKEv2_TSi,
    IKEv2_TSr,
)

CRITICAL = 0x80
WITH_SPI = (NotifyType.INVALID_SELECTORS, NotifyType.REKEY_SA, NotifyType.CHILD_SA_NOT_FOUND)
OF_CHILD = (ProtocolId.AH, ProtocolId.ESP)
TERMINATORS = (b"\0", b"\r", b"\n")


def reserved_octets(payload: Packet) -> str:
    """The three octets behind the first octet of the body, if they are not zero."""
    octets = payload.octets()[5:8]
    return "" if octets == bytes(3) else f"reserved octets {octets.hex()}"


@case(
    requirements=("7296-2.5-06", "7296-2.5-10", "7296-3.2-04", "7296-3.2-06", "7296-3.12-02"),
    roles=BOTH,
    live="in part",
)
def sent_payload_headers(run: Run) -> None:
    """No payload of RFC 7296 has the critical bit, in no response has any, and the reserved bits are zero."""
    _, heard = conversation(run)
    for message in heard:
        for payload in message.payloads:
            flags = int(payload.flags or 0)
            expect(flags & ~CRITICAL, f"reserved bits of {payload.name}").equals(0)
            known = 33 <= int(payload.payload_type) <= 48
            if known or is_response(message):
                expect(flags & CRITICAL, f"critical bit of {payload.name}").equals(0)


@case(requirements=("7296-3.5-01", "7296-3.8-02", "7296-3.13-01"), roles=BOTH, live="in part")
def sent_reserved_octets(run: Run) -> None:
    """The reserved octets of Identification, AUTH and Traffic Selector payloads are zero."""
    _, heard = conversation(run)
    for kind in (IKEv2_IDi if not run.role.begins else IKEv2_IDr, IKEv2_AUTH, IKEv2_TSi, IKEv2_TSr):
        each(heard, "reserved octets of zero", reserved_octets, kind)


@case(requirements=("7296-3.5-02", "7296-3.5-03"), roles=BOTH, live=False)
def sent_identities(run: Run) -> None:
    """ID_FQDN and ID_RFC822_ADDR have no terminator."""
    for kind, name in ((IdType.ID_FQDN, "gw.example.org"), (IdType.ID_RFC822_ADDR, "gw@example.org")):
        s = run.session(name, remote_id=name)
        run.establish(s)
        (payload,) = payloads(messages(s), IKEv2_IDr if run.role.begins else IKEv2_IDi)
        expect(int(payload.IDtype), "type").equals(kind)
        octets = payload.octets()[8:]
        expect([each for each in TERMINATORS if each in octets], "terminators").equals([])
        expect(octets, "Identification Data").equals(name.encode())


@case(
    requirements=(
        "7296-3.10-01", "7296-3.10-02", "7296-3.10-03", "7296-3.10-i01", "7383-2.3-01", "7383-2.3-02", "7383-2.3-i01",
        "7296-2.22-03", "7296-2.22-i01",
    ),
    roles=BOTH, live="in part",
)  # fmt: skip
def sent_notifies(run: Run) -> None:
    """A Notify has an SPI only where its type has one. Without an SPI its Protocol ID is zero.

    N(IKEV2_FRAGMENTATION_SUPPORTED) is one of them, and has no data.
    """
    _, heard = conversation(run)

    def wrong(note: Any) -> str:
        name = NotifyType(note.type).name if note.type in set(NotifyType) else str(note.type)
        if note.type in WITH_SPI:
            good = note.proto in OF_CHILD and len(note.SPI or b"") == 4
        else:
            good = not note.SPI and not note.SPIsize and not note.proto
        return "" if good else f"N({name}) with protocol {note.proto} and SPI {bytes(note.SPI or b'').hex() or 'none'}"

    each(heard, "an SPI and a protocol only where its type has one", wrong, IKEv2_Notify)
    compressing = [m for m in heard if NotifyType.IPCOMP_SUPPORTED in [n.type for n in payloads([m], IKEv2_Notify)]]
    expect([m for m in compressing if not list(payloads([m], IKEv2_SA))], "IPCOMP_SUPPORTED without SA").equals([])
    kinds = [[note.type for note in payloads([m], IKEv2_Notify)] for m in compressing if is_response(m)]
    several = [one for one in kinds if one.count(NotifyType.IPCOMP_SUPPORTED) > 1]
    expect(several, "responses that accept several IPCOMP_SUPPORTED").equals([])
    kind = NotifyType.IKEV2_FRAGMENTATION_SUPPORTED
    announced = [note for note in payloads(heard, IKEv2_Notify) if note.type == kind]
    run.needs(announced, "the peer does not announce IKEV2_FRAGMENTATION_SUPPORTED")
    expect([note.octets()[4:] for note in announced]).equals([b"\0\0" + kind.to_bytes(2)])


@case(requirements=("7296-3.11-01", "7296-3.11-03", "7296-3.11-i01", "7296-1.4.1-i01"), roles=BOTH, live="in part")
def sent_deletes(run: Run) -> None:
    """A Delete is of one protocol: the IKE SA without an SPI, Child SAs with the peer's own inbound SPIs."""
    s, heard = conversation(run)
    if run.role.begins or run.embedded("Deletes of the peer's own"):
        each(heard, "SPIs of its protocol", _spis, IKEv2_Delete)
    installed = {e.outbound.spi for who, e in s.events if who == s.name and isinstance(e, ChildSaInstalled)}
    for delete in payloads(heard, IKEv2_Delete):
        named = {int.from_bytes(spi) for spi in delete.SPI}
        expect(sorted(named - installed), "SPIs that are not the peer's inbound ones").equals([])


def _spis(delete: Any) -> str:
    size = 0 if delete.proto == ProtocolId.IKE else 4
    good = delete.proto in (ProtocolId.IKE, *OF_CHILD) and delete.SPIsize == size and bool(delete.SPI) == bool(size)
    return "" if good else f"protocol {delete.proto} with {len(delete.SPI)} SPIs of {delete.SPIsize} octets"


@case(requirements=("7296-2.10-01", "7296-3.9-01", "7296-3.9-02"), roles=BOTH, live="in part")
def sent_nonces(run: Run) -> None:
    """Nonces have 16 to 256 octets, at least half the key of the PRF, and none comes twice."""
    seen: list[bytes] = []
    for suite, least in (("aes128gcm16-prfsha256-x25519", 16), ("aes128gcm16-prfsha512-x25519", 32)):
        if seen and not run.embedded("another PRF"):
            break  # its policy decides about the PRF
        _, heard = conversation(run, suite, embedded={"proposals": suite})
        found = [bytes(payload.nonce) for payload in payloads(heard, IKEv2_Nonce)]
        expect(len(found), "nonces").between(4, 20)
        expect(min(map(len, found)), "octets of the shortest nonce").between(least, 256)
        expect(max(map(len, found)), "octets of the longest nonce").between(least, 256)
        seen += found
    expect(len(set(seen)), "different nonces").equals(len(seen))


@case(
    requirements=("7296-3.13.1-01", "7296-3.13.1-02", "7296-3.13.1-03", "7296-2.9.2-02", "7296-2.9.2-04"),
    roles=BOTH, live="in part",
)  # fmt: skip
def sent_traffic_selectors(run: Run) -> None:
    """All ports are 0 to 65535, also those of any protocol; a rekey asks for the selectors that are in use."""
    s, heard = conversation(run)

    def ports(payload: Any) -> str:
        odd = [
            f"{one.start_port}-{one.end_port} of protocol {one.IP_protocol_ID}"
            for one in payload.traffic_selector
            if not one.IP_protocol_ID and (one.start_port, one.end_port) != (0, 65535)
        ]
        return ", ".join(odd)

    for kind in (IKEv2_TSi, IKEv2_TSr):
        each(heard, "all ports of any protocol", ports, kind)
    if not run.embedded("a rekey by the peer of a Child SA that a packet asked for"):
        return
    s = run.session("a rekey by the peer")
    run.establish(s)
    used = s.child
    run.driver(s).rekey_child()
    s.network.run()
    request = next(m for m in messages(s) if not is_response(m) and list(payloads([m], IKEv2_TSi)))
    for kind, inside in ((IKEv2_TSi, used.remote_ts), (IKEv2_TSr, used.local_ts)):
        (asked,) = payloads([request], kind)
        expect([_range(one) for one in asked.traffic_selector], "selectors").equals(
            [(0, 0, 65535, *str_range(one)) for one in inside]
        )


def _range(one: Any) -> tuple[object, ...]:
    return one.IP_protocol_ID, one.start_port, one.end_port, one.starting_address_v4, one.ending_address_v4


def str_range(one: Any) -> tuple[str, str]:
    """The addresses of a selector of ours, as text."""
    layer = one.layer()
    return layer.starting_address_v4, layer.ending_address_v4


@case(
    requirements=(
        "7296-3.15-01",
        "7296-3.15.1-01",
        "7296-3.15.1-06",
        "7296-3.15.1-07",
        "7296-3.15.1-16",
        "7296-2.19-06",
    ),
    roles=BOTH,
)
def sent_configuration(run: Run) -> None:
    """Reserved octets and bits of a Configuration payload are zero; a request has no values that it may not have.

    A netmask comes once, and with an IPv4 address. Without a CFG_REQUEST there is no CFG_REPLY.
    """
    wide = ChildConfig(local_ts="0.0.0.0/0", remote_ts="10.2.0.0/24")
    asks = ("INTERNAL_IP4_NETMASK", "INTERNAL_IP4_DNS", "SUPPORTED_ATTRIBUTES")
    request = ConfigRequest(addresses=("0.0.0.0",), attributes=asks)
    reply = ConfigReply(pool="10.3.0.0/24", netmask="255.255.255.0", dns="10.2.0.53")
    client = IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(wide,), cp_request=request)
    mirrored = wide.replace(local_ts=wide.remote_ts, remote_ts=wide.local_ts)
    server = IkeConfig(local_id="bob", remote_id="alice", auth=Psk("fynx"), children=(mirrored,), cp_reply=reply)
    ours, theirs = (client, server) if run.role.begins else (server, client)
    s = run.session("with an address", config=ours, peer=theirs)
    run.establish(s)
    (payload,) = payloads(messages(s), IKEv2_CP)
    expect(reserved_octets(payload), "reserved octets").equals("")
    expect([a.type & 0x8000 for a in payload.attributes], "reserved bits").equals([0] * len(payload.attributes))
    kinds = [a.type for a in payload.attributes]
    if run.role.begins:
        expect(kinds.count(CpAttribute.INTERNAL_IP4_NETMASK), "netmasks").equals(1)
        expect(kinds, "attributes").contains(CpAttribute.INTERNAL_IP4_ADDRESS)
    else:
        for attribute in payload.attributes:
            if attribute.type in (CpAttribute.INTERNAL_IP4_NETMASK, CpAttribute.SUPPORTED_ATTRIBUTES):
                expect(attribute.value or b"", f"value of {attribute.type} in a request").equals(b"")
    if run.role.begins:
        s = run.session("without a request", peer={"cp_reply": reply})
        run.establish(s)
        expect(list(payloads(messages(s), IKEv2_CP)), "Configuration payloads").equals([])
