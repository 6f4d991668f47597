# SPDX-License-Identifier: GPL-2.0-or-later
"""How commands open captures and write their results."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from fynx_scapy import files
from fynx_scapy.capture.reading.losses import several
from fynx_scapy.commands.options import KEY_FILES, STDIO
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from fynx_scapy.capture import Capture, KeyLog
    from fynx_scapy.capture.choice import Filter


class Unusable(click.ClickException):
    """A file that cannot be read or written, or that is not what it should be. The options are right: no usage line."""

    exit_code = 2


@contextmanager
def misuse() -> Iterator[None]:
    """Turn a file that is not a capture, or an impossible request, into one line and exit status 2."""
    try:
        yield
    except (CaptureError, ConfigError) as error:
        raise Unusable(str(error)) from None


def no_routes() -> None:
    """Keep Scapy from reading this machine's routes when it is imported: it takes time, and a reader sends nothing."""
    if "scapy.route" not in sys.modules:
        from scapy.config import conf

        conf.route_autoload = conf.route6_autoload = False


@contextmanager
def opened(
    path: Path, keys: KeyLog | None, ports: Sequence[int] = (), choice: Filter | None = None, *, entire: bool = False,
    none: bool = False,
) -> Iterator[Capture]:  # fmt: skip
    """Open a capture; - is stdin. On a terminal, each pass over it shows a progress bar on stderr.

    With ``choice``, it is what this filter takes of the capture, as `ChosenCapture` has it. To take nothing is
    misuse, unless ``none``.
    """
    from fynx_scapy.capture import Capture, KeyLog

    no_routes()
    source = stdin() if str(path) == STDIO else path
    keys = KeyLog() if keys is None else keys
    with misuse(), _progress(path) as progress, Capture(source, keys, ports=ports, progress=progress) as capture:
        if choice is None:
            yield capture
            return
        from fynx_scapy.capture.chosen import ChosenCapture

        try:
            chosen = ChosenCapture(capture, choice, entire=entire)
        except ConfigError as error:
            raise Unusable(f"{printable(path.name)}: {error}") from None
        if not none:
            some(chosen.taken, chosen.total)
        yield chosen


def some(taken: int, total: int) -> None:
    """Raises Unusable if a filter took nothing: then nothing was shown or judged."""
    if not taken:
        raise Unusable(f"the filter takes none of {several(total, 'IPsec packet')}")


@contextmanager
def _progress(path: Path) -> Iterator[Callable[[int | None], None] | None]:
    """What shows a bar on a terminal while a pass runs, and nothing between passes, when there is output."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    known = None if str(path) == STDIO or path.suffix == ".gz" else path.stat().st_size
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    bar = progress.add_task(escape(printable(path.name)), total=known)

    def show(offset: int | None) -> None:
        if offset is None:
            progress.stop()
        else:
            progress.start()
            progress.update(bar, completed=offset)

    try:
        yield show
    finally:
        progress.stop()


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """A path that can be opened more than once: for -, a temporary file with all of stdin."""
    if str(path) != STDIO:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="stdin-") as kept:
        try:
            shutil.copyfileobj(stdin(), kept, 1 << 20)
            kept.flush()
        except OSError as error:
            raise Unusable(f"cannot copy stdin to {kept.name}: {error.strerror}") from None
        yield Path(kept.name)


# -- output -----------------------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path, *, secret: bool = False) -> Iterator[TextIO]:
    """A text file to write, or stdout for -. It appears when it is complete, and its missing folders are made."""
    if str(path) == STDIO:
        yield sys.stdout
        return
    with written(path), files.writing_text(path, secret=secret) as file:
        yield file


@contextmanager
def writing_octets(path: Path, *, secret: bool = False) -> Iterator[BinaryIO]:
    """A binary file to write, or stdout for -, like `writing`."""
    if str(path) == STDIO:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with written(path), files.writing(path, secret=secret) as file:
        yield file


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Make the folder of an output. A file that cannot be written is one line and exit status 2."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:  # stdout: cli.py handles it for every command
            raise
        raise Unusable(f"cannot write {printable(str(error.filename))}: {error.strerror}") from None


class SeveralOutputs:
    """Several outputs of one command: where one cannot be written, stderr says so, and the others still are."""

    status = 0

    @contextmanager
    def each(self) -> Iterator[None]:
        """Write one output in this context. ``status`` is that of the command once one has failed."""
        try:
            yield
        except Unusable as error:
            error.show()
            self.status = error.exit_code


Outputs = Mapping[str, Path | None]
"""The option's name -> its file, or None."""


def check_outputs(outputs: Outputs, captures: Iterable[Path], given: Mapping[str, Any] | None = None) -> None:
    """Before anything is read: no output may be an input, and no two outputs one file, by whatever path.

    ``given`` are the key options. Without them, the keys beside the captures are inputs too. Raises UsageError.
    """
    inputs = {_identity(path): path for path in _inputs(list(captures), given or {})}
    taken: dict[Any, str] = {}
    for option, output in outputs.items():
        for path in _files(option, output):
            if _special(path):
                continue
            told = "stdout" if str(path) == STDIO else printable(str(path))
            same = inputs.get(_identity(path, to_write=True))
            if same is not None:
                which = "" if str(same) == str(path) else f": it is {printable(str(same))}"
                raise click.UsageError(
                    f"{option} {told} is an input of this command{which}, so it cannot be an output: name another file"
                )
            if option == "--json" and _is_capture(path):
                raise click.UsageError(
                    f"--json would replace the capture {printable(str(path))}: its FILE may be left out, so put --json "
                    "after the captures"
                )
            if option == "--output" and str(path) == STDIO:
                continue  # the default; what else goes to stdout takes its place
            place = STDIO if str(path) == STDIO else os.path.realpath(path)
            other = taken.setdefault(place, option)
            if other != option:
                raise click.UsageError(f"{other} and {option} both write to {told}: name another file for one of them")


def check_places(outputs: Outputs) -> None:
    """Before a program that runs for long, and writes at its end: each output has a place. Raises UsageError."""
    for option, output in outputs.items():
        for path in _files(option, output):
            if str(path) == STDIO or _special(path):
                continue
            place = next(folder for folder in path.absolute().parents if folder.exists())
            if not (place.is_dir() and os.access(place, os.W_OK)):
                told, where = printable(str(path)), printable(str(place))
                raise click.UsageError(
                    f"{option} cannot write {told}: expected a folder that we may write, found {where}"
                )


def _is_capture(path: Path) -> bool:
    """Whether it is a capture: ``--json run.pcapng`` may be meant as a flag before a capture."""
    from fynx_scapy.capture.reading.blocks import batches

    try:
        next(batches(path), None)
    except CaptureError:
        return False
    return True


def _files(option: str, path: Path | None) -> list[Path]:
    """The files that an option writes."""
    if path is None:
        return []
    if option == "--save" and str(path) != STDIO:
        from fynx_scapy.keylog import ESP_TABLE, IKE_TABLE, JSON_KEYS

        return [path / name for name in (ESP_TABLE, IKE_TABLE, JSON_KEYS)]
    return [path]


def _inputs(captures: list[Path], given: Mapping[str, Any]) -> Iterator[Path]:
    from fynx_scapy.keylog import KeyLog

    named = [*captures, *(path for name in KEY_FILES for path in given.get(name, ()))]
    if not given.get("keys"):
        named += [path for capture in captures if str(capture) != STDIO for path in KeyLog.places_beside(capture)]
    for path in named:
        if str(path) != STDIO and path.is_dir():
            yield from (each for each in path.rglob("*") if each.is_file())
        else:
            yield path


def _identity(path: Path, to_write: bool = False) -> object:
    """The same for two paths of one file: device and inode. stdin and stdout have one if they are files."""
    try:
        if str(path) != STDIO:
            status = path.stat()
        elif to_write:
            status = os.fstat(sys.stdout.fileno())
        else:
            status = os.fstat(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):  # missing, or in memory, or closed
        return path, to_write
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else (path, to_write)


def _special(path: Path) -> bool:
    """Whether it is a device or a pipe, which several outputs may share."""
    with contextlib.suppress(OSError):
        return str(path) != STDIO and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir()
    return False


def save_keys(keys: KeyLog, place: Path) -> list[Path]:
    """Write key tables into a folder, and return their paths. For -, write our keys.json to stdout."""
    if str(place) == STDIO:
        click.echo(keys.text(), nl=False)
        return []
    with written(place):
        return keys.save(place)


def stdin() -> BinaryIO:
    """Standard input, which may be closed."""
    if sys.stdin is None:
        raise Unusable("cannot read stdin: it is closed")
    return sys.stdin.buffer


def console(file: Any = None) -> Console:
    """A console for tables. If the output is not a terminal, the width is fixed so that columns are not cut."""
    from rich.console import Console as Rich

    class _Console(Rich):
        def on_broken_pipe(self) -> None:
            raise  # Rich would handle the BrokenPipeError here; cli.py handles it for every command

    target = sys.stdout if file is None else file
    return _Console(file=target, highlight=False, width=None if target.isatty() else 160)
