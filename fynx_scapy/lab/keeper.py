# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab that stays: a process in the background holds it until it is told to stop, or is killed.

It is started as ``python -m fynx_scapy.lab.keeper FOLDER`` with the lab's configuration as JSON on its standard input,
and answers with one line of JSON: what is there, or an error. FOLDER is where it says of itself what `fynx lab` reads.
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

STATE = "lab.json"
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A lab that stands: its keeper's ``pid``, the ``peer``, where it is, and the files that it lives in.

    ``namespace`` is our side's and ``peer_namespace`` the peer's; ``private`` says that both are in a user namespace of
    the keeper's.
    """

    name: str
    pid: int
    started: str
    peer: str
    version: str
    target: str
    namespace: str
    peer_namespace: str
    folder: str
    private: bool
    psk_file: str
    local_id: str
    remote_id: str
    local_ts: str
    remote_ts: str
    inner: str

    @property
    def alive(self) -> bool:
        """Whether its keeper is still the process that wrote this."""
        return _started(self.pid) == self.started

    def enter(self, *, peer: bool = False) -> list[str]:
        """The words before a command that is to run on our side of it, or on the peer's."""
        words = ["nsenter", f"--net={self.peer_namespace if peer else self.namespace}"]
        if self.private:
            words += ["--user", "--preserve-credentials", "--target", str(self.pid)]
        return [*words, "--"]

    @classmethod
    def read(cls, name: str) -> Self:
        """The lab of that name; LabError when none stands. What a killed one has left is removed."""
        place = home() / name
        try:
            kept = cls(**json.loads((place / STATE).read_text()))
        except (OSError, ValueError, TypeError):
            raise LabError(f"no lab of the name {name!r} stands; start one: fynx lab up") from None
        if not kept.alive:
            shutil.rmtree(place, ignore_errors=True)
            raise LabError(f"the lab {name!r} is gone: its keeper, process {kept.pid}, was ended")
        return kept


def home() -> Path:
    """Where labs that stay say so: a folder of this user's alone. LabError where something else has its name.

    Keys are written there, and folders in it are removed; so nobody may have put a link in its place.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    place = Path(runtime) / "fynx-lab" if runtime else Path(tempfile.gettempdir()) / f"fynx-labs-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700, parents=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise LabError(f"{place} is no folder of yours alone; remove it, or set XDG_RUNTIME_DIR to one that is")
    return place


def names() -> list[str]:
    """The labs that stand."""
    found = []
    for place in sorted(home().iterdir()):
        try:
            found.append(Kept.read(place.name).name)
        except LabError:
            continue
    return found


def up(name: str, settings: dict[str, Any]) -> Kept:
    """Start a lab in the background, as any user: who is not root gets a user namespace. LabError when it fails."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ConfigError(f"expected letters, digits, _ and - for the name of a lab, found {name!r}")
    if name in names():
        raise LabError(f"a lab of the name {name!r} stands already; take it down first: fynx lab down --name {name}")
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
            said = keeper.stdout.readline()
        told = json.loads(said) if said else {"error": (place / "keeper.log").read_text().strip().splitlines()[-1:]}
        if "error" in told:
            raise LabError(f"the lab {name!r} does not stand: {told['error']}")
    except OSError as error:
        raise LabError(f"cannot start {command[0]}: {error.strerror}") from None
    except LabError:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return Kept(**told)


def down(name: str) -> None:
    """Take a lab down, and return when it is gone. LabError when there is none."""
    kept = Kept.read(name)
    os.kill(kept.pid, signal.SIGTERM)
    _wait_for_end(kept)
    shutil.rmtree(home() / name, ignore_errors=True)


def _wait_for_end(kept: Kept) -> None:
    descriptor = os.pidfd_open(kept.pid) if kept.alive else None
    if descriptor is not None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        ended = poll.poll(_PATIENCE * 1000)
        os.close(descriptor)
        if not ended:
            raise LabError(f"the keeper of the lab {kept.name!r}, process {kept.pid}, has not ended")


def _started(pid: int) -> str:
    """When a process began, in clock ticks: with its number it is known again. Empty when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


# The keeper itself


def keep(place: Path, settings: dict[str, Any]) -> None:
    """Build the lab, say so, and hold it until SIGTERM."""
    from fynx_scapy.ike.config import Psk
    from fynx_scapy.lab.lab import Lab
    from fynx_scapy.lab.peer import PeerConfig
    from fynx_scapy.lab.topology import Nat
    from fynx_scapy.lab.trial_runner import peer_named

    private, peer, nat = settings.pop("private"), settings.pop("peer"), Nat(settings.pop("nat"))
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    config = PeerConfig().changed(**settings)
    if peer_named(peer).guest:
        raise LabError(f"{peer} runs in a guest, which no lab keeps; trials with it: fynx lab matrix --peer {peer}")
    with Lab(config, peer=peer_named(peer), nat=nat) as lab:
        secret = place / "psk"
        secret.touch(mode=0o600)
        secret.write_bytes(Psk(config.psk).secret)
        child = lab.config.children[0]
        kept = Kept(
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
        )
        state = json.dumps(dataclasses.asdict(kept))
        (place / STATE).write_text(state)
        print(state, flush=True)
        lab.sniffer.stop()
        while not ended:
            lab.network.run(lab.network.now + 1)


def main() -> None:
    """The keeper's own entry."""
    place = Path(sys.argv[1])
    try:
        keep(place, json.loads(sys.stdin.read()))
    except (FynxError, ConfigError, OSError, TypeError, ValueError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
