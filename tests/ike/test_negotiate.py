# SPDX-License-Identifier: GPL-2.0-or-later
"""Proposals: written, offered, chosen and checked (RFC 7296 sections 2.7 and 3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import Encr, Integ, KeMethod, NotifyType, ProtocolId
from fynx_scapy.ike.events import ChildSaInstalled, IkeSaFailed, PeerNotified
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.ike.terms.proposals import KE, Offer, Proposal, check_answer, choose, offers, proposal_layer
from fynx_scapy.layers.ikev2 import (
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TransformAttribute,
    parse_payloads,
)
from tests.ike.pair import Pair, alice

IKE, ESP = ProtocolId.IKE, ProtocolId.ESP


def offered(*texts: str, protocol: ProtocolId = ESP) -> list[Offer]:
    """Proposals after their way over the wire."""
    spi = b"" if protocol == IKE else b"\0\0\x10\1"
    payload = IKEv2_SA(prop=[Proposal.parse(text, protocol).layer(n, spi) for n, text in enumerate(texts, 1)])
    (parsed,) = parse_payloads(33, bytes(payload))
    return offers(parsed)


def policy(*texts: str, protocol: ProtocolId = ESP) -> tuple[Proposal, ...]:
    return Proposal.parse_all(texts, protocol)


def raw(*transforms: IKEv2_Transform, protocol: int = 3, spi: bytes = b"\0\0\x10\1") -> list[Offer]:
    payload = IKEv2_SA(prop=[IKEv2_Proposal(proposal=1, proto=protocol, SPI=spi, trans=list(transforms))])
    (parsed,) = parse_payloads(33, bytes(payload))
    return offers(parsed)


def transform(kind: int, number: int, **fields) -> IKEv2_Transform:
    return IKEv2_Transform(transform_type=kind, transform_id=int(number), **fields)


GCM = {"kind": 1, "number": Encr.ENCR_AES_GCM_16, "key_length": 128}
NO_ESN = {"kind": 5, "number": 0}


@pytest.mark.parametrize(
    ("text", "protocol", "written"),
    [
        ("aes128gcm16-prfsha256-x25519", IKE, "aes128gcm16-prfsha256-x25519"),
        ("aes128-sha256-modp2048", IKE, "aes128-sha256-prfsha256-modp2048"),
        ("aes128gcm16", ESP, "aes128gcm16"),
        ("aes128gcm16-esn", ESP, "aes128gcm16-esn"),
        ("chacha20poly1305-x25519", ESP, "chacha20poly1305-x25519"),
    ],
)
def test_written_as_strongswan_users_write(text, protocol, written):
    (offer,) = offered(text, protocol=protocol)
    choice = choose([offer], policy(text, protocol=protocol))
    assert str(choice.suite) == written


@pytest.mark.parametrize(
    ("text", "protocol", "message"),
    [
        ("aes128gcn16", ESP, "aes128gcm16"),
        ("aes128gcm16-prfsha256", IKE, "KE"),
        ("aes128-prfsha256-x25519", IKE, "INTEG"),
        ("aes128gcm16-aes128-sha256", ESP, "mixes"),
        ("aes128gcm16-sha256", ESP, "NONE"),
        ("sha256", ESP, "ENCR"),
    ],
)
def test_a_proposal_that_cannot_be_is_refused_by_name(text, protocol, message):
    with pytest.raises(ConfigError, match=message):
        Proposal.parse(text, protocol)


def test_the_policy_s_order_decides_and_a_fitting_group_saves_a_round_trip():
    choice = choose(offered("aes128gcm16", "aes256gcm16"), policy("aes256gcm16", "aes128gcm16"))
    assert choice.number == 2
    both = "aes128gcm16-prfsha256-x25519-ecp256"
    choice = choose(offered(both, protocol=IKE), policy(both, protocol=IKE), prefer_ke=KeMethod.ECP_256)
    assert choice.suite.ke.id == 19


@pytest.mark.requirements("7296-3.3.5-05", "7296-2.13-01", negative=True)
def test_key_length_absent_or_different_is_no_match():
    # 7296-3.3.5-05
    gcm = {k: v for k, v in GCM.items() if k != "key_length"}
    assert choose(raw(transform(**gcm), transform(**NO_ESN)), policy("aes128gcm16")) is None
    assert choose(offered("aes256gcm16"), policy("aes128gcm16")) is None


@pytest.mark.requirements("7296-3.3-07")
def test_integ_none_and_integ_left_out_are_the_same_with_an_aead():
    written = raw(transform(**GCM), transform(3, Integ.NONE), transform(**NO_ESN))
    choice = choose(written, policy("aes128gcm16"))
    # "NONE" is returned where it was offered: the chosen transforms come back unmodified.
    assert [(t.type, t.id) for t in choice.transforms] == [(1, 20), (3, 0), (5, 0)]
    assert choice.suite.integ is None
    assert choose(raw(transform(**GCM), transform(**NO_ESN)), policy("aes128gcm16")).suite.integ is None


@pytest.mark.requirements("7296-3.3.6-06", negative=True)
def test_sequence_number_transform_is_mandatory_in_esp():
    # Section 3.3.3 has ESN among ESP's mandatory types, and 3.3.6 refuses a proposal without one.
    assert choose(raw(transform(**GCM)), policy("aes128gcm16")) is None
    assert choose(offered("aes128gcm16-esn"), policy("aes128gcm16")) is None
    assert choose(offered("aes128gcm16-noesn-esn"), policy("aes128gcm16-esn")).suite.esn


@pytest.mark.requirements("7296-3.3-07", "7296-3.3-i01", negative=True)
def test_aead_and_other_ciphers_in_one_proposal_are_refused():
    mixed = raw(
        transform(**GCM), transform(1, Encr.ENCR_AES_CBC, key_length=128), transform(3, 12), transform(**NO_ESN)
    )
    assert choose(mixed, policy("aes128gcm16", "aes128-sha256")) is None


@pytest.mark.requirements("7296-3.3.6-06", "7296-3.3.6-07", negative=True)
def test_an_unknown_transform_type_spoils_its_proposal_and_an_unknown_transform_only_itself():
    # 7296-3.3.6-06
    assert choose(raw(transform(**GCM), transform(**NO_ESN), transform(200, 1)), policy("aes128gcm16")) is None
    many = raw(transform(1, 200, key_length=128), transform(**GCM), transform(**NO_ESN))
    assert choose(many, policy("aes128gcm16")).suite.encr.id == Encr.ENCR_AES_GCM_16


def test_a_wrong_spi_size_or_protocol_is_refused():
    assert choose(raw(transform(**GCM), transform(**NO_ESN), spi=b"\1\2\3"), policy("aes128gcm16")) is None
    assert choose(raw(transform(**GCM), transform(**NO_ESN), protocol=99), policy("aes128gcm16")) is None


@pytest.mark.requirements("7296-1.2-i06", negative=True)
def test_ke_does_not_count_in_ike_auth():
    own = policy("aes128gcm16-x25519")
    assert choose(offered("aes128gcm16"), own, without=(KE,)) is not None
    assert choose(offered("aes128gcm16-x25519"), own, without=(KE,)) is None
    assert not [t for t in own[0].layer(1, without=(KE,)).trans if t.transform_type == KE]


def answer(*transforms, number: int = 1, protocol: int = ESP) -> list[Offer]:
    (parsed,) = parse_payloads(33, bytes(IKEv2_SA(prop=[proposal_layer(number, protocol, transforms, b"\0\0\x10\1")])))
    return offers(parsed)


@pytest.mark.requirements("7296-3.3.6-05", "7296-3.3.1-03", "7296-2.7-04", negative=True)
def test_the_answer_must_be_one_of_our_proposals():
    # 7296-3.3.6-05
    texts = ("aes128gcm16", "aes128-aes256-sha256-sha512")
    ours, (own, other) = offered(*texts), policy(*texts)
    gcm, sn = own.transforms
    cbc128, cbc256, sha256, sha512, _ = other.transforms
    assert check_answer(answer(gcm, sn), ours).suite.encr == gcm
    assert check_answer(answer(cbc256, sha512, sn, number=2), ours).suite.integ == sha512
    for wrong in (
        answer(gcm, sn, number=2),
        answer(cbc128, sha256, sn),
        answer(cbc128, cbc256, sha256, sn, number=2),
        answer(cbc128, sn, number=2),
        answer(gcm),
        answer(gcm, sn, number=3),
        answer(gcm, sn, number=0),
        answer(gcm, sn) + answer(gcm, sn),
        answer(gcm, gcm, sn),
        answer(gcm, sn, sn),
        answer(cbc128, sha256, sha256, sn, number=2),
        [],
    ):
        with pytest.raises(MalformedError):
            check_answer(wrong, ours)


def test_an_spi_of_zero_is_no_spi():
    assert choose(raw(transform(**GCM), transform(**NO_ESN), spi=bytes(4)), policy("aes128gcm16")) is None


@pytest.mark.parametrize("cipher", [11, 21, 29, 30, 31])
@pytest.mark.requirements("7296-5-02", negative=True)
def test_ciphers_for_esp_alone_are_not_chosen_for_ike(cipher):
    length = {} if cipher in (11, 31) else {"key_length": 128}
    others = [transform(2, 5), transform(3, 12), transform(4, 31)]
    offer = raw(transform(1, cipher, **length), *others, protocol=1, spi=b"")
    assert choose(offer, policy("aes128gcm16-prfsha256-x25519", protocol=IKE)) is None


# Transform attributes (sections 3.3.5 and 3.3.6)


def key_length(octets: bytes) -> IKEv2_TransformAttribute:
    """A Key Length in the form with a length of its own (AF 0)."""
    return IKEv2_TransformAttribute(AF=0, type=14, value=octets)


@pytest.mark.requirements("7296-3.3.6-04")
def test_the_chosen_transform_goes_back_as_it_was_offered():
    offer = transform(1, Encr.ENCR_AES_GCM_16, key_length=256)
    choice = choose(raw(transform(**GCM), offer, transform(**NO_ESN)), policy("aes256gcm16"))
    assert [bytes(written)[4:] for written in choice.layer(b"\0\0\x20\1").trans] == [
        bytes(offer)[4:],
        bytes(transform(**NO_ESN))[4:],
    ]


@pytest.mark.parametrize("octets", [b"", b"\x80", b"\0\x80", b"\0\0\x80", b"\xff" * 1800])
@pytest.mark.requirements("7296-3.3.5-01", negative=True)
def test_a_key_length_has_no_length_of_its_own(octets):
    bad = transform(1, Encr.ENCR_AES_GCM_16, attributes=[key_length(octets)])
    assert choose(raw(bad, transform(**NO_ESN)), policy("aes128gcm16")) is None
    # Any other transform of the proposal may still be chosen.
    assert choose(raw(bad, transform(**GCM), transform(**NO_ESN)), policy("aes128gcm16")) is not None
    with pytest.raises(MalformedError, match="the chosen proposal has 1 transform more than it may"):
        check_answer(raw(bad, transform(**NO_ESN)), offered("aes128gcm16"))


# RFC 7296 section 3.3.5: Key Length "is fixed length", and so it is never encoded as type, length and value.
# Python writes out no number of more than 4,300 digits, which 1,800 octets are.
KEY_LENGTHS = [b"", b"\x80", b"\1\0", b"\0\0\1\0", b"\0" * 1798 + b"\1\0", b"\xff" * 1800, b"\xff" * 3000]


@pytest.mark.parametrize("value", KEY_LENGTHS, ids=len)
@pytest.mark.parametrize("cipher", [Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_CBC, Encr.ENCR_3DES, 65000])
def test_a_key_length_in_the_long_form_makes_its_transform_unacceptable(cipher, value):
    wrong = transform(1, cipher, attributes=[key_length(value)])
    (offer,) = raw(wrong, transform(**GCM), transform(**NO_ESN))
    assert offer.fault is None
    assert [(t.id, t.key_length) for t in offer.transforms if t.type == 1] == [(20, 128)]


@pytest.mark.requirements("7296-3.3.5-03")
def test_a_key_length_is_in_network_byte_order():
    (offer,) = raw(transform(1, 20, attributes=[IKEv2_TransformAttribute(b"\x80\x0e\1\0")]), transform(**NO_ESN))
    assert offer.transforms[0].key_length == 256


@pytest.mark.parametrize("value", KEY_LENGTHS, ids=len)
@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_no_key_length_ends_an_endpoint(role, value):
    pair = Pair()

    def wrong(message: Outgoing) -> None:
        payload = message.get(IKEv2_SA)
        if payload is not None:
            payload.prop[0].trans[0].attributes = [key_length(value)]

    remove = (pair.bob if role == "initiator" else pair.alice).taps.add("payloads", wrong)
    # HDR, SAi1, KEi, Ni  -->
    # <--  HDR, SAr1, KEr, Nr, or N(NO_PROPOSAL_CHOSEN)
    config = alice(proposals="aes128gcm16-prfsha256-x25519")
    assert not pair.connect(config).established
    if role == "responder":
        assert NotifyType.NO_PROPOSAL_CHOSEN in {event.notify_type for event in pair.of("alice", PeerNotified)}
    else:
        assert pair.of("alice", IkeSaFailed)
    remove()
    assert pair.connect(config).established


# Lengths and counts (section 3.3)


def off_by(name: str, by: int, of: str) -> Any:
    """A change of one number of the first proposal, or of its first transform."""

    def change(proposal: IKEv2_Proposal) -> None:
        one = proposal if of == "proposal" else proposal.trans[0]
        built = IKEv2_Proposal(bytes(proposal))
        value = getattr(built if of == "proposal" else built.trans[0], name)
        setattr(one, name, (value + by) % 256)

    return change


INCONSISTENT = {
    "a proposal that is too short": off_by("length", -4, "proposal"),
    "a proposal that is too long": off_by("length", 4, "proposal"),
    "a proposal shorter than its header": off_by("length", -256 + 4, "proposal"),
    "a transform that is too short": off_by("length", -8, "transform"),
    "a transform that is too long": off_by("length", 200, "transform"),
    "one transform more": off_by("trans_nb", 1, "proposal"),
    "one transform less": off_by("trans_nb", -1, "proposal"),
    "an SPI beyond the proposal": off_by("SPIsize", 250, "proposal"),
    "no last transform": lambda proposal: setattr(proposal.trans[-1], "next_payload", 3),
    "an early last transform": lambda proposal: setattr(proposal.trans[0], "next_payload", 0),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("fault", INCONSISTENT)
@pytest.mark.parametrize("sender", ["alice", "bob"])
@pytest.mark.requirements("7296-3.3-04", negative=True)
def test_an_sa_payload_whose_numbers_do_not_fit_sets_up_nothing(sender, fault):
    pair = Pair()
    sa = pair.connect()

    def spoil(message: Outgoing) -> None:
        for payload in message.all(IKEv2_SA):
            INCONSISTENT[fault](payload.prop[0])

    getattr(pair, sender).taps.add("payloads", spoil)
    # HDR, SK {SA(broken), Ni, TSi, TSr}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}     or the other way round
    exchange = sa.create_child()
    pair.network.run()
    assert exchange.error is not None
    assert len(pair.of("alice", ChildSaInstalled)) == 1
    if sender == "alice":
        assert pair.of("alice", PeerNotified)[-1].notify_type == NotifyType.INVALID_SYNTAX
        assert len(pair.of("bob", ChildSaInstalled)) == 1
    # Another IKE SA is not harmed, and none is set up by such an SA payload.
    assert not pair.connect().established


def test_octets_that_a_tap_put_in_the_place_of_a_structure_offer_nothing() -> None:
    good, attribute = transform(**NO_ESN), transform(**GCM)
    attribute.attributes = [b"\x80\x0e\0\x80"]
    proposal = IKEv2_Proposal(proposal=1, proto=3, SPI=b"\0\0\x10\1", trans=[b"\0\0\0\x08\1\0\0\x14", good, attribute])
    (offer,) = offers(IKEv2_SA(prop=[proposal, b"\0\0\0\x08\2\3\0\0"]))
    assert [(found.type, found.id) for found in offer.transforms] == [(5, 0)]
