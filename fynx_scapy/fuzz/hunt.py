# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a fault: it is tried again, made as small as possible, and saved as a case that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fynx_scapy.fuzz.faults import Fault, Kind
from fynx_scapy.fuzz.fuzzer import Fuzzer, MakeWorld
from fynx_scapy.fuzz.growth import Meter, Suspect
from fynx_scapy.fuzz.minimise import Budget, minimised
from fynx_scapy.fuzz.saving import Finding, Store
from fynx_scapy.fuzz.steps import Talk
from fynx_scapy.fuzz.trial import shows
from fynx_scapy.fuzz.verbs import as_case

SURE = 2
"""How often a slow answer must be seen again: a busy machine is slow, too."""
AGAIN = 2
"""How often a conversation is repeated when it is tried whether it makes the peer's memory grow."""
KEPT = 5
"""How many conversations are saved when none of them shows the fault again."""


class PeerGone(Exception):  # noqa: N818 -- the name says what happened
    """A live peer does not come back, so nothing can be tried again."""


class Hunt:
    """Minimises and saves each fault that a fuzzer finds. ``tell`` is called with each finding and its case file."""

    def __init__(
        self,
        store: Store,
        make: MakeWorld,
        *,
        meter: Callable[[], Meter] | None = None,
        budget: Callable[[], Budget] = Budget,
        tell: Callable[[Finding, Path], object] = lambda finding, path: None,
    ) -> None:
        self._store, self._make, self._meter, self._budget, self._tell = store, make, meter, budget, tell
        self._trials = 0

    def found(self, fuzzer: Fuzzer, fault: Fault, talks: Sequence[Talk], suspect: Suspect | None = None) -> None:
        """Try a fault again and save it. A slow answer that is not seen again is no finding."""
        budget = self._budget()

        def happens(tried: Sequence[Talk]) -> bool:
            if suspect is not None and fuzzer.world is not None:
                return fuzzer.grows(fuzzer.world, suspect, tried, AGAIN)
            return self._shows(fuzzer, tried, fault)

        try:
            small = minimised(talks, happens, budget) if talks else None
        except PeerGone:
            small = None
        if small is None and fault.kind is Kind.SLOW:
            return
        name = self._store.name(fault.kind)
        kept = tuple(small if small is not None else talks[-KEPT:])
        finding = Finding(name, fault, kept, fuzzer.progress.cases, small is not None, budget.used)
        live = fuzzer.world is not None and fuzzer.world.live
        row = as_case(name, fault, small) if small is not None and not live else None
        self._tell(finding, self._store.add(finding, row))

    def _shows(self, fuzzer: Fuzzer, talks: Sequence[Talk], fault: Fault) -> bool:
        """Whether conversations show the same fault with a fresh peer. PeerGone when a live one does not come back."""
        for _ in range(SURE if fault.kind is Kind.SLOW else 1):
            self._trials += 1
            world = self._make(f"trial {self._trials}")
            try:
                if world.live and world.gone() is not None:
                    raise PeerGone
                plan = fuzzer.plan
                seen = shows(world, talks, fault.kind, slow=plan.slow, wait=plan.wait, meter=self._meter)
            finally:
                world.end()
            if seen is None or (fault.kind is Kind.CRASH and not world.live and seen.key != fault.key):
                return False
        return True
