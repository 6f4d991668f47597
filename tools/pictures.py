# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the pictures of the report that the documents show, in headless Chromium: ``scripts/pictures``.

The run is part of the catalogue, against an embedded peer with a fault. Its seed makes it the same each time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fynx_scapy import Endpoint, scenarios
from fynx_scapy.harness import Result, run
from fynx_scapy.harness.worlds.embedded import EmbeddedWorld
from fynx_scapy.report.page import render
from fynx_scapy.taps import Outgoing
from tools.browser import PROGRAMS, Browser, browser, program

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
CATALOGUE = "negative/header"
WIDTH, HEIGHT = 1280, 860
SCALE = 1


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture: its name, the colour scheme, and what is done on the page before it is taken."""

    name: str
    scheme: str
    script: str = ""


# Like a reader: choose a verdict, open the first case that is shown, and its conversation.
FILTER = """(() => { const select = document.querySelector("[data-facet=verdict]");
  select.value = "FAIL"; select.dispatchEvent(new Event("input", {bubbles: true})); })()"""
OPEN = """(async () => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
  const section = document.querySelector("section.scenario:not([hidden])");
  for (const path of ["details.story", "details.conversation"]) {
    const closed = section.querySelector(path);
    closed.open = true; await frame(); await frame();
  }
  section.scrollIntoView({behavior: "instant"}); await frame();
})()"""
SHOTS = (
    Shot("report-light", "light"),
    Shot("report-dark", "dark"),
    Shot("case-light", "light", f"{FILTER}; {OPEN}"),
    Shot("case-dark", "dark", f"{FILTER}; {OPEN}"),
)


def faulty(endpoint: Endpoint) -> None:
    """Have a peer answer with the major version that it was asked with, which RFC 7296 section 2.5 forbids."""

    def as_asked(message: Outgoing) -> None:
        if any("MAJOR_VERSION" in str(payload.summary()) for payload in message.payloads):
            message.header.version = 0x30

    endpoint.taps.add("payloads", as_asked)


def results() -> list[Result]:
    """The run that is shown."""
    chosen = scenarios.chosen([CATALOGUE])
    world = EmbeddedWorld(prepare=faulty)
    return [run(scenario, seed=7, role=role, world=world) for scenario in chosen for role in scenario.roles]


def page() -> str:
    """Its report."""
    about = {"date": "2026-01-01 12:00:00 UTC", "the peer": "an embedded one that answers with the version it is sent"}
    files = {"the capture": "run.pcapng", "its keys": "run.keys"}
    command = f"fynx run {CATALOGUE} --seed 7"
    return render(results(), seed=7, command=command, about=about, files=files)


def take(found: str, path: Path, folder: Path, shots: Sequence[Shot] = SHOTS) -> Iterator[tuple[Shot, Browser]]:
    """Take each picture of a page, and yield it with the browser that shows it still."""
    folder.mkdir(parents=True, exist_ok=True)
    with browser(found) as made:
        for shot in shots:
            features = [{"name": "prefers-color-scheme", "value": shot.scheme}]
            made.call("Emulation.setEmulatedMedia", features=features)
            made.visit(path, WIDTH)
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": SCALE, "mobile": False}
            made.call("Emulation.setDeviceMetricsOverride", **size)
            made.evaluate("scrollTo({top: 0, behavior: 'instant'}); all('details.story').forEach(d => d.open = false)")
            if shot.script:
                made.evaluate(shot.script)
            made.picture(folder / f"{shot.name}.png")
            yield shot, made


def main() -> int:
    """Write the pictures into docs/pictures/."""
    found = program()
    if found is None:
        print(f"expected one of {', '.join(PROGRAMS)} to be installed, found none", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(page(), encoding="utf-8")
        for shot, _ in take(found, path, FOLDER):
            print(FOLDER / f"{shot.name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
