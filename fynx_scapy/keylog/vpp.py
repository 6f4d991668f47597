# SPDX-License-Identifier: GPL-2.0-or-later
"""VPP: ``show ikev2 sa details``, with SK_* of IKE SAs and the keys of their Child SAs, and ``show ipsec sa``.

VPP prints no salt of a Child SA's AES-GCM key. SK_d of its IKE SA makes up for it where the capture has the nonces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.algorithms import GCM, ciphers, esp_keys, ike_keys
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, EspKeys, Rows
from fynx_scapy.keylog.text import address, octets

LINE = re.compile(
    r"^\s*(?:iip \S+ ispi [0-9a-f]+ rip |SK_[deap]\s+(?:i:)?[0-9a-f]*\s*$|r:[0-9a-f]+\s*$|child sa \d+:|encr:\S+ "
    r"|spi\(i\) [0-9a-f]+ spi\(r\) |\[\d+\] sa .* protocol|(?:crypto|integrity) alg \S+ key|salt 0x[0-9a-f]+\s*$)",
    re.IGNORECASE | re.MULTILINE,
)
_IKE = re.compile(r"\s*iip (\S+) ispi ([0-9a-f]+) rip (\S+) rspi ([0-9a-f]+)", re.IGNORECASE)
_CHILD = re.compile(r"\s*child sa \d+:")
_SPIS = re.compile(r"\s*spi\(i\) ([0-9a-f]+) spi\(r\) ([0-9a-f]+)", re.IGNORECASE)
_NAMES = re.compile(r"\b(encr|prf|integ|esn):(\S+)")
_SK = re.compile(r"\s*SK_([deap])\s+(i:)?([0-9a-f]*)\s*$", re.IGNORECASE)
_SECOND = re.compile(r"\s*r:([0-9a-f]*)\s*$", re.IGNORECASE)
_IPSEC = re.compile(r"\s*\[\d+\] sa .*?\bspi (\d+)\b.*?\bprotocol[: ](\w+)(.*)")
_ALGORITHM = re.compile(r"\s*(crypto|integrity) alg (\S+)(?: key (\S*))?\s*$")
_HIDDEN = "[redacted]"
_SALT = re.compile(r"\s*salt 0x([0-9a-f]+)\s*$", re.IGNORECASE)
_TUNNEL = re.compile(r".*\bsrc[: ](\S+) dst[: ](\S+)")


@dataclass(slots=True)
class _Sa:
    """An IKE SA, a Child SA or an ESP SA, collected line by line."""

    line: int
    kind: str
    ends: tuple[str, str] = ("*", "*")
    spis: tuple[str, str] = ("", "")
    names: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def read_vpp(lines: Sequence[Line]) -> Rows:
    """The keys in what VPP prints."""
    found: list[_Sa] = []
    letter = ""
    for number, text in lines:
        if ike := _IKE.match(text):
            found.append(_Sa(number, "ike", (ike[1], ike[3]), (ike[2], ike[4])))
        elif ipsec := _IPSEC.match(text):
            names = {"esn": "yes" if "esn" in ipsec[3].split("flags")[-1] else "no", "protocol": ipsec[2]}
            found.append(_Sa(number, "ipsec", spis=(ipsec[1], ""), names=names))
        elif not found:
            continue
        elif _CHILD.match(text):
            found.append(_Sa(number, "child", next(sa.ends for sa in reversed(found) if sa.kind != "ipsec")))
        elif spis := _SPIS.match(text):
            found[-1].spis = spis[1], spis[2]
        elif sk := _SK.match(text):
            letter = sk[1].casefold()
            found[-1].keys[f"sk_{letter}{'i' if sk[2] else ''}"] = sk[3]
        elif (second := _SECOND.match(text)) and letter:
            found[-1].keys[f"sk_{letter}r"] = second[1]
            letter = ""
        elif algorithm := _ALGORITHM.match(text):
            found[-1].names[algorithm[1]] = algorithm[2]
            found[-1].keys[algorithm[1]] = algorithm[3] or ("" if algorithm[2] == "none" else _HIDDEN)
        elif salt := _SALT.match(text):
            found[-1].keys["salt"] = salt[1].zfill(8)
        elif found[-1].kind == "ipsec" and (tunnel := _TUNNEL.match(text)):
            found[-1].ends = tunnel[1], tunnel[2]
        else:
            letter = ""
            found[-1].names.update(_NAMES.findall(text))
    makers = {"ike": _ike, "child": _child, "ipsec": _ipsec}
    for sa in found:
        yield f"line {sa.line}", partial(makers[sa.kind], sa)


def _ike(sa: _Sa) -> Iterator[Entry]:
    if not sa.keys:
        raise ConfigError("an IKE SA without keys: run 'show ikev2 sa details'")
    spis = tuple(octets(spi.zfill(16), "SPI", 8) for spi in sa.spis)
    values = {name: octets(digits, name.replace("sk", "SK")) for name, digits in sa.keys.items()}
    names = sa.names.get("encr", ""), sa.names.get("integ", "none"), sa.names.get("prf", "")
    yield from ike_keys((spis[0], spis[1]), names, values)


def _child(sa: _Sa) -> Iterator[EspKeys]:
    names = sa.names.get("encr", "none"), sa.names.get("integ", "none")
    esn = {"yes": True, "no": False}.get(sa.names.get("esn", ""))
    keys = {name: octets(digits, name.replace("sk", "SK")) for name, digits in sa.keys.items()}
    if set(ciphers(names[0])) & set(GCM) and len(keys.get("sk_ei", b"")) in (16, 24, 32):
        raise ConfigError("VPP does not print the salt of this key; SK_d opens the SA if IKE_AUTH is in the capture")
    initiator, responder = map(address, sa.ends)
    # each peer chooses the SPI of what it receives
    for spi, ends, end in ((sa.spis[1], (initiator, responder), "i"), (sa.spis[0], (responder, initiator), "r")):
        yield from esp_keys(_spi(spi), ends, names, (keys.get(f"sk_e{end}", b""), keys.get(f"sk_a{end}", b"")), esn)


def _ipsec(sa: _Sa) -> Iterable[EspKeys]:
    if sa.names["protocol"] != "esp":
        return
    integ = sa.names.get("integrity", "none")
    auth_key = "" if integ == "none" else sa.keys["integrity"]
    if "crypto" not in sa.names or _HIDDEN in (sa.keys["crypto"], auth_key):
        raise ConfigError("an SA without its keys: VPP hides them; see 'show ikev2 sa details'")
    key, salt = octets(sa.keys["crypto"], "encryption key"), bytes.fromhex(sa.keys.get("salt", ""))
    salted = "gcm" in sa.names["crypto"] or "ctr" in sa.names["crypto"] or "chacha" in sa.names["crypto"]
    names = sa.names["crypto"], integ
    keys = key + salt if salted else key, octets(auth_key, "integrity key")
    src, dst = map(address, sa.ends)
    yield from esp_keys(int(sa.spis[0]), (src, dst), names, keys, sa.names["esn"] == "yes")


def _spi(text: str) -> int:
    if not 1 <= len(text) <= 8:
        raise ConfigError("expected a Child SA with 'spi(i) … spi(r) …' of 32 bits each")
    return int(text, 16)
