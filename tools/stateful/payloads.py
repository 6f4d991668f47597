# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists of payloads, valid, invalid and nearly valid, for requests and responses of a hostile peer."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence

from scapy.packet import Packet

from fynx_scapy.crypto.ke import key_exchange
from fynx_scapy.iana import CpAttribute, ExchangeType, NotifyType, PayloadType, ProtocolId
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikev2 import (
    ConfigurationAttribute,
    IKEv2_AUTH,
    IKEv2_CERT,
    IKEv2_CERTREQ,
    IKEv2_CP,
    IKEv2_Delete,
    IKEv2_EAP,
    IKEv2_IDi,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Payload,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TransformAttribute,
    IKEv2_TSi,
    IKEv2_TSr,
    IKEv2_VendorID,
    build_payloads,
    first_type,
)
from tools.mutations import mutated

Chance = random.Random
GROUPS = (31, 19)
EXCHANGES = (*(int(kind) for kind in ExchangeType), 0, 33, 240, 255)
SIZES = (0, 1, 3, 4, 5, 7, 8, 9, 16, 20, 32, 255, 256, 257, 1500)


@functools.cache
def public_value(group: int) -> bytes:
    """A valid public value of a key exchange method."""
    return key_exchange(group).generate(SeededRandomness(f"public {group}").octets).public


# Payloads. Each maker takes the victim's end of an IKE SA and the randomness.


def octets(chance: Chance) -> bytes:
    """Random octets, with a length at some limit."""
    return chance.randbytes(chance.choice(SIZES))


def spi(sa: IkeSa, chance: Chance) -> bytes:
    """The SPI of a Child SA, inbound or outbound, or an unknown one."""
    known = [
        number
        for child in sa.children.values()
        for number in (child.outbound.spi, child.outbound.spi, child.inbound.spi)
    ]
    if known and chance.random() < 0.85:
        return chance.choice(known).to_bytes(4)
    return chance.choice((chance.randbytes(4), bytes(4), b"", chance.randbytes(8), chance.randbytes(3)))


def offer(sa: IkeSa, chance: Chance, *, ike: bool) -> IKEv2_SA:
    """A value that the victim accepts, or nearly accepts."""
    proposals = sa.config.proposals if ike else sa.config.children[0].proposals
    new = chance.randbytes(8 if ike else 4)
    layers = [proposal.layer(number, new) for number, proposal in enumerate(proposals, 1)]
    if chance.random() < 0.1:
        transform = chance.choice(chance.choice(layers).trans)
        transform.attributes = [*transform.attributes, any_attribute(chance)][chance.randrange(2) :]
    return IKEv2_SA(prop=layers)


def any_attribute(chance: Chance) -> IKEv2_TransformAttribute:
    """A transform attribute, most often a Key Length: of two octets, or of any size in TLV form."""
    kind = chance.choice((14, 14, 14, 0, 0x7FFF))
    if chance.random() < 0.3:
        return IKEv2_TransformAttribute(AF=1, type=kind, value=chance.choice((0, 128, 256, 0xFFFF)))
    length = chance.choice((0, 1, 2, 4, 20, 1800, 1800))
    return IKEv2_TransformAttribute(AF=0, type=kind, value=chance.choice((bytes(length), chance.randbytes(length))))


def any_sa(sa: IkeSa, chance: Chance) -> Packet:
    """Random proposals."""

    def transform() -> Packet:
        kind = chance.choice((1, 1, 2, 3, 4, 5, 6, 13, chance.randrange(256)))
        return IKEv2_Transform(transform_type=kind, transform_id=chance.choice((0, 1, 2, 12, 14, 19, 20, 31, 0xFFFF)))

    def proposal(number: int) -> Packet:
        return IKEv2_Proposal(
            proposal=chance.choice((number, number, 0, 255)),
            proto=chance.choice((1, 3, 3, 2, 0, 255)),
            SPI=chance.randbytes(chance.choice((0, 4, 4, 8, 255))),
            trans=[transform() for _ in range(chance.choice((0, 1, 3, 5, 40)))],
        )

    made = IKEv2_SA(prop=[proposal(number) for number in range(1, chance.choice((1, 2, 3, 20)))])
    transforms = [transform for one in made.prop for transform in one.trans]
    if transforms and chance.random() < 0.6:
        chance.choice(transforms).attributes = [any_attribute(chance)]
    return made


def any_ke(sa: IkeSa, chance: Chance) -> Packet:
    """A public value: a valid one, zeros, or one of a wrong length."""
    group = chance.choice((*GROUPS, *GROUPS, 0, 14, 36, 0xFFFF))
    good = public_value(group) if group in GROUPS else b""
    return IKEv2_KE(group=group, ke=chance.choice((good, good, bytes(len(good)), octets(chance))))


def any_notify(sa: IkeSa, chance: Chance) -> Packet:
    """A Notify of any type, with any data."""
    kind = int(chance.choice(list(NotifyType))) if chance.random() < 0.85 else chance.randrange(65536)
    data = chance.choice((b"", octets(chance), spi(sa, chance), chance.choice(GROUPS).to_bytes(2)))
    return notify(kind, data, protocol=chance.choice((0, 1, 2, 3, 255)), spi=chance.choice((b"", spi(sa, chance))))


def any_delete(sa: IkeSa, chance: Chance) -> Packet:
    """A Delete: of the IKE SA, of Child SAs, of nothing, of thousands."""
    if chance.random() < 0.1:
        return IKEv2_Delete(proto=1, SPI=chance.choice(([], [], [sa.spi_i], [bytes(4)])))
    count = chance.choice((0, 1, 1, 1, 2, 300 if chance.random() < 0.1 else 3))
    spis = [spi(sa, chance) for _ in range(count)]
    return IKEv2_Delete(proto=chance.choice((3, 3, 3, 2, 0, 255)), SPI=[one for one in spis if len(one) == 4])


def any_cp(sa: IkeSa, chance: Chance) -> Packet:
    """A Configuration payload: any type, attributes of any length, sometimes thousands of them."""
    count = chance.choice((0, 1, 2, 3, 3200 if chance.random() < 0.05 else 40))
    kinds = [int(chance.choice((*CpAttribute, 8, 1))) for _ in range(3)]
    values = [b"", b"", bytes(4), b"\x0a\x01\0\x05", chance.randbytes(16), chance.randbytes(17), octets(chance)]
    if count > 40:
        del values[chance.choice((1, 4)) :]
    made = [ConfigurationAttribute(type=chance.choice(kinds), value=chance.choice(values)) for _ in range(count)]
    return IKEv2_CP(CFGType=chance.choice((1, 1, 1, 2, 3, 4, 0, 255)), attributes=made)


def any_selectors(sa: IkeSa, chance: Chance) -> Packet:
    """TSi or TSr: the victim's own selectors, or octets."""
    kind = chance.choice((IKEv2_TSi, IKEv2_TSr))
    if chance.random() < 0.3:
        return IKEv2_Payload(payload_type=kind.payload_type, load=octets(chance))
    config = sa.config.children[0] if sa.config.children else ChildConfig()
    found = chance.choice((config.local_ts, config.remote_ts, config.local_ts * chance.choice((1, 2, 260))))
    return kind(traffic_selector=[ts.layer() for ts in found[:255]])


def any_payload(sa: IkeSa, chance: Chance) -> Packet:
    """A payload of any type with random octets, also of types that must not be inside SK."""
    kind = chance.choice((*map(int, PayloadType), chance.randrange(256)))
    flags = chance.choice((0, 0, 0x80, 0x7F))
    return IKEv2_Payload(payload_type=kind, flags=flags, load=octets(chance))


Maker = Callable[[IkeSa, Chance], Packet]
MAKERS: Sequence[Maker] = (
    any_sa, any_ke, any_notify, any_notify, any_notify, any_delete, any_cp, any_selectors, any_payload, any_payload,
    lambda sa, chance: IKEv2_Nonce(nonce=octets(chance)),
    lambda sa, chance: chance.choice((IKEv2_IDi, IKEv2_IDr))(IDtype=chance.randrange(12), ID=octets(chance)),
    lambda sa, chance: IKEv2_AUTH(auth_type=chance.choice((1, 2, 14)), load=octets(chance)),
    lambda sa, chance: IKEv2_CERT(cert_encoding=chance.randrange(15), cert_data=octets(chance)),
    lambda sa, chance: IKEv2_CERTREQ(cert_encoding=4, cert_authority=octets(chance)),
    lambda sa, chance: IKEv2_EAP(octets(chance)),
    lambda sa, chance: IKEv2_VendorID(vendorID=octets(chance)),
)  # fmt: skip


# Lists of payloads that a legitimate peer might send


def new_child(sa: IkeSa, chance: Chance) -> list[Packet]:
    """HDR, SK {SA, Ni, [KEi,] TSi, TSr}."""
    if not sa.config.children:
        return [any_sa(sa, chance)]
    config = sa.config.children[0]
    group = next((t.id for p in config.proposals for t in p.transforms if t.type == 4), None)
    share = [IKEv2_KE(group=group, ke=public_value(group))] if group in GROUPS else []
    return [
        offer(sa, chance, ike=False),
        IKEv2_Nonce(nonce=chance.randbytes(32)),
        *share,
        IKEv2_TSi(traffic_selector=[ts.layer() for ts in config.remote_ts]),
        IKEv2_TSr(traffic_selector=[ts.layer() for ts in config.local_ts]),
    ]


def child_rekey(sa: IkeSa, chance: Chance) -> list[Packet]:
    """HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}."""
    protocol = chance.choice((ProtocolId.ESP,) * 8 + (ProtocolId.AH, ProtocolId.IKE))
    return [notify(NotifyType.REKEY_SA, protocol=protocol, spi=spi(sa, chance)), *new_child(sa, chance)]


def ike_rekey(sa: IkeSa, chance: Chance) -> list[Packet]:
    """HDR, SK {SA, Ni, KEi}."""
    share = IKEv2_KE(group=GROUPS[0], ke=public_value(GROUPS[0]))
    return [offer(sa, chance, ike=True), IKEv2_Nonce(nonce=chance.randbytes(32)), share]


def anything(sa: IkeSa, chance: Chance) -> list[Packet]:
    """Up to six payloads of any kind."""
    return [chance.choice(MAKERS)(sa, chance) for _ in range(chance.choice((0, 1, 1, 2, 3, 6)))]


CREATE, INFO, AUTH = ExchangeType.CREATE_CHILD_SA, ExchangeType.INFORMATIONAL, ExchangeType.IKE_AUTH
Plan = tuple[int, Callable[[IkeSa, Chance], list[Packet]]]
DELETE: Plan = INFO, lambda sa, chance: [any_delete(sa, chance)]
NOTIFY: Plan = INFO, lambda sa, chance: [any_notify(sa, chance) for _ in range(chance.randint(0, 3))]
CONFIGURE: Plan = INFO, lambda sa, chance: [any_cp(sa, chance)]
REQUESTS: Sequence[Plan] = (
    (CREATE, new_child), (CREATE, new_child), (CREATE, child_rekey), (CREATE, child_rekey), (CREATE, child_rekey),
    (CREATE, ike_rekey), (CREATE, ike_rekey), DELETE, DELETE, DELETE, NOTIFY, NOTIFY, NOTIFY, NOTIFY, CONFIGURE,
    (INFO, anything), (CREATE, anything), (AUTH, anything),
)  # fmt: skip


def request(sa: IkeSa, chance: Chance) -> tuple[int, list[Packet]]:
    """An exchange type and the payloads of a request, sometimes of an unknown type."""
    exchange, make = chance.choice(REQUESTS)
    return (exchange if chance.random() < 0.97 else chance.choice(EXCHANGES)), spoiled(sa, chance, make(sa, chance))


def answer(sa: IkeSa, chance: Chance, sent: Sequence[Packet]) -> list[Packet]:
    """The response to a request that the victim has ``sent``: a valid one, an error, or anything."""
    way = chance.random()
    if way < 0.15:
        kind = chance.choice((*(t for t in NotifyType if t < 100), NotifyType.COOKIE, NotifyType.REKEY_SA))
        return [notify(kind, chance.choice((b"", chance.choice(GROUPS).to_bytes(2), octets(chance))))]
    if way < 0.3:
        return anything(sa, chance)
    made: list[Packet] = []
    for payload in sent:
        if isinstance(payload, IKEv2_SA) and payload.prop:
            made.append(chosen(payload, chance))
        elif isinstance(payload, IKEv2_Nonce):
            made.append(IKEv2_Nonce(nonce=chance.randbytes(32)))
        elif isinstance(payload, IKEv2_KE) and payload.group in GROUPS:
            made.append(IKEv2_KE(group=payload.group, ke=public_value(payload.group)))
        elif isinstance(payload, IKEv2_TSi | IKEv2_TSr):
            made.append(payload.copy())
    return spoiled(sa, chance, made)


def chosen(payload: IKEv2_SA, chance: Chance) -> IKEv2_SA:
    """One proposal of an offer, with one transform of each type."""
    proposal = payload.prop[0]
    first: dict[int, Packet] = {}
    for transform in proposal.trans:
        first.setdefault(transform.transform_type, transform)
    new = IKEv2_Proposal(
        proposal=proposal.proposal,
        proto=proposal.proto,
        SPI=chance.randbytes(8 if proposal.proto == 1 else 4),
        trans=[transform.copy() for transform in first.values()],
    )
    if new.trans and chance.random() < 0.1:
        new.trans[0].attributes = [any_attribute(chance)]
    return IKEv2_SA(prop=[new])


def spoiled(sa: IkeSa, chance: Chance, payloads: list[Packet]) -> list[Packet]:
    """Sometimes add, remove, duplicate or move a payload."""
    if chance.random() < 0.8:
        return payloads
    at = chance.randrange(len(payloads) + 1)
    way = chance.choice(("insert", "lose", "repeat", "shuffle"))
    if way == "insert" or at == len(payloads):
        payloads.insert(at, chance.choice(MAKERS)(sa, chance))
    elif way == "lose":
        del payloads[at]
    elif way == "repeat":
        payloads.insert(at, payloads[at].copy())
    else:
        chance.shuffle(payloads)
    return payloads


def plain(chance: Chance, payloads: list[Packet]) -> tuple[int, bytes]:
    """The type of the first payload and the octets of all, sometimes mutated; at most 64,000."""
    content = build_payloads(payloads)
    if content and chance.random() < 0.08:
        content = mutated(content, content, chance)
    first = first_type(payloads)
    return (first if chance.random() < 0.97 else chance.randrange(256)), content[:64000]
