# SPDX-License-Identifier: GPL-2.0-or-later
"""Listeners: functions that a network calls until they are removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Generic, Self, TypeVar

L = TypeVar("L", bound=Callable[..., Any])


class Remover:
    """Removes one listener: when called, or at the end of its ``with`` block. A second call does nothing."""

    def __init__(self, remove: Callable[[], object]) -> None:
        self._remove = remove

    def __call__(self) -> None:
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self()


class Listeners(Generic[L]):
    """Listeners in the order in which they were added. A listener that was added twice is called twice.

    A listener may remove itself and others, and add more. A removed listener is not called any more; a new one is
    called from the next time on. ``lock`` is held while a listener is added or removed, so that no other thread is
    still calling it when its remover returns.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._listeners: dict[object, L] = {}
        self._lock = lock

    def add(self, listener: L) -> Remover:
        """Add a listener; returns its remover."""
        key = object()

        def remove() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        with self._lock:
            self._listeners[key] = listener
        return Remover(remove)

    def __len__(self) -> int:
        return len(self._listeners)

    def __iter__(self) -> Iterator[L]:
        for key, listener in list(self._listeners.items()):
            if key in self._listeners:
                yield listener
