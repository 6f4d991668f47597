# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists that have a ceiling: of what a peer can make happen, the latest is kept, and what is let go is counted."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Self, SupportsIndex, TypeVar, overload

T = TypeVar("T")


class Bounded(list[T]):
    """A list of at most ``most`` items that weigh at most ``most_octets`` together. It is filled from behind only.

    When it is full, the older ones are let go, those that ``lasting`` picks later than others. ``dropped`` counts them
    by the ``name`` of their kind, and ``note``, given the first of them and that count, makes an item that stands in
    their place and says so. Places stay what they were: `len` counts what was let go too, so that ``items[seen:]`` is
    what came after ``seen = len(items)``; `clear` starts anew.
    """

    def __init__(
        self,
        most: int,
        most_octets: int,
        *,
        weigh: Callable[[T], int] = lambda item: 0,
        name: Callable[[T], str] = lambda item: type(item).__name__,
        lasting: Callable[[T], bool] = lambda item: False,
        note: Callable[[T, Counter[str]], T] | None = None,
    ) -> None:
        super().__init__()
        self.most, self.most_octets = most, most_octets
        self.dropped: Counter[str] = Counter()
        self.octets = 0
        """What the items that are kept weigh together."""
        self._weigh, self._name, self._lasting, self._note = weigh, name, lasting, note
        self._places: list[int] | None = None
        """Where the items stood before some were let go; None as long as none was."""
        self._end = 0
        self._noted: T | None = None

    @property
    def kept(self) -> int:
        """How many are kept."""
        return super().__len__()

    # Filled

    def append(self, item: T) -> None:
        """Add one."""
        super().append(item)
        if self._places is not None:
            self._places.append(self._end)
            self._end += 1
        self.octets += self._weigh(item)
        if self.octets > self.most_octets or super().__len__() > self.most:
            self._shrink()

    def extend(self, items: Iterable[T]) -> None:
        """Add several."""
        for item in items:
            self.append(item)

    def __iadd__(self, items: Iterable[T]) -> Self:  # type: ignore[override,misc]  # as `list` does it
        self.extend(items)
        return self

    def _shrink(self) -> None:
        """Keep the latest: of what lasts as much as half of the room takes, of the rest a quarter."""
        items = list(self)
        places = list(range(len(items))) if self._places is None else self._places
        self._end = len(self)
        # The former note gives way to the new one, which tells of all.
        lasting = [None if item is self._noted else self._lasting(item) for item in items]
        keep = [False] * len(items)
        for wanted, share in ((True, 2), (False, 4)):
            room, octets = self.most // share, self.most_octets // share
            for at in range(len(items) - 1, -1, -1):
                if lasting[at] is wanted:
                    room, octets = room - 1, octets - self._weigh(items[at])
                    if room < 0 or octets < 0:
                        break
                    keep[at] = True
        gone = [at for at, kept in enumerate(keep) if not kept]
        self.dropped.update(self._name(items[at]) for at in gone if items[at] is not self._noted)
        self._places = [place for place, kept in zip(places, keep, strict=True) if kept]
        self[:] = [item for item, kept in zip(items, keep, strict=True) if kept]
        if self._note is not None and gone:
            at = bisect.bisect_left(self._places, places[gone[0]])
            self._places.insert(at, places[gone[0]])
            self._noted = self._note(items[gone[0]], self.dropped)
            self.insert(at, self._noted)
        self.octets = sum(map(self._weigh, self))

    # Emptied

    def clear(self) -> None:
        """Begin anew, at place 0; ``dropped`` stays."""
        super().clear()
        self._places, self._end, self.octets, self._noted = None, 0, 0, None

    def drain(self) -> list[T]:
        """Everything, which is gone then."""
        found = list(self)
        self.clear()
        return found

    def __delitem__(self, where: SupportsIndex | slice) -> None:
        """``del items[:]`` as `clear`; TypeError for a part, since places are to stay."""
        if where != slice(None):
            raise TypeError("expected all of a bounded list to be deleted, by [:]")
        self.clear()

    # Read

    def __len__(self) -> int:
        return super().__len__() if self._places is None else self._end

    def __bool__(self) -> bool:
        return bool(self.kept)

    @overload
    def __getitem__(self, where: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self, where: slice) -> list[T]: ...

    def __getitem__(self, where: Any) -> Any:
        """By place. IndexError for one that was let go; a slice holds those of its places that are kept."""
        if self._places is None:
            return super().__getitem__(where)
        if isinstance(where, slice):
            start, stop, step = where.indices(self._end)
            if step == 1:
                low, high = (bisect.bisect_left(self._places, place) for place in (start, stop))
                return super().__getitem__(slice(low, high))
            wanted = range(start, stop, step)
            found = [item for place, item in zip(self._places, self, strict=True) if place in wanted]
            return found if step > 0 else found[::-1]
        place = int(where) + self._end if int(where) < 0 else int(where)
        at = bisect.bisect_left(self._places, place)
        if at == len(self._places) or self._places[at] != place:
            raise IndexError(f"expected a place whose item is kept, found {where} of {self._end}")
        return super().__getitem__(at)
