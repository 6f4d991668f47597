# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine whose programs are those of another root: a newer Debian suite's, with its own libraries.

The programs run in the network namespace, or the guest, of the machine below, and in a mount namespace of their own.
There the root is overlaid with a RAM disk, so that it is never written, and has the machine's /dev and /proc and the
lab's folder, under the same path as outside: a socket in it is reached from outside. It all ends with the lab.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from fynx_scapy.errors import LabError
from fynx_scapy.lab.peer import Machine, Program

_READY, _PATIENCE = "root.ready", 30.0
# $1 is the root, $2 the lab's folder, $3 a place for mounts in it. The paths in the options are relative, because they
# could not contain a comma or a colon.
_SETUP = """
set -eu
mount -t tmpfs -o mode=755 fynx "$3"
cd "$3"
mkdir lower upper work system
mount --bind "$1" lower
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work fynx system
mount --rbind /dev system/dev
mount --rbind /proc system/proc
mount -t tmpfs -o mode=755 fynx system/run
mkdir -p "system$2"
mount --bind "$2" "system$2"
echo $$ >"$2/root.ready.part"
mv "$2/root.ready.part" "$2/root.ready"
exec sleep infinity
"""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}


class Rooted:
    """The machine ``below`` with the programs of ``root``, for a lab with this folder. LabError when that fails."""

    def __init__(self, below: Machine, root: Path, folder: Path) -> None:
        self.below, self._system = below, folder / "root" / "system"
        (folder / "root").mkdir()
        output = (folder / "root.out").open("wb")
        words = ["unshare", "--mount", "--", "sh", "-c", _SETUP, "sh", str(root), str(folder), str(folder / "root")]
        with contextlib.ExitStack() as undo:
            undo.callback(output.close)
            self._holder: Program = below.popen(words, output=output)
            undo.callback(self._holder.kill)
            self._pid = self._ready(folder)
            self._undo = undo.pop_all()

    def _ready(self, folder: Path) -> int:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._holder.alive:
            if (folder / _READY).exists():
                return int((folder / _READY).read_text())
            time.sleep(0.005)
        fault = (folder / "root.out").read_text(errors="replace").strip() or "it says nothing"
        raise LabError(f"cannot set up the root of another suite: {fault}")

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", "--", "chroot", str(self._system), *argv]

    def run(self, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command of the root; returns its output. LabError when it fails."""
        return self.below.run(*self._inside(argv), text=text, env=_environment(env))

    def popen(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any]) -> Program:
        """Start a program of the root, whose output goes to a file in the lab's folder."""
        return self.below.popen(self._inside(argv), env=_environment(env), output=output)

    def close(self) -> None:
        """End what holds the mounts; they end with the last program in them."""
        self._undo.close()


def _environment(env: dict[str, str] | None) -> dict[str, str]:
    return (env or {}) | _ENVIRONMENT
