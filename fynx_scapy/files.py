# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads files of a limited size, in a limited time; writes files whole or not at all.

A new file in the same folder takes the old one's place when it is complete. Nothing half-written stays after an error,
Ctrl-C or on a full disk, and a file that is there stays until then. Of two programs that write the same file, the last
one to finish wins. A symbolic link is not followed. Devices and pipes are written directly.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import select
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeAlias

AnyPath: TypeAlias = "str | os.PathLike[str]"
"""The name of a file, as functions of Python take it."""

SECRET, PUBLIC = 0o600, 0o666
PATIENCE = 5.0
"""Seconds that we wait for what writes into a pipe that we read, all in all."""
_BUFFER = 1 << 18
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}
_LONGEST_NAME = 255
_LINK = "it is a symbolic link, and none is followed: name the file itself, or remove the link"


def read_octets(path: AnyPath, most: int) -> bytes:
    """The octets of a file; of a larger one, the first ``most`` and one more.

    A pipe, such as a shell makes of ``<(COMMAND)``, and a device have `PATIENCE` seconds to end, or to fill it: nobody
    waits for ever, whatever the name of a file leads to. Raises OSError if it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        unopened = stat.S_ISFIFO(os.fstat(handle).st_mode)  # nobody may have opened it to write
        found, end = bytearray(), time.monotonic() + PATIENCE
        while len(found) <= most:
            try:
                octets = os.read(handle, min(most + 1 - len(found), _BUFFER))
            except BlockingIOError:
                _wait(handle, path, end)
                continue
            if octets:
                found += octets
            elif not unopened or found:
                break
            else:
                _wait(handle, path, end)
                unopened = False
        return bytes(found)
    finally:
        os.close(handle)


def _wait(handle: int, path: AnyPath, end: float) -> None:
    """Until there is something to read, or nobody writes any more."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
        raise OSError(errno.ETIMEDOUT, f"it is a pipe or a device that did not end within {PATIENCE:g} s", path)


@contextmanager
def writing(path: AnyPath, *, secret: bool = False) -> Iterator[BinaryIO]:
    """A binary file to write. ``secret``: readable by its owner only (mode 600).

    Raises OSError, which names ``path``, if it cannot be written.
    """
    direct = _direct(path)
    if direct is not None:
        with _buffered(direct, path) as file:
            yield file
        return
    with replacing(path, secret=secret) as aside, _buffered(os.open(aside, os.O_WRONLY | os.O_CLOEXEC), path) as file:
        yield file


@contextmanager
def writing_text(path: AnyPath, *, secret: bool = False) -> Iterator[TextIO]:
    """A text file to write, in UTF-8, like `writing`."""
    with writing(path, secret=secret) as file:
        text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="\n")
        try:
            yield text
            text.flush()
        finally:
            with contextlib.suppress(OSError):  # after an error, what is left in the buffer fails once more
                text.detach()


def write_text(path: AnyPath, text: str, *, secret: bool = False) -> None:
    """Write a whole text file, like `writing`."""
    with writing_text(path, secret=secret) as file:
        file.write(text)


@contextmanager
def replacing(path: AnyPath, *, secret: bool = False) -> Iterator[Path]:
    """A new, empty file for a library that writes files by their name. At the end it takes the place of ``path``.

    A file that is replaced keeps its mode, unless ``secret`` asks for 600. Raises OSError, which names ``path``.
    """
    place = Path(path)
    with _naming(place):
        mode = _mode(place)
        aside = place.with_name(f".{_short(place.name)}.{secrets.token_hex(4)}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(aside, flags, SECRET if secret else PUBLIC))
    try:
        yield aside
        with _naming(place):
            if mode is not None and not secret:
                aside.chmod(mode)
            aside.replace(place)
    finally:
        aside.unlink(missing_ok=True)


def _short(name: str) -> str:
    """A name that leaves room for what is put around it, for a name may have 255 octets."""
    return os.fsdecode(os.fsencode(name)[: _LONGEST_NAME - len("..12345678.part")])


def _mode(place: Path) -> int | None:
    """The mode of the file that is there, None if there is none. OSError if it must not be replaced."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, _LINK)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return stat.S_IMODE(status.st_mode)


def _direct(path: AnyPath) -> int | None:
    """A descriptor of a device, a pipe or one of our own open files. None for a file that can be replaced."""
    with _naming(path):
        name = os.path.abspath(path)
        own = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", name)
        descriptor = _STANDARD.get(name, int(own[1]) if own else None)
        if descriptor is not None:
            if descriptor == 1 and sys.stdout is not None:
                sys.stdout.flush()
            return os.dup(descriptor)
        try:
            kind = os.lstat(path).st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind):
            return None
        return os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)


class _Named(io.FileIO):
    """A file whose errors name it, not the file that is written aside."""

    def __init__(self, descriptor: int, name: AnyPath) -> None:
        super().__init__(descriptor, "w")
        self._path = name

    def write(self, data: Any) -> int:
        with _naming(self._path):
            return super().write(data)

    def close(self) -> None:
        with _naming(self._path):
            super().close()


@contextmanager
def _buffered(descriptor: int, name: AnyPath) -> Iterator[BinaryIO]:
    raw = _Named(descriptor, name)
    file = io.BufferedWriter(raw, _BUFFER)
    try:
        yield file
        file.flush()
    finally:
        try:
            file.close()
        except OSError:
            raw.close()
            raise


@contextmanager
def _naming(path: AnyPath) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
