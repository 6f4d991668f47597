# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of a key file without what a logger has put around them: JSON, a journal's fields, a syslog's prefix."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple


class Line(NamedTuple):
    """A line and its number in the file."""

    number: int
    text: str


MEMBERS = ("MESSAGE", "log", "message", "msg", "line", "short_message", "textPayload")
"""Where a JSON log has its text: journald, Docker, and other loggers."""

NESTED = ("_source", "jsonPayload", "result", "fields")
"""Members that hold the members above: Elasticsearch, Google Cloud, Splunk."""

_TIME = "|".join(
    (
        r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:[.,]\d+)?",  # RFC 3164, journalctl -o short
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^\s]*",  # RFC 3339
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?",
        r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]{3,5}",  # journalctl -o short-full
        r"\d{9,10}\.\d{6}",  # -o short-unix
        r"\[ *\d+\.\d+(?: < *\d+\.\d+ >)?\]",  # -o short-monotonic, short-delta
    )
)
# A container's name (docker compose, kubectl logs --prefix). Then all of RFC 5424; or the time, and what follows it:
# the stream (Kubernetes' CRI), host and program, or the line itself
_PREFIX = re.compile(
    r"(?:[\w.-]{1,80} +\| |\[(?:pod|container)/[^\]\s]{1,300}\] )?"
    rf"(?:<\d{{1,3}}>1 (?:\S+ ){{5}}(?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: \ufeff?|$)"
    rf"|(?:<\d{{1,3}}>)?(?:{_TIME}) (?:(?:stdout|stderr) [FP] |\S+ [^\s:\[]+(?:\[\d+\])?: )?)?"
)
# journalctl -o export and -o verbose: a field on each line
_EXPORTED = re.compile(r"[ \t]*MESSAGE=(.*)")
_FIELD = re.compile(r"[ \t]*(?:__CURSOR|__REALTIME_TIMESTAMP|_BOOT_ID|_TRANSPORT)=")


def unwrapped(text: str) -> list[Line]:
    """The lines of a text, without what all of them are indented by.

    A message of several lines has the number of the line that it came from.
    """
    lines = list(_unwrapped(text))
    margin: str | None = None
    for line in lines:
        indent = line.text[: len(line.text) - len(line.text.lstrip(" \t"))]
        if len(indent) == len(line.text):
            continue  # an empty line
        margin = indent if margin is None else margin
        while not indent.startswith(margin):
            margin = margin[:-1]
        if not margin:
            return lines
    return [Line(line.number, line.text[len(margin or "") :]) for line in lines]


def _unwrapped(text: str) -> Iterator[Line]:
    lines = text.split("\n")
    at, exported = 0, any(map(_FIELD.match, lines[:20]))
    while at < len(lines):
        number, line = at + 1, lines[at].rstrip("\r")
        record, taken = _record(lines, at)
        at += taken
        if record is not None:
            for each in record:
                yield from _bare(number, each.split("\n"))
        elif exported:
            found = _EXPORTED.match(line)
            if line == "MESSAGE" and at < len(lines):  # octets: their number in 8 of them, then they themselves
                yield Line(number, lines[at][8:])
            else:
                yield Line(number, found[1] if found else "")
        else:
            yield from _bare(number, [line])


def _bare(number: int, texts: Iterable[str]) -> Iterator[Line]:
    for text in texts:
        prefix = _PREFIX.match(text)  # empty, if there is none
        yield Line(number, text[prefix.end() :] if prefix else text)


def _record(lines: Sequence[str], at: int) -> tuple[list[str] | None, int]:
    """The messages of a JSON object that begins in this line, None if none does; and how many lines it has."""
    line = lines[at].strip(" \t\r\x1e").removeprefix("data: ").lstrip("[").rstrip("],")
    if not line.startswith("{"):
        return None, 1
    taken = 1
    if line == "{":  # an object of several lines, which ends with the first brace at the margin
        while at + taken < len(lines) and lines[at + taken].rstrip("\r,]")[:1] not in ("{", "}"):
            taken += 1
        line = "\n".join((line, *lines[at + 1 : at + taken], "}"))
        taken += 1
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None, 1
    found = list(_messages(record))
    return (found, min(taken, len(lines) - at)) if found else (None, 1)


def _messages(record: Any) -> Iterator[str]:
    if not isinstance(record, dict):
        return
    for name in NESTED:
        yield from _messages(record.get(name))
    for name in MEMBERS:
        value = record.get(name)
        if isinstance(value, list):  # journald: text that is not UTF-8 or has control characters, as octets
            if all(isinstance(each, int) and 0 <= each < 256 for each in value):
                value = bytes(value).decode("utf-8", errors="replace")
            elif all(isinstance(each, str) for each in value):
                value = "\n".join(value)
        if isinstance(value, str):
            yield value.rstrip("\n")
            return
