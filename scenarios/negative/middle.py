# SPDX-License-Identifier: GPL-2.0-or-later
"""A man in the middle: it stands between both ends, and changes, loses and repeats what either of them sends.

With a live peer it stands between us and the peer. What each end must do is expected of both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from scapy.layers.inet import ICMP
from scapy.packet import Packet

from fynx_scapy import Session
from fynx_scapy.errors import FynxError, OutOfReach, Timeout
from fynx_scapy.harness import Role, Run, expect
from fynx_scapy.harness.cases import case
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import (
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Payload,
    IKEv2_VendorID,
    build_message,
    parse_message,
)
from fynx_scapy.scenarios.negative.conduct import for_a_while, up
from fynx_scapy.taps import RESPONSE, Datagram, DatagramKind

BOTH = (Role.INITIATOR, Role.RESPONDER)
INIT = ExchangeType.IKE_SA_INIT
EXCHANGE, FLAGS = 18, 19
"""Octets of the IKE header."""
PATIENCE = 20.0
"""Seconds until both ends have sent again what was lost."""
Payloads = list[Packet]
Change = Callable[[Payloads], object]
Man = Callable[[float, Datagram], Iterable[Datagram] | None]


# IKE_SA_INIT is not protected, but AUTH covers it


def nonce(payloads: Payloads) -> None:
    """Another nonce."""
    found = next(payload for payload in payloads if isinstance(payload, IKEv2_Nonce))
    found.nonce = bytes(octet ^ 0xFF for octet in bytes(found.nonce))


def public_value(payloads: Payloads) -> None:
    """Another public value of the same size."""
    found = next(payload for payload in payloads if isinstance(payload, IKEv2_KE))
    found.ke = bytes(octet ^ 0x01 for octet in bytes(found.ke))


def without_fragmentation(payloads: Payloads) -> None:
    """The notify IKEV2_FRAGMENTATION_SUPPORTED is gone."""
    kind = NotifyType.IKEV2_FRAGMENTATION_SUPPORTED
    payloads[:] = [one for one in payloads if not (isinstance(one, IKEv2_Notify) and one.type == kind)]


def vendor_id(payloads: Payloads) -> None:
    """One more Vendor ID."""
    payloads.append(IKEv2_VendorID(vendorID=b"from the middle"))


def unknown_payload(payloads: Payloads) -> None:
    """One more payload, of an unknown type that is not critical."""
    payloads.append(IKEv2_Payload(payload_type=200, load=b"from the middle"))


def changing(change: Change, seen: set[int], *, responses: bool) -> Man:
    """Changes the payloads of IKE_SA_INIT requests, or of responses. ``seen`` gets the exchange types that come by."""

    def man(_time: float, datagram: Datagram) -> list[Datagram] | None:
        data = datagram.data
        seen.add(data[EXCHANGE] if len(data) > EXCHANGE else 0)
        if datagram.kind is not DatagramKind.IKE or len(data) < 28 or data[EXCHANGE] != INIT:
            return None
        if bool(data[FLAGS] & RESPONSE) is not responses:
            return None
        header, payloads = parse_message(data)
        for layer in (header, *payloads):
            layer.next_payload = None
        header.length = None
        change(payloads)
        return [replace(datagram, data=build_message(header, payloads))]

    return man


def not_usable(run: Run, s: Session) -> None:
    """Neither end has an IKE SA that the other one uses as well."""
    ours = [sa for sa in s.client.sas.values() if sa.established]
    try:
        theirs = [sa.spi_i for sa in run.driver(s).sas() if sa.established]
    except OutOfReach:
        theirs = []
    expect([spi.hex() for spi in theirs if any(spi == sa.spi_i for sa in ours)], "IKE SAs of both ends").equals([])
    for sa in ours:
        with contextlib.suppress(FynxError):
            s.liveness(timeout=3.0)
            expect(sa.established, "an IKE SA that the peer uses").equals(False)


def handshake(change: Change, ids: tuple[str, ...]) -> None:
    """Register two cases: requests, or responses, of IKE_SA_INIT are changed like this on their way."""
    for responses in (False, True):

        def body(run: Run, responses: bool = responses) -> None:
            s, seen = run.session(), set[int]()
            with s.network.intercept(changing(change, seen, responses=responses)):
                with contextlib.suppress(FynxError):
                    if run.role.begins:
                        s.connect(timeout=5.0)
                    else:
                        run.driver(s).initiate()
                        s.accept(timeout=3.0)
                for_a_while(s, 1.0)
                run.needs(ExchangeType.IKE_AUTH in seen, "the handshake does not come to IKE_AUTH")
                not_usable(run, s)

        message = "response" if responses else "request"
        body.__name__ = f"middle_{change.__name__}_in_{message}"
        told = (change.__doc__ or "").rstrip(".").lower()
        body.__doc__ = f"In the IKE_SA_INIT {message} there is something else than was sent: {told}. Then: no IKE SA."
        case(requirements=ids, severity="critical", roles=BOTH)(body)


for one in (nonce, public_value):
    handshake(one, ("7296-2.15-i05",))
for one in (without_fragmentation, vendor_id, unknown_payload):
    handshake(one, ("7296-2.15-i02",))


# Inside an IKE SA


def firsts_only(act: Callable[[Datagram], Iterable[Datagram]]) -> Man:
    """Acts on the first transmission of each IKE message; what is sent again passes."""
    seen: set[bytes] = set()

    def man(_time: float, datagram: Datagram) -> Iterable[Datagram] | None:
        if datagram.kind is not DatagramKind.IKE or datagram.data in seen:
            return None
        seen.add(datagram.data)
        return act(datagram)

    return man


def flipped(datagram: Datagram) -> list[Datagram]:
    """The datagram with its last bit flipped."""
    return [replace(datagram, data=datagram.data[:-1] + bytes([datagram.data[-1] ^ 1]))]


def lost(_: Datagram) -> list[Datagram]:
    """Nothing."""
    return []


def repeated(datagram: Datagram) -> list[Datagram]:
    """Three times the same."""
    return [datagram] * 3


def same_children(run: Run, s: Session) -> None:
    """Both ends have as many Child SAs, where the peer's can be seen."""
    with contextlib.suppress(OutOfReach):
        theirs = [sa.children for sa in run.driver(s).sas() if sa.spi_i == s.sa.spi_i]
        installed = [child for children in theirs for child in children if child.state == "INSTALLED"]
        expect(len(installed), "Child SAs of the peer").equals(len(s.sa.children))


def exchanges(act: Callable[[Datagram], Iterable[Datagram]], what: str, ids: tuple[str, ...]) -> None:
    """Register a case: this becomes of the first transmission of all messages. Each end begins an exchange."""

    def body(run: Run) -> None:
        s = up(run)
        before = set(s.sa.children)
        with s.network.intercept(firsts_only(act)):
            s.create_child()
            expect(s.liveness(timeout=PATIENCE)).empty()
            run.driver(s).rekey_child()
            expect(s.network.run(lambda: len(set(s.sa.children) - before) >= 2, limit=PATIENCE), "a rekey").holds()
            for_a_while(s, 6.0)
        same_children(run, s)
        expect(s.liveness()).empty()
        expect(s.ping()).has(ICMP, type=0)

    body.__name__ = f"middle_{act.__name__}"
    body.__doc__ = f"{what} Then: every exchange ends as if nothing had happened, whoever begins it."
    case(requirements=ids, severity="high", roles=BOTH)(body)


exchanges(lost, "The first transmission of every message is lost.", ("7296-2.1-06", "7296-2.1-04"))
exchanges(flipped, "The first transmission of every message has a flipped bit.", ("7296-2.1-06", "7296-2.1-04"))


# ESP


def packets(act: Callable[[Datagram], Iterable[Datagram]], *, of_peer: bool) -> Callable[[Session], Man]:
    """What becomes of ESP packets in one direction."""

    def made(s: Session) -> Man:
        return lambda _time, one: act(one) if one.kind is not DatagramKind.IKE and s.sends(one) != of_peer else None

    return made


@case(requirements=("4303-3.4.4.2-01",), severity="critical", roles=BOTH)
def middle_flips_packets(run: Run) -> None:
    """ESP packets of either end have a flipped bit. Then: the other end drops them, and takes those that come after."""
    s = up(run)
    for of_peer in (False, True):
        with s.network.intercept(packets(flipped, of_peer=of_peer)(s)):
            expect(lambda: s.ping(timeout=0.5)).raises(Timeout)
        expect(s.ping()).has(ICMP, type=0)


@case(requirements=("4303-3.4.3-05", "4303-3.4.3-01"), severity="critical", roles=BOTH)
def middle_repeats_packets(run: Run) -> None:
    """ESP packets of either end come three times. Then: the other end takes one."""
    s = up(run)
    inbox = s.network.hosts[s.name].inbox
    for of_peer, what in ((False, "answers to one ping"), (True, "inner packets of three copies")):
        with s.network.intercept(packets(repeated, of_peer=of_peer)(s)):
            before = len(inbox)
            s.ping()
            for_a_while(s, 0.5)
            answers = len(inbox) - before
        expect(answers, what).equals(1)
