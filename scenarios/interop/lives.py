# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of an SA: rekeys by either peer and by both at once, deletes, and peers that disappear."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy import ChildSa, DeadPeerDetection, IkeSa
from fynx_scapy.events import ChildSaRekeyed, IkeSaRekeyed, MessageReceived, MessageSent, PeerDead, SaDeleted
from fynx_scapy.exchanges import RekeyChild, RekeyIke
from fynx_scapy.harness import expect
from fynx_scapy.iana import ExchangeType
from fynx_scapy.lab import Meeting, Stream, trial
from fynx_scapy.layers.ikev2 import IKEv2_KE
from fynx_scapy.taps import RESPONSE, Datagram, Outgoing

PFS = {"esp": "aes128gcm16-x25519"}


def rekey_child(m: Meeting, by_us: bool) -> None:
    """Have one peer rekey the Child SA, and wait until both have deleted the old one."""
    old = m.s.child
    # HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
    # HDR, SK {D(old)}  -->   <--  HDR, SK {D(old)}
    if by_us:
        m.s.rekey_child()
    else:
        m.peer.rekey_child()
    m.event(ChildSaRekeyed, by_peer=not by_us, old_spi=old.inbound.spi)
    asked = m.messages(MessageSent if by_us else MessageReceived)
    expect(any(expect(message).has_notify("REKEY_SA") for message in asked), "N(REKEY_SA)").holds()
    m.event(SaDeleted, child_spis=(old.inbound.spi,))
    expect(m.s.child is not old, "another Child SA").holds()


def rekey_ike(m: Meeting, by_us: bool) -> None:
    """Have one peer rekey the IKE SA, and wait until both have deleted the old one."""
    old = m.s.sa
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    if by_us:
        m.s.rekey_ike()
    else:
        m.peer.rekey_ike()
    m.event(IkeSaRekeyed)
    m.wait_until(lambda: m.s.sa is not old and m.theirs().established, "the peer to have the new IKE SA")
    m.event(SaDeleted, spi_i=old.spi_i, child_spis=())
    m.wait_until(lambda: not m.theirs(old).spi_i, "the old IKE SA to be gone at the peer")


@trial("RFC 7296 section 1.3.3", needs={"rekey"}, requirements=("7296-1.3.3-01", "7296-2.8-02"))
def rekey_child_by_us(m: Meeting) -> None:
    """We rekey a Child SA without a key exchange."""
    m.establish()
    rekey_child(m, True)
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.3", needs={"rekey"}, requirements=("7296-1.3.3-01", "7296-2.8-02"))
def rekey_child_by_peer(m: Meeting) -> None:
    """The peer rekeys a Child SA without a key exchange."""
    m.establish()
    rekey_child(m, False)
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.3", needs={"rekey"}, requirements=("7296-1.3.3-01",), config=PFS)
def rekey_child_pfs_by_us(m: Meeting) -> None:
    """We rekey a Child SA with a key exchange."""
    m.establish()
    rekey_child(m, True)
    expect(any(IKEv2_KE in message for message in m.messages(MessageSent)[2:]), "our KE payload").holds()
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.3", needs={"rekey"}, requirements=("7296-1.3.3-01",), config=PFS)
def rekey_child_pfs_by_peer(m: Meeting) -> None:
    """The peer rekeys a Child SA with a key exchange."""
    m.establish()
    rekey_child(m, False)
    expect(any(IKEv2_KE in message for message in m.messages(MessageSent)[2:]), "our KE payload").holds()
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.2", needs={"rekey"})
def rekey_ike_by_us(m: Meeting) -> None:
    """We rekey the IKE SA, and the new one inherits the Child SA."""
    m.establish()
    rekey_ike(m, True)
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.2", needs={"rekey"})
def rekey_ike_by_peer(m: Meeting) -> None:
    """The peer rekeys the IKE SA, and the new one inherits the Child SA."""
    m.establish()
    rekey_ike(m, False)
    m.send_traffic()
    m.agree()


def _at_once(m: Meeting, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Start the exchange at both peers before either has received the other's request."""
    theirs()
    with m.s.network.lock:
        ours()


@trial("RFC 7296 section 2.8.1", needs={"rekey", "collisions"}, requirements=("7296-2.8.1-03", "7296-2.25.1-02"))
def both_rekey_child(m: Meeting) -> None:
    """Both peers rekey the Child SA at once; one new Child SA remains, the same at both."""
    m.establish()
    old = m.s.child
    _at_once(m, lambda: m.s.sa.start(RekeyChild(m.s.sa, old)), m.peer.rekey_child)
    m.event(ChildSaRekeyed)
    m.wait_until(lambda: len(_live(m.s.sa)) == 1 and _live(m.s.sa)[0] is not old, "one new Child SA at our end")
    m.wait_until(lambda: len(m.installed()) == 1, "one Child SA at the peer")
    m.send_traffic()
    m.agree()


@trial(
    "RFC 7296 section 2.8.2",
    needs={"rekey", "collisions"},
    requirements=("7296-2.8.2-01", "7296-2.25.2-01"),
)
def both_rekey_ike(m: Meeting) -> None:
    """Both peers rekey the IKE SA at once; one new IKE SA remains, the same at both.

    The creator of the SA with the lowest nonce deletes it. If that is the peer, it may never have set that SA up: a
    peer that processes our Delete of the old IKE SA before our response to its rekey drops its own attempt
    (`both_rekey_ike_answer_lost` forces this). We send both at the same time here.
    """
    m.establish()
    old = m.s.sa
    _at_once(m, lambda: old.start(RekeyIke(old)), m.peer.rekey_ike)
    _one_is_left(m, old)


@trial("RFC 7296 section 2.8.2", needs={"rekey", "collisions"}, requirements=("7296-2.8.2-01", "7296-2.8.2-i01"))
def both_rekey_ike_answer_lost(m: Meeting) -> None:
    """Both peers rekey the IKE SA at once, and our first response is lost.

    If our SA remains, the peer gets our Delete of the old IKE SA instead of the response, and drops its attempt. If the
    peer's SA remains, it retransmits its request.
    """
    m.establish()
    old = m.s.sa
    lost: list[int] = []

    def lose(message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        header = message.header
        if lost or not (header.flags & RESPONSE and header.exch_type == ExchangeType.CREATE_CHILD_SA):
            return datagrams
        lost.append(header.id)
        return []

    m.s.tap("datagrams", lose)
    _at_once(m, lambda: old.start(RekeyIke(old)), m.peer.rekey_ike)
    forgotten = _one_is_left(m, old)
    ours = m.s.sa is old.rekeyed.sa if old.rekeyed is not None else False
    expect(bool(forgotten), "whether the peer dropped its attempt").equals(bool(lost) and ours)


def _one_is_left(m: Meeting, old: IkeSa) -> set[bytes]:
    """Check that both peers have one successor of ``old``.

    Returns the initiator's SPI of an attempt that the peer dropped.
    """
    m.event(IkeSaRekeyed)
    m.wait_until(lambda: m.s.sa is not old and len(m.peer.sas()) == 1, "one IKE SA at the peer")
    m.wait_until(lambda: m.theirs().established, "the peer to have our IKE SA")
    m.send_traffic()
    theirs = old.peer_rekeyed
    heard = {event.spi_i for _, event in m.s.events if isinstance(event, MessageReceived)}
    forgotten = set()
    if theirs is not None and theirs.sa is not m.s.sa and theirs.sa.spi_i not in heard:
        # Its creator has not deleted it, so it was never set up: the peer dropped its attempt and has no keys for it.
        forgotten = {theirs.sa.spi_i}
    m.agree(forgotten=forgotten)
    return forgotten


def _live(sa: IkeSa) -> list[ChildSa]:
    return [child for child in sa.children.values() if not child.gone]


@trial("RFC 7296 section 2.8", needs={"rekey", "seamless"}, requirements=("7296-2.8-02",))
def traffic_through_rekeys(m: Meeting) -> None:
    """Pings run in both directions while either peer rekeys the Child SA and the IKE SA; none is lost."""
    m.establish()
    stream = Stream(m)
    for rekey in (rekey_child, rekey_ike, rekey_child):
        for by_us in (True, False):
            rekey(m, by_us)
            stream.wait_for()
    stream.stop()
    expect(stream.sent, "pings sent while keys changed").between(100, 100_000)
    m.wait_until(lambda: stream.from_there.complete, "answers to all of the peer's pings", limit=3)
    m.wait_until(lambda: len(stream.answered) == stream.sent, f"answers to all {stream.sent} of our pings", limit=3)
    m.agree()


@trial("RFC 7296 section 1.4.1", requirements=("7296-1.4.1-i03", "7296-1.4.1-i04"))
def delete_ike_by_us(m: Meeting) -> None:
    """We delete the IKE SA, and both peers delete its Child SA with it."""
    m.establish()
    # HDR, SK {D}  -->   <--  HDR, SK {}
    expect(m.s.delete()).exchange("INFORMATIONAL").response().empty()
    m.wait_until(lambda: not m.peer.sas(), "no IKE SA at the peer")


@trial("RFC 7296 section 1.4.1")
def delete_ike_by_peer(m: Meeting) -> None:
    """The peer deletes the IKE SA, and both peers delete its Child SA with it."""
    m.establish()
    m.peer.delete_ike()
    # <--  HDR, SK {D}   HDR, SK {}  -->
    m.event(SaDeleted, by_peer=True, child_spis=())
    m.wait_until(lambda: not m.peer.sas(), "no IKE SA at the peer")


@trial("RFC 7296 section 1.4.1", requirements=("7296-1.4.1-01",))
def delete_child_by_us(m: Meeting) -> None:
    """We delete the Child SA; the IKE SA remains at both peers."""
    m.establish()
    spi = m.s.child.inbound.spi
    # HDR, SK {D(ESP)}  -->   <--  HDR, SK {D(ESP)}
    m.s.delete(m.s.child)
    m.event(SaDeleted, child_spis=(spi,))
    m.wait_until(lambda: m.theirs().established and not m.theirs().children, "the peer to have only the IKE SA")
    m.s.liveness()


@trial("RFC 7296 section 1.4.1", needs={"delete_child"}, requirements=("7296-1.4.1-01", "7296-1.4.1-03"))
def delete_child_by_peer(m: Meeting) -> None:
    """The peer deletes the Child SA; the IKE SA remains at both peers."""
    m.establish()
    m.peer.delete_child()
    # <--  HDR, SK {D(ESP)}   HDR, SK {D(ESP)}  -->
    m.event(SaDeleted, by_peer=True, child_spis=(m.s.child.inbound.spi,))
    m.wait_until(lambda: m.theirs().established and not m.theirs().children, "the peer to have only the IKE SA")
    m.s.liveness()


@trial("RFC 7296 section 2.4", ours={"dpd": DeadPeerDetection(interval=0.5)})
def peer_dies(m: Meeting) -> None:
    """The peer is killed: our liveness check gets no response, and we delete the IKE SA."""
    m.establish()
    m.send_traffic(count=1)
    m.peer.kill()
    # HDR, SK {}  -->   repeatedly
    m.event(PeerDead, limit=15)
    m.event(SaDeleted, child_spis=())
    expect([sa for sa in m.s.client.sas.values() if sa.established], "our IKE SAs").fails()


@trial("RFC 7296 section 2.4", needs={"dpd"}, config={"dpd_delay": 1})
def we_die(m: Meeting) -> None:
    """We stop sending: the peer's liveness check gets no response, and it deletes the IKE SA."""
    m.establish()
    m.send_traffic(count=1)
    m.s.tap("datagrams", lambda _message, _datagrams, _attempt: [])
    m.wait_until(lambda: not m.peer.sas(), "no IKE SA at the peer", limit=20)
