# SPDX-License-Identifier: GPL-2.0-or-later
"""A second reader of the lab's captures and key tables, simple on purpose: what it counts, ours has to open."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Iterator
from pathlib import Path

SK, SKF = 46, 53


def carried(pcap: Path) -> Iterator[tuple[int, str, bytes]]:
    """(packet number, "ike" or "esp", octets) of a little-endian Ethernet pcap without IP fragments."""
    data, at, number = pcap.read_bytes(), 24, 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        frame, at, number = data[at + 16 : at + 16 + size], at + 16 + size, number + 1
        if frame[12:14] == b"\x08\x00":
            protocol, body = frame[23], frame[14 + (frame[14] & 15) * 4 : 14 + struct.unpack_from("!H", frame, 16)[0]]
        elif frame[12:14] == b"\x86\xdd":
            protocol, body = frame[20], frame[54 : 54 + struct.unpack_from("!H", frame, 18)[0]]
        else:
            continue
        if protocol == 50:
            yield number, "esp", body
        elif protocol == 17:
            ports, body = struct.unpack_from("!HH", body), body[8:]
            if 500 in ports:
                yield number, "ike", body
            elif 4500 in ports and len(body) > 4:
                yield (number, "ike", body[4:]) if body[:4] == bytes(4) else (number, "esp", body)


def rows(path: Path) -> list[list[str]]:
    """The rows of a key table."""
    with path.open() as stream:
        return list(csv.reader(stream))


def keyed(pcap: Path, *, tables: bool, document: bool) -> tuple[set[bytes], set[bytes]]:
    """SPI pairs (16 octets) and ESP SPIs (4 octets) for which the files beside a capture have keys."""
    ike: set[bytes] = set()
    esp: set[bytes] = set()
    if tables:
        ike |= {bytes.fromhex(row[0] + row[1]) for row in rows(pcap.with_suffix(".ikev2_decryption_table"))}
        esp |= {bytes.fromhex(row[3][2:]) for row in rows(pcap.with_suffix(".esp_sa"))}
    if document:
        keys = json.loads(pcap.with_suffix(".keys.json").read_text())
        ike |= {bytes.fromhex(sa["spi_i"] + sa["spi_r"]) for sa in keys["ike_sas"]}
        esp |= {bytes.fromhex(sa["spi"]) for child in keys["child_sas"] for sa in child["sas"]}
    return ike, esp


def openable(pcap: Path, *, tables: bool = True, document: bool = True) -> dict[int, str]:
    """Packet number -> "SK", "SKF" or "ESP" of what can be opened with the keys beside a capture."""
    ike, esp = keyed(pcap, tables=tables, document=document)
    found = {}
    for number, kind, body in carried(pcap):
        if kind == "esp" and body[:4] in esp:
            found[number] = "ESP"
        elif kind == "ike" and body[16] in (SK, SKF) and body[:16] in ike:
            found[number] = "SK" if body[16] == SK else "SKF"
    return found
