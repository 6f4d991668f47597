# SPDX-License-Identifier: GPL-2.0-or-later
"""Names the option in an error about what it has: ``--ca FILE: expected …``. The libraries below know no options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from fynx_scapy.errors import ConfigError
from fynx_scapy.text import LONGEST, printable


@contextmanager
def naming(files: Mapping[str, Iterable[Path]], values: Mapping[str, str]) -> Iterator[None]:
    """Adds the option to a ConfigError or UsageError that is raised inside.

    ``files`` are those of each option. ``values`` are words with which the texts about other values begin, as regular
    expressions, and the option of each.
    """
    try:
        yield
    except ConfigError as error:
        error.args = (_named(str(error), files, values),)
        raise
    except click.UsageError as error:
        raise click.UsageError(_named(error.message, files, values), error.ctx) from None


def _named(text: str, files: Mapping[str, Iterable[Path]], values: Mapping[str, str]) -> str:
    for option, paths in files.items():
        for name in dict.fromkeys(each for path in paths for each in (str(path), printable(str(path), LONGEST))):
            # "FILE: ", "expected FILE: ", "Trust.anchors: FILE: ", and "the key in FILE does not fit"
            text, count = re.subn(
                rf"^(expected )?(?:Trust\.\w+: )?({re.escape(name)}: )", rf"\1--{option} \2", text, count=1
            )
            if count:
                return text
            text = re.sub(rf"\b((?:key|certificate .+?) in )({re.escape(name)})(?=[ ,;]|$)", rf"\1--{option} \2", text)
    for words, option in values.items():
        if re.match(words, text):
            text = re.sub(r"^(?:usim|password): ", "", text)
            return f"{option}: {text}"
    return text
