# SPDX-License-Identifier: GPL-2.0-or-later
"""A method that somebody else speaks: its packets are handed to a caller, and its answers sent.

So an EAP tester, an EAP-5G stack (3GPP TS 24.502 section 9.3.2) or a TLS tester can stand behind IKEv2. The caller is
called while a message is answered: it must answer at once, and must not wait.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from scapy.layers.eap import EAP

from fynx_scapy.eap import packets
from fynx_scapy.eap.method import Outcome, PeerMethod, PeerSteps, Run, ServerMethod, ServerSteps, shown
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.layers.ikev2.eap.names import METHODS

LEAST_MSK = 32
"""Octets of an MSK: EAP-5G's. RFC 3748 section 7.10 wants 64."""
MOST_PACKETS = 1000
"""How many packets a caller may send in one conversation."""


@dataclass(frozen=True, slots=True)
class Passed:
    """The method has succeeded. ConfigError for an MSK that is too short.

    A peer's caller says so with the response after which EAP-Success may follow (``packet``), a server's without one:
    EAP-Success is sent.
    """

    packet: EAP | None = None
    msk: bytes = field(default=b"", repr=False)
    """The Master Session Key; empty for a method that makes none. That of EAP-5G is the key of N3IWF."""
    emsk: bytes = field(default=b"", repr=False)
    identity: bytes = b""
    """Who the peer is; empty for what it said in Identity."""

    def __post_init__(self) -> None:
        if 0 < len(self.msk) < LEAST_MSK:
            raise ConfigError(f"expected an MSK of at least {LEAST_MSK} octets, found {len(self.msk)}")


PeerCaller: TypeAlias = Callable[[EAP], EAP | Passed]
"""Takes a request, returns the response. Identifiers are filled in."""
ServerCaller: TypeAlias = Callable[[EAP | None], EAP | Passed]
"""Takes None, then each response; returns the next request, or `Passed`. AuthenticationError refuses the peer."""
Begin: TypeAlias = Callable[[bytes], Any]
"""Called for each conversation with the identity that the peer has given; returns its caller."""


@dataclass(frozen=True, slots=True)
class PassthroughPeer(PeerMethod):
    """A peer whose method a caller speaks. ``begin`` gives a `PeerCaller` for each conversation."""

    begin: Begin
    type: int = packets.EXPANDED
    name: str = ""
    safe: bool = False
    """Whether the caller says that the method is safe alone (RFC 5998)."""

    def __post_init__(self) -> None:
        _check(self)

    def respond(self, run: Run, request: EAP) -> PeerSteps:
        """Each request goes to the caller."""
        caller: PeerCaller = _begun(self.begin(run.identity))
        for _ in range(MOST_PACKETS):
            answer = caller(request)
            if isinstance(answer, Passed):
                if answer.packet is None:
                    raise ConfigError("expected a response in the Passed of an EAP peer, found none")
                run.outcome = _outcome(self.name, answer, run)
                answer = answer.packet
            request = yield _packet(answer, EAP.RESPONSE)
        raise AuthenticationError(f"expected at most {MOST_PACKETS} packets of EAP-{self.name}, found more")


@dataclass(frozen=True, slots=True)
class PassthroughServer(ServerMethod):
    """A server whose method a caller speaks. ``begin`` gives a `ServerCaller` for each conversation."""

    begin: Begin
    type: int = packets.EXPANDED
    name: str = ""
    safe: bool = False

    def __post_init__(self) -> None:
        _check(self)

    def challenge(self, run: Run) -> ServerSteps:
        """Each response goes to the caller."""
        caller: ServerCaller = _begun(self.begin(run.identity))
        answer = caller(None)
        for _ in range(MOST_PACKETS):
            if isinstance(answer, Passed):
                return _outcome(self.name, answer, run)
            answer = caller((yield _packet(answer, EAP.REQUEST)))
        raise AuthenticationError(f"expected at most {MOST_PACKETS} packets of EAP-{self.name}, found more")


def _check(method: PassthroughPeer | PassthroughServer) -> None:
    if not callable(method.begin):
        raise ConfigError(f"expected a function that begins a conversation, found {type(method.begin).__name__}")
    _check_taken(method.begin, "a function that takes the identity of the peer")
    if not isinstance(method.type, int) or not packets.NAK < method.type <= 0xFF:
        raise ConfigError(f"expected the type of an EAP method (4 to 255), found {method.type!r}")
    object.__setattr__(method, "name", method.name or METHODS.get(method.type, f"type {method.type}"))


def _begun(caller: Any) -> Any:
    """What ``begin`` returned, if it can be called."""
    if not callable(caller):
        raise ConfigError(f"expected begin to return a function that takes the packets, found {type(caller).__name__}")
    _check_taken(caller, "begin to return a function that takes a packet")
    return caller


def _check_taken(function: Callable[..., Any], wanted: str) -> None:
    """ConfigError for a function that cannot be called with one argument."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # of a function in C nobody can say
        return
    try:
        signature.bind(None)
    except TypeError as error:
        name = getattr(function, "__qualname__", type(function).__name__)
        raise ConfigError(f"expected {wanted}, found {name}, which cannot be called so: {error}") from None


def _packet(answer: Any, code: int) -> EAP:
    """What a caller answers, if it is a packet that may be sent. The code is filled in, too."""
    if not isinstance(answer, EAP):
        raise ConfigError(f"expected an EAP packet, or Passed, from the caller of an EAP method, found {answer!r:.80}")
    if packets.code_of(answer) not in (EAP.REQUEST, EAP.RESPONSE) or packets.type_of(answer) is None:
        raise ConfigError(f"expected a request or a response of an EAP method from its caller, found {shown(answer)}")
    answer.code = code
    return answer


def _outcome(name: str, passed: Passed, run: Run) -> Outcome:
    return Outcome(name, passed.identity or run.identity, msk=passed.msk, emsk=passed.emsk)
