# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay of conversations that signed with certificates: AUTH is signed anew, with the certificate that is given."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from pathlib import Path

import click.testing
import pytest

from fynx_scapy import Session
from fynx_scapy.capture.audit import Status, audit
from fynx_scapy.capture.capture import Capture
from fynx_scapy.capture.replay.player import Report, play
from fynx_scapy.capture.replay.recording import Recording, load
from fynx_scapy.commands.audit import audit as audit_command
from fynx_scapy.commands.replay import replay as command
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.credentials.certificates import Certificate
from fynx_scapy.net import Recorder
from fynx_scapy.pki.making import Authority
from fynx_scapy.pki.making.issued import Issued
from fynx_scapy.pki.trust import Trust
from fynx_scapy.session_setup import PeerFields
from tests.shared import shared


@functools.cache
def root() -> Authority:
    return Authority.root(key="ecdsa-p256")


@functools.cache
def issued(name: str) -> Issued:
    return root().issue(f"CN={name}", names=[name], key="ecdsa-p256")


def own(name: str) -> Certificate:
    return Certificate(issued(name).cert, issued(name).key)


@functools.cache
def lab(name: str) -> Recording:
    """A conversation of the lab."""
    return load(shared(f"captures/lab/{name}.pcap"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of two of our own endpoints that sign."""
    folder = tmp_path_factory.mktemp("signed")
    recorder = Recorder()
    config = IkeConfig(auth=own("alice.example"), trust=Trust(root().cert), remote_id="bob.example")
    session = Session(config=config, peer=PeerFields(auth=own("bob.example"), local_id="bob.example"))
    recorder.watch(session.network, "run")
    session.connect()
    session.rekey_child()
    session.delete()
    recorder.save_capture(folder / "run.pcapng")
    recorder.keys().save(folder / "run.keys")
    return folder / "run.pcapng"


def same(report: Report) -> None:
    assert report.ok, (report.error, [str(each) for each in report.differences])
    assert report.established


def test_our_own_conversation_is_as_recorded(ours: Path) -> None:
    same(play(load(ours), certificate=own("alice.example")))


@pytest.mark.parametrize("name", ["cert-ecdsa", "cert-ed25519", "cert-rsa"])
def test_conversations_of_the_lab(name: str) -> None:
    report = play(lab(name), certificate=own("alice.example"))
    assert report.established, report.error
    assert not report.error


def test_another_identity_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigError, match=r"expected IkeConfig.local_id to be an identity in the certificate"):
        play(lab("cert-ecdsa"), certificate=own("mallory.example"))


def test_a_certificate_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"give them with --cert and --key"):
        play(lab("cert-ecdsa"))
    with pytest.raises(ConfigError, match=r"give it with --ca"):
        play(lab("cert-ecdsa"), target="127.0.0.1", certificate=own("alice.example"))


def test_the_audit_judges_our_own_chains(ours: Path) -> None:
    with Capture(ours) as capture:
        found = audit(capture, trust=Trust(root().cert), at=datetime.now(UTC))  # the packets have virtual time
    assert [each.status for each in found.find("auth.chain")] == [Status.OK, Status.OK]
    assert [each.status for each in found.find("auth.identity")] == [Status.OK, Status.OK]
    assert [each.status for each in found.find("auth.verified")] == [Status.OK, Status.OK]


@pytest.mark.parametrize(("status", "verdicts"), [("good", ["leads to"]), ("revoked", ["is refused", "leads to"])])
def test_the_audit_takes_ocsp_responses_from_files(
    ours: Path, tmp_path: Path, status: str, verdicts: list[str]
) -> None:
    (tmp_path / "ca.der").write_bytes(root().der)
    (tmp_path / "alice.ocsp").write_bytes(root().ocsp(issued("alice.example"), status))
    words = [
        ours,
        "--ca",
        tmp_path / "ca.der",
        "--ocsp",
        tmp_path / "alice.ocsp",
        "--at",
        datetime.now(UTC).isoformat(),
    ]
    words += ["--json", tmp_path / "found.json"]
    done = click.testing.CliRunner().invoke(audit_command, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    (document,) = json.loads((tmp_path / "found.json").read_text())["captures"]
    titles = [each["title"] for each in document["findings"] if each["rule"] == "auth.chain"]
    assert len(titles) == len(verdicts)
    assert all(verdict in title for verdict, title in zip(verdicts, titles, strict=True)), titles


def test_a_scenario_has_no_key_to_sign_with(ours: Path, tmp_path: Path) -> None:
    done = click.testing.CliRunner().invoke(command, [str(ours), "--to-scenario", str(tmp_path / "again.py")])
    assert done.exit_code == 2
    assert "a scenario has no private key to sign with" in " ".join(done.output.split())
    assert not (tmp_path / "again.py").exists()


def test_command(ours: Path, tmp_path: Path) -> None:
    written = issued("alice.example").write(tmp_path, "alice", passphrase="open sesame")
    (tmp_path / "word").write_text("open sesame\n")
    words = [str(ours), "--cert", str(written.certificate), "--key", str(written.key)]
    found = click.testing.CliRunner().invoke(command, [*words, "--passphrase-file", str(tmp_path / "word")])
    assert found.exit_code == 0, found.output
    assert "everything is as recorded" in found.output
    assert click.testing.CliRunner().invoke(command, words).exit_code == 2  # encrypted, and no passphrase
    assert click.testing.CliRunner().invoke(command, words[:3]).exit_code == 2
