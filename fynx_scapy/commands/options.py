# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that commands share. Each is defined once, so its spelling and meaning are the same everywhere.

A command accepts only the options that it can honour. Values of secrets are never shown.
"""

from __future__ import annotations

import ipaddress
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.checks import only_line, secret_in_file
from fynx_scapy.commands.origins import naming, say_unread
from fynx_scapy.errors import ConfigError
from fynx_scapy.files import read_octets
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from fynx_scapy.capture.choice import Filter
    from fynx_scapy.keylog import KeyLog

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
STDIO = "-"
PROFILES = ("rfc", "cnsa2", "cnsa1", "niap", "nist", "bsi")
"""The profiles of the audit, without importing it."""
MOST_PSK = 64 << 10
"""The largest file that is read as a pre-shared key."""
_READ = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


class _Written(click.Path):
    """The name of a file to write. A trailing slash, which `Path` would drop, names a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).endswith(os.sep):
            self.fail(f"expected the name of a file, found that of a folder, {str(value)!r}", param, ctx)
        return super().convert(value, param, ctx)


class _Positive(click.FloatRange):
    """A finite number greater than 0."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a finite number, found {value!r}", param, ctx)
        return number


POSITIVE = _Positive()
_WRITTEN = _Written(dir_okay=False, writable=True, allow_dash=True, path_type=Path)
_JSON_HELP = "Print JSON instead of text."
_SAFER = "Other users of this machine can read a command line, but not your files."
_PSK_FILE_HELP = (
    f"Read the pre-shared key from this file, which has nothing else; a final line end is ignored, 0x begins hex "
    f"digits. - is stdin. {_SAFER}"
)

# -- input ------------------------------------------------------------------------------------------------------------

CAPTURE = click.argument("capture", type=_READ)
"""A capture: pcap or pcapng, optionally gzipped; - is stdin."""

KEYS = click.option(
    "--keys",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    help="Read keys or secrets from this file (any known format) or folder; - is stdin. Repeatable. Default: the files "
    f"beside the capture. {_SAFER}",
)

ESP_NULL = click.option(
    "--esp-null",
    is_flag=True,
    help="Read ESP without a key as NULL encryption where it looks like it. What is guessed is named on stderr.",
)

PORT = click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="PORT",
    type=click.IntRange(1, 65535),
    help="Treat this UDP or TCP port like 4500. Repeatable.",
)

# Option -> (list in the KeyLog, form of its argument, help)
_SECRETS: Mapping[str, tuple[str, str, str]] = {
    "secret": ("secrets", "HEX", "Use this shared secret of a key exchange, in any order. Safer in a file: --keys."),
    "private": ("private", "HEX", "Use this private value of either peer's key exchange. Safer in a file: --keys."),
    "sk-d": ("sk_d", "HEX", "Use this SK_d of an IKE SA. Safer in a file: --keys."),
    "psk": ("psk", "TEXT", "Use this pre-shared key: text, 0x... or 0s... (base64). It verifies AUTH and decrypts "
            "nothing. Safer in a file: --psk-file."),
    "ppk": ("ppk", "TEXT", "Use this post-quantum pre-shared key (RFC 8784), written like --psk. Safer in a file: "
            "--keys."),
    "msk": ("msk", "HEX", "Use this MSK of an EAP method. Safer in a file: --keys."),
    "eap-password": ("passwords", "TEXT", "Use this password of EAP-MSCHAPv2, written like --psk. Safer in a file: "
                     "--eap-password-file."),
}  # fmt: skip

SECRETS: Mapping[str, Decorator] = {
    name: click.option(f"--{name}", multiple=True, metavar=form, help=f"{text} Repeatable.")
    for name, (_, form, text) in _SECRETS.items()
}

PSK_FILES = click.option(
    "--psk-file", "psk_files", multiple=True, metavar="PATH", type=_READ, help=f"{_PSK_FILE_HELP} Repeatable."
)
"""Pre-shared keys for a capture."""
EAP_PASSWORD_FILES = click.option(
    "--eap-password-file", "eap_password_files", multiple=True, metavar="PATH", type=_READ,
    help="Read a password of EAP-MSCHAPv2 from this file, as --psk-file does with a key. Repeatable.",
)  # fmt: skip
KEY_FILES = ("keys", "psk_files", "eap_password_files")
"""The options of a capture whose values are files of keys."""


def psk_file(envvar: str | None = None) -> Decorator:
    """The option for a live peer's pre-shared key: one file, which the environment variable ``envvar`` may name."""
    text = f"{_PSK_FILE_HELP} Default: the file named by {envvar} in the environment." if envvar else _PSK_FILE_HELP
    return click.option("--psk-file", metavar="PATH", type=_READ, envvar=envvar, help=text)


def reads_capture(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of every command that reads captures. All but ``ports`` go to `keys_of`."""
    options: list[Decorator] = [KEYS, *SECRETS.values(), PSK_FILES, EAP_PASSWORD_FILES, ESP_NULL, PORT]
    for option in reversed(options):
        command = option(command)
    return command


_FILTERS: tuple[Decorator, ...] = (
    click.option(
        "--conversation", "conversations", multiple=True, metavar="N", type=click.IntRange(1),
        help="Take this conversation, numbered as fynx capture shows it. Repeatable.",
    ),
    click.option(
        "--spi", "spis", multiple=True, metavar="HEX",
        help="Take this SPI: up to 8 digits of ESP or AH, 16 of IKE (either peer's). Repeatable.",
    ),
    click.option(
        "--host", "hosts", multiple=True, metavar="ADDR[/N]",
        help="Take packets from or to this address or network, outside ESP. Repeatable.",
    ),
    click.option(
        "--from", "since", metavar="WHEN",
        help="Take packets from this number on, or this time: 2024-05-01T12:00:00Z, or @SECONDS since 1970.",
    ),
    click.option("--to", "until", metavar="WHEN", help="Take packets up to this number or time, included."),
)  # fmt: skip


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options that choose packets of a capture. Their values go to `filter_of`."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


# -- output -----------------------------------------------------------------------------------------------------------

JSON = click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)

JSON_FILE = click.option(
    "--json",
    "json_file",
    is_flag=False,
    flag_value=STDIO,
    metavar="[FILE]",
    type=_WRITTEN,
    help=f"{_JSON_HELP} With a FILE, write the JSON there and print the text too.",
)
"""For commands that write several reports at once."""

OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=_WRITTEN,
    default=STDIO,
    help="Write to this file; - is stdout, the default.",
)
OUTPUT_NEEDED = click.option(
    "-o", "--output", metavar="FILE", type=_WRITTEN, required=True, help="Write to this file; - is stdout."
)
"""For binary output, where stdout is no good default."""


class Folder(click.Path):
    """A folder to write several files into, so it cannot be stdout."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A path, but not -."""
        if str(value) == STDIO:
            self.fail("- (stdout) cannot take several files: name a folder", param, ctx)
        return super().convert(value, param, ctx)


PCAP = click.option(
    "--pcap",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write a pcapng capture, with its key tables beside it; - is stdout.",
)
SAVE = click.option(
    "--save",
    type=click.Path(file_okay=False, writable=True, allow_dash=True, path_type=Path),
    metavar="DIR",
    help="Write key tables into this folder; - writes one file of keys to stdout.",
)


def writes(*names: str, what: str, metavar: str = "FILE") -> Decorator:
    """An option that writes another file."""
    return click.option(*names, metavar=metavar, type=_WRITTEN, help=f"Write {what}; - is stdout.")


# -- logs and metrics -------------------------------------------------------------------------------------------------

LOG_LEVELS = ("debug", "info", "warning", "error")


def log_options(default: str | None = None) -> Decorator:
    """Decorator: ``log_level`` and ``log_json``. Where no level is the default, nothing is logged unless asked for."""
    level = click.option(
        "--log-level",
        type=click.Choice(LOG_LEVELS),
        default=default,
        show_default=default is not None,
        help="Log on stderr what happens; debug has every IKE message and every ESP packet.",
    )
    as_json = click.option("--log-json", is_flag=True, help="Log as JSON, one object a line.")
    return lambda command: level(as_json(command))


def _where(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """ADDRESS:PORT, [IPv6]:PORT, or the PORT of 127.0.0.1."""
    if value is None:
        return None
    host, _, number = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise click.BadParameter(f"expected an address such as 127.0.0.1:9464 or [::1]:9464, found {value!r}") from None
    if not (number.isdecimal() and int(number) < 65536):
        raise click.BadParameter(f"expected a port from 0 to 65535 after the address, found {value!r}")
    return host, int(number)


METRICS = click.option(
    "--metrics",
    metavar="ADDRESS:PORT",
    callback=_where,
    help="Serve metrics for Prometheus here, at /metrics; open it to your scraper alone.",
)


# -- option values ----------------------------------------------------------------------------------------------------


def keys_of(capture: Path | None, given: Mapping[str, Any], warned: set[str] | None = None) -> KeyLog:
    """The keys that these options give. Without ``--keys``, the keys beside ``capture`` are read too.

    Warnings go to stderr. Those already in ``warned`` are skipped, new ones are added to it. Raises UsageError, whose
    text never contains a secret, also for a file that was named but holds nothing that can be read.
    """
    from fynx_scapy.errors import CaptureError
    from fynx_scapy.keylog import KNOWN, KeyLog, read_stream

    stdin = [path for path in (capture, *(path for name in KEY_FILES for path in given[name])) if str(path) == STDIO]
    if len(stdin) > 1:
        raise click.UsageError("- (stdin) was given more than once, but can be read only once")
    secrets = {kind: list(given[name.replace("-", "_")]) for name, (kind, _, _) in _SECRETS.items()}
    unread: list[str] = []
    with naming({"psk-file": given["psk_files"], "eap-password-file": given["eap_password_files"]}, {}):
        secrets["psk"] += [read_psk(path) for path in given["psk_files"]]
        secrets["passwords"] += [read_psk(path, "a password") for path in given["eap_password_files"]]
    try:
        log = KeyLog(**secrets, esp_null=given["esp_null"])
        if capture is not None and str(capture) != STDIO:
            if given["keys"]:
                say_unread(KeyLog.places_beside(capture), given["keys"], warned)
            else:
                log.update(KeyLog.beside(capture))
        for path in given["keys"]:
            piped = str(path) == STDIO
            read = log.parse(read_stream(sys.stdin.buffer, "stdin"), "stdin") if piped else log.add(path)
            if not read:
                unread.append("stdin" if piped else str(path))
    except (CaptureError, ConfigError) as error:
        raise click.UsageError(str(error)) from None
    _warn(log, warned)
    if unread:
        raise click.UsageError(f"{', '.join(unread)}: no key or secret could be read; known formats: {KNOWN}")
    return log


def _warn(log: KeyLog, warned: set[str] | None) -> None:
    seen = set() if warned is None else warned
    for warning in dict.fromkeys(log.warnings):
        if warning in seen:
            continue
        seen.add(warning)
        click.echo(f"warning: {warning}", err=True)


def filter_of(given: Mapping[str, Any]) -> Filter | None:
    """The filter that these options give; None if none was used. Raises UsageError."""
    from fynx_scapy.capture.choice import Filter

    words = {name: given[name] for name in ("conversations", "spis", "hosts", "since", "until")}
    try:
        return Filter.of(**words) if any(words.values()) else None
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def read_psk(path: Path, what: str = "a pre-shared key") -> bytes:
    """The key in a file, which may have hex digits after ``0x``. Raises UsageError, which says ``what`` is missing."""
    try:
        return secret_in_file(read_passphrase(path, what), printable(str(path), LONGEST))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def read_passphrase(path: Path, what: str = "a passphrase") -> bytes:
    """The one line of a file. Raises UsageError, which says ``what`` is missing."""
    try:
        octets = sys.stdin.buffer.read(MOST_PSK + 1) if str(path) == STDIO else read_octets(path, MOST_PSK)
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(octets) > MOST_PSK:
        raise click.UsageError(f"{path}: expected {what}, but the file is larger than {MOST_PSK >> 10} KB")
    try:
        return only_line(octets, what, printable(str(path), LONGEST))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def warn_exposed(*paths: Path | None) -> None:
    """Warn of files with a secret that every user of this machine may read, when the options are read first.

    Not where a worker or SIGHUP reads them again.
    """
    from fynx_scapy.settings.source import exposed, readable_by_all

    context = click.get_current_context(silent=True)
    said: set[Path] | None = context.meta.setdefault("fynx_scapy.exposed", set()) if context is not None else None
    for path in filter(None, paths):
        if said is not None and path not in said and str(path) != STDIO and readable_by_all(path):
            said.add(path)
            click.echo(f"warning: {exposed(path)}", err=True)


def any_given(given: Mapping[str, Any]) -> bool:
    """Whether any key option was used."""
    return any(given[name.replace("-", "_")] for name in (*KEY_FILES, "esp_null", *_SECRETS))
