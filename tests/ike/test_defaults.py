# SPDX-License-Identifier: GPL-2.0-or-later
"""What a default configuration accepts: the default offers of other implementations, and no old algorithm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from fynx_scapy import Session
from fynx_scapy.events import IkeSaFailed
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.terms.defaults import NAMED
from fynx_scapy.ike.terms.proposals import Offer, Proposal, choose, offers
from fynx_scapy.layers.ikev2 import IKEv2_SA, parse_payloads
from tests.ike.pair import Pair, alice, bob

IKE, ESP = ProtocolId.IKE, ProtocolId.ESP
GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "guide.md"

_STRONGSWAN_KE = (
    "prfsha256-prfsha384-prfsha512-prfaesxcbc-prfaescmac-prfsha1-x25519-x448-ecp256-ecp384-ecp521-ecp256bp-ecp384bp-"
    "ecp512bp-modp3072-modp4096-modp6144-modp8192-modp2048"
)
_LIBRESWAN_KE = "prfsha512-prfsha256-modp2048-modp3072-modp4096-modp8192-ecp256-ecp384-ecp521-x25519"
_OPENIKED_KE = (
    "prfsha256-prfsha384-prfsha512-prfsha1-x25519-ecp521-ecp384-ecp256-modp4096-modp3072-modp2048-modp1536-modp1024"
)


class Peer(NamedTuple):
    """The proposals of an implementation whose configuration names none."""

    ike: tuple[str, ...]
    esp: tuple[str, ...]


_STRONGSWAN_AEADS = "-".join(
    f"aes{bits}{mode}"
    for mode in ("gcm16", "ccm16", "gcm12", "gcm8", "ccm12", "ccm8")
    for bits in (128, 192, 256)
)  # fmt: skip
PEERS = {
    # "received proposals" in charon's log, with proposals = default at both ends
    "strongSwan 5.9.8": Peer(
        (
            "aes128-aes192-aes256-aes128ctr-aes192ctr-aes256ctr-camellia128-camellia192-camellia256-"
            "encr_camellia_ctr_128-encr_camellia_ctr_192-encr_camellia_ctr_256-3des-"
            "sha256-sha384-sha512-sha1-aescmac-aesxcbc-" + _STRONGSWAN_KE,
            f"{_STRONGSWAN_AEADS}-chacha20poly1305-encr_camellia_ccm_16_128-{_STRONGSWAN_KE}",
        ),
        ("aes128-aes192-aes256-sha256-sha384-sha512-sha1-aesxcbc", "aes128gcm16-aes192gcm16-aes256gcm16"),
    ),
    # src/libstrongswan/crypto/proposal/proposal.c with the plugins of OpenSSL alone
    "strongSwan 6.1": Peer(
        (
            "aes128-aes192-aes256-aes128ctr-aes192ctr-aes256ctr-camellia128-camellia192-camellia256-3des-"
            "sha256-sha384-sha512-sha1-" + _STRONGSWAN_KE.replace("-prfaesxcbc-prfaescmac", ""),
            f"{_STRONGSWAN_AEADS}-chacha20poly1305-" + _STRONGSWAN_KE.replace("-prfaesxcbc-prfaescmac", ""),
        ),
        ("aes128gcm16-aes192gcm16-aes256gcm16", "aes128-aes192-aes256-sha256-sha384-sha512-sha1-aesxcbc"),
    ),
    # as pluto logs them for a connection without ike= and esp=
    "libreswan 5.2": Peer(
        (
            f"aes256gcm16-{_LIBRESWAN_KE}", f"chacha20poly1305-{_LIBRESWAN_KE}",
            f"aes256-sha512-sha256-{_LIBRESWAN_KE}", f"aes128gcm16-{_LIBRESWAN_KE}",
            f"aes128-sha512-sha256-{_LIBRESWAN_KE}",
        ),
        (
            "aes256gcm16-esn-noesn", "chacha20poly1305-esn-noesn", "aes256-sha512-sha256-esn-noesn",
            "aes128gcm16-esn-noesn", "aes128-sha512-sha256-esn-noesn",
        ),
    ),
    # sbin/iked/parse.y
    "OpenIKED 7.4": Peer(
        (
            f"aes128gcm16-aes256gcm16-{_OPENIKED_KE}",
            f"aes256-aes192-aes128-3des-sha256-sha384-sha512-sha1-{_OPENIKED_KE}",
        ),
        (
            "aes128gcm16-aes256gcm16-modpnone-esn-noesn",
            "aes256-aes192-aes128-sha256-sha384-sha512-sha1-modpnone-esn-noesn",
        ),
    ),
    # the same file on Linux, where its ESP has neither GCM nor SHA-256
    "OpenIKED 7.4 on Linux": Peer(
        (
            f"aes128gcm16-aes256gcm16-{_OPENIKED_KE}",
            f"aes256-aes192-aes128-3des-sha256-sha384-sha512-sha1-{_OPENIKED_KE}",
        ),
        ("aes256-aes192-aes128-sha384-sha512-sha1-modpnone-esn-noesn",),
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", PEERS)


def policy(texts: tuple[str, ...], protocol: ProtocolId) -> tuple[Proposal, ...]:
    return Proposal.parse_all(texts, protocol)


def offered(proposals: tuple[Proposal, ...]) -> list[Offer]:
    """Proposals after their way over the wire."""
    size = {IKE: 0, ESP: 4}[proposals[0].protocol]
    sent = IKEv2_SA(prop=[proposal.layer(n, b"\1" * size) for n, proposal in enumerate(proposals, 1)])
    (parsed,) = parse_payloads(33, bytes(sent))
    return offers(parsed)


@EACH
def test_a_default_responder_accepts_the_default_offer_of(name: str) -> None:
    peer = PEERS[name]
    pair = Pair()
    pair.connect(alice(proposals=peer.ike, children=ChildConfig(proposals=peer.esp), ke=None))
    assert pair.bobs.established
    assert len(pair.bobs.children) == 1


@EACH
def test_what_a_default_initiator_offers_is_accepted_by(name: str) -> None:
    peer = PEERS[name]
    ours = bob(proposals=peer.ike, children=ChildConfig(
        proposals=peer.esp, local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24"))  # fmt: skip
    pair = Pair(ours)
    sa = pair.connect()
    assert sa.established
    assert len(sa.children) == 1


@EACH
def test_no_default_agrees_on_sha1_3des_or_modp1024_with(name: str) -> None:
    weak = re.compile(r"\b(sha1|3des|modp1024|prfsha1|modp1536)\b")
    for protocol, theirs in ((IKE, PEERS[name].ike), (ESP, PEERS[name].esp)):
        choice = choose(offered(policy(theirs, protocol)), policy(("default",), protocol))
        assert choice is not None
        assert not weak.search(str(choice.suite))


OLD = [
    "3des-sha1-modp1024",
    "aes128-sha1-modp1024",
    "aes256-sha1-modp1536",
    "3des-sha256-modp2048",
    "aes256-sha1-modp2048",
]


@pytest.mark.parametrize("ike", OLD)
def test_an_old_peer_is_refused_by_default_and_served_by_legacy(ike: str) -> None:
    esp = "3des-sha1" if "3des" in ike else "aes128-sha1"
    theirs = alice(proposals=ike, children=ChildConfig(proposals=esp))
    pair = Pair()
    assert not pair.connect(theirs).established
    assert [event.notify_type for event in pair.of("alice", IkeSaFailed)] == [NotifyType.NO_PROPOSAL_CHOSEN]
    served = Pair(
        IkeConfig.legacy(local_id="bob", remote_id="alice", auth="secret",
                         children=ChildConfig.legacy(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24"))
    )  # fmt: skip
    sa = served.connect(theirs)
    assert sa.established
    assert len(sa.children) == 1


def test_legacy_never_takes_what_must_not_be_used() -> None:
    for protocol, texts in NAMED["legacy"].items():
        words = "-".join(texts).split("-")
        assert not {"des", "md5", "prfmd5", "modp768", "blowfish128", "cast128"} & set(words), protocol
    pair = Pair(IkeConfig.legacy(local_id="bob", remote_id="alice", auth="secret"))
    assert not pair.connect(alice(proposals="des-md5-modp768")).established


def test_the_words_default_and_legacy_stand_for_proposals() -> None:
    assert IkeConfig(auth="x", proposals="default").proposals == IkeConfig(auth="x").proposals
    assert ChildConfig(proposals="Default, legacy").proposals == ChildConfig.legacy().proposals
    assert ChildConfig(proposals=["aes256gcm16", "default"]).proposals[1:] == ChildConfig().proposals
    s = Session(psk="x", proposals="3des-sha1-modp1024", esp_proposals="3des-sha1", seed=1,
                peer={"proposals": "legacy", "esp_proposals": "legacy"})  # fmt: skip
    s.connect()
    assert s.ping() is not None


def test_the_guide_lists_them() -> None:
    text = " ".join(GUIDE.read_text().split())
    for name, protocols in NAMED.items():
        for protocol, proposals in protocols.items():
            for proposal in proposals:
                assert f"`{proposal}`" in text, (name, protocol)
