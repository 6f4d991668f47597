# SPDX-License-Identifier: GPL-2.0-or-later
"""How a page of ours does in headless Chromium, on a desktop and on a phone: times, and whether it scrolls sideways.

>>> python -m tools.browser out/demo.html --pictures out/

It speaks the DevTools protocol over a pipe, so it needs no package: only the program ``chromium``.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

WIDTHS = (1280, 390)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MOST_SECONDS = 1.0
"""A page is usable within this time: loaded, and the first click answered."""

# Opens the first closed thing on the page, and waits for the frame that shows it.
_CLICK = """new Promise(done => {
  const closed = [...document.querySelectorAll("details:not([open]) > summary")].find(each => each.offsetParent);
  const begin = performance.now();
  if (closed) closed.click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin), 0));
})"""
SEARCH = """new Promise(done => {
  const search = document.querySelector("input[type=search]");
  const begin = performance.now();
  if (search) { search.value = "child"; search.dispatchEvent(new Event("input", {bubbles: true})); }
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin), 0));
})"""
_CLEAR = """(() => { const search = document.querySelector("input[type=search]");
  if (search) { search.value = ""; search.dispatchEvent(new Event("input", {bubbles: true})); } })()"""
_LOAD = """(async () => {
  if (typeof ready !== "undefined") await ready;
  const begun = [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByName("ready")];
  return Math.max(...begun.map(each => each.loadEventEnd ?? each.startTime));
})()"""
WIDEST = "document.documentElement.scrollWidth"
_ELEMENTS = "document.getElementsByTagName('*').length"
# Opens a whole scenario, down to the first message, as a reader does.
OPEN = """(async () => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
  for (const path of [".story", ".conversation", ".ladder details.row"]) {
    const closed = [...document.querySelectorAll(path)].find(each => !each.open && each.offsetParent);
    if (closed) { closed.open = true; await frame(); await frame(); }
  }
  (document.querySelector(".ladder") ?? document.body).scrollIntoView({behavior: "instant"});
  await frame();
})()"""


def program() -> str | None:
    """Where Chromium is, if it is installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a page: times in seconds, its width as shown, and how many elements it had at first."""

    width: int
    load: float
    click: float
    search: float
    widest: int
    elements: int

    @property
    def usable(self) -> float:
        """The seconds until the first click was answered."""
        return self.load + self.click

    @property
    def good(self) -> bool:
        """Whether the page was usable in time and does not scroll sideways."""
        return self.usable < MOST_SECONDS and self.widest <= self.width


class Browser:
    """A connection to a headless Chromium with one page."""

    def __init__(self, commands: RawIOBase, answers: RawIOBase) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._session, self._rest = 0, "", b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait(self, event: str) -> None:
        """Wait for an event."""
        while self._read().get("method") != event:
            pass

    def evaluate(self, script: str) -> Any:
        """The value of a script in the page."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    def visit(self, page: Path, width: int) -> Visit:
        """Load a page at a width, click and search."""
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait("Page.loadEventFired")
        load = self.evaluate(_LOAD) / 1000
        elements = self.evaluate(_ELEMENTS)
        click = self.evaluate(_CLICK) / 1000
        search = self.evaluate(SEARCH) / 1000
        self.evaluate(_CLEAR)
        return Visit(width, load, click, search, self.evaluate(WIDEST), elements)

    def picture(self, path: Path) -> None:
        """Save what is shown now."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = self._answers.read(1 << 20)
            if not more:
                raise RuntimeError("Chromium has ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


@contextmanager
def browser(found: str) -> Iterator[Browser]:
    """Start Chromium, and end it again."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        words = [found, "--headless=new", "--remote-debugging-pipe", "--disable-gpu", f"--user-data-dir={profile}"]
        words += ["--no-sandbox"] if os.geteuid() == 0 else []
        # It reads commands from descriptor 3 and writes answers to 4. Not every sh takes descriptors of two digits.
        shell = ["bash", "-c", f'exec 3<&{theirs_in} 4>&{theirs_out}; exec "$@"', "bash", *words]
        process = subprocess.Popen(
            shell, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        with os.fdopen(ours_out, "wb", 0) as commands, os.fdopen(ours_in, "rb", 0) as answers:
            try:
                yield Browser(commands, answers)
            finally:
                process.terminate()
                process.wait(10)


def main(words: Sequence[str] | None = None) -> int:
    """Measure a page, and print a line for each width."""
    parser = argparse.ArgumentParser(prog="python -m tools.browser", description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="save what it looks like into this folder")
    given = parser.parse_args(words)
    found = program()
    if found is None:
        print(f"skipped: none of {', '.join(PROGRAMS)} is installed", file=sys.stderr)
        return 0
    print(f"{given.page}: {given.page.stat().st_size / 1e6:.2f} MB")
    good = True
    with browser(found) as made:
        for width in WIDTHS:
            visit = made.visit(given.page, width)
            good = good and visit.good
            print(
                f"{width} px: loaded in {visit.load:.2f} s, first click answered in {visit.click:.3f} s, first search "
                f"in {visit.search:.3f} s, {visit.elements} elements at first, {visit.widest} px wide"
            )
            if given.pictures is not None:
                name = f"{given.page.stem}-{width}"
                made.picture(given.pictures / f"{name}.png")
                made.evaluate(OPEN)
                made.picture(given.pictures / f"{name}-open.png")
                print(f"  opened: {made.evaluate(WIDEST)} px wide")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
