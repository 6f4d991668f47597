# SPDX-License-Identifier: GPL-2.0-or-later
"""Making and removing roots of Debian's newer suites, with stand-ins for mmdebstrap and apt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.lab import roots
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.strongswan import StrongSwanSid
from fynx_scapy.lab.trial_runner import PEERS

MIRROR = "http://user:secret@mirror.example/debian"
MMDEBSTRAP = """
echo "$@" >>"$0.log"
while [ $# -gt 2 ]; do shift; done
mkdir -p "$1/etc/apt/apt.conf.d"
echo secret >"$1/etc/apt/apt.conf.d/99mmdebstrap"
touch -d 2001-01-01 "$1"
echo "I: extracting archives..."
if [ -e "$0.fault" ]; then cat "$0.fault"; exit 25; fi
"""
APT = "printf '%s\\n' " + " ".join(
    f"'{line}'"
    for line in (
        "http://other.example/\tGoogle\tGoogle\tbookworm\tmain",
        f"{MIRROR}\tDebian\tDebian\tbookworm\tmain",
        "http://late.example/\tDebian\tDebian\tbookworm\tmain",
    )
)


class Stands:
    """Stand-ins for the programs of Debian, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.put("mmdebstrap", MMDEBSTRAP)
        self.put("apt-get", APT)
        self.put("apt-config", "echo 'Acquire::http::Proxy \"http://proxy.example\";'")
        self.put("dpkg-query", "echo charon-systemd 6.1.0-2")

    def put(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def fails(self, output: str) -> None:
        (self.folder / "mmdebstrap.fault").write_text(output)

    @property
    def calls(self) -> list[str]:
        log = self.folder / "mmdebstrap.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stands:
    made = Stands(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(roots, "_apart", lambda: ["env", "--"])
    monkeypatch.setattr(roots, "_mapped", lambda: ["env"])
    return made


def left() -> list[str]:
    return sorted(path.name for path in roots.home().iterdir())


def test_roots_are_made_once(stands: Stands):
    steps: list[str] = []
    made = roots.fetch("sid", steps.append)
    assert left() == ["sid-libreswan", "sid-strongswan"]
    assert "sid-strongswan: mmdebstrap makes it, from mirror.example" in steps
    assert "sid-strongswan: extracting archives..." in steps
    assert "secret" not in "".join(steps)
    assert all(call.endswith(f" {MIRROR}") for call in stands.calls)
    assert "--include=charon-systemd," in stands.calls[0]
    # The machine's proxy was for mmdebstrap. It may have a password.
    assert not list(roots.home().glob("*/etc/apt/apt.conf.d/*"))
    assert roots.home().stat().st_mode & 0o077 == 0
    assert made[0].versions == {"charon-systemd": "6.1.0-2"}
    assert "charon-systemd 6.1.0-2; 0 MB" in str(made[0])
    assert len(stands.calls) == 2
    roots.fetch("sid", steps.append)
    assert len(stands.calls) == 2
    assert "; to renew it, --remove it first" in steps[-1]
    assert "2001" not in steps[-1]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("E: write error: No space left on device", "No space left on device; the disk is full"),
        ("Err:1 http://mirror.example\nE: Unable to connect to mirror.example", "is the mirror reachable"),
        ("E: NO_PUBKEY 6ED0E7B82643E131", "apt-get install debian-archive-keyring"),
        ("unshare: newuidmap failed", "run as root, or get user IDs"),
        ("\x1b[31msomething else", r"\x1b[31msomething else"),
    ],
)
def test_what_mmdebstrap_complains_about_is_told(stands: Stands, output: str, told: str):
    stands.fails(output)
    with pytest.raises(LabError, match="mmdebstrap failed with status 25") as caught:
        roots.fetch("sid", lambda _: None)
    assert told in str(caught.value)
    assert left() == [".sid.debs"]


def test_what_was_downloaded_outlives_an_interruption(stands: Stands):
    def interrupted(step: str) -> None:
        if "extracting" in step:
            (roots.home() / ".sid.debs" / "one.deb").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        roots.fetch("sid", interrupted)
    assert left() == [".sid.debs"]
    # After SIGKILL the draft stays, until the next time.
    (roots.home() / ".sid-strongswan" / "half").mkdir(parents=True)
    kept: list[bool] = []
    roots.fetch("sid", lambda _: kept.append((roots.home() / ".sid.debs" / "one.deb").exists()))
    assert all(kept)
    assert left() == ["sid-libreswan", "sid-strongswan"]
    assert not (roots.home() / "sid-strongswan" / "half").exists()


def test_a_root_is_not_removed_while_it_is_used(stands: Stands):
    roots.fetch("sid", lambda _: None)
    with (
        roots.used("sid", roots.STRONGSWAN) as folder,
        pytest.raises(LabError, match=r"a running lab uses .*sid-strongswan; take it down first"),
    ):
        roots.remove("sid", lambda _: None)
    assert folder.is_dir()
    removed = roots.remove("sid", lambda _: None)
    assert [path.name for path in removed] == ["sid-strongswan", "sid-libreswan"]
    assert left() == []


def test_a_missing_root_says_how_to_make_it(stands: Stands):
    with pytest.raises(LabError, match=r"sid-strongswan is not in .*about a minute.*: fynx lab fetch sid"):
        Lab(peer=StrongSwanSid)


def test_a_full_disk_is_noticed_before_anything_is_downloaded(stands: Stands, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(LabError, match=r"sid-strongswan needs 700 MB, and .*roots has 100 MB left"):
        roots.fetch("sid", lambda _: None)
    assert not stands.calls


def test_a_machine_without_a_debian_mirror(stands: Stands):
    stands.put("apt-get", "printf '%s\\n' 'http://ubuntu.example\tUbuntu\tUbuntu\tnoble\tmain'")
    with pytest.raises(
        LabError, match="expected a Debian mirror in the sources of apt, found none; name one: --mirror"
    ):
        roots.fetch("sid", lambda _: None)
    roots.fetch("sid", lambda _: None, mirror="http://own.example/debian")
    assert stands.calls[0].endswith(" http://own.example/debian")


def test_before_apt_has_downloaded_any_list(stands: Stands):
    stands.put("apt-get", "printf '%s\\n' 'http://deb.example\t$(ORIGIN)\t$(LABEL)\tbookworm\tmain'")
    assert roots._mirror() == "http://deb.example"


def test_a_suite_that_there_is_not():
    with pytest.raises(
        ConfigError, match=r"expected one of the suites trixie, sid, found 'trixy'; did you mean trixie"
    ):
        roots.fetch("trixy", lambda _: None)


def test_each_peer_of_a_root_names_one_that_is_made():
    for peer in PEERS.values():
        assert peer.root is None or (peer.root[0] in roots.SUITES and peer.root[1] in roots._PACKAGES)
