# SPDX-License-Identifier: GPL-2.0-or-later
"""The shell, as a person uses it: started as a command, typed into, looked at."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pexpect
import pytest

from fynx_scapy import IkeConfig, IpsecClient, shell
from fynx_scapy.errors import ConfigError

PCAPS = Path(__file__).resolve().parent.parent / "pcaps"


def typed(*lines: str, arguments: tuple[str, ...] = ()) -> str:
    """What a shell says in which these lines are typed."""
    done = subprocess.run(
        [sys.executable, "-m", "fynx_scapy.cli", "shell", *arguments],
        input="\n".join(lines) + "\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_a_person_at_the_prompt() -> None:
    said = typed(
        "s = example()",
        "%ladder s",
        f"%decrypt {PCAPS / 'demo.pcapng'}",
        "len(c.messages), IKEv2_Nonce(nonce=bytes(16)).nonce[:2]",
        "%ladder nothing",
        "%decrypt /nowhere.pcap",
        "%decrypt",
    )
    assert shell.BANNER.splitlines()[0] in said
    assert "CREATE_CHILD_SA request" in said
    assert "<Capture" in said
    assert "(65, b'\\x00\\x00')" in said
    assert "expected the name of a session, a conversation or a capture, found 'nothing'" in said
    assert "/nowhere.pcap: cannot be opened" in said
    assert "expected %decrypt FILE [KEYS]" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_it_feels_like_scapy() -> None:
    said = typed(
        "s = Session(psk='x', seed=1); s.connect()",
        "s.liveness(timeout='x')",
        "len(IP(dst='192.0.2.9') / UDP()), callable(sr1)",
        "import asyncio",
        "await asyncio.sleep(0, 'awaited')",
        "%ladder c.conversations[1]",
        "s.close(); s.ping()",
        "%tb",
        arguments=(str(PCAPS / "demo.pcapng"),),
    )
    assert "ConfigError: expected Session.liveness().timeout" in said
    assert "(28, True)" in said
    assert "'awaited'" in said
    assert "IKE_SA_INIT request 0" in said
    before, after = said.split("LocalError: this session is closed: make a new Session", 1)
    assert "Traceback" not in before
    assert "Traceback" in after, "%tb shows it whole"


@pytest.mark.slow
def test_with_a_capture_and_its_keys() -> None:
    capture, keys = PCAPS / "demo.pcapng", PCAPS / "demo.keys"
    said = typed("%ladder", "c.messages[-1].icv", arguments=(str(capture), "--keys", str(keys)))
    assert "c = <Capture" in said
    assert "IKE_SA_INIT request 0" in said
    assert "'ok'" in said


def test_the_banner_teaches_in_five_lines() -> None:
    lines = shell.BANNER.splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= 120


def test_everything_is_at_hand() -> None:
    names = shell.names()
    for name in ("IKEv2", "IKEv2_SA", "ESP", "Session", "Capture", "KeyLog", "IP", "UDP", "example", "IkeConfig"):
        assert name in names, name
    for name in (
        "sr", "sr1", "ls", "lsc", "explore", "Raw", "sniff", "wrpcap",
        "expect", "Psk", "ChildConfig", "Recorder", "Network", "Nat", "IkeSaEstablished", "Timeout", "events",
    ):  # fmt: skip
        assert name in names, name
    assert names["rdpcap"].__module__.startswith("fynx_scapy.capture")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("c.conversations", "it has 2: write %ladder c.conversations[0]"),
        ("c.conversations[9]", "%ladder c.conversations[9]: IndexError: list index out of range"),
        ("c.nothing", "AttributeError"),
        ("s.", "SyntaxError"),
        ("nothing", "expected the name of a session, a conversation or a capture, found 'nothing'"),
        ("5", "found '5'"),
        ("", "found 's'"),
    ],
)
def test_a_wrong_ladder_is_one_line(line: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    session = shell.example()
    magics = shell.Magics({"c": SimpleNamespace(conversations=[session, session])})
    assert magics.ladder("c.conversations[1]") is not None
    assert magics.ladder(line if line else "s") is None
    said = capsys.readouterr().out
    assert text in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("line", ["", "a b c", "'not closed", "/nowhere.pcapng", "/nowhere.pcapng /nor.keys"])
def test_a_wrong_decrypt_is_one_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.Magics({}).decrypt(line) is None
    assert capsys.readouterr().out.count("\n") == 1


def test_without_ipython_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.terminal.embed", None)
    with pytest.raises(ConfigError, match=r"pip install 'fynx-scapy\[shell\]'"):
        shell.start()


SERVER = (
    "free = EndpointConfig(port=0, natt_port=0, marker_always=True)",
    "child = ChildConfig(local_ts='10.2.0.0/24', remote_ts='10.1.0.0/24')",
    "here = IkeConfig(auth='x', children=child)",
    "server = IpsecServer(here, local='127.0.0.1', endpoint=free, native=False)",
    "await server.bind()",
    "port, natt_port = server.endpoint.config.port, server.endpoint.config.natt_port",
)


@pytest.mark.slow
def test_clients_and_servers_at_the_prompt() -> None:
    said = typed(
        *SERVER,
        "config = IkeConfig(auth='x', remote=('127.0.0.1', port), remote_natt_port=natt_port)",
        "client = IpsecClient(config, native=False)",
        "session = await client.connect()",
        "session",
        "await client.connect(config.replace(auth='y'))",
        "await session.rekey(); session.counters.ike_rekeys",
        "await session.close(); await session.recv_packet()",
        "await client.shutdown(); await server.close(); server",
    )
    assert "<IpsecSession fynx > fynx, 127.0.0.1:" in said
    assert "PeerError: IKE_AUTH was answered with AUTHENTICATION_FAILED" in said
    assert "SessionClosed: the IKE SA ended: deleted by us" in said
    assert "0 sessions>" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_server_answers_while_the_prompt_waits() -> None:
    environment = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    arguments = ["-m", "fynx_scapy.cli", "shell"]
    shell = pexpect.spawn(
        sys.executable, arguments, env=environment, encoding="utf-8", timeout=60, dimensions=(50, 200)
    )
    try:
        for line in (*SERVER, "print('ports', port, natt_port, 'end')"):
            shell.expect(r"In \[")
            shell.send(line + "\r")
        shell.expect(r"ports (\d+) (\d+) end")
        port, natt_port = map(int, shell.match.groups())
        shell.expect(r"In \[")  # it waits for the next command

        async def connect() -> None:
            config = IkeConfig(auth="x", remote=("127.0.0.1", port), remote_natt_port=natt_port)
            async with IpsecClient(config, native=False) as client:
                assert (await client.connect()).open

        asyncio.run(connect())
        shell.send("await server.close()\r")
        shell.expect(r"In \[")
    finally:
        shell.close(force=True)
