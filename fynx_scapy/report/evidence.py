# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders about single results: evidence to file, and reproducers to attach to a bug report.

A folder has the capture and its keys, the ladders, the verdict as JSON and the page; a reproducer also a script that
runs it again with nothing but the package, and a README. Files with keys are readable by their owner only.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fynx_scapy import __version__
from fynx_scapy.files import write_text
from fynx_scapy.harness import Result, Tally, Verdict
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.report.document import document
from fynx_scapy.report.markdown import escaped, markdown
from fynx_scapy.report.page import keys_of, render
from fynx_scapy.text import printable

CAPTURE, KEYS, LADDER, VERDICT, PAGE = "capture.pcapng", "keys", "ladder.txt", "verdict.json", "report.html"
SCRIPT, README, INDEX, SCENARIOS = "reproduce.py", "README.md", "index.md", "scenarios"
_QUIET = (Verdict.PASS, Verdict.SKIP, Verdict.NOT_RUN)

Alone = Callable[[Result], tuple[Sequence[str], Sequence[str]]]
"""The words of the command line that run one result alone, without ``fynx``, and those that say with which peer or
seed. They have no key and no file of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of the run in each folder, as for `render`."""

    command: str
    seed: int | None = None
    about: Mapping[str, str] = field(default_factory=dict)


def write_evidence(folder: Path, results: Sequence[Result], recorder: Recorder, told: Told) -> None:
    """A folder for each result, and index.md. OSError when something cannot be written."""
    names = _folders(results)
    lines = [f"# Evidence: {Tally.of(results)}", "", f"fynx-scapy {__version__}: `{printable(told.command)}`", ""]
    lines += [f"- {escaped(name)}: {escaped(text)}" for name, text in told.about.items()]
    lines += [
        "",
        "| verdict | scenario | role | source | requirements | folder |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, result in zip(names, results, strict=True):
        _write(folder / name, result, recorder, told)
        scenario, ids = result.scenario, ", ".join(needed.id for needed in result.scenario.requirements)
        cells = (result.verdict.value, escaped(scenario.name), result.role.value, escaped(scenario.source), ids)
        lines.append(f"| {' | '.join(cells)} | [{escaped(name)}]({name}/{VERDICT}) |")
    write_text(folder / INDEX, "\n".join(lines) + "\n")


def write_reproducers(
    folder: Path, results: Sequence[Result], recorder: Recorder, told: Told, alone: Alone
) -> list[Path]:
    """A reproducer of each result that failed, or of each result if none did; returns their folders.

    Of a single result it is ``folder`` itself. OSError when something cannot be written.
    """
    chosen = [result for result in results if result.verdict not in _QUIET] or list(results)
    names = [""] if len(results) == 1 else _folders(chosen)
    for name, result in zip(names, chosen, strict=True):
        _write(folder / name, result, recorder, told)
        words, where = alone(result)
        _copy_scenario(folder / name, result)
        write_text(folder / name / SCRIPT, _script(result, words, where))
        (folder / name / SCRIPT).chmod(0o755)
        write_text(folder / name / README, _readme(result, where, told))
    return [folder / name for name in names]


def ours(result: Result) -> bool:
    """Whether its scenario comes with the package."""
    return result.scenario.module.startswith("fynx_scapy.")


def _folders(results: Sequence[Result]) -> list[str]:
    return [re.sub(r"[^\w.-]", "_", key) for key in keys_of(results)]


def _write(folder: Path, result: Result, recorder: Recorder, told: Told) -> None:
    """What every folder has. A result without packets of its own, such as a SKIP, has no capture."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = recorder.only([stage.network for stage in result.stages])
    files: dict[str, str] = {}
    if result.stages:
        mine.save_capture(folder / CAPTURE)
        mine.keys().save(folder / KEYS)
        files = {"the capture": CAPTURE, "its keys": KEYS}
    ladders = [
        f"{stage.label}\n\n{stage.ladder()}\n" if stage.label else f"{stage.ladder()}\n" for stage in result.stages
    ]
    write_text(folder / LADDER, "\n".join(ladders))
    said: dict[str, Any] = {"command": told.command, "seed": told.seed, "about": told.about}
    write_text(folder / VERDICT, json.dumps(document([result], **said), indent=1) + "\n")
    write_text(folder / PAGE, render([result], files=files, **said))


def _copy_scenario(folder: Path, result: Result) -> None:
    """The file of a user's scenario, without which nobody else can run it."""
    if not ours(result):
        (folder / SCENARIOS).mkdir(exist_ok=True)
        shutil.copyfile(result.scenario.file, folder / SCENARIOS / Path(result.scenario.file).name)


def _script(result: Result, words: Sequence[str], where: Sequence[str]) -> str:
    scenario, details = result.scenario, result.details
    told = [f"{scenario.name}: {scenario.title}", ""]
    told += [f"Source:   {scenario.source}", f"Role:     {result.role.value}"]
    if details is not None:
        told += [f"Mutation: {details.mutation}", f"Expected: {details.expected}", f"Found:    {details.found}"]
    told += [
        f"Verdict:  {result.verdict.value}",
        "",
        f"It needs nothing but fynx-scapy: pip install fynx-scapy=={__version__}",
    ]
    text = "\n".join(printable(line) for line in told).replace("\\", "\\\\").replace('"""', "'''")
    files = "" if ours(result) else f'COMMAND += ["--from", str(Path(__file__).resolve().parent / "{SCENARIOS}")]\n'
    return f'''#!/usr/bin/env python3
"""{text}

The exit status is that of fynx run: 0 when it passes, 1 when it fails. More options may follow: with --target and
--psk-file it runs against another peer.
"""

import sys
{"from pathlib import Path" if files else ""}
try:
    import fynx_scapy
    from fynx_scapy.cli import main
except ImportError:
    sys.exit("fynx-scapy is not installed: pip install fynx-scapy=={__version__}")

MADE_WITH = "{__version__}"
COMMAND = {json.dumps(list(words))}
{files}WHERE = {json.dumps(list(where))}

if __name__ == "__main__":
    if fynx_scapy.__version__ != MADE_WITH:
        print(f"made with fynx-scapy {{MADE_WITH}}, running with {{fynx_scapy.__version__}}", file=sys.stderr)
    more = sys.argv[1:]
    if not any(word.split("=")[0] in ("--target", "--seed") for word in more):
        more = [*WHERE, *more]
    main([*COMMAND, "--ladders", *more])
'''


FILES = {
    SCRIPT: "runs it again",
    CAPTURE: "the packets, each with a comment",
    f"{KEYS}/": "the keys that open them, as Wireshark's two tables and keys.json; no pre-shared key",
    LADDER: "the packets as text",
    VERDICT: "the verdict, and all that is known of it",
    PAGE: "all of it, to look at",
}


def _readme(result: Result, where: Sequence[str], told: Told) -> str:
    live = "--target" in where
    key = " --psk-file KEY" if live else ""
    needs = "`KEY` is a file with the pre-shared key, which is not in this folder. " if live else ""
    table = "\n".join(f"| {name} | {text} |" for name, text in FILES.items())
    parts = [
        f"# {escaped(result.scenario.name)}",
        f"```console\n$ pip install fynx-scapy=={__version__}\n$ python {SCRIPT}{key}\n```",
        f"{needs}The exit status is 0 when it passes and 1 when it fails.\n"
        f"`python {SCRIPT} --target HOST --psk-file KEY` runs it against another peer.",
        f"| file | what it is |\n| --- | --- |\n{table}",
        f"`fynx capture {CAPTURE} --keys {KEYS}` shows the packets decrypted. For Wireshark, copy the two tables\n"
        "into the folder of your profile.",
    ]
    said = markdown([result], command=told.command, seed=told.seed, about=told.about)
    return "\n\n".join(parts) + "\n\n" + said
