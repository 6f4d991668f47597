# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as Markdown (GitHub's and GitLab's), to paste into a bug tracker: the verdicts, and all about what failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from fynx_scapy.harness import Result, Tally, Verdict
from fynx_scapy.harness.tally import worst_first
from fynx_scapy.report.page import our_versions
from fynx_scapy.text import counted, printable, printable_lines

MOST_TOLD = 30
"""So many failures are told in full; the others have a line. A bug tracker takes some 60,000 characters."""
_FAILED = (Verdict.FAIL, Verdict.ERROR)


def markdown(
    results: Sequence[Result], *, command: str, seed: int | None = None, about: Mapping[str, str] | None = None
) -> str:
    """The summary. Arguments as for `render`. It contains no key."""
    return "\n".join(_lines(results, command, seed, about or {})) + "\n"


def _lines(results: Sequence[Result], command: str, seed: int | None, about: Mapping[str, str]) -> Iterator[str]:
    tally, ordered = Tally.of(results), worst_first(results)
    yield f"## fynx-scapy: {str(tally) or 'nothing was run'}"
    yield ""
    facts = {**about, **our_versions()} | ({} if seed is None else {"seed": str(seed)})
    yield from _table(["", ""], [[escaped(name), _code(fact)] for name, fact in facts.items()])
    yield ""
    yield f"{tally.requirements}. Repeat this run:"
    yield from ["", *_fenced(command), ""]
    shown = [result for result in ordered if result.verdict not in (Verdict.PASS, Verdict.SKIP)]
    if shown:
        rows = [
            [result.verdict.value, _code(result.scenario.name), result.role.value, escaped(result.scenario.source),
             _brief(result)]
            for result in shown
        ]  # fmt: skip
        yield from [*_table(["verdict", "scenario", "we are", "source", "reason"], rows), ""]
    failed = [result for result in shown if result.verdict in _FAILED]
    for result in failed[:MOST_TOLD]:
        yield from _failure(result)
    if len(failed) > MOST_TOLD:
        yield from [f"{counted(len(failed) - MOST_TOLD, 'more failure')}: see the table.", ""]
    others = [result for result in ordered if result not in shown]
    if others:
        yield from _folded(
            f"{counted(len(others), 'scenario')} with PASS or SKIP",
            _table(
                ["verdict", "scenario", "we are", "source"],
                [
                    [each.verdict.value, _code(each.scenario.name), each.role.value, escaped(each.scenario.source)]
                    for each in others
                ],
            ),
        )


def _failure(result: Result) -> Iterator[str]:
    """All about one result: what was asked, why it failed, the sentences of the RFC, and its ladders."""
    scenario = result.scenario
    yield f"### {result.verdict.value}: {_code(scenario.name)}"
    yield ""
    yield f"{escaped(scenario.title)} ({escaped(scenario.source)})"
    yield from ["", *_fenced(result.reason, *([f"> {result.step}"] if result.step else [])), ""]
    for needed in scenario.requirements:
        yield f"> {escaped(needed.sentence)}"
        yield ">"
        yield f"> — RFC {needed.rfc} section {needed.section}, {needed.level} ({needed.id})"
        yield ""
    for number, stage in enumerate(result.stages, 1):
        label = stage.label or (f"session {number}" if len(result.stages) > 1 else "the conversation")
        yield from _folded(label, _fenced(str(stage.ladder())))


def _brief(result: Result) -> str:
    return _code(result.reason.partition("\n")[0])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{escaped(title)}</summary>", "", *lines, "", "</details>", ""]


def _fenced(*texts: str) -> list[str]:
    """A block of text as it is. The fence is longer than any run of back ticks in it."""
    text = "\n".join(printable_lines(each) for each in texts)
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, text, fence]


def escaped(text: str) -> str:
    """Text on one line, in which nothing means anything to Markdown. A mention or an address stays one."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$^=])", r"\\\1", _one_line(text))


def _code(text: str) -> str:
    """Text that a peer may have a say in, as code: it makes no link, no picture and no mention. Also within a table."""
    shown = _one_line(text).replace("|", "\\|")
    if not shown:
        return ""
    fence = "`" * (1 + max((len(found) for found in re.findall("`+", shown)), default=0))
    space = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
