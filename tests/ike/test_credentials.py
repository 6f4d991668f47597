# SPDX-License-Identifier: GPL-2.0-or-later
"""Each end proves itself with a credential of its own: a pre-shared key, or none (RFC 7296 section 2.15, RFC 7619)."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy import Null, Psk
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import AuthMethod, IdType, NotifyType
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.events import IkeSaFailed, MessageSent
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_AUTH
from tests.ike.pair import Pair, alice, bob

PSK, NULL = AuthMethod.Shared_Key_Message_Integrity_Code, AuthMethod.NULL_Authentication


def methods_of(pair: Pair) -> list[int]:
    """The methods of the AUTH payloads, the initiator's first."""
    sent = [*pair.of("alice", MessageSent), *pair.of("bob", MessageSent)]
    return [payload.auth_type for event in sent for payload in event.payloads if isinstance(payload, IKEv2_AUTH)]


@pytest.mark.parametrize(
    ("ours", "theirs"), [(Null(), Psk("b")), (Psk("a"), Null()), (Psk("a"), Psk("b")), (Null(), Null())]
)
def test_each_end_has_its_own_credential(ours: Credential, theirs: Credential) -> None:
    pair = Pair(bob(auth=theirs, remote_auth=ours, remote_id=None))
    sa = pair.connect(alice(auth=ours, remote_auth=theirs))
    assert sa.established
    assert methods_of(pair) == [NULL if isinstance(each, Null) else PSK for each in (ours, theirs)]
    assert (sa.anonymous, pair.bobs.anonymous) == (isinstance(theirs, Null), isinstance(ours, Null))
    sa.rekey()
    pair.network.run()
    assert sa.newest.anonymous == isinstance(theirs, Null)


@pytest.mark.requirements("7619-2-01", "7619-2.4-01", negative=True)
def test_a_peer_that_proves_nothing_is_refused_unless_it_is_accepted() -> None:
    """RFC 7619 section 2: a host that wants its peer authenticated "MUST return an AUTHENTICATION_FAILED"."""
    pair = Pair()
    sa = pair.connect(alice(auth=Null(), remote_auth=Psk("secret"), local_id="alice"))
    assert not sa.established
    (failed,) = pair.of("alice", IkeSaFailed)
    assert failed.notify_type == NotifyType.AUTHENTICATION_FAILED
    assert pair.of("bob", IkeSaFailed)[0].reason == (
        "expected authentication by pre-shared key, found NULL_Authentication"
    )


@pytest.mark.requirements("7619-2.1-i01", negative=True)
def test_null_authentication_is_tied_to_the_exchange() -> None:
    pair = Pair(bob(auth=Null(), remote_id=None))

    def spoil(message: Outgoing) -> None:
        message.one(IKEv2_AUTH).load = bytes(32)

    pair.alice.taps.add("payloads", spoil, when=lambda message: "AUTH" in message.types())
    assert not pair.connect(alice(auth=Null())).established


@pytest.mark.requirements("7619-2.3-01", negative=True)
def test_nobody_ends_the_ike_sa_of_another_by_claiming_its_identity() -> None:
    """RFC 7619 section 2.3."""
    configs = [bob(), bob(auth=Psk("secret"), remote_auth=Null(), remote_id=None)]
    pair = Pair(*configs)
    first = pair.connect(alice(initial_contact=True))
    second = pair.connect(alice(auth=Null(), remote_auth=Psk("secret"), local_id="alice", initial_contact=True))
    assert first.established
    assert second.established
    assert sorted(sa.anonymous for sa in pair.bob.sas.values()) == [False, True]


@pytest.mark.requirements("7619-2.2-02")
def test_the_identity_of_nobody() -> None:
    config = IkeConfig(auth=Null())
    assert (config.local_id.type, config.local_id.data, str(config.local_id)) == (IdType.ID_NULL, b"", "ID_NULL")
    assert str(config.replace(auth="key").local_id) == "fynx"
    assert str(config.replace(local_id="alice").replace(auth="key").local_id) == "alice"


class Half(Credential):
    """Proves, but does not verify."""

    verifies = False


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"auth": Half()}, "expected IkeConfig.remote_auth beside a Half, which cannot verify the peer"),
        ({"auth": "x", "remote_auth": Half()}, "expected IkeConfig.remote_auth to be a credential that verifies"),
        ({"auth": "x", "remote_auth": 5}, "expected IkeConfig.remote_auth to be a credential that verifies"),
    ],
)
def test_a_credential_in_the_wrong_place_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        IkeConfig(**fields)
