# SPDX-License-Identifier: GPL-2.0-or-later
"""The output of ``fynx capture``: a capture as plain values, and as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.capture.showing.remedies import remedy
from fynx_scapy.capture.showing.text import unusual
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from rich.console import Console

    from fynx_scapy.capture.capture import Capture

MOST_ROWS = 100
MOST_PACKETS = 12
LEAST_TEXT = 8


def document(capture: Capture, decrypt: bool) -> dict[str, Any]:
    """A capture as plain values, for JSON. With ``decrypt``, also its SAs, ICV counts and inner flows."""
    values = capture.as_dict()
    if decrypt:
        values["esp"] = dict(capture.icvs)
        values["inner_flows"] = [flow.as_dict() for flow in capture.inner_flows]
        values["sas"] = [sa_row(sa) for sa in capture.ike_sas]
    return values


def suite_text(suite: Any) -> str:
    """The algorithms of an SA by IANA's names, without keys."""
    from fynx_scapy.iana import Encr, Integ, Prf, name_of

    if suite is None:
        return "unknown"
    words = [name_of(Encr, suite.encr.id) + (f"-{suite.encr.key_length}" if suite.encr.key_length else "")]
    words += [name_of(Integ, suite.integ.id)] if suite.integ else []
    words += [name_of(Prf, suite.prf.id)] if suite.prf else []
    return ", ".join([*words, "ESN"] if suite.esn else words)


def sa_row(sa: Any) -> dict[str, Any]:
    """An IKE SA and its Child SAs as plain values, without keys."""
    return {
        "spi_i": sa.spi_i.hex(),
        "spi_r": sa.spi_r.hex(),
        "suite": suite_text(sa.suite),
        "keys": "known" if sa.keys is not None else "unknown",
        "derived": sa.derived,
        "rekeys": sa.parent.spi_i.hex() if sa.parent is not None else None,
        "auth": [
            {"packet": each.number, "role": each.role, "method": each.method, "verified": each.verified}
            | {"identity": each.identity, "reason": each.reason, "certificates": list(each.certificates)}
            for each in sa.auth
        ],
        "children": [
            {
                "spi_i": f"{child.spi_i:08x}",
                "spi_r": f"{child.spi_r:08x}",
                "suite": suite_text(child.suite),
                "mode": child.mode,
                "packet": child.number,
                "keys": "known" if child.keys is not None else "unknown",
                "derived": child.derived,
                "rekeys": f"{child.rekeys.spi_i:08x}" if child.rekeys is not None else None,
            }
            for child in sa.children
        ],
    }


def table(console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table of at most 100 rows, without columns that have nothing. Print nothing if there are no rows.

    Numbers are right-aligned and never broken; texts wrap between words as long as the terminal has room for them.
    """
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    kept = [at for at in range(len(heads)) if any(row[at] is not None for row in rows)]
    cells = [[_cell(row[at]) for at in kept] for row in rows[:MOST_ROWS]]
    words = [max(map(len, " ".join([heads[at], *(row[n] for row in cells)]).split())) for n, at in enumerate(kept)]
    numbers = [all(row[at] is None or isinstance(row[at], int | float) for row in rows) for at in kept]
    gap = 2 if sum(words) + 2 * len(words) <= console.width else 1
    room = console.width - gap * len(words)
    fits = sum(words) <= room
    # If not every word has room, those of texts are broken, never numbers.
    room -= sum(longest for longest, number in zip(words, numbers, strict=True) if number)
    share = max(LEAST_TEXT, room // max(1, numbers.count(False)))
    made = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, gap, 0, 0)
    )
    for at, longest, number in zip(kept, words, numbers, strict=True):
        made.add_column(
            heads[at],
            justify="right" if number else "left",
            overflow="fold",
            min_width=longest if fits or number else None,
            max_width=None if fits else longest if number else share,
        )
    for row in cells:
        made.add_row(*map(Text, row))
    console.print(made)
    if len(rows) > MOST_ROWS:
        console.print(f"… and {len(rows) - MOST_ROWS} more; --json prints all")
    console.print()


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    return printable(text, LONGEST)


def show(capture: Capture, document: dict[str, Any], console: Console) -> None:
    """Print the ``document`` of a capture as tables."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in document["kinds"].items()) or "no IPsec"
    name = printable(capture.name)
    packets, others = several(document["packets"], "packet"), several(document["foreign"], "other")
    console.print(f"{name}: {packets}: {kinds}; {others}\n", markup=False)
    conversations = capture.conversations
    rows: list[list[Any]] = [
        [c.number, c.initiator, c.responder, len(c), len(c.exchanges), len(c.spis), c.spis[0][0].hex()]
        for c in conversations
    ]
    table(
        console, "conversations", ("", "initiator", "responder", "messages", "exchanges", "IKE SAs", "first SPI"), rows
    )
    rows = []
    for exchange in capture.exchanges:
        latency = None if exchange.latency is None else exchange.latency * 1000
        by = "initiator" if exchange.by_initiator else "responder"
        numbers = ", ".join(str(message.number) for message in exchange)
        row = [exchange.conversation.number, exchange.name, exchange.message_id, by, numbers]
        rows.append([*row, exchange.retransmissions or None, exchange.captured_twice or None, latency])
    heads = ("", "exchange", "ID", "from", "packets", "retransmitted", "captured twice", "ms")
    table(console, "exchanges", heads, rows)
    _sas(console, document.get("sas", []))
    rows = [
        [
            f"{f['protocol'].upper()} {f['spi']}",
            f["src"],
            f["dst"],
            f["encapsulation"] or None,
            f["packets"],
            f["octets"],
            f"{f['lowest']}–{f['highest']}",
            unusual(f),
        ]
        for f in document["flows"]
    ]
    table(console, "flows", ("flow", "from", "to", "in", "packets", "octets", "sequence", "unusual"), rows)
    rows = [
        [f["src"], f["sport"], f["dst"], f["dport"], f["protocol"], f["packets"], f["octets"]]
        for f in document.get("inner_flows", [])
    ]
    table(console, "inner flows", ("from", "port", "to", "port", "protocol", "packets", "octets"), rows)
    if "esp" in document:
        esp = document["esp"]
        console.print(f"ESP: {esp['opened']} decrypted, {esp['closed']} not decrypted, {esp['bad']} with a bad ICV")


def _sas(console: Console, sas: Sequence[dict[str, Any]]) -> None:
    words = {True: "verified", False: "BAD", None: "unchecked"}
    rows: list[list[Any]] = []
    for sa in sas:
        auth = ", ".join(f"{each['role']} {words[each['verified']]}" for each in sa["auth"])
        rows.append(["IKE", f"{sa['spi_i']} {sa['spi_r']}", sa["suite"], sa["derived"] or "keys unknown", auth or None])
        for child in sa["children"]:
            row = ["Child", f"{child['spi_i']} {child['spi_r']}", f"{child['suite']}, {child['mode']}"]
            rows.append([*row, child["derived"] or f"keys {child['keys']}", None])
    table(console, "SAs", ("", "SPIs", "algorithms", "keys from", "AUTH"), rows)
    unverified: dict[str, list[dict[str, Any]]] = {}
    for each in (each for sa in sas for each in sa["auth"] if not each["verified"]):
        unverified.setdefault(each["reason"], []).append(each)
    rows = [
        [", ".join(dict.fromkeys(each["role"] for each in found)), _numbers(found), reason, remedy(reason) or None]
        for reason, found in unverified.items()
    ]
    table(console, "AUTH not verified", ("of", "packets", "because", "give"), rows)


def _numbers(found: Sequence[dict[str, Any]]) -> str:
    """Packets, at most `MOST_PACKETS` of them."""
    more = ", …" if len(found) > MOST_PACKETS else ""
    return ", ".join(str(each["packet"]) for each in found[:MOST_PACKETS]) + more
