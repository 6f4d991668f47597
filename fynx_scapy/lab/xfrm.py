# SPDX-License-Identifier: GPL-2.0-or-later
"""The SAs and policies of a kernel, read with ip(8) xfrm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fynx_scapy.lab.peer import Machine, PeerChildSa


@dataclass(frozen=True, slots=True)
class KernelSa:
    """One SA, in one direction. ``algorithms`` are the kernel's names; ``reqid`` links it to its policies."""

    spi: int
    reqid: int
    mode: str
    esn: bool
    encap: bool
    algorithms: tuple[str, ...]
    octets: int
    packets: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """All its ESP SAs by SPI, and the selectors of its outbound policies as (reqid, source, destination)."""

    sas: dict[int, KernelSa]
    policies: tuple[tuple[int, str, str], ...]

    @classmethod
    def of(cls, machine: Machine) -> Kernel:
        """The current state of that machine's kernel. LabError when ip(8) fails."""
        output = machine.run("ip", "-s", "xfrm", "state")
        sas = (_sa(block) for block in re.split(r"^(?=src )", output, flags=re.MULTILINE) if "proto esp" in block)
        return cls({sa.spi: sa for sa in sas}, tuple(_policies(machine.run("ip", "xfrm", "policy"))))

    def child(self, name: str, state: str, spi_in: int, spi_out: int) -> PeerChildSa | None:
        """The Child SA with these SPIs; None when the kernel does not have both of its directions."""
        inbound, outbound = self.sas.get(spi_in), self.sas.get(spi_out)
        if inbound is None or outbound is None:
            return None
        selectors = [(local, remote) for reqid, local, remote in self.policies if reqid == outbound.reqid]
        return PeerChildSa(
            name=name,
            state=state,
            mode=inbound.mode,
            encap=inbound.encap,
            spi_in=spi_in,
            spi_out=spi_out,
            esp="-".join(inbound.algorithms),
            esn=inbound.esn and outbound.esn,
            bytes_in=inbound.octets,
            bytes_out=outbound.octets,
            packets_in=inbound.packets,
            packets_out=outbound.packets,
            local_ts=tuple(dict.fromkeys(local for local, _ in selectors)),
            remote_ts=tuple(dict.fromkeys(remote for _, remote in selectors)),
        )


def _sa(block: str) -> KernelSa:
    head = re.search(r"proto esp spi 0x([0-9a-f]+)\(\d+\) reqid (\d+)\S* mode (\w+)", block)
    used = re.search(r"lifetime current:\s+(\d+)\(bytes\), (\d+)\(packets\)", block)
    flags = re.search(r"\bflag (.*)$", block, re.MULTILINE)
    assert head is not None
    assert used is not None
    return KernelSa(
        spi=int(head[1], 16),
        reqid=int(head[2]),
        mode=head[3],
        # ip(8) writes no space between this flag and the extra ones: esnextra_flag.
        esn=flags is not None and re.search(r"\besn(?:extra_flag)?\b", flags[1]) is not None,
        encap="encap type espinudp" in block,
        algorithms=tuple(re.findall(r"^\s+(?:aead|enc|auth|auth-trunc) (\S+)", block, re.MULTILINE)),
        octets=int(used[1]),
        packets=int(used[2]),
    )


def _policies(output: str) -> Iterator[tuple[int, str, str]]:
    for block in re.split(r"^(?=src )", output, flags=re.MULTILINE):
        head = re.match(r"src (\S+) dst (\S+)", block)
        template = re.search(r"proto esp .*?reqid (\d+)", block)
        if head and template and re.search(r"\bdir out\b", block):
            yield int(template[1]), head[1], head[2]
