# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a configuration of any `Checked` class from TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from fynx_scapy.errors import ConfigError
from fynx_scapy.settings.positions import Path as Keys
from fynx_scapy.settings.positions import positions
from fynx_scapy.settings.source import read_text
from fynx_scapy.settings.tables import C, Reader


def read_toml(path: Path, cls: type[C]) -> tuple[C, tuple[str, ...]]:
    """The configuration in a TOML file, and warnings about the file. ConfigError names file, line and key."""
    text = read_text(path)
    try:
        table = tomllib.loads(text)
        lines: Mapping[Keys, int] = positions(text)
    except RecursionError:
        raise ConfigError(f"{path}: expected TOML, found arrays or tables that are nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, and a number of too many digits
        raise syntax(path, str(error)) from None
    reader = Reader(path, lines)
    config = reader.read(cls, table)
    return config, reader.warnings()


def syntax(path: Path, text: str) -> ConfigError:
    """``Invalid value (at line 3, column 5)`` in our order of words."""
    found = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", text, re.DOTALL)
    return ConfigError(f"{path}: {found[2]}: {found[1]}" if found else f"{path}: {text}")
