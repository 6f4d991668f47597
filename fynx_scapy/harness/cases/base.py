# SPDX-License-Identifier: GPL-2.0-or-later
"""Base conversations: how a case comes to its message, and who begins the exchange in which it is sent."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.stage import Run
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.session import Session

Start: TypeAlias = "Callable[[Session, float], object]"
"""Our step: a function of our session, and of the seconds that it may wait for an answer."""
Provoke: TypeAlias = "Callable[[Any], object]"
"""Makes the peer begin: a function of the peer's driver."""


def _established(run: Run, s: Session) -> None:
    run.establish(s)


def _init_done(run: Run, s: Session) -> None:
    s.sa_init()


def _nothing(run: Run, s: Session) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base conversation. ``start`` is our step, ``provoke`` has the peer begin the same exchange."""

    name: str
    exchange: int
    start: Start
    provoke: Provoke
    prepare: Callable[[Run, Session], None] = _established
    """What happens before, without any mutation, when our message is a request or an ESP packet."""
    established: bool = True
    """Whether it needs an IKE SA: then both ends can begin it."""
    ours: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the session."""
    peer: Mapping[str, Any] = field(default_factory=dict)
    """How the embedded peer differs from our mirror image."""
    endpoint: EndpointConfig | None = None
    """Our endpoint's configuration."""


_INFORMATIONAL, _CREATE = ExchangeType.INFORMATIONAL, ExchangeType.CREATE_CHILD_SA
_INIT, _AUTH = ExchangeType.IKE_SA_INIT, ExchangeType.IKE_AUTH


def _before(name: str, exchange: int, start: Start, prepare: Callable[[Run, Session], None]) -> Base:
    """A conversation that sets up the IKE SA: the initiator of the IKE SA begins it."""
    return Base(
        name=name, exchange=exchange, start=start, prepare=prepare, established=False,
        provoke=lambda peer: peer.initiate(),
    )  # fmt: skip


def _within(name: str, exchange: int, start: Start, provoke: Provoke) -> Base:
    """An exchange in an IKE SA: either end may begin it."""
    return Base(name=name, exchange=exchange, start=start, provoke=provoke)


_BASES = (
    _before("init", _INIT, lambda s, t: s.sa_init(timeout=t), _nothing),
    _before("auth", _AUTH, lambda s, t: s.auth(timeout=t), _init_done),
    _before("connect", _AUTH, lambda s, t: s.connect(timeout=t), _nothing),
    _within("liveness", _INFORMATIONAL, lambda s, t: s.liveness(timeout=t), lambda peer: peer.liveness()),
    _within("create_child", _CREATE, lambda s, t: s.create_child(timeout=t), lambda peer: peer.create_child()),
    _within("rekey_child", _CREATE, lambda s, t: s.rekey_child(timeout=t), lambda peer: peer.rekey_child()),
    _within("rekey_ike", _CREATE, lambda s, t: s.rekey_ike(timeout=t), lambda peer: peer.rekey_ike()),
    _within(
        "delete_child", _INFORMATIONAL, lambda s, t: s.delete(s.child, timeout=t), lambda peer: peer.delete_child()
    ),
    _within("delete_ike", _INFORMATIONAL, lambda s, t: s.delete(timeout=t), lambda peer: peer.delete_ike()),
    _within("esp", 0, lambda s, t: s.ping(timeout=t), lambda peer: peer.send()),
)

BASES: dict[str, Base] = {base.name: base for base in _BASES}
"""The base conversations by name."""


def base_named(name: str | Base) -> Base:
    """The base conversation with that name; ConfigError, with the nearest name, when there is none."""
    if isinstance(name, Base):
        return name
    if name not in BASES:
        near = difflib.get_close_matches(name, BASES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"expected a base conversation ({', '.join(BASES)}), found {name!r}{hint}")
    return BASES[name]
