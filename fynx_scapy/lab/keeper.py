# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab that keeps running: a background process, the keeper, holds it until it is stopped or killed.

It is started as ``python -m fynx_scapy.lab.keeper FOLDER`` with the lab's configuration as JSON on its standard input.
It answers with one line of JSON: the running lab, or an error. It writes the same into FOLDER, where `fynx lab` reads
it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fynx_scapy.errors import ConfigError, FynxError, LabError
from fynx_scapy.lab.namespace import tool

DEFAULT = "lab"
"""The name of a lab that is not named."""
STATE = "lab.json"
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A running lab."""

    name: str
    pid: int
    """The process ID of its keeper."""
    started: str
    """When its keeper started, in clock ticks."""
    peer: str
    """The kind of peer."""
    version: str
    """The peer's version."""
    target: str
    """The peer's address."""
    namespace: str
    """The network namespace of our side."""
    peer_namespace: str
    """The network namespace of the peer."""
    folder: str
    """The lab's files."""
    private: bool
    """Whether both namespaces belong to the keeper's user namespace."""
    psk_file: str
    """The file with the pre-shared key."""
    local_id: str
    """Our identity."""
    remote_id: str
    """The peer's identity."""
    local_ts: str
    """The traffic selector behind us."""
    remote_ts: str
    """The traffic selector behind the peer."""
    inner: str
    """An inner address of the peer, which answers pings."""
    child: str = "net"
    """The name of the peer's Child SA."""
    certificate: str = ""
    """The file with our certificate; empty where both authenticate by the pre-shared key."""
    key: str = ""
    """The file with its private key."""
    ca: str = ""
    """The file with the certificate of the authority that both trust."""

    @property
    def alive(self) -> bool:
        """Whether its keeper still runs."""
        return _started(self.pid) == self.started

    def enter(self, *, peer: bool = False) -> list[str]:
        """The command prefix that runs a command in the namespace of our side, or of the peer."""
        words = ["nsenter", f"--net={self.peer_namespace if peer else self.namespace}"]
        if self.private:
            words += ["--user", "--preserve-credentials", "--target", str(self.pid)]
        return [*words, "--"]

    @classmethod
    def read(cls, name: str) -> Self:
        """The running lab with that name; LabError when there is none. Removes the files of a killed one."""
        place = home() / checked(name)
        try:
            running = cls(**json.loads((place / STATE).read_text()))
        except (OSError, ValueError, TypeError):
            option = "" if name == DEFAULT else f" --name {name}"
            raise LabError(f"no lab {name!r} is running; start one: fynx lab up{option}") from None
        if not running.alive:
            shutil.rmtree(place, ignore_errors=True)
            raise LabError(f"the lab {name!r} is gone: its keeper, process {running.pid}, has ended")
        return running


def home() -> Path:
    """The folder with the state of running labs, private to this user. LabError when it is not private.

    We write keys there and remove folders in it, so it must not be a link that another user has made.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    place = Path(runtime) / "fynx-lab" if runtime else Path(tempfile.gettempdir()) / f"fynx-labs-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700, parents=True)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise LabError(f"{place} is not a private folder of yours; remove it, or set XDG_RUNTIME_DIR to a private one")
    return place


def names() -> list[str]:
    """The names of the running labs."""
    running = []
    for place in sorted(home().iterdir()):
        try:
            running.append(RunningLab.read(place.name).name)
        except (LabError, ConfigError):
            continue
    return running


def checked(name: str) -> str:
    """The name of a lab, which is a folder's too. Raises ConfigError if it cannot be one."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ConfigError(f"expected letters, digits, _ and - in the name of a lab, found {name!r}")
    return name


def up(name: str, settings: dict[str, Any]) -> RunningLab:
    """Start a lab in the background. Users other than root get a user namespace. LabError when it fails."""
    if checked(name) in names():
        option = "" if name == DEFAULT else f" --name {name}"
        raise LabError(f"the lab {name!r} is already running; take it down first: fynx lab down{option}")
    place = home() / name
    private = os.geteuid() != 0
    command = [sys.executable, "-m", "fynx_scapy.lab.keeper", str(place)]
    if private:
        command = [tool("unshare"), "--user", "--map-root-user", "--net", "--", *command]
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    try:
        with (place / "keeper.log").open("wb") as log:
            keeper = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True
            )
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        with keeper.stdin, keeper.stdout:
            keeper.stdin.write(json.dumps(settings | {"private": private}))
            keeper.stdin.close()
            line = keeper.stdout.readline()
        answer = json.loads(line) if line else {"error": (place / "keeper.log").read_text().strip().splitlines()[-1:]}
        if "error" in answer:
            raise LabError(f"cannot start the lab {name!r}: {answer['error']}")
    except OSError as error:
        raise LabError(f"cannot start {command[0]}: {error.strerror}") from None
    except LabError:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return RunningLab(**answer)


def down(name: str) -> None:
    """Take a lab down, and wait until it is gone. LabError when there is none."""
    running = RunningLab.read(name)
    os.kill(running.pid, signal.SIGTERM)
    _wait_for_end(running)
    shutil.rmtree(home() / name, ignore_errors=True)


def _wait_for_end(lab: RunningLab) -> None:
    descriptor = os.pidfd_open(lab.pid) if lab.alive else None
    if descriptor is not None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        ended = poll.poll(_PATIENCE * 1000)
        os.close(descriptor)
        if not ended:
            raise LabError(f"the keeper of the lab {lab.name!r}, process {lab.pid}, did not end")


def _started(pid: int) -> str:
    """When a process started, in clock ticks; with its ID this identifies it. Empty when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


# The keeper process


def keep(place: Path, settings: dict[str, Any]) -> None:
    """Set up the lab, report it, and hold it until SIGTERM."""
    from fynx_scapy.harness.worlds.credentials import Credentials
    from fynx_scapy.ike.config import Psk
    from fynx_scapy.lab.credential_files import our_files
    from fynx_scapy.lab.lab import Lab
    from fynx_scapy.lab.peer import PeerConfig
    from fynx_scapy.lab.topology import BehindNat
    from fynx_scapy.lab.trial_runner import peer_named

    private, peer, nat = settings.pop("private"), settings.pop("peer"), BehindNat(settings.pop("nat"))
    files = Path(settings.pop("files", None) or place)
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    if settings.pop("auth", "psk") == "certificate":
        settings["auth"] = Credentials()
    config = PeerConfig().changed(**settings)
    if peer_named(peer).guest:
        raise LabError(f"{peer} runs in a guest, which only the matrix supports: fynx lab matrix --peer {peer}")
    with Lab(config, peer=peer_named(peer), nat=nat) as lab:
        secret = place / "psk"
        secret.touch(mode=0o600)
        octets = Psk(config.psk).secret
        # As hex digits if it would be taken for them.
        secret.write_bytes(b"0x" + octets.hex().encode() if octets.startswith(b"0x") else octets)
        child = lab.config.children[0]
        running = RunningLab(
            name=place.name,
            pid=os.getpid(),
            started=_started(os.getpid()),
            peer=peer,
            version=lab.peer.version,
            target=lab.target.host,
            namespace=lab.ours.namespace.path,
            peer_namespace=lab.theirs.namespace.path,
            folder=str(lab.folder),
            private=private,
            psk_file=str(secret),
            local_id=lab.config.remote_id,
            remote_id=lab.config.local_id,
            local_ts=child.remote_ts[0],
            remote_ts=child.local_ts[0],
            inner=lab.theirs.inner,
            child=child.name,
            **our_files(lab.config, files),
        )
        state = json.dumps(dataclasses.asdict(running))
        (place / STATE).write_text(state)
        print(state, flush=True)
        lab.sniffer.stop()
        while not ended:
            lab.network.run(lab.network.now + 1)


def main() -> None:
    """The entry point of the keeper process."""
    place = Path(sys.argv[1])
    try:
        keep(place, json.loads(sys.stdin.read()))
    except (FynxError, ConfigError, OSError, TypeError, ValueError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
