# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples in the documents run as written: Python blocks, and the lines that call `fynx` or a script."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fynx_scapy.errors import LabError
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.path.icmp import Destinations
from fynx_scapy.ike.terms.cp import ConfigReply
from fynx_scapy.lab.namespace import PACKAGES, Namespace

ROOT = Path(__file__).resolve().parent.parent


CHARON = os.environ.get("CI") or shutil.which("charon-systemd", path="/usr/sbin:/sbin")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


def namespaces() -> bool:
    """Whether we may make network namespaces. CI may."""
    try:
        Namespace().close()
    except LabError:
        return bool(os.environ.get("CI"))
    return True


def run(*command: str, cwd: Path) -> str:
    # As in an activated environment: `python` and `fynx` are the ones that run this test.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "XDG_RUNTIME_DIR": str(cwd)}  # labs of this test only
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pages() -> list[str]:
    """Every page except architecture, whose code is quoted, and migration, which has its own test."""
    found = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    return [page for page in found if page not in ("docs/architecture.md", "docs/migration.md")]


PROGRAM = re.compile(r"# (\w+\.py)\n")
"""The first line of a program that needs another one."""

PYTHON = [
    (page, index)
    for page in pages()
    for index, block in enumerate(blocks(page, "python"))
    if not PROGRAM.match(block)  # these have a test of their own
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "index"), PYTHON, ids=lambda value: str(value))
def test_python_block_runs(page: str, index: int, tmp_path: Path) -> None:
    """Each runs in a new process, because it may register classes; one that begins with ``>>>`` is a doctest."""
    block = blocks(page, "python")[index]
    if "with Lab(" in block and not CHARON:
        pytest.skip("charon-systemd is not installed")
    if "Namespace()" in block and not namespaces():
        pytest.skip("this user may not make network namespaces")
    file = tmp_path / "block.py"
    if block.startswith(">>>"):
        file.with_suffix(".txt").write_text(block)
        # 12: ELLIPSIS | NORMALIZE_WHITESPACE
        code = "import doctest, sys; sys.exit(doctest.testfile('block.txt', False, optionflags=12).failed)"
        run(sys.executable, "-W", "error", "-c", code, cwd=tmp_path)
    elif "main(__file__)" in block:  # a scenario: as if its file were in scenarios/
        file.write_text(block)
        place = "import fynx_scapy.scenarios as s, runpy; s.__path__.append('.')"
        run(sys.executable, "-c", f"{place}; runpy.run_path('block.py', run_name='__main__')", cwd=tmp_path)
    else:
        file.write_text(block)
        run(sys.executable, "-W", "error", str(file), cwd=tmp_path)


@pytest.mark.slow
def test_client_and_server_of_the_guide(tmp_path: Path) -> None:
    """Both as printed, in processes of their own; the server is ended by Ctrl-C."""
    programs = {named[1]: block for block in blocks("docs/guide.md", "python") if (named := PROGRAM.match(block))}
    assert programs.keys() == {
        "server.py",
        "client.py",
        "test_gateway.py",
        "mine.py",
    }  # test_packaging.py runs the third
    for name in ("server.py", "client.py"):
        (tmp_path / name).write_text(programs[name])
    command = [sys.executable, "-W", "error", "server.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            said = run(sys.executable, "-W", "error", "client.py", cwd=tmp_path)
        finally:
            server.send_signal(signal.SIGINT)
            out, err = server.communicate(timeout=30)
    assert said.splitlines()[:3] == ["32 octets from server"] * 3
    assert "packets_in=3, bytes_in=96, packets_out=3, bytes_out=96" in said
    assert "ike_rekeys=1, child_rekeys=1" in said
    assert out == "client has come\nclient has gone: the IKE SA ended: deleted by the peer\n"
    assert err.splitlines()[-1:] == ["KeyboardInterrupt"]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/guide.md", "docs/cases.md"])
def test_cases_of_the_documents_run(page: str, tmp_path: Path) -> None:
    (mine,) = (block for block in blocks(page, "python") if block.startswith("# mine.py\n"))
    (tmp_path / "mine.py").write_text(mine)
    said = run(str(Path(sys.executable).with_name("fynx")), "run", "mine.py", cwd=tmp_path)
    assert re.search(r"^[34] PASS in", said, re.MULTILINE), said


def commands(page: str) -> list[list[str]]:
    """The commands that a page shows, as words."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line[2:], comments=True) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("page", pages())
def test_commands_run(page: str, tmp_path: Path) -> None:
    """Run the `fynx` commands one after the other in one folder; check that the scripts exist."""
    for words in commands(page):
        if words[:2] == ["fynx", "lab"] and not CHARON:
            continue  # CI has one
        if words[0] == "fynx":
            run(str(Path(sys.executable).with_name("fynx")), *words[1:], cwd=tmp_path)
        elif "/" in words[0] and not words[0].startswith(".venv/"):
            assert (ROOT / words[0]).is_file(), words
        else:
            assert words[0] in ("pip", "wireshark", "tshark", "python", ".venv/bin/pytest"), words


def test_every_page_with_examples_is_seen() -> None:
    assert {page for page, _ in PYTHON} >= {"README.md", "CONTRIBUTING.md", "docs/guide.md"}


def ceilings() -> list[list[str]]:
    """The rows of SECURITY.md's table: what, default, where it is set, test."""
    lines = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [row for row in rows if row[1]]


def the_value(name: str) -> object:
    """What a name of the package, or a field of one of the configurations, is by default."""
    where, _, field = name.rpartition(".")
    configs: dict[str, object] = {
        "EndpointConfig": EndpointConfig(),
        "IkeConfig": IkeConfig(auth="secret"),
        "ConfigReply": ConfigReply(),
    }
    if where.endswith(".Destinations"):
        return Destinations.MOST
    return getattr(configs[where] if where in configs else importlib.import_module(where), field)


@pytest.mark.parametrize("row", ceilings(), ids=lambda row: row[0])
def test_a_ceiling_is_what_security_says_and_is_tested(row: list[str]) -> None:
    _, default, name, test = row
    assert the_value(name) == int(default.replace(",", ""))
    file, _, function = test.partition("::")
    assert f"\ndef {function}(" in (ROOT / "tests" / file).read_text()


def test_every_ceiling_of_an_endpoint_is_in_security() -> None:
    named = {row[2] for row in ceilings()}
    fields = {field for field in EndpointConfig.__dataclass_fields__ if field.endswith(("_limit", "_octets", "_size"))}
    assert len(fields) > 10
    assert {f"EndpointConfig.{field}" for field in fields} <= named


def test_hints_name_packages_that_exist() -> None:
    """Extras are in pyproject.toml, and every command that a lab looks for has a Debian package."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    sources = [path.read_text() for path in (ROOT / "fynx_scapy").rglob("*.py")]
    sources += [(ROOT / page).read_text() for page in ("README.md", "docs/guide.md")]
    forms = (r"fynx-scapy\[([a-z]+)\]", r"\(extra:? `*([a-z]+)`*\)")
    named = {name for text in sources for form in forms for name in re.findall(form, text)}
    assert named
    assert named <= extras.keys()
    tools = {name for text in sources for name in re.findall(r"\btool\(\"([a-z_-]+)\"", text)}
    assert tools <= PACKAGES.keys()
