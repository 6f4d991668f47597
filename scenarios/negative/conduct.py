# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer does when it begins: retransmission, windows, cookies, another group, and refusals that may be forged.

We are the responder, the peer is told to act, and some of our answers do not leave.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scapy.packet import Packet

from fynx_scapy import EndpointConfig, IkeConfig, Psk, Session
from fynx_scapy.errors import FynxError, LocalError, Timeout
from fynx_scapy.harness import Role, Run, expect, forge
from fynx_scapy.harness.cases import case
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Notify, IKEv2_SA, build_message, parse_message
from fynx_scapy.taps import RESPONSE, Datagram, DatagramKind, Delayed, Outgoing

PEER_BEGINS = (Role.RESPONDER,)
INIT = ExchangeType.IKE_SA_INIT
FLAGS, MESSAGE_ID, HEADER_SIZE = 19, 20, 28
"""Octets of the IKE header."""


@dataclass(slots=True)
class Requests:
    """The datagrams with requests that the peer has sent, and when."""

    at: list[float] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    def of(self, message_id: int) -> list[bytes]:
        """Those with a message ID."""
        return [one for one in self.data if int.from_bytes(one[MESSAGE_ID : MESSAGE_ID + 4]) == message_id]

    @property
    def ids(self) -> set[int]:
        """Their message IDs."""
        return {int.from_bytes(one[MESSAGE_ID : MESSAGE_ID + 4]) for one in self.data}

    @property
    def gaps(self) -> list[float]:
        """The times between them, in seconds."""
        return [later - earlier for earlier, later in zip(self.at, self.at[1:], strict=False)]


@contextlib.contextmanager
def watched(s: Session) -> Iterator[Requests]:
    """The requests that the peer sends inside this context."""
    found = Requests()

    def look(time: float, datagram: Datagram, _fate: str) -> None:
        if datagram.kind is not DatagramKind.IKE or s.sends(datagram) or len(datagram.data) < HEADER_SIZE:
            return
        if not datagram.data[FLAGS] & RESPONSE:
            found.at.append(time)
            found.data.append(datagram.data)

    with s.network.observe(look):
        yield found


@contextlib.contextmanager
def mute(s: Session, when: Callable[[Outgoing], bool] | None = None) -> Iterator[None]:
    """None of our messages leaves inside this context, or none of those for which ``when`` is true."""
    undo = s.client.taps.add("datagrams", lambda message, datagrams, attempt: [], when)
    try:
        yield
    finally:
        undo()


def up(run: Run, **fields: object) -> Session:
    """A session whose IKE SA the peer has set up."""
    s = run.session(**fields)  # type: ignore[arg-type]  # passed on
    run.establish(s)
    return s


def alive(s: Session) -> bool:
    """Whether the peer answers in the IKE SA."""
    try:
        s.liveness(timeout=10.0)
    except (Timeout, LocalError):
        return False
    return True


def for_a_while(s: Session, seconds: float) -> None:
    """Let so much time pass."""
    s.network.run(s.network.now + seconds)


# Retransmission


@case(
    requirements=("7296-2.1-07", "7296-2.1-06", "7296-2.1-03", "7296-1-i02", "7296-2.2-01"),
    roles=PEER_BEGINS,
    severity="high",
)
def conduct_request_repeated(run: Run) -> None:
    """We do not answer a request of the peer. Then: it sends the same octets again."""
    s = up(run)
    with watched(s) as seen, mute(s):
        run.driver(s).liveness()
        for_a_while(s, 20.0)
    expect(len(seen.data), "requests").between(2, 50)
    expect(len(set(seen.data)), "different requests").equals(1)
    s.network.run()


@case(requirements=("7296-2.1-06", "7296-1-i02", "7296-2.1-07"), roles=PEER_BEGINS)
def conduct_first_request_repeated(run: Run) -> None:
    """We do not answer the peer's IKE_SA_INIT request. Then: it sends the same octets again."""
    s = run.session()
    with watched(s) as seen, mute(s):
        run.driver(s).initiate()
        for_a_while(s, 20.0)
    expect(len(seen.data), "requests").between(2, 50)
    expect(len(set(seen.data)), "different requests").equals(1)


@case(requirements=("7296-2.4-08",), roles=PEER_BEGINS)
def conduct_request_repeated_less_and_less(run: Run) -> None:
    """We do not answer a request of the peer. Then: it waits longer each time before it sends it again."""
    s = up(run)
    with watched(s) as seen, mute(s):
        run.driver(s).liveness()
        for_a_while(s, 40.0)
    expect(len(seen.gaps), "times between requests").between(2, 50)
    longer = all(later > 1.2 * earlier for earlier, later in zip(seen.gaps, seen.gaps[1:], strict=False))
    expect(longer, f"{', '.join(f'{gap:.1f} s' for gap in seen.gaps)}: each longer than the one before").holds()
    s.network.run()


@case(requirements=("7296-2.4-05", "7296-2.1-06"), roles=PEER_BEGINS, severity="high")
def conduct_one_answer_lost(run: Run) -> None:
    """Our first answer to a request of the peer is lost. Then: the IKE SA lives."""
    s = up(run)
    with mute(s):
        run.driver(s).liveness()
        for_a_while(s, 0.5)
    for_a_while(s, 30.0)
    expect(alive(s), "the peer alive in the IKE SA").holds()


@case(requirements=("7296-2.1-i01", "7296-2.4-i02"), roles=PEER_BEGINS, live=False)
def conduct_gives_up(run: Run) -> None:
    """We never answer a request of the peer. Then: at last it has no IKE SA and no Child SA any more."""
    s = up(run)
    with mute(s):
        run.driver(s).liveness()
        for_a_while(s, 200.0)
    expect(alive(s), "the peer alive in the IKE SA that it has given up").equals(False)


# Windows


@case(requirements=("7296-2.3-02", "7296-2.3-06"), roles=PEER_BEGINS)
def conduct_window_of_one(run: Run) -> None:
    """We do not answer, and the peer has two more requests to send. Then: they wait."""
    s = up(run)
    _three(run, s, 1)


@case(requirements=("7296-2.3-05", "7296-2.3-06"), roles=PEER_BEGINS)
def conduct_window_of_two(run: Run) -> None:
    """We promise a window of two and do not answer, and the peer has three requests to send. Then: one waits."""
    s = up(run, config=IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), window=2))
    _three(run, s, 2)


def _three(run: Run, s: Session, most: int) -> None:
    driver = run.driver(s)
    with watched(s) as seen, mute(s):
        for _ in range(3):
            driver.liveness()
        for_a_while(s, 1.0)
    expect(len(seen.ids), "requests at once").between(1, most)
    s.network.run()
    expect(alive(s), "the peer alive in the IKE SA").holds()


@case(requirements=("7296-2.3-i02",), roles=PEER_BEGINS)
def conduct_window_after_a_rekey(run: Run) -> None:
    """We promise a window of two, but not again after a rekey. Then: the peer sends one request at a time there."""
    s = up(run, config=IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), window=2))
    s.client.taps.add("payloads", _without_promise)
    driver = run.driver(s)
    driver.rekey_ike()
    s.network.run(lambda: s.sa.successor is not None, limit=10.0)
    for_a_while(s, 2.0)
    _three(run, s, 1)


def _without_promise(message: Outgoing) -> None:
    message.payloads[:] = [p for p in message.payloads if getattr(p, "type", 0) != NotifyType.SET_WINDOW_SIZE]


# Cookies


def _layers(data: bytes) -> list[Packet]:
    return parse_message(data)[1]


ASKING = EndpointConfig(cookie_threshold=0)


@case(requirements=("7296-2.6-04", "7296-2.2-i01", "7296-2.15-i03"), roles=PEER_BEGINS, severity="high")
def conduct_cookie_returned(run: Run) -> None:
    """We ask for a cookie. Then: the peer sends it first, changes nothing else, and sets up the IKE SA."""
    s = run.session(endpoint=ASKING)
    with watched(s) as seen:
        run.establish(s)
    first, second = seen.data[:2]
    header = parse_message(second)[0]
    expect((header.id, bytes(header.resp_SPI), bytes(header.init_SPI)), "message ID and SPIs").equals(
        (0, bytes(8), first[:8])
    )
    cookie, *others = _layers(second)
    expect(getattr(cookie, "type", 0), "the type of the first payload, a Notify").equals(int(NotifyType.COOKIE))
    expect(b"".join(map(_octets, others)) == b"".join(map(_octets, _layers(first))), "the others unchanged").holds()
    expect(alive(s), "the peer alive in the IKE SA").holds()


def _octets(payload: Packet) -> bytes:
    """A payload without the type of the next one."""
    octets: bytes = payload.octets()
    return octets[1:]


@case(requirements=("7296-2.6-i05",), roles=PEER_BEGINS)
def conduct_cookies_without_end(run: Run) -> None:
    """We answer every IKE_SA_INIT request with a new cookie. Then: the peer gives up, or asks less and less."""
    s = run.session(endpoint=ASKING)
    random = s.client.randomness

    def another(message: Outgoing) -> None:
        for payload in message.payloads:
            if isinstance(payload, IKEv2_Notify) and payload.type == NotifyType.COOKIE:
                payload.notify = random.octets(16)

    s.client.taps.add("payloads", another)
    with watched(s) as seen:
        run.driver(s).initiate()
        for_a_while(s, 20.0)
    expect(len(seen.data), "requests within 20 seconds").between(1, 40)


@case(requirements=("7296-2.6.1-01", "7296-2.6-04", "7296-1.2-04"), roles=PEER_BEGINS)
def conduct_cookie_and_another_group(run: Run) -> None:
    """We ask for a cookie and for another group. Then: the peer follows both."""
    s = run.session(endpoint=ASKING, config=OTHER_GROUP, peer={"proposals": OFFER})
    run.establish(s)
    expect(alive(s), "the peer alive in the IKE SA").holds()


# Another group

OFFER = ("aes128gcm16-prfsha256-x25519-ecp256",)
OTHER_GROUP = IkeConfig(
    local_id="alice", remote_id="bob", auth=Psk("fynx"), proposals=("aes128gcm16-prfsha256-ecp256",)
)


@case(
    requirements=(
        "7296-1.2-04", "7296-1.2-05", "7296-3.3.6-09", "7296-3.3.6-10", "7296-2.15-i03", "7296-2.2-i01",
    ),
    roles=PEER_BEGINS,
    severity="high",
)  # fmt: skip
def conduct_other_group(run: Run) -> None:
    """We ask for another group that the peer offers. Then: it sends a value of that group, and the same offer."""
    s = run.session(config=OTHER_GROUP, peer={"proposals": OFFER})
    with watched(s) as seen:
        run.establish(s)
    first, second = ({type(p): p for p in _layers(data)} for data in seen.data[:2])
    expect(first[IKEv2_SA].octets() == second[IKEv2_SA].octets(), "the same SA payload").holds()
    expect((first[IKEv2_KE].group, second[IKEv2_KE].group), "groups").equals((31, 19))
    expect(parse_message(seen.data[1])[0].id, "message ID").equals(0)
    expect(alive(s), "the peer alive in the IKE SA").holds()


@case(requirements=("7296-1.3-i01", "7296-2.21.1-i02"), roles=PEER_BEGINS, severity="high")
def conduct_group_not_offered(run: Run) -> None:
    """INVALID_KE_PAYLOAD asks for a group that the peer did not offer. Then: it does not follow."""
    s = run.session()
    refused = IKEv2_Notify(type=int(NotifyType.INVALID_KE_PAYLOAD), notify=(2).to_bytes(2))
    s.client.taps.add("payloads", lambda message: message.payloads.__setitem__(slice(None), [refused]), _is_init)
    with watched(s) as seen, contextlib.suppress(FynxError):
        run.driver(s).initiate()
        for_a_while(s, 20.0)
    groups = {p.group for data in seen.data for p in _layers(data) if isinstance(p, IKEv2_KE)}
    expect(2 in groups, "a KE payload of group 2").equals(False)
    expect(len(seen.data), "requests").between(1, 40)


def _is_init(message: Outgoing) -> bool:
    return message.kind is DatagramKind.IKE and int(message.header.exch_type) == INIT


# What anybody can forge


@case(requirements=("7296-2.21.1-i01", "7296-2.21.1-i02"), roles=PEER_BEGINS, severity="high")
def conduct_refusal_before_the_answer(run: Run) -> None:
    """An unprotected NO_PROPOSAL_CHOSEN comes before our answer to IKE_SA_INIT. Then: the peer takes our answer."""
    _forged(run, NotifyType.NO_PROPOSAL_CHOSEN)


@case(requirements=("7296-2.21.1-i01", "7296-2.21.1-i02"), roles=PEER_BEGINS, severity="high")
def conduct_invalid_syntax_before_the_answer(run: Run) -> None:
    """An unprotected INVALID_SYNTAX comes before our answer to IKE_SA_INIT. Then: the peer takes our answer."""
    _forged(run, NotifyType.INVALID_SYNTAX)


@case(requirements=("7296-2.21.1-i02",), roles=PEER_BEGINS, severity="high")
def conduct_authentication_failed_before_the_answer(run: Run) -> None:
    """An unprotected AUTHENTICATION_FAILED comes before our answer to IKE_SA_INIT. Then: the peer takes our answer."""
    _forged(run, NotifyType.AUTHENTICATION_FAILED)


def _forged(run: Run, kind: NotifyType) -> None:
    s = run.session()

    def before(message: Outgoing, datagrams: list[Datagram], attempt: int) -> list[Datagram | Delayed]:
        header = message.header.copy()
        header.next_payload = header.length = None
        header.resp_SPI = bytes(8)
        genuine = datagrams[0]
        forged = Datagram(build_message(header, [IKEv2_Notify(type=int(kind))]), genuine.local, genuine.remote)
        return [forged, *(Delayed(datagram, 0.2) for datagram in datagrams)]

    undo = s.client.taps.add("datagrams", before, _is_init)
    run.establish(s)
    undo()
    expect(alive(s), "the peer alive in the IKE SA").holds()


@case(requirements=("7296-2.21.4-05", "7296-2.4-05", "7296-2.4-04"), severity="high")
def conduct_unprotected_spi_unknown(run: Run) -> None:
    """We say unprotected, on the SPIs of the IKE SA, that they are unknown. Then: no answer, and the IKE SA lives."""
    s = up(run)
    for kind in (NotifyType.INVALID_IKE_SPI, NotifyType.INVALID_SPI):
        answers = forge(s, IKEv2_Notify(type=int(kind)), flags=RESPONSE | (0x08 if s.sa.initiator else 0))
        expect(answers, "unprotected answers").equals([])
        expect(alive(s), "the peer alive in the IKE SA").holds()
    s.ping()


@case(requirements=("7296-1.5-03",), severity="high", live=False)
def conduct_unprotected_child_spi_unknown(run: Run) -> None:
    """We say unprotected, outside of any IKE SA, that we do not know the SPI of a Child SA. Then: no answer."""
    s = up(run)
    spi = s.child.inbound.spi.to_bytes(4)
    answers = forge(
        s,
        IKEv2_Notify(type=int(NotifyType.INVALID_SPI), notify=spi),
        init_SPI=bytes(8),
        resp_SPI=bytes(8),
        id=0,
        flags=0x08,
    )
    expect(answers, "unprotected answers").equals([])
    expect(alive(s), "the peer alive in the IKE SA").holds()
    s.ping()
