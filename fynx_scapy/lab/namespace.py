# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces and child processes that end with this process.

A namespace has no name in the file system; only an open file descriptor keeps it. So nothing is left behind, however
this process ends.
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
    "apt-cache": "apt",
    "apt-config": "apt",
    "apt-get": "apt",
    "charon-systemd": "charon-systemd",
    "conntrack": "conntrack",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "dpkg-query": "dpkg",
    "ip": "iproute2",
    "iperf3": "iperf3",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "swanctl": "strongswan-swanctl",
    "tcpdump": "tcpdump",
    "unshare": "util-linux",
}
"""The Debian and Ubuntu packages of the commands that a lab needs."""

PRIVILEGES = "run as root, or in a user namespace: unshare -Urnm"


def tool(name: str) -> str:
    """The path of a command; LabError, which says what to install, when it is missing."""
    # A user's PATH may lack the folders of daemons.
    path = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise LabError(f"the command {name} is missing; install it: apt-get install {PACKAGES.get(name, name)}")
    return path


class Namespace:
    """A network namespace with its loopback interface up. LabError when we may not create one."""

    def __init__(self) -> None:
        self._descriptor = -1
        with _elsewhere():
            if _LIBC.unshare(_CLONE_NEWNET):
                raise LabError(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}; {PRIVILEGES}")
            self._descriptor = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        self.ip("link set lo up")

    @property
    def path(self) -> str:
        """The path of this namespace as long as it exists, for ``nsenter --net=…``."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Move this thread into the namespace; sockets and processes made inside this context belong to it."""
        with _elsewhere():
            _enter(self._descriptor)
            yield

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this namespace; it may be used anywhere."""
        with self.entered():
            return socket.socket(family, kind, protocol)

    def run(self, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command in it with ``text`` as its input; returns its output. LabError when it fails."""
        with self.entered():
            try:
                done = subprocess.run([tool(argv[0]), *argv[1:]], input=text, env=env, capture_output=True, text=True)
            except OSError as error:
                raise LabError(f"cannot run {argv[0]}: {error.strerror}") from None
        if done.returncode:
            output = (done.stderr or done.stdout).strip()
            raise LabError(f"{' '.join(argv)} failed with status {done.returncode}: {output}")
        return done.stdout

    def ip(self, *commands: str) -> None:
        """Run commands of ip(8), all in one process."""
        self.run("ip", "-batch", "-", text="\n".join(commands) + "\n")

    def popen(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any] | int) -> Process:
        """Start a program in it that ends with this process."""
        with self.entered():
            return Process(argv, env=env, output=output)

    def close(self) -> None:
        """Release it; it ends with the last process in it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Process:
    """A child process that the kernel kills when this process ends, however that happens."""

    def __init__(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any] | int) -> None:
        us = os.getpid()

        def die_with_us() -> None:
            # Runs between fork and exec, so it must not take a lock.
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
        """Whether it still runs."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Its exit status, as soon as it has ended by itself."""
        return self._process.wait()

    def kill(self) -> None:
        """Kill it and its child processes."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self, seconds: float = 2.0) -> None:
        """Send SIGTERM; kill it if it still runs after so many seconds."""
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
    """Return to this thread's namespace at the end."""
    here = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        _enter(here)
        os.close(here)


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise LabError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}; {PRIVILEGES}")
