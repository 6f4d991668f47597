# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the catalogue against the lab's strongSwan, and writes docs/strongswan.md: ``scripts/catalogue``.

Several labs at once, because most of the time is spent waiting for answers that do not come.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fnmatch
import functools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fynx_scapy import scenarios
from fynx_scapy.harness import Manifest, Result, Role, Scenario, Tally, Verdict
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.plan import Job, plan
from fynx_scapy.harness.subject import Subject
from fynx_scapy.harness.tally import BAD, worst_first
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import Peer
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.world import LabWorld, tolerant

PAGE = Path(__file__).resolve().parent.parent / "docs" / "strongswan.md"
PEER = "strongswan"
LABS = 6
MOST_AGAIN = 12
"""So many scenarios are played again at most."""
LONGEST = 110
"""The longest reason of a SKIP on the page, in characters."""

HEAD = """# The catalogue against strongSwan

Written by `scripts/catalogue`: every negative case, and every other scenario that runs with a live peer, against the
lab's strongSwan {version} with ESP in user space, with us as initiator and as responder where both are possible.
[The manifest](../fynx_scapy/manifests/strongswan.toml) says which failures are expected, with the reason, the sentence
of the RFC, and the versions; such a failure is XFAIL. A test runs all of it again. What fails in some runs only
is XFAIL or PASS; the table counts it as it was in this one.

"""


@dataclass(frozen=True, slots=True)
class CatalogueRun:
    """The results of one run, in the order of the plan."""

    version: str
    results: list[Result]
    remarks: list[str]
    unmatched: list[str]
    seconds: float


def live_scenarios() -> list[Scenario]:
    """The cases, and the other scenarios that run with a live peer."""
    return [scenario for scenario in scenarios.everything().values() if scenario.live]


def run_catalogue(chosen: Sequence[Scenario], labs: int = LABS, kind: type[Peer] = StrongSwan) -> CatalogueRun:
    """Run these scenarios with this strongSwan, a share in each lab. LabError when a lab cannot be set up."""
    began = time.monotonic()
    shares = [plan(chosen[number::labs], ["lab"]) for number in range(labs)]
    with concurrent.futures.ThreadPoolExecutor(labs) as pool:
        done = list(pool.map(functools.partial(_in_a_lab, kind), [share for share in shares if share]))
    order = {(scenario.name, role): place for place, (scenario, role) in enumerate(_runs(chosen))}
    results = sorted(
        (result for each in done for result in each.results),
        key=lambda result: order[result.scenario.name, result.role],
    )
    rows = [row for each in done for row in each.unmatched]
    # A row about several scenarios may fit in one lab and not in another.
    unmatched = sorted({row for row in rows if rows.count(row) == len(done)})
    remarks = [remark for each in done for remark in each.remarks]
    return CatalogueRun(done[0].version, results, remarks, unmatched, time.monotonic() - began)


def settled(ran: CatalogueRun, chosen: Sequence[Scenario]) -> CatalogueRun:
    """The run with what is not as expected, and what no row of the manifest fits, played again alone.

    Several labs at once delay answers, and let requests cross that should not. Where it is more than `MOST_AGAIN`, that
    is not why, and the run stays as it is.
    """
    odd = {result.scenario.name for result in ran.results if result.verdict in BAD}
    odd |= {each.name for each in chosen if any(fnmatch.fnmatchcase(each.name, row) for row in ran.unmatched)}
    if not 0 < len(odd) <= MOST_AGAIN:
        return ran
    again = run_catalogue([scenario for scenario in chosen if scenario.name in odd], labs=1)
    by_run = {(result.scenario.name, result.role): result for result in again.results}
    results = [by_run.get((result.scenario.name, result.role), result) for result in ran.results]
    return replace(
        ran,
        results=results,
        remarks=ran.remarks + again.remarks,
        unmatched=[row for row in ran.unmatched if row in again.unmatched],
        seconds=ran.seconds + again.seconds,
    )


def _runs(chosen: Sequence[Scenario]) -> Iterator[tuple[Scenario, Role]]:
    return ((job.scenario, job.role) for job in plan(chosen))


def _in_a_lab(kind: type[Peer], share: Sequence[Job]) -> CatalogueRun:
    with Lab(tolerant(), peer=kind) as lab:
        world = LabWorld(lab)
        subject = Subject(world.target, world=world, version=lab.peer.version, manifest=Manifest.shipped(PEER))
        campaign = Campaign([Job(job.scenario, job.role, subject.name) for job in share], [subject])
        campaign.meet()
        for _ in campaign.run():
            pass
        unmatched = [each.row.scenario for each in campaign.unmatched()]
        return CatalogueRun(lab.peer.version, campaign.results(), campaign.remarks, unmatched, 0.0)


def page(ran: CatalogueRun) -> str:
    """The page: a summary by topic, then every case with its verdict in each role."""
    lines = [HEAD.format(version=ran.version), *_summary(ran.results)]
    topics = dict.fromkeys(result.scenario.topic for result in ran.results)
    for topic in topics:
        lines += [
            "",
            f"## {topic or 'Other scenarios'}",
            "",
            "| scenario | initiator | responder | why |",
            "|---|---|---|---|",
        ]
        lines += _rows([result for result in ran.results if result.scenario.topic == topic])
    return "\n".join(lines).rstrip() + "\n"


def _summary(results: Sequence[Result]) -> Iterator[str]:
    kinds = [verdict for verdict in Verdict if any(result.verdict is verdict for result in results)]
    yield f"| topic | {' | '.join(kind.value for kind in kinds)} |"
    yield f"|---|{'--:|' * len(kinds)}"
    for topic in [*dict.fromkeys(result.scenario.topic for result in results), None]:
        counts = Counter(result.verdict for result in results if topic is None or result.scenario.topic == topic)
        name = "**all**" if topic is None else topic
        yield f"| {name} | {' | '.join(str(counts[kind] or '') for kind in kinds)} |"


def _rows(results: Sequence[Result]) -> Iterator[str]:
    for name in dict.fromkeys(result.scenario.name for result in results):
        by_role = {result.role: result for result in results if result.scenario.name == name}
        verdicts = [_verdict(by_role.get(role)) for role in (Role.INITIATOR, Role.RESPONDER)]
        whys = dict.fromkeys(why for result in by_role.values() if (why := _why(result)))
        yield f"| {name} | {' | '.join(verdicts)} | {'; '.join(whys)} |"


def _verdict(result: Result | None) -> str:
    if result is None:
        return ""
    row = result.expected_failure
    return "XFAIL or PASS" if row is not None and row.sometimes else result.verdict.value


def _why(result: Result) -> str:
    row = result.expected_failure
    if row is not None:
        about = row.requirement or row.sentence.partition(":")[0]
        text = f"{row.reason} ({about}{f'; {row.cve}' if row.cve else ''})"
    else:
        text = "" if result.verdict is Verdict.PASS else result.reason.removeprefix("not run: ")
        text = text if len(text) <= LONGEST else text[:LONGEST].rstrip() + "…"
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def main() -> None:
    """Run the catalogue, print what is not as expected, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="only these scenarios; then no page is written")
    parser.add_argument("--labs", type=int, default=LABS, help="how many labs run at once")
    given = parser.parse_args()
    chosen = live_scenarios()
    if given.patterns:
        wanted = {each.name for each in chosen if any(_fits(each, pattern) for pattern in given.patterns)}
        chosen = [each for each in chosen if each.name in wanted]
    ran = settled(run_catalogue(chosen, given.labs), chosen)
    for result in worst_first(ran.results):
        if result.verdict in BAD:
            print(f"{result.verdict.value} {result.scenario.name} ({result.role.value}): {result.reason}")
    for words in (*ran.remarks, *(f"row of the manifest that fitted nothing: {row}" for row in ran.unmatched)):
        print(words)
    tally = Tally.of(ran.results)
    print(f"strongSwan {ran.version}: {tally} in {ran.seconds:.0f} s")
    if not given.patterns:
        PAGE.write_text(page(ran))
    sys.exit(not tally.good or bool(tally.verdicts[Verdict.NOT_RUN]))


def _fits(scenario: Scenario, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in (scenario.name, f"{scenario.topic}/{scenario.name}"))


if __name__ == "__main__":
    main()
