# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP packets that the peer sends, and packets that are right or wrong in more than a field: SPI, ECN, selectors.

Beside them what the peer asks for when it sets up a Child SA.
"""

from __future__ import annotations

import contextlib

from scapy.layers.inet import ICMP, IP

from fynx_scapy import ChildConfig, ConfigReply, ConfigRequest, IkeConfig, PeerFields, Psk, Session
from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.esp import EspParts
from fynx_scapy.events import MessageReceived
from fynx_scapy.harness import BOTH, Role, Run, expect, takes_on
from fynx_scapy.harness.cases import Case, case, cases, no_sa, silent
from fynx_scapy.harness.verbs import add_to_message_id
from fynx_scapy.iana import ExchangeType, NotifyType, TransformType
from fynx_scapy.layers.ikev2 import IKEv2_CP, IKEv2_Delete, IKEv2_KE, IKEv2_Notify, IKEv2_SA, IKEv2_TSi
from fynx_scapy.net import IcmpError
from fynx_scapy.scenarios.negative.beginnings import asked, payloads, refusing
from fynx_scapy.scenarios.negative.conduct import alive, for_a_while, up
from fynx_scapy.scenarios.negative.paths import ESP, IN_UDP, TRANSPORT, US_BEHIND, believing, listening, plain
from fynx_scapy.taps import Datagram, Outgoing

OURS, THEIRS = "10.1.0.7", "10.2.0.7"
AUTH, CREATE, INFORMATIONAL = ExchangeType.IKE_AUTH, ExchangeType.CREATE_CHILD_SA, ExchangeType.INFORMATIONAL


def mine(**changes: object) -> IkeConfig:
    """Our configuration with one Child SA, which has these changes."""
    child = ChildConfig(**changes)  # type: ignore[arg-type]  # passed on
    return IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(child,))


def from_peer(s: Session, run: Run, packets: int = 5) -> list[bytes]:
    """The ESP packets of as many inner packets that the peer sends."""
    driver = run.driver(s)
    with listening(s) as seen:
        for _ in range(packets):
            driver.send()
            for_a_while(s, 0.2)
    return [one.data for one in seen.of(ESP, IN_UDP)]


# What the peer sends


@case(
    requirements=("4303-2.2-01", "4303-3.3.3-i01", "4303-2.1-i01", "4303-2.1-06", "4303-2.2-02"), roles=BOTH, live=False
)
def esp_numbers_of_the_peer(run: Run) -> None:
    """The peer sends five packets. Then: they are numbered from 1 to 5, and their SPI is above 255."""
    s = up(run)
    packets = from_peer(s, run)
    expect([int.from_bytes(one[4:8]) for one in packets], "sequence numbers").equals([1, 2, 3, 4, 5])
    expect({int.from_bytes(one[:4]) for one in packets}, "SPIs").equals({s.child.inbound.spi})
    expect(s.child.outbound.spi, "the SPI that the peer chose").between(256, 0xFFFFFFFF)


@case(requirements=("4303-2.4-03", "4303-2.4-i01", "4303-2.4-i02"), roles=BOTH, live=False)
def esp_padding_of_the_peer(run: Run) -> None:
    """The peer sends packets of several lengths. Then: their padding is 1, 2, 3, ..., and ends a word of 4 octets."""
    for suite in ("aes128gcm16", "aes128-sha256"):
        s = run.session(suite, config=mine(proposals=(suite,)))
        run.establish(s)
        inbound, driver = s.child.inbound, run.driver(s)
        with listening(s) as seen:
            for octets in range(6):
                driver.send(IP(src=THEIRS, dst=OURS) / ICMP() / bytes(octets))
                for_a_while(s, 0.2)
        parts = [EspParts.take_apart(inbound, one.data) for one in seen.of(ESP, IN_UDP)]
        expect(len(parts), "packets").equals(6)
        right = [bytes(range(1, 1 + (one.pad_length or 0))) for one in parts]
        expect([one.padding for one in parts], "padding").equals(right)
        ends = [(len(one.data) - inbound.icv_size) % 4 for one in seen.of(ESP, IN_UDP)]
        expect(ends, "octets in front of the ICV, modulo 4").equals([0] * 6)


@case(requirements=("4303-3.4.3-i02", "4303-2.2.1-01"), roles=BOTH, live=False, severity="high")
def esn_in_the_next_subspace(run: Run) -> None:
    """Our extended sequence numbers go beyond 2^32. Then: the peer takes every packet."""
    s = up(run, config=mine(proposals=("aes128gcm16-esn",)))
    s.child.outbound.seq = (1 << 32) - 3
    for _ in range(5):
        s.ping()


@case(requirements=("4303-3.3.3-01", "4303-2.2-i01"), roles=BOTH, severity="high", live=False)
def esp_numbers_end(run: Run) -> None:
    """The peer has used almost all sequence numbers. Then: it sends none twice."""
    s = up(run)
    for theirs in next(iter(s.peer.sas.values())).children.values():
        theirs.outbound.seq = 0xFFFFFFFC
    refusing(s, NotifyType.NO_PROPOSAL_CHOSEN)  # it would rekey the Child SA
    spi, driver = s.child.inbound.spi.to_bytes(4), run.driver(s)
    with listening(s) as seen:
        for _ in range(6):
            with contextlib.suppress(LocalError):
                driver.send()
            for_a_while(s, 0.2)
    numbers = [int.from_bytes(one.data[4:8]) for one in seen.of(ESP, IN_UDP) if one.data[:4] == spi]
    expect(len(numbers), "packets").between(1, 6)
    expect(numbers, "their numbers").equals(sorted(set(numbers)))


@case(requirements=("7296-2.17-01", "7296-2.17-i03", "7296-2.17-02"), roles=BOTH, severity="high")
def keymat_in_order(run: Run) -> None:
    """A Child SA of a combined mode, and one of separate algorithms. Then: packets pass both ways in each."""
    for suite in ("aes128gcm16", "aes128-sha256"):
        s = run.session(suite, config=mine(proposals=(suite,)))
        run.establish(s)
        s.ping()


@case(requirements=("4303-2.7-03", "7296-1.3.1-i01"), roles=BOTH, live=False)
def no_tfc_padding_unwanted(run: Run) -> None:
    """We accept no TFC padding. Then: the peer sends none."""
    s = up(run, config=mine(accept_tfc=False))
    packet = s.echo()
    (one,) = from_peer(s, run, 1)
    expect(len(one), "octets of the packet").equals(len(s.child.outbound.seal(packet, 4)))


@case(requirements=("7296-2.24-01",), roles=BOTH, live=False)
def congestion_marks(run: Run) -> None:
    """A packet of the peer is ECN-capable, and one of ours is marked on its way. Then: it shows outside, and inside."""
    s = up(run)
    with listening(s) as seen:
        run.driver(s).send(IP(src=THEIRS, dst=OURS, tos=2) / ICMP())
        for_a_while(s, 0.5)
    expect([one.tos & 3 for one in seen.of(ESP, IN_UDP)], "ECN of the outer header").equals([2])
    (there,) = [host for name, host in s.network.hosts.items() if name != s.name]
    one = plain(s, bytes(IP(src=OURS, dst=THEIRS, tos=2) / ICMP()))
    s.network.inject(Datagram(one.data, one.local, one.remote, ESP, 3))
    for_a_while(s, 0.5)
    expect([packet[1] & 3 for packet in there.inbox][-1:], "ECN of the delivered packet").equals([3])


# What we send


def answered(s: Session, datagram: Datagram) -> int:
    """How many packets the peer sends when this one has come."""
    with listening(s) as seen:
        s.network.inject(datagram)
        for_a_while(s, 0.5)
    return len(seen.of(ESP, IN_UDP))


@case(requirements=("4303-3.4.3-i01", "4303-3.4.3-10", "4303-2.2-03"), roles=BOTH, severity="high", live=False)
def packet_below_the_window(run: Run) -> None:
    """A number far below the window comes, which never came before. Then: it is dropped; one in the window is taken."""
    s = up(run)
    here, there = (one._replace(port=0) for one in (s.sa.local, s.sa.remote))
    for number, taken in ((1000, 1), (5, 0), (969, 1), (969, 0), (1001, 1)):
        sealed = s.child.outbound.seal(s.echo(), 4, 0, number)
        expect(answered(s, Datagram(sealed, here, there, ESP)), f"answers to number {number}").equals(taken)


@case(requirements=("4303-3.4.2-01", "4303-2.1-06"), roles=BOTH, severity="high", live=False)
def packet_for_no_child(run: Run) -> None:
    """Another SPI stands before a good packet: an unknown one, and zero. Then: it is dropped."""
    s = up(run)
    for spi in (b"\x12\x34\x56\x78", bytes(4)):
        one = plain(s, s.echo())
        wrong = Datagram(spi + one.data[4:], one.local, one.remote, ESP)
        expect(answered(s, wrong), f"answers to SPI {spi.hex()}").equals(0)
    s.ping()


@case(requirements=("4303-2.7-01",), roles=BOTH, severity="low", live=False)
def packet_with_tfc_padding(run: Run) -> None:
    """A packet has 50 octets of TFC padding. Then: it is delivered without them."""
    s = up(run)
    here, there = (one._replace(port=0) for one in (s.sa.local, s.sa.remote))
    sealed = s.child.outbound.seal(s.echo(), 4, 50)
    expect(answered(s, Datagram(sealed, here, there, ESP)), "answers").equals(1)


@case(requirements=("3948-3.1.1-01",), roles=BOTH, severity="high", live=False)
def packet_outside_the_selectors(run: Run) -> None:
    """The inner packet has a source address that no traffic selector allows. Then: it is not delivered."""
    s = up(run)
    (there,) = [host for name, host in s.network.hosts.items() if name != s.name]
    before = len(there.inbox)
    s.network.inject(plain(s, bytes(IP(src="10.77.0.7", dst=THEIRS) / ICMP())))
    for_a_while(s, 0.5)
    expect(len(there.inbox) - before, "packets delivered").equals(0)


@case(requirements=("7296-2.8-09",), roles=BOTH)
def further_child_receives_at_once(run: Run) -> None:
    """We send a packet in a further Child SA as soon as the peer has answered. Then: it is taken."""
    s = up(run)
    first = s.child
    s.create_child()
    new = next(child for child in s.sa.children.values() if child is not first)
    expect(takes_on(s, s.sa, new, s.echo()), "the packet taken").holds()


# What the peer asks for


@case(requirements=("7296-1.2-i06", "7296-1.2-06"), roles=(Role.RESPONDER,))
def first_child_without_key_exchange(run: Run) -> None:
    """The peer sets up the IKE SA. Then: its SA payload in IKE_AUTH has no key exchange method, not even NONE."""
    s = up(run)
    offers = payloads(asked(s, AUTH)[0], IKEv2_SA)
    kinds = {int(t.transform_type) for sa in offers for p in sa.prop for t in p.trans}
    expect(int(TransformType.KE) in kinds, "a key exchange method").equals(False)


@case(requirements=("7296-1.3-04", "7296-1.3-05"), roles=BOTH)
def key_exchange_of_the_offer(run: Run) -> None:
    """The peer sets up a further Child SA with a key exchange. Then: its KE payload is of an offered group."""
    s = up(run, config=mine(proposals=("aes128gcm16-ecp256-x25519",)))
    mark = len(s.events)
    run.driver(s).create_child()
    for_a_while(s, 2.0)
    request = asked(s, CREATE, mark)[0]
    offered = [
        {int(t.transform_id) for t in p.trans if t.transform_type == TransformType.KE}
        for sa in payloads(request, IKEv2_SA)
        for p in sa.prop
    ]
    group = int(payloads(request, IKEv2_KE)[0].group)
    expect(any(group in groups for groups in offered), f"group {group} in a proposal").holds()


@case(requirements=("7296-2.9-01",), roles=(Role.RESPONDER,), severity="low", live=False)
def selectors_of_the_packet_first(run: Run) -> None:
    """A packet makes the peer set up the IKE SA. Then: the first traffic selectors are those of the packet."""
    s = run.session()
    here = s.client
    (theirs,) = s.peer.configs
    there = s.config.remote
    assert there is not None
    config = theirs.replace(remote=there._replace(host=here.host), remote_natt_port=here.config.natt_port)
    packet = bytes(IP(src=THEIRS, dst=OURS) / ICMP())
    with s.network.acting() as now:
        s.peer.connect(config, now, packet)
    for_a_while(s, 2.0)
    first = payloads(asked(s, AUTH)[0], IKEv2_TSi)[0].traffic_selector[0]
    expect((first.starting_address_v4, first.ending_address_v4), "addresses").equals((THEIRS, THEIRS))


ASKS: PeerFields = {"cp_request": ConfigRequest()}


@case(requirements=("7296-2.19-01", "7296-2.19-04", "7296-4-10", "7296-3.15.1-01"), roles=(Role.RESPONDER,), live=False)
def address_asked_for_in_ike_auth(run: Run) -> None:
    """The peer needs an address. Then: its IKE_AUTH request has CP(CFG_REQUEST) with an address attribute."""
    s = run.session(peer=ASKS)
    run.driver(s).initiate()
    for_a_while(s, 2.0)
    kinds = [[a.type for a in cp.attributes] for cp in payloads(asked(s, AUTH)[0], IKEv2_CP)]
    expect(len(kinds), "Configuration payloads").equals(1)
    expect(bool({1, 8} & set(kinds[0])), "an address attribute").holds()
    expect([kind for kind in kinds[0] if kind & 0x8000], "reserved bits").equals([])


@case(requirements=("7296-3.15.1-01",), live=False)
def reserved_bits_of_attributes(run: Run) -> None:
    """Our attributes have the reserved bit. Then: the peer assigns an address, and sends the bit cleared."""
    wide = ChildConfig(local_ts="0.0.0.0/0", remote_ts="10.2.0.0/24")
    config = IkeConfig(
        local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(wide,), cp_request=ConfigRequest()
    )
    s = run.session(config=config, peer={"cp_reply": ConfigReply(pool="10.3.0.0/24", dns="10.2.0.53")})

    def reserve(message: Outgoing) -> None:
        for payload in message.payloads:
            if isinstance(payload, IKEv2_CP):
                for attribute in payload.attributes:
                    attribute.type |= 0x8000

    s.client.taps.add("payloads", reserve)
    s.sa_init()
    found = [a.type for cp in s.auth().iterpayloads() if isinstance(cp, IKEv2_CP) for a in cp.attributes]
    expect(1 in found, "an address attribute").holds()
    expect([kind for kind in found if kind & 0x8000], "reserved bits").equals([])


@case(requirements=("7296-3.15.1-06",), live=False)
def no_netmask_without_address(run: Run) -> None:
    """We ask for a name server and for no address. Then: the answer has no netmask."""
    config = IkeConfig(
        local_id="alice", remote_id="bob", auth=Psk("fynx"),
        cp_request=ConfigRequest(addresses=(), attributes=("INTERNAL_IP4_DNS",), required=False),
    )  # fmt: skip
    s = run.session(config=config, peer={"cp_reply": ConfigReply(pool="10.3.0.0/24", dns="10.2.0.53")})
    s.sa_init()
    found = [a.type for cp in s.auth().iterpayloads() if isinstance(cp, IKEv2_CP) for a in cp.attributes]
    expect((3 in found, 2 in found), "a name server, and a netmask").equals((True, False))


@case(requirements=("7296-3.15.4-i02", "7296-3.15.1-05"), live=False)
def one_of_two_addresses(run: Run) -> None:
    """We ask for two addresses, and the peer assigns one to each client. Then: we get one, and no failure."""
    wide = ChildConfig(local_ts="0.0.0.0/0", remote_ts="10.2.0.0/24")
    config = IkeConfig(
        local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(wide,),
        cp_request=ConfigRequest(addresses=("0.0.0.0", "0.0.0.0")),
    )  # fmt: skip
    s = run.session(config=config, peer={"cp_reply": ConfigReply(pool="10.3.0.0/24", most_addresses=1)})
    s.sa_init()
    answer = list(s.auth().iterpayloads())
    found = [a.type for cp in answer if isinstance(cp, IKEv2_CP) for a in cp.attributes]
    expect(found.count(1), "address attributes").equals(1)
    failures = [n for n in answer if isinstance(n, IKEv2_Notify) and n.type == NotifyType.INTERNAL_ADDRESS_FAILURE]
    expect(failures, "failures").equals([])


# Transport mode


@case(requirements=("7296-1.3.1-03",), roles=(Role.RESPONDER,), live=False)
def transport_mode_declined_by_us(run: Run) -> None:
    """The peer needs transport mode, and we answer with tunnel mode. Then: it deletes the Child SA."""
    strict = TRANSPORT.children[0].replace(tunnel_fallback=False)
    s = run.session(config=TRANSPORT.replace(children=(strict,)))

    def tunnel(message: Outgoing) -> None:
        kind = NotifyType.USE_TRANSPORT_MODE
        message.payloads[:] = [p for p in message.payloads if getattr(p, "type", 0) != kind]

    s.client.taps.add("payloads", tunnel)
    run.driver(s).initiate()
    for_a_while(s, 5.0)
    deletes = [d.proto for one in asked(s, INFORMATIONAL) for d in payloads(one, IKEv2_Delete)]
    expect(deletes, "protocols of Deletes").equals([3])


@case(requirements=("7296-2.23-14", "7296-2.23.1-04"), severity="high", live=False)
def transport_mode_for_a_range(run: Run) -> None:
    """There is a NAT for the peer, and TSi of our request for transport mode is a range. Then: no transport mode."""
    s = run.session(config=TRANSPORT)
    believing(s, US_BEHIND)

    def wider(message: Outgoing) -> None:
        for payload in message.payloads:
            if isinstance(payload, IKEv2_TSi):
                payload.traffic_selector[0].ending_address_v4 = "192.0.2.200"

    s.client.taps.add("payloads", wider)
    s.sa_init()
    with contextlib.suppress(FynxError):
        s.auth()
    received = [event for who, event in s.events if who == s.name and isinstance(event, MessageReceived)]
    notifies = [n.type for n in payloads(received[-1], IKEv2_Notify)]
    expect(int(NotifyType.USE_TRANSPORT_MODE) in notifies, "transport mode").equals(False)


# Windows, and what anybody can forge

cases(
    __name__,
    [
        Case(
            "auth_ahead_of_its_number", base="auth", do=add_to_message_id(1), then=silent() & no_sa(),
            severity="high", requirements=("7296-2.3-i01",),
        ),
    ],
)  # fmt: skip


@case(requirements=("7296-2.4-04",), roles=BOTH, severity="high", live=False)
def unreachable_says_icmp(run: Run) -> None:
    """ICMP says to the peer that our port, and our host, cannot be reached. Then: the IKE SA lives."""
    s = up(run)
    there, here = s.sa.remote, s.sa.local
    for code, reason in ((3, "port unreachable"), (1, "host unreachable")):
        error = IcmpError(there, here, "198.51.100.1", 3, code, reason, None)
        with s.network.acting() as now:
            s.peer.receive_icmp(error, now)
        for_a_while(s, 2.0)
        expect(alive(s), "the peer alive in the IKE SA").holds()
    s.ping()
