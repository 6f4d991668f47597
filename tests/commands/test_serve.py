# SPDX-License-Identifier: GPL-2.0-or-later
"""fynx serve and fynx connect as processes, on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy.cli import main
from fynx_scapy.net import free_ports
from fynx_scapy.pki.making import Authority
from tests.commands.programs import Program, serving

pytestmark = pytest.mark.slow

HUSH = "hush-hush-1234"
QUICK = "{ timeout = 0.1, tries = 2, base = 1 }"


@pytest.fixture
def port() -> int:
    return free_ports("127.0.0.1")[0]


@pytest.fixture
def psk(tmp_path: Path) -> str:
    return str(written(tmp_path / "psk", HUSH))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_tunnel_with_pings_until_ctrl_c(tmp_path, port, psk):
    common = ("--psk-file", psk)
    with serving("--local", "127.0.0.1", "--port", str(port), "--local-id", "moon", *common) as server:
        words = ("--local-id", "alice", "--remote-id", "moon", "--ping", "127.0.0.1", "--pcap", "run.pcapng", *common)
        with Program("connect", f"127.0.0.1:{port}", *words, cwd=tmp_path) as client:
            line = client.until("alice > moon")
            assert re.search(
                rf"peer: alice > moon, 127.0.0.1:\d+ > 127.0.0.1:{port}; net: .*aes128gcm16, in \d+ ms", line
            )
            server.until("peer: moon > alice")
            assert client.ended(signal.SIGINT) == 0
            assert "1 session · 1 Child SA" in client.lines[-2]
            assert re.search(r"\d+ pings?, [1-9]\d* answers?, ", client.lines[-1])
        server.until("closed: the IKE SA ended: deleted by the peer [closed.by-peer]")
    assert "0 sessions" in server.lines[-1]
    assert "1 session in all" in server.lines[-1]
    assert HUSH not in f"{server}{client}"
    read = CliRunner().invoke(main, ["capture", str(tmp_path / "run.pcapng")])  # with the keys beside it
    assert (read.exit_code, "decrypted" in read.output) == (0, True), read.output


def test_sigterm_ends_it_in_the_same_way(port, psk):
    with serving("--local", "127.0.0.1", "--port", str(port), "--psk-file", psk) as server:
        with Program("connect", f"127.0.0.1:{port}", "--psk-file", psk, "--quiet") as client:
            server.until("fynx > fynx")
            assert client.ended(signal.SIGTERM) == 0
            assert len(client.lines) == 1  # the summary
        server.until("closed.by-peer")


def test_certificates_of_a_file_and_a_stranger_who_is_refused(tmp_path, port):
    root, other = Authority.root("CN=root"), Authority.root("CN=other")
    (tmp_path / "ca.pem").write_bytes(root.pem)
    for authority, name in ((root, "gw"), (root, "alice"), (other, "eve")):
        issued = authority.issue(f"CN={name}", [f"{name}.example"])
        written(tmp_path / f"{name}.p12", "").write_bytes(issued.pkcs12(HUSH))
    written(tmp_path / "pw", HUSH)
    everything = '{ local_ts = "0.0.0.0/0", remote_ts = "0.0.0.0/0" }'
    for name in ("gw", "alice", "eve"):
        remote = f'remote = "127.0.0.1:{port}"\nremote_id = "gw.example"' if name != "gw" else ""
        auth = f'auth = {{ cert = "{name}.p12", passphrase_file = "pw" }}\ntrust = "ca.pem"\nchildren = {everything}'
        written(tmp_path / f"{name}.toml", f"[connections.{name}]\n{auth}\n{remote}\n")
    with serving("--local", "127.0.0.1", "--port", str(port), "--config", "gw.toml", cwd=tmp_path) as server:
        with Program("connect", "--config", "alice.toml", cwd=tmp_path) as alice:
            server.until("gw: gw.example > alice.example")
            assert alice.ended(signal.SIGINT) == 0
        with Program("connect", "--config", "eve.toml", cwd=tmp_path) as eve:
            line = server.until("refused 127.0.0.1:")
            assert line.endswith("no chain leads from CN=eve to a trusted certificate [certificate.unknown-authority]")
            assert eve.ended() == 1
            assert "[peer.authentication-failed]" in str(eve)
    assert server.lines[-1].endswith("1 session in all · 1 peer refused")
    assert HUSH not in f"{server}{alice}{eve}"


def test_connections_of_a_file_with_addresses_from_a_pool(tmp_path, port):
    child = '[[connections.{0}.children]]\nlocal_ts = "0.0.0.0/0"\nremote_ts = "10.1.0.0/16"\n'
    client = "".join(
        f'[connections.{name}]\nlocal_id = "{name}"\npsk_file = "psk"\nremote = "127.0.0.1:{port}"\n'
        f'cp_request = {{ addresses = "0.0.0.0", attributes = [] }}\n{child.format(name)}'
        for name in ("a", "b")
    )
    server = f"""
connections {{
  gw {{
    local_addrs = 127.0.0.1
    pools = p
    local {{ auth = psk
      id = @moon }}
    remote {{ auth = psk }}
    children {{ net {{ local_ts = 10.1.0.0/16
    }} }}
  }}
}}
pools {{ p {{ addrs = 10.3.0.0/24
}} }}
secrets {{ ike-a {{ id = a
    secret = {HUSH}
  }}
  ike-b {{ id = b
    secret = {HUSH}
  }} }}
"""
    written(tmp_path / "psk", HUSH)
    config = str(written(tmp_path / "swanctl.conf", server))
    with (
        serving("--config", config, "--port", str(port)) as gateway,
        Program("connect", "--config", str(written(tmp_path / "ipsec.toml", client))) as program,
    ):
        program.until("a: a > moon")
        assert "inner address 10.3.0.2; net: 10.3.0.2/32 === 10.1.0.0/16" in program.until("b: b > moon")
        assert "gw/a: moon > a" in gateway.until("moon > a")
        assert program.ended(signal.SIGINT) == 0
        assert "2 sessions · 2 Child SAs" in program.lines[-1]


def test_sighup_reads_the_file_again_and_a_bad_one_keeps_the_old(tmp_path, port, psk):
    path = written(tmp_path / "ipsec.toml", f'[connections.a]\npsk = "{HUSH}"\nlocal_id = "moon"\n')

    def connected(remote_id: str) -> int:
        words = ("connect", f"127.0.0.1:{port}", "--psk-file", psk, "--remote-id", remote_id, "--duration", "0.5")
        with Program(*words) as client:
            return client.ended()

    with serving("--config", str(path), "--local", "127.0.0.1", "--port", str(port)) as server:
        assert connected("moon") == 0
        written(path, f'[connections.a]\npsk = "{HUSH}"\nlocal_id = "sun"\n')
        server.signal(signal.SIGHUP)
        server.until("SIGHUP: 1 connection from now on")
        assert connected("sun") == 0
        written(path, f'[connections.a]\npsk = "{HUSH}"\nlocal = "venus"\n')
        server.signal(signal.SIGHUP)
        assert "line 3: unknown key 'connections.a.local'; did you mean 'local_id'?" in server.until("SIGHUP: the old")
        assert connected("sun") == 0
        assert HUSH not in str(server)


def test_a_peer_that_refuses_the_key(tmp_path, port, psk):
    other = written(tmp_path / "other", "another secret")
    with serving("--local", "127.0.0.1", "--port", str(port), "--psk-file", psk):
        with Program("connect", f"127.0.0.1:{port}", "--psk-file", str(other)) as client:
            assert client.ended() == 1
        assert client.lines[-1].endswith("[peer.authentication-failed]")


def test_a_peer_that_dies(tmp_path, port, psk):
    text = f"""
[connections.a]
remote = "127.0.0.1:{port}"
psk_file = "psk"
dpd = {{ interval = 0.2, retransmission = {QUICK} }}
retransmission = {QUICK}
"""
    path = written(tmp_path / "ipsec.toml", text)
    with Program("serve", "--local", "127.0.0.1", "--port", str(port), "--psk-file", psk) as server:
        server.until("serving")
        with Program("connect", "--config", str(path)) as client:
            client.until("a: ")
            server.signal(signal.SIGKILL)
            assert client.ended() == 1
            assert any("a: closed: " in line and "[closed.peer-dead]" in line for line in client.lines)


def test_metrics_and_logs_while_it_runs(port, psk):
    words = ("--local", "127.0.0.1", "--port", str(port), "--psk-file", psk, "--metrics", "127.0.0.1:0", "--log-json")
    with Program("serve", *words) as server:
        url = server.until("metrics at").rpartition(" ")[2]
        server.until("serving")
        with Program("connect", f"127.0.0.1:{port}", "--psk-file", psk, "--duration", "1") as client:
            server.until('"ike_sa_established"')
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
            assert 'fynx_handshakes_total{role="responder",result="established"} 1' in text
            assert client.ended() == 0
        assert server.ended(signal.SIGINT) == 0
        assert HUSH not in str(server)


def test_load_on_a_server(tmp_path, port, psk):
    with serving(
        "--local", "127.0.0.1", "--port", str(port), "--psk-file", psk, "--quiet", "--local-ts", "10.2.0.0/16"
    ):
        words = (
            "--psk-file",
            psk,
            "--local-ts",
            "10.1.0.0/16",
            "--ping",
            "10.2.0.1",
            "--tunnels",
            "10",
            "--rate",
            "50",
        )
        hold = (
            "--duration",
            "2",
            "--rekey-every",
            "1",
            "--traffic",
            "100/100",
            "--plot",
            "load.svg",
            "--json",
            "load.json",
        )
        with Program("connect", f"127.0.0.1:{port}", *words, *hold, cwd=tmp_path) as client:
            assert client.ended() == 0, str(client)
    assert "10 of 10 tunnels were set up, 10 of them at once" in client.lines[0]
    told = json.loads((tmp_path / "load.json").read_text())
    assert told["tunnels"] == {"asked": 10, "begun": 10, "set_up": 10, "most": 10}
    assert told["time_to_first_packet"]["count"] == 10
    assert told["packets"]["answered"] == told["packets"]["sent"] > 0
    assert told["rekey_failures"] == {}
    assert (tmp_path / "load.svg").read_text().startswith("<svg ")


def test_ctrl_c_ends_a_load_with_what_it_has_measured(port, psk):
    with serving("--local", "127.0.0.1", "--port", str(port), "--psk-file", psk) as server:
        words = ("--psk-file", psk, "--tunnels", "1000", "--rate", "10", "--json")
        with Program("connect", f"127.0.0.1:{port}", *words) as client:
            server.until("fynx > client-2")
            assert client.ended(signal.SIGINT) == 130
        assert any(" of 1,000 tunnels were set up" in line for line in client.lines)
        told = json.loads("\n".join(client.lines[client.lines.index("{") :]))
        assert 2 <= told["tunnels"]["set_up"] < 1000


def test_several_workers(tmp_path, port, psk):
    path = written(tmp_path / "ipsec.toml", f'[connections.a]\npsk = "{HUSH}"\nlocal_id = "moon"\n')
    words = ("--config", str(path), "--local", "127.0.0.1", "--port", str(port), "--workers", "2")
    with serving(*words) as server:
        for _ in range(2):
            server.until("serving 1 connection")
        with Program("connect", f"127.0.0.1:{port}", "--psk-file", psk, "--tunnels", "12") as client:
            assert client.ended() == 0, str(client)
        written(path, "nonsense")
        server.signal(signal.SIGHUP)
        for _ in range(2):
            assert "Expected" in server.until("SIGHUP: the old configuration stays")
    sessions = [int(found[1]) for line in server.lines if (found := re.search(r"(\d+) sessions? in all", line))]
    assert sum(sessions) == 12
    assert len(sessions) == 2
    assert "ended: 2 workers, 0 restarts" in server.lines[-1]


def test_what_ends_a_worker_ends_them_all(port, psk):
    """The second worker cannot have its port for metrics: one error, and no worker is left or started again."""
    metrics, taken = consecutive_ports()
    with taken:
        words = ("--psk-file", psk, "--local", "127.0.0.1", "--port", str(port), "--metrics", f"127.0.0.1:{metrics}")
        with Program("serve", *words, "--workers", "2") as server:
            assert server.ended() == 2, str(server)
    assert [line for line in server.lines if "Error" in line or "Traceback" in line] == [server.lines[-1]]
    assert server.lines[-1].startswith(
        f"Error: cannot open TCP port {metrics + 1} on 127.0.0.1: Address already in use;"
    )
    assert server.lines[-1].endswith("[transport.address-in-use]")


def consecutive_ports() -> tuple[int, socket.socket]:
    """A free TCP port of 127.0.0.1, and a socket that has the next one."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            number = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                return number, socket.create_server(("127.0.0.1", number + 1))


def test_the_end_of_the_terminal_deletes_the_sas(port, psk):
    with serving("--psk-file", psk, "--local", "127.0.0.1", "--port", str(port)) as server:
        with Program("connect", f"127.0.0.1:{port}", "--psk-file", psk) as client:
            client.until("in ")
            assert client.ended(signal.SIGHUP) == 0
        server.until("closed: the IKE SA ended: deleted by the peer [closed.by-peer]")


def test_nobody_listens(port, psk):
    with Program("connect", f"127.0.0.1:{port}", "--psk-file", psk) as client:
        assert client.ended() == 2
    assert client.lines[-1].startswith(f"Error: nothing listens at 127.0.0.1:{port}. ")
    assert client.lines[-1].endswith("[timeout.unreachable]")


@pytest.mark.skipif(
    subprocess.run(["unshare", "-Urn", "sh", "-c", ": < /dev/net/tun"], check=False, capture_output=True).returncode
    != 0,
    reason="this machine has no TUN devices, or no namespaces for users",
)
def test_a_device_in_a_namespace_of_a_user(tmp_path, port, psk):
    """As any user: packets of the kernel through the tunnel to the server, which answers UDP echo, and back."""
    asking = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(20)
    sock.sendto(b"hello", ("10.2.0.1", 7))
    print(sock.recv(100), flush=True)
"""
    (tmp_path / "ask.py").write_text(asking)
    fynx = Path(sys.executable).with_name("fynx")
    lines = f"""
set -e
ip link set lo up
{fynx} serve --psk-file {psk} --local 127.0.0.1 --port {port} --local-ts 10.2.0.0/16 --pool 10.3.0.0/24 > server &
server=$!
until grep -q serving server; do sleep 0.1; done
{fynx} connect 127.0.0.1:{port} --psk-file {psk} --vip 0.0.0.0 --tun fynx%d > client &
client=$!
until grep -q mtu client; do sleep 0.1; done
{sys.executable} ask.py
ip -o addr show; ip route
kill -INT $client; wait $client
kill -INT $server; wait $server
ip -o link
"""
    done = subprocess.run(
        ["unshare", "-Urn", "sh", "-c", lines], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    client = (tmp_path / "client").read_text()
    assert done.returncode == 0, f"{done}\n{client}"
    assert done.stdout.startswith("b'hello'\n")
    assert "fynx0    inet 10.3.0.1/32" in done.stdout
    assert "10.2.0.0/16 dev fynx0" in done.stdout
    assert "fynx0" not in done.stdout.splitlines()[-1]  # it is gone
    assert "fynx0: mtu 1400; address 10.3.0.1/32; routes 10.2.0.0/16" in client
    assert "fynx0: 1 packet read, 1 written" in client


def test_a_client_that_reconnects(tmp_path, port, psk):
    text = f"""
[reconnect]
wait = 0.1
[connections.a]
remote = "127.0.0.1:{port}"
psk_file = "psk"
dpd = {{ interval = 0.2, retransmission = {QUICK} }}
retransmission = {QUICK}
"""
    path = written(tmp_path / "ipsec.toml", text)
    words = ("--local", "127.0.0.1", "--port", str(port), "--psk-file", psk)
    with Program("serve", *words) as first:
        first.until("serving")
        with Program("connect", "--config", str(path)) as client:
            client.until("a: fynx")
            first.ended(signal.SIGKILL)
            assert "[closed.peer-dead]" in client.until("a: lost the peer, attempt 1 to reconnect")
            with serving(*words) as second:
                second.until("peer: fynx")
                assert client.ended(signal.SIGINT) == 0
