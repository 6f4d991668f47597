# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of `fynx_scapy.lab.given`: how a lab's peer is configured for a case that gives both ends their credentials."""

import pytest

from fynx_scapy import Certificate, Certificates, IkeConfig, Null, Ppk, Psk, RawKey, RawKeys, Trust
from fynx_scapy.harness.cases import authority
from fynx_scapy.harness.worlds.peers import PeerConfig
from fynx_scapy.harness.worlds.world import Unsupported
from fynx_scapy.lab.credential_files import swanctl
from fynx_scapy.lab.given import ends, needed
from fynx_scapy.lab.world import tolerant

BASE = tolerant()
OURS = BASE.mirrored()
KEY = Ppk("0x" + "01" * 32, "fynx-ppk")


@pytest.fixture(scope="module")
def pki():
    root = authority("given")
    made = {name: root.issue(f"C=CH, CN={name}", [name], "ecdsa-p256", seed=name) for name in ("alice", "bob")}
    held = {name: Certificate(each.der, each.key) for name, each in made.items()}
    return root, made, held


def given(pki, **peer):
    root, _, held = pki
    config = IkeConfig(auth=held["alice"], trust=Trust(root.der), local_id="alice", remote_id="bob")
    return {"config": config, "peer": {"auth": held["bob"], **peer}}


def files(config: PeerConfig, folder):
    for kind in ("x509", "x509ca", "x509crl", "private", "pubkey"):
        (folder / kind).mkdir()
    return swanctl(config, "lab", folder)


def test_without_a_peer_nothing_changes():
    assert ends(BASE, {"config": OURS}, OURS) == (BASE, OURS)


def test_certificates_become_files(pki, tmp_path):
    root, made, held = pki
    trust = Trust(root.der, crls=[root.crl([made["alice"]])], revocation="required")
    theirs, ours = ends(BASE, given(pki, trust=trust), OURS)
    words = files(theirs, tmp_path)
    assert (words.local, words.remote, words.revocation, words.ocsp) == ("pubkey", "pubkey", "strict", "")
    assert (tmp_path / "x509" / "lab").read_bytes() == made["bob"].pem
    assert (tmp_path / "private" / "lab").read_bytes() == made["bob"].key_pem()
    assert (tmp_path / "x509ca" / "lab-root").read_bytes() == root.pem
    assert (tmp_path / "x509crl" / "lab").read_bytes() == root.crl([made["alice"]])
    assert (ours.auth, ours.trust.anchors) == (held["alice"], (root.cert,))
    assert ours.proposals == OURS.proposals  # what the lab's peer takes is not the case's to say
    assert needed(theirs) == {"certificates"}


def test_both_ends_may_differ(pki, tmp_path):
    root, _, _ = pki
    config = IkeConfig(auth=Psk("secret"), local_id="alice", remote_id="bob")
    peer = {"auth": Psk("secret"), "trust": Trust(root.der), "remote_auth": Certificates(schemes="ecdsa-sha384")}
    theirs, ours = ends(BASE, {"config": config, "peer": peer}, OURS)
    words = files(theirs, tmp_path)
    assert (words.local, words.remote, theirs.psk, ours.auth) == ("psk", "ike:ecdsa-sha384", b"secret", Psk("secret"))
    assert needed(theirs) == {"certificates", "mixed"}


def test_raw_keys_become_files(pki, tmp_path):
    _, made, _ = pki
    alice, bob = made["alice"].key, made["bob"].key
    config = IkeConfig(auth=RawKey(alice), remote_auth=RawKeys(bob.public_key()), local_id="alice", remote_id="bob")
    peer = {"auth": RawKey(bob), "remote_auth": RawKeys(alice.public_key())}
    words = files(ends(BASE, {"config": config, "peer": peer}, OURS)[0], tmp_path)
    assert (words.pubkeys, words.remote_pubkeys, words.certs) == (["lab-own"], ["lab"], [])
    assert b"PUBLIC KEY" in (tmp_path / "pubkey" / "lab").read_bytes()
    assert (tmp_path / "pubkey" / "lab").read_bytes() != (tmp_path / "pubkey" / "lab-own").read_bytes()


def test_a_ppk_leaves_the_rest():
    config = OURS.replace(ppk=KEY)
    theirs, ours = ends(BASE, {"config": config, "peer": {"ppk": KEY, "ppk_required": True}}, config)
    assert (theirs.ppk, theirs.ppk_required, theirs.auth, theirs.psk) == ((KEY,), True, None, BASE.psk)
    assert ours == config
    assert needed(theirs) == {"ppk"}


def test_settings_of_the_same_meaning():
    peer = {"proposals": "aes128gcm16-prfsha256-ecp256", "esp_proposals": "aes256gcm16"}
    theirs, _ = ends(BASE, {"peer": peer}, OURS)
    assert (theirs.ike, theirs.children[0].esp) == ("aes128gcm16-prfsha256-ecp256", "aes256gcm16")


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        ({"registry": object()}, "the scenario configures the embedded peer: registry"),
        ({"cookie_threshold": 0}, "the scenario configures the embedded peer: cookie_threshold"),
        ({"proposals": ("aes128",)}, "proposals that are not text"),
        ({"ppk": Ppk("0x" + "01" * 32, b"\xff")}, "a PPK_ID that is not text"),
    ],
)
def test_what_a_lab_peer_cannot_be_asked_for(peer, reason):
    with pytest.raises(Unsupported, match=reason):
        ends(BASE, {"config": OURS, "peer": peer}, OURS)


def test_nor_a_trust_at_another_time(pki):
    root, _, held = pki
    with pytest.raises(Unsupported, match="at another time"):
        ends(BASE, given(pki, trust=Trust(root.der, at="2030-01-01")), OURS)
    with pytest.raises(Unsupported, match="gives the peer OwnCertificates"):
        ends(BASE, given(pki, auth=[held["bob"], held["alice"]]), OURS)


def test_null_is_a_capability(pki):
    theirs, _ = ends(BASE, given(pki, remote_auth=Null(), trust=None), OURS)
    assert "null" in needed(theirs)
