# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer in a root of Debian sid: it runs there and nowhere else, writes nothing there, and ends with its lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.namespace import tool
from fynx_scapy.lab.peer import Peer
from fynx_scapy.lab.roots import STRONGSWAN, place
from fynx_scapy.lab.strongswan import StrongSwanSid

SID = place("sid", STRONGSWAN)
PROGRAM = """
import sys
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.strongswan import StrongSwanSid
with Lab(peer=StrongSwanSid) as lab:
    s = lab.session()
    s.connect()
    print(lab.peer.pid, lab.peer.sas()[0].state, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def version(versions: Callable[[type[Peer]], str]) -> str:
    return versions(StrongSwanSid)


def held(root: Path) -> dict[str, tuple[int, int]]:
    """Each file of a root with its size and when it was changed."""
    return {
        entry: (status.st_size, status.st_mtime_ns)
        for folder, folders, names in os.walk(root)
        for name in (*folders, *names)
        if (status := os.lstat(entry := os.path.join(folder, name)))
    }


def test_it_runs_in_its_root_and_leaves_nothing(version: str):
    assert int(version.partition(".")[0]) >= 6
    before, mounts = held(SID), Path("/proc/self/mounts").read_text()
    with Lab(peer=StrongSwanSid) as lab, Lab(peer=StrongSwanSid) as other:
        other.session().connect()
        session = lab.session()
        session.connect()
        session.ping(lab.theirs.inner)
        inside = Path(f"/proc/{lab.peer.pid}/root")  # type: ignore[attr-defined]
        assert inside.readlink() == lab.folder / "root" / "system"
        assert (inside / "etc/debian_version").read_text() == (SID / "etc/debian_version").read_text()
        assert len(lab.peer.sas()) == len(other.peer.sas()) == 1
        folder = lab.folder
    assert not folder.exists()
    assert held(SID) == before
    assert Path("/proc/self/mounts").read_text() == mounts


def test_it_ends_with_us():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline().split()[0])
        assert b"charon-systemd" in Path(f"/proc/{pid}/cmdline").read_bytes()
        holder.send_signal(signal.SIGKILL)
    end = time.monotonic() + 5
    while Path(f"/proc/{pid}/root").is_symlink() and time.monotonic() < end:
        os.sched_yield()
    assert not Path(f"/proc/{pid}/root").is_symlink()


def test_as_root_of_a_user_namespace():
    done = subprocess.run(
        [tool("unshare"), "--user", "--map-root-user", "--net", sys.executable, "-c", PROGRAM],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.stdout.split()[1:], done.returncode) == (["ESTABLISHED"], 0), done.stderr


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def fynx(*words: str) -> str:
        command = [sys.executable, "-m", "fynx_scapy.cli", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert f"strongswan-sid {version} answers at 10.9.0.2" in (said := fynx("lab", "up", "--peer", "strongswan-sid"))
    assert f"--peer strongswan@{version}" in said
    assert "0 IKE SAs" in fynx("lab", "status")
    fynx("lab", "down")
    assert "2 PASS" in fynx("run", "psk_handshake", "--lab", "strongswan-sid")
