# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest: a virtual machine with its own Linux kernel, so that the peer has kernel ESP even if this machine has none.

It runs in QEMU, with KVM if available. Its root file system is this machine's, read-only, overlaid with packages that
are not installed here. What it writes is lost when it ends, except in the lab's folder. It is managed over a separate
network, by `agent`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import re
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from fynx_scapy.errors import LabError
from fynx_scapy.lab.agent import PORT, READY
from fynx_scapy.lab.namespace import Namespace, Process
from fynx_scapy.lab.packages import BUSYBOX, IMAGE, KERNEL, package
from fynx_scapy.lab.peer import write
from fynx_scapy.lab.topology import GUEST, LAB, WAN, Topology
from fynx_scapy.net.ports import SocketHosts

QEMU = "qemu-system-x86_64"
_MODULES = (
    "virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_net", "xfrm_user", "af_key", "esp4", "esp6",
)  # fmt: skip
_MEMORY = "384M"
_ROOTS = "/roots"
"""Where a guest has the roots of other suites."""
_PATIENCE = 120.0
"""In seconds; so long for machines without KVM."""


class Guest:
    """A guest on both links of a topology; ``folder`` is the lab's. LabError when it does not boot."""

    def __init__(
        self,
        topology: Topology,
        folder: Path,
        packages: Sequence[str] = (),
        *,
        roots: Sequence[Path] = (),
        mtu: int = 1500,
    ) -> None:
        self.topology, self.folder, self._packages = topology, folder, tuple(packages)
        self._roots = {path.name: path for path in roots}
        self._namespace: Namespace = topology.ours.namespace
        kernel = package(KERNEL)
        (modules,) = (kernel / "lib/modules").iterdir()
        needed = list(closure(modules, _MODULES))
        boot = write(
            folder, "guest-boot", "guest-boot.j2",
            modules=[path.name for path in needed], shared=folder, init="guest-init",
            packages=packages, roots=self._roots, at=_ROOTS,
        )  # fmt: skip
        write(
            folder, "guest-init", "guest-init.j2",
            modules=modules.parent, ours=topology.ours, theirs=topology.theirs, address=GUEST, mtu=mtu,
            python=sys.executable, path=Path(__file__).parents[2], shared=folder,
        )  # fmt: skip
        (folder / "initrd").write_bytes(disk(boot, package(BUSYBOX) / "bin/busybox", needed))
        self._console = (folder / "console").open("wb")
        self.process: Process = self._namespace.popen(
            self._command(kernel / IMAGE), env={"PATH": os.environ.get("PATH", "")}, output=self._console
        )
        try:
            self.kernel = self._ready()
        except LabError:
            self.close()
            raise

    def _command(self, image: Path) -> list[str]:
        def share(tag: str, path: object, more: str) -> list[str]:
            return ["-virtfs", f"local,mount_tag={tag},path={path},security_model=none,multidevs=remap{more}"]

        def wire(number: int, device: str) -> list[str]:
            return [
                "-netdev", f"tap,id={device},ifname={device},script=no,downscript=no",
                "-device", f"virtio-net-pci,netdev={device},mac=52:54:00:00:00:{number:02x},romfile=",
            ]  # fmt: skip

        return [
            QEMU, *_accelerator(), "-cpu", "max", "-m", _MEMORY, "-smp", "1",
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
            "-kernel", str(image), "-initrd", str(self.folder / "initrd"),
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init",
            *share("root", "/", ",readonly=on"), *share("lab", self.folder, ""),
            *itertools.chain.from_iterable(share(name, package(name), ",readonly=on") for name in self._packages),
            *itertools.chain.from_iterable(share(*root, ",readonly=on") for root in self._roots.items()),
            *wire(1, WAN), *wire(2, LAB),
        ]  # fmt: skip

    def root(self, name: str) -> Path:
        """Where it has the root of another suite with that name. LabError when it was booted without."""
        if name not in self._roots:
            raise LabError(f"expected a guest that was booted with the root {name}, found one without")
        return Path(_ROOTS, name)

    def _ready(self) -> str:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.process.alive:
            with contextlib.suppress(OSError):
                release = (self.folder / READY).read_text()
                if release:
                    return release
            time.sleep(0.01)
        raise LabError(f"the guest did not boot: {self._tail()}")

    def _tail(self) -> str:
        lines = (self.folder / "console").read_text(errors="replace").split("\n")
        return " / ".join(lines[-4:]).strip() or "its console is empty"

    def close(self) -> None:
        """Switch it off."""
        self.process.kill()
        self._console.close()

    # Requests

    def connect(self, port: int) -> socket.socket:
        """A connection to one of its ports, over the management network. OSError when nothing listens."""
        made = self._namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(_PATIENCE)
        try:
            made.connect((GUEST, port))
        except OSError:
            made.close()
            raise
        return made

    @contextlib.contextmanager
    def _asked(self, op: str, **values: Any) -> Iterator[tuple[socket.socket, dict[str, Any]]]:
        try:
            connection = self.connect(PORT)
        except OSError as error:
            raise LabError(f"the guest does not answer: {error}; {self._tail()}") from None
        with connection:
            connection.sendall(json.dumps({"op": op, **values}).encode() + b"\n")
            # Unbuffered, because the caller reads what follows the line.
            with connection.makefile("rb", buffering=0) as lines:
                line = b"".join(iter(functools.partial(lines.read, 1), b"\n")) if op == "probe" else lines.read()
            answer = json.loads(line or b'{"error": "it closed the connection"}')
            if "error" in answer:
                raise LabError(f"the guest cannot {op}: {answer['error']}")
            yield connection, answer

    def ask(self, op: str, **values: Any) -> dict[str, Any]:
        """Send a request to its agent; returns the answer. LabError when it does not answer, or reports an error."""
        with self._asked(op, **values) as (_, answer):
            return answer

    def run(self, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command in it with ``text`` as its input; returns its output. LabError when it fails."""
        # Long, because the first call of a program reads all its libraries through the shared file system; but not as
        # long as we wait for the answer, so that it says which command was too slow.
        done = self.ask("run", words=argv, text=text, env=env, seconds=_PATIENCE - 10)
        if done["status"]:
            output = (done["errors"] or done["output"]).strip()[-400:]
            raise LabError(f"in the guest, {' '.join(argv)} failed with status {done['status']}: {output}")
        return str(done["output"])

    def reset(self) -> None:
        """Delete the SAs, policies and routes in its kernel, because a killed peer has not."""
        if self.process.alive:
            self.run("bash", "-c", "ip xfrm state flush; ip xfrm policy flush; ip route flush table 220; true")

    def popen(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any]) -> GuestProcess:
        """Start a program in it; ``output`` is a file in the lab's folder."""
        return GuestProcess(self, self.ask("start", words=argv, env=env, output=output.name)["pid"])

    def probe(self, source: str, target: str, *, icmp: bool, size: int) -> GuestProbe:
        """A `Probe` in the guest. LabError when it cannot be started."""
        with contextlib.ExitStack() as stack:
            connection, _ = stack.enter_context(
                self._asked("probe", source=source, target=target, icmp=icmp, size=size)
            )
            connection.setblocking(False)
            return GuestProbe(connection, stack.pop_all())


@dataclass(slots=True)
class GuestProcess:
    """A program that runs in a guest."""

    guest: Guest
    pid: int

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return bool(self.guest.ask("alive", pid=self.pid)["alive"])

    def kill(self) -> None:
        """Kill it and its child processes."""
        if self.guest.process.alive:
            self.guest.ask("kill", pid=self.pid)


@dataclass(slots=True)
class GuestProbe:
    """A `Probe` in a guest."""

    socket: socket.socket
    _open: contextlib.ExitStack
    sent: int = 0
    answered: set[int] = field(default_factory=set)
    _rest: bytes = b""

    def send(self) -> None:
        """Send one more request."""
        self.sent += 1
        self.socket.sendall(b"1")

    def read(self, _flags: int = 0) -> None:
        """Read the numbers of answered requests."""
        with contextlib.suppress(BlockingIOError):
            while data := self.socket.recv(65536):
                data = self._rest + data
                whole = len(data) // 4 * 4
                self.answered.update(number for (number,) in struct.iter_unpack("!I", data[:whole]))
                self._rest = data[whole:]

    def close(self) -> None:
        """Close the connection."""
        self._open.close()

    @property
    def complete(self) -> bool:
        """Whether every request was answered."""
        return len(self.answered) == self.sent


class GuestInnerHost:
    """The host behind a peer that is a guest: the guest itself, with its inner addresses."""

    def __init__(self, guest: Guest, network: SocketHosts) -> None:
        self._guest, self._network = guest, network
        self._undo = contextlib.ExitStack()

    def probe(self, target: str, *, icmp: bool = True, size: int = 56, source: str | None = None) -> GuestProbe:
        """Echo requests from an inner address (``source``, by default the site's) to ``target``, by ICMP or UDP."""
        theirs = self._guest.topology.theirs
        probe = self._guest.probe(
            source or (theirs.inner6 if ":" in target else theirs.inner), target, icmp=icmp, size=size
        )
        self._undo.callback(probe.close)
        self._undo.callback(self._network.watch(probe.socket, probe.read))
        return probe

    def close(self) -> None:
        """Close its connections."""
        self._undo.close()


def _accelerator() -> list[str]:
    """KVM if the processor supports it: in a cloud, /dev/kvm may exist without working."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    able = (
        flags is not None and bool({"vmx", "svm"} & set(flags[1].split())) and os.access("/dev/kvm", os.R_OK | os.W_OK)
    )
    return ["-accel", "kvm", "-accel", "tcg"] if able else ["-accel", "tcg"]


# The initial RAM disk


def closure(modules: Path, names: Sequence[str]) -> Iterator[Path]:
    """The files of kernel modules, each after the modules that it depends on."""
    lines = (line.split(":") for line in (modules / "modules.dep").read_text().splitlines())
    needs = {path: rest.split() for path, rest in lines}
    by_name = {Path(path).stem.replace("-", "_"): path for path in needs}
    order: dict[str, None] = {}

    def add(path: str) -> None:
        for dependency in reversed(needs[path]):
            add(dependency)
        order[path] = None

    for name in names:
        if name not in by_name:
            _unsuited(modules, name)
        add(by_name[name])
    return (modules / path for path in order)


def _unsuited(modules: Path, name: str) -> NoReturn:
    raise LabError(f"expected a kernel with the module {name}, found none in {modules}")


def disk(boot: Path, busybox: Path, modules: Sequence[Path]) -> bytes:
    """The initial RAM disk: a cpio archive in the newc format."""
    numbers = itertools.count(1)

    def entry(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
        fields = (next(numbers), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % number for number in fields) + name.encode() + b"\0"
        return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)

    folders = ("bin", "dev", "proc", "modules", "lower", "upper", "system")
    parts = [entry(name, 0o040755) for name in folders]
    parts.append(entry("dev/console", 0o020600, device=(5, 1)))
    parts.append(entry("bin/busybox", 0o100755, busybox.read_bytes()))
    parts.append(entry("bin/sh", 0o120777, b"busybox"))
    parts.append(entry("init", 0o100755, boot.read_bytes()))
    parts += [entry(f"modules/{path.name}", 0o100644, path.read_bytes()) for path in modules]
    return b"".join([*parts, entry("TRAILER!!!", 0)])
