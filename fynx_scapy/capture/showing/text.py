# SPDX-License-Identifier: GPL-2.0-or-later
"""A record of a dissected capture as one line of text."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

from fynx_scapy.capture.headers.ipsec import RESERVED_SPIS, contradiction
from fynx_scapy.capture.reading.losses import several
from fynx_scapy.text import LONGEST, counted, printable

Record = dict[str, Any]
INNER_PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 50: "ESP", 51: "AH", 108: "IPComp", 141: "WESP"}
VERDICTS = {"ok": "[icv ok]", "bad": "[ICV BAD]", "unchecked": "[not decrypted]"}


def line(record: Record, start: float | None = None) -> str:
    """One line for a record. Times are relative to ``start``, in seconds."""
    time = "" if record["time"] is None else f"{record['time'] - (start or 0):.6f}"
    words = [f"{record['number']:>5} {time:>11}", ends(record), _BODIES.get(record["kind"], _other)(record)]
    if record.get("within"):
        words.append(f"(in {' in '.join(reversed(record['within']))})")
    if record["error"]:
        words.append(f"!! {record['error']}")
    return "  ".join(printable(word, LONGEST) for word in words if word)


def ends(record: Record) -> str:
    """Source and destination of a packet, with ports if there are any."""
    if record["src"] is None:
        return ""
    if record["sport"] is None:
        return f"{record['src']} > {record['dst']}"
    return f"{_end(record['src'], record['sport'])} > {_end(record['dst'], record['dport'])}"


def _end(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ike(record: Record) -> str:
    if record["exchange"] is None:
        return "IKE"
    way = "request" if record["request"] else "response"
    verdict = f"  {_verdict(record)}" if record["encrypted"] else ""
    return f"{record['exchange']} {way} {record['message_id']}  {payloads(record['payloads'])}{verdict}"


def payloads(records: list[Record]) -> str:
    """The notation of RFC 7296 section 1.2 for a list of payloads: ``SA, KE, Nonce``, ``SK {IDi, AUTH}``."""
    return ", ".join(_payload(record) for record in records)


def _payload(record: Record) -> str:
    kind = str(record["type"])
    if kind == "SKF" and "frag_number" in record:
        kind = f"SKF {record['frag_number']}/{record['frag_total']}"
    if "payloads" in record:
        return f"{kind} {{{payloads(record['payloads'])}}}"
    if kind.startswith("SKF"):
        return kind
    if kind == "EAP":
        return " ".join(filter(None, (kind, record.get("text"))))
    data = record.get("notify")
    told = data.get("text") if isinstance(data, dict) else None
    detail = " ".join(filter(None, (record.get("notify_type") or record.get("text") or record.get("vendor"), told)))
    return f"{kind}({detail})" if detail else kind


def _esp(record: Record) -> str:
    if record["spi"] is None:
        return "ESP"
    head = f"ESP {_spi(record)} seq {record['seq']}"
    if not record["decrypted"]:
        return f"{head}  {_verdict(record)}"
    return f"{head}  {inner(bytes.fromhex(record['inner']), record['next_header'])}  {_verdict(record)}"


def _verdict(record: Record) -> str:
    if record["decrypted"] and record["icv"] == "unchecked":
        return "[icv unchecked]"
    return VERDICTS[record["icv"]]


def inner(data: bytes, next_header: int) -> str:
    """What an ESP packet carried: addresses and protocol of an IP packet, else the next header number."""
    if next_header == 59:
        return f"dummy, {counted(len(data), 'octet')}"
    if contradiction(next_header, data):
        return f"not an IP packet, {counted(len(data), 'octet')}"
    try:
        if next_header == 4:
            src, dst = (socket.inet_ntop(socket.AF_INET, data[at : at + 4]) for at in (12, 16))
            protocol, length = data[9], int.from_bytes(data[2:4], "big")
        elif next_header == 41:
            src, dst = (socket.inet_ntop(socket.AF_INET6, data[at : at + 16]) for at in (8, 24))
            protocol, length = data[6], 40 + struct.unpack_from("!H", data, 4)[0]
        else:
            name = INNER_PROTOCOLS.get(next_header, f"protocol {next_header}")
            return f"{name}, {counted(len(data), 'octet')}"
    except (ValueError, IndexError, struct.error):
        return f"not an IP packet, {counted(len(data), 'octet')}"
    return f"{src} > {dst} {INNER_PROTOCOLS.get(protocol, f'protocol {protocol}')}, {counted(length, 'octet')}"


UNUSUAL = (
    ("missing", ""), ("reordered", ""), ("duplicates", "duplicate"), ("replays", "replay"), ("captured_twice", ""),
)  # fmt: skip
"""What is unusual about a flow: its name, and the noun if the name is one."""


def unusual(flow: Mapping[str, Any]) -> str | None:
    """What is unusual about a flow, in words: ``2 missing, 1 replay``."""
    words = [
        several(flow[name], noun) if noun else f"{flow[name]} {name.replace('_', ' ')}"
        for name, noun in UNUSUAL
        if flow[name]
    ]
    return ", ".join(words) or None


def _ah(record: Record) -> str:
    if record["spi"] is None:
        return "AH"
    content = inner(bytes.fromhex(record["inner"]), record["next_header"])
    return f"AH {_spi(record)} seq {record['seq']}  {content}  [icv unchecked]"


def _spi(record: Record) -> str:
    reserved = " (reserved)" if int(record["spi"], 16) in RESERVED_SPIS else ""
    return f"0x{record['spi']}{reserved}"


def _ikev1(record: Record) -> str:
    return f"IKEv1 {record['init_spi']} {record['resp_spi']}"


def _other(record: Record) -> str:
    return str(record["kind"])


_BODIES: dict[str, Callable[[Record], str]] = {"ike": _ike, "esp": _esp, "ah": _ah, "ikev1": _ikev1}
