# SPDX-License-Identifier: GPL-2.0-or-later
"""The secrets of ``tcpdump -E``, one a line or separated by commas. pluto's old private log has the lines of IKE, too.

0x1234@192.0.2.1 aes256-cbc-hmac96:0x00112233…    an ESP SA, by its SPI and destination
3des-cbc-hmac96:secretsecretsecretsecret          the same for every SPI; a key may be text
ikev2 I 0xSPIi 0xSPIr sha256:0x… aes256:0x…       SK_ai and SK_ei of an IKE SA; with R, SK_ar and SK_er
file /some/where                                  another file of such lines
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.algorithms import esp_keys, ike_keys
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Elsewhere, Entry, EspKeys, Rows
from fynx_scapy.keylog.text import address, number, octets

# a secret follows the colon; an SA's own line names SPI and address before
LINE = re.compile(
    r"^[ \t'\"]*(?:[0-9A-Fa-fx]+@[0-9A-Fa-f.:]+[ \t]+[\w-]+:"
    r"|ikev2[ \t]+[IR][ \t]"
    r"|(?:3des|des-ede3|des|aes-?\d*|blowfish|bf|cast128|cast|rc3|none)(?:-cbc)?(?:-hmac\d+)?:[^\s]"
    r"|file[ \t]+[\w./~-]+[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_IKE = re.compile(r"(?:^|\s)ikev2\s+([IR])\s+(\S+)\s+(\S+)\s+([\w-]+):(\S*)\s+([\w-]+):(\S*)\s*$")
_ESP = re.compile(r"(?:(\S+?)@(\S+)\s+)?([\w-]+):(.+)")
_HMAC = re.compile(r"-hmac-?(\d+)$")
_COMMA = re.compile(r",(?=\s*(?:\w+@|file\s|ikev2\s|[\w-]+:0x))")


def read_secrets(lines: Sequence[Line]) -> Rows:
    """The keys in lines of ``tcpdump -E``."""
    pairs = Pairs()
    for line in lines:
        for text in _COMMA.split(line.text.strip().strip("'\"")):
            text = text.strip()
            if not text or text.startswith("#"):
                continue
            word = text.split(maxsplit=1)[0].casefold()
            if word == "ikev2":
                yield from pairs.take(Line(line.number, text))
            elif word == "file":
                yield f"line {line.number}", partial(_elsewhere, text)
            else:
                yield f"line {line.number}", partial(_esp, text)
    yield from pairs.rows()


class Pairs:
    """The lines of both ends of IKE SAs, which belong together by their SPIs."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, tuple[int, re.Match[str]]]] = {}

    def take(self, line: Line) -> Rows:
        """Take a line. Yields a row if it cannot be read."""
        found = _IKE.search(line.text)
        if found is None:
            yield f"line {line.number}", _malformed
            return
        self._found.setdefault((found[2].casefold(), found[3].casefold()), {})[found[1]] = (line.number, found)

    def rows(self) -> Rows:
        """The keys of every IKE SA that was taken."""
        for ends in self._found.values():
            place = min(line for line, _ in ends.values())
            yield f"line {place}", partial(_ike, {end: found for end, (_, found) in ends.items()})


def _elsewhere(text: str) -> Iterable[Elsewhere]:
    _, *path = text.split(maxsplit=1)
    if not path:
        raise ConfigError("expected: file NAME")
    return [Elsewhere(path[0])]


def _malformed() -> Iterable[Entry]:
    raise ConfigError("expected: ikev2 I|R 0xSPIi 0xSPIr INTEGRITY:0xKEY CIPHER:0xKEY")


def _ike(ends: dict[str, re.Match[str]]) -> Iterator[Entry]:
    one = next(iter(ends.values()))
    missing = [end for end in "IR" if end not in ends]
    if missing:
        raise ConfigError(f"an IKE SA needs a line for both ends; that of {missing[0]} is missing")
    values = {}
    for end, found in ends.items():
        values[f"sk_e{end.lower()}"] = octets(found[7], f"encryption key of {end}")
        values[f"sk_a{end.lower()}"] = octets(found[5], f"integrity key of {end}")
    spis = octets(one[2], "initiator's SPI", 8), octets(one[3], "responder's SPI", 8)
    yield from ike_keys(spis, (one[6], one[4], ""), values)


def _esp(text: str) -> Iterator[EspKeys]:
    found = _ESP.fullmatch(text)
    if found is None:
        raise ConfigError("expected [SPI@ADDRESS] ALGORITHM[-hmac96]:KEY")
    size = _HMAC.search(found[3])
    key = octets(found[4], "key") if found[4][:2] in ("0x", "0X") else found[4].encode()
    spi = None if found[1] is None else number(found[1])
    name = found[3][: size.start()] if size else found[3]
    ends = "*", "*" if found[2] is None else address(found[2])
    yield from esp_keys(spi, ends, (name, "none"), (b"" if name == "none" else key, b""), None, _octets(size))


def _octets(bits: re.Match[str] | None) -> int:
    if bits is None:
        return 0
    if len(bits[1]) > 3 or int(bits[1]) not in range(8, 513, 8):
        raise ConfigError("expected -hmac and the bits of the ICV, such as -hmac96")
    return int(bits[1]) // 8
