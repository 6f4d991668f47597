# SPDX-License-Identifier: GPL-2.0-or-later
"""The embedded peer of a session mirrors our configuration, also what both ends authenticate with."""

from __future__ import annotations

import pytest

from fynx_scapy import Certificate, IkeConfig, Null, Psk, RawKey, RawKeys, Session, Trust
from fynx_scapy.errors import ConfigError
from fynx_scapy.pki.making import Authority, Issued


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.root("CN=root")


@pytest.fixture(scope="module")
def alice(root: Authority) -> Issued:
    return root.intermediate("CN=intermediate").issue("CN=alice", ["alice.example"])


@pytest.fixture(scope="module")
def bob(root: Authority) -> Issued:
    return root.issue("CN=bob", ["bob.example"])


def of(issued: Issued) -> Certificate:
    return Certificate(issued.cert, issued.key, issued.chain)


def connected(config: IkeConfig, **peer: object) -> tuple[str, str]:
    """Who both ends are, as the peer sees them."""
    s = Session(config=config, peer=peer or None, seed=1)  # type: ignore[arg-type]
    s.connect()
    assert s.peer is not None
    (sa,) = s.peer.sas.values()
    assert sa.established
    return str(sa.config.local_id), str(sa.remote_id)


def test_without_a_certificate_of_its_own_it_has_ours(root: Authority, alice: Issued) -> None:
    ours = IkeConfig(auth=of(alice), trust=root.cert)
    assert connected(ours) == ("alice.example", "alice.example")


def test_a_certificate_brings_its_identity(root: Authority, alice: Issued, bob: Issued) -> None:
    ours = IkeConfig(auth=of(alice), trust=root.cert)
    assert connected(ours, auth=of(bob)) == ("bob.example", "alice.example")
    assert connected(ours.replace(remote_id="bob.example"), auth=of(bob)) == ("bob.example", "alice.example")


def test_each_end_has_what_the_other_verifies(root: Authority, alice: Issued, bob: Issued) -> None:
    # The peer trusts the top of our chain, since we trust nobody to certify it.
    ours = IkeConfig(auth=of(alice), remote_auth="a key", remote_id="bob")
    assert connected(ours) == ("bob", "alice.example")
    assert connected(IkeConfig(auth="mine", remote_auth="yours", local_id="alice")) == ("fynx", "alice")
    assert connected(IkeConfig(auth=Null(), remote_auth=Psk("yours"), local_id="alice")) == ("fynx", "alice")
    mixed = IkeConfig(auth="mine", trust=Trust(root.cert), local_id="alice")
    assert connected(mixed, auth=of(bob)) == ("bob.example", "alice")
    raw = IkeConfig(auth=RawKey(alice.key), remote_auth=RawKeys(alice.key.public_key()), local_id="alice")
    assert connected(raw) == ("fynx", "alice")


def test_an_identity_that_our_certificate_does_not_have_needs_another_one(root: Authority, alice: Issued) -> None:
    ours = IkeConfig(auth=of(alice), trust=root.cert, remote_id="bob.example")
    with pytest.raises(ConfigError, match=r"expected IkeConfig\.local_id .*; the embedded peer has ours unless peer="):
        Session(config=ours)
