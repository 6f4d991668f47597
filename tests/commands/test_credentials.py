# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of fynx connect and fynx serve for credentials, and the credentials that they make."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

from fynx_scapy import Session
from fynx_scapy.cli import main
from fynx_scapy.commands.credentials import CREDENTIALS, credentials_of
from fynx_scapy.commands.replay import _certificate
from fynx_scapy.commands.running import named
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import IkeConfig, Ppk, Psk
from fynx_scapy.ike.credentials.certificates import Certificate
from fynx_scapy.pki.making import Authority, Issued

PASSPHRASE = "hush-hush-1234"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """root.crt, gw.crt with gw.key and gw.chain.crt, gw.p12 with a passphrase in pw, and a pre-shared key."""
    made = tmp_path_factory.mktemp("pki")
    root = Authority.root("CN=root")
    issued = root.intermediate("CN=intermediate").issue("CN=gw", names=["gw.example"])
    _write(made, root, issued)
    return made


def _write(folder: Path, root: Authority, issued: Issued) -> None:
    (folder / "root.crt").write_bytes(root.cert.public_bytes(Encoding.PEM))
    issued.write(folder, "gw")
    (folder / "gw.p12").write_bytes(issued.pkcs12(PASSPHRASE))
    (folder / "pw").write_text(PASSPHRASE + "\n")
    (folder / "psk").write_text("a key\n")
    (folder / "ppk").write_text("0x" + "5a" * 32 + "\n")
    (folder / "odd").write_text("0xhush")
    (folder / "empty").touch()
    (folder / "garbage").write_bytes(bytes(range(256)))
    (folder / "torn.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    (folder / "locked.key").write_bytes(issued.key_pem(PASSPHRASE))
    (folder / "root.crl").write_bytes(root.crl())
    (folder / "gw.ocsp").write_bytes(root.ocsp(issued))
    root.issue("CN=other", ["other.example"]).write(folder, "other")
    root.issue("CN=old", ["old.example"], expired=True).write(folder, "old")
    root.issue("CN=early", ["early.example"], not_yet_valid=True).write(folder, "early")


def made(folder: Path, *words: str) -> IkeConfig:
    """The configuration that these options make. Errors reach the caller."""
    found: list[IkeConfig] = []

    def command(**given: Any) -> None:
        found.append(IkeConfig(**credentials_of(given)))

    for option in reversed(CREDENTIALS):
        command = option(command)
    program = click.command()(command)
    done = CliRunner().invoke(program, [word.format(folder) for word in words], standalone_mode=False)
    assert PASSPHRASE not in f"{done.output}{done.exception}"
    if done.exception is not None:
        raise done.exception
    return found[0]


def test_a_certificate_with_its_chain_and_whom_we_trust(folder: Path) -> None:
    config = made(
        folder, "--cert", "{}/gw.crt", "--key", "{}/gw.key", "--chain", "{}/gw.chain.crt", "--ca", "{}/root.crt"
    )
    assert isinstance(config.auth, Certificate)
    assert len(config.auth.chain) == 1
    assert str(config.local_id) == "gw.example"
    assert config.trust is not None
    assert config.trust.revocation == "if-known"


def test_a_pkcs12_file_opens_with_its_passphrase_alone(folder: Path) -> None:
    words = ("--cert", "{}/gw.p12", "--ca", "{}/root.crt")
    config = made(folder, *words, "--passphrase-file", "{}/pw", "--revocation", "required")
    assert isinstance(config.auth, Certificate)
    assert len(config.auth.chain) == 1
    assert config.trust is not None
    assert config.trust.revocation == "required"
    with pytest.raises(ConfigError, match=r"gw\.p12: .*passphrase"):
        made(folder, *words)


def test_each_end_may_have_another_credential(folder: Path) -> None:
    config = made(folder, "--psk-file", "{}/psk", "--ca", "{}/root.crt")
    assert isinstance(config.auth, Psk)
    assert config.trust is not None
    config = made(folder, "--psk-file", "{}/psk", "--cert", "{}/gw.crt", "--key", "{}/gw.key")
    assert isinstance(config.auth, Certificate)
    assert isinstance(config.remote_auth, Psk)


def test_a_key_of_the_environment_is_not_that_of_a_peer_beside_a_certificate(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYNX_PSK_FILE", str(folder / "psk"))
    with pytest.raises(click.UsageError, match="expected --ca beside --cert"):
        made(folder, "--cert", "{}/gw.crt", "--key", "{}/gw.key")
    assert isinstance(
        made(folder, "--cert", "{}/gw.crt", "--key", "{}/gw.key", "--ca", "{}/root.crt").auth, Certificate
    )
    assert isinstance(made(folder, "--ca", "{}/root.crt").auth, Psk)


def test_what_says_whether_a_certificate_is_revoked(folder: Path) -> None:
    words = ("--psk-file", "{}/psk", "--ca", "{}/root.crt", "--crl", "{}/root.crl", "--ocsp", "{}/gw.ocsp")
    trust = made(folder, *words).trust
    assert trust is not None
    assert (len(trust.crls), len(trust.ocsp)) == (1, 1)


def test_a_post_quantum_key_goes_with_either(folder: Path) -> None:
    ppk = ("--ppk-file", "{}/ppk", "--ppk-id", "branch")
    config = made(folder, "--psk-file", "{}/psk", *ppk)
    assert (config.ppk, config.ppk_required) == ((Ppk(b"\x5a" * 32, "branch"),), False)
    words = ("--cert", "{}/gw.crt", "--key", "{}/gw.key", "--ca", "{}/root.crt", *ppk, "--ppk-required")
    assert made(folder, *words).ppk_required


@pytest.mark.parametrize(("theirs", "told"), [({}, " (PPK branch), "), ({"ppk": ()}, " (without a PPK), ")])
def test_the_line_of_a_tunnel_says_whether_it_has_the_post_quantum_key(theirs: Any, told: str) -> None:
    s = Session(config=IkeConfig(auth="a key", ppk=(Ppk(b"\x5a" * 32, "branch"),)), peer=theirs, seed=1)
    s.connect()
    session: Any = SimpleNamespace(
        sa=s.sa, local_id="moon", remote_id="sun", local="a", remote="b", addresses=(), children=()
    )
    assert named(session) == f"moon > sun{told}a > b"


CERT, CA, LOCKED = "--cert {}/gw.crt", " --ca {}/root.crt", "--cert {}/gw.crt --key {}/locked.key --ca {}/root.crt"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            CERT + " --key {}/other.key" + CA,
            "the P-256 key in --key {}/other.key does not fit the certificate CN=gw in --cert {}/gw.crt",
        ),
        (CERT + CA, "{}/gw.crt: expected a private key, found a certificate; if it is in another file, give --key"),
        (CERT + " --key {}/gw.key", "expected --ca beside --cert"),
        (LOCKED, "{}/locked.key: the private key is encrypted, and no passphrase is given"),
        (LOCKED + " --passphrase-file {}/psk", "{}/locked.key: the passphrase does not open the private key"),
        (LOCKED + " --passphrase-file {}/empty", "{}/empty: expected a passphrase, but the file is empty"),
        ("--cert {}/gw.p12" + CA, "{}/gw.p12: cannot open PKCS #12: it needs a passphrase, and none is given"),
        ("--cert {}/gw.p12 --passphrase-file {}/psk" + CA, "{}/gw.p12: cannot open PKCS #12: the passphrase is wrong"),
        ("--cert {}/old.crt --key {}/old.key" + CA, "expected {}/old.crt: CN=old to be valid at"),
        ("--cert {}/early.crt --key {}/early.key" + CA, "expected {}/early.crt: CN=early to be valid at"),
        (CERT + " --key {}/gw.key --chain {}/root.crt" + CA, "expected the chain of {}/gw.crt to hold the issuer of"),
        (CERT + " --key {}/gw.key --local-id moon.example" + CA, "expected IkeConfig.local_id to be an identity in"),
        ("--cert {}/garbage" + CA, "{}/garbage: expected a certificate in PEM, DER or PKCS #7, found something else"),
        ("--cert {}/empty" + CA, "{}/empty: it is empty"),
        ("--cert {}/none" + CA, "File '{}/none' does not exist"),
        ("--cert {}" + CA, "File '{}' is a directory"),
        ("--cert {}/torn.crt --key {}/gw.key" + CA, "{}/torn.crt: cannot read a certificate"),
        (CERT + " --key {}/gw.crt" + CA, "{}/gw.crt: expected a private key, found a certificate"),
        ("--psk-file {}/psk --ca {}/gw.key", "{}/gw.key: expected a certificate, found a private key"),
        ("--psk-file {}/psk --ca {}/root.crt --crl {}/root.crt", "{}/root.crt: expected a CRL, found a certificate"),
        (
            "--psk-file {}/psk --ca {}/root.crt --ocsp {}/root.crl",
            "{}/root.crl: expected an OCSP response in DER, found",
        ),
        ("--psk-file {}/psk --ocsp {}/gw.ocsp", "--ocsp is about --ca, which is missing"),
        ("--psk-file {}/psk --ppk-file {}/ppk", "--ppk-file is about --ppk-id, which is missing"),
        ("--psk-file {}/psk --ppk-id branch", "--ppk-id is about --ppk-file, which is missing"),
        ("--psk-file {}/psk --ppk-required", "--ppk-required is about --ppk-file, which is missing"),
        ("--psk-file {}/psk --ppk-id a --ppk-file {}/empty", "{}/empty: expected a post-quantum pre-shared key, but"),
        ("--psk-file {}/psk --ppk-id a --ppk-file {}/odd", "expected hex digits after 0x in {}/odd"),
        ("--psk-file {}/odd", "expected hex digits after 0x in {}/odd"),
        ("--psk-file {}/psk --ppk-id 0x5 --ppk-file {}/ppk", "expected hex digits after 0x in a PPK_ID"),
    ],
)
@pytest.mark.parametrize("command", ["connect 127.0.0.1:9 --duration 1", "serve --local 127.0.0.1 --port 9999"])
def test_a_mistake_is_one_error_before_anything_is_sent(folder: Path, command: str, words: str, told: str) -> None:
    done = CliRunner().invoke(main, [word.format(folder) for word in f"{command} {words}".split()])
    assert done.exit_code == 2
    assert told.replace("{}", str(folder)) in done.output
    assert done.output.count("Error: ") == 1
    assert not any(secret in done.output for secret in (PASSPHRASE, "hush"))
    assert "serving" not in done.output


def test_the_passphrase_of_a_replay_is_read_like_any_other(folder: Path) -> None:
    """A device without end was read until memory was full."""
    for path, told in ((Path("/dev/zero"), "larger than 64 KB"), (folder / "root.crt", "on one line")):
        with pytest.raises(click.UsageError, match=told):
            _certificate(folder / "root.crt", folder / "root.crt", path)
