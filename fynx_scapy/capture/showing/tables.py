# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture as rows of plain values, for pandas, JSON and Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.follow.inner import Inner, five_tuple
from fynx_scapy.capture.headers.times import nanoseconds
from fynx_scapy.errors import ConfigError

if TYPE_CHECKING:
    import pandas

    from fynx_scapy.capture.showing.shown import Shown

Row = dict[str, Any]


def messages(capture: Shown) -> Iterator[Row]:
    """One row per IKE message."""
    for conversation in capture.conversations:
        for message in conversation.messages:
            opened = message.opened
            yield {
                "number": message.number,
                "time": message.time,
                "conversation": conversation.number,
                "src": message.src,
                "sport": message.sport,
                "dst": message.dst,
                "dport": message.dport,
                "spi_i": message.spi_i.hex(),
                "spi_r": message.spi_r.hex(),
                "exchange": message.exchange,
                "message_id": message.message_id,
                "request": message.request,
                "by_initiator": message.from_initiator,
                "length": message.length,
                "retransmission": message.retransmission,
                "captured_twice": message.twice,
                "encrypted": opened.opened is not None,
                "icv": message.icv,
                "payloads": message.text,
                "errors": "; ".join(opened.errors),
            }


def exchanges(capture: Shown) -> Iterator[Row]:
    """One row per exchange."""
    for conversation in capture.conversations:
        for exchange in conversation.exchanges:
            row = exchange.as_dict()
            row |= {"requests": len(exchange.requests), "responses": len(exchange.responses)}
            yield {"conversation": conversation.number, "first": exchange.messages[0].time} | row


def flows(capture: Shown) -> Iterator[Row]:
    """One row per ESP or AH flow."""
    for flow in capture.flows:
        yield flow.as_dict()


def packets(capture: Shown) -> Iterator[Row]:
    """One row per ESP packet, with the inner packet if it could be decrypted."""
    for packet in capture.esp():
        yield packet_row(packet)


def packet_row(packet: Inner) -> Row:
    """The row for one ESP packet."""
    ends = five_tuple(packet)
    inside: Row = {
        "inner_src": None,
        "inner_dst": None,
        "inner_protocol": None,
        "inner_sport": None,
        "inner_dport": None,
    }
    if ends is not None:
        inside = dict(zip(inside, ends, strict=True))
    return {
        "number": packet.number,
        "time": packet.time,
        "src": packet.src,
        "dst": packet.dst,
        "spi": f"{packet.spi:08x}",
        "sequence": packet.sequence,
        "octets": packet.octets,
        "icv": packet.icv,
        "next_header": packet.next_header,
        "inner_octets": None if packet.payload is None else len(packet.payload),
        **inside,
        "error": packet.error,
    }


def inner_flows(capture: Shown) -> Iterator[Row]:
    """One row per inner flow."""
    for flow in capture.inner_flows:
        yield flow.as_dict() | {"spis": ",".join(sorted(f"{spi:08x}" for spi in flow.spis))}


TABLES: Mapping[str, Callable[[Shown], Iterator[Row]]] = {
    "messages": messages,
    "exchanges": exchanges,
    "flows": flows,
    "packets": packets,
    "inner_flows": inner_flows,
}


def frame(capture: Shown, what: str) -> pandas.DataFrame:
    """One of `TABLES` as a DataFrame with pandas timestamps. Raises ConfigError for another name or without pandas."""
    if what not in TABLES:
        raise ConfigError(f"expected one of the tables {', '.join(TABLES)}, found {what!r}")
    return typed(list(TABLES[what](capture)))


PORTS = ("sport", "dport", "inner_sport", "inner_dport")
TIMES = ("time", "first", "last")
_EARLIEST, _LATEST = -(2**63) + 1, 2**63 - 1
"""What a pandas timestamp can hold, in nanoseconds since 1970."""


def typed(rows: Sequence[Row], columns: Sequence[str] | None = None) -> pandas.DataFrame:
    """Rows as a DataFrame: times are UTC timestamps, exact to the nanosecond, and whole numbers stay whole.

    Ports are UInt16, other whole numbers Int64 or UInt64, so that they can be missing. A time that pandas cannot hold
    is NaT. Raises ConfigError without pandas.
    """
    try:
        import pandas
    except ImportError:
        raise ConfigError("tables need pandas; install the extra: pip install 'fynx-scapy[capture]'") from None
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    return pandas.DataFrame({name: _column(name, [row.get(name) for row in rows]) for name in names})


def _column(name: str, values: list[Any]) -> Any:
    import pandas

    if name in TIMES:
        stamps = [nanoseconds(value) for value in values]
        held = [None if stamp is None or not _EARLIEST <= stamp <= _LATEST else stamp for stamp in stamps]
        return pandas.to_datetime(pandas.Series(held, dtype="Int64"), unit="ns", utc=True)
    known = [value for value in values if value is not None]
    if name in PORTS:
        return pandas.array(values, dtype="UInt16")
    if known and all(type(value) is bool for value in known):
        return pandas.array(values, dtype="boolean" if len(known) < len(values) else "bool")
    if known and all(type(value) is int for value in known) and min(known) >= 0 and max(known) < 2**64:
        return pandas.array(values, dtype="Int64" if max(known) <= _LATEST else "UInt64")
    return pandas.Series(values, dtype=float if known and all(isinstance(value, float) for value in known) else object)
