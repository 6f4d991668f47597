# SPDX-License-Identifier: GPL-2.0-or-later
"""Records networks: a pcapng file with a comment on each packet, and the keys that decrypt it.

It uses only the datagrams and events that a network shows. Virtual time starts at a fixed date, so that a seeded run
writes the same octets each time; on a real network the times are the system's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from scapy.data import DLT_RAW
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw
from scapy.utils import PcapNgWriter

from fynx_scapy.files import writing
from fynx_scapy.ike.basics.bounded import Bounded
from fynx_scapy.ike.events import ChildSaInstalled, Event, KeysDerived, MessageDropped
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.keylog import EspKeys, IkeKeys, KeyLog
from fynx_scapy.ladder import Ladder, Row
from fynx_scapy.net.hosts import Hosts, Record, record
from fynx_scapy.net.listeners import Remover
from fynx_scapy.text import counted

EPOCH = 1_704_067_200
"""The start of virtual time in a capture, in seconds since the epoch: 2024-01-01 00:00:00 UTC."""

PAUSE = 1.0
"""Seconds between the last packet of one network and the first of the next."""

KEPT, KEPT_OCTETS = 1_000_000, 512 << 20
"""The most datagrams that are kept of one network, and their total size in octets. A comment counts the missing."""

_ESP = 50


@dataclass(slots=True)
class _Take:
    """The recording of one network: the latest `KEPT` datagrams as (time, datagram, fate), and its events."""

    name: str
    network: Hosts
    datagrams: Bounded[tuple[float, Datagram, str]] = field(
        default_factory=lambda: Bounded(KEPT, KEPT_OCTETS, weigh=lambda seen: len(seen[1].data))
    )
    events: Record = field(default_factory=record)


class Recorder:
    """Records networks one after the other, and writes one capture and one set of key tables for all of them.

    >>> recorder = Recorder()
    >>> recorder.watch(network, "psk_handshake")
    >>> recorder.save_capture("run.pcapng")
    >>> recorder.keys().save("run.keys")
    """

    def __init__(self) -> None:
        self._takes: list[_Take] = []

    def watch(self, network: Hosts, name: str) -> Remover:
        """Record the network's datagrams from now on. ``name`` is the prefix of each comment.

        Also takes the events that the network has kept so far, because they may contain keys. Returns a function that
        stops recording; what was recorded stays.
        """
        take = _Take(name, network)
        self._takes.append(take)
        with network.lock:
            take.events += network.events
            ended = contextlib.ExitStack()
            ended.callback(network.observe(lambda time, datagram, fate: take.datagrams.append((time, datagram, fate))))
            ended.callback(network.subscribe(lambda host, event: take.events.append((host, event))))
        return Remover(ended.close)

    def add(self, network: Hosts, name: str) -> None:
        """Take the datagrams and events that a network has kept by itself (`Hosts.keep_datagrams`)."""
        network.keep_datagrams()
        assert network.carried is not None
        self._takes.append(_Take(name, network, network.carried, network.events))

    def only(self, networks: Sequence[Hosts]) -> Recorder:
        """What was recorded of these networks alone."""
        found = Recorder()
        found._takes = [take for take in self._takes if any(take.network is network for network in networks)]
        return found

    def packets(self) -> Iterator[Packet]:
        """Every datagram as an IP packet, with ``time`` and ``comments`` set, in the order in which they were sent."""
        start = float(EPOCH)
        for take in self._takes:
            start = take.network.epoch or start
            comment = _commenter(take)
            missing = sum(take.datagrams.dropped.values())
            for number, (time, datagram, fate) in enumerate(take.datagrams, 1):
                packet = frame(datagram, number)
                # Half a microsecond more, because Scapy truncates to microseconds.
                packet.time = round(start + time, 6) + 5e-7
                packet.comments = [comment(datagram, fate).encode()]
                if missing and number == 1:
                    packet.comments.append(f"{counted(missing, 'earlier datagram')} not kept".encode())
                yield packet
            start += (take.datagrams[-1][0] if take.datagrams else 0.0) + PAUSE

    def save_capture(self, path: str | os.PathLike[str]) -> None:
        """Write the packets as pcapng (link type raw IP), readable by the owner only (mode 600).

        Raises OSError when the file cannot be written.
        """
        with writing(path, secret=True) as file:
            self.write_capture(file)

    def write_capture(self, file: BinaryIO) -> None:
        """Write the packets as pcapng to an open file."""
        writer = pcapng(file, DLT_RAW)
        for packet in self.packets():
            writer.write_packet(packet)

    def keys(self) -> KeyLog:
        """The keys of every SA that either endpoint derived, also of failed handshakes, and the shared secrets."""
        log, ike = KeyLog(), {}
        for take in self._takes:
            for _, event in take.events:
                if isinstance(event, KeysDerived | ChildSaInstalled):
                    log.secrets += [secret for secret in event.ke_secrets if secret not in log.secrets]
                for entry in _ike_keys(event):
                    # A PPK changes SK_d, SK_pi and SK_pr later on: the last ones count.
                    ike[entry.spi_i, entry.spi_r, entry.sk_ei, entry.sk_er] = entry
                for esp_entry in _esp_keys(event):
                    if esp_entry not in log.esp:
                        log.esp.append(esp_entry)
            log.esp += _moved(take, log.esp)
        log.ike = list(ike.values())
        return log


def pcapng(file: BinaryIO, linktype: int) -> PcapNgWriter:
    """Scapy's writer for an open file, with the header written. Scapy would take the first packet's link type."""
    writer = PcapNgWriter(os.devnull)  # it opens files by their name only
    writer.f.close()
    writer.f, writer.linktype = file, linktype
    writer.write_header(None)
    return writer


def frame(datagram: Datagram, number: int = 0) -> Packet:
    """The IP packet around a datagram, checksums computed; ``number`` becomes the identification field of IPv4."""
    source, destination = datagram.local, datagram.remote
    if ":" in source.host:
        outer = IPv6(src=source.host, dst=destination.host, tc=datagram.tos, hlim=64)
    else:
        outer = IP(src=source.host, dst=destination.host, tos=datagram.tos, ttl=64, id=number & 0xFFFF)
    if datagram.kind is DatagramKind.ESP:
        outer.setfieldval("nh" if ":" in source.host else "proto", _ESP)
        return outer / Raw(datagram.wire)
    return outer / UDP(sport=source.port, dport=destination.port) / Raw(datagram.wire)


def _commenter(take: _Take) -> Callable[[Datagram, str], str]:
    """A function that writes the comment of a datagram, from the rows of the ladder."""
    ladder = Ladder(take.events, one_sided=len(take.network.addresses) == 1)
    rows: dict[bytes, Row] = {}
    for row in ladder.packets:
        for octets in row.octets:
            rows.setdefault(octets, row)
    # Events have only the beginning of long datagrams that were dropped.
    drops = [event for row in ladder.packets if isinstance(event := row.event, MessageDropped)]
    cuts = {len(event.data) for event in drops if event.length > len(event.data)}
    named = _names(take.network)
    seen: dict[bytes, int] = {}

    def comment(datagram: Datagram, fate: str) -> str:
        sender, receiver = named(datagram.local), named(datagram.remote)
        row = rows.get(datagram.data) or next((rows[cut] for n in cuts if (cut := datagram.data[:n]) in rows), None)
        ours = row is not None and row.sender
        part = ""
        if row and len(row.octets) > 1 and datagram.data in row.octets:
            part = f", fragment {row.octets.index(datagram.data) + 1}"
        what = (
            f"{row.title}{part}: {row.text}"
            if row and ours
            else f"{counted(len(datagram.data), 'octet')} that neither end has sent"
        )
        copies = seen[datagram.data] = seen.get(datagram.data, 0) + 1
        marks = [f"changed: {', '.join(row.changed)}"] if row and row.changed else []
        marks += [f"transmission {copies}"] if copies > 1 else []
        marks += [fate] if fate not in ("delivered", "sent") else []
        marks += [f"dropped: {row.reason}"] if row and row.reason and copies == 1 else []
        return f"{take.name}: {sender} -> {receiver}, {what}" + (f" [{'; '.join(marks)}]" if marks else "")

    return comment


def _names(network: Hosts) -> Callable[[Address], str]:
    """A function that names an address: by its host, or by host and port if a live peer may share the host."""
    if network.epoch is None:
        hosts = {ip: name for name, addresses in network.addresses.items() for ip in addresses}
        return lambda address: hosts.get(address.host, address.host)
    places = {
        Address(ip, port): name
        for name, host in network.hosts.items()
        for ip in host.endpoint.hosts
        for port in (0, host.endpoint.config.port, host.endpoint.config.natt_port)
    }
    return lambda address: places.get(address, str(address))


def _ike_keys(event: Event) -> Iterator[IkeKeys]:
    if isinstance(event, KeysDerived):
        keys = event.keys
        yield IkeKeys(
            event.spi_i,
            event.spi_r,
            event.encr,
            event.integ,
            sk_ei=keys.sk_ei,
            sk_er=keys.sk_er,
            sk_ai=keys.sk_ai,
            sk_ar=keys.sk_ar,
            prf=event.prf,
            sk_d=keys.sk_d,
            sk_pi=keys.sk_pi,
            sk_pr=keys.sk_pr,
        )


def _moved(take: _Take, known: list[EspKeys]) -> list[EspKeys]:
    """Key entries for the addresses that ESP packets really had: those of a NAT, and of an endpoint that has moved.

    Wireshark looks up a key by SPI and addresses.
    """
    by_spi = {entry.spi: entry for entry in known}
    have = {(entry.spi, entry.src, entry.dst) for entry in known}
    moved: dict[tuple[int, str, str], EspKeys] = {}
    for _, datagram, _ in take.datagrams:
        if datagram.kind in (DatagramKind.ESP, DatagramKind.ESP_IN_UDP):
            spi, source, destination = int.from_bytes(datagram.data[:4]), datagram.local.host, datagram.remote.host
            if spi in by_spi and (spi, source, destination) not in have:
                moved[spi, source, destination] = replace(by_spi[spi], src=source, dst=destination)
    return list(moved.values())


def _esp_keys(event: Event) -> Iterator[EspKeys]:
    """The keys of both directions. The events of initiator and responder give the same two."""
    if isinstance(event, ChildSaInstalled):
        local, remote = event.local.host, event.remote.host
        directions = (
            (event.inbound.spi, remote, local, event.encr_key_in, event.integ_key_in),
            (event.outbound.spi, local, remote, event.encr_key_out, event.integ_key_out),
        )
        for spi, source, destination, key, auth_key in directions:
            yield EspKeys(spi, source, destination, event.encr, key, event.integ, auth_key, event.esn)
