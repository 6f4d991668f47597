# SPDX-License-Identifier: GPL-2.0-or-later
"""How an IKE SA sends and retransmits its messages, and records those of the peer (RFC 7296 section 2.1)."""

from __future__ import annotations

from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.states import State as State
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import (
    MessageDropped,
    MessageReceived,
    MessageSent,
    PeerNotified,
    Retransmitted,
)
from fynx_scapy.ike.life.lifetimes import IkeLife
from fynx_scapy.ike.message import Datagram, Message, Outgoing
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.reassembly import room
from fynx_scapy.ike.wire.window import Kept
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE


class SaMessages(SaRecord):
    """The part of an IKE SA that sends messages, and records received ones."""

    life: IkeLife | None = None
    """Counts its messages; None until it is established."""

    # Output

    def transmit(self, message: Outgoing, exchange_type: int, message_id: int, request: Message | None) -> Kept:
        """Encrypt a message and send it; returns it for retransmission.

        An answer goes to the address that its ``request`` came from.
        """
        flags = (FLAG_INITIATOR if self.initiator else 0) | (FLAG_RESPONSE if request else 0)
        defaults = {
            "init_SPI": self.spi_i,
            "resp_SPI": self.spi_r,
            "exch_type": int(exchange_type),
            "flags": flags,
            "id": message_id,
        }
        for name, value in defaults.items():
            if name not in message.header.fields:
                setattr(message.header, name, value)
        local, remote = (request.local, request.remote) if request else (self.local, self.remote)
        wires, plaintext = self.envelope.seal(message, room(self, remote))
        if exchange_type == ExchangeType.IKE_SA_INIT:
            self.init_sent = wires[0]
        datagrams = [Datagram(wire, local, remote) for wire in wires]
        kept = Kept(message if self.endpoint.taps.used else None, message_id, exchange_type, datagrams, request is None)
        changed = tuple(message.changed)
        self._send(kept, message)
        self.emit(
            MessageSent(
                *self.stamp,
                header=message.header,
                payloads=(*message.outer, *message.payloads),
                plaintext=plaintext,
                wire=tuple(wires),
                local=local,
                remote=remote,
                changed=changed,
            )
        )
        if self.life is not None:
            self.life.message(sum(map(len, wires)))
        return kept

    def retransmit(self, kept: Kept, request: Datagram | None = None) -> None:
        """Retransmit a message, bit for bit (section 2.1).

        A request goes to the peer's current address, an answer to the address that its ``request`` came from this time.
        """
        kept.attempt += 1
        kept.datagrams = nat.readdressed(
            kept.datagrams, request.local if request else self.local, request.remote if request else self.remote
        )
        self.emit(
            Retransmitted(
                *self.stamp,
                message_id=kept.message_id,
                exchange=kept.exchange_type,
                request=kept.request,
                attempt=kept.attempt,
                datagrams=tuple(kept.datagrams),
            )
        )
        message = kept.message
        if message is None and self.endpoint.taps.used:  # a tap was added since it was sent
            message = self.envelope.reopened(kept.datagrams)
        self._send(kept, message)

    def _send(self, kept: Kept, message: Outgoing | None) -> None:
        self.last_sent = self.now
        self.endpoint.transmit(message, kept.datagrams, kept.attempt)

    # Input

    def drop(self, datagram: Datagram, code: DropReason, reason: str) -> None:
        """Count and report a dropped datagram."""
        self.endpoint.counts.drop(code)
        self.emit(MessageDropped(*self.stamp, code=code, reason=reason, data=datagram.data, remote=datagram.remote))

    def accept(self, message: Message) -> None:
        """Record a new message whose ICV, if it has one, has verified. It may change the peer's address."""
        self.last_heard = self.now
        if self.life is not None:
            self.life.message(sum(map(len, message.wires)))
        if not message.encrypted:
            self.init_received = message.wire
        if message.encrypted:
            nat.follow_message(self, message)
        self.emit(
            MessageReceived(
                *self.stamp,
                header=message.header,
                payloads=tuple(message.payloads),
                plaintext=message.plaintext,
                wire=message.wires,
                local=message.local,
                remote=message.remote,
            )
        )
        for notify in message.notifies():
            self.emit(
                PeerNotified(
                    *self.stamp,
                    notify_type=notify.type,
                    data=bytes(notify.notify or b""),
                    protocol=notify.proto or 0,
                    spi=bytes(notify.SPI or b""),
                    encrypted=message.encrypted,
                )
            )
