# SPDX-License-Identifier: GPL-2.0-or-later
"""Does the peer's memory grow? Of an embedded peer every container is looked at, of a process its resident memory.

A container that lives on after an hour of silence and has more items than before is only a suspect: caches do that,
too. It is a finding when the same conversation makes it grow again.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fynx_scapy.errors import LocalError

KINDS = frozenset({list, dict, set, deque, OrderedDict})
"""The kinds of containers that are looked at; subclasses are not, but what they keep is."""
NAMELESS = "that nothing names"
_PASSING = ("frame", "cell", "list_iterator", "function", "generator")
"""The types of what has a container while somebody works with it, which says nothing about who keeps it."""
SUSPECTS = 12
"""How many suspects are followed up at a time, those that grew most first."""


@dataclass(slots=True)
class Suspect:
    """Something that has grown."""

    size: Callable[[], int]
    key: str
    text: str


class Meter(ABC):
    """Looks at a peer's memory before and after a block of cases."""

    @abstractmethod
    def begin(self, own: object) -> None:
        """Look before the cases. ``own`` is the fuzzer, whose containers do not count."""

    @abstractmethod
    def grown(self) -> Iterator[Suspect]:
        """Look again: what has grown since `begin`, those that grew most first. Each costs a look at the whole heap."""


class Containers(Meter):
    """Looks at every container of this process that the garbage collector knows."""

    def __init__(self) -> None:
        self._before: dict[int, int] = {}
        self._own: list[object] = []

    def begin(self, own: object) -> None:
        """Note the size of each container."""
        gc.collect()
        self._own = [own]
        self._before = {id(item): len(item) for item in gc.get_objects() if type(item) in KINDS}

    def grown(self) -> Iterator[Suspect]:
        """The containers that were there before and have more items now."""
        gc.collect()
        before, self._before = self._before, {}  # which is ours as well, and holds an item for each container
        found: list[Any] = [
            item
            for item in gc.get_objects()
            if type(item) in KINDS and len(item) > before.get(id(item), len(item)) and not _limited(item)
        ]
        own = ids_of(self._own)
        found = [item for item in found if id(item) not in own]
        found.sort(key=lambda item: before[id(item)] - len(item))
        return (self._suspect(item, before[id(item)], found) for item in found)

    def _suspect(self, item: Any, before: int, others: list[Any]) -> Suspect:
        holder = _holder(item, others)
        kind = type(item).__name__
        key = f"{kind} {holder}" if holder != NAMELESS else f"{kind} {id(item)}"
        return Suspect(lambda: len(item), key, f"a {kind} {holder} grew from {before} to {len(item)} items")


def _limited(item: Sized) -> bool:
    """A deque that drops its oldest items never grows for ever."""
    return isinstance(item, deque) and item.maxlen is not None


def ids_of(roots: Iterable[object]) -> set[int]:
    """The IDs of what belongs to these objects of ours: their attributes and items, down to a few levels."""
    seen: set[int] = set()
    level = list(roots)
    for _ in range(5):
        below: list[object] = []
        for item in level:
            if id(item) in seen:
                continue
            seen.add(id(item))
            if type(item).__module__.startswith("fynx_scapy.fuzz") or type(item) in KINDS or isinstance(item, tuple):
                below += [one for one in gc.get_referents(item) if not isinstance(one, type)]
        level = below
    return seen


def _holder(item: object, ignored: list[Any]) -> str:
    """Who has a container, in words: the attribute of an object, or the variable of a module."""
    for referrer in gc.get_referrers(item):
        if referrer is ignored or type(referrer).__name__ in _PASSING:
            continue
        if isinstance(referrer, dict):
            name = next((key for key, value in list(referrer.items()) if value is item), None)
            module = referrer.get("__name__")
            if isinstance(module, str) and isinstance(name, str):
                return f"{module}.{name}"
            owner = next(
                (one for one in gc.get_referrers(referrer) if getattr(one, "__dict__", None) is referrer), None
            )
            if owner is not None and isinstance(name, str):
                return f"{type(owner).__name__}.{name}"
            continue
        name = next(
            (key for key in getattr(type(referrer), "__slots__", ()) if getattr(referrer, key, None) is item), ""
        )
        if name:
            return f"{type(referrer).__name__}.{name}"
        if not isinstance(referrer, list | tuple):
            return f"of {type(referrer).__name__}"
    return NAMELESS


class Resident(Meter):
    """Looks at the resident memory of a process on this machine, in KiB. ``most`` is how much it may grow."""

    def __init__(self, pid: int, most: int) -> None:
        self.pid, self.most = pid, most
        self._before = 0

    def begin(self, own: object) -> None:
        """Note how much it is."""
        self._before = resident(self.pid)

    def grown(self) -> Iterator[Suspect]:
        """The process, if it has grown by more than it may."""
        now = resident(self.pid)
        if now - self._before <= self.most:
            return
        text = f"the process {self.pid} grew from {self._before} to {now} KiB"
        yield Suspect(lambda: resident(self.pid), f"process {self.pid}", text)


def resident(pid: int) -> int:
    """The resident memory of a process in KiB (proc_pid_status(5)). LocalError when there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError as error:
        raise LocalError(f"the process {pid} cannot be read: {error.strerror}") from None
    found = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), "0")
    return int(found)


def alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")
