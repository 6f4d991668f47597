# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``fynx pki`` shares: its options, changes from the command line, and files that it does not overwrite."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.opening import writing_octets
from fynx_scapy.commands.options import STDIO, Decorator, read_passphrase
from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy.pki.making import Authority

READ = click.Path(exists=True, dir_okay=False, path_type=Path)
FORCE = click.option("--force", is_flag=True, help="Overwrite files that are there.")


def deviations(examples: str) -> Decorator:
    """The option for deviations, with some of them."""
    return click.option(
        "--change", "changes", multiple=True, metavar="NAME[=VALUE]",
        help=f"Deviate from what is ordinary: {examples}, … Repeatable; a wrong NAME lists them all.",
    )  # fmt: skip


def passphrase_file(what: str) -> Decorator:
    """The option for the file of a passphrase."""
    return click.option(
        "--passphrase-file", type=READ, metavar="PATH",
        help=f"{what} with the passphrase in this file, which has nothing else; a final line end is ignored.",
    )  # fmt: skip


def key_option(default: str = "ecdsa-p256") -> Decorator:
    """The option for the kind of a key that is made."""
    text = "Make keys of this kind: rsa-2048, ecdsa-p384, ed25519, mldsa65, … A wrong one lists them."
    return click.option("--key", metavar="KIND", default=default, show_default=True, help=text)


def authority_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the authority that signs, as ``ca``, ``ca_key`` and ``chain``."""
    options: tuple[Decorator, ...] = (
        passphrase_file("Open the authority's key"),
        click.option(
            "--chain",
            multiple=True,
            type=READ,
            metavar="FILE",
            help="Intermediates above the authority. Repeatable.",
        ),
        click.option("--ca-key", required=True, type=READ, metavar="FILE", help="Sign with this key of the authority."),
        click.option("--ca", required=True, type=READ, metavar="FILE", help="Sign as this authority."),
    )
    for option in options:
        command = option(command)
    return command


def authority_of(ca: Path, ca_key: Path, chain: Iterable[Path], passphrase: Path | None) -> Authority:
    """The authority of `authority_options`. ConfigError."""
    from fynx_scapy.pki.loading import load_certificates, load_key
    from fynx_scapy.pki.making import Authority

    own, *above = load_certificates(ca)
    return Authority.of(own, load_key(ca_key, secret_of(passphrase)), [*above, *certificates_of(chain)])


def certificates_of(paths: Iterable[Path]) -> list[Any]:
    """The certificates of several files. ConfigError."""
    from fynx_scapy.pki.loading import load_certificates

    return [each for path in paths for each in load_certificates(path)]


def secret_of(path: Path | None) -> bytes | None:
    """The passphrase in a file."""
    return None if path is None else read_passphrase(path)


@contextmanager
def misused() -> Iterator[None]:
    """A setting that cannot be is one line and exit status 2, without what was asked for being half done."""
    try:
        yield
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def changes_of(kind: Any, given: Iterable[str]) -> dict[str, Any]:
    """``NAME`` or ``NAME=VALUE`` as settings of a class of changes. UsageError, which names the nearest."""
    known = {field.name: str(field.type) for field in fields(kind)}
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise click.UsageError(f"--change expects one of {', '.join(known)}; found '{printable(name, 60)}'{hint}")
        found[name] = _value(name, known[name], value if equals else None)
    return found


def _value(name: str, kind: str, text: str | None) -> Any:
    """A value by the type that a setting declares."""
    words = {"yes": True, "true": True, "no": False, "false": False}
    if "bool" in kind or kind == "Any":
        if text is None or text.lower() in words:
            return True if text is None else words[text.lower()]
        raise click.UsageError(f"--change {name} takes yes or no, found '{printable(text, 60)}'")
    if text is None:
        if name == "big":
            return True
        raise click.UsageError(f"--change {name} needs a value: {name}=VALUE")
    if "datetime" in kind:
        return time_of(f"--change {name}", text)
    if "int" in kind:
        try:
            return int(text, 0)
        except ValueError:
            raise click.UsageError(f"--change {name} takes a whole number, found '{printable(text, 60)}'") from None
    return tuple(filter(None, text.split(","))) if "tuple" in kind else text


def time_of(option: str, text: str) -> datetime:
    """A time such as 2026-01-31T12:00:00Z or 2026-01-31; without a time zone it is UTC. UsageError."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        told = printable(text, 60)
        raise click.UsageError(f"{option} takes a time such as 2026-01-31T12:00:00Z, found '{told}'") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def save(outputs: Mapping[Path, bytes], secrets: Iterable[Path] = (), *, force: bool) -> None:
    """Write files, those of ``secrets`` for their owner only (mode 600). UsageError, before any, if one is there.

    - is stdout. A missing folder is made.
    """
    there = [path for path in outputs if str(path) != STDIO and os.path.lexists(path)]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise click.UsageError(f"{printable(str(there[0]))}{more} {'exist' if more else 'exists'}: --force overwrites")
    hidden = set(secrets)
    for path, octets in outputs.items():
        with writing_octets(path, secret=path in hidden) as file:
            file.write(octets)
