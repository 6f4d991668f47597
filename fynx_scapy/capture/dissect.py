# SPDX-License-Identifier: GPL-2.0-or-later
"""Every IPsec packet of a capture as one record: its addresses, its content, and whether its ICV verifies.

A record is a dict of plain values, ready for JSON: bytes are lower-case hexadecimal, enumerations are IANA's names.
Every record has ``number, time`` (seconds since the epoch), ``src, sport, dst, dport, kind, error``. If the snap length
of the capture cut the packet, ``missing`` is the number of octets that were sent but not captured. If a packet was not
decrypted, ``decrypted`` is false and ``icv`` is "unchecked". ``within`` names the tunnels and the IPsec headers around
a packet, the outermost first. A packet that carries IPsec has those packets as a list of records, ``inside``. By kind:

ike       ``init_spi, resp_spi, exchange, request, message_id, payloads, encrypted, decrypted, icv``. A payload has
          ``type`` (IANA's notation), ``critical`` and its layer's fields. A Notify has its type as ``notify_type``. A
          decrypted SK has ``payloads``, ``text`` is an identity or an EAP message for people, ``vendor`` the name of a
          vendor ID. A decrypted SKF has the ``plaintext`` of its fragment. ``malformed`` says what
          is wrong, ``cut`` that the capture does not hold all of a payload. The SKF that completes a message (the last
          to arrive, whatever its number) also has the ``payloads`` of the whole message, and ``reassembled_from``: the
          packet numbers of its fragments, in fragment order.
esp       ``spi, seq`` (the 32 bits on the wire), ``decrypted, icv, next_header, inner``
ah        ``spi, seq, decrypted, icv, next_header, inner``; the ICV is not checked
ikev1     ``init_spi, resp_spi``
keepalive, ipcomp, wesp: no further fields
fragment: part of an IP packet that was never completed
unreadable, and lost (something left out of the capture as a whole): see ``error``
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from fynx_scapy.capture.follow.decrypt import UNCHECKED, open_packet
from fynx_scapy.capture.follow.follower import Follower
from fynx_scapy.capture.follow.sas import IkeOpened
from fynx_scapy.capture.follow.tally import sa_name
from fynx_scapy.capture.headers.ipsec import ah_content, never_first, never_sent
from fynx_scapy.capture.index import MOST_FLOWS
from fynx_scapy.capture.reading.flows import EspFlow
from fynx_scapy.capture.reading.frames import NO_FRAME
from fynx_scapy.capture.reading.losses import Loss
from fynx_scapy.capture.reading.nested import Nested
from fynx_scapy.capture.reading.packets import IpsecPacket
from fynx_scapy.capture.reading.walk import LOST, Walk
from fynx_scapy.errors import MalformedError
from fynx_scapy.iana import ExchangeType, PayloadType, name_of
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, IKE_HEADER
from fynx_scapy.layers.ikev2.records import payload_record

Record = dict[str, Any]
ENCRYPTED = (PayloadType.SK, PayloadType.SKF)


def flat(record: Record) -> Iterator[Record]:
    """A record, and those inside it."""
    yield record
    for inside in record.get("inside", ()):
        yield from flat(inside)


def dissect(path: str | os.PathLike[str], keys: KeyLog | None = None) -> Iterator[Record]:
    """The records of a capture, in its order. Without ``keys``, the keys beside the capture are used.

    Raises CaptureError if the file cannot be opened or is not a capture. Anything unreadable in it becomes a record
    with an ``error``.
    """
    source = Path(path)
    yield from Dissection(keys if keys is not None else KeyLog.beside(source)).records(source)


@dataclass(slots=True)
class Dissection:
    """One pass over a capture.

    ``ports`` are UDP and TCP ports to treat like 4500. ``closed`` counts, by SA, the packets without a key, ``foreign``
    the packets that are not IPsec. ``failed`` is true after a bad ICV, an unreadable packet or a loss.

    With ``takes``, only packets for which it is true have records; ``taken`` and ``left_out`` count them and the
    others. Keys are learnt from all. ``began`` is the time of the first IPsec packet, taken or not.
    """

    keys: KeyLog
    ports: frozenset[int] = frozenset()
    takes: Callable[[IpsecPacket], bool] | None = None
    closed: Counter[str] = field(default_factory=Counter)
    failed: bool = False
    left_out: int = 0
    taken: int = 0
    began: float | None = None
    _follower: Follower = field(init=False)
    _walk: Walk = field(init=False)
    _nested: Nested = field(init=False)
    _flows: dict[tuple[str, int, str, str], EspFlow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._follower = Follower(self.keys)
        self._walk = Walk(self.ports)
        self._nested = Nested(self.ports)

    def records(self, source: Path | BinaryIO, name: str | None = None) -> Iterator[Record]:
        """The records of one capture. Raises CaptureError if it cannot be opened or is not a capture."""
        for packets in self._walk.groups(source, name):
            yield from self._records(packets)
        yield from self._records(self._nested.rest())
        for loss in [*self._follower.losses, *self._nested.losses()]:
            yield from self._records([IpsecPacket(NO_FRAME, LOST, "", "", b"", error=loss.text)])

    def _records(self, packets: Iterable[IpsecPacket]) -> Iterator[Record]:
        """The records of a frame's packets, each with those inside it."""
        carriers: list[tuple[int, Record]] = []
        found: list[Record] = []
        for packet in packets:
            if self.began is None:
                self.began = packet.frame.time
            if not self._takes(packet):
                continue
            record, depth = self._packet(packet), len(packet.within)
            self.failed = self.failed or bool(record["error"]) or record.get("icv") == "bad"
            if record["kind"] == "esp" and record.get("decrypted"):
                content = bytes.fromhex(record["inner"])
                inside = list(self._records(self._nested.packets(packet, record["next_header"], content)))
                record |= {"inside": inside} if inside else {}
            while carriers and carriers[-1][0] >= depth:
                carriers.pop()
            if carriers:
                carriers[-1][1].setdefault("inside", []).append(record)
            else:
                found.append(record)
            carriers.append((depth, record))
        return iter(found)

    def _takes(self, packet: IpsecPacket) -> bool:
        """Whether a packet has a record. Keys are learnt from the others too."""
        if self.takes is None or packet.kind == LOST or "ESP" in packet.within:
            self.taken += packet.kind != LOST and "ESP" not in packet.within
            return True
        if self.takes(packet):
            self.taken += packet.kind != "unreadable" or packet.frame.offset > 0  # not for damage that ends the file
            return True
        self.left_out += 1
        closed = self.closed.copy()
        self._packet(packet)
        self.closed = closed
        return False

    @property
    def foreign(self) -> int:
        """How many packets are not IPsec."""
        return self._walk.foreign

    @property
    def guesses(self) -> list[str]:
        """What was decrypted on a guess that nothing confirms, in words."""
        return self._follower.guesses

    @property
    def losses(self) -> list[Loss]:
        """What was left out. Each loss is also a record of kind ``lost``."""
        return [*self._walk.losses, *self._follower.losses, *self._nested.losses()]

    def _packet(self, found: IpsecPacket) -> Record:
        record = _base(found)
        if found.error:
            return record | {"error": found.error}
        make = _MAKERS.get(found.kind)
        record = record | make(self, found) if make else record | {"error": None}
        if found.missing:
            record["missing"] = found.missing
        errors = [found.fault, *self._impossible(found, record), record["error"]]
        record["error"] = "; ".join(filter(None, errors)) or None
        return record

    def _impossible(self, packet: IpsecPacket, record: Record) -> list[str]:
        """What no ESP or AH packet may have: SPI 0, and sequence number 0 if it is not the 2^32nd."""
        if packet.kind not in ("esp", "ah") or record["spi"] is None:
            return []
        spi = int(record["spi"], 16)
        key = (packet.kind, spi, packet.src, packet.dst)
        if key not in self._flows and len(self._flows) < MOST_FLOWS:
            self._flows[key] = EspFlow(*key, packet.frame.number, packet.frame.time)
        flow, errors = self._flows.get(key), [never_sent(packet.kind, spi)]
        if flow is not None:
            zeros = flow.zeros
            flow.count(record["seq"], 0, None, packet.frame.number)
            errors += [never_first(packet.kind)] if flow.zeros > zeros else []
        return errors

    def ike(self, packet: IpsecPacket) -> Record:
        """The fields of an IKEv2 message (RFC 7296 section 3.1), its SK decrypted if a key fits."""
        data = packet.data
        if len(data) < IKE_HEADER.size:
            return _ike_fields() | {
                "error": None
                if packet.missing
                else f"expected an IKE header of {IKE_HEADER.size} octets, found {len(data)}"
            }
        spi_i, spi_r, _, version, exchange, flags, message_id, _ = IKE_HEADER.unpack_from(data)
        fields = _ike_fields(
            init_spi=spi_i.hex(),
            resp_spi=spi_r.hex(),
            exchange=name_of(ExchangeType, exchange),
            request=not flags & FLAG_RESPONSE,
            message_id=message_id,
        )
        if version >> 4 != 2:
            return fields | {"error": f"expected major version 2, found {version >> 4}"}
        frame = packet.frame
        ends = (packet.src, packet.sport, packet.dst, packet.dport)
        found = self._follower.ike(data, frame.number, frame.time, *ends, missing=packet.missing)
        fields["payloads"] = [payload_record(layer) for layer in found.payloads]
        if found.cut:
            last = fields["payloads"][-1]
            last["cut"] = last.pop("malformed")
            fields["encrypted"] = found.payloads[-1].payload_type in ENCRYPTED
        sealed = (
            n for n, layer in enumerate(found.payloads) if layer.payload_type in ENCRYPTED and not layer.malformed
        )
        place = next(sealed, None)
        if place is not None:
            fields["encrypted"] = True
            if found.opened is not None:
                self._sealed(found, fields["payloads"][place], fields)
        fields["error"] = "; ".join(found.errors) or None
        return fields

    def _sealed(self, found: IkeOpened, record: Record, fields: Record) -> None:
        opened = found.opened
        assert opened is not None
        fields["icv"], fields["decrypted"] = opened.icv, opened.plaintext is not None
        if not opened.keyed and opened.plaintext is None:
            self.closed[f"IKE SA {fields['init_spi']} {fields['resp_spi']}"] += 1
        if opened.plaintext is None:
            return
        record.pop("load", None)
        if found.fragment is not None:  # a single fragment has no complete payloads
            record["plaintext"] = opened.plaintext.hex()
            if found.inner is None:
                return
            record["reassembled_from"] = list(found.packets)
        if found.inner is not None:
            record["payloads"] = [payload_record(layer) for layer in found.inner]

    def esp(self, packet: IpsecPacket) -> Record:
        """The fields of an ESP packet (RFC 4303 section 2), decrypted if a key fits."""
        data = packet.data
        fields: Record = {"spi": None, "seq": None, **_closed(), "next_header": None, "inner": None, "error": None}
        if len(data) < 8:
            return (
                fields
                if packet.missing
                else fields | {"error": f"expected an ESP header of 8 octets, found {len(data)}"}
            )
        spi = data[:4].hex()
        fields |= {"spi": spi, "seq": int.from_bytes(data[4:8], "big")}
        opened = open_packet(packet, self._follower)
        if not opened.keyed and opened.plaintext is None and not packet.missing:
            self.closed[sa_name(int(spi, 16), packet.src, packet.dst)] += 1
        inner = None if opened.plaintext is None else opened.plaintext.hex()
        return fields | {
            "decrypted": opened.plaintext is not None,
            "icv": opened.icv,
            "next_header": opened.next_header,
            "inner": inner,
            "error": opened.error,
        }

    def ah(self, packet: IpsecPacket) -> Record:
        """The fields of AH (RFC 4302 section 2). The ICV is not checked."""
        data = packet.data
        try:
            following, content = ah_content(data)
        except MalformedError:  # the packet's fault says so
            return {"spi": None, "seq": None, "error": None}
        return {
            "spi": data[4:8].hex(),
            "seq": int.from_bytes(data[8:12], "big"),
            **_closed(),
            "next_header": following,
            "inner": content.hex(),
            "error": None,
        }

    def ikev1(self, packet: IpsecPacket) -> Record:
        """The cookies of an IKEv1 message (RFC 2408 section 3.1). The rest is not dissected."""
        return {"init_spi": packet.data[:8].hex(), "resp_spi": packet.data[8:16].hex(), "error": None}


_MAKERS: dict[str, Callable[[Dissection, IpsecPacket], Record]] = {
    "ike": Dissection.ike,
    "esp": Dissection.esp,
    "ah": Dissection.ah,
    "ikev1": Dissection.ikev1,
}


def _base(packet: IpsecPacket) -> Record:
    ends = {"src": packet.src or None, "sport": packet.sport, "dst": packet.dst or None, "dport": packet.dport}
    within = {"within": list(packet.within)} if packet.within else {}
    return {"number": packet.frame.number, "time": packet.frame.time, **ends, "kind": packet.kind, **within}


def _closed() -> Record:
    return {"decrypted": False, "icv": UNCHECKED}


def _ike_fields(**known: Any) -> Record:
    names = ("init_spi", "resp_spi", "exchange", "request", "message_id")
    fields = {name: known.get(name) for name in names}
    return fields | {"payloads": [], "encrypted": False, **_closed(), "error": None}
