# SPDX-License-Identifier: GPL-2.0-or-later
"""Interoperability trials with other implementations, in both roles, one file per topic (`fynx_scapy.lab.trials`)."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Sequence

from fynx_scapy.errors import ConfigError
from fynx_scapy.lab import Trial, registered


def trials(names: Sequence[str] = ()) -> list[Trial]:
    """The trials with these names, or all, in the order of their files. Raises ConfigError for an unknown name."""
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    known = registered()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            raise ConfigError(f"there is no trial {name!r}{f'; did you mean {near[0]}?' if near else ''}")
    return [known[name] for name in (names or known)]
