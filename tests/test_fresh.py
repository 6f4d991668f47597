# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/fresh: what it takes from this machine, and that what it starts ends with it. CI runs the whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import fresh

ROOT = Path(__file__).resolve().parent.parent
STARTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
from tools.fresh import apart
with apart("sh", "-c", "sleep 1000 & echo $$; readlink /proc/self/ns/pid; wait") as process:
    process.wait()
"""


def in_namespace(name: str) -> list[str]:
    """The processes whose namespace that is."""
    found = []
    for process in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{process}/ns/pid") == name:
                found.append(process)
        except OSError:
            continue  # it has ended meanwhile
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces as scripts/fresh does")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_runs_apart_ends_with_us(how: signal.Signals) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE, text=True, env=environment,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "1\n"  # as it sees itself
        namespace = process.stdout.readline().strip()
        assert len(in_namespace(namespace)) >= 2
        process.send_signal(how)
        process.wait(timeout=30)
    end = time.monotonic() + 10
    while in_namespace(namespace) and time.monotonic() < end:
        os.sched_yield()
    assert in_namespace(namespace) == []


def test_the_places_that_pip_looks_into(tmp_path: Path) -> None:
    for name in ("index/simple", "index/files", "wheels"):
        (tmp_path / name).mkdir(parents=True)
    configuration = (
        f":env:.find-links='{tmp_path}/wheels'\nglobal.cert='/etc/ssl/certs/ca-certificates.crt'\n"
        f"global.extra-index-url='file://{tmp_path}/index/simple file:///not/there/simple'\n"
        "global.index-url='https://registry.example/simple'\n"
    )
    assert fresh.looked_into(configuration) == [f"{tmp_path}/index", f"{tmp_path}/wheels"]


def test_the_environment_inside_is_a_new_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "https_proxy", "CI"):
        monkeypatch.setenv(name, "kept")
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "FYNX_PSK_FILE"):
        monkeypatch.setenv(name, "not kept")
    inside = fresh.inherited()
    assert "not kept" not in inside.values()
    assert {name for name, value in inside.items() if value == "kept"} == {"PIP_INDEX_URL", "https_proxy", "CI"}
    assert inside["HOME"] == "/root"


@pytest.mark.parametrize("words", [[], ["buzz"], ["--demo"], ["bookworm", "--test"]])
def test_misuse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        fresh.main(words)
    assert "usage: scripts/fresh" in capsys.readouterr().err


def test_what_cannot_be_done_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert fresh.main(["trixie"]) == 1
    assert "did not run: only root" in capsys.readouterr().err
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert fresh.main(["debian-13"]) == 1
    assert "did not run: mmdebstrap" in capsys.readouterr().err


def test_a_second_signal_does_not_interrupt_the_cleaning_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in fresh.SIGNALS}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fresh, "missing", str)
    monkeypatch.setattr(fresh, "run_in_root", lambda *_: signal.raise_signal(signal.SIGTERM))
    removed = []

    def remove(work: Path, **_: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        removed.append(work.parent.name)

    monkeypatch.setattr("shutil.rmtree", remove)
    try:
        with pytest.raises(SystemExit, match="143"):
            fresh.main(["trixie"])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert removed == ["fresh"]
