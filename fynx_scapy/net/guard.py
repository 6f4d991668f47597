# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place that catches `Exception`, so that no datagram, no timer and no listener ends a loop.

`Hosts.guarded` calls it around everything that an endpoint does. The event says what kind of exception it was and where
it arose, never what the objects there held: those may be keys. `attempt` is for what others wrote: a network calls its
listeners by it, and the harness a scenario.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from fynx_scapy.errors import FynxError
from fynx_scapy.ike.events import InternalError

fatal = False
"""Whether what is unexpected is raised all the same. Our own tests and fuzzers run so: there it is a fault to mend."""

_TAPS = "fynx_scapy.ike.wire.taps"

T = TypeVar("T")


def attempt(act: Callable[..., T], *args: Any) -> tuple[T | None, Exception | None]:
    """Call ``act(*args)``: what it returns, and what it raised instead.

    KeyboardInterrupt and SystemExit are meant to end a program, and pass.
    """
    try:
        return act(*args), None
    except Exception as error:  # Whoever calls goes on with the others first, then says what happened.
        return None, error


def guarded(now: float, doing: str, act: Callable[..., object], *args: Any, taps: bool = True) -> InternalError | None:
    """Call ``act(*args)``; what it raises comes back as an event, and None when all went well.

    With ``taps`` the exceptions of a tap are raised: it is the caller's own, and its author wants to see them.
    """
    _, error = attempt(act, *args)
    if error is None:
        return None
    # A fault of ours that a peer has found; whoever else is served must not pay for it.
    places = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [str(frame.f_globals.get("__name__")) for frame in places]
    if fatal or (taps and _TAPS in modules):
        raise error
    return InternalError(
        time=now,
        doing=doing,
        error=type(error).__name__,
        where=_where(error),
        # Ours carry no key. What other exceptions say may hold a repr of anything.
        reason=str(error) if isinstance(error, FynxError) else "",
    )


def _where(error: BaseException) -> str:
    """The innermost line of ours that the exception came through."""
    lines = [
        f"{frame.f_globals['__name__']}:{line} in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith("fynx_scapy.") and frame.f_globals["__name__"] != __name__
    ]
    return lines[-1] if lines else "outside of the toolkit"
