# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx run``, ``fuzz`` and ``scan`` authenticate to a live peer with certificates and PPKs, by the same options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fynx_scapy import Certificate, Ppk
from fynx_scapy.pki.making import Authority
from fynx_scapy.scan.scanner import Scan
from tests.harness.peers import KEY, Bob, bob, fynx


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, Alice's certificate with its key, Bob's, a pre-shared key and a PPK."""
    made = tmp_path_factory.mktemp("pki")
    root = Authority.root("CN=root")
    (made / "ca.pem").write_bytes(root.cert.public_bytes(Encoding.PEM))
    for name in ("alice", "bob"):
        issued = root.issue(f"CN={name}", [name + ".example"])
        (made / f"{name}.pem").write_bytes(issued.pem + issued.key_pem())
    (made / "psk").write_text(KEY)
    (made / "ppk").write_text("0x" + "5a" * 32)
    return made


@pytest.fixture(scope="module")
def peer(folder: Path) -> Iterator[Bob]:
    """Bob, who has a certificate and wants one, and a PPK."""
    ppk = Ppk(b"\x5a" * 32, "branch")
    proof = Certificate(folder / "bob.pem")
    with bob(auth=proof, trust=folder / "ca.pem", local_id=None, ppk=ppk, ppk_required=True) as made:
        yield made


def options(folder: Path) -> list[object]:
    words = (
        "--cert",
        folder / "alice.pem",
        "--ca",
        folder / "ca.pem",
        "--ppk-file",
        folder / "ppk",
        "--ppk-id",
        "branch",
    )
    return [*words, "--ppk-required", "--remote-id", "bob.example"]


def test_run(folder: Path, peer: Bob) -> None:
    where = ("--target", f"127.0.0.1:{peer.port}", "--ping", "10.2.0.1", "--json")
    done = fynx("run", "liveness", "--role", "initiator", *where, *options(folder))
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [result["verdict"] for result in report["results"]] == ["PASS"]
    assert f"--cert {folder}/alice.pem --ca {folder}/ca.pem --ppk-file {folder}/ppk" in report["command"]
    assert "--ppk-required" in report["command"].split()


def test_fuzz(folder: Path, peer: Bob, tmp_path: Path) -> None:
    where = ("--target", f"127.0.0.1:{peer.port}", "--ping", "10.2.0.1", "--to", tmp_path / "found", "--rate", 1000)
    done = fynx("fuzz", "--cases", 1, "--seed", 3, "--json", *where, *options(folder))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["cases"] == 1


def test_scan(folder: Path, peer: Bob, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def run(self: Scan) -> None:
        assert self._authenticate is not None
        with self._authenticate(peer.endpoint.configs[0].proposals) as session:
            session.connect()
            found.append(str(session.sa.remote_id))

    monkeypatch.setattr(Scan, "run", run)
    done = fynx("scan", f"127.0.0.1:{peer.port}", *options(folder))
    assert (done.exit_code, found) == (0, ["bob.example"]), done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run --cert {}/alice.pem", "--cert is about a live peer, but there is no --target"),
        ("run --ppk-id branch", "--ppk-id is about a live peer, but there is no --target"),
        ("run --target 127.0.0.1 --cert {}/alice.pem", "expected --ca beside --cert"),
        ("run --target 127.0.0.1 --psk-file {}/psk --ca {}/psk", "{}/psk: expected a certificate"),
        (
            "run --target 127.0.0.1 --cert {}/alice.pem --ca {}/ca.pem --local-id x.example",
            "local_id to be an identity",
        ),
        ("fuzz --ca {}/ca.pem", "--ca describes a live peer, but --target is missing"),
        ("fuzz --target 127.0.0.1 --psk-file {}/psk --ppk-id a", "--ppk-id is about --ppk-file, which is missing"),
        ("scan 127.0.0.1 --cert {}/ca.pem --ca {}/ca.pem", "{}/ca.pem: expected a private key"),
        ("scan 127.0.0.1 --ca {}/ca.pem", "expected the peer's key: give --psk-file"),
        (
            "scan 127.0.0.1 --offer default --ca {}/ca.pem",
            "--offer asks one question without an IKE SA: leave out --ca",
        ),
        ("scan 127.0.0.1 --psk-file {}/psk --ca {}/ca.pem --remote-id ''", "an identity"),
    ],
)
def test_misuse(folder: Path, words: str, told: str) -> None:
    done = fynx(*[word.replace("{}", str(folder)).replace("''", "") for word in words.split()])
    assert done.exit_code == 2, done.output
    assert told.replace("{}", str(folder)) in done.output
