# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios with embedded peers in several processes.

Each process is a fork of ours and hands over its results packed: they are unpacked when somebody looks at their
conversations. What cannot be packed runs again in our process, where the seed makes it the same.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, overload

from fynx_scapy.harness.plan import Job
from fynx_scapy.harness.reachability import Watcher
from fynx_scapy.harness.runner import Result, Verdict, run
from fynx_scapy.harness.stage import Stage
from fynx_scapy.net import guard
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.past import Past
from fynx_scapy.processes import Died, work

Takes = list[tuple[Hosts, str]]
"""The networks of a scenario, each with the name that a capture gives it."""
_OURS = frozenset({"scenario", "stages", "role"})
"""What a process does not hand over: we know it, or it is packed."""


class Packed(Sequence[Stage]):
    """The stages of a result, and its networks. They are unpacked when they are first looked at."""

    def __init__(self, count: int, octets: bytes) -> None:
        self._count, self._octets = count, octets
        self._unpacked: tuple[list[Stage], Takes] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Stage: ...
    @overload
    def __getitem__(self, place: slice) -> list[Stage]: ...
    def __getitem__(self, place: int | slice) -> Stage | list[Stage]:
        return self.contents[0][place]

    @property
    def contents(self) -> tuple[list[Stage], Takes]:
        """The stages and the networks."""
        if self._unpacked is None:
            # From a fork of this process, over a pipe that nobody else has.
            self._unpacked, self._octets = pickle.loads(self._octets), b""
        return self._unpacked


@dataclass(slots=True)
class Processes:
    """Runs scenarios in ``count`` processes. ``log`` is called with each network, in the process that has it."""

    count: int
    log: Watcher | None = None
    _takes: dict[Job, Packed | Takes] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job], seed: int, began: Callable[[Job], object]) -> Iterator[tuple[Job, Result]]:
        """Run the scenarios, and yield each with its result as soon as there is one."""
        count = min(self.count, len(jobs))
        tasks = work(
            self._elsewhere, range(len(jobs)), (jobs, seed), count, copied=True,
            began=lambda number: began(jobs[number]),
        )  # fmt: skip
        for number, got in tasks:
            yield jobs[number], self._result(jobs[number], seed, got)

    def tell(self, jobs: Sequence[Job], add: Callable[[Hosts, str], object]) -> None:
        """Call ``add`` with the networks of these scenarios and their names, in this order."""
        for job in jobs:
            takes = self._takes.pop(job, [])
            for network, name in takes.contents[1] if isinstance(takes, Packed) else takes:
                add(network, name)

    def _result(self, job: Job, seed: int, got: Any) -> Result:
        if isinstance(got, Died):
            return Result(job.scenario, Verdict.ERROR, f"the process that ran it {got}", 0.0, [], role=job.role)
        if got is None:
            result, self._takes[job] = self._here(job, seed)
            return result
        values, packed = got
        self._takes[job] = packed
        return Result(scenario=job.scenario, role=job.role, stages=packed, **values)

    def _here(self, job: Job, seed: int) -> tuple[Result, Takes]:
        takes: Takes = []

        def watch(network: Hosts, name: str) -> Callable[[], object] | None:
            network.keep_datagrams()
            takes.append((network, name))
            return self.log(network, name) if self.log is not None else None

        return run(job.scenario, seed=seed, watch=watch, role=job.role), takes

    def _elsewhere(self, number: int, jobs: Sequence[Job], seed: int) -> Any:
        """In another process: the values of a result, and the rest packed; None for what cannot be packed."""
        result, takes = self._here(jobs[number], seed)
        packed, error = guard.attempt(_packed, result, takes)
        if packed is None or error is not None:
            return None
        done = result.as_dict()
        counts = (done["sessions"], done["packets"])
        result = replace(result, counted=counts if result.stages else None)
        return {each.name: getattr(result, each.name) for each in fields(result) if each.name not in _OURS}, packed


def _packed(result: Result, takes: Takes) -> Packed:
    """The stages and networks, without endpoints and sessions."""
    past: dict[int, Past] = {}
    for network in (*(network for network, _ in takes), *(stage.network for stage in result.stages)):
        if id(network) not in past:
            past[id(network)] = Past.of(network)
    stages = [
        replace(stage, network=past[id(stage.network)], session=None, ends=stage.ladder().ends)
        for stage in result.stages
    ]
    octets = pickle.dumps((stages, [(past[id(network)], name) for network, name in takes]), pickle.HIGHEST_PROTOCOL)
    return Packed(len(stages), octets)
