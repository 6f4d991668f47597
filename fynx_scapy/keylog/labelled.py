# SPDX-License-Identifier: GPL-2.0-or-later
"""SK_* of IKE SAs as labelled text: ``SK_ei: 0011…``, ``spi_i=…``, ``"sk_er" = …``, one or several on a line.

A colon or an equals sign makes it a label: names and values side by side are prose, or another tool's table.
``encr``, ``integ`` and ``prf`` may name the algorithms. Without them, those of IKE_SA_INIT are used if the capture has
it, else those that have keys of such sizes. Where a label comes a second time, the next IKE SA begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.algorithms import ike_keys
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, Rows, Secret
from fynx_scapy.keylog.text import octets
from fynx_scapy.text import counted

_LABEL = r"(?:SK_?d|SK_?[aep][ir]|SPI_?[ir]|[ir]_?SPI|encr|integ|prf)"
LINE = re.compile(
    r"^[ \t\"'{,|*-]{0,20}(?:SK_?(?:d|[aep][ir])|SPI_?[ir]|[ir]_?SPI)[\"']?"
    r"[ \t]*[:=][ \t\"']*(?:0x)?(?:[0-9A-Fa-f]{2}[ :-]?){8}",
    re.IGNORECASE | re.MULTILINE,
)

_ANY = re.compile(rf"(?<![A-Za-z0-9_]){_LABEL}(?=[\"']?\s*[:=])", re.IGNORECASE)
_PUNCTUATION = " \t\"':=,;{}|"
NAMES = {"spii": "spi_i", "ispi": "spi_i", "spir": "spi_r", "rspi": "spi_r"}
ALGORITHMS = ("encr", "integ", "prf")


def read_labelled(lines: Sequence[Line]) -> Rows:
    """The keys of each IKE SA."""
    found: list[tuple[int, dict[str, str]]] = []
    for number, text in lines:
        labels = list(_ANY.finditer(text))
        for at, label in enumerate(labels):
            end = labels[at + 1].start() if at + 1 < len(labels) else len(text)
            name = label[0].casefold().replace("_", "")
            name = NAMES.get(name, f"sk_{name[2:]}" if name.startswith("sk") else name)
            if not found or name in found[-1][1]:
                found.append((number, {}))
            found[-1][1][name] = text[label.end() : end].strip(_PUNCTUATION)
    for number, values in found:
        yield f"line {number}", partial(_entries, values)


def _entries(found: dict[str, str]) -> Iterable[Entry]:
    values = {name: _octets(name, text) for name, text in found.items() if name not in ALGORITHMS}
    spis = values.pop("spi_i", b""), values.pop("spi_r", b"")
    if set(values) == {"sk_d"}:
        return [Secret("sk_d", values["sk_d"])]
    for name, spi in zip(("SPI_i", "SPI_r"), spis, strict=True):
        if len(spi) not in (0, 8):
            raise ConfigError(f"{name} has {counted(len(spi), 'octet')}, expected 8")
    encr, integ, prf = (found.get(name, "") for name in ALGORITHMS)
    return list(ike_keys(spis, (encr, integ or ("none" if encr else ""), prf), values))


def _octets(name: str, text: str) -> bytes:
    return octets(re.sub(r"[\s:-]", "", text), name.replace("sk", "SK").replace("spi", "SPI"))
