# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeys by both peers at once, and traffic meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fynx_scapy import ChildSa, IkeSa
from fynx_scapy.events import (
    ChildSaRekeyed,
    IkeSaRekeyed,
    MessageReceived,
    MessageSent,
    SaDeleted,
)
from fynx_scapy.exchanges import RekeyChild, RekeyIke
from fynx_scapy.harness import (
    EVERY,
    Run,
    expect,
    main,
    scenario,
)
from fynx_scapy.iana import ExchangeType
from fynx_scapy.lab import Stream
from fynx_scapy.layers.ikev2 import IKEv2_Nonce, IKEv2_SA
from fynx_scapy.scenarios.rekey.rekey_child import child_rekeyed
from fynx_scapy.scenarios.rekey.rekey_ike import ike_rekeyed
from fynx_scapy.taps import RESPONSE, Datagram, Outgoing


def _at_once(run: Run, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Start the exchange at both peers before either has received the other's request."""
    with run.s.network.lock:
        theirs()
        run.peer.begun()
        ours()


@scenario(
    "RFC 7296 section 2.8.1",
    roles=EVERY,
    needs={"rekey", "collisions"},
    requirements=("7296-2.8.1-03", "7296-2.25.1-02", "7296-2.3-04"),
)
def both_rekey_child(run: Run) -> None:
    """Both peers rekey the Child SA at once; one new Child SA remains, the same at both."""
    run.establish()
    old = run.s.child
    _at_once(run, lambda: run.s.sa.start(RekeyChild(run.s.sa, old)), run.peer.rekey_child)
    run.event(ChildSaRekeyed)
    run.wait_until(lambda: len(_live(run.s.sa)) == 1 and _live(run.s.sa)[0] is not old, "one new Child SA at our end")
    run.wait_until(lambda: len(run.installed()) == 1, "one Child SA at the peer")
    lost, kept = _by_nonce(run)
    left = {spi.to_bytes(4) for spi in (run.s.child.inbound.spi, run.s.child.outbound.spi)}
    expect(left, "SPIs left").equals({kept.ours, kept.theirs})
    # HDR, SK {D(ESP, the one with the lowest nonce)}  -->  or  <--
    deleted = [event for event in _deleted(run) if int.from_bytes(lost.ours) in event.child_spis]
    expect([event.by_peer for event in deleted], "whether the peer deleted it").equals([not lost.by_us])
    run.send_traffic()
    run.agree()


@scenario(
    "RFC 7296 section 2.8.2",
    roles=EVERY,
    needs={"rekey", "collisions"},
    requirements=("7296-2.8.2-01", "7296-2.25.2-01"),
)
def both_rekey_ike(run: Run) -> None:
    """Both peers rekey the IKE SA at once; one new IKE SA remains, the same at both.

    The creator of the SA with the lowest nonce deletes it. If that is the peer, it may never have set that SA up: a
    peer that processes our Delete of the old IKE SA before our response to its rekey drops its own attempt
    (`both_rekey_ike_answer_lost` forces this). We send both at the same time here.
    """
    run.establish()
    old = run.s.sa
    _at_once(run, lambda: old.start(RekeyIke(old)), run.peer.rekey_ike)
    if _one_is_left(run, old):
        return
    lost, kept = _by_nonce(run)
    expect(run.s.sa.spi_i, "the initiator's SPI of the remaining SA").equals(kept.proposed)
    # HDR, SK {D(IKE)}  -->  or  <--  on the one with the lowest nonce
    deleted = [event for event in _deleted(run) if event.spi_i == lost.proposed]
    expect([event.by_peer for event in deleted], "whether the peer deleted it").equals([not lost.by_us])


@scenario(
    "RFC 7296 section 2.8.2",
    roles=EVERY,
    needs={"rekey", "collisions"},
    requirements=("7296-2.8.2-01", "7296-2.8.2-i01"),
)
def both_rekey_ike_answer_lost(run: Run) -> None:
    """Both peers rekey the IKE SA at once, and our first response is lost.

    If our SA remains, the peer gets our Delete of the old IKE SA instead of the response, and drops its attempt. If the
    peer's SA remains, it retransmits its request.
    """
    run.establish()
    old = run.s.sa
    lost: list[int] = []

    def lose(message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        header = message.header
        if lost or not (header.flags & RESPONSE and header.exch_type == ExchangeType.CREATE_CHILD_SA):
            return datagrams
        lost.append(header.id)
        return []

    run.s.tap("datagrams", lose)
    _at_once(run, lambda: old.start(RekeyIke(old)), run.peer.rekey_ike)
    forgotten = _one_is_left(run, old)
    ours = run.s.sa is old.rekeyed.sa if old.rekeyed is not None else False
    expect(bool(forgotten), "whether the peer dropped its attempt").equals(bool(lost) and ours)


@dataclass(frozen=True, slots=True)
class Rekey:
    """One of two rekeys that cross."""

    by_us: bool
    nonces: tuple[bytes, bytes]
    ours: bytes
    """Our SPI."""
    theirs: bytes
    """The peer's SPI."""

    @property
    def proposed(self) -> bytes:
        """The SPI of the end that began it."""
        return self.ours if self.by_us else self.theirs


def _by_nonce(run: Run) -> tuple[Rekey, Rekey]:
    """The two rekeys that crossed: the one with the lowest of the four nonces, and the other."""
    halves = {}
    for event in run.events:
        if isinstance(event, MessageSent | MessageReceived) and event.header.exch_type == ExchangeType.CREATE_CHILD_SA:
            found = {type(payload): payload for payload in event.payloads}
            if IKEv2_Nonce in found and IKEv2_SA in found:
                sent = isinstance(event, MessageSent)
                by_us = sent is not bool(int(event.header.flags) & RESPONSE)
                halves[by_us, sent] = bytes(found[IKEv2_Nonce].nonce), bytes(found[IKEv2_SA].prop[0].SPI)
    expect(len(halves), "requests and responses with a nonce").equals(4)
    rekeys = [
        Rekey(by_us, (halves[by_us, True][0], halves[by_us, False][0]), halves[by_us, True][1], halves[by_us, False][1])
        for by_us in (True, False)
    ]
    lowest, other = sorted(rekeys, key=lambda rekey: min(rekey.nonces))
    return lowest, other


def _deleted(run: Run) -> list[SaDeleted]:
    return [event for event in run.events if isinstance(event, SaDeleted)]


def _one_is_left(run: Run, old: IkeSa) -> set[bytes]:
    """Check that both peers have one successor of ``old``.

    Returns the initiator's SPI of an attempt that the peer dropped.
    """
    run.event(IkeSaRekeyed)
    run.wait_until(lambda: run.s.sa is not old and len(run.peer.sas()) == 1, "one IKE SA at the peer")
    run.wait_until(lambda: run.theirs().established, "the peer to have our IKE SA")
    run.send_traffic()
    theirs = old.peer_rekeyed
    heard = {event.spi_i for event in run.events if isinstance(event, MessageReceived)}
    forgotten = set()
    if theirs is not None and theirs.sa is not run.s.sa and theirs.sa.spi_i not in heard:
        # Its creator has not deleted it, so it was never set up: the peer dropped its attempt and has no keys for it.
        forgotten = {theirs.sa.spi_i}
    run.agree(forgotten=forgotten)
    return forgotten


def _live(sa: IkeSa) -> list[ChildSa]:
    return [child for child in sa.children.values() if not child.gone]


@scenario("RFC 7296 section 2.8", roles=EVERY, needs={"rekey", "seamless"}, requirements=("7296-2.8-02",))
def traffic_through_rekeys(run: Run) -> None:
    """Pings run in both directions while either peer rekeys the Child SA and the IKE SA; none is lost."""
    run.establish()
    stream = Stream(run)
    for rekey in (child_rekeyed, ike_rekeyed, child_rekeyed):
        for by_us in (True, False):
            rekey(run, by_us=by_us)
            stream.wait_for()
    stream.stop()
    expect(stream.sent, "pings sent while keys changed").between(100, 100_000)
    run.wait_until(lambda: stream.from_there.complete, "answers to all of the peer's pings", limit=3)
    run.wait_until(lambda: len(stream.answered) == stream.sent, f"answers to all {stream.sent} of our pings", limit=3)
    run.agree()


if __name__ == "__main__":
    main(__file__)
