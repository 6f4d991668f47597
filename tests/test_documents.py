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
from unittest import mock

import click
import pytest

from fynx_scapy import cli, scenarios
from fynx_scapy.errors import LabError
from fynx_scapy.harness import ExpectedFailure, Manifest
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.path.icmp import Destinations
from fynx_scapy.ike.terms.cp import ConfigReply
from fynx_scapy.lab.namespace import PACKAGES, Namespace
from fynx_scapy.pytest_state import add_options

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
    # Labs of this test only, and no peers of other suites, with which a matrix takes three times as long.
    environment = {**os.environ, "PATH": path, "XDG_RUNTIME_DIR": str(cwd), "XDG_CACHE_HOME": str(cwd / "cache")}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pages() -> list[str]:
    """Every page except architecture, whose code is quoted, and migration, which has its own test."""
    found = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    return [page for page in found if page not in ("docs/architecture.md", "docs/migration.md")]


OWN_TEST = ("docs/certificates.md", "docs/eap.md")
"""The pages whose commands test_certificates_page.py runs."""
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
        "test_mine.py",
        "mine.py",
    }  # test_packaging.py runs those of pytest
    for name in ("server.py", "client.py"):
        (tmp_path / name).write_text(programs[name])
    command = [sys.executable, "-W", "error", "server.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            said = run(sys.executable, "-W", "error", "client.py", cwd=tmp_path)
            server.send_signal(signal.SIGINT)
            out, err = server.communicate(timeout=30)
        finally:
            server.kill()  # it ignores SIGINT where this test was started in the background
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


SHORTER: dict[tuple[str, ...], list[str]] = {
    ("fynx", "run", "negative"): ["--severity", "critical"],
    ("fynx", "run", "suite:niap", "--lab", "strongswan", "--evidence", "evidence"): ["--role", "initiator"],
}
"""What is added to commands that take minutes. test_scenarios.py and test_strongswan.py play each of these scenarios in
each role, with the same peers."""


def commands(page: str) -> list[list[str]]:
    """The commands that a page shows, as words."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line[2:], comments=True) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages() if page not in OWN_TEST])
def test_commands_run(page: str, tmp_path: Path) -> None:
    """Run the `fynx` commands one after the other in one folder, with the page's files; the scripts exist."""
    for block in blocks(page, "python"):
        if named := PROGRAM.match(block):
            (tmp_path / named[1]).write_text(block)
    for words in commands(page):
        if words[0] == "fynx" and {"lab", "--lab"} & set(words) and not CHARON:
            continue  # CI has one
        if words[0] == "fynx":
            run(str(Path(sys.executable).with_name("fynx")), *words[1:], *SHORTER.get(tuple(words), ()), cwd=tmp_path)
        elif "/" in words[0] and not words[0].startswith(".venv/"):
            assert (ROOT / words[0]).is_file(), words
        else:
            assert words[0] in ("pip", "wireshark", "tshark", "python", ".venv/bin/pytest"), words


def test_the_manifest_of_the_guide_is_one(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("docs/guide.md", "toml") if block.startswith("[[expected]]"))
    (tmp_path / "peer.toml").write_text(text)
    manifest = Manifest.from_file(tmp_path / "peer.toml")
    manifest.check_names([scenarios.load("error_major_version")])
    (row,) = manifest.expected
    shown = set(re.findall(r"^(\w+) =", text, re.MULTILINE))
    assert shown == set(ExpectedFailure.__dataclass_fields__) - {"sentence", "cve"}
    assert row.requirement == "7296-3.1-11"


def shown_for_live_peers() -> list[list[str]]:
    """The commands of all pages that are not run, because they need a peer: as words."""
    found = []
    for page in pages():
        joined = [block.replace("\\\n", " ") for block in blocks(page, "text")]
        lines = [line for block in joined for line in block.splitlines() if line.startswith("$ ")]
        found += [shlex.split(line[2:], comments=True) for line in lines]
    return [words for words in found if words[0] in ("fynx", "pytest")]


def options_of(words: list[str]) -> set[str]:
    """The options that a command of ours has, or that our plugin gives to pytest."""
    if words[0] == "pytest":
        parser = mock.Mock()
        add_options(parser)
        return {"-n", *(call.args[0] for call in parser.getgroup.return_value.addoption.call_args_list)}
    command: click.Command = cli.main
    for word in words[1:]:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word) or command
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_what_is_shown_for_live_peers_has_these_options() -> None:
    shown = shown_for_live_peers()
    assert {words[0] for words in shown} == {"fynx", "pytest"}
    for words in shown:
        given = {word.partition("=")[0] for word in words[1:] if re.match("--?[a-z]", word)}
        assert given <= options_of(words), words


def test_what_is_made_shorter_is_on_a_page() -> None:
    assert {tuple(words) for page in pages() for words in commands(page)} >= SHORTER.keys()


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
