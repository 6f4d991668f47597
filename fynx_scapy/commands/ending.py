# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands end in an orderly way, also when something else than Ctrl-C ends them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn


@contextlib.contextmanager
def on_end(act: Callable[[int], NoReturn], *, even_if_handled: bool = False) -> Iterator[None]:
    """Inside this context, SIGTERM and SIGHUP call ``act`` with their number.

    A signal that is ignored, as nohup does with SIGHUP, stays so. One that has a handler keeps it unless
    ``even_if_handled``. In other threads than the main one nothing is done.
    """

    def wanted(number: int) -> bool:
        handler = signal.getsignal(number)
        return handler is signal.SIG_DFL or (even_if_handled and callable(handler))

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in filter(wanted, (signal.SIGTERM, signal.SIGHUP)):
            before[number] = signal.signal(number, lambda number, _frame: act(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def like_ctrl_c() -> contextlib.AbstractContextManager[None]:
    """Inside this context, SIGTERM and SIGHUP raise KeyboardInterrupt: SAs are deleted, and files are written."""

    def end(_number: int) -> NoReturn:
        raise KeyboardInterrupt

    return on_end(end, even_if_handled=True)
