# SPDX-License-Identifier: GPL-2.0-or-later
"""No file of the package is too long to be read at once, and no wing has more files than a reader finds his way in."""

from __future__ import annotations

from pathlib import Path

from tests.test_imports import FILES

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 400
FULLEST = 15
TABLES = {"iana.py"}
"""Files that are a table from beginning to end, and so may be longer."""
WINGS = ("ike", "capture")


def place(path: Path) -> Path:
    """Where a file of the package lies as seen by a reader: ``layers/…``, ``scenarios/…``, or below the package."""
    inside = path.relative_to(ROOT)
    return Path(*inside.parts[1:]) if inside.parts[0] == "fynx_scapy" else inside


SIZES = {str(place(path)): len(path.read_text().splitlines()) for path in FILES.values()}


def folders(wing: str) -> dict[str, int]:
    """Each folder of a wing, and how many files lie in it."""
    found = [str(Path(name).parent) for name in SIZES if name.startswith(f"{wing}/")]
    return {folder: found.count(folder) for folder in dict.fromkeys(found)}


def test_files_are_not_too_long() -> None:
    assert {name: SIZES[name] for name in SIZES if SIZES[name] > LONGEST and name not in TABLES} == {}


def test_tables_are_there_and_need_to_be_excused() -> None:
    assert {name for name in TABLES if SIZES[name] > LONGEST} == TABLES


def test_a_wing_is_not_crowded() -> None:
    assert {folder: count for wing in WINGS for folder, count in folders(wing).items() if count > FULLEST} == {}


def test_wings_are_counted() -> None:
    for wing in WINGS:
        assert sum(folders(wing).values()) == sum(name.startswith(f"{wing}/") for name in SIZES) > FULLEST
