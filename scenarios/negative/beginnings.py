# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeys and Deletes that the peer begins: what it asks for, what it does afterwards, and when we refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy import (
    NEVER,
    ChildConfig,
    DeadPeerDetection,
    IkeConfig,
    Lifetime,
    Limits,
    Psk,
    Session,
)
from fynx_scapy.events import MessageReceived
from fynx_scapy.harness import BOTH, Role, Run, expect, takes_on
from fynx_scapy.harness.cases import case
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_KE, IKEv2_Notify, IKEv2_SA, IKEv2_TSi, IKEv2_TSr
from fynx_scapy.scenarios.negative.conduct import alive, for_a_while, mute, up, watched
from fynx_scapy.taps import RESPONSE, Outgoing

CREATE, INFORMATIONAL, INIT = ExchangeType.CREATE_CHILD_SA, ExchangeType.INFORMATIONAL, ExchangeType.IKE_SA_INIT


def asked(s: Session, exchange: ExchangeType, since: int = 0) -> list[MessageReceived]:
    """The peer's requests of that type, from the event with this number on."""
    return [
        event
        for who, event in s.events[since:]
        if who == s.name
        and isinstance(event, MessageReceived)
        and event.header.exch_type == exchange
        and not int(event.header.flags) & RESPONSE
    ]


def payloads(message: MessageReceived, layer: type) -> list[Any]:
    """Its payloads of that class."""
    return [payload for payload in message.payloads if isinstance(payload, layer)]


def refusing(s: Session, kind: NotifyType, times: int = 1_000_000) -> Callable[[], None]:
    """Our answers to CREATE_CHILD_SA are this error, so many times. Returns what ends that."""
    left = [times]

    def tap(message: Outgoing) -> None:
        answer = int(message.header.exch_type) == CREATE and int(message.header.flags) & RESPONSE
        if answer and left[0]:
            left[0] -= 1
            message.payloads[:] = [IKEv2_Notify(type=int(kind))]

    return s.client.taps.add("payloads", tap)


# Child SAs


@case(
    requirements=(
        "7296-1.3.3-01", "7296-1.3.3-i01", "7296-2.8-05", "7296-2.9.2-01", "7296-2.9.2-02", "7296-2.9.2-04",
        "7296-2.8-i01", "7296-1.4.1-i01", "7296-3.11-i01",
    ),
    roles=BOTH,
)  # fmt: skip
def begins_rekey_child(run: Run) -> None:
    """The peer rekeys a Child SA. Then: it names it, offers its traffic selectors, and deletes it afterwards."""
    s = up(run)
    old, mark = s.child, len(s.events)
    ours, theirs = old.outbound.spi.to_bytes(4), (old.remote_ts, old.local_ts)
    run.driver(s).rekey_child()
    for_a_while(s, 5.0)
    request = asked(s, CREATE, mark)[0]
    named = [n for n in payloads(request, IKEv2_Notify) if n.type == NotifyType.REKEY_SA]
    expect([(n.proto, bytes(n.SPI)) for n in named], "REKEY_SA, protocol and SPI").equals([(3, ours)])
    for layer, selectors in ((IKEv2_TSi, theirs[0]), (IKEv2_TSr, theirs[1])):
        found = payloads(request, layer)[0].traffic_selector
        offered = [(ts.starting_address_v4, ts.ending_address_v4) for ts in found]
        expect(offered, f"the addresses in {layer.__name__}").equals([ts.addresses for ts in selectors])
    deletes = [d for one in asked(s, INFORMATIONAL, mark) for d in payloads(one, IKEv2_Delete)]
    expect([(d.proto, [bytes(spi) for spi in d.SPI]) for d in deletes], "Deletes").equals([(3, [ours])])
    s.ping()


@case(requirements=("7296-1.4.1-i01", "7296-3.11-i01", "7296-2.4-11", "7296-3.11-03"), roles=BOTH)
def begins_delete_child(run: Run) -> None:
    """The peer deletes a Child SA. Then: its Delete names its inbound SPI, and no other."""
    s = up(run)
    ours, mark = s.child.outbound.spi.to_bytes(4), len(s.events)
    run.driver(s).delete_child()
    for_a_while(s, 5.0)
    deletes = [d for one in asked(s, INFORMATIONAL, mark) for d in payloads(one, IKEv2_Delete)]
    expect([(d.proto, [bytes(spi) for spi in d.SPI]) for d in deletes], "Deletes").equals([(3, [ours])])


@case(requirements=("7296-2.8.1-02",), roles=BOTH)
def rekeyed_child_still_receives(run: Run) -> None:
    """We rekey a Child SA, and do not delete it yet. Then: the peer still takes packets in it, and in the new one."""
    s = up(run)
    old = s.child
    with mute(s, _is_delete):
        s.sa.rekey_child(old)
        for_a_while(s, 1.0)
        new = next(child for child in s.sa.children.values() if child is not old)
        # "the responder continues to send traffic on the old SA" (section 2.8): it may reply there.
        expect(takes_on(s, s.sa, old, s.echo(), or_on=new), "a packet in the old Child SA taken").holds()
        expect(takes_on(s, s.sa, new, s.echo(), or_on=old), "a packet in the new Child SA taken").holds()


def _is_delete(message: Outgoing) -> bool:
    return any(isinstance(payload, IKEv2_Delete) for payload in message.payloads)


@case(requirements=("7296-2.8-08",), roles=BOTH)
def second_child_of_equal_selectors(run: Run) -> None:
    """We set up a second Child SA with the same traffic selectors. Then: the peer keeps the first one."""
    s = up(run)
    first = s.child
    s.create_child()
    for_a_while(s, 2.0)
    expect(asked(s, INFORMATIONAL), "requests of the peer").equals([])
    expect(s.sa.children.get(first.inbound.spi) is first, "the first Child SA there").holds()


@case(requirements=("7296-3.11-01", "7296-1.4.1-i02"), roles=BOTH)
def delete_of_two_children(run: Run) -> None:
    """Our Delete names two Child SAs. Then: the answer names their other halves, both."""
    s = up(run)
    first = s.child
    s.create_child()
    second = next(child for child in s.sa.children.values() if child is not first)
    exchange = s.sa.delete_child(first, second)
    s.network.run(lambda: exchange.done, limit=10.0)
    expect(exchange.answer, "an answer").holds()
    named = {bytes(spi) for d in exchange.answer.all(IKEv2_Delete) for spi in d.SPI} if exchange.answer else set()
    expect(named, "SPIs").equals({child.outbound.spi.to_bytes(4) for child in (first, second)})


@case(requirements=("7296-2.25.1-06",), roles=BOTH, severity="low")
def delete_of_an_unknown_child(run: Run) -> None:
    """Our Delete names an SPI that the peer does not have. Then: it answers without a Delete and without an error."""
    s = up(run)
    exchange = s.sa.inform(IKEv2_Delete(proto=3, SPI=[b"\x10\x20\x30\x40"]))
    s.network.run(lambda: exchange.done, limit=10.0)
    expect(exchange.answer is not None, "an answer").holds()
    deletes = list(exchange.answer.all(IKEv2_Delete)) if exchange.answer else []
    errors = [n.type for n in exchange.answer.notifies() if n.type < 16384] if exchange.answer else []
    expect((deletes, errors), "Deletes and errors").equals(([], []))
    s.ping()


# The IKE SA


@case(
    requirements=(
        "7296-1.3.2-01", "7296-2.18-01", "7296-1.3.2-i01", "7296-2.8-06", "7296-2.18-03", "7296-3.1-13",
        "7296-2.3-i02",
    ),
    roles=BOTH,
    severity="high",
)  # fmt: skip
def begins_rekey_ike(run: Run) -> None:
    """The peer rekeys the IKE SA. Then: it sends KE, deletes the old one with its last request, and counts anew."""
    s = up(run)
    old, driver, mark = s.sa, run.driver(s), len(s.events)
    with watched(s) as seen:
        driver.rekey_ike()
        s.network.run(lambda: old.successor is not None, limit=10.0)
        for_a_while(s, 5.0)
    request = asked(s, CREATE, mark)[0]
    expect(len(payloads(request, IKEv2_KE)), "KE payloads").equals(1)
    expect({len(p.SPI) for sa in payloads(request, IKEv2_SA) for p in sa.prop}, "sizes of SPIs").equals({8})
    on_the_old = [e for e in (*asked(s, CREATE, mark), *asked(s, INFORMATIONAL, mark)) if e.spi_i == old.spi_i]
    deletes = [bool(payloads(one, IKEv2_Delete)) for one in on_the_old]
    expect(deletes, "whether its requests on the old IKE SA delete").equals([False, True])
    numbers = [one.header.id for one in on_the_old]
    expect(numbers, "their message IDs").equals([numbers[0], numbers[0] + 1])
    last = max(int.from_bytes(one[20:24]) for one in seen.data if one[:8] == old.spi_i)
    expect(last, "the last message ID on the old IKE SA").equals(numbers[1])
    driver.liveness()
    for_a_while(s, 5.0)
    new = [e for e in asked(s, INFORMATIONAL, mark) if e.spi_i != old.spi_i]
    expect([one.header.id for one in new][:1], "the first message ID on the new IKE SA").equals([0])
    expect({bool(int(one.header.flags) & 0x08) for one in new}, "the Initiator flag there").equals({True})
    s.ping()


@case(requirements=("7296-3.1-13", "7296-2.18-03"), roles=BOTH)
def rekeyed_ike_answers_us(run: Run) -> None:
    """We rekey the IKE SA. Then: the peer answers in the new one without the Initiator flag, and begins with ID 0."""
    s = up(run)
    s.rekey_ike()
    for_a_while(s, 2.0)
    mark = len(s.events)
    expect(alive(s), "the peer alive in the new IKE SA").holds()
    flags = [
        int(event.header.flags) & 0x08
        for who, event in s.events[mark:]
        if who == s.name and isinstance(event, MessageReceived)
    ]
    expect(set(flags), "the Initiator flag of its answers").equals({0})
    run.driver(s).liveness()
    for_a_while(s, 5.0)
    expect([one.header.id for one in asked(s, INFORMATIONAL, mark)][:1], "its first message ID").equals([0])


@case(requirements=("7296-2.18-i01", "7296-2.18-i02"), roles=BOTH, live=False)
def rekey_ike_to_another_prf(run: Run) -> None:
    """We offer another PRF when we rekey the IKE SA. Then: the keys of the new one are the same at both ends."""
    config = IkeConfig(
        local_id="alice", remote_id="bob", auth=Psk("fynx"),
        proposals=("aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha384-x25519"),
    )  # fmt: skip
    s = up(run, config=config)

    def second_only(message: Outgoing) -> None:
        for payload in message.payloads if int(message.header.exch_type) == CREATE else ():
            if isinstance(payload, IKEv2_SA) and len(payload.prop) == 2:
                payload.prop = payload.prop[1:]
                payload.prop[0].proposal = 1

    s.client.taps.add("payloads", second_only)
    s.rekey_ike()
    expect(alive(s), "the peer alive in the new IKE SA").holds()


@case(requirements=("7296-2.4-13", "7296-3.11-03"), roles=BOTH)
def begins_delete_ike(run: Run) -> None:
    """The peer deletes the IKE SA. Then: it sends a Delete for IKE, without an SPI."""
    s = up(run)
    mark = len(s.events)
    run.driver(s).delete_ike()
    for_a_while(s, 5.0)
    deletes = [d for one in asked(s, INFORMATIONAL, mark) for d in payloads(one, IKEv2_Delete)]
    expect([(d.proto, list(d.SPI)) for d in deletes], "Deletes").equals([(1, [])])


# What we refuse


@case(requirements=("7296-2.25-02",), roles=BOTH)
def begins_again_after_a_while(run: Run) -> None:
    """We answer the peer's rekey with TEMPORARY_FAILURE. Then: it does not try again within a second."""
    s = up(run)
    mark = len(s.events)
    undo = refusing(s, NotifyType.TEMPORARY_FAILURE)
    run.driver(s).rekey_child()
    for_a_while(s, 1.0)
    expect(len(asked(s, CREATE, mark)), "rekeys").equals(1)
    undo()
    for_a_while(s, 1.0)


@case(requirements=("7296-2.25-04",), roles=BOTH, live=False)
def begins_again_for_minutes(run: Run) -> None:
    """We answer every rekey of the peer with TEMPORARY_FAILURE. Then: after some minutes it closes the IKE SA."""
    s = up(run)
    mark = len(s.events)
    refusing(s, NotifyType.TEMPORARY_FAILURE)
    run.driver(s).rekey_child()
    for_a_while(s, 900.0)
    deletes = [d for one in asked(s, INFORMATIONAL, mark) for d in payloads(one, IKEv2_Delete)]
    expect([d.proto for d in deletes], "protocols of Deletes").equals([1])


@case(requirements=("7296-2.25-06",), roles=BOTH)
def begins_rekey_of_a_child_not_found(run: Run) -> None:
    """We answer the peer's rekey with CHILD_SA_NOT_FOUND. Then: it asks for a new Child SA, and sends no Delete."""
    s = up(run)
    mark = len(s.events)
    refusing(s, NotifyType.CHILD_SA_NOT_FOUND, 1)
    run.driver(s).rekey_child()
    for_a_while(s, 10.0)
    requests = asked(s, CREATE, mark)
    rekeys = [any(n.type == NotifyType.REKEY_SA for n in payloads(one, IKEv2_Notify)) for one in requests]
    expect(rekeys, "whether its requests rekey").equals([True, False])
    expect(asked(s, INFORMATIONAL, mark), "INFORMATIONAL requests").equals([])


@case(requirements=("7296-4-09",), roles=(Role.RESPONDER,), live=False)
def begins_rekey_that_is_refused(run: Run) -> None:
    """We answer the peer's rekey with NO_ADDITIONAL_SAS. Then: it sets up an IKE SA in its place."""
    s = up(run)
    refusing(s, NotifyType.NO_ADDITIONAL_SAS)
    run.driver(s).rekey_child()
    for_a_while(s, 10.0)
    expect(len(asked(s, INIT)), "IKE_SA_INIT requests").equals(2)


# Time

SHORT = Lifetime(soft=Limits(seconds=60.0), hard=Limits(seconds=90.0), jitter=0.0)
CHILD = ChildConfig(lifetime=NEVER)
MORTAL = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.1.0.0/24",), lifetime=SHORT)
MINE = IkeConfig(
    local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(CHILD,), lifetime=NEVER,
    dpd=DeadPeerDetection(interval=None),
)  # fmt: skip


@case(requirements=("7296-2.8-04", "7296-2.8-01"), roles=BOTH, live=False)
def expires_where_no_rekey_is_possible(run: Run) -> None:
    """We refuse every rekey of the peer's IKE SA. Then: at the end of its lifetime it closes it."""
    s = up(run, config=MINE, peer={"lifetime": SHORT})
    refusing(s, NotifyType.NO_PROPOSAL_CHOSEN)
    for_a_while(s, 200.0)
    deletes = [d for one in asked(s, INFORMATIONAL) for d in payloads(one, IKEv2_Delete)]
    expect([d.proto for d in deletes], "protocols of Deletes").equals([1])


@case(requirements=("7296-2.8-01", "7296-2.8-04"), roles=BOTH, live=False, severity="high")
def expires_with_its_child(run: Run) -> None:
    """We refuse every rekey of the peer's Child SA, and its Delete is lost. Then: it does not use it after its end."""
    s = up(run, config=MINE, peer={"children": (MORTAL,)})
    refusing(s, NotifyType.NO_PROPOSAL_CHOSEN)
    sa, child, packet = s.sa, s.child, s.echo()
    for_a_while(s, 85.0)
    with mute(s, lambda message: int(message.header.exch_type) == INFORMATIONAL):
        for_a_while(s, 10.0)
        expect(takes_on(s, sa, child, packet), "a packet taken after the lifetime").equals(False)


@case(requirements=("7296-2.4-i01", "7296-2.4-i02"), roles=BOTH, live=False)
def asks_a_silent_peer(run: Run) -> None:
    """The peer sends packets, and gets none. Then: it asks whether we are alive."""
    s = up(run, peer={"dpd": DeadPeerDetection(interval=30.0)})
    driver, mark = run.driver(s), len(s.events)
    with mute(s, lambda message: message.kind.name != "IKE"):
        for _ in range(8):
            driver.send()
            for_a_while(s, 5.0)
    expect(len(asked(s, INFORMATIONAL, mark)), "INFORMATIONAL requests").between(1, 10)
