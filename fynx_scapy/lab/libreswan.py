# SPDX-License-Identifier: GPL-2.0-or-later
"""libreswan as a peer: a pluto in a guest, driven through whack. Each Child SA is a separate connection."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import IO, Any

from fynx_scapy.errors import LabError
from fynx_scapy.ike.config import Psk
from fynx_scapy.lab.peer import Machine, Peer, PeerChild, PeerChildSa, PeerConfig, PeerIkeSa, Program, write
from fynx_scapy.lab.proposal_names import LIBRESWAN, PeerProposal
from fynx_scapy.lab.xfrm import Kernel

_LIBEXEC = "/usr/libexec/ipsec"
_PATIENCE = 30.0
_STATE = re.compile(
    r'#(?P<number>\d+): "(?P<name>[^"]+)"(?:\[\d+\] \S+?)?:(?P<port>\d+) STATE_(?P<state>\w+)'
    r"(?:.* IKE SA #(?P<parent>\d+))?"
)
_SPIS = re.compile(r"#(?P<number>\d+): .* esp[.:](?P<outbound>[0-9a-f]+)@\S+ esp[.:](?P<inbound>[0-9a-f]+)@")
_IKE_SPIS = re.compile(r"ike_spis@\S+ .*#(?P<number>\d+): (?P<spis>(?:[0-9a-f]{2} +){16})added to hash table")


class Libreswan(Peer):
    """A pluto in a guest."""

    name = "libreswan"
    guest = True
    packages = ("libreswan",)
    capabilities = frozenset({"delete_child", "esn", "ipv6", "kernel", "protocol50", "rekey", "transport"})

    def __init__(self, machine: Any, folder: Path, config: PeerConfig) -> None:
        self._machine: Machine = machine
        self._folder, self.config = folder, config
        self._process: Program | None = None
        self._output: IO[Any] | None = None
        self._log = folder / "pluto.log"

    @property
    def version(self) -> str:
        """The version that pluto reports: ``4.10``."""
        output = self._machine.run(f"{_LIBEXEC}/pluto", "--version")
        version = re.search(r"Libreswan (\S+)", output)
        return version[1] if version else output.strip()

    def start(self) -> None:
        """Run it with the lab's configuration; LabError with the end of its log when it does not answer."""
        nss = self._folder / "nss"
        nss.mkdir()
        conf = write(
            self._folder, "ipsec.conf", "ipsec.conf.j2", config=self.config, log=self._log, nss=nss,
            ike=_ike(self.config.ike), esp=_esp, pfs=lambda child: bool(_suite(child).ke),
            esn=lambda child: _suite(child).esn,
        )  # fmt: skip
        secret = f"@{self.config.local_id} @{self.config.remote_id} : PSK 0x{Psk(self.config.psk).secret.hex()}\n"
        secrets = self._folder / "ipsec.secrets"
        secrets.touch(mode=0o600)
        secrets.write_text(secret)
        self._machine.run("bash", "-c", f"mkdir -p /run/pluto {nss}; certutil -N -d sql:{nss} --empty-password")
        self._output = (self._folder / "pluto.out").open("wb")
        self._process = self._machine.popen(
            [
                f"{_LIBEXEC}/pluto", "--config", str(conf), "--nofork", "--rundir", "/run/pluto",
                "--secretsfile", str(secrets), "--nssdir", str(nss), "--ipsecdir", str(nss),
                "--logfile", str(self._log),
            ],
            output=self._output,
        )  # fmt: skip
        self._wait()
        # Otherwise it sets up again each SA that it has initiated and a peer deletes.
        self._whack("--impair", "revival")
        self._whack("--listen")
        self._whack("--rereadsecrets")
        for child in self.config.children:
            self._machine.run(
                f"{_LIBEXEC}/addconn", "--config", str(conf), "--ctlsocket", "/run/pluto/pluto.ctl", child.name
            )

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if not self._process.alive:
                break
            try:
                self._whack("--briefstatus")
            except LabError:
                time.sleep(0.02)
            else:
                return
        output = (self._folder / "pluto.out").read_text(errors="replace") + self.log()
        raise LabError(f"pluto did not answer: {' / '.join(output.strip().splitlines()[-4:]) or 'it logged nothing'}")

    def kill(self) -> None:
        """Kill it, so that it sends no Delete."""
        if self._process is not None:
            self._process.kill()
        if self._output is not None:
            self._output.close()

    def _whack(self, *words: str) -> str:
        return self._machine.run(f"{_LIBEXEC}/whack", "--rundir", "/run/pluto", *words)

    def _begin(self, *words: str) -> None:
        """Start a whack command without waiting for it, because whack waits for the result."""
        assert self._output is not None
        self._machine.popen([f"{_LIBEXEC}/whack", "--rundir", "/run/pluto", *words], output=self._output)

    # Commands

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA with a Child SA, or another Child SA."""
        self._begin("--initiate", "--name", child or self.config.children[0].name)

    def rekey_ike(self, connection: str = "lab") -> None:
        """Have it rekey its IKE SA."""
        self._begin("--rekey-ike", "--name", self.config.children[0].name)

    def rekey_child(self, child: str = "net") -> None:
        """Have it rekey a Child SA."""
        self._begin("--rekey-ipsec", "--name", child)

    def delete_ike(self, connection: str = "lab") -> None:
        """Have it delete its IKE SA."""
        self._begin("--deletestate", str(self._states("IKE_SA")[-1]))

    def delete_child(self, child: str = "net") -> None:
        """Have it delete a Child SA."""
        self._begin("--deletestate", str(self._states("CHILD_SA")[-1]))

    def _states(self, kind: str) -> list[int]:
        lines = self._whack("--showstates").splitlines()
        return [int(found[1]) for line in lines if (found := re.search(rf"#(\d+): .*ESTABLISHED_{kind}", line))]

    # State

    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs. pluto reports their SPIs only in its log."""
        output, kernel, log = self._whack("--showstates"), Kernel.of(self._machine), self.log()
        states = [match.groupdict() for line in output.splitlines() if (match := _STATE.search(line))]
        pairs = {
            match["number"]: (int(match["inbound"], 16), int(match["outbound"], 16))
            for line in output.splitlines()
            if (match := _SPIS.search(line))
        }
        children: dict[str, list[PeerChildSa]] = {}
        for sa in states:
            if sa["parent"] and sa["number"] in pairs:
                state = "INSTALLED" if sa["state"] == "V2_ESTABLISHED_CHILD_SA" else sa["state"]
                child = kernel.child(sa["name"], state, *pairs[sa["number"]])
                children.setdefault(sa["parent"], []).extend([child] if child else [])
        spis = {match["number"]: bytes.fromhex(match["spis"]) for match in _IKE_SPIS.finditer(log)}
        return [
            PeerIkeSa(
                name=sa["name"],
                spi_i=spis[sa["number"]][:8],
                spi_r=spis[sa["number"]][8:],
                initiator=bool(re.search(rf"#{sa['number']}: initiat", log)),
                established=sa["state"] == "V2_ESTABLISHED_IKE_SA",
                state=sa["state"],
                ike=self.config.ike,
                local=f"{self.config.local}:{self.config.port}",
                remote=f"{self.config.remote}:{sa['port']}",
                remote_id=self.config.remote_id,
                children=tuple(children.get(sa["number"], ())),
            )
            for sa in states
            if not sa["parent"] and sa["number"] in spis and "CHILD" not in sa["state"]
        ]

    def log(self) -> str:
        """Its log."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def _suite(child: PeerChild) -> PeerProposal:
    return PeerProposal.of(child.esp, LIBRESWAN)


def _ike(proposal: str) -> str:
    suite = PeerProposal.of(proposal, LIBRESWAN)
    return f"{suite.encr}-{'-'.join(dict.fromkeys(suite.integ + suite.prf))};{'+'.join(suite.ke)}"


def _esp(child: PeerChild) -> str:
    suite = _suite(child)
    groups = f";{'+'.join(suite.ke)}" if suite.ke else ""
    return f"{suite.encr}-{'-'.join(suite.integ) or 'null'}{groups}"
