# SPDX-License-Identifier: GPL-2.0-or-later
"""Bounded lists: they keep the latest items, and count the items that they drop."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Self, SupportsIndex, TypeVar, overload

T = TypeVar("T")


class Bounded(list[T]):
    """A list of at most ``most`` items with a total weight of at most ``most_octets``. Items are only appended.

    With room for none, items are only counted. When it is full, older items are dropped; items for which ``lasting`` is
    true are dropped last. ``dropped`` counts the dropped items by ``name``. ``note`` gets the first of them and that
    count, and returns an item that takes their place. Indexes do not change: `len` counts dropped items, too, so
    ``items[seen:]`` are the items after ``seen = len(items)``. `clear` starts again at index 0. ``dropped`` may be a
    counter that others use too.
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
        dropped: Counter[str] | None = None,
    ) -> None:
        super().__init__()
        self.most, self.most_octets = most, most_octets
        self.dropped: Counter[str] = Counter() if dropped is None else dropped
        self.octets = 0
        """The total weight of the kept items."""
        self._weigh, self._name, self._lasting, self._note = weigh, name, lasting, note
        self._places: list[int] | None = None
        """The original indexes of the kept items; None while no item was dropped."""
        self._end = 0
        self._noted: T | None = None

    @property
    def kept(self) -> int:
        """How many items are kept."""
        return super().__len__()

    # Filled

    def append(self, item: T) -> None:
        """Append an item."""
        if not self.most:
            self.dropped[self._name(item)] += 1
            self._places, self._end = [], len(self) + 1
            return
        super().append(item)
        if self._places is not None:
            self._places.append(self._end)
            self._end += 1
        self.octets += self._weigh(item)
        if self.octets > self.most_octets or super().__len__() > self.most:
            self._shrink()

    def extend(self, items: Iterable[T]) -> None:
        """Append several items."""
        for item in items:
            self.append(item)

    def __iadd__(self, items: Iterable[T]) -> Self:  # type: ignore[override,misc]  # as `list` does it
        self.extend(items)
        return self

    def _shrink(self) -> None:
        """Keep the latest items: lasting ones in up to half of the room, other ones in up to a quarter."""
        items = list(self)
        places = list(range(len(items))) if self._places is None else self._places
        self._end = len(self)
        # The new note replaces the former one, and counts all dropped items.
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
        """Remove all items and start again at index 0; ``dropped`` stays."""
        super().clear()
        self._places, self._end, self.octets, self._noted = None, 0, 0, None

    def drain(self) -> list[T]:
        """Remove and return all items."""
        items = list(self)
        self.clear()
        return items

    def __delitem__(self, where: SupportsIndex | slice) -> None:
        """``del items[:]`` is `clear`; TypeError for a part of the list, since indexes must not change."""
        if where != slice(None):
            raise TypeError(f"expected [:] to delete all items of a bounded list, found [{where}]")
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
        """Get items by index. IndexError for a dropped item; a slice returns only the kept items."""
        if self._places is None:
            return super().__getitem__(where)
        if isinstance(where, slice):
            start, stop, step = where.indices(self._end)
            if step == 1:
                low, high = (bisect.bisect_left(self._places, place) for place in (start, stop))
                return super().__getitem__(slice(low, high))
            wanted = range(start, stop, step)
            items = [item for place, item in zip(self._places, self, strict=True) if place in wanted]
            return items if step > 0 else items[::-1]
        place = int(where) + self._end if int(where) < 0 else int(where)
        at = bisect.bisect_left(self._places, place)
        if at == len(self._places) or self._places[at] != place:
            raise IndexError(f"expected the index of an item that is kept, found {where} of {self._end}")
        return super().__getitem__(at)
