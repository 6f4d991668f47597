# SPDX-License-Identifier: GPL-2.0-or-later
"""Structured logs, with structlog: one line for each event of a network, as logfmt or JSON.

What is logged is made safe here, whoever renders it: text is printable and on one line, and of a value that is neither
text nor a number only the type is shown, so that no key gets into a log by its repr.
"""

from __future__ import annotations

import datetime
import enum
import ipaddress
import sys
from collections import Counter
from collections.abc import Mapping, MutableMapping
from pathlib import PurePath
from typing import Any, Self, TextIO

import structlog

from fynx_scapy.errors import ConfigError
from fynx_scapy.events import Event
from fynx_scapy.ike.basics.limiter import Limiter
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.observe.entries import LEVELS, ROWS, Row, name
from fynx_scapy.text import LONGEST, printable

EVERY, BURST = 0.1, 50
"""Of each kind of event that strangers may cause: a line in so many seconds, and so many at once after a rest."""

_FIRST = ("timestamp", "level", "event", "host", "spi_i", "spi_r")
_PLAIN = (Address, Identity, ipaddress.IPv4Address, ipaddress.IPv6Address, PurePath)
"""Types whose text is what it says, and holds no secret."""

Entry = MutableMapping[str, Any]


def plain(value: object) -> Any:
    """A value that any log may show: numbers, printable text, and lists and mappings of them.

    Of any other value, octets among them, it is the type alone: they may be a key, or have one in their repr.
    """
    match value:
        case None | bool() | int() | float() if not isinstance(value, enum.Enum):
            return value
        case enum.Enum():
            return plain(value.value) if isinstance(value.value, str | int) else value.name
        case str():
            return printable(value, LONGEST)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} octets>"
        case _ if isinstance(value, _PLAIN):
            return printable(str(value), LONGEST)
        case Mapping():
            return {printable(str(key), LONGEST): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
    return f"<{type(value).__name__}>"


def redact(logger: object, method: str, event_dict: Entry) -> Entry:
    """A processor for structlog: `plain` for every value. Put it before the renderer of your own configuration."""
    return {key: plain(value) for key, value in event_dict.items()}


def structured(file: TextIO | None = None, *, json: bool = False) -> Any:
    """A structlog logger that writes lines to ``file``, by default stderr: logfmt, or JSON.

    It has a configuration of its own: that of `structlog.configure` is not used and not changed.
    """
    render = structlog.processors.JSONRenderer(ensure_ascii=False) if json else _logfmt
    return structlog.wrap_logger(
        structlog.PrintLogger(file or sys.stderr),
        processors=[structlog.processors.add_log_level, redact, _ordered, render],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _ordered(logger: object, method: str, event_dict: Entry) -> Entry:
    """What every line has comes first."""
    return {key: event_dict[key] for key in _FIRST if key in event_dict} | dict(event_dict)


_LOGFMT = structlog.processors.LogfmtRenderer(bool_as_flag=False)


def _logfmt(logger: object, method: str, event_dict: Entry) -> str:
    flat = {key: ",".join(map(str, value)) if isinstance(value, list) else value for key, value in event_dict.items()}
    return str(_LOGFMT(logger, method, flat))


class EventLog:
    """Logs the events of a network, from now on. ``close()`` stops; a ``with`` block does so at its end.

    >>> with EventLog(network, level="debug", json=True, file=open("fynx.log", "w")):
    ...     ...

    ``level`` is ``debug``, ``info``, ``warning`` or ``error``. ``debug`` has every IKE message and every ESP packet;
    only then do ESP packets cost an event. At the other levels what strangers may cause is limited to `BURST` lines at
    once and then one every `EVERY` seconds for each kind; the next line of that kind says how many were suppressed.

    ``logger`` is any structlog logger, instead of ``file`` and ``json``: the line goes through its processors.
    ``context`` has further fields of each line.
    """

    def __init__(
        self,
        network: Hosts,
        *,
        level: str = "info",
        json: bool = False,
        file: TextIO | None = None,
        logger: Any = None,
        **context: object,
    ) -> None:
        if level not in LEVELS:
            raise ConfigError(f"expected one of the log levels {', '.join(LEVELS)}, found {level!r}")
        if logger is not None and (json or file is not None):
            raise ConfigError("expected either a logger, or a file and json, found both")
        self._network = network
        self._logger = structured(file, json=json) if logger is None else logger
        self._levels, self._limited = LEVELS[LEVELS.index(level) :], level != "debug"
        self._context = context
        self._limits = Limiter()
        self._suppressed: Counter[str] = Counter()
        self.close = network.subscribe(self._heard, esp=level == "debug")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _heard(self, host: str, event: Event) -> None:
        row = ROWS.get(type(event), _UNKNOWN)
        if row.level not in self._levels:
            return
        what = name(type(event))
        if self._limited and row.stranger(event) and not self._limits.allow(what, self._network.now, EVERY, BURST):
            self._suppressed[what] += 1
            return
        spis = {"spi_i": event.spi_i.hex(), "spi_r": event.spi_r.hex()} if any(event.spi_i) else {}
        suppressed = {"suppressed": self._suppressed.pop(what, None)}
        fields = {"timestamp": self._timestamp(event.time), "host": host, **spis, **row.fields(event), **suppressed}
        known = {key: plain(value) for key, value in (fields | self._context).items() if value not in (None, (), [])}
        getattr(self._logger, row.level)(what, **known)

    def _timestamp(self, time: float) -> str:
        """ISO 8601 in UTC; seconds where time is virtual."""
        if self._network.epoch is None:
            return f"{time:.6f}"
        moment = datetime.datetime.fromtimestamp(self._network.epoch + time, datetime.UTC)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


_UNKNOWN = Row("info", lambda event: {})
"""An event of a user's extension: its name alone, for nobody knows what its fields hold."""
