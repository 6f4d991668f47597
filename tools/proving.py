# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of pytest's tests find the deliberate faults of tests/faults: ``scripts/faults --pytest``.

A test with the marker ``requirements`` runs under each fault that breaks one of its sentences. The fault is given to
every endpoint that the test makes; if the test passes all the same, to all code of the process, because many tests need
no endpoint. It writes proven_tests.json, which the ledger reads beside the scenarios' proven.json.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

import pytest

from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.text import counted
from tests.faults.everything import faults
from tests.faults.fault import Fault, Faulty
from tools.ledger import HARNESS, ROOT, marked

PROVEN = HARNESS / "proven_tests.json"
LONGEST = 2.0
"""Seconds that one test may take under a fault."""
PATIENCE = 40.0
"""Seconds for all the tests of one fault."""
MOST = 12
"""So many of the parameters of one test are tried under one fault."""


class Everywhere(Faulty):
    """A fault in all code of the process, for tests that make no endpoint."""

    @property
    def running(self) -> bool:
        """Always."""
        return True


class Late(BaseException):
    """A test took too long, which proves nothing."""


@contextlib.contextmanager
def in_every_endpoint(fault: Fault) -> Iterator[None]:
    """Give the fault to each endpoint that is made in the block."""
    original = Endpoint.__init__
    with ExitStack() as undo:

        def made(endpoint: Endpoint, *args: Any, **named: Any) -> None:
            original(endpoint, *args, **named)
            undo.enter_context(fault.apply(endpoint))

        undo.callback(setattr, Endpoint, "__init__", original)
        Endpoint.__init__ = made  # type: ignore[method-assign, assignment]
        yield


@contextlib.contextmanager
def in_all_code(fault: Fault) -> Iterator[None]:
    """Let all code have the fault."""
    with ExitStack() as undo:
        fault.change(Everywhere(Endpoint("192.0.2.250"), undo))
        yield


class Prover:
    """A plugin of pytest's: instead of running each test once, runs each under the faults that it should find."""

    def __init__(self, chosen: Iterable[Fault], processes: int) -> None:
        self.faults, self.processes = list(chosen), processes
        self.proofs: dict[str, dict[str, set[str]]] = {}
        self.items: dict[str, list[pytest.Item]] = {}
        self.contents: dict[str, dict[str, Any]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests under the faults, each fault in a process of its own."""
        for item in session.items:
            self.items.setdefault(item.nodeid.partition("[")[0], []).append(item)
        known = {place: content for place, content in marked().items() if place in self.items}
        self.contents = {p: content for p, content in known.items() if not any(map(fails, sample(self.items[p])))}
        with ThreadPoolExecutor(self.processes) as pool:
            for fault, places in zip(self.faults, pool.map(self.apart, self.faults), strict=True):
                for place in places:
                    for identifier in set(self.contents[place]["requirements"]) & set(fault.requirements):
                        self.proofs.setdefault(identifier, {}).setdefault(place, set()).add(fault.name)
                print(f"{fault.name}: {counted(len(places), 'test')}", flush=True)
        return True

    def apart(self, fault: Fault) -> list[str]:
        """The tests that fail under a fault. A process that takes too long is ended, and has found nothing more."""
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=self.find, args=(fault, there))
        process.start()
        there.close()
        found, end = [], time.monotonic() + PATIENCE
        while here.poll(max(0.0, end - time.monotonic())):
            try:
                found.append(here.recv())
            except EOFError:
                break
        process.kill()
        process.join()
        return found

    def find(self, fault: Fault, told: Connection) -> None:
        """Say which tests fail under a fault."""
        for place in sorted(self.contents):
            broken = set(self.contents[place]["requirements"]) & set(fault.requirements)
            if broken and found(fault, sample(self.items[place])):
                told.send(place)
        told.close()
        os._exit(0)

    def written(self) -> str:
        """proven_tests.json: requirement -> test -> faults. What was found of faults that did not run now is kept."""
        ran, known = {fault.name for fault in self.faults}, {fault.name for fault in faults()}
        kept: dict[str, dict[str, list[str]]] = json.loads(PROVEN.read_text())
        for identifier, places in kept.items():
            for place, names in places.items():
                if still := known & set(names) - ran:
                    self.proofs.setdefault(identifier, {}).setdefault(place, set()).update(still)
        made = {
            identifier: {place: sorted(self.proofs[identifier][place]) for place in sorted(self.proofs[identifier])}
            for identifier in sorted(self.proofs)
        }
        return json.dumps(made, indent=1) + "\n"


def sample(items: list[pytest.Item]) -> list[pytest.Item]:
    """At most `MOST` of the items, evenly spread."""
    return items[:: -(-len(items) // MOST)]


def found(fault: Fault, items: list[pytest.Item]) -> bool:
    """Whether one of the items fails under the fault."""
    for way in (in_every_endpoint, in_all_code):
        for item in items:
            with way(fault):
                verdict = fails(item)
            if verdict:
                return True
            if verdict is None:
                break
    return False


def fails(item: pytest.Item) -> bool | None:
    """Whether a test fails when it is called; None if it takes too long, which proves nothing."""
    late = False

    def stop(number: int, frame: object) -> None:
        nonlocal late
        late = True
        raise Late

    state = item.session._setupstate
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    failed = False
    try:
        item._initrequest()  # type: ignore[attr-defined]
        state.setup(item)
        try:
            item.runtest()
        except pytest.skip.Exception:
            pass
        except KeyboardInterrupt:  # the user's, not the test's
            raise
        except BaseException:
            failed = True
        state.teardown_exact(None)
    except KeyboardInterrupt:
        raise
    except BaseException:  # before or behind the test
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return None if late else failed


def main(names: Iterable[str] = ()) -> int:
    """Run under all faults, or under those that are named, and write what was found."""
    wanted = set(names)
    prover = Prover((fault for fault in faults() if not wanted or fault.name in wanted), min(2, os.cpu_count() or 1))
    os.chdir(ROOT)
    places = sorted({place.partition("::")[0] for place in marked()})
    pytest.main(
        ["-n", "0", "-m", "not slow or sample", "-p", "no:unraisableexception", "-p", "no:threadexception", *places],
        plugins=[prover],
    )
    proven = sum(len(places) for places in prover.proofs.values())
    print(f"{counted(len(prover.proofs), 'requirement')} proven, {counted(proven, 'pair')} of requirement and test")
    PROVEN.write_text(prover.written())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
