# SPDX-License-Identifier: GPL-2.0-or-later
"""After a live session nothing is left at the peer, however it ended: over real UDP, at a responder of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fynx_scapy.errors import Timeout
from fynx_scapy.harness import Run, Verdict, run
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.net.cleanup import PATIENCE, clean_up
from fynx_scapy.session import Session
from tests.harness.peers import KEY, Bob, bob, made, target
from tests.ike.pair import Pair

SOON = Retransmission(timeout=0.05, base=1.2, tries=2)


@pytest.fixture
def peer() -> Iterator[Bob]:
    with bob() as listening:
        yield listening


def session(peer: Bob) -> Session:
    return Session(f"127.0.0.1:{peer.port}", psk=KEY, retransmission=SOON)


def spoil(message: Outgoing, octets: bytes) -> bytes:
    """A tap: an ICV that does not verify."""
    return octets[:-1] + bytes([octets[-1] ^ 1])


def lose_request(s: Session, peer: Bob) -> None:
    """The peer never sees it: its window still waits for this message ID."""
    s.tap("wire", spoil)
    s.liveness()


def lose_answer(s: Session, peer: Bob) -> None:
    """The peer has answered, which we do not see: its window waits for the next message ID."""
    peer.endpoint.taps.add("wire", spoil)
    try:
        s.liveness()
    finally:
        peer.endpoint.taps.clear()


def raise_something(s: Session, peer: Bob) -> None:
    raise ZeroDivisionError


def interrupt(s: Session, peer: Bob) -> None:
    raise KeyboardInterrupt


def interrupt_while_waiting(s: Session, peer: Bob) -> None:
    s.tap("wire", spoil)
    s.sa.liveness()
    raise KeyboardInterrupt


def rekey(s: Session, peer: Bob) -> None:
    s.rekey_ike()


def ask_for_what_is_malformed(s: Session, peer: Bob) -> None:
    s.request("INFORMATIONAL", IKEv2_Notify(type="INITIAL_CONTACT", length=400))


ENDS: dict[Callable[[Session, Bob], None], type[BaseException] | None] = {
    lose_request: Timeout, lose_answer: Timeout, raise_something: ZeroDivisionError, interrupt: KeyboardInterrupt,
    interrupt_while_waiting: KeyboardInterrupt, rekey: None, ask_for_what_is_malformed: None,
}  # fmt: skip


def ended(body: Callable[[], object], error: type[BaseException] | None) -> None:
    if error is None:
        body()
    else:
        with pytest.raises(error):
            body()


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_a_session_leaves_nothing(end: Callable[[Session, Bob], None], peer: Bob) -> None:
    def body() -> None:
        with session(peer) as s:
            s.connect()
            assert len(peer.established()) == 1
            end(s, peer)

    ended(body, ENDS[end])
    assert peer.established() == []


def test_a_handshake_that_was_begun_is_completed_and_deleted(peer: Bob) -> None:
    with session(peer) as s:
        s.sa_init()
        assert len(peer.established()) == 1
    assert peer.established() == []


@pytest.mark.slow
def test_what_cannot_be_deleted_is_said(peer: Bob, caplog: pytest.LogCaptureFixture) -> None:
    with session(peer) as s:
        s.sa_init()
        peer.close()
    (words,) = caplog.messages
    assert words.startswith(f"left at the peer: IKE SA {s.sa.spi_i.hex()}_i ")
    assert words.endswith("half-open, which cannot be deleted; the peer forgets it by itself")


def test_a_peer_that_is_gone_is_said() -> None:
    with bob() as peer:
        s = session(peer)
        s.connect()
    cleanup = s.leave()
    assert not cleanup.answered
    assert [words.partition(": ")[2] for words in cleanup.left] == ["its Delete was not answered"]
    assert s.leave().left == ()  # the sockets are closed


def test_to_close_says_nothing_to_the_peer(peer: Bob) -> None:
    s = session(peer)
    s.connect()
    s.close()
    assert len(peer.established()) == 1


def test_an_embedded_session_ends_as_it_was() -> None:
    with Session(seed=1) as s:
        s.connect()
    assert s.sa.established


@pytest.mark.slow
@pytest.mark.parametrize("end", [end for end in ENDS if end not in (rekey, ask_for_what_is_malformed)])
def test_a_scenario_leaves_nothing(end: Callable[[Session, Bob], None], peer: Bob) -> None:
    results = []

    def scenario(run: Run) -> None:
        """Ends early."""
        s = run.session()
        s.connect()
        end(s, peer)

    def body() -> None:
        results.append(run(made(scenario), target=target(peer.port, retransmission=SOON)))

    ended(body, KeyboardInterrupt if ENDS[end] is KeyboardInterrupt else None)
    assert peer.established() == []
    for result in results:
        assert result.verdict in (Verdict.FAIL, Verdict.ERROR)
        assert result.left_behind == ()


def test_many_ike_sas_are_ended_at_once() -> None:
    pair = Pair()
    for _ in range(8):
        pair.connect()
    pair.network.intercept(lambda now, datagram: [] if datagram.local.host == pair.bob.host else None)
    began = pair.network.now
    cleanup = clean_up(pair.network, "alice")
    assert len(cleanup.left) == 8
    assert pair.network.now - began <= PATIENCE + 1
