# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of an SA: rekeys by either end and by both at once, deletes, and peers that vanish."""

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
    """Have one end replace the Child SA, and wait until the old one is gone at both."""
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
    """Have one end replace the IKE SA, and wait until the old one is gone at both."""
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
    """We replace a Child SA; its keys come from the IKE SA's alone."""
    m.establish()
    rekey_child(m, True)
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.3", needs={"rekey"}, requirements=("7296-1.3.3-01", "7296-2.8-02"))
def rekey_child_by_peer(m: Meeting) -> None:
    """The peer replaces a Child SA; its keys come from the IKE SA's alone."""
    m.establish()
    rekey_child(m, False)
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.3", needs={"rekey"}, requirements=("7296-1.3.3-01",), config=PFS)
def rekey_child_pfs_by_us(m: Meeting) -> None:
    """We replace a Child SA, with a key exchange of its own."""
    m.establish()
    rekey_child(m, True)
    expect(any(IKEv2_KE in message for message in m.messages(MessageSent)[2:]), "a KE payload of ours").holds()
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.3", needs={"rekey"}, requirements=("7296-1.3.3-01",), config=PFS)
def rekey_child_pfs_by_peer(m: Meeting) -> None:
    """The peer replaces a Child SA, with a key exchange of its own."""
    m.establish()
    rekey_child(m, False)
    expect(any(IKEv2_KE in message for message in m.messages(MessageSent)[2:]), "a KE payload of ours").holds()
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.2", needs={"rekey"})
def rekey_ike_by_us(m: Meeting) -> None:
    """We replace the IKE SA, and the Child SA moves over."""
    m.establish()
    rekey_ike(m, True)
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 1.3.2", needs={"rekey"})
def rekey_ike_by_peer(m: Meeting) -> None:
    """The peer replaces the IKE SA, and the Child SA moves over."""
    m.establish()
    rekey_ike(m, False)
    m.send_traffic()
    m.agree()


def _at_once(m: Meeting, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Both ends are told before either has heard of the other's."""
    theirs()
    with m.s.network.lock:
        ours()


@trial("RFC 7296 section 2.8.1", needs={"rekey", "collisions"}, requirements=("7296-2.8.1-03", "7296-2.25.1-02"))
def both_rekey_child(m: Meeting) -> None:
    """Both ends begin to replace the Child SA at once; one new Child SA remains, the same at both."""
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
    """Both ends begin to replace the IKE SA at once; one new IKE SA remains, the same at both.

    The one with the lowest nonce is deleted by the end that made it. Where that is the peer, it may not even have made
    it: a peer that handles our delete of the old IKE SA before our answer to its rekey forgets its own attempt
    (`both_rekey_ike_answer_lost` makes it do so). Both leave here together.
    """
    m.establish()
    old = m.s.sa
    _at_once(m, lambda: old.start(RekeyIke(old)), m.peer.rekey_ike)
    _one_is_left(m, old)


@trial("RFC 7296 section 2.8.2", needs={"rekey", "collisions"}, requirements=("7296-2.8.2-01", "7296-2.8.2-i01"))
def both_rekey_ike_answer_lost(m: Meeting) -> None:
    """Both ends begin to replace the IKE SA at once, and our first answer is lost.

    If ours survives, the peer gets our delete of the old IKE SA instead, and forgets its attempt. If the peer's
    survives, it asks again.
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
    expect(bool(forgotten), "the peer's attempt being forgotten").equals(bool(lost) and ours)


def _one_is_left(m: Meeting, old: IkeSa) -> set[bytes]:
    """One successor of ``old`` is left at both ends. Returns the initiator's SPI of an attempt that the peer forgot."""
    m.event(IkeSaRekeyed)
    m.wait_until(lambda: m.s.sa is not old and len(m.peer.sas()) == 1, "one IKE SA at the peer")
    m.wait_until(lambda: m.theirs().established, "the peer to have our IKE SA")
    m.send_traffic()
    theirs = old.peer_rekeyed
    heard = {event.spi_i for _, event in m.s.events if isinstance(event, MessageReceived)}
    forgotten = set()
    if theirs is not None and theirs.sa is not m.s.sa and theirs.sa.spi_i not in heard:
        # It has lost, and its maker has not deleted it, so it never was: the peer forgot its attempt, and has no keys.
        forgotten = {theirs.sa.spi_i}
    m.agree(forgotten=forgotten)
    return forgotten


def _live(sa: IkeSa) -> list[ChildSa]:
    return [child for child in sa.children.values() if not child.gone]


@trial("RFC 7296 section 2.8", needs={"rekey", "seamless"}, requirements=("7296-2.8-02",))
def traffic_through_rekeys(m: Meeting) -> None:
    """Pings run in both directions while Child SA and IKE SA are replaced by either end; none is lost."""
    m.establish()
    stream = Stream(m)
    for rekey in (rekey_child, rekey_ike, rekey_child):
        for by_us in (True, False):
            rekey(m, by_us)
            stream.wait_for()
    stream.stop()
    expect(stream.sent, "pings sent while keys changed").between(100, 100_000)
    m.wait_until(lambda: stream.from_there.complete, "answers to all of the peer's pings", limit=3)
    m.wait_until(lambda: len(stream.answered) == stream.sent, f"answers to all {stream.sent} of ours", limit=3)
    m.agree()


@trial("RFC 7296 section 1.4.1", requirements=("7296-1.4.1-i03", "7296-1.4.1-i04"))
def delete_ike_by_us(m: Meeting) -> None:
    """We delete the IKE SA, and its Child SA ends with it at both ends."""
    m.establish()
    # HDR, SK {D}  -->   <--  HDR, SK {}
    expect(m.s.delete()).exchange("INFORMATIONAL").response().empty()
    m.wait_until(lambda: not m.peer.sas(), "no IKE SA at the peer")


@trial("RFC 7296 section 1.4.1")
def delete_ike_by_peer(m: Meeting) -> None:
    """The peer deletes the IKE SA, and its Child SA ends with it at both ends."""
    m.establish()
    m.peer.delete_ike()
    # <--  HDR, SK {D}   HDR, SK {}  -->
    m.event(SaDeleted, by_peer=True, child_spis=())
    m.wait_until(lambda: not m.peer.sas(), "no IKE SA at the peer")


@trial("RFC 7296 section 1.4.1", requirements=("7296-1.4.1-01",))
def delete_child_by_us(m: Meeting) -> None:
    """We delete the Child SA; the IKE SA lives on at both ends."""
    m.establish()
    spi = m.s.child.inbound.spi
    # HDR, SK {D(ESP)}  -->   <--  HDR, SK {D(ESP)}
    m.s.delete(m.s.child)
    m.event(SaDeleted, child_spis=(spi,))
    m.wait_until(lambda: m.theirs().established and not m.theirs().children, "the peer to have the IKE SA alone")
    m.s.liveness()


@trial("RFC 7296 section 1.4.1", needs={"delete_child"}, requirements=("7296-1.4.1-01", "7296-1.4.1-03"))
def delete_child_by_peer(m: Meeting) -> None:
    """The peer deletes the Child SA; the IKE SA lives on at both ends."""
    m.establish()
    m.peer.delete_child()
    # <--  HDR, SK {D(ESP)}   HDR, SK {D(ESP)}  -->
    m.event(SaDeleted, by_peer=True, child_spis=(m.s.child.inbound.spi,))
    m.wait_until(lambda: m.theirs().established and not m.theirs().children, "the peer to have the IKE SA alone")
    m.s.liveness()


@trial("RFC 7296 section 2.4", ours={"dpd": DeadPeerDetection(interval=0.5)})
def peer_dies(m: Meeting) -> None:
    """The peer is killed: we ask, hear nothing, and give the IKE SA up."""
    m.establish()
    m.send_traffic(count=1)
    m.peer.kill()
    # HDR, SK {}  -->   again and again
    m.event(PeerDead, limit=15)
    m.event(SaDeleted, child_spis=())
    expect([sa for sa in m.s.client.sas.values() if sa.established], "IKE SAs of ours").fails()


@trial("RFC 7296 section 2.4", needs={"dpd"}, config={"dpd_delay": 1})
def we_die(m: Meeting) -> None:
    """We fall silent: the peer asks, hears nothing, and gives the IKE SA up."""
    m.establish()
    m.send_traffic(count=1)
    m.s.tap("datagrams", lambda _message, _datagrams, _attempt: [])
    m.wait_until(lambda: not m.peer.sas(), "no IKE SA at the peer", limit=20)
