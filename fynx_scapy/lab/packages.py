# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's packages for guests: downloaded with apt-get, unpacked into a cache, and never installed.

So a kernel does not become this machine's, and a daemon does not replace another one that it conflicts with.
"""

from __future__ import annotations

import fcntl
import lzma
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fynx_scapy.errors import LabError
from fynx_scapy.lab.namespace import tool

KERNEL, BUSYBOX = "linux-image-amd64", "busybox-static"
IMAGE = "vmlinux"
_KEPT = {KERNEL: ("./boot/vmlinuz-*", "./lib/modules"), BUSYBOX: ("./bin/busybox",)}
"""What is unpacked; of all others, what lies in /usr and /etc, so that they can be laid over a file system."""


def cache() -> Path:
    """Where packages are unpacked; XDG_CACHE_HOME moves it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fynx-scapy" / "guest"


def package(name: str) -> Path:
    """Where a package is unpacked, with what it depends on; LabError, which says what to do, where it is not."""
    place = cache() / name
    if not place.is_dir():
        raise LabError(f"the package {name} is not in {cache()}; to have it: fynx lab fetch")
    return place


def fetch(name: str) -> Path:
    """Download a package and unpack it, unless it is there already. LabError with what apt-get says when it fails."""
    place = cache() / name
    with _alone():
        if not place.is_dir():
            draft = cache() / f".{name}"
            shutil.rmtree(draft, ignore_errors=True)
            (draft / "archives" / "partial").mkdir(parents=True)
            _download(name, draft)
            for archive in sorted(draft.glob("archives/*.deb")):
                _unpack(archive, draft / "root", _KEPT.get(name, ("./usr", "./etc")))
            if name == KERNEL:
                (modules,) = (draft / "root/lib/modules").iterdir()
                _run(tool("depmod"), "--basedir", str(draft / "root"), modules.name)
                (image,) = (draft / "root/boot").iterdir()
                (draft / "root" / IMAGE).write_bytes(_unpacked_kernel(image))
            (draft / "root").rename(place)
            shutil.rmtree(draft)
    return place


@contextmanager
def _alone() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    descriptor = os.open(cache(), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _download(name: str, draft: Path) -> None:
    if name in _KEPT:
        wanted = [name]
        if name == KERNEL:  # it is only the name of the newest
            told = _run(tool("apt-cache"), "depends", name)
            wanted = [line.split()[-1] for line in told.splitlines() if "Depends: linux-image-" in line]
        _run(tool("apt-get"), "download", "-qq", *wanted, where=draft / "archives")
        return
    # With what it depends on, and with no regard to what it conflicts with: nothing is going to be installed.
    _run(
        tool("apt-get"), "install", "-qq", "--yes", "--download-only", "--no-install-recommends",
        "-o", "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={draft / 'archives'}", name,
    )  # fmt: skip


def _unpack(archive: Path, root: Path, kept: tuple[str, ...]) -> None:
    root.mkdir(exist_ok=True)
    data = archive.with_suffix(".tar")
    with data.open("wb") as file:
        subprocess.run([tool("dpkg-deb"), "--fsys-tarfile", str(archive)], stdout=file, check=True)
    members = _run("tar", "-tf", str(data)).splitlines()
    parts = [pattern for pattern in kept if any(Path(each).match(pattern) or each == f"{pattern}/" for each in members)]
    if parts:
        _run("tar", "-xf", str(data), "-C", str(root), "--no-same-owner", "--wildcards", *parts)
    data.unlink()


def _unpacked_kernel(image: Path) -> bytes:
    """The kernel within a bzImage: QEMU starts it as it is, and need not compute for seconds to unpack it."""
    data = image.read_bytes()
    try:
        return lzma.LZMADecompressor().decompress(data[data.index(b"\xfd7zXZ\0") :])
    except (ValueError, lzma.LZMAError):
        raise LabError(f"expected a kernel that is compressed with xz, found something else in {image}") from None


def _run(*words: str, where: Path | None = None) -> str:
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout
