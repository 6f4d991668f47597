# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoints on real sockets, on loopback: ports of their own, both IP versions, both roles, ICMP, who may open what.

Time is real here, and short: every wait ends with what it waits for.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from types import ModuleType

import pytest
from scapy.config import conf
from scapy.layers.inet import ICMP
from scapy.themes import BlackAndWhite

from fynx_scapy.errors import ConfigError, LocalError, OutOfReach, Timeout, TransportError
from fynx_scapy.harness.target import Target
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Retransmission
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import (
    EspReceived,
    EspSent,
    IcmpReceived,
    IkeSaRekeyed,
    MessageDropped,
    MessageReceived,
    SendFailed,
)
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.layers.ikev2 import IKEv2_KE
from fynx_scapy.net.echo import echo_request
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.net.sockets import UdpPort
from fynx_scapy.net.udp import UdpNetwork, free_ports, resolve, source_for
from fynx_scapy.session import Session

BOB = IkeConfig(
    auth="secret",
    local_id="bob",
    remote_id="alice",
    children=(ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24"),),
    retransmission=Retransmission(timeout=0.2, tries=2),
)


class Peer:
    """Bob on loopback, on a network of his own, whom a thread serves."""

    def __init__(self, host: str = "127.0.0.1", *, marker: bool = True, config: IkeConfig = BOB) -> None:
        self.port, self.natt_port = free_ports(host)
        self.network = UdpNetwork()
        settings = EndpointConfig(port=self.port, natt_port=self.natt_port, marker_always=marker)
        self.endpoint = Endpoint(host, [config], config=settings)
        self.network.add(self.endpoint, "bob", echo=True)
        self.network.attend()
        self.target = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@pytest.fixture(params=["127.0.0.1", "::1"])
def bob(request: pytest.FixtureRequest) -> Iterator[Peer]:
    peer = Peer(request.param)
    yield peer
    peer.network.close()


def alice(peer: Peer, **more: object) -> Session:
    return Session(peer.target, psk="secret", **more)  # type: ignore[arg-type]


def test_a_whole_conversation(bob: Peer) -> None:
    with alice(bob) as s:
        # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
        assert IKEv2_KE in s.sa_init()
        # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
        s.auth()
        assert s.ping("10.2.0.1")[ICMP].type == 0
        s.rekey_child()
        s.rekey_ike()
        assert len(s.ping(size=1300)) == 1328
        ladder = str(s.ladder())
        assert "--X" not in ladder
        assert "* initiator: IKE SA established: alice with bob" in ladder
        s.delete()
        assert not s.sa.established


def test_the_peer_begins(bob: Peer) -> None:
    with alice(bob) as s:
        ours = Address(s.client.host, s.client.config.port)
        with bob.network.lock:
            bob.endpoint.connect(BOB.replace(remote=ours, remote_natt_port=s.client.config.natt_port), bob.network.now)
        sa = s.accept(timeout=5)
        assert (sa.initiator, s.sa) == (False, sa)
        assert "IKE_SA_INIT request 0      HDR, SA, KE, Ni" in str(s.ladder())
        # We may rekey what they have set up.
        s.rekey_ike()
        s.ping("10.2.0.1")
        with pytest.raises(Timeout, match=r"within 0\.1 s"):
            s.accept(timeout=0.1)


def test_nobody_is_there() -> None:
    port = free_ports("127.0.0.1")[0]
    config = IkeConfig(auth="secret", retransmission=Retransmission(timeout=0.1, tries=1))
    with Session(f"127.0.0.1:{port}", config=config) as s:
        with pytest.raises(Timeout):
            s.sa_init()
        told = [event for _, event in s.events if isinstance(event, IcmpReceived)]
        assert (told[0].icmp_type, told[0].code, told[0].reporter) == (3, 3, "127.0.0.1")
        assert (told[0].remote, told[0].mtu, told[0].acted) == (Address("127.0.0.1", port), None, False)


def test_icmp_is_a_hint_at_most() -> None:
    """RFC 7296 section 2.4: that ICMP says so does not make the other end fail; we ask it."""
    peer = Peer(config=BOB.replace(force_encapsulation=True))
    with alice(peer) as s:
        s.connect()
        peer.network.close()
        # ESP in UDP  -->   <--  ICMP port unreachable
        with s.network.lock:
            s.client.send(echo_request("10.1.0.1", "10.2.0.1"), s.network.now)
        icmp = s.wait(IcmpReceived, timeout=2)
        assert isinstance(icmp, IcmpReceived)
        assert icmp.acted
        # HDR, SK {}  -->
        assert [pending.exchange.__class__.__name__ for pending in s.sa.requests.pending.values()] == ["Liveness"]
        assert s.sa.established
        s.close()  # nobody is there to be told


def test_a_port_for_everything() -> None:
    """Ports 500 and 4500 are told apart by number; others by the marker that is always there (RFC 3948 section 2.2)."""
    peer = Peer(config=BOB.replace(force_encapsulation=True))
    try:
        config = IkeConfig(auth="secret", local_id="alice", remote_id="bob", force_encapsulation=True)
        with Session(peer.target, config=config) as s:
            s.connect()
            s.ping("10.2.0.1")
            sent = [event.datagram for _, event in s.events if isinstance(event, EspSent)]
            assert {datagram.kind for datagram in sent} == {DatagramKind.ESP_IN_UDP}
    finally:
        peer.network.close()


def test_native_esp_needs_a_privilege() -> None:
    def unprivileged(family: int, kind: int, protocol: int) -> socket.socket:
        if kind == socket.SOCK_RAW:
            raise PermissionError(1, "Operation not permitted")
        return socket.socket(family, kind, protocol)

    peer = Peer()
    try:
        network = UdpNetwork(open_socket=unprivileged)
        with network, alice(peer, network=network) as s:
            s.connect()
            with pytest.raises(Timeout):
                s.ping("10.2.0.1", timeout=0.05)
            failed = next(event for _, event in s.events if isinstance(event, SendFailed))
            assert "IP protocol 50" in failed.reason
            assert "CAP_NET_RAW" in failed.reason
            s.liveness()
    finally:
        peer.network.close()


def test_a_thread_answers_between_two_steps() -> None:
    peer = Peer()
    try:
        with alice(peer) as s:
            s.connect()
            s.attend()
            # <--  HDR, SK {SA, Ni, KEi}: while nobody here calls anything
            with peer.network.lock:
                sa = next(iter(peer.endpoint.sas.values()))
                sa.start(RekeyIke(sa))
            rekeyed = lambda: any(isinstance(event, IkeSaRekeyed) for _, event in peer.network.events)  # noqa: E731
            assert peer.network.run(rekeyed, limit=5)
            s.ping("10.2.0.1")
    finally:
        peer.network.close()


def attended(peer: Peer, **given: bool) -> bool:
    s = alice(peer, **given)
    s.close()
    assert isinstance(s.network, UdpNetwork)
    return s.network._attendant is not None


def test_the_thread_starts_at_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()
    monkeypatch.delattr(sys, "ps1", raising=False)
    try:
        assert not attended(peer)
        assert attended(peer, attended=True)
        monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
        assert attended(peer)
        assert not attended(peer, attended=False)
    finally:
        peer.network.close()


def test_colours_are_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scapy sets sys.ps1 in a program as well: then a scenario had a thread that took what it waited for."""
    peer = Peer()
    monkeypatch.setattr(sys, "ps1", "", raising=False)
    monkeypatch.setitem(sys.modules, "__main__", program := ModuleType("__main__"))
    program.__file__ = "program.py"
    try:
        monkeypatch.setattr(conf, "color_theme", BlackAndWhite())
        assert sys.ps1 == ">>> "
        assert not attended(peer)
        monkeypatch.setattr(conf, "interactive", True)
        assert attended(peer)
        monkeypatch.setattr(conf, "interactive", False)
        del program.__file__
        assert attended(peer)
    finally:
        peer.network.close()


def test_a_scenario_has_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    try:
        with UdpNetwork() as network:
            target = Target(address=peer.target)
            target.session(target.config({}), network)
            assert network._attendant is None
    finally:
        peer.network.close()


@pytest.mark.slow
def test_the_thread_makes_no_step_wait() -> None:
    """It may read the answer that `run` waits for: each run took a quarter of a second then."""
    peer = Peer()
    try:
        with alice(peer) as s:
            s.connect()
            s.attend()
            began = time.monotonic()
            for _ in range(8):
                with s.network.acting():
                    s.sa.liveness()
                s.network.run()
                s.attend()
            s.close()
            assert time.monotonic() - began < 0.8
    finally:
        peer.network.close()


def test_several_sas_share_the_ports() -> None:
    peer = Peer()
    try:
        with alice(peer) as s:
            for _ in range(3):
                s.connect()
                s._sa = None
            network = s.network
            assert network.run(lambda: sum(sa.established for sa in s.client.sas.values()) == 3, limit=2)
            assert len({id(sa) for sa in peer.endpoint.sas.values()}) == 3
    finally:
        peer.network.close()


def test_the_outer_traffic_class_is_carried(bob: Peer) -> None:
    with alice(bob) as s:
        s.connect()
        s.send(echo_request("10.1.0.1", "10.2.0.1", tos=0xB8))

        def got() -> list[int]:
            return [event.datagram.tos for _, event in bob.network.events if isinstance(event, EspReceived)]

        assert bob.network.run(lambda: bool(got()), limit=2)
        assert got() == [0xB8]


def test_a_capture_of_it_opens() -> None:
    peer = Peer()
    try:
        with alice(peer) as s:
            recorder = Recorder()
            recorder.watch(s.network, "live")
            s.connect()
            s.ping("10.2.0.1")
            messages = [event for _, event in s.events if isinstance(event, MessageReceived)]
            packets = list(recorder.packets())
            assert len(packets) == 6
            assert packets[-1].time > 1.7e9
            assert (
                packets[1].comments[0].startswith(f"live: {peer.target} -> initiator, IKE_SA_INIT response 0".encode())
            )
            assert len(messages) == 2
            assert len(recorder.keys().ike) == 1
            assert len(recorder.keys().esp) == 2
    finally:
        peer.network.close()


def test_ports_that_others_have() -> None:
    taken = UdpPort("127.0.0.1", 0)
    try:
        with pytest.raises(
            TransportError, match=rf"UDP port {taken.address.port} on 127\.0\.0\.1: .*another program uses"
        ):
            Session("127.0.0.1:10500", port=taken.address.port)
    finally:
        taken.close()
    with pytest.raises(TransportError, match="expected an address of this machine"):
        UdpPort("192.0.2.77", 0)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("192.0.2.1", Address("192.0.2.1", 500)),
        ("192.0.2.1:4500", Address("192.0.2.1", 4500)),
        ("2001:db8::1", Address("2001:db8::1", 500)),
        ("[2001:db8::1]:10500", Address("2001:db8::1", 10500)),
        ("[2001:db8::1]", Address("2001:db8::1", 500)),
    ],
)
def test_targets(target: str, found: Address) -> None:
    assert resolve(target, 500) == found


@pytest.mark.parametrize(
    "target", ["192.0.2.1:", "192.0.2.1:0", "192.0.2.1:70000", "192.0.2.1:x", "no host here", "[::1]x"]
)
def test_targets_that_cannot_be(target: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a (port|host)"):
        resolve(target, 500)


def test_where_we_send_from() -> None:
    assert source_for(Address("127.0.0.9", 500)) == "127.0.0.1"
    assert source_for(Address("::1", 500)) == "::1"


def test_a_live_peer_is_not_ours_to_look_into(bob: Peer) -> None:
    with alice(bob) as s:
        for look in (lambda: s.peer, lambda: s.peer_sa, lambda: s.network.wire):
            with pytest.raises(OutOfReach, match=r"expected an embedded peer|expected a network in memory"):
                look()
    with pytest.raises(LocalError, match="expected either the address"):
        Session("127.0.0.1", peer={"psk": "other"})


def test_a_third_party_stands_between_us_and_a_live_peer(bob: Peer) -> None:
    seen: list[tuple[bool, int]] = []

    def third_party(now: float, datagram: Datagram) -> list[Datagram] | None:
        ours = datagram.local.port != bob.port
        seen.append((ours, datagram.data[18]))
        if datagram.data[18] != ExchangeType.INFORMATIONAL:
            return None
        # It answers our Delete itself, with what we have sent: the peer never sees it, and we believe nothing.
        return [datagram.turned()] if ours else []

    with alice(bob) as s:
        away = s.network.intercept(third_party)
        s.connect()
        assert seen[:2] == [(True, ExchangeType.IKE_SA_INIT), (False, ExchangeType.IKE_SA_INIT)]
        with pytest.raises(Timeout):
            s.liveness(timeout=0.2)
        away()
        assert any(isinstance(event, MessageDropped) for _, event in s.events)
        s.liveness()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="Scapy's sr1() wants raw sockets: run as root")
def test_scapys_own_sr1_is_answered() -> None:
    """``sr1(IP()/UDP()/IKEv2()…)`` from a process of its own, against our endpoint."""
    peer = Peer(marker=False)
    code = f"""
        import socket
        from scapy.all import IP, UDP, L3RawSocket, bind_layers, conf, sr1
        from fynx_scapy.layers.ikev2 import *

        conf.L3socket, conf.verb = L3RawSocket, 0
        bind_layers(UDP, IKEv2, sport={peer.port})
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # keeps the kernel from an ICMP error of its own
        ours.bind(("127.0.0.1", 0))
        request = (
            IKEv2(exch_type="IKE_SA_INIT", init_SPI=b"12345678", flags="Initiator")
            / IKEv2_SA(prop=[IKEv2_Proposal(trans=[
                IKEv2_Transform(transform_type="ENCR", transform_id=20, key_length=128),
                IKEv2_Transform(transform_type="PRF", transform_id=5),
                IKEv2_Transform(transform_type="KE", transform_id=31),
            ])])
            / IKEv2_KE(group=31, ke=bytes([9]) + bytes(31))
            / IKEv2_Nonce(nonce=bytes(range(32)))
        )
        to = IP(dst="127.0.0.1") / UDP(sport=ours.getsockname()[1], dport={peer.port})
        answer = sr1(to / request, timeout=3)
        print(answer and (IKEv2_KE in answer, answer[IKEv2].init_SPI, IKEv2_Nonce in answer))
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        peer.network.close()
    assert done.stdout.strip() == "(True, b'12345678', True)", done.stderr


def test_what_waits_is_seen_and_stays() -> None:
    port, natt_port = free_ports("127.0.0.1")
    with UdpNetwork() as network, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        network.add(Endpoint("127.0.0.1", [BOB], config=EndpointConfig(port=port, natt_port=natt_port)), "bob")
        assert not network.waiting(0)
        other.sendto(b"no IKE", ("127.0.0.1", port))
        assert network.waiting(5)
        assert network.waiting(0)
        network.run()
        assert [event for _, event in network.events if isinstance(event, MessageDropped)]
        assert not network.waiting(0)
