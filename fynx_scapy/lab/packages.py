# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages for guests: downloaded with apt-get, unpacked into a cache, and never installed.

So a guest's kernel does not become this machine's, and a daemon does not replace another with which it conflicts.
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
"""The files to unpack. All other packages: /usr and /etc, so that they can be overlaid on a file system."""


def cache() -> Path:
    """The folder of unpacked packages; XDG_CACHE_HOME moves it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fynx-scapy" / "guest"


def package(name: str) -> Path:
    """The folder of an unpacked package, with its dependencies. LabError, which says what to do, when it is missing."""
    place = cache() / name
    if not place.is_dir():
        raise LabError(f"the package {name} is not in {cache()}; download it: fynx lab fetch")
    return place


def fetch(name: str) -> Path:
    """Download and unpack a package, unless it is there. LabError with the output of apt-get when that fails."""
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
        if name == KERNEL:  # a metapackage for the newest kernel
            output = _run(tool("apt-cache"), "depends", name)
            wanted = [line.split()[-1] for line in output.splitlines() if "Depends: linux-image-" in line]
        _run(tool("apt-get"), "download", "-qq", *wanted, where=draft / "archives")
        return
    # With its dependencies. Conflicts do not matter, because nothing will be installed.
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
    parts = [pattern for pattern in kept if any(Path(m).match(pattern) or m == f"{pattern}/" for m in members)]
    if parts:
        _run("tar", "-xf", str(data), "-C", str(root), "--no-same-owner", "--wildcards", *parts)
    data.unlink()


def _unpacked_kernel(image: Path) -> bytes:
    """The uncompressed kernel of a bzImage. QEMU boots it directly, which saves seconds of decompression."""
    data = image.read_bytes()
    try:
        return lzma.LZMADecompressor().decompress(data[data.index(b"\xfd7zXZ\0") :])
    except (ValueError, lzma.LZMAError):
        raise LabError(f"expected a kernel compressed with xz in {image}, found another format") from None


def _run(*words: str, where: Path | None = None) -> str:
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(words)} failed with status {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout
