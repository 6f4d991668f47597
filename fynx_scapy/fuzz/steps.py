# SPDX-License-Identifier: GPL-2.0-or-later
"""A case as a value: a conversation with the peer, some of whose messages of ours are edited."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fynx_scapy.errors import ConfigError
from fynx_scapy.fuzz.edits import Edit, Value
from fynx_scapy.iana import ExchangeType

E = ExchangeType


class Base(NamedTuple):
    """An exchange that a step runs: its type, what it needs, and whether the IKE SA ends with it."""

    exchange: int
    child: bool = False
    """Whether it needs a Child SA."""
    setup: bool = False
    """Whether it sets up the IKE SA."""
    ends: bool = False
    weight: float = 1.0
    """How often it is taken, among the exchanges of an established IKE SA."""


BASES: Mapping[str, Base] = {
    "init": Base(E.IKE_SA_INIT, setup=True),
    "auth": Base(E.IKE_AUTH, setup=True),
    "liveness": Base(E.INFORMATIONAL, weight=3),
    "create_child": Base(E.CREATE_CHILD_SA, weight=1.5),
    "rekey_child": Base(E.CREATE_CHILD_SA, child=True, weight=1.5),
    "rekey_ike": Base(E.CREATE_CHILD_SA, weight=1.5),
    "delete_child": Base(E.INFORMATIONAL, child=True, weight=1),
    "delete_ike": Base(E.INFORMATIONAL, ends=True, weight=0.3),
    "esp": Base(0, child=True, weight=2),
}
"""The exchanges by the names that cases give them."""

REQUEST, RESPONSE, PACKET = "request", "response", "packet"
INITIATOR, RESPONDER = "initiator", "responder"


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange, or for ``esp`` a packet. ``at`` says what of it is ours and is edited: the ``request``, the
    ``response``, of ``esp`` the ``packet``.

    ConfigError for an unknown exchange or direction.
    """

    base: str
    at: str = REQUEST
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        if self.base not in BASES:
            near = difflib.get_close_matches(str(self.base), BASES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"expected one of the exchanges {', '.join(BASES)}, found {self.base!r}{hint}")
        known = (REQUEST, RESPONSE) if self.rules.exchange else (PACKET,)
        if self.at not in known:
            raise ConfigError(f"expected {' or '.join(map(repr, known))} of {self.base}, found {self.at!r}")

    def __repr__(self) -> str:
        words = [repr(self.base), repr(self.at)]
        if self.edits:
            words.append(f"({', '.join(map(repr, self.edits))}{',' if len(self.edits) == 1 else ''})")
        return f"Step({', '.join(words)})"

    @property
    def rules(self) -> Base:
        """What is known of its exchange."""
        return BASES[self.base]

    def with_edits(self, edits: Sequence[Edit]) -> Step:
        """The same exchange with other edits."""
        return replace(self, edits=tuple(edits))

    def as_dict(self) -> dict[str, Any]:
        """The step as plain values for JSON."""
        edits = [[edit.op, edit.path, *([] if edit.value is None else [_plain(edit.value)])] for edit in self.edits]
        return {"base": self.base, "at": self.at, "edits": edits}

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Step:
        """The step of `as_dict`. ConfigError when it is none."""
        try:
            edits = tuple(Edit(one[0], one[1], _value(one[2]) if len(one) > 2 else None) for one in made["edits"])
            return cls(made["base"], made["at"], edits)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ConfigError(f"expected a step of a case, found {str(made)[:200]}: {error}") from None


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation: who begins the IKE SA, and the steps after it is set up, or while it is.

    A handshake that no step edits is run before the first other step.
    """

    steps: tuple[Step, ...]
    role: str = INITIATOR
    """Which end of the IKE SA we are."""

    def __post_init__(self) -> None:
        if self.role not in (INITIATOR, RESPONDER):
            raise ConfigError(f"expected the role {INITIATOR!r} or {RESPONDER!r}, found {self.role!r}")

    @property
    def doubtful(self) -> bool:
        """Whether a Delete of the IKE SA is edited: the peer may still have it then."""
        return any(step.rules.ends and step.edits for step in self.steps)

    @property
    def edits(self) -> int:
        """How many edits it has."""
        return sum(len(step.edits) for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """The conversation as plain values for JSON."""
        return {"role": self.role, "steps": [step.as_dict() for step in self.steps]}

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Talk:
        """The conversation of `as_dict`. ConfigError when it is none."""
        try:
            return cls(tuple(Step.from_dict(step) for step in made["steps"]), made["role"])
        except (KeyError, TypeError) as error:
            raise ConfigError(f"expected a conversation, found {str(made)[:200]}: {error}") from None


def _plain(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _value(plain: Any) -> Any:
    if isinstance(plain, dict):
        return bytes.fromhex(plain["hex"])
    return tuple(_value(one) for one in plain) if isinstance(plain, list) else plain
