# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces that end with this process, and child processes that do too.

A namespace has no name in the file system: an open descriptor keeps it. So nothing is left behind, however we end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from fynx_scapy.errors import LabError

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1

PACKAGES = {
    "charon-systemd": "charon-systemd",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "swanctl": "strongswan-swanctl",
    "tcpdump": "tcpdump",
    "unshare": "util-linux",
}
"""Where Debian and Ubuntu have the commands that a lab is made of."""

PRIVILEGES = "run as root, or in a user namespace of your own: unshare -Urnm"


def tool(name: str) -> str:
    """The path of a command; LabError, which says what to install, where it is not to be found."""
    # Daemons lie in folders that a user's PATH need not have.
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise LabError(f"the command {name} is missing; to have it: apt-get install {PACKAGES.get(name, name)}")
    return found


class Namespace:
    """A network namespace with its loopback up. LabError where we may not make one."""

    def __init__(self) -> None:
        self._descriptor = -1
        with _elsewhere():
            if _LIBC.unshare(_CLONE_NEWNET):
                raise LabError(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}; {PRIVILEGES}")
            self._descriptor = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        self.ip("link set lo up")

    @property
    def path(self) -> str:
        """A file that is this namespace, as long as it lives: for ``nsenter --net=…``."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in it with this thread, and with what it opens and starts meanwhile."""
        with _elsewhere():
            _enter(self._descriptor)
            yield

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this namespace, wherever it is used afterwards."""
        with self.entered():
            return socket.socket(family, kind, protocol)

    def run(self, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command in it to its end, ``text`` being what it reads; returns its output. LabError when it fails."""
        with self.entered():
            try:
                done = subprocess.run([tool(argv[0]), *argv[1:]], input=text, env=env, capture_output=True, text=True)
            except OSError as error:
                raise LabError(f"cannot run {argv[0]}: {error.strerror}") from None
        if done.returncode:
            raise LabError(f"{' '.join(argv)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def ip(self, *commands: str) -> None:
        """Carry out commands of ip(8), all in one process."""
        self.run("ip", "-batch", "-", text="\n".join(commands) + "\n")

    def popen(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any] | int) -> Process:
        """Start a program in it that dies with us."""
        with self.entered():
            return Process(argv, env=env, output=output)

    def close(self) -> None:
        """Let it go: with the last process in it, it ends."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Process:
    """A child that the kernel kills when we end, however that happens."""

    def __init__(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any] | int) -> None:
        us = os.getpid()

        def die_with_us() -> None:
            # Between fork and exec, so nothing here may take a lock.
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != us:
                os._exit(1)

        self.name = Path(argv[0]).name
        try:
            self._process = subprocess.Popen(
                [tool(argv[0]), *argv[1:]],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_us,
            )
        except OSError as error:
            raise LabError(f"cannot start {argv[0]}: {error.strerror}") from None

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, and what it has started."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self, seconds: float = 2.0) -> None:
        """Ask it to end; kill it when it has not within so many seconds."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Come back to the namespace that this thread was in."""
    here = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        _enter(here)
        os.close(here)


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise LabError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}; {PRIVILEGES}")
