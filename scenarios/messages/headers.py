# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header of every message that a peer sends (RFC 7296 sections 2.2 and 3.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fynx_scapy import Session, SessionFields
from fynx_scapy.events import IkeSaRekeyed, MessageDropped, MessageReceived, MessageSent
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import case
from fynx_scapy.harness.sent import conversation, is_response, messages
from fynx_scapy.iana import ExchangeType, ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_Delete

INITIATOR, RESERVED = 0x08, 0xD7


def rekeys(s: Session) -> list[IkeSaRekeyed]:
    """What we saw of the rekeys of the IKE SA."""
    return [event for who, event in s.events if who == s.name and isinstance(event, IkeSaRekeyed)]


@case(
    requirements=(
        "7296-2.5-04", "7296-2.5-06", "7296-3.1-04", "7296-3.1-07", "7296-3.1-09", "7296-3.1-12", "7296-3.1-13",
        "7296-3.1-i02",
    ),
    roles=BOTH, live=True,
)  # fmt: skip
def sent_headers(run: Run) -> None:
    """Every header has version 2.0, no reserved flag, the Initiator flag of its IKE SA, and the message's length.

    The Initiator flag goes by who began the IKE SA, by rekeying the old one if need be. On port 4500 the length does
    not count the non-ESP marker.
    """
    as_it_comes: SessionFields = {}
    forced: SessionFields = {"peer": {"force_encapsulation": True}}
    for label, given in (("as it comes", as_it_comes), ("on port 4500", forced)):
        if given and not run.embedded("a peer that goes to port 4500 by itself"):
            return
        s, heard = conversation(run, label, **given)
        begun = {bytes(heard[0].header.init_SPI): not run.role.begins}
        begun |= {event.new_spi_i: event.by_peer for event in rekeys(s)}
        for message in heard:
            header = message.header
            expect(int(header.version), "version").equals(0x20)
            expect(int(header.flags) & RESERVED, "reserved flags, and the flag V").equals(0)
            expect(bool(int(header.flags) & INITIATOR), "Initiator flag").equals(begun[bytes(header.init_SPI)])
            for wire in message.wire:
                expect(int.from_bytes(wire[24:28]), "length").equals(len(wire))


def of_requests(events: Iterable[MessageReceived | MessageSent]) -> Counter[tuple[bytes, int]]:
    """The requests among these messages, by SPI and message ID."""
    return Counter((bytes(e.header.init_SPI), int(e.header.id)) for e in events if not int(e.header.flags) & 0x20)


def of_responses(events: Iterable[MessageReceived | MessageSent]) -> Counter[tuple[bytes, int]]:
    """The responses among these messages, by SPI and message ID."""
    return Counter((bytes(e.header.init_SPI), int(e.header.id)) for e in events if int(e.header.flags) & 0x20)


@case(requirements=("7296-1-i01", "7296-2.2-i01", "7296-2.2-i02", "7296-3.1-10"), roles=BOTH, live=True)
def requests_and_responses(run: Run) -> None:
    """Each request has one response, with its message ID; message IDs count from 0 in each direction.

    Nothing else comes: we have to drop no message.
    """
    s, heard = conversation(run)
    if run.embedded("that nothing comes twice"):  # the network may repeat and delay what a live peer sends
        dropped = [event.reason for who, event in s.events if who == s.name and isinstance(event, MessageDropped)]
        expect(dropped, "messages that we had to drop").equals([])
    sent = [event for who, event in s.events if who == s.name and isinstance(event, MessageSent)]
    expect(of_responses(heard), "the responses of the peer").equals(of_requests(sent))
    expect(of_requests(heard), "the requests of the peer").equals(of_responses(sent))
    for spi in {spi for spi, _ in of_requests(heard)}:
        numbers = sorted(number for each, number in of_requests(heard) if each == spi)
        # The first request on an IKE SA that the peer did not begin comes after those of the initial exchanges.
        expect(numbers, "message IDs").equals(list(range(numbers[0], numbers[0] + len(numbers))))
        expect(numbers[0], "the first message ID").equals(0)


@case(requirements=("7296-2.6-01", "7296-3.1-02", "7296-3.1-03"), roles=BOTH, live=True)
def sent_ike_spis(run: Run) -> None:
    """Of many IKE SAs, each has an SPI of the peer's own, which is not zero; a first message has none of ours."""
    found = []
    for number in range(6):
        s = run.session(f"IKE SA {number + 1}")
        run.establish(s)
        s.rekey_ike()
        if run.role.begins:
            found.append(bytes(s.sa.spi_r))
        else:
            first = messages(s)[0]
            expect(bytes(first.header.resp_SPI), "the responder's SPI in the first message").equals(bytes(8))
            found.append(bytes(first.header.init_SPI))
            found.append(bytes(s.sa.spi_r))
    expect(bytes(8) in found, "an SPI of zero").fails()
    expect(len(set(found)), "different SPIs").equals(len(found))


@case(requirements=("7296-1.4-02", "7296-1.4-03", "7296-1.3.2-i01", "7296-2.8-06"), live="in part")
def deletes_and_their_ike_sa(run: Run) -> None:
    """The last request on an old IKE SA is its Delete, with the next message ID; its successor deletes Child SAs."""
    s = run.session()
    run.establish(s)
    if not run.embedded("what the peer begins"):
        return
    old = s.sa.spi_i
    peer = run.driver(s)
    peer.liveness()
    peer.rekey_ike()
    s.network.run()
    (new,) = (event.new_spi_i for event in rekeys(s))
    on_old = [m for m in messages(s) if not is_response(m) and m.header.init_SPI == old]
    expect([int(m.header.exch_type) for m in on_old], "requests on the old IKE SA").equals(
        [ExchangeType.INFORMATIONAL, ExchangeType.CREATE_CHILD_SA, ExchangeType.INFORMATIONAL]
    )
    expect([m.header.id for m in on_old], "their message IDs").equals([0, 1, 2])
    expect([p.proto for p in on_old[-1].payloads if isinstance(p, IKEv2_Delete)]).equals([ProtocolId.IKE])
    before = len(messages(s))
    peer.delete_child()
    s.network.run()
    last = [m for m in messages(s)[before:] if not is_response(m)]
    expect([bytes(m.header.init_SPI) for m in last], "the IKE SA of the Delete of a Child SA").equals([new])
    expect([p.proto for p in last[0].payloads if isinstance(p, IKEv2_Delete)]).equals([ProtocolId.ESP])
