# SPDX-License-Identifier: GPL-2.0-or-later
"""What a saved finding runs: its conversations, with whatever peer the scenario is run with."""

from __future__ import annotations

from collections.abc import Sequence

from fynx_scapy.fuzz import playing
from fynx_scapy.fuzz.faults import Kind
from fynx_scapy.fuzz.growth import Containers
from fynx_scapy.fuzz.steps import Talk
from fynx_scapy.fuzz.trial import shows
from fynx_scapy.fuzz.worlds import RETRIES, EmbeddedWorld, World, our_config, their_changes
from fynx_scapy.harness.expect import fail
from fynx_scapy.harness.stage import Run
from fynx_scapy.session import Session

EXPECTED = {
    Kind.CRASH: "the peer to survive it",
    Kind.SILENT: "the peer to take part in a conversation without edits afterwards",
    Kind.GROWTH: "the peer to release what it stored",
    Kind.SLOW: "an answer in time",
}


class RunWorld(World):
    """The live peer of a run: each conversation is a session of the run."""

    live = True
    asks = False

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def open(self) -> Session:
        """The next session."""
        return self._run.session()

    def close(self, session: Session, *, doubtful: bool = False) -> None:
        """Delete its IKE SAs."""
        self._run.close()

    def fault(self) -> str:
        """Hold a conversation without edits, and again if it fails."""
        told = ""
        for _ in range(RETRIES):
            told = playing.sane(self.open())
            self._run.close()
            if not told:
                break
        return told


def replay(
    run: Run, talks: Sequence[Talk], kind: str = Kind.CRASH, *, slow: float = 2.0, wait: float | None = None
) -> None:
    """Hold these conversations. ExpectationFailed when the peer shows a fault of that kind.

    ``slow`` is how many seconds an answer may take; ``wait`` how long to wait for a live peer that has to begin.
    ConfigError for a kind that there is not. A process's memory is measured by ``fynx fuzz --pid`` alone, so ``growth``
    of a live peer is only repeated.
    """
    wanted = Kind(kind)
    world: World = RunWorld(run)
    if not run.world.live:
        world = EmbeddedWorld.of(run.session(config=our_config(), peer=their_changes()))
    meter = None if run.world.live else Containers
    fault = shows(world, talks, wanted, slow=slow, wait=wait, meter=meter)
    if fault is not None:
        fail(EXPECTED[wanted], fault.text)
