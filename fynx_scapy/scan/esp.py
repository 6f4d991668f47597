# SPDX-License-Identifier: GPL-2.0-or-later
"""Behind authentication: which ESP proposals a peer accepts in CREATE_CHILD_SA, and when it repeats its own requests.

With a key exchange in the proposals, the decoy that served for IKE tells yes from no and nothing is set up. Without
one, or without a decoy, each acceptance sets up a Child SA, which is deleted at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scapy.packet import Packet

from fynx_scapy.errors import FynxError, Timeout
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.ike.child.setup import ts_payloads
from fynx_scapy.ike.message import Datagram, DatagramKind
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, FLAGS, HEADER_SIZE
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Delete, IKEv2_Payload, IKEv2_SA
from fynx_scapy.scan.answer import Answer, Kind
from fynx_scapy.scan.asker import Stopped, question_key
from fynx_scapy.scan.catalogue import KE, Box, esp_shapes
from fynx_scapy.scan.limits import ScanLimits
from fynx_scapy.scan.request import DECOYS, decoy_payload, groups_of, ke_payload, nonce_payload, sa_payload, with_decoy
from fynx_scapy.scan.result import Accepted, usable
from fynx_scapy.scan.search import Reply, Search
from fynx_scapy.session import Session

FIRST = (
    "aes128gcm16-aes256gcm16-aes192gcm16-chacha20poly1305-aes128ccm16-aes256ccm16-noesn-esn",
    "aes256-aes128-aes192-3des-null-sha256-sha384-sha512-sha1-md5-noesn-esn",
)
"""What IKE_AUTH offers for the first Child SA."""
_BUSY = 5
"""How many times a question is repeated that is answered with TEMPORARY_FAILURE."""
_SETTLE = 1.0
_MOST_SEEN = 1000
"""How many requests of the peer are looked at while we are silent."""


def ike_proposals(accepted: Accepted) -> tuple[Proposal, ...]:
    """What a session offers for its IKE SA: what the scan found, as far as we can do it; the default if nothing is."""
    found = []
    for each in accepted.proposals:
        sets = [usable(values) for values in each.box]
        if all(sets):
            found.append(Proposal(ProtocolId.IKE, tuple(transform for values in sets for transform in values)))
    return tuple(found) or Proposal.parse_all("default", ProtocolId.IKE)


class EspAsker:
    """Asks the peer of an authenticated ``session`` about ESP. ``decoy`` is as in `Asker`.

    A decoy that the peer does not take may end the IKE SA: libreswan answers 65000 with INVALID_SYNTAX.
    """

    def __init__(
        self,
        session: Session,
        limits: ScanLimits,
        told: Callable[[str], object] | None = None,
        *,
        decoy: int | None = DECOYS[0],
    ) -> None:
        self.decoy = decoy
        self.session, self.limits, self.told = session, limits, told or (lambda text: None)
        self.accepted = Accepted(ProtocolId.ESP)
        """What was found so far."""
        self.questions = 0
        self._asked: dict[str, Reply] = {}
        self._next = 0.0
        self._random = session.client.randomness

    def run(self) -> Accepted:
        """Find the ESP proposals, with and without a key exchange. Stopped when the peer answers no more."""
        for ke in (False, True):  # the KE payload of a decoy may end the IKE SA: libreswan checks its length first
            for shape in esp_shapes(ke=ke):
                self.told(f"which {shape.name} proposals it accepts for ESP" + (" with a key exchange" if ke else ""))
                search = Search(self.ask, checks=self.limits.checks)
                before = list(self.accepted.proposals)
                try:
                    search.run(shape.box)
                finally:
                    self.accepted.proposals = [*before, *search.found]
        self.accepted.complete = True
        return self.accepted

    def ask(self, offer: Sequence[Box]) -> Reply:
        """Whether the peer accepts one of these proposals for a Child SA."""
        ke = any(values[0].type == KE for box in offer for values in box)
        key = question_key(offer, self.decoy if ke else None)
        if key not in self._asked:
            self._asked[key] = self._reply(offer, ke)
            self.questions += 1
        return self._asked[key]

    def _reply(self, offer: Sequence[Box], ke: bool) -> Reply:
        for attempt in range(_BUSY):
            spi = self._random.octets(4)
            answer = Answer.of(self._request(offer, ke, spi))
            error = answer.error()
            if error is None or error.type != NotifyType.TEMPORARY_FAILURE:
                break
            self.session.network.run(self.session.network.now + _SETTLE * 2**attempt)
        if error is not None and error.type == NotifyType.NO_ADDITIONAL_SAS:
            raise Stopped("the peer allows no more Child SAs")
        if answer.get(IKEv2_SA) is not None:
            self._delete(spi)
            answer.kind = Kind.ACCEPTED
            has_ke = any(transform.type == KE for transform in answer.chosen)
            return Reply(has_ke == ke, answer.chosen)
        if answer.kind is Kind.OTHER_GROUP:
            return Reply(answer.group in groups_of(offer), answer.chosen)
        # RFC 7296 section 2.9: the proposal is chosen before the traffic selectors are looked at.
        if answer.has_notify(NotifyType.TS_UNACCEPTABLE):
            raise Stopped("the peer accepts none of the traffic selectors: give --local-ts and --remote-ts")
        return Reply(False)

    def _request(self, offer: Sequence[Box], ke: bool, spi: bytes) -> list[Packet]:
        """Send CREATE_CHILD_SA, and return the payloads of the answer."""
        child = self.session.config.children[0]
        offered = with_decoy(offer, self.decoy) if ke and self.decoy is not None else offer
        payloads = [
            sa_payload(offered, ProtocolId.ESP, spi),
            nonce_payload(self._random),
            *([self._ke(offer)] if ke else []),
            *ts_payloads(child.local_ts, child.remote_ts),
        ]
        # HDR, SK {SA, Ni, [KEi,] TSi, TSr}  -->
        answer = self._send("CREATE_CHILD_SA", *payloads)
        return [layer for layer in answer.iterpayloads() if isinstance(layer, IKEv2_Payload)]

    def _ke(self, offer: Sequence[Box]) -> Packet:
        if self.decoy is not None:
            return decoy_payload(self.decoy, self._random)
        return ke_payload(groups_of(offer)[0], self._random)

    def _delete(self, spi: bytes) -> None:
        """Delete the Child SA that a question has set up."""
        self._send("INFORMATIONAL", IKEv2_Delete(proto=ProtocolId.ESP, SPI=[spi]))

    def _send(self, exchange: str, *payloads: Packet) -> IKEv2:
        network = self.session.network
        if self._next > network.now:
            network.run(self._next)
        self._next = network.now + 1 / self.limits.rate
        try:
            return self.session.request(exchange, *payloads)
        except Timeout as error:
            raise Stopped(f"the peer stopped answering: {error}") from None
        except FynxError as error:
            raise Stopped(f"the IKE SA ended: {error}") from None


def back_off(session: Session, seconds: float) -> list[float]:
    """Answer nothing for so many seconds, and return when the peer repeated its first request, in seconds after it.

    Empty when it sent none, or none twice: a peer sends requests of its own only if it checks whether we live.
    """
    seen: list[tuple[float, bytes]] = []
    remote = session.sa.remote.host

    def look(now: float, datagram: Datagram, fate: str) -> None:
        data = datagram.data
        if datagram.kind is not DatagramKind.IKE or session.sends(datagram):
            return
        theirs = fate == "delivered" and datagram.local.host == remote
        if theirs and len(data) >= HEADER_SIZE and not data[FLAGS] & FLAG_RESPONSE and len(seen) < _MOST_SEEN:
            seen.append((now, data))

    network = session.network
    deaf = session.tap("datagrams", lambda message, datagrams, attempt: [])
    try:
        with network.observe(look):
            network.run(network.now + seconds)
    finally:
        deaf()
    if not seen:
        return []
    first, request = seen[0]
    return [round(at - first, 2) for at, data in seen[1:] if data == request]
