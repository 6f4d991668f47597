# SPDX-License-Identifier: GPL-2.0-or-later
"""The SAs of a session as values, and as text in the form of ``swanctl --list-sas``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.text import counted


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a Child SA: its SPI and its counters."""

    spi: int
    bytes: int
    packets: int
    seq: int
    """The last sequence number sent, or the highest one received."""


@dataclass(frozen=True, slots=True)
class ChildRow:
    """A Child SA as it is now."""

    name: str
    state: str
    mode: str
    algorithms: str
    inbound: Direction
    outbound: Direction
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]
    age: float
    """Seconds since it was installed."""
    sa: ChildSa
    """The Child SA itself."""

    def __str__(self) -> str:
        lines = [
            f"  {self.name}: {self.state}, {self.mode.upper()}, ESP:{self.algorithms}",
            f"    installed {self.age:.0f}s ago",
            *(
                f"    {label:3} {way.spi:08x}, {counted(way.bytes, 'byte'):>12}, {counted(way.packets, 'packet'):>11}"
                for label, way in (("in", self.inbound), ("out", self.outbound))
            ),
            f"    local  {' '.join(self.local_ts)}",
            f"    remote {' '.join(self.remote_ts)}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class SaRow:
    """An IKE SA as it is now."""

    end: str
    """The name of its endpoint."""
    state: str
    initiator: bool
    """Whether the endpoint is the original initiator."""
    spi_i: str
    spi_r: str
    """Both SPIs in hexadecimal."""
    local: Address
    remote: Address
    local_id: str
    remote_id: str
    """Both identities; empty while they are not authenticated."""
    algorithms: str
    age: float | None
    """Seconds since it was established; None before."""
    in_flight: int
    """How many of its requests wait for an answer."""
    children: tuple[ChildRow, ...]
    sa: IkeSa
    """The IKE SA itself."""

    def __str__(self) -> str:
        ours, theirs = ("*", "") if self.initiator else ("", "*")
        lines = [
            f"{self.end}: {self.state.upper()}, IKEv2, {self.spi_i}_i{ours} {self.spi_r}_r{theirs}",
            f"  local  {repr(self.local_id) if self.local_id else '%any'} @ {_place(self.local)}",
            f"  remote {repr(self.remote_id) if self.remote_id else '%any'} @ {_place(self.remote)}",
        ]
        if self.algorithms:
            lines.append(f"  {self.algorithms}")
        if self.age is not None:
            lines.append(f"  established {self.age:.0f}s ago")
        if self.in_flight:
            lines.append(f"  {counted(self.in_flight, 'request')} in flight")
        return "\n".join([*lines, *map(str, self.children)])


class SaList(tuple[SaRow, ...]):
    """The IKE SAs of one or both endpoints, oldest first. Its text has the form of ``swanctl --list-sas``."""

    __slots__ = ()

    @classmethod
    def of(cls, ends: Mapping[str, Endpoint], now: float) -> Self:
        """The IKE SAs of these endpoints, by name. Ended ones, which only answer retransmissions, are left out."""
        rows = (_row(name, sa, now) for name, endpoint in ends.items() for sa in endpoint.sas.values())
        return cls(row for row in rows if row.sa.state is not State.CLOSED)

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "no IKE SAs"

    __repr__ = __str__


def _row(end: str, sa: IkeSa, now: float) -> SaRow:
    suite = None if sa.state is State.CONNECTING and not sa.envelope.has_keys else sa.suite
    return SaRow(
        end=end,
        state=sa.state.value,
        initiator=sa.initiator,
        spi_i=sa.spi_i.hex(),
        spi_r=sa.spi_r.hex(),
        local=sa.local,
        remote=sa.remote,
        local_id=str(sa.local_id or ""),
        remote_id=str(sa.remote_id or ""),
        algorithms=str(suite or ""),
        age=None if sa.established_at is None else now - sa.established_at,
        in_flight=len(sa.requests.pending),
        children=tuple(_child(child, now) for child in sa.children.values()),
        sa=sa,
    )


def _child(child: ChildSa, now: float) -> ChildRow:
    rekeyed = child.rekeyed is not None or child.peer_rekeyed is not None
    return ChildRow(
        name=child.name,
        state="DELETING" if child.deleting else "REKEYED" if rekeyed else "REKEYING" if child.rekeying else "INSTALLED",
        mode=child.inbound.mode,
        algorithms=str(child.suite),
        inbound=Direction(child.inbound.spi, child.inbound.bytes, child.inbound.packets, child.inbound.highest),
        outbound=Direction(child.outbound.spi, child.outbound.bytes, child.outbound.packets, child.outbound.seq),
        local_ts=tuple(map(str, child.local_ts)),
        remote_ts=tuple(map(str, child.remote_ts)),
        age=now - child.installed_at,
        sa=child,
    )


def _place(address: Address) -> str:
    """An address as swanctl writes it."""
    return f"{address.host}[{address.port}]"
