# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``fynx run`` writes: its options, and the reports, the capture and the keys."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from fynx_scapy.commands.opening import SeveralOutputs, check_outputs, misuse, save_keys, writing, writing_octets
from fynx_scapy.commands.opening import written as writable
from fynx_scapy.commands.options import JSON_FILE, OUTPUT, PCAP, STDIO, Decorator, Folder, writes

if TYPE_CHECKING:
    from fynx_scapy.harness import Result
    from fynx_scapy.harness.expectations import Unmatched
    from fynx_scapy.net.recorder import Recorder
    from fynx_scapy.report.evidence import Alone

_OPTIONS: Sequence[Decorator] = (
    writes("--report", what="a report, one self-contained HTML page"),
    JSON_FILE,
    OUTPUT,
    writes("--junit", what="the verdicts as JUnit XML"),
    writes("--markdown", what="a summary in Markdown, to paste into a bug tracker"),
    writes("--write-manifest", what="a manifest that expects each failure, for you to say why"),
    PCAP,
    click.option(
        "--save",
        type=click.Path(file_okay=False, writable=True, allow_dash=True, path_type=Path),
        metavar="DIR",
        help="Write key tables into this folder; - writes one file of keys to stdout. Default with --pcap: NAME.keys.",
    ),
    click.option(
        "--reproducer",
        type=Folder(),
        metavar="DIR",
        help="Write a folder for a bug report: a script that needs nothing but fynx-scapy, capture, keys, README. Of "
        "several results, one folder for each that failed.",
    ),
    click.option(
        "--evidence",
        type=Folder(),
        metavar="DIR",
        help="Write a folder for each result: capture, keys, ladder, verdict; and an index of them.",
    ),
    click.option(
        "--keys", "old_save", hidden=True, type=click.Path(file_okay=False, path_type=Path), help="As --save."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Where the outputs of a run go; None for what was not asked for, - for stdout."""

    report: Path | None
    json_file: Path | None
    junit: Path | None
    markdown: Path | None
    write_manifest: Path | None
    pcap: Path | None
    save: Path | None
    reproducer: Path | None
    evidence: Path | None
    output: Path

    def check(self, inputs: Sequence[Path]) -> None:
        """No output may be one of the ``inputs``, nor two outputs one file. Raises UsageError."""
        texts = {"--output": self.output, "--report": self.report, "--json": self.json_file, "--junit": self.junit}
        texts |= {"--markdown": self.markdown, "--write-manifest": self.write_manifest}
        check_outputs(texts | {"--pcap": self.pcap, "--save": self.save}, [], {"psk_files": inputs})

    @property
    def text_wanted(self) -> bool:
        """Whether the table is printed: nothing else goes to stdout."""
        others = (self.report, self.json_file, self.junit, self.markdown, self.write_manifest, self.pcap, self.save)
        return STDIO not in map(str, others)

    def write(
        self,
        results: Sequence[Result],
        *,
        command: str,
        seed: int | None,
        about: Mapping[str, str],
        recorder: Callable[[], Recorder],
        alone: Alone,
        unmatched: Sequence[Unmatched] = (),
    ) -> int:
        """Write all but the table. Returns 0, or the exit status where one could not be written; stderr says which.

        ``recorder`` returns what was recorded, and is called if that is wanted. ``alone`` are the words that run one
        result alone.
        """
        written = SeveralOutputs()
        told: dict[str, Any] = {"command": command, "seed": seed, "about": about}
        json_text = functools.partial(_json, unmatched=unmatched)
        page = functools.partial(_page, files=self._links())
        for path, text in (
            (self.report, page), (self.json_file, json_text), (self.junit, _junit), (self.markdown, _markdown),
            (self.write_manifest, _manifest),
        ):  # fmt: skip
            if path is not None:
                with written.each(), writing(path) as out:
                    out.write(text(results, **told))
        with written.each():  # one without the other is of little use
            if self.pcap is not None:
                with writing_octets(self.pcap, secret=True) as file:
                    recorder().write_capture(file)
            if self.save is not None:
                save_keys(recorder().keys(), self.save)
        if self.reproducer is not None or self.evidence is not None:
            from fynx_scapy.report.evidence import Told, write_evidence, write_reproducers

            if self.evidence is not None:
                with written.each(), writable(self.evidence / "index.md"):
                    write_evidence(self.evidence, results, recorder(), Told(**told))
            if self.reproducer is not None:
                with written.each(), writable(self.reproducer / "README.md"):
                    write_reproducers(self.reproducer, results, recorder(), Told(**told), alone)
        return written.status

    def _links(self) -> dict[str, str]:
        """The capture and the keys, as seen from the report's folder."""
        saved = {"the capture": self.pcap, "its keys": self.save}
        if self.report is None or str(self.report) == STDIO:
            return {}
        folder = os.path.realpath(self.report.parent)
        paths = {name: path for name, path in saved.items() if path is not None and str(path) != STDIO}
        return {name: quote(os.path.relpath(os.path.realpath(path), folder)) for name, path in paths.items()}


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options for outputs, which the command gets as ``outputs``."""

    @functools.wraps(command)
    def gathered(*args: Any, save: Path | None, old_save: Path | None, **given: Any) -> Any:
        save, pcap = save or old_save, given["pcap"]
        if save is None and pcap is not None and str(pcap) != STDIO:
            from fynx_scapy.keylog import KeyLog

            with misuse():
                save = KeyLog.folder_for(pcap)
        names = [name for name in Outputs.__slots__ if name != "save"]
        return command(*args, outputs=Outputs(save=save, **{name: given.pop(name) for name in names}), **given)

    found: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        found = option(found)
    return found


def _page(results: Sequence[Result], **told: Any) -> str:
    from fynx_scapy.report.page import render

    return render(results, **told)


def _json(results: Sequence[Result], **told: Any) -> str:
    from fynx_scapy.report.document import document

    return json.dumps(document(results, **told), indent=1) + "\n"


def _junit(results: Sequence[Result], *, command: str, seed: int | None, about: Mapping[str, str]) -> str:
    from fynx_scapy.report.junit import junit_xml
    from fynx_scapy.report.page import our_versions

    properties = {**our_versions(), **about, "command": command}
    return junit_xml(results, properties if seed is None else properties | {"seed": str(seed)})


def _markdown(results: Sequence[Result], **told: Any) -> str:
    from fynx_scapy.report.markdown import markdown

    return markdown(results, **told)


def _manifest(results: Sequence[Result], **told: Any) -> str:
    from fynx_scapy.report.baseline import manifest_text

    return manifest_text(results, **told)
