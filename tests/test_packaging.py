# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user installs: wheel and sdist, Scapy's extension loader, the command; all away from the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fynx_scapy
from tests.test_documents import blocks, commands

ROOT = Path(__file__).resolve().parent.parent
LINKS = ("layers", "scenarios")

# One group, so that parallel workers do not each build and install for themselves.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


def run(*command: str | Path, cwd: Path, expect: int = 0) -> str:
    """The standard output of a command that ends with status ``expect``."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == expect, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of_the_tree(folder: Path) -> Path:
    """The files of the checkout, as they are now, without what earlier builds may have left in it."""
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "out", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"
    )
    return Path(shutil.copytree(ROOT, folder, symlinks=True, ignore=ignored))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    tree = copy_of_the_tree(folder / "tree")
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", folder, tree, cwd=folder)
    (path,) = folder.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the sdist gives."""
    folder = tmp_path_factory.mktemp("wheel")
    run("tar", "-xzf", sdist, "-C", folder, cwd=folder)  # Python 3.11.2 has no filter to extract with, 3.12 wants one
    (tree,) = folder.iterdir()
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, tree, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel, cwd=folder)
    return python.parent


@pytest.fixture(scope="module")
def installed_with_pytest(installed: Path) -> Path:
    """The same with pytest. Tests that come later in this file see it too."""
    words = ("-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", "pytest")
    run(installed / "python", *words, cwd=installed)
    return installed


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def test_wheel_holds_one_package(wheel: Path) -> None:
    found = contents(wheel)
    about = f"fynx_scapy-{fynx_scapy.__version__}.dist-info"
    assert {name.split("/")[0] for name in found} == {"fynx_scapy", about}
    assert found[f"{about}/top_level.txt"] == b"fynx_scapy\n"
    assert b"\nLicense-Expression: GPL-2.0-or-later\n" in found[f"{about}/METADATA"]
    assert f"{about}/licenses/LICENSE" in found


def test_wheel_holds_every_module_and_template(wheel: Path) -> None:
    expected = {f"fynx_scapy/{path.relative_to(ROOT / 'fynx_scapy')}" for path in (ROOT / "fynx_scapy").rglob("*.py")}
    expected |= {f"fynx_scapy/{path.relative_to(ROOT)}" for top in LINKS for path in (ROOT / top).rglob("*.py")}
    for folder in ("harness", "report"):
        data = (path for path in (ROOT / "fynx_scapy" / folder).rglob("*.*") if "__pycache__" not in path.parts)
        expected |= {str(path.relative_to(ROOT)) for path in data}
    assert expected | {"fynx_scapy/py.typed"} <= contents(wheel).keys()


def test_wheel_does_not_depend_on_symbolic_links(wheel: Path, tmp_path: Path) -> None:
    """A checkout on a system without links has small text files in their place; its wheel is the same."""
    tree = copy_of_the_tree(tmp_path / "tree")
    for name in LINKS:
        link = tree / "fynx_scapy" / name
        link.unlink()
        link.write_text(f"../{name}")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, tree, cwd=tmp_path)
    (other,) = tmp_path.glob("*.whl")
    assert contents(other) == contents(wheel)


def test_sdist_holds_what_tests_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "constraints.txt",
        "scripts/env",
        "tests/conftest.py",
        "tools/fuzzing.py",
        "docs/architecture.md",
        "CHANGELOG.md",
        "layers/__init__.py",
    } <= found


def test_nothing_called_layers_is_installed(installed: Path) -> None:
    code = "import sysconfig, os; print(*os.listdir(sysconfig.get_path('purelib')))"
    found = run(installed / "python", "-c", code, cwd=installed).split()
    assert "fynx_scapy" in found
    assert not {*LINKS, "tests", "tools", "benchmarks"} & set(found)


LOAD = """
import logging
from scapy.all import conf, load_layer

said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("scapy").addHandler(handler)

conf.exts.load("fynx-scapy")
names = {}
load_layer("fynx_ikev2", globals_dict=names)
load_layer("fynx_esp", globals_dict=names)

import fynx_scapy.layers.esp
import fynx_scapy.layers.ikev2

assert not said, said
assert names["IKEv2"] is fynx_scapy.layers.ikev2.IKEv2
assert names["IKEv2_SA"] is fynx_scapy.layers.ikev2.IKEv2_SA
assert names["ESP"] is fynx_scapy.layers.esp.ESP
(extension,) = conf.exts.exts
print(extension.name, extension.version)
"""


def test_scapy_loads_it_as_an_extension(installed: Path) -> None:
    assert run(installed / "python", "-c", LOAD, cwd=installed) == f"fynx-scapy {fynx_scapy.__version__}\n"


def test_command_runs_from_there(installed: Path, tmp_path: Path) -> None:
    assert fynx_scapy.__version__ in run(installed / "fynx", "--version", cwd=tmp_path)
    assert "psk_handshake" in run(installed / "fynx", "list", cwd=tmp_path)
    topics = {path.parent.name for path in (ROOT / "scenarios").glob("*/__init__.py")}
    for names in (["negative/*"], [f"{topic}/*" for topic in sorted(topics - {"negative"})]):
        (folder := tmp_path / names[0].split("/")[0]).mkdir()
        run(installed / "fynx", "run", *names, "--report", "run.html", "--pcap", "run.pcapng", cwd=folder)
        assert {path.name for path in folder.iterdir()} == {"run.html", "run.pcapng", "run.keys"}


def program(name: str) -> str:
    """A program of the guide, whose first line is its name."""
    (text,) = (block for block in blocks("docs/guide.md", "python") if block.startswith(f"# {name}\n"))
    return text


def test_the_tests_of_the_guide_run_from_there(installed_with_pytest: Path, tmp_path: Path) -> None:
    """With the wheel, what it depends on and pytest alone: the plugin is found by its entry point."""
    for name in ("test_gateway.py", "test_mine.py"):
        (tmp_path / name).write_text(program(name))
    assert len([line for line in program("test_mine.py").splitlines()[1:] if line]) <= 10
    said = run(installed_with_pytest / "python", "-m", "pytest", "-v", "-W", "error", "--strict-markers", cwd=tmp_path)
    assert re.search(r"= \d+ passed in ", said), said
    for role in ("initiator", "responder"):
        assert f"test_mine.py::test_mine[child_without_selectors-{role}] PASSED" in said


def test_the_first_case_of_the_guide_runs_from_there(installed: Path, tmp_path: Path) -> None:
    """With the commands of the guide. Its reproducer runs elsewhere, and without the file of the case."""
    (tmp_path / "mine.py").write_text(program("mine.py"))
    alone, among, script = (
        words for words in commands("docs/guide.md") if {"mine.py", "--from", "bug/reproduce.py"} & {*words}
    )
    assert "4 PASS in" in run(installed / "fynx", *alone[1:], cwd=tmp_path)
    assert "1 PASS in" in run(installed / "fynx", *among[1:], cwd=tmp_path)
    (tmp_path / "mine.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    said = run(installed / "python", tmp_path / script[1], cwd=tmp_path / "elsewhere")
    assert "\nPASS  child_without_nonce: create_child, our request: drop('Ni')." in said


def test_a_reproducer_runs_from_there(installed: Path, tmp_path: Path) -> None:
    """Made by one installation and run by another one would be the same: it has the package alone."""
    (tmp_path / "mine.py").write_text(
        "from fynx_scapy.harness.cases import Case, cases, silent\n"
        "from fynx_scapy.harness.verbs import set_header\n"
        "cases(__name__, [Case('mine', base='init', do=set_header(version=0x30), then=silent(), source='RFC 7296')])\n"
    )
    run(installed / "fynx", "run", "mine.py", "--seed", "7", "--reproducer", "bug", cwd=tmp_path, expect=1)
    (tmp_path / "mine.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    said = run(installed / "python", tmp_path / "bug" / "reproduce.py", cwd=tmp_path / "elsewhere", expect=1)
    assert "FAIL mine: expected no answer after set_header(version=48)" in said
