# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of a TOML file for EAP, of clients and gateways: both ends connect, or one error before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy import Eap, EapUsers, IkeConfig, Psk, Rounds, Settings, files
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.certificates import OwnCertificates
from fynx_scapy.ike.events import IkeSaFailed, MessageSent
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.layers.ikev2 import IKEv2_IDi
from fynx_scapy.settings.users import MOST_OCTETS, password, read_users
from tests.ike.pair import ALICE, BOB, Pair
from tests.settings.eap_files import HUSH, IMSI, OPC, K, make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make(tmp_path_factory.mktemp("eap"))
    os.mkfifo(made / "pipe", 0o600)  # nobody writes into it
    return made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.05)


@pytest.fixture
def written(folder: Path) -> Iterator[Path]:
    path = folder / "ipsec.toml"
    path.touch(0o600)
    yield path
    path.unlink()


def read(path: Path, *lines: str) -> IkeConfig:
    """The connection of a file; its first line is line 2. No secret is in its repr."""
    path.write_text("\n".join(["[connections.a]", *lines]))
    settings = Settings.from_file(path)
    assert not settings.warnings
    config = settings.connection("a")
    assert not any(secret in repr(config) for secret in ("hush", K, OPC))
    return config


def error(path: Path, *lines: str) -> str:
    """The one line of the error, without the folder."""
    with pytest.raises(ConfigError) as refused:
        read(path, *lines)
    words = str(refused.value)
    assert "\n" not in words
    assert not any(secret in words for secret in ("hush", K, OPC, K[1:]))
    return words.replace(f"{path.parent}/", "").removeprefix("ipsec.toml: line ")


CLIENT = f"remote = '{BOB}'\ntrust = 'root.crt'\nremote_id = 'gw.example'"
GATEWAY = f"remote = '{ALICE}'\nauth = {{ cert = 'gw.crt', key = 'gw.key' }}"
TLS = "cert = 'gw.crt', key = 'gw.key'"


def connected(path: Path, client: str, gateway: str, ours: str = CLIENT) -> Pair:
    pair = Pair(read(path, GATEWAY, f"remote_auth = {{ {gateway} }}"))
    pair.connect(read(path, ours, f"auth = {{ {client} }}"))
    return pair


@pytest.mark.parametrize(
    ("client", "gateway", "proof"),
    [
        ("eap = 'mschapv2', user = 'carol', password_file = 'password'", "eap = 'mschapv2', users_file = 'users'",
         "EAP-MSCHAPv2 as carol"),
        (f"eap = 'md5', user = 'carol', password = '{HUSH}'", f"eap = ['mschapv2', 'md5'], users.carol = '{HUSH}'",
         "EAP-MD5 as carol"),
        ("eap = ['mschapv2', 'md5'], user = 'dave', password = 'hush:with a colon'",
         "eap = 'md5', users_file = 'users', ask = false", "EAP-MD5 as dave"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key', ca = 'root.crt', server = 'gw.example', fragment = 200",
         f"eap = 'tls', {TLS}, ca = 'root.crt'", "EAP-TLS as carol@example.org"),
        ("eap = 'ttls', user = 'carol', password_file = 'password', ca = 'root.crt', inner = 'pap', maximum = '1.2'",
         f"eap = 'ttls', {TLS}, users_file = 'users'", "EAP-TTLS as carol"),
        (f"eap = 'aka', user = '{IMSI}', usim_file = 'usim'", "eap = 'aka', users_file = 'subscribers'",
         f"EAP-AKA as {IMSI}"),
        (f"eap = 'aka-prime', user = '{IMSI}', usim = '{K}:{OPC}', network = 'WLAN'",
         f"eap = 'aka-prime', users = {{ '{IMSI}' = '{K}:{OPC}:64' }}", f"EAP-AKA' as {IMSI}"),
    ],
)  # fmt: skip
def test_both_ends_from_a_file(written: Path, client: str, gateway: str, proof: str) -> None:
    pair = connected(written, client, gateway)
    assert pair.bobs.peer_proof is not None
    assert pair.bobs.peer_proof.by == proof


def test_a_gateway_may_authenticate_by_eap_alone(written: Path) -> None:
    """RFC 5998: the client trusts nobody in IKE, and the server of TLS is the gateway."""
    client = "eap = 'ttls', user = 'carol', password_file = 'password', ca = 'root.crt', only = true"
    ours = f"remote = '{BOB}'\nremote_id = 'gw.example'"
    pair = connected(written, client, f"eap = 'ttls', {TLS}, users_file = 'users', only = true", ours)
    (sa,) = pair.alice.sas.values()
    assert sa.peer_proof is not None
    assert sa.peer_proof.by == "EAP-TTLS as carol"


@pytest.mark.parametrize("only", ["maximum = '1.2'", "minimum = '1.3'"])
@pytest.mark.parametrize(
    ("client", "gateway"),
    [
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key'", f"eap = 'tls', {TLS}, ca = 'root.crt'"),
        ("eap = 'ttls', user = 'carol', password_file = 'password'", f"eap = 'ttls', {TLS}, users_file = 'users'"),
    ],
)
def test_a_server_of_tls_has_to_be_the_one_that_is_wanted(written: Path, client: str, gateway: str, only: str) -> None:
    """Its chain is good, its name is another one: no password is sent, and no IKE SA is set up."""
    pair = connected(written, f"{client}, ca = 'root.crt', server = 'aaa.example', {only}", gateway)
    assert "dNSName" not in pair.of("alice", IkeSaFailed)[0].reason
    assert "aaa.example" in pair.of("alice", IkeSaFailed)[0].reason
    assert not any(sa.established for sa in pair.bob.sas.values())


def test_tables_say_what_constructors_do(folder: Path, written: Path) -> None:
    config = read(written, CLIENT, "auth = { eap = 'mschapv2', user = 'carol', password = '0x68757368' }")
    assert config.auth == Eap.mschapv2("carol", "hush")
    assert str(config.local_id) == "carol"
    config = read(written, GATEWAY, "remote_auth = { eap = ['md5'], users_file = 'users' }")
    assert config.remote_auth == EapUsers.passwords({"carol": HUSH, "dave": "hush:with a colon"}, ["md5"])


def test_files_with_users_that_everybody_may_read_are_warned_of(folder: Path, written: Path) -> None:
    (folder / "users").chmod(0o644)
    written.write_text(f"[connections.a]\n{GATEWAY}\nremote_auth = {{ eap = 'md5', users_file = 'users' }}")
    (warning,) = Settings.from_file(written).warnings
    (folder / "users").chmod(0o600)
    assert warning.startswith(f"{folder / 'users'}: it has a secret")


USER = "user = 'carol', password = 'hush'"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (f"eap = 'mschap', {USER}", "4: expected connections.a.auth.eap to be 'mschapv2', 'md5', 'tls', 'ttls', 'aka' "
         "or 'aka-prime', found 'mschap'; did you mean 'mschapv2'?"),
        (f"eap = 1, {USER}", "4: expected connections.a.auth.eap to be 'mschapv2', 'md5', 'tls', 'ttls', 'aka' or"),
        (f"eap = [], {USER}", "4: expected connections.a.auth.eap to be 'mschapv2'"),
        (f"eap = ['md5', 'tls'], {USER}", "4: expected methods that go together in connections.a.auth.eap, found 'md5' "
         "and 'tls'"),
        ("eap = 'md5', password = 'hush'", "4: expected user in connections.a.auth, found none"),
        ("eap = 'md5', user = 'carol'", "4: expected password or password_file in connections.a.auth, found neither"),
        (f"eap = 'md5', {USER}, password_file = 'password'", "4: expected password or password_file, found both"),
        (f"eap = 'md5', {USER}, cert = 'carol.crt'", "4: unknown key 'connections.a.auth.cert'; the keys here are"),
        (f"eap = 'md5', {USER}, only = true", "4: unknown key 'connections.a.auth.only'; the keys here are"),
        ("eap = 'md5', user = '', password = 'hush'", "4: expected connections.a.auth.user to be text that is not"),
        ("eap = 'md5', user = 'carol', password_file = 'empty'", "4: empty: expected a secret, but the file is empty"),
        ("eap = 'md5', user = 'carol', password_file = 'two'", "4: two: expected a secret on one line, found 2 lines"),
        ("eap = 'md5', user = 'carol', password_file = 'pipe'", "4: pipe: cannot be read: it is a pipe or a device t"),
        ("eap = 'tls', cert = 'pipe', ca = 'root.crt'", "4: connections.a.auth: pipe: cannot be read: it is a pipe or"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key', ca = 'root.crt', passphrase_file = 'two'",
         "4: connections.a.auth: two: expected a passphrase on one line, found 2 lines"),
        ("eap = 'md5', user = 'carol', password_file = 'none'", "4: none: cannot be read: No such file"),
        ("eap = 'md5', user = 'carol', password = '0xff'", "4: connections.a.auth: password: expected a password as"),
        ("eap = 'md5', user = 'carol', password = 7", "4: expected connections.a.auth.password to be text, found a nu"),
        ("eap_file = 'md5', user = 'carol', password = 'hush'", "4: unknown key 'connections.a.auth.eap_file'; the"),
        ("eap = 'tls', ca = 'root.crt'", "4: expected cert in connections.a.auth, found none"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key'", "4: expected ca in connections.a.auth, found none"),
        ("eap = 'tls', cert = 'carol.crt', ca = 'root.crt'", "4: connections.a.auth: carol.crt: expected a private ke"),
        ("eap = 'tls', cert = 'carol.crt', key = 'gw.key', ca = 'root.crt'", "4: connections.a.auth: the P-256 key in"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key', ca = 'users'", "4: connections.a.auth: Trust.anchors: u"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key', ca = 'root.crt', minimum = '1.1'",
         "4: expected connections.a.auth.minimum to be '1.2' or '1.3', found '1.1'"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key', ca = 'root.crt', minimum = '1.3', maximum = '1.2'",
         "4: connections.a.auth: expected TLS versions in order, found 1.3 to 1.2"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key', ca = 'root.crt', server = 'keyid:ff'",
         "4: connections.a.auth: expected server to be a name that a certificate may have"),
        ("eap = 'tls', cert = 'carol.crt', key = 'carol.key', ca = 'root.crt', key_log = 'none/tls.log'",
         "4: connections.a.auth: expected a TLS key log that can be written"),
        (f"eap = 'ttls', {USER}", "4: expected ca in connections.a.auth, found none"),
        (f"eap = 'ttls', {USER}, ca = 'root.crt', inner = 'md5'", "4: expected connections.a.auth.inner to be 'eap-ms"),
        (f"eap = 'ttls', {USER}, ca = 'root.crt', fragment = 0", "4: expected connections.a.auth.fragment to be a"),
        (f"eap = 'aka', {USER}", "4: unknown key 'connections.a.auth.password'; the keys here are"),
        ("eap = 'aka', user = 'carol', usim = 'hush'", "4: connections.a.auth: usim: expected K:OPC or K:OPC:SQN, fo"),
        (f"eap = 'aka', user = 'carol', usim = '{K[1:]}:{OPC}'", "4: connections.a.auth: usim: expected K as 32 hex d"),
        (f"eap = 'aka', user = 'carol', usim = '{K}:{OPC}:-1'", "4: connections.a.auth: usim: expected SQN as a whole"),
        ("eap = 'aka', user = 'carol', usim_file = 'usim', network = 'WLAN'", '4: network is about eap = "aka-prime"'),
        (f"psk = 'hush', eap = 'md5', {USER}", "4: unknown key 'connections.a.auth.psk'; the keys here are"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_client_is_one_error(written: Path, table: str, words: str) -> None:
    assert error(written, "trust = 'root.crt'", "remote_id = 'gw'", f"auth = {{ {table} }}").startswith(words)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("eap = 'md5'", "3: expected users or users_file, found neither"),
        ("eap = 'md5', users.carol = 'hush', users_file = 'users'", "3: expected users or users_file, found both"),
        ("eap = 'md5', users = 'users'", "3: expected connections.a.remote_auth.users to be a table from names to sec"),
        ("eap = 'md5', users = {}", "3: expected connections.a.remote_auth.users to be a table from names to secrets, "
         "found an empty one"),
        ("eap = 'md5', users.carol = 1", "3: expected connections.a.remote_auth.users.carol to be text, found a numbe"),
        ("eap = 'md5', users.carol = '0xff'", "3: connections.a.remote_auth: users.carol: expected a password as text"),
        ("eap = 'md5', users.carol = ''", "3: connections.a.remote_auth: users.carol: expected a password, found none"),
        ("eap = 'md5', users = { '' = 'hush' }", "3: connections.a.remote_auth: expected a name and a password for "
         "each user, found an empty name"),
        ("eap = 'md5', users_file = 'two'", "3: connections.a.remote_auth: two: line 2: carol is in line 1 already"),
        ("eap = 'md5', users_file = 'no-colon'", "3: connections.a.remote_auth: no-colon: line 1: expected NAME:PASSW"),
        ("eap = 'md5', users_file = 'no-name'", "3: connections.a.remote_auth: no-name: line 2: expected NAME:PASSWOR"),
        ("eap = 'md5', users_file = 'no-password'", "3: connections.a.remote_auth: no-password: line 1: expected a pa"),
        ("eap = 'md5', users_file = 'blank'", "3: connections.a.remote_auth: blank: line 1: expected no blank at the"),
        ("eap = 'md5', users_file = 'blank-name'", "3: connections.a.remote_auth: blank-name: line 1: expected no bla"),
        ("eap = 'md5', users_file = 'comments'", "3: connections.a.remote_auth: comments: expected at least one user"),
        ("eap = 'md5', users_file = 'binary'", "3: connections.a.remote_auth: binary: line 1: expected text in UTF-8"),
        ("eap = 'md5', users_file = 'none'", "3: connections.a.remote_auth: none: cannot be read: No such file"),
        ("eap = 'md5', users_file = 'bell'", "3: connections.a.remote_auth: bell: line 2: expected no control "
         "character, found one as character 4"),
        ("eap = 'md5', users_file = 'tab'", "3: connections.a.remote_auth: tab: line 1: expected no control character, "
         "found one as character 9"),
        ("eap = 'md5', users_file = 'old-mac'", "3: connections.a.remote_auth: old-mac: line 1: expected no control"),
        ("eap = 'md5', users_file = 'long-name'", "3: connections.a.remote_auth: long-name: line 1: expected a name of "
         "at most 65530 octets, which EAP can carry, found 65531"),
        ("eap = 'aka', users_file = 'long-imsi'", "3: connections.a.remote_auth: long-imsi: line 1: expected a name of "
         "at most 1016 octets, which EAP can carry, found 1017"),
        ("eap = 'md5', users_file = 'pipe'", "3: connections.a.remote_auth: pipe: cannot be read: it is a pipe or a "
         "device that did not end within 0.05 s"),
        ("eap = 'md5', users_file = '/dev/zero'", "3: connections.a.remote_auth: /dev/zero: expected a file of users "
         "of at most 16384 KB"),
        ("eap = 'aka', users_file = 'users'", "3: connections.a.remote_auth: users: line 3: expected K:OPC or K:OPC:S"),
        ("eap = 'aka', users_file = 'short-key'", "3: connections.a.remote_auth: short-key: line 1: expected K as 32 "),
        ("eap = 'aka', users_file = 'large-sqn'", "3: connections.a.remote_auth: large-sqn: line 1: expected SQN as a"),
        ("eap = 'aka', users_file = 'long'", "3: connections.a.remote_auth: long: line 1: expected K:OPC or K:OPC:SQN, "
         "found 4 parts"),
        ("eap = 'tls', ca = 'root.crt'", "3: expected cert in connections.a.remote_auth, found none"),
        (f"eap = 'tls', {TLS}", "3: expected ca in connections.a.remote_auth, found none"),
        ("eap = 'ttls', users_file = 'users'", "3: expected cert in connections.a.remote_auth, found none"),
        (f"eap = 'ttls', {TLS}, users_file = 'users', inner = 'pap'", "3: expected connections.a.remote_auth.inner[0] "
         "to be 'eap-mschapv2' or 'eap-md5', found 'pap'"),
        ("eap = 'md5', user = 'carol', password = 'hush'", "3: unknown key 'connections.a.remote_auth.user'; did you "
         "mean 'users'?"),
        ("eap = 'md5', users_file = 'users', only = true", "3: unknown key 'connections.a.remote_auth.only'; the keys"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_gateway_is_one_error(written: Path, table: str, words: str) -> None:
    assert error(written, "psk = 'a key'", f"remote_auth = {{ {table} }}").startswith(words)


def test_a_client_needs_to_know_who_the_gateway_is(written: Path) -> None:
    told = error(written, f"auth = {{ eap = 'md5', {USER} }}")
    assert told == "1: expected IkeConfig.trust beside an Eap, which cannot verify the peer, found none"


def test_names_may_be_as_long_as_an_identity_of_eap(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(f"{'ü' * 32765}:hush\n# a\ttab in a comment\n")
    assert list(read_users(path, password)) == ["ü" * 32765]


@pytest.mark.parametrize("name", ["pipe.toml", "pipe.conf"])
def test_a_configuration_that_does_not_end(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError, match=f"{name}: cannot be read: it is a pipe or a device"):
        Settings.from_file(tmp_path / name)


def test_a_file_of_users_has_a_ceiling(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(b"\n" * (MOST_OCTETS + 1))
    with pytest.raises(ConfigError, match="expected a file of users of at most 16384 KB, found a larger file"):
        read_users(path, password)


def test_an_array_of_credentials_is_rounds_of_them(written: Path) -> None:
    """A key of the host, and then its user (RFC 4739)."""
    gateway = read(
        written, f"remote = '{ALICE}'", "auth = { cert = 'gw.crt', key = 'gw.key' }",
        "remote_auth = [{ psk = 'hush key' }, { eap = 'mschapv2', users_file = 'users' }]",
    )  # fmt: skip
    pair = Pair(gateway)
    client = read(
        written,
        CLIENT,
        "auth = [{ psk = 'hush key' }, { eap = 'mschapv2', user = 'carol', password_file = 'password' }]",
    )
    assert isinstance(client.auth, Rounds)
    assert isinstance(client.auth.credentials[0], Psk)
    pair.connect(client)
    assert pair.bobs.peer_proof is not None
    assert pair.bobs.peer_proof.by == "pre-shared key; then EAP-MSCHAPv2 as carol"
    many = ", ".join(["{ psk = 'hush key' }"] * 9)
    assert error(written, CLIENT, f"auth = [{many}]").startswith("5: connections.a.auth: expected 2 to 8 rounds")


KEY, CAROL = "psk = 'hush key'", "eap = 'mschapv2', user = 'carol', password_file = 'password'"


def test_each_round_has_an_identity_of_its_own(written: Path) -> None:
    """RFC 4739 section 2.1: the message that begins a round has an IDi."""
    users = "eap = 'mschapv2', users_file = 'users'"
    gateway = read(written, GATEWAY, f"remote_auth = [{{ {KEY}, id = 'laptop' }}, {{ {users}, id = 'carol' }}]")
    assert (str(gateway.remote_id), gateway.accepts_identities(None, Identity.of("desktop"))) == ("laptop", False)
    dave = "eap = 'mschapv2', user = 'dave', password = 'hush:with a colon'"
    for user, said, proven in (
        (CAROL, "carol", ["laptop", "carol"]),
        (dave, "carol", []),
        (CAROL, "x", ["laptop", "carol"]),
    ):
        pair = Pair(gateway)
        client = read(written, CLIENT, f"auth = [{{ {KEY}, id = 'laptop' }}, {{ {user}, id = '{said}' }}]")
        pair.connect(client)
        begun = [str(Identity.parse(each.body)) for e in pair.of("alice", MessageSent) for each in e.payloads
                 if type(each) is IKEv2_IDi]  # fmt: skip
        assert begun == ["laptop", said]
        found = [sa.peer_proof.rounds for sa in pair.bob.sas.values() if sa.peer_proof]
        assert [str(who) for rounds in found for who, _ in rounds] == proven


def test_certificates_are_rounds_where_one_says_its_identity(written: Path) -> None:
    """RFC 4739 section 2.4; without an identity the peer chooses one of them."""
    gw, carol = "cert = 'gw.crt', key = 'gw.key'", "cert = 'carol.crt', key = 'carol.key'"
    rest = "remote_auth = { psk = 'hush key' }"
    assert isinstance(read(written, rest, f"auth = [{{ {gw} }}, {{ {carol} }}]").auth, OwnCertificates)
    config = read(written, rest, f"auth = [{{ {gw} }}, {{ {carol}, id = 'carol@example.org' }}]")
    assert isinstance(config.auth, Rounds)
    assert config.auth.identities == (None, Identity.of("carol@example.org"))
    assert str(config.local_id) == "gw.example"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"auth = [{{ {KEY} }}]", "2: expected connections.a.auth to be a table, or an array of 2 to 8 for "),
        ("auth = [{ eap = 'md5', user = 'c', password = 'p' }]", "2: expected connections.a.auth to be a table, or an"),
        (f"auth = {{ {KEY} }}\nremote_auth = [{{}}]", "3: expected connections.a.remote_auth to be a table, or an arr"),
        (f"auth = {{ {KEY}, id = 'a' }}", "2: connections.a.auth.id: one of several rounds has an id: write local"),
        (f"auth = [{{ {KEY}, id = 'a' }}]", "2: connections.a.auth[0].id: one of several rounds has an id: write "),
        (f"psk = 'hush'\nremote_auth = {{ {KEY}, id = 'a' }}", "3: connections.a.remote_auth.id: one of several"),
        (f"auth = [{{ {KEY} }}, {{ {KEY}, id = '' }}]", "2: connections.a.auth[1].id: expected an identity such as"),
        (f"auth = [{{ {KEY} }}, {{ {KEY}, id = 7 }}]", "2: connections.a.auth[1].id: expected an identity as text"),
        (f"auth = [{{ {KEY} }}, {{ {KEY}, ids = 'x' }}]",
         "2: unknown key 'connections.a.auth[1].ids'; did you mean 'id'?"),
        (f"auth = [{{ {KEY}, by = 'x', id = 'a' }}, {{ {KEY} }}]",
         "2: unknown key 'connections.a.auth[0].by'; the keys here are id, psk, psk_file"),
        (f"local_id = 'b'\nauth = [{{ {KEY}, id = 'a' }}, {{ {KEY} }}]", "1: expected local_id to be a, as the first "),
        (f"remote_id = 'b'\npsk = 'hush'\nremote_auth = [{{ {KEY}, id = 'a' }}, {{ {KEY} }}]",
         "1: expected remote_id to be a, as the first round says, found b"),
    ],
)  # fmt: skip
def test_an_identity_in_the_wrong_place_is_one_error(written: Path, line: str, words: str) -> None:
    assert error(written, *line.split("\n")).replace("IkeConfig.", "").startswith(words)
