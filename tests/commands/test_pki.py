# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx pki``: what it makes, shows and judges, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.pki.openssl import openssl
from tests.test_cli import fynx


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "new"
    done = fynx("pki", "make", folder, "--seed", "tests", "--bad", "--gateway", "gw.example", "--gateway", "192.0.2.1")
    assert (done.exit_code, done.stderr) == (0, "warning: anybody who knows the seed can make these keys\n")
    return folder


def checked(made: Path, leaf: str, *words: object) -> Result:
    chain = made / leaf.replace(".crt", ".chain.crt")
    return fynx("pki", "check", made / leaf, "--ca", made / "root.crt", "--chain", chain, *words)


def issuer(made: Path) -> list[object]:
    return ["--ca", made / "intermediate.crt", "--ca-key", made / "intermediate.key"]


def test_everything_is_there(made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    assert {"root.crt", "gateway.crt", "gateway.key", "gateway.chain.crt", "client.ocsp", "intermediate.crl"} <= names
    assert {path.stat().st_mode & 0o777 for path in made.rglob("*.key")} == {0o600}
    certificate = made / "gateway.crt"
    assert openssl("verify", "-CAfile", made / "root.crt", "-untrusted", made / "gateway.chain.crt", certificate) == (
        f"{certificate}: OK\n"
    )
    crl = openssl("crl", "-in", made / "intermediate.crl", "-noout", "-CAfile", made / "intermediate.crt")
    assert "verify OK" in crl


def test_nothing_is_overwritten(made: Path) -> None:
    before = (made / "root.key").read_bytes()
    done = fynx("pki", "make", made)
    assert done.exit_code == 2
    assert "root.crt and 14 more exist: --force overwrites" in done.stderr
    assert (made / "root.key").read_bytes() == before


def test_a_seed_makes_the_same_again(made: Path, tmp_path: Path) -> None:
    words = ["--seed", "tests", "--gateway", "gw.example", "--gateway", "192.0.2.1"]
    assert fynx("pki", "make", tmp_path, *words).exit_code == 0
    assert fynx("pki", "make", tmp_path, *words, "--force").exit_code == 0
    for name in ("root.key", "gateway.crt", "client.ocsp", "root.crl"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_json_has_the_verdict_of_each_bad_one(tmp_path: Path) -> None:
    done = json.loads(fynx("pki", "make", tmp_path, "--bad", "--json").stdout)
    told = {each["file"]: each.get("verdict") for each in done["files"]}
    assert told["bad/expired.crt"] == "certificate.expired"
    assert told["gateway.crt"] is None


def test_a_good_one_is_accepted(made: Path) -> None:
    words = ["--crl", made / "root.crl", "--ocsp", made / "gateway.ocsp", "--revocation", "required"]
    done = checked(made, "gateway.crt", "--id", "GW.example", *words)
    assert done.exit_code == 0
    assert "accepted (judged by cryptography)" in done.stdout
    assert "identity: dNSName gw.example" in done.stdout
    told = json.loads(checked(made, "gateway.crt", "--json").stdout)
    assert (told["accepted"], len(told["chain"])) == (True, 3)


@pytest.mark.parametrize(
    ("leaf", "words", "code"),
    [
        ("bad/expired.crt", [], "certificate.expired"),
        ("bad/truncated.crt", [], "certificate.malformed"),
        ("bad/name-not-permitted.crt", [], "certificate.name-constraints"),
        ("gateway.crt", ["--id", "192.0.2.2"], "certificate.identity"),
        ("gateway.crt", ["--revocation", "required"], "certificate.revocation-unknown"),
        ("gateway.crt", ["--at", "2060-01-01"], "certificate.expired"),
    ],
)
def test_a_bad_one_is_refused(made: Path, leaf: str, words: list[str], code: str) -> None:
    done = checked(made, leaf, *words, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["accepted"], told["code"]) == (1, False, code)
    assert f"refused ({code}): {told['reason']}" in checked(made, leaf, *words).stdout


def test_one_that_a_crl_revokes(made: Path) -> None:
    assert "(certificate.revoked)" in checked(made, "bad/revoked.crt", "--crl", made / "bad/revoked.crl").stdout


def test_issue_with_changes(made: Path, tmp_path: Path) -> None:
    words = [
        "--key",
        "ed25519",
        "--days",
        3,
        "--change",
        "eku=ipsecIKE,serverAuth",
        "--change",
        "path-length=0",
        "--change",
        "ca",
    ]
    done = fynx(
        "pki", "issue", "CN=x", "a.example", "dns:*.b", *issuer(made), *words, "--change", "ca", "-o", tmp_path / "x"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    facts = json.loads(fynx("pki", "show", tmp_path / "x.crt", "--json").stdout)
    assert (facts["key"], facts["names"], facts["ca"], facts["path_length"]) == (
        "Ed25519", ["dns:a.example", "dns:*.b"], True, 0,
    )  # fmt: skip
    assert facts["extended_key_usage"] == ["ipsecIKE", "serverAuth"]
    assert len(x509.load_pem_x509_certificates((tmp_path / "x.chain.crt").read_bytes())) == 1


def test_an_authority_and_its_own_certificates(made: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    done = fynx("pki", "issue", "CN=sub", "--authority", *issuer(made), "-o", tmp_path / "sub", "--encrypt", secret)
    assert done.exit_code == 0
    assert load_pem_private_key((tmp_path / "sub.key").read_bytes(), b"open sesame")
    below = ["--ca", tmp_path / "sub.crt", "--ca-key", tmp_path / "sub.key", "--chain", tmp_path / "sub.chain.crt"]
    done = fynx("pki", "issue", "CN=y", "y.example", *below, "-o", tmp_path / "y")
    assert done.exit_code == 2
    assert "sub.key: the private key is encrypted, and no passphrase is given" in done.stderr
    assert not (tmp_path / "y.crt").exists()
    done = fynx("pki", "issue", "CN=y", "y.example", *below, "--passphrase-file", secret, "-o", tmp_path / "y")
    assert done.exit_code == 0
    words = ["--ca", made / "root.crt", "--chain", tmp_path / "y.chain.crt"]
    assert fynx("pki", "check", tmp_path / "y.crt", *words).exit_code == 0


def test_crl_and_ocsp(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "x.crl"
    words = ["--revoke", f"{made / 'gateway.crt'}:keyCompromise", "--revoke", "0xabc", "--change", "number=7"]
    assert fynx("pki", "crl", *issuer(made), *words, "-o", place).exit_code == 0
    facts = json.loads(fynx("pki", "show", place, "--json").stdout)
    assert facts["number_revoked"] == 2
    assert facts["revoked"][0].endswith("keyCompromise")
    assert facts["revoked"][1].startswith("abc since")
    assert checked(made, "gateway.crt", "--crl", place).exit_code == 1
    place = tmp_path / "x.ocsp"
    words = ["--status", "revoked", "--change", "delegated", "--change", "reason=superseded"]
    assert fynx("pki", "ocsp", made / "gateway.crt", *issuer(made), *words, "-o", place).exit_code == 0
    facts = json.loads(fynx("pki", "show", place, "--json").stdout)
    assert (facts["status"], facts["reason"], len(facts["delegates"])) == ("revoked", "superseded", 1)
    assert "(certificate.revoked)" in checked(made, "gateway.crt", "--ocsp", place).stdout


def test_show_knows_what_a_file_is(made: Path, tmp_path: Path) -> None:
    key, certificate = made / "gateway.key", made / "gateway.crt"
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    der = tmp_path / "gateway.der"
    der.write_bytes(x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER))
    done = fynx("pki", "show", certificate, key, made / "root.crl", made / "client.ocsp", both, der, "--json")
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds == ["certificate", "private key", "crl", "ocsp", "certificate", "private key", "certificate"]
    secret = "".join(key.read_text().splitlines()[1:-1])
    assert secret[40:60] not in fynx("pki", "show", key).stdout


def test_hostile_names_are_shown_printable(made: Path, tmp_path: Path) -> None:
    name = "dns:\x1b[2J" + "a" * 50_000
    done = fynx("pki", "issue", "CN=a\x1b[1m\u202e", name, *issuer(made), "-o", tmp_path / "x")
    assert done.exit_code == 0
    for words in (["show", tmp_path / "x.crt"], ["check", tmp_path / "x.crt", "--ca", made / "intermediate.crt"]):
        text = fynx("pki", *words).output
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert len(text) < 4000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["make", "F", "--key", "rsa-2047"], "did you mean 'rsa-2048'?"),
        (["make", "F", "--gateway", "münchen.example"], "write xn--mnchen-3ya.example"),
        (["make", "F", "--gateway", "a" * 65_536], "expected a name of at most 60000 characters, found 65536"),
        (["make", "F", "--at", "noon"], "--at takes a time such as 2026-01-31T12:00:00Z, found 'noon'"),
        (["make", "-"], "cannot take several files"),
        (["issue", "CN=x", "CA", "--change", "expierd"], "found 'expierd' (did you mean 'expired'?)"),
        (["issue", "CN=x", "CA", "--change", "serial=x"], "--change serial takes a whole number, found 'x'"),
        (["issue", "CN=x", "CA", "--change", "expired=perhaps"], "--change expired takes yes or no, found 'perhaps'"),
        (["issue", "CN=x", "CA", "--change", "eku"], "--change eku needs a value: eku=VALUE"),
        (["issue", "x", "CA"], "expected a distinguished name such as"),
        (["issue", "CN=x", "a.example", "CA", "--authority"], "expected --authority or NAMEs, found both"),
        (["issue", "CN=x", "WRONG"], "does not fit the certificate"),
        (["crl", "CA", "--revoke", "nobody"], "--revoke takes a file or a serial number in hex, found 'nobody'"),
        (["crl", "CA", "--revoke", "12:lost"], "expected a reason, found 'lost'"),
        (["issue", "CN=x", "CA", "-o", "-"], "--output cannot be - (stdout), because several files are written"),
        (["show", "ME"], "expected"),
        (["check", "ME", "--ca", "ME"], "expected a certificate in PEM, DER or PKCS #7, found something else"),
    ],
)  # fmt: skip
def test_misuse_is_one_error(made: Path, tmp_path: Path, words: list[str], said: str) -> None:
    wrong = ["--ca", made / "intermediate.crt", "--ca-key", made / "root.key", "-o", tmp_path / "x"]
    (tmp_path / "me").write_text("nothing of use\n")
    given: dict[str, list[object]] = {
        "CA": [*issuer(made), "-o", tmp_path / "x"], "WRONG": list(wrong),
        "F": [tmp_path / "f"], "ME": [tmp_path / "me"],
    }  # fmt: skip
    done = fynx("pki", *(each for word in words for each in given.get(word, [word])))
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["me"]
