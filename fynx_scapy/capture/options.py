# SPDX-License-Identifier: GPL-2.0-or-later
"""What every command that opens captures takes: secrets, and files of keys. What was given is never shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..keylog import KeyLog

SECRET_OPTIONS = {
    "secret": ("secrets", "HEX", "The shared secret of a key exchange; in any order."),
    "private": ("private", "HEX", "The private value of one end of a key exchange."),
    "sk-d": ("sk_d", "HEX", "SK_d of an IKE SA."),
    "psk": ("psk", "TEXT", "A pre-shared key: text, 0x... or 0s... (base64). Proves who was there, opens nothing."),
    "ppk": ("ppk", "TEXT", "A post-quantum pre-shared key (RFC 8784), written the same way."),
    "msk": ("msk", "HEX", "The MSK of an EAP method."),
}


def secret_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options that give secrets, each any number of times, and files of them."""
    for option, (_, metavar, text) in reversed(SECRET_OPTIONS.items()):
        command = click.option(f"--{option}", multiple=True, metavar=metavar, help=text)(command)
    return click.option(
        "--keys",
        multiple=True,
        metavar="PATH",
        type=click.Path(exists=True, path_type=Path),
        help="A file of any format of keys, or of lines such as 'psk TEXT': on a command line, secrets can be seen by "
        "others on the same machine. Without it, what lies beside the capture is used.",
    )(command)


def keys_of(capture: Path | None, given: dict[str, Any]) -> KeyLog:
    """The keys that these options give. UsageError says what is wrong, without what was given."""
    from ..errors import CaptureError, ConfigError
    from ..keylog import KeyLog

    try:
        secrets = {kind: given[name.replace("-", "_")] for name, (kind, _, _) in SECRET_OPTIONS.items()}
        log = KeyLog(**secrets)
        if capture is not None and not given["keys"]:
            log.update(KeyLog.beside(capture))
        for path in given["keys"]:
            log.add(path)
    except (CaptureError, ConfigError) as error:
        raise click.UsageError(str(error)) from None
    return log


def any_given(given: dict[str, Any]) -> bool:
    """Whether any of these options was used."""
    return any(given[name.replace("-", "_")] for name in ("keys", *SECRET_OPTIONS))
