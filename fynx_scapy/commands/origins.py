# SPDX-License-Identifier: GPL-2.0-or-later
"""Says which option something comes from: an error about a file (``--ca FILE: expected …``), and the keys of a capture.

The libraries below know no options.
"""

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


def say_unread(
    beside: Iterable[Path], keys: Iterable[Path], told: set[str] | None = None, *, option: str = "--keys"
) -> None:
    """Say once, on stderr, which keys ``beside`` a capture are not read, because an option says which are.

    What has been said already is in ``told``, and new lines are added to it.
    """
    named = [path.resolve() for path in keys]
    unread = [place for place in beside if not any(_reads(path, place.resolve()) for path in named)]
    if not unread:
        return
    read, left = (", ".join(dict.fromkeys(map(str, paths))) for paths in (keys, unread))
    line = printable(f"{option} {read} takes the place of the keys beside the capture: {left} is not read", LONGEST)
    if told is None or line not in told:
        click.echo(line, err=True)
    if told is not None:
        told.add(line)


def _reads(path: Path, place: Path) -> bool:
    """Whether a file or folder that is named reads what is in this place: of a folder, the files right in it."""
    return place == path or place in path.parents or (place.parent == path and place.is_file())
