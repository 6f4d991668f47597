# SPDX-License-Identifier: GPL-2.0-or-later
"""Act on an exception without catching it: it goes on to the one place that does (`net.guard`), at once or later."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self


class Passing:
    """Calls ``act(error)`` when an exception leaves its block. The exception goes on."""

    def __init__(self, act: Callable[[BaseException], object]) -> None:
        self._act = act

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._act(error)


class Holding:
    """Keeps an exception that leaves its block and for which ``held(error)`` is true, in ``error``, to be raised later.

    Others go on.
    """

    error: BaseException | None = None

    def __init__(self, held: Callable[[BaseException], bool]) -> None:
        self._held = held

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not self._held(error):
            return False
        self.error = error
        return True
