# SPDX-License-Identifier: GPL-2.0-or-later
"""A live peer that says nothing: it is told soon, with its likely causes, and no verdict is made of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.errors import ConfigError, Timeout
from fynx_scapy.harness import Contact, Run, Unreached, Verdict, expect, run
from fynx_scapy.harness.forge import unanswered
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.message import Address
from fynx_scapy.layers.ikev2 import IKEv2_KE
from fynx_scapy.net.udp import UdpNetwork, free_ports
from fynx_scapy.session import Session
from tests.harness.peers import KEY, bob, fynx, made, target

SOON = Retransmission(timeout=0.05, base=1.0, tries=2)


@pytest.fixture
def hole() -> Iterator[socket.socket]:
    """A port that takes everything and answers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first exchange is given up soon."""
    monkeypatch.setattr("fynx_scapy.harness.reachability.LIVE", SOON)


@contextlib.contextmanager
def answering(bound: socket.socket, answer: Callable[[bytes], bytes]) -> Iterator[None]:
    """Answer what comes to that socket, as long as the block lasts."""
    ended = threading.Event()
    bound.settimeout(0.05)

    def loop() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                data, sender = bound.recvfrom(65535)
                bound.sendto(answer(data), sender)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def number_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


# A session


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_port_that_refuses_is_told_before_the_schedule_ends(host: str) -> None:
    bare = host.strip("[]")
    (nobody,) = free_ports(bare, 1)
    patient = Retransmission(timeout=0.05, base=1.0, tries=1000)
    with Session(f"{host}:{nobody}", retransmission=patient) as s:
        with pytest.raises(Timeout, match=rf"nothing listens at .*{nobody}; ICMP from {bare} says") as told:
            s.sa_init()
        assert "marker_always=False" in str(told.value)
        assert s.client.sas == {}


def test_a_port_that_refuses_is_told_by_a_network_that_keeps_no_events_too() -> None:
    (nobody,) = free_ports("127.0.0.1", 1)
    patient = Retransmission(timeout=0.05, base=1.0, tries=100)
    with (
        contextlib.closing(UdpNetwork(history=0)) as network,
        Session(f"127.0.0.1:{nobody}", retransmission=patient, network=network) as s,
        pytest.raises(Timeout, match=f"nothing listens at .*{nobody}"),
    ):
        s.sa_init()


def test_a_black_hole_is_told_with_what_may_be_wrong(hole: socket.socket) -> None:
    for marker, other in ((None, "marker_always=False"), (False, "marker_always=True")):
        with (
            Session(f"127.0.0.1:{number_of(hole)}", retransmission=SOON, marker_always=marker) as s,
            pytest.raises(Timeout, match=f"no answer from .* to message 0 after 3 attempts; .*{other}"),
        ):
            s.sa_init()


def test_a_live_session_is_not_patient_for_a_minute() -> None:
    with Session(Address("127.0.0.1", 9)) as s:
        assert 3 < s.config.retransmission.total < 6
    assert Session().config.retransmission.total > 60  # where time is virtual


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("ours", ["port", "natt_port"])
def test_ourselves_are_no_peer(host: str, ours: str) -> None:
    (number,) = free_ports("127.0.0.1", 1)
    (other,) = free_ports("127.0.0.1", 1)
    ports = {"port": other, "natt_port": other} | {ours: number}
    with pytest.raises(ConfigError, match="our own socket"):
        Session(f"{host}:{number}", **ports)  # type: ignore[arg-type]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", number))  # nothing is held


# The first exchange


@pytest.mark.usefixtures("impatient")
def test_junk_is_no_sign_of_life(hole: socket.socket) -> None:
    contact = Contact(Target(address=f"127.0.0.1:{number_of(hole)}"))
    with answering(hole, lambda _: b"hello, this is no IKE"), pytest.raises(Unreached, match="but it is no answer"):
        contact.make()
    assert not contact.heard


@pytest.mark.slow
def test_an_echo_is_no_sign_of_life(hole: socket.socket) -> None:
    with answering(hole, lambda data: data), pytest.raises(Unreached):
        Contact(Target(address=f"127.0.0.1:{number_of(hole)}")).make()


def test_a_peer_is_told_of_and_left_as_it_was() -> None:
    with bob() as peer:
        contact = Contact(target(peer.port))
        contact.make()
        assert contact.heard
        assert contact.facts["target"] == f"127.0.0.1:{peer.port}"
        assert contact.facts["the peer's identity"] == "bob"
        assert not peer.established()


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["refused", "silent"])
def test_a_run_that_reaches_nobody_is_no_run(answer: str, hole: socket.socket, tmp_path: Path) -> None:
    key = tmp_path / "psk"
    key.write_text(KEY)
    number = number_of(hole) if answer == "silent" else free_ports("127.0.0.1", 1)[0]
    began = time.monotonic()
    done = fynx("run", "--target", f"127.0.0.1:{number}", "--json", tmp_path / "x.json", key=key)
    assert time.monotonic() - began < 10
    assert done.exit_code == 2
    assert f"no answer to IKE_SA_INIT from 127.0.0.1:{number}; no scenario was run" in done.output
    assert ("Connection refused" in done.output) is (answer == "refused")
    assert "--no-marker-always" in done.output
    assert not (tmp_path / "x.json").exists()


def test_ourselves_are_no_target(tmp_path: Path) -> None:
    key = tmp_path / "psk"
    key.write_text(KEY)
    (number,) = free_ports("127.0.0.1", 1)
    done = fynx("run", "--target", f"127.0.0.1:{number}", "--port", number, key=key)
    assert done.exit_code == 2
    assert "our own socket" in done.output


# Silence as a verdict


def silent(run: Run) -> None:
    """Expects silence, and so does nothing else."""
    s = run.session()
    s.tap("payloads", lambda message: message.payloads.remove(message.one(IKEv2_KE)))
    expect(unanswered(s)).holds()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["payload_ke_missing_in_init", "nonce_of_15_octets_in_init"])
def test_silence_of_nobody_is_no_pass(name: str, hole: socket.socket) -> None:
    result = run(scenarios.load(name), target=Target(address=f"127.0.0.1:{number_of(hole)}"))
    assert result.verdict is Verdict.ERROR
    assert "no answer to IKE_SA_INIT" in result.reason


def test_silence_of_a_peer_that_is_there_is_a_pass() -> None:
    with bob() as peer:
        assert run(made(silent), target=target(peer.port)).verdict is Verdict.PASS


@pytest.mark.slow
def test_silence_of_a_peer_that_went_away_is_no_pass() -> None:
    with bob() as peer:

        def ended(run: Run) -> None:
            """The peer ends meanwhile."""
            silent(run)
            peer.close()

        result = run(made(ended), target=target(peer.port))
    assert result.verdict is Verdict.FAIL
    assert "expected the peer to answer after the scenario" in result.reason


def test_silence_of_an_embedded_peer_that_nothing_reached_is_no_pass() -> None:
    def cut(run: Run) -> None:
        """Nothing arrives."""
        s = run.session()
        s.network.wire.loss = 1.0
        expect(unanswered(s)).holds()

    result = run(made(cut))
    assert (result.verdict, "its silence proves nothing" in result.reason) == (Verdict.FAIL, True)
    assert run(made(silent)).verdict is Verdict.PASS  # it has dropped what came
