# SPDX-License-Identifier: GPL-2.0-or-later
"""pluto's log (plutodebug=all,crypt,private): the PSK, the keys of Child SAs, and before libreswan 5 SK_e and SK_a.

libreswan 5 keeps its keys in NSS. Even at the highest debug level its log has no shared secrets of key exchanges and no
SK_e and SK_a, so it cannot decrypt IKE messages. libreswan 3 and 4 and Openswan log them as ``tcpdump -E`` reads them.
The log does not say which key belongs to which direction of a Child SA: both are tried, and the ICV decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fynx_scapy import keynames
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, EspKeys, Rows, Secret
from fynx_scapy.keylog.tcpdump import Pairs

LINE = re.compile(r"^\| \S|^\"[^\"\n]+\"(?:\[\d+\])? [^\n#]*#\d+: ", re.MULTILINE)
_DUMPED = re.compile(r"\|   ((?:[0-9a-f]{2} {1,2}){1,16})(?: |$)")
_ESTABLISHED = re.compile(
    r"\{(?:ESP|ESPinUDP|ESPinTCP)(/ESN)?=>0x([0-9a-f]+) <0x([0-9a-f]+) xfrm=([A-Z0-9_]+)-([A-Z0-9_]+)"
)
SECRETS = {"PreShared Key": "psk", "PSK": "psk"}
KEYMAT = ("our  keymat", "peer keymat")


def _blocks(lines: Sequence[Line]) -> Iterator[tuple[int, str, bytes]]:
    """Each line, with the octets dumped after it."""
    at = 0
    while at < len(lines):
        start, dumped = lines[at], bytearray()
        at += 1
        while at < len(lines) and (more := _DUMPED.match(lines[at].text)):
            dumped += bytes.fromhex(more[1])
            at += 1
        yield start.number, start.text, bytes(dumped)


def read_pluto_log(lines: Sequence[Line]) -> Rows:
    """The keys and secrets in a log."""
    keymat: dict[str, bytes] = {}
    pairs = Pairs()
    for number, line, dumped in _blocks(lines):
        label = line.removeprefix("| ").strip()
        if label in SECRETS and dumped:
            kind = SECRETS[label]

            def secret(kind: str = kind, value: bytes = dumped) -> Iterable[Entry]:
                return [Secret(kind, value)]

            yield f"line {number}", secret
        elif label in KEYMAT and dumped:
            keymat[label] = dumped
        elif label.startswith(("ikev2 I ", "ikev2 R ")):
            yield from pairs.take(Line(number, label))
        elif found := _ESTABLISHED.search(line):

            def row(found: re.Match[str] = found, keys: tuple[bytes, ...] = tuple(keymat.values())) -> Iterable[Entry]:
                return list(_child(found, keys))

            if keymat:
                yield f"line {number}", row
            keymat = {}
    yield from pairs.rows()


def _child(found: re.Match[str], keys: tuple[bytes, ...]) -> Iterator[EspKeys]:
    suite = keynames.read_proposal(f"ESP:{found[4]}/{found[5]}")
    size = encryption(suite.encr.id, suite.encr.key_length, esp=True).key_size
    if len(keys) != 2:
        raise ConfigError(f"expected 2 keys before this line, one for each direction, found {len(keys)}")
    for spi in (found[2], found[3]):
        for key in keys:
            yield EspKeys(int(spi, 16), "*", "*", suite.encr, key[:size], suite.integ, key[size:], found[1] is not None)


def write_pluto_log(entries: Iterable[Entry]) -> str:
    """Write PSKs and the keys of each direction of a Child SA. A libreswan log has no lines for anything else."""
    lines = []
    for entry in entries:
        if isinstance(entry, Secret) and entry.kind == "psk":
            lines += ["| PreShared Key", *_dump(entry.value)]
        elif isinstance(entry, EspKeys) and keynames.has_proposal(entry.encr) and entry.spi and not entry.unchecked_icv:
            encr, *integ = keynames.write_proposal(keynames.CipherSuite(entry.encr, entry.integ)).split("/")
            for label in KEYMAT:
                lines += [f"| {label}", *_dump(entry.key + entry.auth_key)]
            spi, esn = f"0x{entry.spi:08x}", "/ESN" if entry.esn else ""
            sa = f"{{ESP{esn}=>{spi} <{spi} xfrm={encr}-{integ[0] if integ else 'NONE'}}}"
            lines.append(f'"keys"[1] {entry.src} #1: established Child SA; {sa}')
    return "".join(f"{line}\n" for line in lines)


def _dump(value: bytes) -> Iterator[str]:
    for at in range(0, len(value), 16):
        words = (value[at : at + 16][n : n + 4].hex(" ") for n in range(0, len(value[at : at + 16]), 4))
        yield f"|   {'  '.join(words)}   "
