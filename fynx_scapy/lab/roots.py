# SPDX-License-Identifier: GPL-2.0-or-later
"""Roots of Debian's newer suites, with newer peers: made in the cache by mmdebstrap, and never installed.

Peers whose packages conflict have a root each. A root is made aside and renamed, so a half-made one is never used. What
was downloaded stays until all roots of its suite are made, so that the next try goes on from there.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.lab.namespace import Process, tool
from fynx_scapy.lab.packages import cache
from fynx_scapy.text import printable

SUITES = ("trixie", "sid")
STRONGSWAN, LIBRESWAN = "strongswan", "libreswan"
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    STRONGSWAN: (
        "charon-systemd", "strongswan-swanctl", "libcharon-extra-plugins", "libcharon-extauth-plugins",
        "libstrongswan-standard-plugins", "libstrongswan-extra-plugins", "openiked", "openssl", "iproute2",
    ),
    LIBRESWAN: ("libreswan", "libnss3-tools", "iproute2"),
}  # fmt: skip
"""What each root of a suite is for, and its packages: libreswan's conflict with strongSwan's."""
_DAEMONS = ("charon-systemd", "libreswan", "openiked")
NEEDED = 700_000_000
"""Octets: a root is about 200 MB, and so is what is downloaded for it and unpacked in between."""
_ARCHIVES = "/var/cache/apt/archives"
_USERS = 65536
"""How many user IDs a Debian system needs."""
_RELEASES = ("bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")
_HINTS = (
    (r"No space left", "the disk is full"),
    (
        r"newuidmap|newgidmap|map-auto|subuid|subgid",
        "run as root, or get user IDs: /etc/subuid and apt-get install uidmap",
    ),
    (r"unshare: unshare failed", "run as root, outside of containers that forbid namespaces"),
    (r"NO_PUBKEY|keyring|not signed", "the keys of Debian's archive: apt-get install debian-archive-keyring"),
    (
        r"Temporary failure|Could not resolve|Could not connect|Unable to connect|timed out|Failed to fetch",
        "is the mirror reachable?",
    ),
)
"""What to do, for each kind of failure."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Root:
    """A root that is there."""

    name: str
    folder: Path
    versions: Mapping[str, str]
    """The Debian versions of its peers, by package."""
    octets: int
    """What it takes on the disk."""

    def __str__(self) -> str:
        versions = ", ".join(f"{package} {version}" for package, version in self.versions.items())
        return f"{self.folder}: {versions}; {self.octets / 1e6:.0f} MB"


def named(suite: str) -> str:
    """A suite of which roots are made. ConfigError, with the nearest, for another one."""
    if suite not in SUITES:
        near = difflib.get_close_matches(suite, SUITES, n=1)
        known = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"expected one of the suites {', '.join(SUITES)}, found {suite!r}{known}")
    return suite


def home() -> Path:
    """The folder of all roots; XDG_CACHE_HOME moves it."""
    return cache().parent / "roots"


def place(suite: str, kind: str) -> Path:
    """Where a root is, if it is there."""
    return home() / f"{named(suite)}-{kind}"


@contextlib.contextmanager
def used(suite: str, kind: str) -> Iterator[Path]:
    """The folder of a root, which nobody removes meanwhile. LabError, which says what to do, when it is missing."""
    folder = place(suite, kind)
    with contextlib.ExitStack() as undo:
        try:
            undo.enter_context(_locked(folder))(fcntl.LOCK_SH)
            folder.stat()  # it may have been removed until it was locked
        except OSError:
            advice = f"make it (about a minute, 200 MB): fynx lab fetch {suite}"
            raise LabError(f"the root {folder.name} is not in {home()}; {advice}") from None
        yield folder


def fetch(suite: str, say: Say, *, mirror: str | None = None) -> list[Root]:
    """Make the roots of a suite that are missing; returns all. ``say`` gets a line for each step.

    ``mirror`` is the URL of a Debian mirror, by default that of this machine's apt. LabError with the end of
    mmdebstrap's output when it fails.
    """
    named(suite)
    with _alone(say):
        archives = home() / f".{suite}.debs"
        for kind, packages in _PACKAGES.items():
            folder = place(suite, kind)
            if folder.is_dir():
                day = time.strftime("%Y-%m-%d", time.localtime(folder.stat().st_mtime))
                say(f"{folder.name} is there already, made on {day}; to renew it, --remove it first")
                continue
            began = time.monotonic()
            _make(suite, folder, packages, archives, mirror or _mirror(), say)
            say(f"{folder.name} was made in {time.monotonic() - began:.0f} s")
        _remove(archives)
        return [_described(place(suite, kind), packages) for kind, packages in _PACKAGES.items()]


def remove(suite: str, say: Say) -> list[Path]:
    """Remove the roots of a suite, and what was downloaded for them. LabError when a running lab uses one."""
    named(suite)
    with _alone(say):
        folders = [folder for kind in _PACKAGES if (folder := place(suite, kind)).is_dir()]
        for folder in folders:
            with _locked(folder) as lock:
                if not lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                    raise LabError(f"a running lab uses {folder}; take it down first: fynx lab down")
                # Renamed first, so that no half of it is ever used.
                _remove(folder.rename(_draft(folder)))
        for rest in (*(_draft(place(suite, kind)) for kind in _PACKAGES), home() / f".{suite}.debs"):
            _remove(rest)
        return folders


def _make(suite: str, folder: Path, packages: Sequence[str], archives: Path, mirror: str, say: Say) -> None:
    draft = _draft(folder)
    _remove(draft)
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home()).free
    if free < NEEDED:
        raise LabError(f"{folder.name} needs {NEEDED / 1e6:.0f} MB, and {home()} has {free / 1e6:.0f} MB left")
    say(f"{folder.name}: mmdebstrap makes it, from {urlsplit(mirror).hostname or 'a file'}")
    try:
        with tempfile.NamedTemporaryFile("w", prefix="fynx-apt-", suffix=".conf") as settings:
            settings.write(_settings())
            settings.flush()
            _mmdebstrap(
                "--variant=apt", f"--include={','.join(packages)}", f"--aptopt={settings.name}",
                # What was downloaded is kept outside of the draft, which is lost when we are killed.
                f'--setup-hook=mkdir -p "$1{_ARCHIVES}" && mount --bind {shlex.quote(str(archives))} "$1{_ARCHIVES}"',
                f'--customize-hook=umount "$1{_ARCHIVES}"',
                suite, str(draft), mirror, say=lambda step: say(f"{folder.name}: {step}"),
            )  # fmt: skip
        for mine in ("etc/apt/sources.list", "etc/apt/apt.conf.d/99mmdebstrap"):
            (draft / mine).unlink(missing_ok=True)  # They may hold the password of a proxy.
        os.utime(draft)  # mmdebstrap dates it back
        draft.rename(folder)
    finally:
        _remove(draft)


def _mmdebstrap(*words: str, say: Say) -> None:
    """Run it in namespaces that end with us, and its mounts with them. LabError with what it complained about."""
    rest: deque[str] = deque(maxlen=12)
    reader, writer = os.pipe()
    with open(reader, errors="replace") as lines:
        try:
            environment = {**os.environ, "LC_ALL": "C"}
            made = Process([*_apart(), tool("mmdebstrap"), "--mode=root", *words], env=environment, output=writer)
        finally:
            os.close(writer)
        try:
            for line in lines:
                text = printable(line.rstrip())
                if text.startswith("I: ") and "-hook in shell" not in text:
                    say(text.removeprefix("I: "))
                elif text:
                    rest.append(text)
            status = made.wait()
        finally:
            made.kill()
    if status:
        output = "\n".join(rest)
        hint = next((f"; {advice}" for pattern, advice in _HINTS if re.search(pattern, output)), "")
        faults = [line for line in rest if line.startswith(("E: ", "Err:", "unshare: "))] or list(rest)
        raise LabError(f"mmdebstrap failed with status {status}: {' / '.join(faults)[-600:]}{hint}")


def _apart() -> list[str]:
    """The command that runs another one as root, in mount and process namespaces of its own.

    Users other than root get a user namespace, with the user IDs that /etc/subuid gives them.
    """
    return [*_mapped(), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]


def _mapped() -> list[str]:
    (_, _, count), *_ = (line.split() for line in Path("/proc/self/uid_map").read_text().splitlines())
    privileged = os.geteuid() == 0 and int(count) >= _USERS
    return [tool("unshare"), *([] if privileged else ["--user", "--map-root-user", "--map-auto"])]


def _settings() -> str:
    """How this machine's apt reaches mirrors: proxies, certificates, time limits.

    The Release file of a snapshot has expired. That does not matter for tests, and signatures are checked all the same.
    """
    lines = _output("apt-config", "dump", "Acquire").splitlines()
    kept = [line for line in lines if "IndexTargets" not in line]
    return "\n".join((*kept, 'Acquire::Check-Valid-Until "false";', ""))


def _mirror() -> str:
    """The Debian mirror in the sources of this machine's apt, in whichever format. LabError when there is none."""
    form = "\t".join(("$(REPO_URI)", "$(ORIGIN)", "$(LABEL)", "$(RELEASE)", "$(COMPONENT)"))
    for line in _output("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines():
        uri, origin, label, release, component = (line.split("\t") + [""] * 5)[:5]
        # Without the lists of packages, which apt-get update downloads, apt does not know the origin.
        known = release in _RELEASES and component == "main" if origin.startswith("$(") else origin == label == "Debian"
        if known:
            return uri
    advice = "name one: --mirror URL"
    raise LabError(f"expected a Debian mirror in the sources of apt, found none; {advice}")


def _described(folder: Path, packages: Sequence[str]) -> Root:
    """A root that was made. The versions are those of its package database."""
    wanted = [package for package in packages if package in _DAEMONS]
    admin = f"--admindir={folder / 'var/lib/dpkg'}"
    lines = _output("dpkg-query", admin, "--show", "--showformat=${Package} ${Version}\\n", *wanted).splitlines()
    return Root(folder.name, folder, dict(line.split(" ", 1) for line in lines), _size(folder))


def _size(folder: Path) -> int:
    octets = 0
    for path, _, names in os.walk(folder, onerror=lambda _: None):
        for name in names:
            with contextlib.suppress(OSError):
                octets += os.lstat(os.path.join(path, name)).st_blocks * 512
    return octets


@contextlib.contextmanager
def _alone(say: Say) -> Iterator[None]:
    """Wait until nobody else makes or removes roots."""
    home().mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(home()) as locked:
        if not locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            say("another fynx lab fetch is at work; waiting for it")
            locked(fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Callable[[int], bool]]:
    """What locks a folder, or says that another one has locked it. Raises OSError when it is missing."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def lock(how: int) -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, how)
            return True
        return False

    try:
        yield lock
    finally:
        os.close(descriptor)


def _draft(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}")


def _remove(folder: Path) -> None:
    """Remove a folder of which some files may belong to other IDs of our user namespace."""
    if folder.is_dir():
        _output(*_mapped(), "--", "rm", "-rf", "--one-file-system", str(folder))


def _output(*words: str) -> str:
    done = subprocess.run([tool(words[0]), *words[1:]], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        fault = printable(done.stderr.strip()[-400:])
        raise LabError(f"{words[0]} failed with status {done.returncode}: {fault}")
    return done.stdout
