# SPDX-License-Identifier: GPL-2.0-or-later
"""The shortcuts of the data path decide like the rules that they stand for, whatever changes in between."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import Closing, MalformedError
from fynx_scapy.esp import InboundSa, OutboundSa
from fynx_scapy.iana import Encr, TransformType
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.child import policy
from fynx_scapy.ike.child.spd import Spd
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.life.succession import hand_over
from fynx_scapy.ike.message import Address, Burst, Datagram
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.flowkeys import address_key, flow_key
from fynx_scapy.ike.terms.lifetime import NEVER
from fynx_scapy.ike.terms.options import NO_OPTIONS, ChildOptions
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.ike.terms.selectors import Flow, Selector
from fynx_scapy.ike.traffic import gates
from tests.examples import examples
from tests.ike.pair import ALICE, BOB, alice

GCM = encryption(Encr.ENCR_AES_GCM_16, 128, esp=True)
PACKET = bytes.fromhex("45000020000000004011000c0a0200070a02000900351000000c0000") + bytes(4)
SUITE = Suite(Transform(TransformType.ENCR, Encr.ENCR_AES_GCM_16, 128))

SELECTORS = st.sampled_from(
    [
        "0.0.0.0/0", "10.0.0.0/8", "10.2.0.0/16", "10.2.0.0/24", "10.2.0.7", "10.2.0.5-10.2.0.9",
        "10.1.255.255-10.2.0.0", "10.2.0.0/16[tcp]", "10.2.0.0/16[udp/53]", "10.2.0.7[icmp]", "10.2.0.7[udp/1000-2000]",
        "10.2.0.7[6/65535]",
        "::/0", "2001:db8::/32", "2001:db8::7", "2001:db8::5-2001:db8::9", "2001:db8::/32[udp/53]",
        "2001:db8::7[icmpv6]",
    ]
)  # fmt: skip
SIDE = st.lists(SELECTORS, min_size=1, max_size=3, unique=True).map(lambda texts: tuple(map(Selector.of, texts)))
ALIKE = st.sampled_from(
    [("10.2.0.0/16",), ("10.2.0.0/16[tcp]",), ("10.2.0.0/16[udp/53]",), ("10.2.0.0/16", "10.2.0.0/16[icmp]")]
).map(lambda texts: tuple(map(Selector.of, texts)))
FOUR = st.sampled_from(["10.2.0.7", "10.2.0.9", "10.2.0.0", "10.2.77.1", "10.9.0.1", "192.0.2.1"])
SIX = st.sampled_from(["2001:db8::7", "2001:db8::9", "2001:db8:1::1", "fe80::1"])


@st.composite
def packets(draw: Any) -> bytes:
    """IP packets of all kinds: ports, ICMP, fragments, options, extension headers; some are cut off."""
    protocol = draw(st.sampled_from([6, 17, 1, 58, 132, 47, 0, 44, 60, 43, 59]))
    body = draw(
        st.sampled_from([bytes.fromhex("0035 1000 0010 0000"), bytes.fromhex("05dc 0035 0008 0000"), bytes(16)])
    )
    if draw(st.booleans()):
        ends = b"".join(ipaddress.ip_address(draw(FOUR)).packed for _ in range(2))
        fragment = draw(st.sampled_from([b"\0\0", b"\x40\0", b"\x20\0", b"\x20\x05", b"\0\x05"]))
        options = draw(st.sampled_from([b"", b"", b"", bytes(4), bytes(8)]))
        tos = draw(st.sampled_from([0, 0, 3, 184]))
        head = bytes([0x45 + len(options) // 4, tos]) + (20 + len(options) + len(body)).to_bytes(2) + bytes(2)
        packet = head + fragment + bytes([64, protocol]) + bytes(2) + ends + options + body
    else:
        ends = b"".join(ipaddress.ip_address(draw(SIX)).packed for _ in range(2))
        after = bytes([draw(st.sampled_from([17, 6, 44])), 0]) + bytes(6)
        body = after + body if protocol in (0, 43, 44, 60) else body
        packet = bytes([0x60, 0, 0, 0]) + len(body).to_bytes(2) + bytes([protocol, 64]) + ends + body
    return packet[: draw(st.sampled_from([1000, 1000, 1000, 1000, 41, 22, 20, 8, 0]))]


def flow_of(packet: bytes) -> Flow | None:
    try:
        return Flow.parse(packet)
    except MalformedError:
        return None


@st.composite
def alike(draw: Any) -> bytes:
    """Packets between two hosts that differ in what `ALIKE` tells apart."""
    head = bytes([0x45, 0, 0, 28, 0, 0, 0, 0, 64, draw(st.sampled_from([6, 17, 47])), 0, 0])
    ports = draw(st.sampled_from(["0035 0035", "0035 0036", "0036 0035"]))
    return head + bytes([10, 2, 0, 7, 10, 2, 0, 9]) + bytes.fromhex(ports) + bytes(4)


# Keys


@given(packets(), packets())
@settings(max_examples=examples(80))
def test_packets_with_one_key_are_one_flow(one: bytes, other: bytes) -> None:
    if flow_key(one) is not None and flow_key(one) == flow_key(other):
        assert flow_of(one) == flow_of(other)
    if address_key(one) is not None and address_key(one) == address_key(other):
        ours, theirs = flow_of(one), flow_of(other)
        assert ours is not None
        assert theirs is not None
        assert (ours.version, ours.source, ours.destination) == (theirs.version, theirs.source, theirs.destination)


@given(packets())
def test_what_is_no_packet_has_no_key(packet: bytes) -> None:
    if flow_of(packet) is None:
        assert flow_key(packet) is address_key(packet) is None


def test_ordinary_packets_have_keys() -> None:
    udp = PACKET
    assert flow_key(udp) == bytes.fromhex("110a0200070a02000900351000")
    assert address_key(udp) == bytes.fromhex("0a0200070a020009")
    assert flow_key(udp[:8] + b"\x01\x01" + udp[10:]) == bytes.fromhex("010a0200070a0200090035")


# Gates


def child_sa(local: tuple[Selector, ...], remote: tuple[Selector, ...], spi: int = 0x1000, **fields: Any) -> ChildSa:
    """A Child SA with these selectors."""
    config = ChildConfig(lifetime=NEVER)
    inbound = InboundSa(spi=spi, encr=GCM, key=bytes(20))
    child = ChildSa(config, SUITE, inbound, OutboundSa(spi=spi, encr=GCM, key=bytes(20)), local, remote, True)
    for name, value in fields.items():
        setattr(child, name, value)
    return child


FRAGMENTS = st.sampled_from([NO_OPTIONS, ChildOptions(fragments=True)])


@given(SIDE, SIDE, FRAGMENTS, st.lists(packets(), max_size=12))
@settings(max_examples=examples(40))
def test_a_gate_allows_what_its_child_sa_allows(
    local: tuple[Selector, ...], remote: tuple[Selector, ...], options: ChildOptions, arriving: list[bytes]
) -> None:
    child = child_sa(local, remote, options=options)
    allows = gates.gate(child)
    for packet in [*arriving, *arriving]:
        if (flow := flow_of(packet)) is not None:
            assert allows(packet) == child.allows(flow)


def test_a_gate_remembers_few_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "FLOWS", 3)
    child = child_sa((Selector.of("10.2.0.0/16"),), (Selector.of("10.0.0.0/8[udp]"),))
    allows = gates.gate(child)
    base = PACKET
    for port in range(10):
        assert allows(base[:20] + port.to_bytes(2) + base[22:])
    (allowed,) = [cell.cell_contents for cell in allows.__closure__ or () if isinstance(cell.cell_contents, set)]
    assert len(allowed) <= 3


# The choice of a Child SA


def machine(sides: Any, arriving: Any) -> type[RuleBasedStateMachine]:
    """Changes of SAs with selectors of ``sides``, and packets of ``arriving``."""

    class Choices(RuleBasedStateMachine):
        """An endpoint whose SAs change at random. After each change every packet takes the Child SA that a scan of all
        of them picks, on the way to where its IKE SA's peer is."""

        def __init__(self) -> None:
            super().__init__()
            self.endpoint = Endpoint(ALICE)
            self.sas: list[IkeSa] = []
            self.known: list[bytes] = []
            self.spi = 0x1000

        @initialize(local=sides, remote=sides, packet=arriving)
        def begin(self, local: Any, remote: Any, packet: bytes) -> None:
            self.connect()
            self.install(0, local, remote, NO_OPTIONS)
            self.use(packet)

        def sa(self, at: int) -> IkeSa:
            return self.sas[at % len(self.sas)]

        def child(self, at: int) -> ChildSa | None:
            children = [child for _, child in self.endpoint.children.values()]
            return children[at % len(children)] if children else None

        @rule()
        def connect(self) -> None:
            number = len(self.sas)
            spis = {"spi_i": number.to_bytes(8), "spi_r": bytes(8)}
            remote = Address(BOB, 500 + number)
            sa = IkeSa(self.endpoint, [alice()], initiator=True, **spis, local=Address(ALICE, 500), remote=remote)
            self.endpoint.adopt(sa)
            sa.state = State.ESTABLISHED
            self.sas.append(sa)

        @rule(at=st.integers(0, 9), local=sides, remote=sides, options=FRAGMENTS)
        def install(self, at: int, local: Any, remote: Any, options: ChildOptions) -> None:
            if self.sa(at).state is not State.CLOSED:
                self.spi += 1
                self.sa(at).add_child(child_sa(local, remote, self.spi, options=options))

        @rule(at=st.integers(0, 99), ready=st.booleans())
        def replace(self, at: int, ready: bool) -> None:
            """A rekey: a new one with the same selectors."""
            old = self.child(at)
            if old is not None and not old.gone:
                self.spi += 1
                new = child_sa(old.local_ts, old.remote_ts, self.spi, options=old.options, ready=ready, replaces=old)
                self.endpoint.children[old.inbound.spi][0].add_child(new)

        @rule(at=st.integers(0, 99), name=st.sampled_from(["ready", "deleting", "expired"]), value=st.booleans())
        def change(self, at: int, name: str, value: bool) -> None:
            child = self.child(at)
            if child is not None:
                setattr(child, name, value)

        @rule(at=st.integers(0, 99))
        def remove(self, at: int) -> None:
            child = self.child(at)
            if child is not None:
                self.endpoint.children[child.inbound.spi][0].remove_children([child.inbound.spi], by_peer=True)

        @rule(at=st.integers(0, 9), state=st.sampled_from([State.REKEYED, State.DELETING]))
        def end(self, at: int, state: State) -> None:
            if self.sa(at).state is State.ESTABLISHED:
                self.sa(at).state = state

        @rule(at=st.integers(0, 9))
        def close(self, at: int) -> None:
            self.sa(at).closed("closed", Closing.BY_US)

        @rule(at=st.integers(0, 9), to=st.integers(0, 9))
        def succeed(self, at: int, to: int) -> None:
            if self.sa(at).newest is not self.sa(to).newest and self.sa(at).state is State.ESTABLISHED:
                hand_over(self.sa(at), self.sa(to))

        @rule(at=st.integers(0, 9), port=st.integers(1, 5))
        def move(self, at: int, port: int) -> None:
            self.sa(at).remote = Address(BOB, port)

        @rule(at=st.integers(0, 9), name=st.sampled_from(["nat_before_us", "nat_before_peer", "nat_forced"]))
        def meet_nat(self, at: int, name: str) -> None:
            setattr(self.sa(at), name, not getattr(self.sa(at), name))

        @rule(seconds=st.integers(1, 20))
        def wait(self, seconds: int) -> None:
            self.endpoint.handle_timer(self.endpoint.now + seconds)

        @rule(packet=arriving)
        def use(self, packet: bytes) -> None:
            if flow_of(packet) is not None:
                self.known = [*self.known, packet][-8:]

        @invariant()
        def every_packet_goes_where_policy_says(self) -> None:
            self.endpoint.output()
            for packet in self.known:
                flow = Flow.parse(packet)
                expected = policy.pick(self.endpoint.children.values(), flow)
                assert self.endpoint.send(packet, self.endpoint.now) == (expected is not None)
                sent = [item for item in self.endpoint.output() if isinstance(item, Burst)]
                assert len(sent) == (expected is not None)
                if expected is not None:
                    sa, child = expected
                    assert sent[0].packets[0][:4] == child.outbound.spi.to_bytes(4)
                    assert (sent[0].local, sent[0].remote, sent[0].kind) == nat.esp_route(sa)
            assert self.endpoint.send_many(self.known, self.endpoint.now) == sum(
                policy.pick(self.endpoint.children.values(), Flow.parse(packet)) is not None for packet in self.known
            )

        @invariant()
        def nothing_arrives_on_what_is_not_there(self) -> None:
            for sa, child in self.endpoint.children.values():
                packet = child.outbound.seal(PACKET, 4)  # both directions have one key here
                self.endpoint.receive(Datagram(packet, *nat.esp_route(sa)), self.endpoint.now)
            for spi, lane in self.endpoint._receiver._lanes.items():
                assert self.endpoint.children[int.from_bytes(spi)] == (lane.sa, lane.child)
                assert not lane.child.expired

    return Choices


WORLDS = pytest.mark.parametrize("world", [(SIDE, packets()), (ALIKE, alike())], ids=["different", "alike"])


@WORLDS
def test_remembered_choices_are_those_of_the_policy(world: Any) -> None:
    run_state_machine_as_test(machine(*world), settings=settings(max_examples=5, stateful_step_count=20))


@pytest.mark.slow
@WORLDS
def test_remembered_choices_are_those_of_the_policy_in_many_runs(world: Any) -> None:
    run_state_machine_as_test(machine(*world), settings=settings(max_examples=200, stateful_step_count=40))


def test_a_search_looks_at_few_of_many() -> None:
    looked: list[ChildSa] = []

    class Seen(ChildSa):
        def takes(self, flow: Flow) -> bool:
            looked.append(self)
            return ChildSa.takes(self, flow)

    endpoint = Endpoint(ALICE)
    sa = IkeSa(
        endpoint, [alice()], initiator=True, spi_i=b"ourspi01", spi_r=bytes(8), local=Address(ALICE, 500),
        remote=Address(BOB, 500),
    )  # fmt: skip
    sa.state = State.ESTABLISHED
    spd = Spd()
    network = (Selector.of("10.1.0.0/16"),)
    for number in range(2000):
        plain = child_sa(network, (Selector.of(f"10.{100 + number // 256}.{number % 256}.0/24"),), 0x1000 + number)
        values = {name: getattr(plain, name) for name in ("config", "suite", "inbound", "outbound", "local_ts")}
        spd.add(sa, Seen(**values, remote_ts=plain.remote_ts, initiator=True))
    base = bytes.fromhex("45000020000000004011000c0a0100070a69080900351000000c0000") + bytes(4)
    member = spd.pick(Flow.parse(base))
    assert member is not None
    assert str(member.child.remote_ts[0]) == "10.105.8.0/24"
    assert len(looked) < 40


def test_few_flows_are_remembered() -> None:
    endpoint = Endpoint(ALICE)
    sa = IkeSa(
        endpoint, [alice()], initiator=True, spi_i=b"ourspi01", spi_r=bytes(8), local=Address(ALICE, 500),
        remote=Address(BOB, 500),
    )  # fmt: skip
    sa.state = State.ESTABLISHED
    sa.add_child(child_sa((Selector.of("0.0.0.0/0"),), (Selector.of("0.0.0.0/0"),)))
    endpoint._sender._all.most = 10
    base = bytes.fromhex("45000020000000004011000c0a0100070a69080900351000000c0000") + bytes(4)
    for number in range(100):
        assert endpoint.send(base[:16] + number.to_bytes(4) + base[20:], 0.0)
    assert len(endpoint._sender._all.flows) <= 10
