# SPDX-License-Identifier: GPL-2.0-or-later
"""What broke other implementations, by public advisories: the shape on the wire, and what must come of it.

Each is a shape that a peer may send, no exploit. Our end must survive it, answer as RFC 7296 says, and be usable.
"""

from __future__ import annotations

import pytest
from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.child.setup import ChildRequest
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import (
    ChildSaInstalled,
    IkeSaEstablished,
    IkeSaFailed,
    IkeSaRekeyed,
    MessageDropped,
    MessageSent,
    PeerNotified,
)
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikev2 import (
    IKEv2_Delete,
    IKEv2_IDi,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Payload,
    IKEv2_SA,
    IKEv2_TSi,
    IKEv2_TSr,
)
from tests.ike.pair import Pair, alice, bob
from tests.ike.published import BOTH, OTHER, sa_of, usable

SHELL = b'"; $(reboot) `reboot` | reboot\n#'


def child_payloads(sa: IkeSa) -> list[Packet]:
    """SA, Ni, TSi, TSr of a CREATE_CHILD_SA request that is good."""
    offer, *selectors = ChildRequest.make(sa, sa.config.children[0]).payloads(without=())
    return [offer, IKEv2_Nonce(nonce=b"n" * 32), *selectors]


def ike_payloads(sa: IkeSa) -> list[Packet]:
    """SA, Ni, KEi of a rekey of the IKE SA."""
    offer = IKEv2_SA(prop=[p.layer(n, b"S" * 8) for n, p in enumerate(sa.config.proposals, 1)])
    return [offer, IKEv2_Nonce(nonce=b"n" * 32), IKEv2_KE(group=31, ke=bytes(range(32)))]


def refusal(answer: Message | None) -> int:
    """The type of the error that is all that an answer holds."""
    assert answer is not None
    (note,) = answer.payloads
    assert note.type < 16384
    return int(note.type)


# -- before the peer is authenticated ---------------------------------------------------------------------------------

# CVE-2026-78135, CVE-2014-2338, CVE-2019-12312
EARLY = {
    "CREATE_CHILD_SA": lambda sa: (ExchangeType.CREATE_CHILD_SA, child_payloads(sa)),
    "CREATE_CHILD_SA of a rekey": lambda sa: (
        ExchangeType.CREATE_CHILD_SA,
        [notify(NotifyType.REKEY_SA, protocol=ProtocolId.ESP, spi=b"abcd"), *child_payloads(sa)],
    ),
    "a rekey of the IKE SA": lambda sa: (ExchangeType.CREATE_CHILD_SA, ike_payloads(sa)),
    "D(IKE)": lambda sa: (ExchangeType.INFORMATIONAL, [IKEv2_Delete(proto=1)]),
    "D(ESP)": lambda sa: (ExchangeType.INFORMATIONAL, [IKEv2_Delete(proto=3, SPI=[b"abcd"])]),
    "D(AH)": lambda sa: (ExchangeType.INFORMATIONAL, [IKEv2_Delete(proto=2, SPI=[b"abcd"])]),
    "nothing": lambda sa: (ExchangeType.INFORMATIONAL, []),
}


@pytest.mark.sample(2)
@BOTH
@pytest.mark.parametrize("early", EARLY.values(), ids=EARLY)
def test_before_ike_auth_nothing_else_is_done(sender, early):
    pair = Pair()
    pair.alice.connect(alice(), 0.0, authenticate=False)
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    pair.network.run()
    sa = sa_of(pair, sender)
    exchange_type, payloads = early(sa)
    # HDR, SK {SA, Ni, TSi, TSr}  -->
    exchange = sa.start(Custom(sa, exchange_type, *payloads))
    pair.network.run(pair.network.now + 1.0)
    for who in ("alice", "bob"):
        assert not pair.of(who, ChildSaInstalled)
        assert not pair.of(who, IkeSaEstablished)
        assert not pair.of(who, IkeSaRekeyed)
        assert not getattr(pair, who).children
    if sender == "alice":
        # <--  HDR, SK {N(INVALID_SYNTAX)}
        assert refusal(exchange.answer) == NotifyType.INVALID_SYNTAX
    else:
        # An initiator answers nothing before it knows to whom.
        assert exchange.answer is None
        assert any("connecting" in event.reason for event in pair.of("alice", MessageDropped))
    assert usable(pair)


# -- key exchange -----------------------------------------------------------------------------------------------------

# CVE-2014-9221: a group of the private range; CVE-2023-41913: more octets than the group has
GROUPS = [(1025, b""), (1025, bytes(8192)), (1025, bytes(32)), (31, b""), (31, bytes(31)), (31, bytes(60_000)),
          (14, b"\1"), (19, bytes(8192)), (0, bytes(32)), (65535, bytes(1))]  # fmt: skip
_IDS = [f"{group}-{len(data)}" for group, data in GROUPS]


def with_ke(group: int, data: bytes):
    def tap(message: Outgoing) -> None:
        for payload in message.payloads:
            if isinstance(payload, IKEv2_KE):
                payload.group, payload.ke = group, data

    return tap


@pytest.mark.sample(3)
@BOTH
@pytest.mark.parametrize(("group", "data"), GROUPS, ids=_IDS)
def test_a_key_exchange_that_cannot_be_in_ike_sa_init(sender, group, data):
    pair = Pair()
    getattr(pair, sender).taps.add("payloads", with_ke(group, data))
    pair.alice.connect(alice(), 0.0)
    pair.network.run(pair.network.now + 5.0)
    assert not any(pair.of(who, IkeSaEstablished) for who in ("alice", "bob"))
    if sender == "alice":
        answers = [event.payloads[0].type for event in pair.of("bob", MessageSent) if len(event.payloads) == 1]
        assert set(answers) <= {NotifyType.INVALID_KE_PAYLOAD, NotifyType.NO_PROPOSAL_CHOSEN}
        assert answers or pair.of("bob", MessageDropped)
    else:
        assert pair.of("alice", IkeSaFailed) or pair.of("alice", MessageDropped)
    assert usable(pair)


@pytest.mark.sample(4)
@BOTH
@pytest.mark.parametrize("of", ["a Child SA", "the IKE SA"])
@pytest.mark.parametrize(("group", "data"), GROUPS, ids=_IDS)
def test_a_key_exchange_that_cannot_be_in_create_child_sa(sender, of, group, data):
    proposal = "aes128gcm16-x25519"
    child = ChildConfig(proposals=proposal)
    pair = Pair(bob(children=(child.replace(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24"),)))
    pair.connect(alice(children=(child,)))
    sa, far = sa_of(pair, sender), sa_of(pair, OTHER[sender])
    payloads = child_payloads(sa) if of == "a Child SA" else ike_payloads(sa)[:2]
    # HDR, SK {SA, Ni, KEi, [TSi, TSr]}  -->
    exchange = sa.start(Custom(sa, ExchangeType.CREATE_CHILD_SA, *payloads, IKEv2_KE(group=group, ke=data)))
    pair.network.run()
    # <--  HDR, SK {N(INVALID_KE_PAYLOAD)}
    assert refusal(exchange.answer) in (
        NotifyType.INVALID_KE_PAYLOAD,
        NotifyType.NO_PROPOSAL_CHOSEN,
        NotifyType.INVALID_SYNTAX,
    )
    assert len(far.children) <= 1
    assert not pair.of(OTHER[sender], IkeSaRekeyed)
    assert usable(pair)


# -- traffic selectors ------------------------------------------------------------------------------------------------

# CVE-2023-23009: the number of selectors, their lengths, and the payload's do not fit each other
_TS = b"\x07\x00\x00\x10\x00\x00\xff\xff\x0a\x01\x00\x00\x0a\x01\x00\xff"
TS_LISTS = {
    "a selector that is longer than the payload": b"\1\0\0\0" + _TS[:2] + b"\x00\x40" + _TS[4:],
    "a selector that ends in its addresses": b"\1\0\0\0" + _TS[:2] + b"\x00\x0c" + _TS[4:],
    "a selector shorter than its own header": b"\1\0\0\0" + _TS[:2] + b"\x00\x03" + _TS[4:],
    "a selector of length zero": b"\1\0\0\0" + _TS[:2] + b"\x00\x00" + _TS[4:],
    "IPv6 of sixteen octets": b"\1\0\0\0\x08" + _TS[1:],
    "more selectors announced": b"\2\0\0\0" + _TS,
    "255 selectors announced": b"\xff\0\0\0" + _TS,
    "fewer selectors announced": b"\1\0\0\0" + _TS + _TS,
    "no selector announced": b"\0\0\0\0" + _TS,
    "half a header": b"\1\0",
    "nothing": b"",
}
TS_KINDS = pytest.mark.parametrize("layer", [IKEv2_TSi, IKEv2_TSr])


def with_ts(layer: type[Packet], body: bytes, kind: int):
    def tap(message: Outgoing) -> None:
        for at, payload in enumerate(message.payloads):
            if type(payload) is layer:
                message.payloads[at] = IKEv2_Payload(payload_type=layer.payload_type, load=body)

    return tap, lambda message: message.header.exch_type == kind


@pytest.mark.sample(4)
@TS_KINDS
@BOTH
@pytest.mark.parametrize("body", TS_LISTS.values(), ids=TS_LISTS)
def test_selectors_that_do_not_fit_their_lengths_in_ike_auth(sender, layer, body):
    pair = Pair()
    tap, when = with_ts(layer, body, ExchangeType.IKE_AUTH)
    getattr(pair, sender).taps.add("payloads", tap, when)
    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}
    pair.connect()
    assert not pair.of(OTHER[sender], ChildSaInstalled)
    if sender == "alice":
        assert [p.type for p in pair.of("bob", MessageSent)[1].payloads] == [NotifyType.INVALID_SYNTAX]
    assert usable(pair)


@pytest.mark.sample(4)
@TS_KINDS
@BOTH
@pytest.mark.parametrize("body", TS_LISTS.values(), ids=TS_LISTS)
def test_selectors_that_do_not_fit_their_lengths_in_create_child_sa(sender, layer, body):
    pair = Pair()
    pair.connect()
    sa, far = sa_of(pair, sender), sa_of(pair, OTHER[sender])
    payloads = child_payloads(sa)
    at = next(n for n, payload in enumerate(payloads) if type(payload) is layer)
    payloads[at] = IKEv2_Payload(payload_type=layer.payload_type, load=body)
    exchange = sa.start(Custom(sa, ExchangeType.CREATE_CHILD_SA, *payloads))
    pair.network.run()
    assert refusal(exchange.answer) == NotifyType.INVALID_SYNTAX
    assert len(far.children) <= 1
    assert usable(pair)


@TS_KINDS
@BOTH
def test_an_empty_list_of_selectors_is_unacceptable(sender, layer):
    pair = Pair()
    pair.connect()
    sa, far = sa_of(pair, sender), sa_of(pair, OTHER[sender])
    payloads = [p if type(p) is not layer else layer(traffic_selector=[]) for p in child_payloads(sa)]
    exchange = sa.start(Custom(sa, ExchangeType.CREATE_CHILD_SA, *payloads))
    pair.network.run()
    assert refusal(exchange.answer) == NotifyType.TS_UNACCEPTABLE
    assert len(far.children) == 1
    assert usable(pair)


# openiked-portable issue 150: what cannot be answered well was met with silence
@BOTH
@pytest.mark.parametrize("without", ["proposals", "transforms"])
def test_an_sa_payload_that_offers_nothing_is_refused(sender, without):
    pair = Pair()
    pair.connect()
    sa = sa_of(pair, sender)
    offer, *rest = child_payloads(sa)
    if without == "proposals":
        offer = IKEv2_SA(prop=[])
    else:
        for proposal in offer.prop:
            proposal.trans = []
    exchange = sa.start(Custom(sa, ExchangeType.CREATE_CHILD_SA, offer, *rest))
    pair.network.run()
    assert refusal(exchange.answer) in (NotifyType.NO_PROPOSAL_CHOSEN, NotifyType.INVALID_SYNTAX)
    assert usable(pair)


# -- identities and notifies ------------------------------------------------------------------------------------------


# CVE-2025-9242
@pytest.mark.sample(4)
@BOTH
@pytest.mark.parametrize("kind", [1, 2, 5, 9, 11, 200])
@pytest.mark.parametrize("size", [0, 3, 520, 4096, 60_000])
def test_an_identity_of_any_size_is_refused_like_any_other(sender, kind, size):
    pair = Pair()

    def tap(message: Outgoing) -> None:
        for at, payload in enumerate(message.payloads):
            if isinstance(payload, (IKEv2_IDi, IKEv2_IDr)) and (at == 0):
                body = bytes([kind, 0, 0, 0]) + b"A" * size
                message.payloads[at] = type(payload).from_octets(b"\0\0" + (4 + len(body)).to_bytes(2) + body)

    getattr(pair, sender).taps.add("payloads", tap, when=lambda m: m.header.exch_type == ExchangeType.IKE_AUTH)
    sa = pair.alice.connect(alice(), 0.0)
    pair.network.run(pair.network.now + 5.0)
    assert not pair.of(OTHER[sender], IkeSaEstablished)
    assert not sa.established
    (failed,) = pair.of(OTHER[sender], IkeSaFailed)
    assert failed.notify_type in (None, NotifyType.AUTHENTICATION_FAILED, NotifyType.INVALID_SYNTAX)
    assert usable(pair)


# CVE-2023-28771: the text reached a command of a shell
@BOTH
@pytest.mark.parametrize("kind", [NotifyType.NO_PROPOSAL_CHOSEN, NotifyType.AUTHENTICATION_FAILED, 8191, 40960])
def test_the_data_of_a_notify_in_the_clear_stays_data(sender, kind):
    pair = Pair()
    tap = lambda message: message.payloads.append(notify(kind, SHELL, protocol=0))  # noqa: E731
    getattr(pair, sender).taps.add("payloads", tap, when=lambda m: not m.encrypted)
    pair.connect()
    told = [event for event in pair.of(OTHER[sender], PeerNotified) if event.notify_type == kind]
    assert told
    assert all(event.data == SHELL for event in told)
    for _, event in pair.network.events:
        assert "reboot\n" not in repr(event)
    assert usable(pair)
