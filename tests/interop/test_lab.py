# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: what it starts ends, however it ends, and it touches nothing that is not its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.lab import lab as lab_module
from fynx_scapy.lab import strongswan as strongswan_module
from fynx_scapy.lab.lab import Lab, sweep
from fynx_scapy.lab.namespace import Namespace, tool
from fynx_scapy.lab.peer import PeerChild, PeerConfig
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.layers.ikev2 import IKEv2_AUTH
from tests.report.whole import whole

pytestmark = pytest.mark.usefixtures("strongswan")

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534

HOLDS = """
import sys, time
from fynx_scapy.lab.lab import Lab
with Lab() as lab:
    s = lab.session()
    s.connect()
    print(lab.peer._process.pid, lab.folder, flush=True)
    s.network.run(s.network.now + 60)
"""


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for this test's scratch folders alone: others build labs at the same time. Its name is short."""
    tmp_path_factory.getbasetemp()  # decided here, before it can fall into a place that ends with this test
    with tempfile.TemporaryDirectory(prefix="fynx-") as place:
        monkeypatch.setenv("TMPDIR", place)
        monkeypatch.setattr(tempfile, "tempdir", place)
        yield Path(place)


def command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def test_killed_in_the_middle_and_started_again():
    """The peer dies with the process that holds it; what it has left goes when the next lab is built."""
    done = subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    with done.stdout:
        pid, folder = done.stdout.readline().split()
        assert "charon-systemd" in command_of(int(pid))
        done.send_signal(signal.SIGKILL)
        done.wait()
    end = time.monotonic() + 5
    while "charon" in command_of(int(pid)) and time.monotonic() < end:
        os.sched_yield()
    assert "charon" not in command_of(int(pid))
    assert Path(folder).exists()
    with Lab() as lab:
        assert not Path(folder).exists()
        assert lab.session().connect()
    assert sweep() == []


def test_spis_outlast_a_slow_negotiation():
    """By default charon has the kernel forget them when its own retransmissions would end, which is soon in a lab."""
    with Lab() as lab:
        assert int(lab.theirs.namespace.run("cat", "/proc/sys/net/core/xfrm_acq_expires")) > 60


def test_half_built_is_taken_down():
    class Broken(StrongSwan):
        def start(self) -> None:
            super().start()
            raise LabError("it does not answer")

    before, descriptors = set(_folders()), len(os.listdir("/proc/self/fd"))
    with pytest.raises(LabError, match="it does not answer"):
        Lab(peer=Broken)
    assert set(_folders()) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors


def _folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{lab_module.PREFIX}*"))


def test_two_at_once_do_not_know_of_each_other():
    with Lab() as one, Lab(PeerConfig(psk="another")) as other:
        one.session().connect()
        other.session().connect()
        assert len(one.peer.sas()) == len(other.peer.sas()) == 1
        other.close()
        assert one.peer.sas()[0].established


def test_what_a_lab_has_closed_is_watched_no_more():
    with Lab() as lab:
        lab.inside.probe(lab.ours.inner)
        assert lab.network._by_descriptor
        lab.inside.close()
        lab.sniffer.stop()
        lab.sniffer.stop()
        assert not lab.network._by_descriptor


def test_names_and_keys_are_only_that():
    """What a configuration file would read as its own signs is part of a name or a key here."""
    config = PeerConfig(psk='"} secrets { #', local_id='bo"b {\\', remote_id="al ice")
    with Lab(config) as lab:
        assert IKEv2_AUTH in lab.session().connect()


@pytest.mark.parametrize(
    "config",
    [
        PeerConfig(local_id="bob\n}"),
        PeerConfig(ike="aes128; }"),
        PeerConfig(children=(PeerChild(local_ts=("10.0.0.0/8 }",)),)),
    ],
)
def test_values_that_no_configuration_holds(config: PeerConfig):
    with pytest.raises(ConfigError, match="found "):
        Lab(config)


def test_a_peer_that_refuses_its_configuration_says_why():
    with pytest.raises(LabError, match=r"swanctl.*invalid value for: proposals"):
        Lab(PeerConfig(ike="aes999"))


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(LabError, match=r"nothing-like-it is missing.*apt-get install nothing-like-it"):
        tool("nothing-like-it")
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(LabError, match=r"swanctl is missing; install it: apt-get install strongswan-swanctl"):
        tool("swanctl")


def test_a_namespace_is_entered_and_left():
    here = os.stat("/proc/self/ns/net").st_ino
    made = Namespace()
    with made.entered():
        assert os.stat(f"/proc/self/task/{os.getpid()}/ns/net").st_ino != here
        assert os.listdir("/sys/class/net")
    assert os.stat("/proc/self/ns/net").st_ino == here
    with pytest.raises(LabError, match="ip -batch - failed with status 1"):
        made.ip("link add no type such")
    made.close()


def test_as_root_of_a_user_namespace():
    code = (
        "from fynx_scapy.lab.lab import Lab\nwith Lab() as lab: lab.session().connect(); print(lab.peer.sas()[0].state)"
    )
    done = subprocess.run(
        [tool("unshare"), "--user", "--map-root-user", "--net", sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("ESTABLISHED\n", 0), done.stderr


def test_without_privileges_it_says_what_helps():
    """A child that gives up everything: it has loaded what it needs, so that no folder of ours need be open to it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresuid(NOBODY, NOBODY, NOBODY)
            Namespace()
        except LabError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as told:
        assert told.read().endswith("run as root, or in a user namespace: unshare -Urnm")
    os.waitpid(child, 0)


AS_NOBODY = """
import json, os
from fynx_scapy import Session
s = Session("10.9.0.2", psk=open(os.environ["FYNX_PSK_FILE"]).read(), local_id="alice", remote_id="bob")
s.connect()
print(s.ping("10.2.0.1").summary())
"""

# Wherever they lie, interpreter and packages are mounted where anybody may go; nobody else sees these mounts.
DROPS = """
set -eu
mount --bind "$1" "$4/python"; mount --bind "$2" "$4/source"; mount --bind "$3" "$4/packages"
cd /
exec setpriv --reuid "$5" --regid "$5" --clear-groups --inh-caps -all --bounding-set -all \\
    env PYTHONPATH="$4/source:$4/packages" PYTHONDONTWRITEBYTECODE=1 XDG_RUNTIME_DIR="$4/run" TMPDIR="$4/run" \\
    sh -euc "$6" sh "$4/python/bin/$7" "$8"
"""

COMMANDS = """
id -u
"$1" -m fynx_scapy.cli lab up >&2
"$1" -m fynx_scapy.cli lab exec -- "$1" -c "$2"
"$1" -m fynx_scapy.cli lab status
"$1" -m fynx_scapy.cli lab down
echo "left: $(ls -A "$TMPDIR" | grep -v '^fynx-lab$' || true)"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_lab_of_a_user_without_privileges(scratch: Path):
    scratch.chmod(0o711)
    for name in ("python", "source", "packages", "run"):
        (scratch / name).mkdir()
    os.chown(scratch / "run", NOBODY, NOBODY)
    packages = Path(pytest.__file__).parents[1]
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    done = subprocess.run(
        [tool("unshare"), "--mount", "sh", "-c", DROPS, "sh", sys.base_prefix, str(ROOT), str(packages), str(scratch),
         str(NOBODY), COMMANDS, python, AS_NOBODY],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    who, ping, *status, left = done.stdout.splitlines()
    assert who == str(NOBODY)
    assert "10.2.0.1 > 10.1.0.1 echo-reply" in ping
    assert "ESTABLISHED" in status[1]
    assert left == "left: "


def test_a_folder_is_locked_before_it_is_used(monkeypatch: pytest.MonkeyPatch):
    """Who sweeps between the making of a folder and its lock takes it for a dead lab's; the lab takes another."""
    swept: list[Path] = []
    make = tempfile.mkdtemp

    def made_and_swept(*words: str, **more: str) -> str:
        folder = make(*words, **more)
        if not swept:
            swept.extend(sweep())
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", made_and_swept)
    with lab_module._scratch() as folder:
        assert swept
        assert folder.exists()
        assert folder not in swept
        assert sweep() == []
    assert _folders() == []


def test_only_folders_of_ones_own_are_swept(scratch: Path, tmp_path: Path):
    (scratch / f"{lab_module.PREFIX}link").symlink_to(tmp_path)
    if os.geteuid() == 0:
        other = scratch / f"{lab_module.PREFIX}other"
        other.mkdir()
        os.chown(other, NOBODY, NOBODY)
    before = set(_folders())
    assert sweep() == []
    assert set(_folders()) == before
    assert tmp_path.exists()


def test_a_place_too_deep_for_a_socket(scratch: Path, monkeypatch: pytest.MonkeyPatch):
    deep = scratch / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(LabError, match=r"a path of at most 107 octets for charon.s socket.*set TMPDIR"):
        Lab()
    assert _folders() == []


def test_no_esp_no_lab(monkeypatch: pytest.MonkeyPatch):
    """A charon that answers but cannot protect a packet is no peer; what is missing is said at once."""
    monkeypatch.setattr(strongswan_module, "ESP", "no-such-plugin")
    with pytest.raises(LabError, match=r"no-such-plugin does not load.*apt-get install libcharon-extra-plugins"):
        Lab()
    monkeypatch.setattr(strongswan_module, "TUN", Path("/nonexistent/tun"))
    with pytest.raises(LabError, match="it needs /nonexistent/tun, which cannot be opened: No such file"):
        Lab()


def test_a_path_of_nothing_is_enough_for_daemons(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with Lab() as lab:
        assert lab.session().connect()


# The command line


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield tmp_path
    fynx("down")


def fynx(*words: str, status: int | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fynx_scapy.cli", "lab", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.usefixtures("home")
def test_a_lab_that_stays():
    assert "answers at 10.9.0.2: it is bob and expects alice" in fynx("up", status=0)
    assert "is already running" in fynx("up", status=2)
    code = (
        "import os; from fynx_scapy import Session;"
        "s = Session('10.9.0.2', psk=open(os.environ['FYNX_PSK_FILE']).read()); s.connect();"
        "print(s.ping('10.2.0.1').summary())"
    )
    assert "echo-reply" in fynx("exec", "--", sys.executable, "-c", code, status=0)
    (told,) = [json.loads(line) for line in fynx("status", "--json", status=0).splitlines()]
    assert told["sas"][0]["established"]
    assert told["sas"][0]["children"][0]["bytes_in"] == 84
    assert "ESTABLISHED" in fynx("status")
    assert fynx("down", status=0) == ""
    assert "no lab is running" in fynx("status", status=0)
    assert "fynx lab up" in fynx("down", status=2)
    assert not command_of(told["pid"])


@pytest.mark.usefixtures("home")
def test_both_sides_can_be_entered():
    fynx("up", status=0)
    ours, theirs = (fynx("exec", *where, "--", "ip", "-br", "addr", status=0) for where in ((), ("--peer",)))
    assert "10.9.0.1/24" in ours
    assert "ipsec0" not in ours
    assert "10.9.0.2/24" in theirs
    assert "ipsec0" in theirs


def test_a_home_that_is_not_ones_own(scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A link that somebody has put where we keep labs is not followed: what it leads to stays whole."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    precious = tmp_path / "lab" / "precious"
    precious.parent.mkdir()
    precious.touch()
    place = scratch / f"fynx-labs-{os.getuid()}"
    place.symlink_to(tmp_path)
    try:
        assert "is not a private folder of yours" in fynx("up", status=2)
    finally:
        fynx("down")  # should one stand after all
    assert precious.exists()
    place.unlink()
    place.mkdir(mode=0o755)
    assert "is not a private folder of yours" in fynx("status", status=2)


@pytest.mark.usefixtures("home")
def test_a_keeper_that_is_killed_leaves_nothing():
    fynx("up", status=0)
    told = json.loads(fynx("status", "--json"))
    os.kill(told["pid"], signal.SIGKILL)
    end = time.monotonic() + 5
    while command_of(told["pid"]) and time.monotonic() < end:
        os.sched_yield()
    assert "its keeper" in fynx("exec", "--", "true", status=2)
    assert "answers at" in fynx("up", status=0)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "--peer", "nobody"), "expected one of the peers strongswan"),
        (("up", "--peer", "libreswan"), "libreswan runs in a guest, which only the matrix supports"),
        (("up", "--name", "../x"), "expected letters"),
        (("up", "--esp", "x;y"), "is not a known algorithm"),
        (("matrix", "wrong_pskk"), "did you mean wrong_psk?"),
        (("matrix", "--peer", "nobody"), "expected one of the peers"),
    ],
)
def test_misuse(words: tuple[str, ...], told: str):
    assert told in fynx(*words, status=2)


def test_a_matrix_in_which_some_is_skipped(tmp_path: Path):
    """niap_tunnel_mode says nothing of the peer's configuration, so a lab cannot be made for it."""
    to = ("--peer", "strongswan", "--role", "initiator", "--to", str(tmp_path / "m"))
    assert "1 of 2 PASS, 1 SKIP" in fynx("matrix", "psk_handshake", "niap_tunnel_mode", *to, status=0)
    assert "0 of 1 PASS, 1 SKIP" in fynx("matrix", "niap_tunnel_mode", *to, status=1)


def test_the_matrix(tmp_path: Path):
    names = ("psk_handshake", "wrong_psk", "ts_narrowed_by_us")
    said = fynx("matrix", *names, "--peer", "strongswan", "--to", str(tmp_path / "m"), status=0)
    assert "10 of 10 PASS" in said
    page = (tmp_path / "m" / "index.html").read_text()
    for link in (
        "strongswan/psk_handshake-initiator.html",
        "strongswan/psk_handshake-responder.pcapng",
        "strongswan/wrong_psk-client.html",
        "strongswan/ts_narrowed_by_us-server.pcapng",
    ):
        assert f'href="{link}"' in page
        assert (tmp_path / "m" / link).exists()
    told = json.loads((tmp_path / "m" / "matrix.json").read_text())
    assert {(each["peer"], each["role"], each["driver"], each["verdict"]) for each in told["outcomes"]} == {
        ("strongswan", "initiator", "Session", "PASS"),
        ("strongswan", "responder", "Session", "PASS"),
        ("strongswan", "client", "IpsecClient", "PASS"),
        ("strongswan", "server", "IpsecServer", "PASS"),
    }
    assert told["outcomes"][0]["version"]
    assert "IKE_SA_INIT" in whole((tmp_path / "m" / "strongswan" / "psk_handshake-initiator.html").read_text())
