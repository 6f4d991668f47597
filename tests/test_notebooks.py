# SPDX-License-Identifier: GPL-2.0-or-later
"""Each notebook runs from top to bottom, and the outputs that are kept in it are those of its code."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from tools.notebooks import NOTEBOOKS, executed

ALL = sorted(NOTEBOOKS.glob("*.ipynb"))


def words(notebook: nbformat.NotebookNode) -> list[tuple[str, list[str]]]:
    """Each code cell with the text of its outputs; pictures are not compared."""

    def text(output: nbformat.NotebookNode) -> str:
        # Scapy takes the names of ports from /etc/services, which not every machine has.
        return (output.get("text") or output.get("data", {}).get("text/plain", "")).replace(":echo ", ":7 ")

    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [(cell.source, [text(output) for output in cell.outputs]) for cell in cells]


@pytest.mark.slow
@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
# IPython's kernel in a process of its own; zmq's sockets are closed by its garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_notebook_says_what_it_says(path: Path) -> None:
    if path.stem.startswith("5") and shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    kept = nbformat.read(path, as_version=4)
    assert words(executed(path)) == words(kept)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_notebook_can_be_read_without_running_it(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)
    assert notebook.cells[0].cell_type == "markdown"


def test_there_are_six() -> None:
    assert len(ALL) == 6
    told = (NOTEBOOKS / "README.md").read_text()
    assert all(f"({path.name})" in told for path in ALL)
