# SPDX-License-Identifier: GPL-2.0-or-later
"""fynx serve says whom it has refused and why, and fynx connect why it was refused or has refused."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fynx_scapy import Certificate, IkeConfig, Session, Trust
from fynx_scapy.cli import main
from fynx_scapy.commands.refusing import BURST, EVERY, Refusals
from fynx_scapy.commands.screen import Screen
from fynx_scapy.errors import FynxError
from fynx_scapy.events import RequestRefused
from fynx_scapy.net import Network
from fynx_scapy.pki.making import Authority
from tests.harness.peers import bob


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.root("CN=root")


def own(root: Authority, name: str, **changes: Any) -> Certificate:
    issued = root.issue(f"CN={name}", [name + ".example"], **changes)
    return Certificate(issued.cert, issued.key, check=False)


def served(client: IkeConfig, server: IkeConfig) -> str:
    """What a server says on screen of a client that it refuses."""
    out, network = io.StringIO(), Network()
    refusals = Refusals(Screen(out), network)
    s = Session(config=client, peer=server, network=network, seed=1)
    with contextlib.suppress(FynxError):
        s.connect()
    assert not s.sa.established
    assert refusals.total == 1
    (line,) = out.getvalue().splitlines()
    return line.partition(" ")[2]


def test_a_certificate_that_is_refused_is_named_with_the_reason(root: Authority) -> None:
    trust = Trust(root.cert)
    bad = IkeConfig(auth=own(root, "alice", expired=True), trust=trust)
    line = served(bad, IkeConfig(auth=own(root, "bob"), trust=trust))
    assert line.startswith("refused 192.0.2.1:500: CN=alice was valid until ")
    assert line.endswith(" [certificate.expired]")


def test_so_is_any_other_refusal() -> None:
    line = served(IkeConfig(auth="one"), IkeConfig(auth="another"))
    assert line == "refused 192.0.2.1:500: the AUTH payload of fynx does not verify [peer.authentication-failed]"


def test_many_refusals_do_not_flood_the_screen() -> None:
    out, network = io.StringIO(), Network()
    s = Session(psk="one", peer={"psk": "another"}, network=network, seed=1)
    s.connect()
    (event,) = (event for _, event in s.events if isinstance(event, RequestRefused))
    refusals = Refusals(Screen(out), network)
    for _ in range(BURST + 40):
        refusals.heard("server", event)
    assert len(out.getvalue().splitlines()) == BURST
    network.run(2 * EVERY)
    refusals.heard("server", event)
    assert (
        out.getvalue().splitlines()[BURST:][0].endswith("[peer.authentication-failed]; 40 refusals before it not shown")
    )
    assert refusals.total == BURST + 41


# fynx connect


@pytest.fixture(scope="module")
def folder(root: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pki")
    (made / "ca.pem").write_bytes(root.pem)
    for name, authority in (("alice", root), ("stranger", Authority.root("CN=other"))):
        issued = authority.issue(f"CN={name}", [name + ".example"])
        (made / f"{name}.pem").write_bytes(issued.pem + issued.key_pem())
    return made


@pytest.mark.parametrize(
    ("client", "server", "told"),
    [
        ("alice", {"revoked": True}, "CN=bob was revoked"),
        ("alice", {"expired": True}, "CN=bob was valid until"),
        ("stranger", {}, "AUTHENTICATION_FAILED"),
    ],
)
def test_connect_says_why_and_ends_with_1(
    root: Authority, folder: Path, client: str, server: dict[str, Any], told: str
) -> None:
    revoked, code = "revoked" in server, "peer.authentication-failed"
    issued = root.issue(
        "CN=bob", ["bob.example"], **{name: value for name, value in server.items() if name != "revoked"}
    )
    (folder / "crl").write_bytes(root.crl([issued] if revoked else []))
    proof = Certificate(issued.cert, issued.key, check=False)
    with bob(auth=proof, trust=folder / "ca.pem", local_id=None) as peer:
        words = ("--cert", f"{folder}/{client}.pem", "--ca", f"{folder}/ca.pem", "--crl", f"{folder}/crl")
        done = CliRunner().invoke(main, ["connect", f"127.0.0.1:{peer.port}", *words, "--duration", "5"])
    assert done.exit_code == 1, done.output
    assert told in done.output
    code = "certificate." + ("revoked" if revoked else "expired") if client == "alice" else code
    assert f"[{code}]" in done.output
