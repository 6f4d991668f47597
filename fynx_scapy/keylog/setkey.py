# SPDX-License-Identifier: GPL-2.0-or-later
"""setkey of FreeBSD, NetBSD, macOS and ipsec-tools: the SAs that ``setkey -D`` prints, and ``add`` of its scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.algorithms import esp_keys
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import EspKeys, Rows
from fynx_scapy.keylog.text import address, number, octets

_END = r"[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*(?:%\w+)?(?:\[\w+\])?"
LINE = re.compile(
    rf"^(?:{_END} {_END}[ \t]*$|[ \t]+(?:esp|esp-udp|ah) mode=\w+ spi=|[ \t]+[EA]: [\w-]+[ \t]"
    rf"|[ \t]*add[ \t](?:-[46n]+[ \t]+)*{_END}\s)",
    re.MULTILINE,
)
_ENDS = re.compile(rf"({_END}) ({_END})[ \t]*$")
_SA = re.compile(r"\s+(\S+) mode=\S+ spi=(\d+)\(0x[0-9a-fA-F]+\)")
_KEY = re.compile(r"\s+([EA]): (\S+)\s*(.*)$")
_WORD = re.compile(r"\"[^\"]*\"?|\S+")  # a quoted word keeps its quotes: "0x12" in quotes is text
PROTOCOLS = ("esp", "esp-udp", "esp-old")
OTHERS = ("ah", "ah-old", "ipcomp", "tcp")  # without keys that open ESP


def read_setkey(lines: Sequence[Line]) -> Rows:
    """The ESP SAs; SAs of other protocols are skipped."""
    block: list[str] = []
    place, script = 0, False
    for line in (*lines, Line(0, ";")):
        text = line.text.split("#", 1)[0].rstrip()
        adds = text.lstrip().startswith("add") and text.lstrip()[3:4].isspace()
        if block and (not line.number or adds or _ENDS.match(text) or (script and block[-1].endswith(";"))):
            yield f"line {place}", partial(_sa, tuple(block), script)
            block = []
        if adds or _ENDS.match(text):
            block, place, script = [text], line.number, adds
        elif block:
            block.append(text)


def _sa(block: tuple[str, ...], script: bool) -> Iterable[EspKeys]:
    return list(_added(" ".join(block)) if script else _dumped(block))


def _dumped(block: Sequence[str]) -> Iterator[EspKeys]:
    ends = _ENDS.match(block[0])
    sa = next((found for line in block if (found := _SA.match(line))), None)
    if ends is None or sa is None:
        raise ConfigError("expected an SA of setkey -D: two addresses, then 'esp mode=… spi=…'")
    if sa[1] in OTHERS:
        return
    if sa[1] not in PROTOCOLS:
        raise ConfigError("expected an SA of esp")
    names, keys = {"E": "null", "A": "null"}, {"E": b"", "A": b""}
    for line in block:
        if found := _KEY.match(line):
            names[found[1]] = found[2]
            keys[found[1]] = octets(found[3].replace(" ", ""), "key")
    yield from _keys(number(sa[2]), ends[1], ends[2], names, keys)


def _added(statement: str) -> Iterator[EspKeys]:
    words = _WORD.findall(statement.partition(";")[0])
    words = [word for word in words[1:] if word not in ("-4", "-6", "-n")]
    if len(words) < 4:
        raise ConfigError("expected: add SOURCE DESTINATION esp SPI -E ALGORITHM KEY [-A ALGORITHM KEY]")
    src, dst, protocol, spi, *options = words
    if protocol in OTHERS:
        return
    if protocol not in PROTOCOLS:
        raise ConfigError("expected an SA of esp")
    names, keys = {"E": "null", "A": "null"}, {"E": b"", "A": b""}
    for at, word in enumerate(options):
        if word in ("-E", "-A"):
            name, key, *_ = *options[at + 1 : at + 3], "", ""
            names[word[1]] = name
            keys[word[1]] = _value(key)
    yield from _keys(number(spi), src, dst, names, keys)


def _value(word: str) -> bytes:
    if word.startswith('"'):
        return word.strip('"').encode()
    return b"" if word[:1] == "-" else octets(word, "key")


def _keys(spi: int, src: str, dst: str, names: dict[str, str], keys: dict[str, bytes]) -> Iterator[EspKeys]:
    ends = address(_bare(src)), address(_bare(dst))
    yield from esp_keys(spi, ends, (names["E"], names["A"]), (keys["E"], keys["A"]))


def _bare(end: str) -> str:
    return end.partition("[")[0].partition("%")[0]
