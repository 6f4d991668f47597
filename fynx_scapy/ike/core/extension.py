# SPDX-License-Identifier: GPL-2.0-or-later
"""What an extension of IKEv2 is: what it puts into messages, what it reads in them, what it keeps, in one class.

There is one object for each IKE SA and class, made when it is first asked for: ``sa.of(Class)``. `registry` says which
classes an endpoint has, `hooks` runs them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from scapy.packet import Packet

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2 import IKEv2_Notify

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing


class Place(enum.Enum):
    """Behind which payload an offer goes (RFC 7296 appendix C); where that one is missing, at the end."""

    NONCE = (PayloadType.Nonce,)
    IDENTITY = (PayloadType.IDi, PayloadType.IDr)
    AUTH = (PayloadType.AUTH,)
    LAST = ()


class Extension:
    """One extension on one IKE SA. Every hook does nothing unless a subclass says what.

    A FynxError that `offer`, `note` or `ended` raises ends an exchange of ours. While we answer, a PeerError that
    `offer`, `check`, `note` or `answer` raises refuses the request with its Notify, and any other FynxError with
    INVALID_SYNTAX. The other hooks raise nothing.
    """

    place: ClassVar[Place] = Place.LAST

    def __init__(self, sa: SaRecord) -> None:
        self.sa = sa

    # Messages

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """What it adds to a message of ours. ``request`` is the one that this answers, None for a request of ours.

        Called before the taps, again for each retry. In a rekey of the IKE SA the new one's object is asked as soon as
        there is one: it is not ``exchange.sa`` then.
        """
        return ()

    def sent(self, message: Outgoing, exchange: Exchange) -> None:
        """A message of ours has left, as the taps made it."""

    def check(self, message: Message, exchange: Exchange) -> None:
        """Raise PeerError for a request that is not to be acted upon. In IKE_AUTH its AUTH is not verified yet."""

    def note(self, message: Message, exchange: Exchange) -> None:
        """Read a message of the peer's that counts.

        That is an IKE_SA_INIT message once it is accepted, IKE_AUTH once AUTH has verified, any other that is inside SK
        and that its rules allow. In a rekey of the IKE SA it is the new one's object that reads, once there is one.
        """

    def answer(self, request: Message) -> Sequence[Packet]:
        """The payload that answers one of a request, before those of a Child SA; PeerError for a refusal."""
        return ()

    def ended(self, exchange: Exchange) -> None:
        """An exchange that we began has done all it had to do."""

    # Policy

    def allow(self, configs: Sequence[ChildConfig]) -> Sequence[ChildConfig]:
        """The Child SAs that the peer may have, out of these."""
        return configs

    # The life of the IKE SA

    def established(self) -> None:
        """Both ends are authenticated. As responder we have not answered yet."""

    def inherit(self, old: Self) -> None:
        """Take what a rekeyed IKE SA is to keep from the object of its predecessor; there are no keys yet."""

    def took_over(self) -> None:
        """The IKE SA is the one to use from now on: it has the Child SAs of its predecessor."""

    def closed(self) -> None:
        """The IKE SA has ended."""

    # Outside of any exchange

    def hint(self, notifies: Iterable[IKEv2_Notify], datagram: Datagram) -> bool:
        """Look at Notifies in the clear on the SPIs of the IKE SA, which anybody may have sent.

        Whether it has acted on them, so that nothing more is to be made of them.
        """
        return False

    def ahead(self, datagram: Datagram, header: Header) -> None:
        """A request has a message ID that our window does not reach yet. Nothing of it has verified."""

    @classmethod
    def beside_invalid_spi(cls, endpoint: EndpointRecord, header: Header) -> Sequence[Packet]:
        """What goes beside INVALID_IKE_SPI, in the clear, to whoever sent a request with this header."""
        return ()
