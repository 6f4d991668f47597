# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place that catches `Exception`, so that no datagram, timer or listener ends a loop.

`Hosts.guarded` uses it for everything that an endpoint does. The event has the class of the exception and where it was
raised. It never shows the objects there, because they may be keys. `attempt` is for code that others wrote: listeners
of a network, and scenarios.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from fynx_scapy.errors import FynxError
from fynx_scapy.ike.events import InternalError

fatal = False
"""Whether unexpected exceptions are raised instead. Our tests and fuzzers set it, because there they are bugs."""

_TAPS = "fynx_scapy.ike.wire.taps"
_CALLERS = (_TAPS, "fynx_scapy.eap.passthrough")
"""The modules that call functions of users while an endpoint works."""

T = TypeVar("T")


def attempt(act: Callable[..., T], *args: Any) -> tuple[T | None, Exception | None]:
    """Call ``act(*args)``. Returns its result and None, or None and the exception that it raised.

    KeyboardInterrupt and SystemExit pass, because they are meant to end the program.
    """
    try:
        return act(*args), None
    except Exception as error:  # The caller first serves the others, then reports it.
        return None, error


def guarded(now: float, doing: str, act: Callable[..., object], *args: Any, taps: bool = True) -> InternalError | None:
    """Call ``act(*args)``. Returns None, or the exception that it raised as an event.

    With ``taps`` an exception in a tap is raised: the user wrote the tap and wants to see it.
    """
    _, error = attempt(act, *args)
    if error is None:
        return None
    # A bug of ours that a peer has triggered. It must not affect other peers.
    places = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [str(frame.f_globals.get("__name__")) for frame in places]
    if fatal or (taps and _TAPS in modules):
        raise error
    return described(now, doing, error)


def described(now: float, doing: str, error: Exception) -> InternalError:
    """An exception as an event: its type, where it arose, and its text if no key can be in it."""
    return InternalError(
        time=now,
        doing=doing,
        error=type(error).__name__,
        where=_where(error),
        # Texts of our own errors contain no key. Those of other exceptions may contain the repr of any object.
        reason=str(error) if isinstance(error, FynxError) else "",
    )


def _where(error: BaseException) -> str:
    """The function of a user that raised it, or the innermost line of this package that it passed through."""
    frames = [(frame.f_globals.get("__name__") or "", frame.f_code, line)
              for frame, line in traceback.walk_tb(error.__traceback__)]  # fmt: skip
    ours = [number for number, (module, _, _) in enumerate(frames)
            if str(module).startswith("fynx_scapy.") and module != __name__]  # fmt: skip
    theirs = [number + 1 for number in ours if frames[number][0] in _CALLERS and number + 1 not in ours]
    places = [number for number in theirs if number < len(frames)] or ours
    if not places:
        return "outside of the toolkit"
    module, code, line = frames[places[-1]]
    return f"{module}:{line} in {code.co_qualname if places is not ours else code.co_name}"
