# SPDX-License-Identifier: GPL-2.0-or-later
"""A campaign: many scenarios with one or several peers, from a plan to results.

With an embedded peer the scenarios run one after the other, or in several processes. Each live peer has a sane
conversation first and last, and after every suspicious answer; a peer that stopped answering gets no more scenarios.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace

from fynx_scapy.harness.expectations import Unmatched, expected, unmatched
from fynx_scapy.harness.journal import Journal
from fynx_scapy.harness.manifest import Manifest
from fynx_scapy.harness.parallel import Processes
from fynx_scapy.harness.plan import EMBEDDED, Job
from fynx_scapy.harness.reachability import Watcher
from fynx_scapy.harness.runner import Result, Verdict, run
from fynx_scapy.harness.subject import Subject
from fynx_scapy.harness.worlds.world import World
from fynx_scapy.net import guard

INTERRUPTED = "interrupted"


class Campaign:
    """The runs of a plan. `run` yields each result as soon as there is one; `results` has all of them, in order.

    ``subjects`` are the live peers of the plan, ``manifest`` is that of the embedded one. ``at_once`` scenarios run at
    a time with each live peer. ``processes`` run those of the embedded one, by default this process alone. ``wait`` is
    how many seconds a live peer may take to connect to us.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        subjects: Sequence[Subject] = (),
        *,
        seed: int | None = None,
        manifest: Manifest | None = None,
        watch: Watcher | None = None,
        at_once: int = 1,
        processes: Processes | None = None,
        wait: float | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.jobs = list(jobs)
        self.subjects = {subject.name: subject for subject in subjects}
        self.seed, self.manifest, self.at_once = seed, manifest or Manifest(), at_once
        self.wait, self.processes = wait, processes
        self.remarks: list[str] = []
        """What was seen of live peers between scenarios, in words."""
        self.embedded: Callable[[], World] | None = None
        """Makes the world of each scenario that has no live peer; None for the usual one."""
        self.starting: Callable[[Job], object] = lambda job: None
        """Called when a scenario starts."""
        self.halted = ""
        """Why the rest is not run, in words, where somebody decided that."""
        self._watch, self.journal = watch, journal
        self._done: dict[Job, Result] = journal.begin(self.jobs, seed) if journal is not None else {}
        self._stopped = threading.Event()
        self._unwritten = False

    @property
    def remaining(self) -> list[Job]:
        """What was not done yet, in the order of the plan."""
        return [job for job in self.jobs if job not in self._done]

    def meet(self) -> None:
        """Reach every live peer that has something to do. Unreached, TransportError and ConfigError as in `Subject`."""
        for subject in self.subjects.values():
            mine = [job for job in self.remaining if job.peer == subject.name]
            if not any(job.scenario.live and job.role.begins for job in mine):
                continue  # it may be a peer that initiates, and never answers
            for each in subject.each:
                health = each.meet()
                if not health.sane:
                    self._remark(each, f"the first sane conversation failed: {health.reason}")

    def run(self) -> Generator[Result, None, None]:
        """Run what is left, and yield the results as they come. Live peers were met before.

        On KeyboardInterrupt, what runs is ended, its SAs are deleted, and the rest is left.
        """
        held = self.journal if self.journal is not None else contextlib.nullcontext()
        with held, contextlib.closing(self._steps(self.remaining)) as steps:
            for job, result in steps:
                yield self._record(job, result)
        for subject in self.subjects.values():
            if not subject.twins:
                self._part(subject)

    def _steps(self, left: Sequence[Job]) -> Generator[tuple[Job, Result], None, None]:
        if left and not self.subjects and self.processes is not None:
            yield from self.processes.run(left, self.seed or 0, self.starting)
            return
        lanes: list[tuple[Subject | None, deque[Job]]] = []
        for name in dict.fromkeys(job.peer for job in left):
            jobs = deque(job for job in left if job.peer == name)
            subject = self.subjects.get(name)
            width = self.at_once if name != EMBEDDED else 1
            lanes += [(each, jobs) for each in (subject.each if subject is not None else (None,))] * width
        if lanes:
            yield from self._in_threads(lanes) if len(lanes) > 1 else self._one_by_one(*lanes[0])

    def _record(self, job: Job, result: Result) -> Result:
        result = replace(result, peer=job.peer, role=job.role)
        self._done[job] = result
        if self.journal is not None and not self._unwritten:
            try:
                self.journal.add(result)
            except OSError as error:  # a disk that is full must not end the run
                self._unwritten = True
                reason = error.strerror or error
                self.remarks.append(f"{self.journal.path} cannot be written ({reason}): the journal ends here")
        return self._judged(result)

    def _one_by_one(self, subject: Subject | None, jobs: deque[Job]) -> Iterator[tuple[Job, Result]]:
        while not self._stopped.is_set() and not (subject is not None and subject.dead):
            try:
                job = jobs.popleft()
            except IndexError:  # it may be another thread that took the last one
                return
            yield job, self._attempt(subject, job)

    def _in_threads(self, lanes: Sequence[tuple[Subject | None, deque[Job]]]) -> Iterator[tuple[Job, Result]]:
        """Each lane in a thread of its own. Lanes of one peer share their jobs."""
        outcome: queue.SimpleQueue[tuple[Job, Result] | Exception | None] = queue.SimpleQueue()
        twins = {id(each) for subject in self.subjects.values() if subject.twins for each in subject.each}

        def serve(subject: Subject | None, jobs: deque[Job]) -> None:
            def all_of_them() -> None:
                for each in self._one_by_one(subject, jobs):
                    outcome.put(each)
                if (
                    subject is not None and id(subject) in twins
                ):  # here, because a peer that was started again ends with this thread
                    self._part(subject)

            _, error = guard.attempt(all_of_them)
            outcome.put(error)

        threads = [threading.Thread(target=serve, args=lane, daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                got = outcome.get()
                if got is None:
                    running -= 1
                elif isinstance(got, Exception):
                    raise got
                else:
                    yield got
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()
            while not outcome.empty():  # what ended meanwhile is kept
                late = outcome.get()
                if isinstance(late, tuple):
                    self._record(*late)

    def _attempt(self, subject: Subject | None, job: Job) -> Result:
        """Run one scenario, and see whether the peer still lives.

        Again, if a lost datagram may be why it failed, or a peer that took no new IKE SA for a while.
        """
        self.starting(job)
        if subject is None:
            world = self.embedded() if self.embedded is not None else None
            return run(job.scenario, seed=self.seed or 0, watch=self._watch, role=job.role, world=world)
        return subject.attempt(
            job.scenario,
            job.role,
            watch=self._watch,
            wait=self.wait,
            stopped=self._stopped.is_set,
            remark=lambda words: self._remark(subject, words),
        )

    def _part(self, subject: Subject) -> None:
        """Hold the last sane conversation."""
        if subject.health is None or subject.dead:
            return
        health = subject.examine("the last scenario")
        if subject.dead:
            self._remark(subject, subject.dead)
        elif not health.sane and subject.health.sane:
            self._remark(subject, f"the last sane conversation failed: {health.reason}")
        for words in health.left:
            self._remark(subject, f"left at the peer: {words}")
        if subject.pauses:
            more = f" (and {len(subject.pauses) - 1} times more)" if len(subject.pauses) > 1 else ""
            self._remark(subject, f"{subject.pauses[0]}{more}: it limits half-open IKE SAs, or was busy")

    def _remark(self, subject: Subject, words: str) -> None:
        several = len(self.subjects) > 1
        self.remarks.append(f"{subject.name}: {words}" if several else words)

    def _judged(self, result: Result) -> Result:
        subject = self.subjects.get(result.peer)
        if subject is None:
            return expected(result, self.manifest)
        return expected(result, subject.manifest, subject.version)

    def results(self) -> list[Result]:
        """Every result, in the order of the plan. What was not run has the verdict NOT RUN and the reason."""
        return [self._judged(self._done[job]) if job in self._done else self._not_run(job) for job in self.jobs]

    def _not_run(self, job: Job) -> Result:
        subject = self.subjects.get(job.peer)
        why = (subject.dead if subject is not None else "") or self.halted or INTERRUPTED
        return Result(job.scenario, Verdict.NOT_RUN, why, 0.0, [], role=job.role, peer=job.peer)

    @property
    def ended(self) -> Mapping[str, str]:
        """The peers that stopped answering, and after what."""
        return {name: subject.dead for name, subject in self.subjects.items() if subject.dead}

    def unmatched(self) -> list[Unmatched]:
        """The rows of manifests that fitted no result."""
        results = self.results()
        rows = [] if self.subjects else list(unmatched(self.manifest, results))
        for name, subject in self.subjects.items():
            mine = [result for result in results if result.peer == name]
            rows += unmatched(subject.manifest, mine, subject.version)
        return rows
