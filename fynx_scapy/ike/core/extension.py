# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of IKEv2 extensions. One class adds payloads to messages, reads them, and keeps the state.

Each IKE SA has one object of each class, created on first use: ``sa.of(Class)``. `registry` lists the classes of an
endpoint, `hooks` runs them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from scapy.packet import Packet

from fynx_scapy.layers.ikev2 import IKEv2_Notify

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig, IkeConfig
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing


class Place(enum.Enum):
    """The payload after which the payloads of an extension go (RFC 7296 appendix C). If it is missing, at the end."""

    NONCE = "Nonce"
    IDENTITY = "IDi or IDr"
    AUTH = "AUTH"
    LAST = "the end"


class Extension:
    """An extension on one IKE SA. A subclass overrides the hooks that it needs; by default they do nothing.

    In an exchange that we began, a FynxError from `offer`, `note` or `ended` ends the exchange. While we answer, a
    PeerError from `offer`, `check`, `note` or `answer` refuses the request with its Notify; any other FynxError refuses
    it with INVALID_SYNTAX. The other hooks must not raise.
    """

    place: ClassVar[Place] = Place.LAST

    def __init__(self, sa: SaRecord) -> None:
        self.sa = sa

    # Messages

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """The payloads to add to a message of ours. ``request`` is the request that it answers, or None.

        Called before the taps, and again for each retry. In a rekey of the IKE SA, the object of the new IKE SA is
        called once it exists; ``self.sa`` is not ``exchange.sa`` then.
        """
        return ()

    def sent(self, message: Outgoing, exchange: Exchange) -> None:
        """We have sent a message; the taps may have changed it."""

    def doubts(self, answer: Message) -> bool:
        """Whether to wait for a better answer than this one to our IKE_SA_INIT, which may be forged (2.21.1)."""
        return False

    def check(self, message: Message, exchange: Exchange) -> None:
        """Raise PeerError to refuse a request. In IKE_AUTH, its AUTH is not verified yet."""

    def note(self, message: Message, exchange: Exchange) -> None:
        """Read a valid message of the peer.

        Valid is an IKE_SA_INIT message once it is accepted, an IKE_AUTH message once its AUTH has verified, and any
        other message inside SK that its rules allow. In a rekey of the IKE SA, the object of the new IKE SA is called
        once it exists.
        """

    def answer(self, request: Message) -> Sequence[Packet]:
        """The payloads that answer those of a request; they go before those of a Child SA. PeerError for a refusal."""
        return ()

    def ended(self, exchange: Exchange) -> None:
        """An exchange that we began is complete."""

    # Policy

    def allow(self, configs: Sequence[ChildConfig]) -> Sequence[ChildConfig]:
        """Restrict the Child SAs that the peer may set up."""
        return configs

    # The life of the IKE SA

    def established(self) -> None:
        """Both peers are authenticated. As responder we have not sent our answer yet."""

    def inherit(self, old: Self) -> None:
        """Copy state from the object of the predecessor after a rekey of the IKE SA. There are no keys yet."""

    def again(self, config: IkeConfig) -> IkeConfig:
        """The configuration with which the IKE SA is set up again from scratch, with what is to stay as it is."""
        return config

    def took_over(self) -> None:
        """The IKE SA took over the Child SAs of its predecessor, and is used from now on."""

    def closed(self) -> None:
        """The IKE SA has ended."""

    # Outside of any exchange

    def hint(self, notifies: Iterable[IKEv2_Notify], datagram: Datagram) -> bool:
        """Read unprotected Notify payloads on the SPIs of the IKE SA. They may be forged.

        Returns whether it has acted on them; then they are not processed further.
        """
        return False

    def ahead(self, datagram: Datagram, header: Header) -> None:
        """A request has a message ID above our window. Its ICV is not verified."""

    @classmethod
    def beside_invalid_spi(cls, endpoint: EndpointRecord, header: Header) -> Sequence[Packet]:
        """The unprotected payloads to send with INVALID_IKE_SPI in the answer to a request with this header."""
        return ()
