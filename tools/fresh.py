# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the README's two commands as on a new machine, in a minimal root of a Debian suite: ``scripts/fresh``.

The root gets a clone of the committed state and, read-only, the shared data next to this checkout. It uses this
machine's apt mirror and settings, pip configuration and certificates. Commands run in mount and process namespaces that
end with this program, so nothing must be unmounted. Roots and pip's downloads stay in the user's cache.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"  # as in shared.py, which needs pytest
SUITES = {"bookworm": "bookworm", "debian-12": "bookworm", "trixie": "trixie", "debian-13": "trixie"}
TOOLS = ("mmdebstrap", "git", "unshare", "setpriv")
COMMANDS = ("scripts/demo", "scripts/test")
AGE = 30 * 86400
"""Seconds after which a root is created again, to get newer packages."""
CONFIGURATION = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/xdg/pip")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
OWN_CERTIFICATES = "/etc/ssl/machine.crt"
"""Path in the root. The package ca-certificates does not write to it."""
PLACE = "/home"
"""Path of the clone and the shared data in the root."""
APART = [
    "env", "--default-signal=INT,QUIT",  # tests use them; a shell that runs us in the background ignores them
    "setpriv", "--pdeathsig", "KILL",
    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
]  # fmt: skip
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KEPT_VARIABLES = r"PIP_\w+|\w+_(proxy|PROXY)|CI|TERM"

# Process 1 of the namespaces. $1 is the root, $2 pip's cache, $3 where the clone is in it; then come places on this
# machine, each with its path in the root, up to a "--"; then the commands.
# No chroot: a process in one can make no user namespace.
INSIDE = """
set -eu
mount --bind "$1" "$1"
cd "$1"
mkdir -p root/.cache/pip
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mount --bind "$2" root/.cache/pip
clone=$3
shift 3
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "./$2"; else mkdir -p "./${2%/*}"; touch "./$2"; fi
    mount --bind "$1" "./$2"
    mount -o remount,bind,ro "./$2"
    shift 2
done
shift
pivot_root . mnt
cd "$clone"
umount -l /mnt
status=0
for command; do
    echo "== $command"
    "$command" || { status=$?; echo "== $command ended with status $status"; }
done
exit $status
"""


def say(text: str) -> None:
    print(f"scripts/fresh: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def apart(*argv: str | Path, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in new namespaces. Its processes end with this block, and with this program."""
    process = subprocess.Popen([*APART, *argv], env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told(*argv: str | Path) -> str:
    """The output of a command; empty if it fails."""
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def make_archive(suite: str, archive: Path, work: Path) -> bool:
    """Create the archive of a minimal root, with packages from this machine's mirror. Returns whether it succeeded."""
    # Without a mirror in apt's configuration, mmdebstrap uses its default.
    wanted = ("Created-By: Packages", "Origin: Debian", "Label: Debian")
    mirrors = told("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).splitlines()[:1]
    settings, made = work / "apt.conf", work / "root.tar"
    lines = told("apt-config", "dump", "Acquire").splitlines()
    settings.write_text("".join(f"{line}\n" for line in lines if "IndexTargets" not in line))
    options = ("--quiet", "--mode=root", "--variant=apt", "--include=python3,mount", f"--aptopt={settings}")
    environment = os.environ | {"TMPDIR": str(work)}
    with apart("mmdebstrap", *options, suite, made, *mirrors, environment=environment) as process:
        if process.wait() == 0:
            made.rename(archive)
    return archive.exists()


def furnish(root: Path) -> None:
    """Copy this machine's network and registry configuration and the clone into the root."""
    home = Path.home() / ".config/pip"
    places = {Path(name): root / name[1:] for name in CONFIGURATION} | {home: root / "root/.config/pip"}
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or CERTIFICATES
    for source, target in (places | {Path(certificates): root / OWN_CERTIFICATES[1:]}).items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, f"{root}{PLACE}/fynx-scapy"], check=True)


def looked_into(configuration: str) -> list[str]:
    """The paths on this machine in pip's configuration (the output of ``pip config list``)."""
    found = set()
    for word in re.split(r"[\s'\"=,]+", configuration):
        path = word.removeprefix("file://")
        if path.startswith("/") and not path.startswith("/etc/"):  # that is copied
            found.add(str(Path(path).parent) if path != word else path)  # files lie beside their index
    return sorted(place for place in found if Path(place).exists() and place != "/")


def inherited() -> dict[str, str]:
    """The environment in the root: what says how to reach a registry is this machine's."""
    kept = {name: value for name, value in os.environ.items() if re.fullmatch(KEPT_VARIABLES, name)}
    own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    return kept | own


def run_in_root(suite: str, commands: tuple[str, ...], cache: Path, work: Path) -> bool:
    """Run the commands in a root of that suite. Returns whether all succeeded."""
    archive, root = cache / f"{suite}.tar", work / suite
    if archive.exists() and time.time() - archive.stat().st_mtime > AGE:
        archive.unlink()
    if not archive.exists():
        say(f"creating a root of {suite}")
        if not make_archive(suite, archive, work):
            say(f"{suite}: cannot create the root")
            return False
    root.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", root, "--numeric-owner", "--exclude=./dev/*"], check=True)
    furnish(root)
    shown = looked_into(told(sys.executable, "-m", "pip", "config", "list"))
    pairs = [(place, place) for place in shown]
    if SHARED.is_dir():
        pairs.append((str(SHARED.resolve()), f"{PLACE}/shared"))
    places = [word for pair in pairs for word in pair]
    environment = inherited() | ({"PIP_CERT": OWN_CERTIFICATES} if (root / OWN_CERTIFICATES[1:]).exists() else {})
    words: list[str | Path] = ["sh", "-c", INSIDE, "sh", root, cache / "pip", f"{PLACE}/fynx-scapy"]
    words += [*places, "--", *commands]
    began = time.monotonic()
    with apart(*words, environment=environment) as process:
        good = process.wait() == 0
    say(f"{suite}: {'passed' if good else 'FAILED'} after {time.monotonic() - began:.0f} s")
    return good


def missing() -> str:
    """The reason why it cannot run here, or an empty text."""
    if os.geteuid() != 0:
        return "only root can make the root folder; please: sudo scripts/fresh …"
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{', '.join(lacking)} is missing" if lacking else ""


def leave(number: int, _: object) -> None:
    """Exit after cleaning up. A second signal does not interrupt this."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/fresh", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suite", nargs="+", choices=SUITES)
    parser.add_argument("--demo", action="store_true", help="run only scripts/demo")
    parser.add_argument("--keep", action="store_true", help="keep the root and print its path")
    asked = parser.parse_args(words)
    if reason := missing():
        say(f"did not run: {reason}")
        return 1
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)
    if told("git", "-C", ROOT, "status", "--porcelain"):
        say("what is not committed is left out")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fynx-scapy/fresh"
    (cache / "pip").mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work.", dir=cache))
    work.chmod(0o755)
    commands, failed = COMMANDS[:1] if asked.demo else COMMANDS, []
    try:
        for suite in dict.fromkeys(SUITES[name] for name in asked.suite):
            if not run_in_root(suite, commands, cache, work):
                failed.append(suite)
            if not asked.keep:
                shutil.rmtree(work / suite, ignore_errors=True)
    finally:
        if asked.keep:
            say(f"the root is kept in {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
