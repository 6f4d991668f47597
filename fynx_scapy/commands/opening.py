# SPDX-License-Identifier: GPL-2.0-or-later
"""How commands open captures and write their results."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from fynx_scapy.commands.options import STDIO
from fynx_scapy.errors import CaptureError, ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from fynx_scapy.capture import Capture, KeyLog


@contextmanager
def misuse() -> Iterator[None]:
    """Turn a file that is not a capture, or an impossible request, into a usage error: exit status 2."""
    try:
        yield
    except (CaptureError, ConfigError) as error:
        raise click.UsageError(str(error)) from None


def no_routes() -> None:
    """Keep Scapy from reading this machine's routes when it is imported: it takes time, and a reader sends nothing."""
    if "scapy.route" not in sys.modules:
        from scapy.config import conf

        conf.route_autoload = conf.route6_autoload = False


@contextmanager
def opened(path: Path, keys: KeyLog | None, ports: Sequence[int] = ()) -> Iterator[Capture]:
    """Open a capture; - is stdin. On a terminal, each pass over it shows a progress bar on stderr."""
    from fynx_scapy.capture import Capture, KeyLog

    no_routes()
    source = sys.stdin.buffer if str(path) == STDIO else path
    keys = KeyLog() if keys is None else keys
    with misuse(), _progress(path) as progress, Capture(source, keys, ports=ports, progress=progress) as capture:
        yield capture


@contextmanager
def _progress(path: Path) -> Iterator[Callable[[int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from fynx_scapy.text import printable

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    known = None if str(path) == STDIO or path.suffix == ".gz" else path.stat().st_size
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(escape(printable(path.name)), total=known)
        yield lambda offset: progress.update(bar, completed=offset)


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """A path that can be opened more than once: for -, a temporary file with all of stdin."""
    if str(path) != STDIO:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="stdin-") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept, 1 << 20)
        kept.flush()
        yield Path(kept.name)


@contextmanager
def writing(path: Path, *inputs: Path) -> Iterator[TextIO]:
    """A text file to write, or stdout for -. Raises UsageError if it cannot be written or is one of the ``inputs``."""
    if str(path) == STDIO:
        yield sys.stdout
        return
    not_over(path, *inputs)
    try:
        file = path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from None
    with file:
        yield file


def not_over(path: Path, *inputs: Path) -> None:
    """Raises UsageError if the output file is one of the inputs."""
    if any(str(source) != STDIO and path.exists() and path.samefile(source) for source in inputs):
        raise click.UsageError(f"{path} is an input of this command, so it cannot be the output: name another file")


def console(file: Any = None) -> Console:
    """A console for tables. If the output is not a terminal, the width is fixed so that columns are not cut."""
    from rich.console import Console as Rich

    class _Console(Rich):
        def on_broken_pipe(self) -> None:
            raise  # Rich would handle the BrokenPipeError here; cli.py handles it for every command

    target = sys.stdout if file is None else file
    return _Console(file=target, highlight=False, width=None if target.isatty() else 160)
