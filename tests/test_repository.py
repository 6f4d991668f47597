# SPDX-License-Identifier: GPL-2.0-or-later
"""The repository keeps its own promises: packages, pins, licences, headers, links, scripts."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import fynx_scapy
from tests.test_imports import FILES

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    ROOT / "pcaps" / "README.md",
    ROOT / "notebooks" / "README.md",
]
SOURCES = [
    path
    for top in ("fynx_scapy", "layers", "scenarios", "tests", "tools", "benchmarks")
    for path in sorted((ROOT / top).rglob("*.py"))
    if path.resolve() == path
]
SCRIPTS = [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]


def tracked() -> list[Path]:
    """The files that git knows, or every file where this is no git checkout (an unpacked sdist)."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_package_list_is_the_tree() -> None:
    places = PROJECT["tool"]["setuptools"]["package-dir"]
    found = set()
    for top, prefix in {"fynx_scapy": "fynx_scapy", **{folder: name for name, folder in places.items()}}.items():
        for init in (ROOT / top).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / top)
            if prefix != "fynx_scapy" or not inside.parts or inside.parts[0] not in places.values():
                found.add(".".join([prefix, *inside.parts]))
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


@pytest.mark.parametrize("top", ["layers", "scenarios"])
def test_links_into_the_package(top: str) -> None:
    link = ROOT / "fynx_scapy" / top
    assert link.is_symlink()
    assert os.readlink(link) == f"../{top}"


def test_package_data_exists() -> None:
    for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items():
        folder = ROOT.joinpath(*package.split("."))
        assert any(path for pattern in patterns for path in folder.glob(pattern)), package


def pins() -> dict[str, str]:
    """``constraints.txt`` as normalised name -> version."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line) for line in lines), (
        "plain name==version lines only"
    )
    split = [line.split("==") for line in lines]
    return {canonical(name): version for name, version in split}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(*wanted: str) -> set[str]:
    """The installed distributions that requirement strings pull in, by normalised name."""
    found: dict[str, set[str]] = {}
    queue = [(Requirement(text), "") for text in wanted]
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonical(requirement.name)
        new = {"", *requirement.extras} - found.get(name, set())
        found.setdefault(name, set()).update(new)
        if new:
            texts = importlib.metadata.requires(name) or []
            queue += [(Requirement(text), each) for text in texts for each in new]
    return set(found)


def test_pins_cover_what_is_installed() -> None:
    pinned = pins()
    for name in closure("fynx-scapy[dev]") - {"fynx-scapy"}:
        assert pinned.get(name) == importlib.metadata.version(name), name


def test_dev_holds_the_other_extras() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    included = next(Requirement(text).extras for text in extras["dev"] if text.startswith("fynx-scapy["))
    assert set(included) == extras.keys() - {"dev", "coverage"}


def apache_alone(name: str) -> bool:
    """Whether a distribution offers the Apache licence and no other."""
    about: Any = importlib.metadata.metadata(name)  # an email.message.Message: its stub for Python 3.11 has no get()
    said = about.get("License-Expression") or " ".join(
        [
            (about.get("License") or "").partition("\n")[0],
            *(text for text in about.get_all("Classifier") or [] if "License ::" in text),
        ]
    )
    return "apache" in said.lower() and not re.search(r"\bOR\b|BSD|MIT License|Python Software", said)


def test_core_goes_with_scapys_licence() -> None:
    assert not {name for name in closure("fynx-scapy") if apache_alone(name)}


def test_readme_names_what_is_apache_alone() -> None:
    readme = (ROOT / "README.md").read_text()
    assert {name for name in closure("fynx-scapy[dev]") if apache_alone(name) and f"`{name}`" not in readme} == set()


def test_licence_is_said_once_and_whole() -> None:
    assert PROJECT["project"]["license"] == "GPL-2.0-or-later"
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2, June 1991" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_changelog_knows_the_version() -> None:
    assert f"## {fynx_scapy.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def says_licence_and_purpose(text: str) -> bool:
    """Whether a source file begins with its SPDX line and a docstring."""
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        del lines[0]
    code = next((line for line in lines if line and not line.startswith("#")), "")
    return lines[:1] == ["# SPDX-License-Identifier: GPL-2.0-or-later"] and code.startswith(('"""', 'r"""'))


def test_source_files_say_licence_and_purpose() -> None:
    texts = {named(path): path.read_text() for path in SOURCES}
    told = {name: says_licence_and_purpose(text) for name, text in texts.items() if text or "__init__" not in name}
    assert [name for name, well in told.items() if not well] == []
    assert len(told) > 900


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_script_runs_and_is_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert os.access(path, os.X_OK)
    assert lines[0] == "#!/bin/sh"
    assert len(lines) < (60 if path.name == "env" else 20)
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0


def test_tests_hold_no_programs_and_tools_need_no_tests() -> None:
    """A program lies in tools/, which of the tests knows the pair of endpoints alone."""
    tests = [path for path in SOURCES if path.is_relative_to(ROOT / "tests")]
    tools = [path for path in SOURCES if path.is_relative_to(ROOT / "tools")]
    assert [named(path) for path in tests if re.search(r"^if __name__ ==", path.read_text(), re.MULTILINE)] == []
    used = {name for path in tools for name in re.findall(r"\btests\.[\w.]+", path.read_text())}
    assert used == {"tests.ike.pair", "tests.faults.everything", "tests.faults.fault"}


def test_nothing_is_bound_to_one_machine() -> None:
    here = re.escape(str(ROOT)) + "|" + re.escape(str(Path.home())) + r"/|\b(?:pypi|pythonhosted)\.org\b"
    bad = []
    for path in tracked():
        octets = path.read_bytes()
        if re.search(here.encode(), octets):
            bad.append(named(path))
    assert not bad


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    yield from re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        assert re.match(r"https?://", link) or (page.parent / link).exists(), link


LONGEST = 140
"""Characters of a line of prose, or of a cell of a table."""


def text_of(page: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page outside its code, and the cells of its tables, with their line numbers."""
    code = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        code ^= line.startswith("```")
        if not code and not line.startswith("```"):
            yield from ((number, cell.strip()) for cell in (line.strip("|").split("|") if line[:1] == "|" else [line]))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=named)
def test_pages_have_no_line_that_nobody_can_read(page: Path) -> None:
    assert [(number, text) for number, text in text_of(page) if len(text) > LONGEST] == []


def test_docs_list_every_page() -> None:
    """Every page in docs/ is reachable from the README or from another page there."""
    linked = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert {page for page in (ROOT / "docs").glob("*.md") if page.resolve() not in linked} == set()


def test_captures_have_a_provenance() -> None:
    told = (ROOT / "pcaps" / "README.md").read_text()
    for path in (ROOT / "pcaps").iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in told or f"`{path.name}/`" in told, path.name


def empty_members(path: Path) -> list[str]:
    """The members of enumerations in a file that have an empty tuple for a value."""
    if "= ()" not in (text := path.read_text()):
        return []
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    enumerations = [node for node in classes if any(ast.unparse(base).endswith("Enum") for base in node.bases)]
    members = [one for node in enumerations for one in node.body if isinstance(one, ast.Assign)]
    return [ast.unparse(one) for one in members if ast.unparse(one.value) == "()"]


def test_no_member_of_an_enumeration_is_an_empty_tuple() -> None:
    """Python 3.11.0 to 3.11.2, as in Debian 12, give such a member an object for a value."""
    assert {str(path): found for path in FILES.values() if (found := empty_members(path))} == {}
