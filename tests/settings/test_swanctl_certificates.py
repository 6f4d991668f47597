# SPDX-License-Identifier: GPL-2.0-or-later
"""swanctl.conf with certificates, raw keys and PPKs, and the folders beside it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fynx_scapy import Certificate, Certificates, IkeConfig, Ppk, Psk, RawKey, RawKeys
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.certificates import OwnCertificates
from fynx_scapy.ike.credentials.credential import Proof
from fynx_scapy.ike.events import PeerCertificateRefused
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.pki.making import Authority, Issued
from fynx_scapy.settings import Settings
from tests.ike.pair import ALICE, BOB, Pair

MOON, SUN = "moon.example.org", "sun.example.org"
DIGITS = "0x" + "ab" * 32


@cache
def root(name: str = "root") -> Authority:
    return Authority.root(f"C=CH, CN={name}", seed=name)


@cache
def middle() -> Authority:
    return root().intermediate("C=CH, CN=middle", seed="middle")


@cache
def issued(name: str, **changes: Any) -> Issued:
    return middle().issue(f"C=CH, CN={name}", [name], seed=name, **changes)


def put(folder: Path, kind: str, name: str, octets: bytes) -> Path:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    path = folder / kind / name
    path.write_bytes(octets)
    path.chmod(0o600)
    return path


def public(each: Issued) -> bytes:
    return each.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def folders(folder: Path, name: str = MOON) -> Path:
    """The folders of one end: its certificate and key, the root, and the intermediate authority."""
    put(folder, "x509", "own.pem", issued(name).pem)
    put(folder, "private", "own.key", issued(name).key_pem())
    put(folder, "x509ca", "root.pem", root().pem)
    put(folder, "x509ca", "middle.pem", middle().pem)
    return folder


def written(folder: Path, local: str, remote: str, *, rest: str = "", more: str = "", who: str = "") -> Path:
    """A connection; ``local`` begins on line 3, ``remote`` on line 5."""
    here, there, nets = (BOB, ALICE, "2 1") if who == "bob" else (ALICE, BOB, "1 2")
    mine, other = nets.split()
    folder.mkdir(exist_ok=True)
    path = folder / "swanctl.conf"
    path.write_text(f"""connections {{ gw {{ local_addrs = {here}
  local {{
    {local}
  }} remote {{
    {remote}
  }}
  remote_addrs = {there}
  {rest}
  children {{ net {{ local_ts = 10.{mine}.0.0/24
    remote_ts = 10.{other}.0.0/24
  }} }}
}} }}
{more}
""")
    path.chmod(0o600)
    return path


def read(path: Path, *notes: str) -> IkeConfig:
    """The connection, and each line about it has these words."""
    settings = Settings.from_file(path)
    check(settings.warnings, notes)
    return settings.connection("gw")


def refused(path: Path) -> str:
    """Why the connection is left out: one line."""
    settings = Settings.from_file(path)
    assert not settings.connections
    (line,) = [line for line in settings.warnings if line.endswith("; connection gw is left out")]
    assert "hush" not in " ".join(settings.warnings)
    return line.removeprefix(f"{path}: ").removesuffix("; connection gw is left out")


def check(lines: tuple[str, ...], notes: tuple[str, ...]) -> None:
    assert len(lines) == len(notes), lines
    for line, words in zip(lines, notes, strict=True):
        assert words in line


# -- both ends from files


def both(tmp_path: Path, mine: tuple[str, str], theirs: tuple[str, str], rest: str = "", more: str = "") -> Pair:
    """Alice, who is moon, and Bob, who is sun, each from a swanctl.conf of its own."""
    alice = read(written(folders(tmp_path / "a"), *mine, rest=rest, more=more))
    pair = Pair(read(written(folders(tmp_path / "b", SUN), *theirs, rest=rest, more=more, who="bob")))
    pair.connect(alice)
    return pair


def proofs(pair: Pair) -> tuple[Proof, Proof]:
    """How Bob has proven his identity to Alice, and Alice hers to Bob."""
    (alice,) = pair.alice.sas.values()
    assert (alice.established, pair.bobs.established) == (True, True)
    found = alice.peer_proof, pair.bobs.peer_proof
    assert found[0] is not None
    assert found[1] is not None
    return found[0], found[1]


CERT = "certs = own.pem\n id = {}"


def test_a_gateway_and_its_mirror_have_certificates(tmp_path):
    """The intermediate authority is sent by the end that has it, and both ends are known by their names."""
    pair = both(tmp_path, (CERT.format(MOON), f"id = {SUN}"), (CERT.format(SUN), f"id = {MOON}"))
    bob, alice = proofs(pair)
    assert [each.subject.rfc4514_string() for each in bob.certificates] == [
        f"CN={SUN},C=CH", "CN=middle,C=CH", "CN=root,C=CH",
    ]  # fmt: skip
    assert len(alice.certificates) == 3


def test_one_end_has_a_certificate_and_the_other_a_key(tmp_path):
    secrets = f"secrets {{ ike-1 {{ id-1 = {MOON}\n id-2 = {SUN}\n secret = hush-hush\n }} }}"
    mine = (f"auth = psk\n id = {MOON}", f"auth = pubkey\n id = {SUN}")
    theirs = (f"{CERT.format(SUN)}\n auth = ike:ecdsa-sha256", f"auth = psk\n id = {MOON}")
    pair = both(tmp_path, mine, theirs, more=secrets)
    bob, alice = proofs(pair)
    assert (bob.method, alice.method) == (14, 2)
    assert "hush" not in repr(pair.bobs.config)


def test_both_ends_have_raw_keys_and_a_ppk(tmp_path):
    for folder, mine, theirs in ((tmp_path / "a", MOON, SUN), (tmp_path / "b", SUN, MOON)):
        put(folder, "pubkey", "own.pub", public(issued(mine)))
        put(folder, "pubkey", "peer.pub", public(issued(theirs)))
    pair = both(
        tmp_path, (f"pubkeys = own.pub\n id = {MOON}", "pubkeys = peer.pub"),
        (f"pubkeys = own.pub\n id = {SUN}", f"pubkeys = peer.pub\n id = {MOON}"),
        "ppk_id = q1\n ppk_required = yes", f"secrets {{ ppk-1 {{ id = q1\n secret = {DIGITS}\n }} }}",
    )  # fmt: skip
    bob, _ = proofs(pair)
    assert bob.key == issued(SUN).key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ("cacerts = other.pem", "certificate.unknown-authority"),
        ("certs = own.pem", "certificate.unknown-authority"),
        ("auth = ecdsa-384", "certificate.weak-key"),
        ("revocation = strict", "certificate.revocation-unknown"),
    ],
)
def test_what_a_connection_demands_is_held_against_the_peer(tmp_path, limit, code):
    put(tmp_path / "a", "x509ca", "other.pem", root("other").pem)
    pair = both(tmp_path, (CERT.format(MOON), limit), (CERT.format(SUN), ""))
    assert [each.code for each in pair.of("alice", PeerCertificateRefused)] == [code]


def test_a_list_in_x509crl_refuses_what_it_revokes(tmp_path):
    put(tmp_path / "a", "x509crl", "middle.crl", middle().crl([issued(SUN)]))
    pair = both(tmp_path, (CERT.format(MOON), ""), (CERT.format(SUN), ""))
    assert [each.code for each in pair.of("alice", PeerCertificateRefused)] == ["certificate.revoked"]


# -- what becomes of each word


def own(config: IkeConfig) -> Certificate:
    """The only certificate that proves who we are."""
    assert isinstance(config.auth, Certificate)
    return config.auth


def config(folder: Path, local: str, remote: str = "", *notes: str, rest: str = "", more: str = "") -> IkeConfig:
    return read(written(folders(folder), local, remote, rest=rest, more=more), *notes)


def test_a_certificate_is_named_or_found_by_the_identity(tmp_path):
    named = config(tmp_path, "certs = own.pem", "id = C=CH, CN=sun")
    assert named.local_id.same(Identity.of(f"C=CH, CN={MOON}"))  # the subject, as with strongSwan
    assert named.remote_id == Identity.of("C=CH, CN=sun")
    assert own(config(tmp_path, f"id = {MOON}")).octets == issued(MOON).der
    path = tmp_path / "x509" / "own.pem"
    assert own(config(tmp_path, f"cert-1 {{ file = {path}\n }}")).octets == issued(MOON).der
    assert [each.subject.rfc4514_string() for each in own(named).chain] == ["CN=middle,C=CH", "CN=root,C=CH"]


def test_of_several_certificates_the_first_name_is_the_identity(tmp_path):
    folders(tmp_path, SUN)
    put(tmp_path, "x509", "sun.pem", issued(SUN).pem)
    put(tmp_path, "private", "sun.key", issued(SUN).key_pem())
    two = config(tmp_path, "certs = own.pem, sun.pem")
    assert isinstance(two.auth, OwnCertificates)
    assert [each.octets for each in two.auth] == [issued(MOON).der, issued(SUN).der]
    assert str(two.local_id) == MOON


@pytest.mark.parametrize("secret", ["secret = hush-hush", "secret-1 = hush\n secret-2 = hush-hush"])
@pytest.mark.parametrize("kind", ["private", "pkcs8", "ecdsa", "pkcs12"])
def test_passphrases_open_keys_and_containers(tmp_path, kind, secret):
    put(tmp_path, "x509ca", "root.pem", root().pem)
    if kind == "pkcs12":
        put(tmp_path, kind, "Own.p12", issued(MOON).pkcs12(b"hush-hush"))
    else:
        put(tmp_path, kind, "Own.p12", issued(MOON).key_pem(b"hush-hush"))
        put(tmp_path, "x509", "own.pem", issued(MOON).pem)
    more = f"secrets {{ {kind}-own {{ file = OWN.p12\n {secret}\n }} }}"
    found = read(written(tmp_path, f"id = {MOON}", "", more=more))
    assert own(found).octets == issued(MOON).der
    if kind == "pkcs12":
        assert [each.subject.rfc4514_string() for each in own(found).chain] == ["CN=middle,C=CH", "CN=root,C=CH"]
    assert "hush" not in repr(found)


def test_anchors_are_the_roots_or_what_a_connection_names(tmp_path):
    put(tmp_path, "x509ca", "other.pem", root("other").pem)
    third = put(tmp_path, "elsewhere", "third.pem", root("third").pem)
    more = (
        f"authorities {{ third {{ file = {third}\n }}\n other {{ cacert = other.pem\n crl_uris = http://ca/crl\n }} }}"
    )
    fetched = ": authorities.other.crl_uris is left out: nothing is fetched"

    def anchors(remote: str, *notes: str) -> set[bytes]:
        trust = config(tmp_path, "certs = own.pem", remote, fetched, *notes, more=more).trust
        assert trust is not None
        return {each.public_bytes(Encoding.DER) for each in trust.anchors}

    assert anchors("") == {root().der, root("other").der, root("third").der}
    assert anchors("cacerts = root.pem") == {root().der}
    assert anchors("cacerts = middle.pem") == {middle().der}
    assert anchors(f"cacerts = root.pem\n cacert-2 {{ file = {third}\n }}") == {root().der, root("third").der}
    assert anchors("ca_id = C=CH, CN=middle") == {middle().der}
    assert anchors("certs = own.pem") == {issued(MOON).der}
    assert anchors("certs = own.pem\n ca_id = C=CH, CN=middle", "it is left out beside certs") == {issued(MOON).der}


def test_words_of_a_connection(tmp_path):
    usual = config(tmp_path, "certs = own.pem")
    assert (usual.send_certificates, usual.certificate_requests) == ("asked", True)
    assert usual.trust.revocation == "if-known"
    assert usual.remote_auth == Certificates(known=usual.remote_auth.known)
    assert {each.subject.rfc4514_string() for each in usual.remote_auth.known} == {f"CN={MOON},C=CH", "CN=middle,C=CH"}
    found = config(
        tmp_path, "certs = own.pem\n auth = ike:ecdsa-sha512-sha256", "auth = ecdsa-384-sha384\n revocation = strict",
        "line 6: connections.gw.remote.auth: the hashes are taken for AUTH",
        rest="send_cert = always\n send_certreq = no\n ocsp = request",
    )  # fmt: skip
    assert (found.send_certificates, found.certificate_requests) == ("always", False)
    assert [each.name for each in own(found).schemes or ()] == [
        "ecdsa-sha512",
        "ecdsa-p521",
        "ecdsa-sha256",
        "ecdsa-p256",
    ]
    assert (found.trust.revocation, found.trust.minimum_ec_bits) == ("required", 384)
    assert [each.name for each in found.remote_auth.schemes] == ["ecdsa-sha384", "ecdsa-p384"]
    assert found.remote_auth.ocsp is True


@pytest.mark.parametrize(
    ("local", "remote", "rest", "note"),
    [
        ("", "revocation = ifuri", "", "line 6: connections.gw.remote.revocation: ifuri is not supported"),
        ("", "", "ocsp = both", "line 9: connections.gw.ocsp: we have no OCSP response to reply with"),
        ("auth = ecdsa-256", "", "", "line 4: connections.gw.local.auth: the size of our own key is not looked at"),
        ("cacerts = root.pem", "", "", "line 4: connections.gw.local.cacerts: it says nothing about the end local"),
        (
            "",
            "auth = psk\n certs = own.pem\n id = b",
            "",
            "line 7: connections.gw.remote.certs: it says nothing about",
        ),
        ("", "certs = own.pem\n revocation = strict", "", "line 7: connections.gw.remote.revocation: nobody is asked"),
        ("", "cacerts = middle.pem\n revocation = strict", "", "line 7: connections.gw.remote.revocation: CN=middle"),
    ],
)
def test_a_word_that_says_something_else_here_is_noted(tmp_path, local, remote, rest, note):
    more = "secrets { ike { secret = hush\n } }"
    config(tmp_path, f"certs = own.pem\n {local}", remote, note, rest=rest, more=more)


def test_the_example_of_the_guide(tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    (text,) = re.findall(r"^```\n(connections \{.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    put(tmp_path, "x509", "moon.pem", issued(MOON).pem)
    put(tmp_path, "private", "moon.key", issued(MOON).key_pem(b"opens private/moon.key"))
    put(tmp_path, "x509ca", "office-ca.pem", root().pem)
    path = put(tmp_path, ".", "swanctl.conf", text.replace("0x9f…", DIGITS).encode())
    settings = Settings.from_file(path)
    assert settings.warnings == ()
    office = settings.connection("office")
    assert [each.name for each in own(office).schemes or ()][:2] == ["ecdsa-sha384", "ecdsa-p384"]
    assert (office.trust.revocation, office.ppk) == ("required", (Ppk(DIGITS, "q1"),))


# -- PPKs


def ppks(folder: Path, rest: str, secrets: str, *notes: str) -> IkeConfig:
    more = f"secrets {{ ike {{ secret = hush\n }}\n {secrets} }}"
    return read(written(folder, "auth = psk", f"auth = psk\n id = {SUN}", rest=rest, more=more), *notes)


def test_the_named_ppk_comes_first(tmp_path):
    two = f'ppk-a {{ id-1 = qa\n id-2 = "@#00ff"\n secret = hush\n }}\n ppk-b {{ id = qb\n secret = {DIGITS}\n }}'
    found = ppks(tmp_path, "ppk_id = qb\n ppk_required = yes", two)
    assert found.ppk == (Ppk(DIGITS, "qb"), Ppk("hush", "qa"), Ppk("hush", b"\0\xff"))
    assert found.ppk_required
    assert ppks(tmp_path, "", two, "line 1: connections.gw.ppk_id: it is not set: as initiator").ppk[0].id == b"qa"
    assert ppks(tmp_path, "ppk_id = q", f"ppk {{ secret = {DIGITS}\n }}").ppk == (Ppk(DIGITS, "q"),)
    assert ppks(tmp_path, "ppk_id = q", two, "line 9: connections.gw.ppk_id: no secret ppk is for q").ppk == ()
    assert "hush" not in repr(found)


def test_a_ppk_that_is_required_and_missing(tmp_path):
    path = written(tmp_path, "auth = psk", "auth = psk", rest="ppk_id = q\n ppk_required = yes", more="")
    assert refused(path) == "line 9: connections.gw.ppk_required: no secret ppk is for q"


# -- what cannot be used


def test_the_error_says_why_a_connection_is_left_out(tmp_path):
    settings = Settings.from_file(written(tmp_path, "auth = psk", "auth = xauth"))
    for name in ("gw", None):
        with pytest.raises(ConfigError, match=r"are: none; .*: line 5: connections\.gw\.remote\.auth: expected"):
            settings.connection(name)
    with pytest.raises(ConfigError, match=r"'gv'; the connections are: none$"):
        settings.connection("gv")


def broken(folder: Path, local: str = "certs = own.pem", remote: str = "", more: str = "", rest: str = "") -> str:
    return refused(written(folder, local, remote, more=more, rest=rest))


def test_a_certificate_without_a_key(tmp_path):
    (folders(tmp_path) / "private" / "own.key").unlink()
    line = broken(tmp_path)
    assert line.startswith(
        f"line 3: connections.gw.local.certs: {tmp_path}/x509/own.pem: no private key in private, rsa"
    )
    assert line.endswith(f"fits the certificate CN={MOON},C=CH")
    assert "no certificate in x509 or pkcs12 with a private key has the identity moon" in broken(
        tmp_path, f"id = {MOON}"
    )


def test_an_encrypted_key_without_its_passphrase(tmp_path):
    path = put(folders(tmp_path), "private", "own.key", issued(MOON).key_pem(b"hush-hush"))
    assert broken(tmp_path).endswith("these could not be opened: private/own.key")
    (line, _) = Settings.from_file(tmp_path / "swanctl.conf").warnings
    assert line == (
        f"{path}: the private key is encrypted, and no passphrase is given: add it as secrets.private-NAME with file = "
        "own.key; the file is left out"
    )
    broken(tmp_path, more="secrets { private-a { file = own.key\n secret = hush\n } }")
    (line, _) = Settings.from_file(tmp_path / "swanctl.conf").warnings
    assert line.startswith(f"{path}: the passphrase does not open the private key")
    assert line.endswith("line 13: secrets.private-a); the file is left out")


def test_a_key_that_fits_no_certificate_and_a_passphrase_for_no_file(tmp_path):
    path = put(tmp_path, "private", "other.key", issued(SUN).key_pem())
    more = "secrets { private-a { file = owm.key\n secret = hush\n } }"
    notes = (
        f"{path}: no certificate and no public key here has this key",
        f"line 13: secrets.private-a.file: no file in {tmp_path}/private is called owm.key; did you mean own.key?",
    )
    config(tmp_path, "certs = own.pem", "", *notes, more=more)


def test_a_chain_without_an_anchor(tmp_path):
    (folders(tmp_path) / "x509ca" / "root.pem").unlink()
    assert "line 4: connections.gw.remote.auth: expected an authority in x509ca or authorities" in broken(tmp_path)
    line = broken(tmp_path, remote="cacerts = middle.pem")
    assert line == (
        f"line 5: connections.gw.remote.cacerts: {tmp_path}/x509ca/middle.pem: its chain has no anchor: no root in "
        "x509ca has issued CN=middle,C=CH"
    )


def test_a_certificate_outside_its_validity_or_without_the_identity(tmp_path):
    assert "expected IkeConfig.local_id to be an identity in the certificate" in broken(
        folders(tmp_path), f"certs = own.pem\n id = {SUN}"
    )
    old = middle().issue(f"C=CH, CN={MOON}", [MOON], issued(MOON).key, expired=True)
    put(tmp_path, "x509", "own.pem", old.pem)
    assert "to be valid at" in broken(tmp_path)


@pytest.mark.parametrize(
    ("local", "remote", "words"),
    [
        ("certs = none.pem", "", "line 3: connections.gw.local.certs: {}/x509/none.pem: cannot be read: No such file"),
        ("certs = ../private/own.key", "", "expected a certificate, found a private key"),
        ("", "", "line 2: connections.gw.local.auth: expected certs or pubkeys, or an id"),
        ("cert { file = own.pem\n }", "", "line 3: connections.gw.local.cert.file: expected the absolute path"),
        ("cert { handle = 00ff\n }", "", "line 3: connections.gw.local.cert.handle: keys and certificates are read"),
        ("crt { }", "", "line 3: connections.gw.local.crt: unknown section; those here begin with cert or cacert"),
        ("certs = own.pem\n auth = rsa/pss-sha256", "", "expected a signature scheme for a key of kind P-256"),
        ("certs = own.pem\n auth = pubkey-sha265", "", "line 4: connections.gw.local.auth: no kind of auth"),
        ("pubkeys = none.pub", "", "{}/pubkey/none.pub: cannot be read"),
        ("certs = own.pem", "cacerts = ../x509/own.pem", "is no authority: basicConstraints does not say CA"),
        ("certs = own.pem", "ca_id = C=CH, CN=nobody", "no authority in x509ca or authorities is called C=CH"),
        ("certs = own.pem", "cert_policy = 1.2.3", "remote.cert_policy: policies of certificates are not looked at"),
        ("certs = own.pem", "groups = staff", "remote.groups: attribute certificates"),
        ("certs = own.pem", "id = *.example.org", "remote.id: identities with wildcards are not supported"),
        ("certs = own.pem", "auth = eap", "remote.auth: expected the method that users are asked for"),
        ("certs = own.pem", "auth = psk", "no secret is for C=CH, CN=moon.example.org and any peer"),
        ("certs = own.pem", "revocation = lax", "remote.revocation: expected strict, ifuri, relaxed, found 'lax'"),
    ],
)  # fmt: skip
def test_a_connection_that_cannot_be_used(tmp_path, local, remote, words):
    assert words.format(tmp_path) in broken(folders(tmp_path), local, remote)


def test_a_raw_key_that_is_too_short(tmp_path):
    put(folders(tmp_path), "pubkey", "peer.pub", public(issued(SUN)))
    line = broken(tmp_path, remote="pubkeys = peer.pub\n auth = ecdsa-384")
    assert "peer.pub: expected a key of at least 384 bits, found 256" in line


def test_files_that_are_not_what_their_folder_says(tmp_path):
    put(tmp_path, "x509", "a.pem", b"nonsense")
    put(tmp_path, "x509", ".hidden", b"nonsense")
    put(tmp_path, "x509ca", "b.pem", issued(SUN).pem)
    put(tmp_path, "x509", "c.pem", root("other").pem)
    put(tmp_path, "x509ca", "two.pem", root("third").pem + root("other").pem)
    put(tmp_path, "x509ocsp", "signer.pem", b"")
    put(tmp_path, "pkcs12", "d.p12", b"nonsense")
    put(tmp_path, "private", "own.key", issued(MOON).key_pem()).chmod(0o644)
    folders(tmp_path)
    (tmp_path / "private" / "own.key").chmod(0o644)
    notes = (
        f"{tmp_path}/x509/a.pem: expected a certificate", f"b.pem: CN={SUN},C=CH is no authority",
        "two.pem: the first of 2 certificates is taken", "own.key: it has a secret, and every user of this machine may",
        "d.p12: expected PKCS #12", "c.pem: the authority CN=other,C=CH is not trusted: only those in x509ca are",
        f"{tmp_path}/x509ocsp: 1 file left out",
    )  # fmt: skip
    found = Settings.from_file(written(tmp_path, "certs = own.pem", ""))
    check(found.warnings, notes)
    assert len(found.connection("gw").trust.anchors) == 2


def test_folders_are_read_only_for_connections_that_need_them(tmp_path):
    put(tmp_path, "private", "own.key", b"nonsense")
    path = written(tmp_path, "auth = psk", "auth = psk", more="secrets { ike { secret = hush\n } }")
    assert read(path).auth == Psk("hush")


def test_raw_keys_and_what_is_left_out_beside_them(tmp_path):
    put(tmp_path, "pubkey", "own.pub", public(issued(MOON)))
    put(tmp_path, "pubkey", "peer.pub", public(issued(SUN)))
    found = config(
        tmp_path, "pubkeys = own.pub, peer.pub", "pubkeys = peer.pub\n revocation = strict",
        "line 3: connections.gw.local.pubkeys: the first of 2 is taken",
        "line 6: connections.gw.remote.revocation: it is left out beside pubkeys",
    )  # fmt: skip
    assert isinstance(found.auth, RawKey)
    assert isinstance(found.remote_auth, RawKeys)
    assert (str(found.local_id), found.trust) == (ALICE, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "a { crl_uris = x\n }",
            "authorities.a: expected one of cacert and file, found none; the authority is left out",
        ),
        ("a { file = x.pem\n }", "authorities.a.file: expected an absolute path, found 'x.pem'; the authority"),
        (
            "a { handle = 00\n }",
            "authorities.a.handle: keys and certificates are read from files, not from tokens; the",
        ),
        ("a { cacert = none.pem\n }", "authorities.a.cacert: {}/x509ca/none.pem: cannot be read: No such file"),
        ("a { cacrt = x\n }", "authorities.a.cacrt: unknown key; did you mean 'cacert'?; the authority is left out"),
    ],
)
def test_authorities_that_cannot_be_used(tmp_path, text, words):
    lines = Settings.from_file(
        written(folders(tmp_path), "certs = own.pem", "", more=f"authorities {{ {text} }}")
    ).warnings
    assert any(words.format(tmp_path) in line for line in lines), lines
