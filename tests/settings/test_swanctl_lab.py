# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lab writes for charon, read by us: the same connection, as charon has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fynx_scapy import ChildConfig, IkeConfig, Ppk
from fynx_scapy.harness.worlds.credentials import Credentials, EndAuth
from fynx_scapy.ike.events import PeerCertificateRefused
from fynx_scapy.lab.credential_files import swanctl
from fynx_scapy.lab.peer import PeerConfig, write
from fynx_scapy.lab.strongswan import CREDENTIALS
from fynx_scapy.settings import Settings
from tests.ike.pair import ALICE, BOB, Pair

PSK = EndAuth(by="psk")
OTHER = EndAuth(authority="other", also=(EndAuth(),))


def theirs(folder: Path, *notes: str, **fields: Any) -> tuple[IkeConfig, PeerConfig]:
    """The peer's connection, out of the files that the lab writes for charon."""
    config = PeerConfig(local=BOB, remote=ALICE, **fields)
    for kind in CREDENTIALS:
        (folder / kind).mkdir()
    auths = {name: swanctl(each, name, folder) for name, each in config.connections()}
    path = write(folder, "swanctl.conf", "swanctl.conf.j2", config=config, auths=auths, responders={})
    settings = Settings.from_file(path)
    assert len(settings.warnings) == len(notes), settings.warnings
    assert all(note in line for note, line in zip(notes, settings.warnings, strict=True))
    return settings.connection("lab"), config


def connected(config: IkeConfig, ours: IkeConfig) -> Pair:
    pair = Pair(config)
    pair.connect(ours.replace(remote=BOB, children=ChildConfig(local_ts="10.1.0.0/24", remote_ts="10.2.0.0/24")))
    return pair


ONE, TWO = (Ppk("0x" + digits * 32, name) for digits, name in (("ab", "q1"), ("cd", "q2")))
WORKING: dict[str, dict[str, Any]] = {
    "certificates": {"auth": Credentials()},
    "scheme": {"auth": Credentials.alike(intermediate="sent", scheme="ecdsa-sha384")},
    "known": {"auth": Credentials.alike(intermediate="known", key="ed25519")},
    "two of theirs": {"auth": Credentials(theirs=OTHER)},
    "two of ours": {"auth": Credentials(ours=OTHER)},
    "psk of theirs": {"auth": Credentials(theirs=PSK)},
    "psk of ours": {"auth": Credentials(ours=PSK)},
    "raw keys": {"auth": Credentials.alike(by="public-key")},
    "revocation": {"auth": Credentials(ours=EndAuth(checked="required", evidence="crl"))},
    "names": {"auth": Credentials(), "local_id": "C=CH, O=fynx, CN=gw", "remote_id": "10.0.0.1"},
    "ppk": {"ppk": (ONE,), "ppk_required": True},
    "ppks": {"auth": Credentials(), "ppk": (ONE, TWO), "ppk_required": True},
}

NAMED = EndAuth(by="eap-tls", names=("carol",))
EAP: dict[str, tuple[EndAuth, EndAuth]] = {
    "mschapv2": (EndAuth(by="eap-mschapv2"), EndAuth()),
    "md5": (EndAuth(by="eap-md5"), EndAuth()),
    "tls": (NAMED, EndAuth()),
    "tls alone": (NAMED, EndAuth(by="eap")),
    "ttls": (EndAuth(by="eap-ttls"), EndAuth()),
    "ttls mschapv2": (EndAuth(by="eap-ttls", inner="eap-mschapv2"), EndAuth()),
    "ttls alone": (EndAuth(by="eap-ttls"), EndAuth(by="eap")),
}


@pytest.mark.parametrize("name", EAP)
def test_a_gateway_of_the_lab(tmp_path, name):
    """We are charon, the gateway; the client is the lab's mirror of it."""
    client, gateway = EAP[name]
    config, lab = theirs(
        tmp_path, "remote.id: IDi may say anything beside eap_id", auth=Credentials(ours=client, theirs=gateway)
    )
    pair = connected(config, lab.mirrored())
    assert pair.bobs.established, pair.network.events
    assert pair.bobs.peer_proof is not None
    assert pair.bobs.peer_proof.by.lower() == f"{client.by} as carol"


@pytest.mark.parametrize("name", EAP)
def test_a_client_of_the_lab(tmp_path, name):
    """We are charon, the client, and connect to the lab's mirror of it, a gateway that asks who the user is."""
    client, gateway = EAP[name]
    config, lab = theirs(tmp_path, auth=Credentials(theirs=client, ours=gateway))
    pair = Pair(lab.mirrored().replace(remote=None))
    pair.connect(config.replace(remote=BOB))
    assert pair.bobs.established, pair.network.events
    assert pair.bobs.peer_proof is not None
    assert pair.bobs.peer_proof.by.lower() == f"{client.by} as carol"


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", WORKING)
def test_it_is_a_connection_that_works(tmp_path, name):
    fields = WORKING[name]
    several = ("ppk_id: it is not set",) if len(fields.get("ppk", ())) > 1 else ()
    config, lab = theirs(tmp_path, *several, **fields)
    pair = connected(config, lab.mirrored())
    assert pair.bobs.established, pair.network.events
    assert (str(config.local_id), str(config.remote_id)) == (lab.local_id, lab.remote_id)
    assert pair.bobs.config.ppk == lab.ppk


def test_it_refuses_what_charon_refuses(tmp_path):
    end = EndAuth(checked="required", evidence="crl", revoked=True)
    config, lab = theirs(tmp_path, auth=Credentials(ours=end))
    pair = connected(config, lab.mirrored())
    assert [each.code for each in pair.of("bob", PeerCertificateRefused)] == ["certificate.revoked"]
