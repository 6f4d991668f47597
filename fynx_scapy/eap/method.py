# SPDX-License-Identifier: GPL-2.0-or-later
"""What an EAP method is: packets in, packets out, for both ends (RFC 3748 section 5).

A method is a configuration (a frozen dataclass whose repr shows no secret) that begins a run for each conversation. The
run is a generator that reads like the method's ladder: it yields packets without an identifier, which the conversation
fills in, and receives the other end's next one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from scapy.layers.eap import EAP

from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.layers.ikev2.eap import EAP_Malformed
from fynx_scapy.layers.ikev2.eap.names import eap_text

if TYPE_CHECKING:
    from fynx_scapy.eap.tunnel import Room

Octets: TypeAlias = Callable[[int], bytes]
"""A source of that many random octets."""

Told: TypeAlias = Callable[[str], object]
"""Called with the text of a Notification, which is printable and of limited length."""

P = TypeVar("P", bound=EAP)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method that succeeded has yielded. The repr shows no key."""

    method: str
    """Its name, such as ``MSCHAPv2``."""
    identity: bytes
    """Who the peer is, as the method knows it; what the peer said first (in Identity) may be another."""
    msk: bytes = field(default=b"", repr=False)
    """The Master Session Key, at least 64 octets; empty for a method that makes no key (RFC 3748 section 7.10)."""
    emsk: bytes = field(default=b"", repr=False)
    """The Extended Master Session Key; empty for a method that makes none."""
    certificate: bytes = field(default=b"", repr=False)
    """The certificate of the other end in DER; empty for a method without certificates."""


PeerSteps: TypeAlias = "Generator[EAP, EAP, None]"
"""Yields responses, receives requests. `Run.outcome` is set before the response after which EAP-Success may follow."""
ServerSteps: TypeAlias = "Generator[EAP, EAP, Outcome]"
"""Yields requests, receives responses, returns the outcome. AuthenticationError for a peer that is refused."""


def _nobody(text: str) -> None:
    """Nobody is told."""


class Run:
    """A method in one conversation."""

    def __init__(self, identity: bytes, octets: Octets, types: Iterable[int] = (), told: Told = _nobody) -> None:
        self.identity = identity
        """The identity that the peer gave, or is to give, in Identity."""
        self.octets = octets
        self.told = told
        """Of a peer: who hears the text of a Notification, for a method that has EAP inside."""
        self.types = frozenset(types)
        """The methods that this end would take."""
        self.identifier = 0
        """Of a server: the identifier of its next request, for a method that authenticates its packets."""
        self.outcome: Outcome | None = None
        self.room: Room | None = None
        """Of a server: who gives way to a TLS connection of this peer."""
        self.error: AuthenticationError | None = None
        """Why the peer knows that it will fail: what ends it is EAP-Failure, which says nothing."""


class Method:
    """A method's configuration for one end."""

    __slots__ = ()

    name: str
    """Its name without the prefix EAP-."""
    type: int
    """Its type of IANA's registry; 254 for an expanded one."""
    safe: bool = False
    """Whether it may authenticate both ends alone: it makes a key, authenticates the server too, and nobody who has
    listened can guess a password (RFC 5998 section 4)."""


class PeerMethod(Method):
    """A method as the peer (RFC 3748's word for who is authenticated)."""

    __slots__ = ()

    def respond(self, run: Run, request: EAP) -> PeerSteps:
        """The peer's side, from the method's first request on."""
        raise NotImplementedError


class ServerMethod(Method):
    """A method as the server."""

    __slots__ = ()

    def challenge(self, run: Run) -> ServerSteps:
        """The server's side, from its first request on."""
        raise NotImplementedError


def check_text(**texts: str) -> None:
    """ConfigError for a name or a password that is no text, or that UTF-8 cannot encode. It does not show them."""
    for name, value in texts.items():
        if not isinstance(value, str):
            raise ConfigError(f"expected the {name} for EAP as text, found {type(value).__name__}")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"expected the {name} for EAP as text that has a form in UTF-8") from None


def expect(packet: EAP, kind: type[P]) -> P:
    """The packet, if it is one of this class; AuthenticationError says what it is instead."""
    if isinstance(packet, EAP_Malformed):
        raise AuthenticationError(f"expected a well-formed EAP packet, found one that is not: {packet.malformed}")
    if not isinstance(packet, kind):
        raise AuthenticationError(f"expected {kind.__name__}, found {shown(packet)}")
    return packet


def shown(packet: Any) -> str:
    """An EAP packet in a few words."""
    return f"EAP {eap_text(bytes(packet))}"
