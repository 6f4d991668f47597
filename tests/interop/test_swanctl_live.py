# SPDX-License-Identifier: GPL-2.0-or-later
"""Our connection out of a swanctl.conf of our own, with a live charon that has certificates and a PPK."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy import Ppk
from fynx_scapy.harness.worlds.credentials import Credentials, EndAuth
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.lab.strongswan import StrongSwan, StrongSwanSid
from fynx_scapy.pki.making.issued import pem
from fynx_scapy.settings import Settings

DIGITS = "0x" + "ab" * 32
CONFIG = PeerConfig(
    auth=Credentials(
        theirs=EndAuth(intermediate="sent", scheme="ecdsa-sha384"), ours=EndAuth(key="rsa-2048", intermediate="sent")
    ),
    ppk=(Ppk(DIGITS, "q1"),),
    ppk_required=True,
)


def put(folder: Path, kind: str, octets: bytes) -> None:
    (folder / kind).mkdir()
    path = folder / kind / "file"
    path.touch(mode=0o600)
    path.write_bytes(octets)


def installed(lab: Lab) -> bool:
    """Whether charon has a Child SA."""
    return any(child.state == "INSTALLED" for sa in lab.peer.sas() for child in sa.children)


def written(folder: Path, lab: Lab, auth: str) -> Path:
    """The mirror of the lab's connection, with the credentials beside it as an administrator has them."""
    (ours,) = CONFIG.credentials.ours
    put(folder, "x509", ours.issued.pem)
    put(folder, "private", ours.issued.key_pem(b"moon"))
    put(folder, "x509ca", b"".join(pem("CERTIFICATE", each) for each in CONFIG.credentials.anchors))
    (folder / "x509ca" / "middle").write_bytes(pem("CERTIFICATE", ours.chain[0]))
    path = folder / "swanctl.conf"
    path.touch(mode=0o600)
    path.write_text(f"""
connections {{ gw {{
  remote_addrs = {lab.config.local}
  proposals = {CONFIG.ike}
  local {{ certs = file
    auth = {auth}
    id = alice
  }}
  remote {{ auth = ike:ecdsa-sha384
    id = bob
    cacerts = file
  }}
  ppk_id = q1
  ppk_required = yes
  children {{ net {{ local_ts = 10.1.0.0/24
    remote_ts = 10.2.0.0/24
    esp_proposals = aes128gcm16
  }} }}
}} }}
secrets {{
  private {{ file = file
    secret = moon
  }}
  ppk {{ id = q1
    secret = {DIGITS}
  }}
}}
""")
    return path


@pytest.mark.parametrize("kind", [StrongSwan, StrongSwanSid])
@pytest.mark.parametrize("auth", ["ike:rsa/pss-sha384", "pubkey-sha512"])
def test_we_connect(versions, tmp_path, auth, kind):
    versions(kind)
    with Lab(CONFIG, peer=kind) as lab:
        settings = Settings.from_file(written(tmp_path, lab, auth))
        assert settings.warnings == ()
        session = lab.session(settings.connection("gw"))
        session.connect()
        assert session.ping()
        session.rekey_ike()
        assert session.ping()
        assert [each.established for each in lab.peer.sas()] == [True]


@pytest.mark.parametrize("kind", [StrongSwan, StrongSwanSid])
def test_charon_connects(versions, tmp_path, kind):
    versions(kind)
    with Lab(CONFIG, peer=kind) as lab:
        session = lab.session(Settings.from_file(written(tmp_path, lab, "pubkey")).connection("gw"))
        lab.peer.initiate()
        assert session.accept().peer_proof.method == 14
        assert lab.run(lambda: installed(lab))  # ours may be there before the peer's, which would drop a packet
        assert session.ping()
