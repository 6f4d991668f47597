# SPDX-License-Identifier: GPL-2.0-or-later
"""fynx connect and fynx serve, given something wrong: one error with its code and what to do, and the exit status."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy.cli import main
from fynx_scapy.net import free_ports
from tests.privileges import without_capabilities

HUSH = "hush-hush-1234"


def fynx(*words: str) -> Result:
    done = CliRunner().invoke(main, list(words))
    assert HUSH not in done.output
    assert "Traceback" not in done.output
    return done


@pytest.fixture
def psk(tmp_path: Path) -> str:
    path = tmp_path / "psk"
    path.write_text(HUSH)
    return str(path)


@pytest.fixture
def taken() -> Iterator[int]:
    """A UDP port of 127.0.0.1 where nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def free() -> int:
    return free_ports("127.0.0.1")[0]


def configured(folder: Path, text: str, name: str = "ipsec.toml") -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("connect", "expected the HOST of a peer, or --config with connections"),
        ("connect 127.0.0.1", "expected the peer's key: give --psk-file"),
        ("connect 127.0.0.1 --cert {psk}", "expected --ca beside --cert"),
        ("connect 127.0.0.1 --key {psk}", "--key is about --cert, which is missing"),
        ("connect 127.0.0.1 --psk-file {psk} --crl {psk}", "--crl is about --ca, which is missing"),
        ("connect 127.0.0.1 --psk-file {psk} --cert {psk} --ca {psk}", "leave out one of them"),
        ("connect 127.0.0.1 --cert {psk} --ca {psk}", "{psk}: expected"),
        ("serve --psk-file {psk} --ca {psk}", "{psk}: expected"),
        ("connect 127.0.0.1 --psk-file {psk} --connection a", "--connection chooses a connection of --config"),
        ("connect 127.0.0.1:x --psk-file {psk}", "expected a port from 1 to 65535"),
        ("connect nowhere.invalid --psk-file {psk}", "expected a host such as 192.0.2.1"),
        ("connect 127.0.0.1 --psk-file {psk} --proposals aes999", "aes999"),
        ("connect 127.0.0.1 --psk-file {psk} --local-ts 10.0.0.0/33", "a traffic selector such as"),
        ("connect 127.0.0.1 --psk-file {psk} --vip moon", "expected addresses such as 0.0.0.0 or ::"),
        (
            "connect 127.0.0.1 --psk-file {psk} --pcap {psk}/a/b",
            "--pcap cannot write {psk}/a/b: expected a folder that",
        ),
        ("serve --psk-file {psk} --save {psk}/keys", "--save cannot write {psk}/keys"),
        ("connect 127.0.0.1 --psk-file {psk} --ping moon", "expected an IP address such as 10.2.0.1, found 'moon'"),
        ("connect 127.0.0.1 --psk-file {psk} --duration nan", "expected a finite number, found 'nan'"),
        ("connect 127.0.0.1 --psk-file {psk} --tunnels 2 --rate inf", "expected a finite number, found 'inf'"),
        ("connect 127.0.0.1 --psk-file {psk} --local 192.0.2.77 --port 500", "[transport.address-unknown]"),
        ("connect 127.0.0.1 --psk-file {psk} --metrics moon", "expected a port from 0 to 65535"),
        ("connect 127.0.0.1 --psk-file {psk} --save - --pcap -", "both write to stdout"),
        ("connect 127.0.0.1 --psk-file {psk} --rate 5", "--rate is about the load of --tunnels, which is missing"),
        ("connect 127.0.0.1 --psk-file {psk} --json", "--json is about the load of --tunnels"),
        ("connect 127.0.0.1 --psk-file {psk} --tunnels 2 --rekey-every 1", "give --duration"),
        ("connect 127.0.0.1 --psk-file {psk} --tunnels 2 --duration 1 --traffic x", "expected RATE/SIZE such as"),
        ("connect 127.0.0.1 --psk-file {psk} --tunnels 2 --json - --plot -", "both write to stdout"),
        (
            "connect 127.0.0.1 --psk-file {psk} --route 10.0.0.0/8",
            "--route is about the device of --tun, which is missing",
        ),
        ("connect 127.0.0.1 --psk-file {psk} --tun t --ping 10.0.0.1", "--ping does not go with --tun"),
        ("connect 127.0.0.1 --psk-file {psk} --tun t --tunnels 2", "--tunnels does not go with --tun"),
        ("serve --psk-file {psk} --workers 2 --tun t", "--tun works with one process only"),
        ("serve --psk-file {psk} --workers 2 --metrics 127.0.0.1:65535", "each of 2 workers takes the next port"),
        ("serve --psk-file - --workers 2", "every worker reads the key"),
        ("serve --psk-file {psk} --local 127.0.0.1 --port 5500 --tun a/b", "TunConfig.name to be a name of at most 15"),
        ("serve", "expected the peer's key: give --psk-file"),
        ("serve --psk-file {psk} --pool 10.0.0.0/33", "a traffic selector such as"),
        ("serve --psk-file {psk} --local moon", "expected IP addresses such as 192.0.2.1"),
        ("serve --psk-file {psk} --local 192.0.2.77 --port 5500", "[transport.address-unknown]"),
    ],
)
def test_misuse(psk, words, told):
    done = fynx(*words.format(psk=psk).split())
    assert done.exit_code == 2, done.output
    assert told.format(psk=psk) in " ".join(done.output.split())
    assert sum(line.startswith("Error: ") for line in done.output.splitlines()) == 1


@pytest.mark.parametrize("command", ["connect", "serve"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"[connections.a]\npsk = '{HUSH}'\nremotes = 'x'",
            "line 3: unknown key 'connections.a.remotes'; did you mean",
        ),
        ("[connections.a]", "line 1: expected psk, psk_file or auth in connections.a, found none"),
        ("[connections", "Expected ']'"),
        ("", "expected a connection, found none"),
    ],
)
def test_a_file_with_a_mistake(tmp_path, command, text, told):
    done = fynx(command, "--config", configured(tmp_path, text))
    assert done.exit_code == 2
    assert told in done.output
    assert "[config]" in done.output or "Usage: " in done.output
    assert "?." not in done.output


def test_options_that_do_not_go_with_a_file(tmp_path):
    path = configured(tmp_path, f"[connections.a]\npsk = '{HUSH}'\nremote = '127.0.0.1'")
    for words, told in (
        (["connect", "127.0.0.1"], "one of the two"),
        (["connect", "--local-id", "x"], "--local-id describes a peer, and --config has the connections"),
        (["connect", "--psk-file", path], "--psk-file describes a peer, and --config has the connections"),
        (["serve", "--pool", "10.0.0.0/24"], "describes a peer, and --config has the connections"),
        (["connect", "--connection", "b"], "no connection is called 'b'; the connections are: a"),
    ):
        done = fynx(*words, "--config", path)
        assert done.exit_code == 2
        assert told in done.output


def test_what_a_file_says_is_warned_of(tmp_path):
    path = configured(tmp_path, f"connections {{ a {{ mobike = yes\n lcoal {{ }}\n }}\n}}\n# {HUSH}", "swanctl.conf")
    done = fynx("connect", "--config", path)
    assert done.exit_code == 2
    assert "warning: " in done.output
    assert "connection a is left out" in done.output
    assert "expected a connection, found none" in done.output


def test_a_connection_without_an_address_of_the_peer(tmp_path):
    done = fynx("connect", "--config", configured(tmp_path, f"[connections.a]\npsk = '{HUSH}'"))
    assert done.exit_code == 2
    assert "ipsec.toml: expected an address of the peer, connections.a.remote" in done.output


def test_a_port_that_is_in_use(psk, taken):
    for words in (("serve", "--local", "127.0.0.1"), ("connect", "127.0.0.1", "--local", "127.0.0.1")):
        done = fynx(*words, "--psk-file", psk, "--port", str(taken))
        assert done.exit_code == 2
        assert "[transport.address-in-use]" in done.output


BIND, ADMIN, RAW = 10, 12, 13  # CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW: capabilities(7)


@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 500, reason="any user may have port 500"
)
def test_a_port_without_the_privilege(psk):
    with without_capabilities(BIND, RAW):
        done = fynx("serve", "--psk-file", psk, "--local", "127.0.0.1")
    assert done.exit_code == 2
    assert "[transport.no-privilege]" in done.output


def test_a_device_without_the_privilege(psk, free):
    with without_capabilities(ADMIN, RAW):
        done = fynx("serve", "--psk-file", psk, "--local", "127.0.0.1", "--port", str(free), "--tun", "fynx-none")
    assert done.exit_code == 2
    assert "[transport.no-privilege]" in done.output or "[transport.no-device]" in done.output


def test_a_port_for_metrics_that_is_in_use(psk, free):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        place = f"127.0.0.1:{sock.getsockname()[1]}"
        done = fynx("serve", "--psk-file", psk, "--local", "127.0.0.1", "--port", str(free), "--metrics", place)
    assert done.exit_code == 2
    assert "[transport.address-in-use]" in done.output


def test_a_peer_that_never_answers(tmp_path, taken):
    text = f"""
[connections.a]
remote = "127.0.0.1:{taken}"
psk = "{HUSH}"
retransmission = {{ timeout = 0.01, tries = 2, base = 1 }}
"""
    done = fynx("connect", "--config", configured(tmp_path, text))
    assert done.exit_code == 2
    assert "a: no answer yet, the request was sent again (2)" in done.output
    assert done.output.splitlines()[-1].startswith("Error: ")
    assert done.output.endswith("[timeout]\n")


def test_nothing_within_the_duration(psk, taken):
    done = fynx("connect", f"127.0.0.1:{taken}", "--psk-file", psk, "--duration", "0.1")
    assert done.exit_code == 2
    assert "expected a tunnel within --duration 0.1, found none" in done.output


def test_load_where_nobody_answers(tmp_path, taken):
    text = f"""
[connections.a]
remote = "127.0.0.1:{taken}"
psk = "{HUSH}"
retransmission = {{ timeout = 0.01, tries = 1, base = 1 }}
"""
    done = fynx("connect", "--config", configured(tmp_path, text), "--tunnels", "2")
    assert done.exit_code == 2
    assert "0 of 2 tunnels were set up" in done.output
    assert "2 could not be set up: " in done.output
    assert done.output.endswith("[timeout]\n")
