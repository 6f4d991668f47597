# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of a TOML file for certificates, raw keys, trust and PPKs: the same as their constructors, or one error."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat

from fynx_scapy import Certificate, Certificates, IkeConfig, Null, Ppk, Psk, RawKey, RawKeys, Session, Settings, Trust
from fynx_scapy.errors import ConfigError
from fynx_scapy.events import PeerCertificateAccepted, PpkUsed
from fynx_scapy.ike.credentials.certificates import OwnCertificates
from fynx_scapy.pki.making import Authority

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "guide.md"
PASSPHRASE = "hush-hush-1234"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """root.crt, root.crl; gw.crt, .key, .chain.crt, .p12 and .ocsp; locked.key; other.crt and .key; peer.pub; …"""
    made = tmp_path_factory.mktemp("pki")
    root = Authority.root("CN=root")
    below = root.intermediate("CN=intermediate")
    gw, other = below.issue("CN=gw", ["gw.example"]), root.issue("CN=other", ["other.example"])
    gw.write(made, "gw")
    other.write(made, "other")
    root.issue("CN=old", ["old.example"], expired=True).write(made, "old")
    (made / "root.crt").write_bytes(root.cert.public_bytes(Encoding.PEM))
    (made / "root.crl").write_bytes(root.crl())
    (made / "gw.ocsp").write_bytes(below.ocsp(gw))
    (made / "gw.p12").write_bytes(gw.pkcs12(PASSPHRASE))
    locked = BestAvailableEncryption(PASSPHRASE.encode())
    (made / "locked.key").write_bytes(gw.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    public = other.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (made / "peer.pub").write_bytes(public)
    (made / "pw").write_text(PASSPHRASE + "\n")
    (made / "wrong").write_text("something else")
    (made / "empty").write_text("\n")
    (made / "ppk").write_text("0x" + "5a" * 32 + "\n")
    (made / "garbage").write_bytes(bytes(range(256)))
    for path in made.iterdir():
        path.chmod(0o600)
    return made


@pytest.fixture
def written(folder: Path) -> Iterator[Path]:
    path = folder / "ipsec.toml"
    path.touch(0o600)
    yield path
    path.unlink()


def read(path: Path, *lines: str) -> IkeConfig:
    """The connection ``a`` of a file with these lines. Nothing of the secret may be in its repr."""
    path.write_text("\n".join(["[connections.a]", *lines]))
    config = Settings.from_file(path).connection("a")
    assert "hush" not in repr(config)
    return config


def error(path: Path, *lines: str) -> str:
    """The one line of the error, without the folder."""
    with pytest.raises(ConfigError) as refused:
        read(path, *lines)
    words = str(refused.value)
    assert "\n" not in words
    assert "hush" not in words
    return words.replace(f"{path.parent}/", "")


def test_a_certificate_its_key_its_chain_and_whom_we_trust(folder: Path, written: Path) -> None:
    config = read(
        written,
        "trust = { ca = 'root.crt', crl = ['root.crl'], revocation = 'required', at = 2030-01-31T12:00:00Z }",
        "[connections.a.auth]\ncert = 'gw.crt'\nkey = 'gw.key'\nchain = 'gw.chain.crt'\nschemes = ['ecdsa-sha256']",
        "ocsp = 'gw.ocsp'\ncrl = ['root.crl']\ncheck = false",
    )
    there = str(folder) + "/"
    assert config.auth == Certificate(
        there + "gw.crt", there + "gw.key", there + "gw.chain.crt", schemes="ecdsa-sha256", ocsp=there + "gw.ocsp",
        crls=there + "root.crl", check=False,
    )  # fmt: skip
    at = datetime.datetime(2030, 1, 31, 12, tzinfo=datetime.UTC)
    assert config.trust == Trust(there + "root.crt", crls=there + "root.crl", revocation="required", at=at)
    assert isinstance(config.remote_auth, Certificates)
    assert str(config.local_id) == "gw.example"


def test_trust_may_be_the_names_of_files(folder: Path, written: Path) -> None:
    auth = "auth = { cert = 'gw.p12', passphrase_file = 'pw' }"
    one = read(written, auth, "trust = 'root.crt'")
    assert one.trust == Trust(folder / "root.crt")
    assert isinstance(one.auth, Certificate)
    assert len(one.auth.chain) == 1
    two = read(written, auth, "trust = ['root.crt', 'other.crt']").trust
    assert two is not None
    assert len(two.anchors) == 2


def test_an_encrypted_key_and_several_certificates(written: Path) -> None:
    several = read(
        written, "trust = 'root.crt'", "[[connections.a.auth]]\ncert = 'gw.crt'\nkey = 'locked.key'",
        "passphrase_file = 'pw'", "[[connections.a.auth]]\ncert = 'other.crt'\nkey = 'other.key'",
    )  # fmt: skip
    assert isinstance(several.auth, OwnCertificates)
    assert [str(each.identities[0]) for each in several.auth] == ["gw.example", "other.example"]


@pytest.mark.parametrize(
    ("lines", "ours", "theirs"),
    [
        (["auth = { raw_key = 'gw.key' }", "remote_auth.raw_keys = 'peer.pub'"], RawKey, RawKeys),
        (["auth.null = true", "remote_auth.psk_file = 'pw'"], Null, Psk),
        (["psk = 'hush'", "remote_auth.null = true"], Psk, Null),
        (["auth.psk = 'hush'", "trust = 'root.crt'", "remote_auth = { known = 'other.crt' }"], Psk, Certificates),
    ],
)
def test_each_end_may_have_a_credential_of_its_own(written: Path, lines: list[str], ours: type, theirs: type) -> None:
    config = read(written, *lines)
    assert isinstance(config.auth, ours)
    assert isinstance(config.remote_auth, theirs)


def test_what_we_want_of_certificates_of_peers(folder: Path, written: Path) -> None:
    ours = ["psk = 'hush'", "trust = 'root.crt'"]
    remote = "remote_auth = { schemes = 'ed25519', known = ['other.crt'], ocsp = 'always', match_address = true }"
    wanted = Certificates(schemes="ed25519", known=str(folder / "other.crt"), ocsp=True, match_address=True)
    assert read(written, *ours, remote).remote_auth == wanted


def test_ppks(written: Path) -> None:
    config = read(
        written, "psk = 'hush'\nppk_required = true", "[[connections.a.ppk]]\nid = 'one'\nsecret_file = 'ppk'",
        "[[connections.a.ppk]]\nid = '0x00ff'\nsecret = 'hush'\ntype = 'opaque'",
    )  # fmt: skip
    assert config.ppk == (Ppk(b"\x5a" * 32, "one"), Ppk("hush", b"\x00\xff", 1))
    assert config.ppk_required


def test_a_file_with_a_private_key_that_everybody_may_read_is_warned_of(folder: Path, written: Path) -> None:
    for name in ("other.key", "gw.p12"):
        (folder / name).chmod(0o644)
    lines = ["trust = 'root.crt'", "auth = { cert = 'other.crt', key = 'other.key' }"]
    written.write_text("\n".join(["[connections.a]", *lines, "[connections.b]", lines[0], "auth = { cert = 'gw.p12',"
                                  "passphrase_file = 'pw' }"]))  # fmt: skip
    warnings = Settings.from_file(written).warnings
    for name in ("other.key", "gw.p12"):
        (folder / name).chmod(0o600)
    assert [line.partition(":")[0] for line in warnings] == [str(folder / "gw.p12"), str(folder / "other.key")]


def test_the_example_of_the_guide_is_read(folder: Path, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(\[connections\.branch\].*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    names = {"ca.pem": "root.crt", "gw.pem": "gw.crt", "intermediate.pem": "gw.chain.crt", "gw.key": "locked.key",
             "gw.pass": "pw", "branch.ppk": "ppk"}  # fmt: skip
    for name, ours in names.items():
        (tmp_path / name).write_bytes((folder / ours).read_bytes())
    path = tmp_path / "ipsec.toml"
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the copies may be read by everybody
        config = IkeConfig.from_file(path)
    assert isinstance(config.auth, Certificate)
    assert len(config.auth.chain) == 1
    assert config.ppk == (Ppk(b"\x5a" * 32, "branch"),)


def test_both_ends_of_a_file_come_to_terms(written: Path) -> None:
    common = "trust = 'root.crt'\nppk = { id = 'branch', secret_file = 'ppk' }\nppk_required = true\n"
    gw = "auth = { cert = 'gw.p12', passphrase_file = 'pw' }\nremote_id = 'other.example'\nremote = '192.0.2.2'\n"
    other = "auth = { cert = 'other.crt', key = 'other.key' }\nremote_id = 'gw.example'\n"
    written.write_text(f"[connections.gw]\n{common}{gw}[connections.other]\n{common}{other}")
    settings = Settings.from_file(written)
    s = Session(config=settings.connection("gw"), peer=settings.connection("other"), seed=1)
    s.connect()
    assert s.sa.established
    assert [str(event.identity) for name, event in s.events if isinstance(event, PeerCertificateAccepted)] == [
        "gw.example", "other.example",
    ]  # fmt: skip
    assert any(isinstance(event, PpkUsed) for _, event in s.events)


GW = "cert = 'gw.crt', key = 'gw.key'"


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ("{ cert = 'gw.crt', key = 'other.key' }", "2: connections.a.auth: the P-256 key in other.key does not fit"),
        ("{ cert = 'gw.crt', key = 'locked.key' }", "2: connections.a.auth: locked.key: the private key is encrypted"),
        ("{ cert = 'gw.crt', key = 'locked.key', passphrase_file = 'wrong' }",
         "2: connections.a.auth: locked.key: the passphrase does not open"),
        ("{ cert = 'gw.crt', key = 'locked.key', passphrase_file = 'empty' }",
         "2: connections.a.auth: empty: expected a passphrase, but the file is empty"),
        ("{ cert = 'gw.crt', key = 'locked.key', passphrase_file = '' }",
         "2: expected connections.a.auth.passphrase_file to be the name of a file, found text"),
        ("{ cert = 'gw.p12' }", "2: connections.a.auth: gw.p12: cannot open PKCS #12: it needs a passphrase, and none"),
        ("{ cert = 'gw.p12', passphrase_file = 'wrong' }", "gw.p12: cannot open PKCS #12: the passphrase is wrong"),
        ("{ cert = 'gw.p12', key = 'gw.key' }", "gw.p12: expected a certificate in PEM, DER or PKCS #7, found PK"),
        ("{ cert = 'gw.crt' }", "2: connections.a.auth: gw.crt: expected a private key, found a certificate"),
        ("{ key = 'gw.key' }", "2: expected one of psk, cert, raw_key, null, eap in connections.a.auth, found none"),
        ("{ certs = 'gw.crt' }", "2: unknown key 'connections.a.auth.certs'; did you mean 'cert'?"),
        (f"{{ {GW}, chian = 'gw.chain.crt' }}", "2: unknown key 'connections.a.auth.chian'; did you mean 'chain'?"),
        (f"{{ {GW}, psk = 'hush' }}", "2: expected one kind of credential in connections.a.auth, found cert and psk"),
        (f"{{ {GW}, schemes = ['ecdsa-sha265'] }}", "did you mean 'ecdsa-sha256'?"),
        (f"{{ {GW}, schemes = ['ed25519'] }}", "expected a signature scheme for a key of kind P-256"),
        (f"{{ {GW}, check = 1 }}", "2: expected connections.a.auth.check to be true or false, found 1"),
        (f"{{ {GW}, ocsp = 'gw.crt' }}", "2: connections.a.auth: gw.crt: expected an OCSP response in DER, found"),
        ("{ cert = 'none', key = 'gw.key' }", "2: connections.a.auth: none: cannot be read: No such file"),
        ("{ cert = '.', key = 'gw.key' }", "cannot be read: Is a directory"),
        ("{ cert = 'garbage', key = 'gw.key' }", "garbage: expected a certificate in PEM, DER or PKCS #7, found"),
        ("{ cert = 5 }", "2: expected connections.a.auth.cert to be the name of a file, found a number"),
        ("{ cert = '''-----BEGIN\nhush''' }", "2: expected connections.a.auth.cert to be the name of a file"),
        ("{ cert = 'old.crt', key = 'old.key' }", "1: expected old.crt: CN=old to be valid at"),
        ("{ cert = 'gw.crt', key = 'gw.key', chain = 'root.crt' }", "1: expected the chain of gw.crt to hold"),
        ("{ raw_key = 'gw.crt' }", "2: connections.a.auth: gw.crt: expected a private key, found a certificate"),
        ("{ null = false }", "2: expected connections.a.auth.null to be true"),
        (f"[{{ {GW} }}{', { null = true }' * 8}]", "2: connections.a.auth: expected 2 to 8 rounds"),
        ("[]", "2: expected connections.a.auth to be a table such as {"),
        ("'hush'", "2: expected connections.a.auth to be a table such as { cert = \"gw.pem\""),
        ("{ psk_file = 'empty' }", "2: empty: expected a secret, but the file is empty"),
    ],
)  # fmt: skip
def test_an_error_about_what_we_prove_names_line_key_and_file(written: Path, auth: str, words: str) -> None:
    assert words in error(written, f"auth = {auth}", "trust = 'root.crt'").removeprefix("ipsec.toml: line ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("trust = 'none'", "3: connections.a.trust.ca: none: cannot be read: No such file or directory"),
        ("trust = []", "3: expected connections.a.trust.ca to be an array of 1 to 4096 items"),
        ("trust = 5", "3: expected connections.a.trust to be a table, found a number"),
        ("trust = { crl = 'root.crl' }", "3: expected ca in connections.a.trust, found none"),
        ("trust = { ca = 'root.crt', crls = 'root.crl' }", "3: unknown key 'connections.a.trust.crls'; did you mean"),
        ("trust = { ca = 'root.crt', crl = 'root.crt' }", "3: connections.a.trust.crl: root.crt: expected a CRL"),
        ("trust = { ca = 'root.crt', revocation = 'yes' }", "3: expected connections.a.trust.revocation to be"),
        ("trust = { ca = 'root.crt', at = 2030-01-31 }", "3: expected connections.a.trust.at to be a time, or false"),
        ("remote_auth = { schemes = 'ed25519' }", "1: expected IkeConfig.trust beside Certificates"),
        ("remote_auth.raw_keys = []", "3: expected connections.a.remote_auth.raw_keys to be an array of 1 to"),
        ("remote_auth.raw_keys = ['garbage']", "3: connections.a.remote_auth: garbage: expected a public key"),
        ("remote_auth = 'hush'", "3: expected connections.a.remote_auth to be a table such as"),
        ("remote_auth_file = 'pw'", "3: unknown key 'connections.a.remote_auth_file'; did you mean 'remote_auth'?"),
        ("auth.null = true", "3: expected psk, psk_file or auth, found two"),
        ("ppk = { id = 'a', secret_file = 'empty' }", "3: empty: expected a secret, but the file is empty"),
        ("ppk = { id = 'a', secret = '0xhush' }", "3: expected hex digits after 0x in connections.a.ppk.secret"),
        ("ppk = { id = 'a' }", "3: expected secret or secret_file in connections.a.ppk, found neither"),
        ("ppk = { secret = 'hush' }", "3: expected id in connections.a.ppk, found none"),
        ("ppk = [{ id = 'a', secret = 'x' }, { id = 'a', secret = 'y' }]", "1: expected IkeConfig.ppk to have each"),
        ("ppk_required = true", "1: expected IkeConfig.ppk, because ppk_required is True, found no PPK"),
    ],
)  # fmt: skip
def test_an_error_about_trust_peers_and_ppks_does_so_too(written: Path, line: str, words: str) -> None:
    assert words in error(written, "psk = 'hush'", line).removeprefix("ipsec.toml: line ")
