# SPDX-License-Identifier: GPL-2.0-or-later
"""What a mutation is: one change of what we send, made by a verb. Its repr is the call that makes it.

A verb is a function with a decorator that names the stage at which it acts:

@payload_verb
def set_message_id(scene: Scene, message: Outgoing, number: int) -> None:
    \"""Set the message ID of the header.\"""
    message.header.id = number

``set_message_id(7)`` is then a `Mutation`; ``one() + other()`` does both, in this order.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeAlias

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.basics.randomness import Randomness
from fynx_scapy.ike.message import Datagram, Outgoing, OutgoingEsp
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.wire.taps import Delayed
from fynx_scapy.session import Session

P = ParamSpec("P")
Sending: TypeAlias = "Sequence[Datagram | Delayed]"


@dataclass(slots=True)
class Scene:
    """Where a mutation acts: our session, and what it has sent so far."""

    session: Session
    message: Outgoing = field(default_factory=lambda: Outgoing([]))
    """The message that is being changed."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a verb keeps for its next message."""

    @property
    def sent(self) -> list[Datagram]:
        """Our datagrams so far, the oldest first, as far as the network has kept them."""
        carried = self.session.network.carried or ()
        return [datagram for _, datagram, _ in carried if self.session.sends(datagram)]

    @property
    def sa(self) -> IkeSa:
        """The IKE SA that the message belongs to. LocalError when there is none."""
        return self.find() or self.session.sa

    def find(self) -> IkeSa | None:
        """The same, or None."""
        spi = bytes(self.message.header.fields.get("init_SPI", b""))
        return next((sa for sa in self.session.client.sas.values() if sa.spi_i == spi), None)

    @property
    def randomness(self) -> Randomness:
        """The randomness of our endpoint, so that a seed repeats a run."""
        return self.session.client.randomness


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change, or several: ``parts``. ``stage`` is the tap stage at which a single one acts."""

    text: str
    """The call that makes it."""
    stage: str = ""
    act: Callable[..., Any] = field(default=lambda *_: None, compare=False)
    every: bool = False
    """Whether a change of datagrams concerns retransmissions too, not only the first transmission."""
    parts: tuple[Mutation, ...] = ()

    def __add__(self, other: Mutation) -> Mutation:
        both = (*self, *other)
        return Mutation(" + ".join(each.text for each in both), parts=both)

    def __iter__(self) -> Iterator[Mutation]:
        """The single mutations, in order."""
        return iter(self.parts or (self,))

    def __repr__(self) -> str:
        return self.text


NOTHING = Mutation("nothing")
"""Changes nothing: a case that only asks for something."""


def _made(stage: str, function: Callable[..., Any], *, every: bool = False) -> Callable[..., Mutation]:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[2:]
    own = signature.replace(parameters=parameters)

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Mutation:
        try:
            own.bind(*args, **kwargs)
        except TypeError as error:
            known = ", ".join(parameter.name for parameter in parameters) or "none"
            raise ConfigError(f"{function.__name__}(): {error}; its arguments are {known}") from None
        words = [repr(arg) for arg in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
        check = CHECKS.get(function.__name__)
        if check is not None:
            check(*args, **kwargs)
        text = f"{function.__name__}({', '.join(words)})"
        return Mutation(text, stage, lambda scene, subject: function(scene, subject, *args, **kwargs), every)

    make.__signature__ = own  # type: ignore[attr-defined]
    make.stage = stage  # type: ignore[attr-defined]
    VERBS[function.__name__] = make
    return make


VERBS: dict[str, Callable[..., Mutation]] = {}
"""Every verb by its name."""
CHECKS: dict[str, Callable[..., object]] = {}
"""What a verb checks when it is called: a fault of its arguments is a ConfigError there, not in the run."""


def payload_verb(function: Callable[Concatenate[Scene, Outgoing, P], None]) -> Callable[P, Mutation]:
    """Decorator: a verb that changes the header and the payload layers of a message."""
    return _made("payloads", function)


def plaintext_verb(function: Callable[Concatenate[Scene, bytes, P], bytes]) -> Callable[P, Mutation]:
    """Decorator: a verb that changes the octets inside SK, padding included."""
    return _made("plaintext", function)


def wire_verb(function: Callable[Concatenate[Scene, bytes, P], bytes]) -> Callable[P, Mutation]:
    """Decorator: a verb that changes the octets of a message in all its transmissions. AUTH covers them."""
    return _made("wire", function)


def esp_verb(function: Callable[Concatenate[Scene, OutgoingEsp, P], None]) -> Callable[P, Mutation]:
    """Decorator: a verb that changes the fields of an ESP packet before it is sealed."""
    return _made("parts", function)


def datagram_verb(function: Callable[Concatenate[Scene, list[Datagram], P], Sending]) -> Callable[P, Mutation]:
    """Decorator: a verb that changes, drops, repeats or delays the datagrams of the first transmission.

    The retransmission is honest, so that a message that was dropped can be told from one that was not.
    """
    return _made("datagrams", function)


def lasting_datagram_verb(function: Callable[Concatenate[Scene, list[Datagram], P], Sending]) -> Callable[P, Mutation]:
    """Decorator: the same for every transmission of the message."""
    return _made("datagrams", function, every=True)
