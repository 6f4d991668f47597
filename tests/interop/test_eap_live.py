# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP from configuration files, TOML and swanctl.conf, with a live charon as the other end."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy.harness.worlds.credentials import Credentials, EndAuth
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.pki.making.issued import pem
from fynx_scapy.settings import Settings

METHODS = {"mschapv2": EndAuth(by="eap-mschapv2"), "ttls": EndAuth(by="eap-ttls")}
TOML = {
    ("mschapv2", True): "eap = 'mschapv2', user = 'carol', password = 'Ar3etTnp'",
    ("ttls", True): "eap = 'ttls', user = 'carol', password = 'Ar3etTnp', ca = 'x509ca/file', inner = 'eap-md5',"
    "server = 'bob'",
    ("mschapv2", False): "eap = 'mschapv2', users.carol = 'Ar3etTnp'",
    ("ttls", False): "eap = 'ttls', users.carol = 'Ar3etTnp', cert = 'x509/file', key = 'private/file'",
}


def put(folder: Path, kind: str, octets: bytes) -> None:
    (folder / kind).mkdir()
    path = folder / kind / "file"
    path.touch(mode=0o600)
    path.write_bytes(octets)


def written(folder: Path, lab: Lab, form: str, method: str, *, client: bool) -> Path:
    """The mirror of the lab's connection: a client, or a gateway, with the files that it needs beside it."""
    made = lab.config.credentials
    put(folder, "x509ca", b"".join(pem("CERTIFICATE", each) for each in made.anchors))
    for held in made.ours:
        put(folder, "x509", held.issued.pem)
        put(folder, "private", held.issued.key_pem())
    path = folder / f"own.{form}"
    path.touch(mode=0o600)
    if form == "toml":
        ours = "auth" if client else "remote_auth"
        rest = (
            "trust = 'x509ca/file'\nremote_id = 'bob'"
            if client
            else "auth = { cert = 'x509/file', key = 'private/file' }"
        )
        path.write_text(f"""[connections.gw]
remote = '{lab.config.local}'
local_id = 'alice'
{rest}
{ours} = {{ {TOML[method, client]} }}
children = {{ local_ts = '10.1.0.0/24', remote_ts = '10.2.0.0/24' }}
""")
        return path
    user = "id = alice\n eap_id = carol"
    ends = (
        (f"auth = eap-{method}\n {user}", "id = bob")
        if client
        else ("certs = file\n id = alice", f"auth = eap-{method}\n eap_id = %any")
    )
    path.write_text(f"""connections {{ gw {{
  remote_addrs = {lab.config.local}
  local {{ {ends[0]}
  }}
  remote {{ {ends[1]}
  }}
  children {{ net {{ local_ts = 10.1.0.0/24
    remote_ts = 10.2.0.0/24
  }} }}
}} }}
secrets {{ eap {{ id = carol
  secret = Ar3etTnp
}} }}
""")
    return path


@pytest.mark.parametrize("form", ["toml", "conf"])
@pytest.mark.parametrize("method", METHODS)
def test_we_are_the_client(tmp_path: Path, method: str, form: str) -> None:
    config = PeerConfig(auth=Credentials(ours=METHODS[method], theirs=EndAuth()))
    with Lab(config) as lab:
        settings = Settings.from_file(written(tmp_path, lab, form, method, client=True))
        assert settings.warnings == ()
        session = lab.session(settings.connection("gw"))
        session.connect()
        assert session.ping()
        session.rekey_ike()
        assert session.ping()


@pytest.mark.parametrize("form", ["toml", "conf"])
@pytest.mark.parametrize("method", METHODS)
def test_we_are_the_gateway(tmp_path: Path, method: str, form: str) -> None:
    config = PeerConfig(auth=Credentials(theirs=METHODS[method], ours=EndAuth()))
    with Lab(config) as lab:
        settings = Settings.from_file(written(tmp_path, lab, form, method, client=False))
        assert settings.warnings == ()
        session = lab.session(settings.connection("gw"))
        lab.peer.initiate()
        assert session.accept().peer_proof.by.lower() == f"eap-{method} as carol"
        assert lab.run(lambda: any(child.state == "INSTALLED" for sa in lab.peer.sas() for child in sa.children))
        assert session.ping()
