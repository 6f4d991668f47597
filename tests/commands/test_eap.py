# SPDX-License-Identifier: GPL-2.0-or-later
"""The options about EAP of fynx connect, serve, run, fuzz and scan, and the credentials that they make."""

from __future__ import annotations

import io
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from fynx_scapy import Eap, EapUsers, IkeConfig
from fynx_scapy.cli import main
from fynx_scapy.commands.connecting import _Program
from fynx_scapy.commands.credentials import CREDENTIALS, credentials_of, files_of, words_of
from fynx_scapy.commands.eap import EAP_CLIENT, EAP_EITHER, EAP_GATEWAY
from fynx_scapy.commands.keeping import Keeper
from fynx_scapy.commands.run import _words
from fynx_scapy.commands.running import named
from fynx_scapy.commands.screen import Screen
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.events import EapNotified, LifetimeReached
from fynx_scapy.net import free_ports
from tests.commands.programs import Program, serving
from tests.ike.pair import ALICE, BOB, Pair
from tests.settings.eap_files import HUSH, IMSI, K, make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("eap"))


def given(folder: Path, options: tuple[Any, ...], words: str) -> dict[str, Any]:
    """The values of these options, which other options of the same command leave as they are."""
    done, found = invoked(options, words.format(folder).replace("{}", str(folder)))
    if done.exception is not None:
        raise done.exception
    return found[0]


def invoked(options: tuple[Any, ...], words: str) -> tuple[Result, list[dict[str, Any]]]:
    """What a command with these options prints, and their values."""
    found: list[dict[str, Any]] = []

    def command(**values: Any) -> None:
        found.append(values | {"made": credentials_of(values)})

    for option in reversed((*CREDENTIALS, *options)):
        command = option(command)
    return CliRunner().invoke(click.command()(command), words.split(), standalone_mode=False), found


def made(folder: Path, options: tuple[Any, ...], words: str, **more: Any) -> IkeConfig:
    return IkeConfig(**given(folder, options, words.replace("@", str(folder) + "/"))["made"], **more)


USER = " --eap-user carol --eap-password-file @password"
OURS = " --cert @carol.crt --key @carol.key"
GATEWAY = " --cert @gw.crt --key @gw.key"


@pytest.mark.parametrize(
    ("client", "gateway", "proof"),
    [
        ("--eap mschapv2 --ca @root.crt" + USER, "--eap mschapv2 --eap-users @users" + GATEWAY,
         "EAP-MSCHAPv2 as carol"),
        ("--eap md5 --eap mschapv2 --psk-file @psk --eap-user carol --eap-password " + HUSH,
         "--eap md5 --psk-file @psk --eap-users @users", "EAP-MD5 as carol"),
        ("--eap tls --ca @root.crt --eap-server gw.example" + OURS, "--eap tls --ca @root.crt" + GATEWAY,
         "EAP-TLS as carol@example.org"),
        ("--eap ttls --eap-ca @root.crt --ca @root.crt --eap-inner pap --eap-identity nobody" + USER,
         "--eap ttls --eap-users @users" + GATEWAY, "EAP-TTLS as carol"),
        ("--eap ttls --eap-ca @root.crt --eap-only" + USER, "--eap ttls --eap-only --eap-users @users" + GATEWAY,
         "EAP-TTLS as carol"),
    ],
)  # fmt: skip
def test_both_ends_from_options(folder: Path, client: str, gateway: str, proof: str) -> None:
    theirs = made(folder, EAP_GATEWAY, gateway, remote=ALICE, local_id="gw.example")
    pair = Pair(theirs)
    ours = made(folder, EAP_CLIENT, client, remote=BOB, remote_id="gw.example")
    assert HUSH not in f"{ours}{theirs}"
    pair.connect(ours)
    assert pair.bobs.peer_proof is not None
    assert pair.bobs.peer_proof.by == proof


def test_a_usim_and_its_home_network(folder: Path) -> None:
    client = f"--eap aka-prime --ca @root.crt --eap-user {IMSI.replace('@', '%')} --eap-password-file @usim"
    words = client.replace("@", str(folder) + "/").replace("%", "@")
    ours = IkeConfig(**given(folder, EAP_CLIENT, words)["made"], remote=BOB, remote_id="gw.example")
    theirs = made(folder, EAP_GATEWAY, "--eap aka-prime --eap-users @subscribers" + GATEWAY, remote=ALICE)
    pair = Pair(theirs)
    pair.connect(ours)
    assert pair.bobs.peer_proof is not None
    assert pair.bobs.peer_proof.by == f"EAP-AKA' as {IMSI}"


def test_a_target_is_known_by_the_user(folder: Path) -> None:
    """What run, fuzz and scan have of a live peer: IDi is the user's, unless --local-id says another one."""
    proofs = given(folder, EAP_EITHER, ("--eap md5 --psk-file @psk" + USER).replace("@", str(folder) + "/"))["made"]
    assert str(Target(address="127.0.0.1", **proofs).config({}).local_id) == "carol"
    assert str(Target(address="127.0.0.1", local_id="dave", **proofs).config({}).local_id) == "dave"
    users = given(folder, EAP_EITHER, ("--eap md5 --eap-users @users" + GATEWAY).replace("@", str(folder) + "/"))[
        "made"
    ]
    assert isinstance(Target(address="127.0.0.1", **users).config({}).remote_auth, EapUsers)


def test_the_command_that_repeats_a_run_names_files_and_no_password(folder: Path) -> None:
    words = f"--eap ttls --eap-only --eap-ca {folder}/root.crt --eap-user carol --eap-password {HUSH}"
    values = given(folder, EAP_EITHER, words)
    again = " ".join(_words(words_of(values)))
    assert again == f"--eap ttls --eap-user carol --eap-password-file FILE --eap-ca {folder}/root.crt --eap-only"
    assert files_of(values) == [folder / "root.crt"]
    assert isinstance(values["made"]["auth"], Eap)


@pytest.mark.parametrize(
    ("limit", "hard", "line"),
    [
        ("authentication", False, "authenticating again"),
        ("authentication", True, "the authentication has ended"),
        ("reauthentication", False, "authenticating again"),
        ("bytes", False, ""),
    ],
)
def test_a_line_says_why_there_is_another_child_sa(limit: str, hard: bool, line: str) -> None:
    assert Keeper._text(LifetimeReached(0.0, bytes(8), bytes(8), limit=limit, hard=hard)) == line


def test_connect_shows_a_message_for_the_user() -> None:
    """Also when we authenticate again, while no connection is waited for."""
    out, pair = io.StringIO(), Pair()
    run: Any = SimpleNamespace(screen=Screen(out), network=pair.network)
    program = _Program(run, None, None, {})  # type: ignore[arg-type]
    sa = pair.connect()

    def said(text: str) -> None:
        sa.emit(EapNotified(*sa.stamp, text=text))
        pair.network.run(1)

    with program._messages():
        with program._waiting("office"):
            said("hello")
        said("\x1b[31m")
    said("too late")
    lines = [line.partition(" ")[2] for line in out.getvalue().splitlines()]
    assert lines == ["office: message for the user: hello", r"authenticating again: message for the user: \x1b[31m"]


TWICE = "pre-shared key; then EAP-MD5 as carol"


@pytest.mark.parametrize(
    ("by", "rounds", "told"),
    [("EAP-MD5 as carol", 0, " (EAP-MD5 as carol)"), ("a pre-shared key", 0, ""), (TWICE, 2, f" ({TWICE})")],
)
def test_the_line_of_a_tunnel_says_who_has_come_by_eap(by: str, rounds: int, told: str) -> None:
    sa: Any = SimpleNamespace(peer_proof=SimpleNamespace(method=2, by=by, rounds=("a round",) * rounds),
                              of=lambda cls: SimpleNamespace(key=None),
                              config=SimpleNamespace(ppk=()))  # fmt: skip
    session: Any = SimpleNamespace(sa=sa, local_id="gw", remote_id="carol", local="a", remote="b", addresses=(),
                                   children=())  # fmt: skip
    assert named(session) == f"gw > carol{told}, a > b"


@pytest.mark.parametrize(
    ("options", "words", "files"),
    [
        (EAP_GATEWAY, "--eap md5 --eap-users @users" + GATEWAY, ["users", "gw.key"]),
        (EAP_GATEWAY, "--eap aka --eap-users @subscribers --psk-file @psk", ["psk", "subscribers"]),
        (EAP_GATEWAY, "--eap tls --ca @root.crt" + GATEWAY, ["gw.key"]),
        (EAP_GATEWAY, "--eap ttls --eap-users @users" + GATEWAY, ["users", "gw.key"]),
        (EAP_CLIENT, "--eap md5 --ca @root.crt" + USER, ["password"]),
        (EAP_CLIENT, "--eap tls --ca @root.crt" + OURS, ["carol.key"]),
        ((), "--psk-file @psk --ppk-file @password --ppk-id x", ["psk", "password"]),
        ((), "--ca @root.crt" + OURS, ["carol.key"]),
    ],
)  # fmt: skip
def test_files_with_secrets_that_everybody_may_read_are_warned_of(
    folder: Path, options: tuple[Any, ...], words: str, files: list[str]
) -> None:
    words = words.replace("@", f"{folder}/")
    assert invoked(options, words)[0].output == ""
    try:
        for path in folder.iterdir():
            path.chmod(0o644)
        done, (values,) = invoked(options, words)
    finally:
        for path in folder.iterdir():
            path.chmod(0o600)
    told = "it has a secret, and every user of this machine may read it: chmod 600 it"
    assert sorted(done.stderr.splitlines()) == sorted(f"warning: {folder / name}: {told}" for name in files)
    assert credentials_of(values), "SIGHUP and workers, which have no command line, read them without a word"


CA = " --ca @root.crt"
CONNECT, SERVE = "connect 127.0.0.1:9 --duration 1", "serve --local 127.0.0.1 --port 9999"


ROUNDS = " a certificate and then EAP (RFC 4739) are an array in a TOML file for connect or serve --config"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--eap mschap" + USER + CA, "'mschap' is not one of 'mschapv2', 'md5', 'tls', 'ttls', 'aka', 'aka-prime'"),
        ("--eap md5 --eap tls" + USER + CA, "--eap tls does not go with another method: only mschapv2 and md5 do"),
        ("--eap-user carol" + CA, "--eap-user is about --eap, which is missing"),
        ("--eap-ca @root.crt" + CA, "--eap-ca is about --eap, which is missing"),
        ("--eap md5 --eap-user carol" + CA, "--eap md5 needs --eap-password-file, which has the secret"),
        ("--eap md5 --eap-password-file @password" + CA, "--eap md5 needs --eap-user"),
        ("--eap md5 --eap-password hush" + USER + CA, "--eap-password and --eap-password-file say the same"),
        ("--eap md5" + USER, "expected --ca beside --eap: it says whose certificate the gateway may have"),
        ("--eap md5 --psk-file @psk" + USER + CA, "--ca and --psk-file: the gateway authenticates with one of them"),
        ("--eap tls --eap-server=" + CA + OURS, "expected text after --eap-server, found none"),
        ("--eap md5 --eap-only" + USER, "--eap-only says nothing about --eap md5 of a client: leave it out"),
        ("--eap md5 --eap-inner pap" + USER + CA, "--eap-inner says nothing about --eap md5 of a client"),
        ("--eap md5 --eap-ca @root.crt" + USER + CA, "--eap-ca says nothing about --eap md5 of a client"),
        ("--eap md5" + USER + OURS + CA, "--cert says nothing about --eap md5 of a client: leave it out;" + ROUNDS),
        ("--eap md5 --eap-user carol --eap-password 0xhush" + CA, "expected hex digits after 0x in --eap-password"),
        ("--eap md5 --eap-user carol --eap-password 0xff" + CA, "--eap-password: expected a password as text in UTF-8"),
        ("--eap md5 --eap-user carol --eap-password-file @empty" + CA,
         "--eap-password-file @empty: expected a password, but the file is"),
        ("--eap md5 --eap-user carol --eap-password-file @two" + CA, "--eap-password-file @two: expected a password on "
         "one line, found 2 lines"),
        ("--eap md5 --eap-user carol --eap-password-file @none" + CA, "File '@none' does not exist"),
        ("--eap md5 --eap-users @users" + USER + CA, "No such option"),
        ("--eap tls" + CA, "--eap tls needs --cert"),
        ("--eap tls" + OURS, "--eap tls needs --eap-ca, or --ca"),
        ("--eap tls --cert @carol.crt" + CA,
         "Error: --cert @carol.crt: expected a private key, found a certificate; if it is in another file"),
        ("--eap tls --cert @carol.crt --key @gw.key" + CA,
         "the P-256 key in --key @gw.key does not fit the certificate"),
        ("--eap tls --eap-user carol" + OURS + CA, "--eap-user says nothing about --eap tls of a client"),
        ("--eap tls --eap-server keyid:ff" + OURS + CA,
         "Error: --eap-server: expected server to be a name that a certificate may have"),
        ("--eap ttls" + USER, "--eap ttls needs --eap-ca, or --ca"),
        ("--eap ttls --eap-inner md5" + USER + CA, "'md5' is not one of 'eap-mschapv2', 'eap-md5', 'mschapv2', 'pap'"),
        ("--eap ttls --eap-ca @users" + USER + CA, "Error: --eap-ca @users: expected a certificate in PEM"),
        ("--eap aka" + USER + CA, "Error: --eap-password-file @password: expected K:OPC or K:OPC:SQN, found 1 part"),
        ("--eap aka --eap-user carol --eap-password 11:22" + CA, "Error: --eap-password: expected K as 32 hex"),
        ("--eap aka --eap-password-file @usim --eap-user " + "x" * 1017 + CA, "--eap-user: expected an identity"),
        ("--eap md5 --eap-identity " + "y" * 65531 + USER + CA, "Error: --eap-identity: expected an EAP identity of 1"),
        ("--eap mschapv2 --eap-user carol --eap-password " + "x" * 257 + CA, "--eap-password: expected a password of"),
        ("--eap ttls --ca @users" + USER, "Error: --ca @users: expected a certificate in PEM"),
        ("--eap ttls --crl @psk" + USER + CA, "Error: --crl @psk: expected a CRL"),
        ("--eap tls --chain @psk" + OURS + CA, "Error: --chain @psk: expected a certificate in PEM"),
        ("--eap tls --cert @carol.crt --key @psk" + CA, "Error: --key @psk: expected a private key, found something"),
        ("--eap tls --passphrase-file @empty" + OURS + CA, "Error: --passphrase-file @empty: expected a passphrase"),
        ("--psk-file @empty", "Error: --psk-file @empty: expected a pre-shared key"),
        ("--psk-file @psk --ppk-file @empty --ppk-id x", "Error: --ppk-file @empty: expected a post-quantum"),
        (OURS + CA + " --ocsp @psk", "Error: --ocsp @psk: expected an OCSP response"),
        ("--eap aka --eap-identity x" + USER + CA, "--eap-identity says nothing about --eap aka of a client"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_client_is_one_error(folder: Path, words: str, told: str) -> None:
    mistaken(folder, f"{CONNECT} {words}", told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--eap-users @users" + GATEWAY, "--eap-users is about --eap, which is missing"),
        ("--eap md5" + GATEWAY, "--eap md5 needs --eap-users"),
        ("--eap md5 --eap-users @users", "expected --cert beside --eap: a gateway authenticates with a certificate"),
        ("--eap md5 --eap-users @users --psk-file @psk" + GATEWAY, "--cert and --psk-file: a gateway authenticates"),
        ("--eap md5 --eap-users @users" + CA + GATEWAY, "--ca says nothing about --eap md5 of a gateway: leave it out"),
        ("--eap md5 --eap-users @users --eap-only" + GATEWAY, "--eap-only says nothing about --eap md5 of a gateway"),
        ("--eap md5 --eap-users @two" + GATEWAY, "Error: --eap-users @two: line 2: carol is in line 1 already"),
        ("--eap md5 --eap-users @no-colon" + GATEWAY,
         "Error: --eap-users @no-colon: line 1: expected NAME:PASSWORD, found no colon"),
        ("--eap md5 --eap-users @comments" + GATEWAY, "--eap-users @comments: expected at least one user, found none"),
        ("--eap aka --eap-users @short-key" + GATEWAY, "--eap-users @short-key: line 1: expected K as 32 hex digits"),
        ("--eap tls" + GATEWAY, "--eap tls needs --ca"),
        ("--eap tls --psk-file @psk" + CA, "--eap tls needs --cert"),
        ("--eap tls --revocation required" + GATEWAY + CA, "--revocation does not go with --eap tls: TLS takes revoca"),
        ("--eap tls --eap-users @users" + GATEWAY + CA, "--eap-users says nothing about --eap tls of a gateway"),
        ("--eap ttls --eap-users @users --cert @gw.crt",
         "--cert @gw.crt: expected a private key, found a certificate; if it"),
        ("--eap md5 --config @users", "--eap describes a peer, and --config has the connections: use one"),
        ("--eap md5 --eap-user carol" + GATEWAY, "No such option"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_gateway_is_one_error(folder: Path, words: str, told: str) -> None:
    mistaken(folder, f"{SERVE} {words}", told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run handshake --eap md5 --psk-file @psk" + USER, "--eap is about a live peer, but there is no --target"),
        ("run handshake --target 127.0.0.1 --role responder --eap md5 --psk-file @psk" + USER, "--eap makes us a"),
        ("run handshake --target 127.0.0.1 --eap md5 --eap-users @users --psk-file @psk", "give --role responder"),
        ("fuzz --eap md5 --psk-file @psk" + USER, "--eap describes a live peer, but --target is missing"),
        ("fuzz --target 127.0.0.1 --role initiator --eap md5 --eap-users @users --psk-file @psk", "--role respond"),
        ("fuzz --target 127.0.0.1 --eap md5 --eap-users @two --psk-file @psk --role responder", "@two: line 2: carol"),
        ("scan 127.0.0.1 --eap md5 --psk-file @psk --eap-user carol", "--eap md5 needs --eap-password-file"),
        ("scan 127.0.0.1 --offer default --eap md5 --psk-file @psk" + USER, "--offer asks one question without an IKE"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_tester_is_one_error(folder: Path, tmp_path: Path, words: str, told: str) -> None:
    mistaken(folder, words, told)


def mistaken(folder: Path, words: str, told: str) -> None:
    """One error, before anything is sent, with no secret."""
    done = CliRunner().invoke(main, words.replace("@", f"{folder}/").split())
    assert done.exit_code == 2, done.output
    output = done.output.replace(f"{folder}/", "@")
    assert told in output
    assert output.count("Error: ") == 1
    assert not any(secret in output for secret in (HUSH, K, K[1:], "0xhush"))
    assert "serving" not in output


@pytest.mark.slow
def test_a_user_gets_an_address_and_pings_through_the_tunnel(folder: Path, tmp_path: Path) -> None:
    """Both ends as processes: a gateway with a certificate, users and a pool, and a client with a password."""
    port = str(free_ports("127.0.0.1")[0])
    words = f"--eap mschapv2 --eap-users @users{GATEWAY} --pool 10.3.0.0/24".replace("@", f"{folder}/").split()
    with serving("--local", "127.0.0.1", "--port", port, *words) as server:
        client = f"--eap mschapv2 --ca @root.crt{USER} --remote-id gw.example --vip 0.0.0.0 --ping 127.0.0.1"
        with Program("connect", f"127.0.0.1:{port}", *client.replace("@", f"{folder}/").split(), cwd=tmp_path) as ours:
            assert "inner address 10.3.0.1" in ours.until("carol > gw.example")
            server.until("peer: gw.example > carol (EAP-MSCHAPv2 as carol)")
            assert ours.ended(signal.SIGINT) == 0
