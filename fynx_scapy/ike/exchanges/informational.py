# SPDX-License-Identifier: GPL-2.0-or-later
"""INFORMATIONAL: deletes, notifies, and the empty liveness check (RFC 7296 sections 1.4 and 1.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import Closing, FynxError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId, name_of
from fynx_scapy.ike.child.setup import is_esp
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.chains import FATAL
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.life import collisions
from fynx_scapy.ike.message import Message
from fynx_scapy.ike.wire.given import read_payloads
from fynx_scapy.ike.wire.rules import MANY, MAYBE, P, Phase, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_Delete

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.terms.timeouts import Retransmission


@exchange(ExchangeType.INFORMATIONAL)
class Informational(Exchange):
    """A request with any payloads, and an answer that may be empty."""

    rules = (
        Round(
            # HDR, SK {[N,] [D,] [CP,] …}  <-->
            Rule({P.N: MANY, P.D: MANY, P.CP: MAYBE, P.V: MANY}),
            Rule({P.N: MANY, P.D: MANY, P.CP: MAYBE, P.V: MANY}),
        ),
    )

    def __init__(self, sa: SaRecord, *payloads: Packet | bytes) -> None:
        super().__init__(sa)
        self.payloads = read_payloads(payloads)

    @property
    def touches_children(self) -> bool:  # type: ignore[override]
        """Whether it closes a Child SA."""
        return any(isinstance(p, IKEv2_Delete) and p.proto != ProtocolId.IKE for p in self.payloads)

    @property
    def alone(self) -> bool:  # type: ignore[override]
        """Whether it closes the IKE SA. Then it is the last request."""
        return any(isinstance(p, IKEv2_Delete) and p.proto == ProtocolId.IKE for p in self.payloads)

    @property
    def subjects(self) -> frozenset[int]:
        """The inbound SPIs of the Child SAs that it closes."""
        deletes = [p for p in self.payloads if isinstance(p, IKEv2_Delete) and is_esp(p.proto)]
        return frozenset(int.from_bytes(spi) for delete in deletes for spi in delete.SPI)

    def initiate(self) -> Steps:
        """Send the payloads, and apply our deletes once they are answered."""
        deletes = [payload for payload in self.payloads if isinstance(payload, IKEv2_Delete)]
        for delete in deletes:
            for spi in delete.SPI if is_esp(delete.proto) else ():
                if child := self.sa.children.get(int.from_bytes(spi)):
                    child.deleting = True
        # HDR, SK {[N,] [D,] …}  -->
        answer = yield self.request(*self.payloads)
        # <--  HDR, SK {[N,] [D,] …}
        for delete in deletes:
            if delete.proto == ProtocolId.IKE:
                self.sa.closed("deleted by us", self.sa.closing)
            elif is_esp(delete.proto):
                self.sa.remove_children(map(int.from_bytes, delete.SPI), by_peer=False)
        for delete in answer.all(IKEv2_Delete):
            if is_esp(delete.proto):
                self._remove_outbound(delete)

    def respond(self, request: Message) -> Steps:
        """Process the request, and answer it.

        The answer has the SPIs of the other direction for deleted Child SAs. It is empty for a deleted IKE SA.
        """
        sa = self.sa
        answer: list[Packet] = []
        closing, code = "", Closing.BY_PEER
        # HDR, SK {[N,] [D,] …}  -->
        for delete in request.all(IKEv2_Delete):
            if delete.proto == ProtocolId.IKE:
                closing = "deleted by the peer"
            elif is_esp(delete.proto):
                spis = self._remove_outbound(delete)
                if spis:
                    answer.append(IKEv2_Delete(proto=delete.proto, SPI=[spi.to_bytes(4) for spi in spis]))
        first_after_auth = 0 <= sa.authenticated_by == request.header_fields.message_id - 1
        if first_after_auth and any(n.type in FATAL for n in request.notifies()):
            closing, code = "the peer rejected the IKE SA after IKE_AUTH", Closing.REJECTED
        answer += hooks.answer(sa, request)
        # <--  HDR, SK {[D]}
        yield self.response(*([] if closing else answer))
        if closing:
            sa.closed(closing, code, by_peer=True)

    def _remove_outbound(self, delete: Packet) -> list[int]:
        """Remove the Child SAs in the peer's Delete. It names them by its inbound SPIs, which are our outbound ones.

        Returns our inbound SPIs of them, without those that we are deleting ourselves: section 1.4.1 forbids naming
        them again.
        """
        named = {int.from_bytes(spi) for spi in delete.SPI}
        deleted = {spi: child for spi, child in self.sa.children.items() if child.outbound.spi in named}
        collisions.note_early_delete(self.sa, named - {child.outbound.spi for child in deleted.values()})
        self.sa.remove_children(deleted, by_peer=True)
        return [spi for spi, child in deleted.items() if not child.deleting]

    def failed(self, error: FynxError) -> None:
        """Close the IKE SA after our Delete, even without an answer."""
        if any(isinstance(p, IKEv2_Delete) and p.proto == ProtocolId.IKE for p in self.payloads):
            self.sa.closed("deleted by us, unanswered", self.sa.closing)


class GivenUp(Informational):
    """The initiator ends an IKE SA that is not established, because of our answer to IKE_AUTH (section 2.21.2)."""

    phase = Phase.BEFORE_AUTH

    def respond(self, request: Message) -> Steps:
        """An empty answer, and the end."""
        # HDR, SK {N(AUTHENTICATION_FAILED)}  -->
        error = next(each for each in request.notifies() if each.type in FATAL)
        # <--  HDR, SK {}
        yield self.response()
        name = name_of(NotifyType, error.type)
        self.sa.fail(PeerError(error.type, bytes(error.notify or b""), f"the peer gave up, with {name}"))


class Liveness(Informational):
    """An empty INFORMATIONAL exchange that checks that the peer is alive (section 2.4)."""

    @property
    def schedule(self) -> Retransmission:
        """The retransmissions of dead peer detection, or those of all requests."""
        return self.sa.config.dpd.retransmission or super().schedule
