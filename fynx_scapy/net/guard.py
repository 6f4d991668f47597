# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place where an exception that nobody expected becomes an event, so that no datagram and no timer ends a loop.

`Hosts.guarded` calls it around everything that an endpoint does. It says what kind of exception it was and where it
arose, never what the objects there held: those may be keys.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from fynx_scapy.errors import FynxError
from fynx_scapy.ike.events import InternalError

fatal = False
"""Whether what is unexpected is raised all the same. Our own tests and fuzzers run so: there it is a fault to mend."""

_TAPS = "fynx_scapy.ike.wire.taps"


def guarded(now: float, doing: str, act: Callable[..., object], *args: Any, taps: bool = True) -> InternalError | None:
    """Call ``act(*args)``; what it raises comes back as an event, and None when all went well.

    With ``taps`` the exceptions of a tap are raised: it is the caller's own, and its author wants to see them.
    """
    try:
        act(*args)
    except Exception as error:  # A fault of ours that a peer has found; whoever else is served must not pay for it.
        places = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        modules = [str(frame.f_globals.get("__name__")) for frame in places]
        if fatal or (taps and _TAPS in modules):
            raise
        return InternalError(
            time=now,
            doing=doing,
            error=type(error).__name__,
            where=_where(error),
            # Ours carry no key. What other exceptions say may hold a repr of anything.
            reason=str(error) if isinstance(error, FynxError) else "",
        )
    return None


def _where(error: BaseException) -> str:
    """The innermost line of ours that the exception came through."""
    lines = [
        f"{frame.f_globals['__name__']}:{line} in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith("fynx_scapy.")
    ]
    return lines[-1] if lines else "outside of the toolkit"
