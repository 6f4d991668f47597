# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeys by either peer and by both at once, whoever was the initiator."""

from __future__ import annotations

from collections.abc import Callable

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
from fynx_scapy.layers.ikev2 import IKEv2_KE
from fynx_scapy.taps import RESPONSE, Datagram, Outgoing

PFS = {"esp": "aes128gcm16-x25519"}


def rekey_child(run: Run, by_us: bool) -> None:
    """Have one peer rekey the Child SA, and wait until both have deleted the old one."""
    old = run.s.child
    # HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
    # HDR, SK {D(old)}  -->   <--  HDR, SK {D(old)}
    if by_us:
        run.s.rekey_child()
    else:
        run.peer.rekey_child()
    run.event(ChildSaRekeyed, by_peer=not by_us, old_spi=old.inbound.spi)
    asked = run.messages(MessageSent if by_us else MessageReceived)
    expect(any(expect(message).has_notify("REKEY_SA") for message in asked), "N(REKEY_SA)").holds()
    run.event(SaDeleted, child_spis=(old.inbound.spi,))
    expect(run.s.child is not old, "another Child SA").holds()


def rekey_ike(run: Run, by_us: bool) -> None:
    """Have one peer rekey the IKE SA, and wait until both have deleted the old one."""
    old = run.s.sa
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    if by_us:
        run.s.rekey_ike()
    else:
        run.peer.rekey_ike()
    run.event(IkeSaRekeyed)
    run.wait_until(lambda: run.s.sa is not old and run.theirs().established, "the peer to have the new IKE SA")
    run.event(SaDeleted, spi_i=old.spi_i, child_spis=())
    run.wait_until(lambda: not run.theirs(old).spi_i, "the old IKE SA to be gone at the peer")


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=("7296-1.3.3-01", "7296-2.8-02"))
def rekey_child_by_us(run: Run) -> None:
    """We rekey a Child SA without a key exchange."""
    run.establish()
    rekey_child(run, True)
    run.send_traffic()
    run.agree()


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=("7296-1.3.3-01", "7296-2.8-02"))
def rekey_child_by_peer(run: Run) -> None:
    """The peer rekeys a Child SA without a key exchange."""
    run.establish()
    rekey_child(run, False)
    run.send_traffic()
    run.agree()


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=("7296-1.3.3-01",), config=PFS)
def rekey_child_pfs_by_us(run: Run) -> None:
    """We rekey a Child SA with a key exchange."""
    run.establish()
    rekey_child(run, True)
    expect(any(IKEv2_KE in message for message in run.messages(MessageSent)[2:]), "our KE payload").holds()
    run.send_traffic()
    run.agree()


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=("7296-1.3.3-01",), config=PFS)
def rekey_child_pfs_by_peer(run: Run) -> None:
    """The peer rekeys a Child SA with a key exchange."""
    run.establish()
    rekey_child(run, False)
    expect(any(IKEv2_KE in message for message in run.messages(MessageSent)[2:]), "our KE payload").holds()
    run.send_traffic()
    run.agree()


@scenario("RFC 7296 section 1.3.2", roles=EVERY, needs={"rekey"})
def rekey_ike_by_us(run: Run) -> None:
    """We rekey the IKE SA, and the new one inherits the Child SA."""
    run.establish()
    rekey_ike(run, True)
    run.send_traffic()
    run.agree()


@scenario("RFC 7296 section 1.3.2", roles=EVERY, needs={"rekey"})
def rekey_ike_by_peer(run: Run) -> None:
    """The peer rekeys the IKE SA, and the new one inherits the Child SA."""
    run.establish()
    rekey_ike(run, False)
    run.send_traffic()
    run.agree()


def _at_once(run: Run, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Start the exchange at both peers before either has received the other's request."""
    theirs()
    with run.s.network.lock:
        ours()


@scenario(
    "RFC 7296 section 2.8.1",
    roles=EVERY,
    needs={"rekey", "collisions"},
    requirements=("7296-2.8.1-03", "7296-2.25.1-02"),
)
def both_rekey_child(run: Run) -> None:
    """Both peers rekey the Child SA at once; one new Child SA remains, the same at both."""
    run.establish()
    old = run.s.child
    _at_once(run, lambda: run.s.sa.start(RekeyChild(run.s.sa, old)), run.peer.rekey_child)
    run.event(ChildSaRekeyed)
    run.wait_until(lambda: len(_live(run.s.sa)) == 1 and _live(run.s.sa)[0] is not old, "one new Child SA at our end")
    run.wait_until(lambda: len(run.installed()) == 1, "one Child SA at the peer")
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
    _one_is_left(run, old)


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
    for rekey in (rekey_child, rekey_ike, rekey_child):
        for by_us in (True, False):
            rekey(run, by_us)
            stream.wait_for()
    stream.stop()
    expect(stream.sent, "pings sent while keys changed").between(100, 100_000)
    run.wait_until(lambda: stream.from_there.complete, "answers to all of the peer's pings", limit=3)
    run.wait_until(lambda: len(stream.answered) == stream.sent, f"answers to all {stream.sent} of our pings", limit=3)
    run.agree()


if __name__ == "__main__":
    main(__file__)
