# SPDX-License-Identifier: GPL-2.0-or-later
"""Deprecated algorithms: offered and used when a proposal names them, and at no other time (RFC 8221, 8247, 9395)."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy import Session
from fynx_scapy.crypto.encr import Encryption
from fynx_scapy.crypto.integ import Integrity
from fynx_scapy.crypto.ke import KeyExchange
from fynx_scapy.crypto.prf import PrfFunction
from fynx_scapy.crypto.transforms import Transform, find, implemented
from fynx_scapy.errors import ConfigError
from fynx_scapy.events import ChildSaFailed, IkeSaFailed
from fynx_scapy.iana import Encr, Integ, KeMethod, NotifyType, Prf, ProtocolId, TransformType
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.ike.terms.proposals import Offer, Proposal, check_answer, choose, offers
from fynx_scapy.layers.ikev2 import IKEv2_SA, parse_payloads
from tests.ike.pair import Pair, alice, bob

IKE, ESP = ProtocolId.IKE, ProtocolId.ESP
FAMILIES: dict[int, Any] = {1: Encryption, 2: PrfFunction, 3: Integrity, 4: KeyExchange}


def legacy(transform: Transform) -> bool:
    family = FAMILIES.get(transform.type)
    return family is not None and bool(find(family, transform.id).legacy)


def offered(proposal: Proposal) -> list[Offer]:
    """A proposal after its way over the wire."""
    (parsed,) = parse_payloads(33, bytes(IKEv2_SA(prop=[proposal.layer(1, bytes(range(8)))])))
    return offers(parsed)


@pytest.mark.parametrize(
    ("ike", "esp"),
    [
        ("des-md5-modp768", "des-md5"),
        ("3des-md5-modp1024", "3des-md5-modp768"),
        ("cast128-sha1_160-modp1024s160", "cast128-md5_128"),
        ("blowfish256-sha256_96-modp2048s224", "blowfish-sha256_96"),
        ("idea-md5_128-modp2048s256", "idea-sha1_160-esn"),
        ("aes128-sha256_96-modp2048", "aes128-sha256_96"),
    ],
)
def test_both_ends_use_what_both_name(ike: str, esp: str) -> None:
    s = Session(psk="x", proposals=ike, esp_proposals=esp, seed=1)
    s.connect()
    assert s.ping() is not None
    s.rekey_child()
    assert s.ping() is not None
    s.rekey_ike()
    assert s.ping() is not None
    assert str(s.sa.suite) == str(s.peer_sa.suite)


def test_no_default_has_a_legacy_algorithm() -> None:
    proposals = [*alice().proposals, *ChildConfig().proposals]
    assert not [t for proposal in proposals for t in proposal.transforms if legacy(t)]


@pytest.mark.parametrize("name", ["des-sha1-modp768", "3des-sha1-modp1024", "aes128-sha1-modp1024", "des-md5-modp768"])
def test_a_default_responder_refuses_them(name: str) -> None:
    pair = Pair()
    pair.connect(alice(proposals=name))
    (failed,) = pair.of("alice", IkeSaFailed)
    assert failed.notify_type == NotifyType.NO_PROPOSAL_CHOSEN


@pytest.mark.parametrize(
    ("word", "prf"),
    [("sha256_96", Prf.PRF_HMAC_SHA2_256), ("md5_128", Prf.PRF_HMAC_MD5), ("sha1_160", Prf.PRF_HMAC_SHA1)],
)
def test_a_truncated_integrity_algorithm_goes_with_the_prf_of_its_hash(word: str, prf: Prf) -> None:
    (found,) = Proposal.parse(f"aes128-{word}-modp2048", IKE).of_type(TransformType.PRF)
    assert found.id == prf


# Known by name or by number only


NAMES = [
    "twofish-sha1-modp1024",
    "serpent256-sha256-x25519",
    "encr_rc5_128-md5-modp768",
    "3idea-desmac-prftiger-modp768",
    "aes128-kpdkmd5-prfmd5-modp1024",
    "aes128-sha256-gost3410_2012_256",
]


@pytest.mark.parametrize("text", NAMES)
def test_a_proposal_offers_what_no_library_has(text: str) -> None:
    proposal = Proposal.parse(text, IKE)
    assert not all(map(implemented, proposal.transforms))
    assert Proposal.parse(str(proposal), IKE) == proposal
    (offer,) = offered(proposal)
    assert offer.transforms == proposal.transforms
    assert choose([offer], [proposal]) is None


def test_a_proposal_offers_any_number() -> None:
    words = Proposal.parse("aes128-sha1-prfsha1-modp1024", IKE).transforms
    proposal = Proposal(IKE, (Transform(TransformType.ENCR, 4711, 128), *words[1:]))
    ours = alice(proposals=[proposal, "aes128gcm16-prfsha256-x25519"], ke="curve25519")
    assert str(Pair().connect(ours).suite) == "aes128gcm16-prfsha256-x25519"


@pytest.mark.parametrize("text", NAMES)
def test_an_initiator_says_that_it_cannot_use_what_the_peer_accepts(text: str) -> None:
    proposal = Proposal.parse(text, IKE)
    with pytest.raises(ConfigError, match=r"the peer accepted .*, and we cannot go on: \w+ \w+ is not implemented"):
        check_answer(offered(proposal), offered(proposal))


def test_a_peer_that_accepts_twofish_for_the_ike_sa() -> None:
    pair = Pair(bob(proposals="aes128-sha1-modp1024"))

    def accept(message: Outgoing) -> None:
        for payload in message.payloads:
            if isinstance(payload, IKEv2_SA):
                payload.prop[0].proposal = 1
                payload.prop[0].trans[0].transform_id = 1027

    pair.bob.taps.add("payloads", accept)
    pair.connect(alice(proposals="twofish-sha1-modp1024,aes128-sha1-modp1024"))
    (failed,) = pair.of("alice", IkeSaFailed)
    assert (
        "the peer accepted twofish128, and we cannot go on: ENCR ENCR_TWOFISH_CBC is not implemented: no library"
        in failed.reason
    )


def test_a_peer_that_accepts_twofish_for_a_child_sa() -> None:
    ours = ChildConfig(proposals="twofish-sha1,aes128-sha1")
    theirs = ChildConfig(proposals="aes128-sha1", local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24")
    pair = Pair(bob(children=theirs))

    def accept(message: Outgoing) -> None:
        for payload in message.payloads:
            if isinstance(payload, IKEv2_SA) and payload.prop[0].proto == ESP:
                payload.prop[0].proposal = 1
                payload.prop[0].trans[0].transform_id = 1027

    pair.bob.taps.add("payloads", accept)
    pair.connect(alice(children=ours))
    (failed,) = pair.of("alice", ChildSaFailed)
    assert (
        "the peer accepted twofish128, and we cannot go on: ENCR ENCR_TWOFISH_CBC is not implemented: no library"
        in failed.reason
    )


def test_names_are_those_of_the_registry() -> None:
    assert IkeConfig(auth="x", proposals="ENCR_DES-AUTH_HMAC_MD5_96-PRF_HMAC_MD5-MODP_768").proposals == (
        Proposal(
            IKE,
            (
                Transform(TransformType.ENCR, Encr.ENCR_DES),
                Transform(TransformType.INTEG, Integ.AUTH_HMAC_MD5_96),
                Transform(TransformType.PRF, Prf.PRF_HMAC_MD5),
                Transform(TransformType.KE, KeMethod.MODP_768),
            ),
        ),
    )
