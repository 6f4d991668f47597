# SPDX-License-Identifier: GPL-2.0-or-later
"""Files are written whole or not at all, and never through a link; what is read ends, whatever a name leads to."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fynx_scapy import Session, files
from fynx_scapy.capture import Capture
from fynx_scapy.capture.scale import Results
from fynx_scapy.files import read_octets, replacing, write_text, writing, writing_text
from fynx_scapy.net import Recorder

OLD = "what was there\n"


@contextmanager
def at_most(octets: int) -> Iterator[None]:
    """No file may be longer, which is what a full disk looks like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    session, recorder = Session(psk="k", seed=4), Recorder()
    recorder.watch(session.network, "files")
    session.connect()
    session.ping()
    return recorder


def decrypted(recorder: Recorder, path: Path) -> None:
    source = path.with_name("source.pcapng")
    if not source.exists():
        recorder.save_capture(source)
    with Capture(source, recorder.keys()) as capture:
        capture.save_decrypted(path)


def parquet(_: Recorder, path: Path) -> None:
    pytest.importorskip("duckdb", reason="duckdb is not installed")
    Results().write(path.parent)


WRITERS: dict[str, tuple[str, Callable[[Recorder, Path], object]]] = {
    "text": ("a.txt", lambda _, path: write_text(path, "new\n" * 100)),
    "capture": ("a.pcapng", lambda recorder, path: recorder.save_capture(path)),
    "decrypted": ("plain.pcapng", decrypted),
    "key table": ("esp_sa", lambda recorder, path: recorder.keys().write(path)),
    "key tables": ("keys.json", lambda recorder, path: recorder.keys().save(path.parent)),
    "parquet": ("messages.parquet", parquet),
}
each_writer = pytest.mark.parametrize("writer", WRITERS)


def written(writer: str, recorder: Recorder, folder: Path, old: bool = True) -> tuple[Path, Callable[[], object]]:
    name, write = WRITERS[writer]
    path = folder / name
    decrypted(recorder, folder / "x") if writer == "decrypted" else None
    (folder / "x").unlink(missing_ok=True)
    if old:
        path.write_text(OLD)
    return path, lambda: write(recorder, path)


@each_writer
def test_a_full_disk_leaves_what_was_there(writer: str, recorder: Recorder, tmp_path: Path) -> None:
    path, write = written(writer, recorder, tmp_path)
    with at_most(100), pytest.raises(OSError) as error:  # noqa: PT011 -- the kinds of OSError differ
        write()
    if writer != "key tables":  # one of the others is written before
        assert error.value.filename == str(path) or writer == "parquet"
    assert path.read_text() == OLD
    assert not [each for each in tmp_path.iterdir() if each.name.endswith(".part")]


@each_writer
def test_a_link_is_not_followed(writer: str, recorder: Recorder, tmp_path: Path) -> None:
    path, write = written(writer, recorder, tmp_path, old=False)
    (tmp_path / "precious").write_text(OLD)
    for target in ("precious", "missing"):
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        with pytest.raises(OSError, match="symbolic link") as error:
            write()
        assert error.value.filename == str(path)
    assert (tmp_path / "precious").read_text() == OLD
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("writer", ["capture", "decrypted", "key table", "key tables"])
def test_keys_and_captures_are_their_owner_s(writer: str, recorder: Recorder, tmp_path: Path) -> None:
    path, write = written(writer, recorder, tmp_path)
    path.chmod(0o644)
    write()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() != OLD.encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(OLD)
    with pytest.raises(error), writing_text(path) as file:
        raise error(file.write("half"))
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o640)
    write_text(path, "two")
    assert (path.stat().st_mode & 0o777, path.read_text()) == (0o640, "two")


def test_the_last_of_two_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with writing_text(path) as first:
        first.write("first " * 10)
        with writing_text(path) as second:
            second.write("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first " * 10
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_of_255_octets(tmp_path: Path) -> None:
    for name in ("x" * 255, "ä" * 127):
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).read_text() == "new"


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.append(path.read_text()))
    reader.start()
    write_text(path, "through\n")
    reader.join()
    assert seen == ["through\n"]
    assert path.is_fifo()


def test_devices_are_written_directly(capfd: pytest.CaptureFixture[str]) -> None:
    write_text("/dev/null", "nothing")
    assert Path("/dev/null").is_char_device()
    write_text("/dev/stdout", "out\n")
    write_text("/dev/fd/2", "err\n")
    assert capfd.readouterr() == ("out\n", "err\n")
    with pytest.raises(OSError, match="No space left on device") as error, writing("/dev/full") as file:
        file.write(bytes(10))
    assert error.value.filename == "/dev/full"


@pytest.mark.parametrize("path", ["/proc/x", "/proc/x/y", "/dev/null/x", "/no such folder/x", "."])
def test_what_cannot_be_written_is_named(path: str) -> None:
    for write in (lambda: write_text(path, ""), lambda: replacing(path).__enter__()):
        with pytest.raises(OSError) as error:  # noqa: PT011 -- the kinds of OSError differ
            write()
        assert error.value.filename == path
        assert error.value.strerror


# What is read


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("written", [None, b"", b"some of it"])
def test_a_pipe_that_does_not_end(tmp_path: Path, written: bytes | None) -> None:
    """Nobody opens it to write, or somebody does and does not go on."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    held = [] if written is None else [os.open(path, os.O_RDWR)]
    for each in held:
        os.write(each, written or b"")
    with pytest.raises(OSError, match=r"a pipe or a device that did not end within 0\.05 s") as error:
        read_octets(path, 100)
    assert error.value.filename == path
    for each in held:
        os.close(each)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("octets", [b"x", bytes(range(256)) * 200])
def test_a_pipe_whose_writer_has_ended(octets: bytes) -> None:
    """What a shell makes of <(COMMAND)."""
    reading, writing_end = os.pipe()
    os.write(writing_end, octets)
    os.close(writing_end)
    assert read_octets(f"/dev/fd/{reading}", len(octets)) == octets
    os.close(reading)


def test_a_pipe_whose_writer_comes_later(tmp_path: Path) -> None:
    path, octets = tmp_path / "pipe", bytes(300_000)
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(octets,))
    writer.start()
    assert read_octets(path, 1 << 20) == octets
    writer.join()


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10))
    assert [len(read_octets(path, most)) for most in (8, 9, 10, 11)] == [9, 10, 10, 10]
    assert len(read_octets("/dev/zero", 1 << 20)) == (1 << 20) + 1
    assert read_octets("/dev/null", 5) == b""
    with pytest.raises(IsADirectoryError):
        read_octets(tmp_path, 5)
    with pytest.raises(FileNotFoundError):
        read_octets(tmp_path / "none", 5)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(IsADirectoryError):
        read_octets(tmp_path, 5)
    assert len(os.listdir("/proc/self/fd")) == len(before)
