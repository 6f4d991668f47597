# SPDX-License-Identifier: GPL-2.0-or-later
"""fynx connect and fynx serve with a live strongSwan, from the swanctl.conf that a user of strongSwan writes."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from fynx_scapy.lab import Lab, PeerConfig
from tests.commands.programs import Program

CONF = """
defaults {{
  version = 2
  local {{
    auth = psk
    id = "{local_id}"
  }}
  remote {{
    auth = psk
    id = bob
  }}
  proposals = aes128gcm16-prfsha256-x25519
}}
connections {{
  office : defaults {{
    local_addrs = {local}
    remote_addrs = {remote}
    rekey_time = 2s
    rand_time = 0
    over_time = 10s
    children {{
      lan {{
        local_ts = {local_ts}
        remote_ts = {remote_ts}
        rekey_time = 1s
        life_time = 10s
        rand_time = 0
      }}
    }}
  }}
}}
secrets {{
  ike-bob {{
    id = bob
    secret = "lab psk for testing"
  }}
}}
"""


def written(folder: Path, lab: Lab, local_id: str = "alice") -> str:
    """Our side of the lab as a swanctl.conf."""
    child = lab.config.children[0]
    path = folder / "swanctl.conf"
    path.write_text(
        CONF.format(
            local=lab.ours.address(), remote=lab.target.host, local_ts=child.remote_ts[0], remote_ts=child.local_ts[0],
            local_id=local_id,
        )
    )  # fmt: skip
    path.chmod(0o600)
    return str(path)


def program(lab: Lab, *words: str) -> Program:
    return Program(*words, inside=("nsenter", f"--net={lab.ours.namespace.path}"))


@pytest.mark.usefixtures("strongswan")
def test_a_client_with_rekeys_and_pings(tmp_path: Path) -> None:
    with Lab() as lab:
        words = ("--config", written(tmp_path, lab), "--ping", lab.theirs.inner, "--duration", "6")
        with program(lab, "connect", *words) as client:
            assert client.ended() == 0, str(client)
        assert any("office: alice > bob" in line for line in client.lines)
        assert any("IKE SA rekeyed by us" in line for line in client.lines)
        assert any("Child SA rekeyed by us" in line for line in client.lines)
        found = re.search(r"(\d+) pings?, (\d+) answers?", client.lines[-1])
        assert found
        assert int(found[1]) == int(found[2]) >= 5


@pytest.mark.usefixtures("strongswan")
def test_a_server(tmp_path: Path) -> None:
    with Lab() as lab, program(lab, "serve", "--config", written(tmp_path, lab)) as server:
        server.until("serving 1 connection")
        lab.peer.initiate()
        server.until("office: alice > bob")
        probe = lab.inside.probe("10.1.0.1")
        probe.send()
        assert lab.run(lambda: probe.complete)
        assert server.ended(signal.SIGINT) == 0
        assert lab.run(lambda: not lab.peer.sas())


@pytest.mark.usefixtures("strongswan")
def test_load(tmp_path: Path) -> None:
    with Lab(PeerConfig(remote_id="%any", remote="%any")) as lab:
        words = ("--config", written(tmp_path, lab, "client-{n}"), "--ping", lab.theirs.inner, "--tunnels", "10")
        with program(lab, "connect", *words, "--duration", "2", "--traffic", "50/100") as client:
            assert client.ended() == 0, str(client)
        assert client.lines[0].startswith("10 of 10 tunnels were set up")
