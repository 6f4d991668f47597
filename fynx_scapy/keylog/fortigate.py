# SPDX-License-Identifier: GPL-2.0-or-later
"""FortiGate: ``diagnose vpn tunnel list``, ``diagnose vpn ike gateway list``, and the debug log of IKE.

A tunnel's keys are those of ESP, with addresses and algorithms. A gateway's are SK_* of an IKE SA, in groups with
dashes, and the names of its algorithms. The debug log has keys without names: their sizes say what they may be for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.algorithms import esp_keys, ike_keys, likely
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, EspKeys, Rows
from fynx_scapy.keylog.text import address, octets

LINE = re.compile(
    r"^\s*(?:(?:dec|enc): spi=|ah=\S+ key=\d|id/spi: \d+ |SK_[ea][ir]: [0-9a-f]+-|direction: |proposal: )"
    r"|^name=\S+ ver=\d"
    r"|\bIKE SA [0-9a-f]{16}/[0-9a-f]{16} SK_[ea][ir] \d+:|\bIPsec SA (?:dec|enc) spi [0-9a-f]+ key \d+:",
    re.MULTILINE,
)
_TUNNEL = re.compile(r"\s*name=.* (\S+):\d+->(\S+):\d+")
_CIPHER = re.compile(r"\s*(dec|enc): spi=([0-9a-f]+) esp=(\S+)(?: key=(\d+) ?([0-9a-fA-F]*))?")
_SIGNER = re.compile(r"\s*ah=(\S+)(?: key=(\d+) ?([0-9a-fA-F]*))?")
_GATEWAY = re.compile(r"\s*id/spi: \d+ ([0-9a-f]{16})/([0-9a-f]{16})")
_PROPOSAL = re.compile(r"\s*proposal: (\S+)")
_SK = re.compile(r"\s*SK_([ea][ir]): (\S+)")
_LOGGED_SK = re.compile(r"\bIKE SA ([0-9a-f]{16})/([0-9a-f]{16}) SK_([ea][ir]) (\d+):([0-9A-Fa-f]*)")
_LOGGED_ESP = re.compile(
    r"\bIPsec SA (?:dec|enc) spi ([0-9a-f]+) key (\d+):([0-9A-Fa-f]*)(?: auth (\d+):([0-9A-Fa-f]*))?"
)


@dataclass(slots=True)
class _Ike:
    line: int
    spis: tuple[str, str]
    proposal: str = ""
    keys: dict[str, str] = field(default_factory=dict)


def read_fortigate(lines: Sequence[Line]) -> Rows:
    """The keys in what a FortiGate prints."""
    ends, esn = ("*", "*"), None
    cipher: tuple[int, re.Match[str]] | None = None
    gateways: list[_Ike] = []
    logged: dict[tuple[str, str], _Ike] = {}
    for number, text in lines:
        if tunnel := _TUNNEL.match(text):
            ends, esn = (tunnel[1], tunnel[2]), None
        elif "esn=" in text:
            esn = "esn=1" in text
        elif found := _CIPHER.match(text):
            if cipher is not None:
                yield f"line {cipher[0]}", _unfinished
            cipher = number, found
        elif (signer := _SIGNER.match(text)) and cipher is not None:
            yield f"line {cipher[0]}", partial(_esp, cipher[1], signer, ends, esn)
            cipher = None
        elif found := _GATEWAY.match(text):
            gateways.append(_Ike(number, (found[1], found[2])))
        elif (found := _PROPOSAL.match(text)) and gateways:
            gateways[-1].proposal = found[1]
        elif (found := _SK.match(text)) and gateways:
            gateways[-1].keys[found[1]] = found[2].replace("-", "")
        elif found := _LOGGED_SK.search(text):
            sa = logged.setdefault((found[1], found[2]), _Ike(number, (found[1], found[2])))
            sa.keys[found[3]] = found[5]
        elif found := _LOGGED_ESP.search(text):
            yield f"line {number}", partial(_logged, found)
    if cipher is not None:
        yield f"line {cipher[0]}", _unfinished
    for sa in (*gateways, *logged.values()):
        if sa.keys:
            yield f"line {sa.line}", partial(_ike, sa)


def _unfinished() -> Iterable[Entry]:
    raise ConfigError("expected a line 'ah=… key=…' after this one")


def _key(size: str | None, digits: str | None, what: str) -> bytes:
    return octets(digits or "", what, int(size) if size else None)


def _esp(cipher: re.Match[str], signer: re.Match[str], ends: tuple[str, str], esn: bool | None) -> Iterable[EspKeys]:
    outbound = tuple(map(address, ends))
    src, dst = outbound if cipher[1] == "enc" else outbound[::-1]
    keys = _key(cipher[4], cipher[5], "encryption key"), _key(signer[2], signer[3], "integrity key")
    return list(esp_keys(int(cipher[2], 16), (src, dst), (cipher[3], signer[1]), keys, esn))


def _logged(found: re.Match[str]) -> Iterator[EspKeys]:
    key, auth_key = _key(found[2], found[3], "encryption key"), _key(found[4], found[5], "integrity key")
    for encr, integ in likely(len(key), len(auth_key), esp=True):
        yield EspKeys(int(found[1], 16), "*", "*", encr, key, integ, auth_key if integ else b"")


def _ike(sa: _Ike) -> Iterable[Entry]:
    values = {f"sk_{name}": octets(digits, f"SK_{name}") for name, digits in sa.keys.items()}
    cipher, *others = sa.proposal.split("-")
    functions = [word for word in others if word.startswith("prf")]
    integ = next((word for word in others if not word.startswith("prf")), "")
    spis = octets(sa.spis[0], "initiator's SPI", 8), octets(sa.spis[1], "responder's SPI", 8)
    return list(ike_keys(spis, (cipher, integ or ("none" if cipher else ""), next(iter(functions), integ)), values))
