# SPDX-License-Identifier: GPL-2.0-or-later
"""libreswan as a peer: a pluto in a guest or in a namespace, driven through whack.

Each Child SA is a separate connection.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import IO, Any, ClassVar

from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.ike.config import Psk
from fynx_scapy.lab.credential_files import ipsec_conf, nss_imports
from fynx_scapy.lab.packages import package
from fynx_scapy.lab.peer import Machine, Peer, PeerChild, PeerChildSa, PeerConfig, PeerIkeSa, Program, write
from fynx_scapy.lab.proposal_names import LIBRESWAN, PeerProposal
from fynx_scapy.lab.roots import LIBRESWAN as LIBRESWAN_ROOT
from fynx_scapy.lab.xfrm import Kernel

_LIBEXEC = "usr/libexec/ipsec"
_PATIENCE, _PAUSE = 120.0, 0.2
_STATE = re.compile(
    r'#(?P<number>\d+): "(?P<name>[^"]+)"(?:\[\d+\] \S+?)?:(?P<port>\d+) (?:STATE_V2_)?(?P<state>\w+)'
    r"(?:.* IKE SA #(?P<parent>\d+))?"
)
_SPIS = re.compile(r"#(?P<number>\d+): .* esp[.:](?P<outbound>[0-9a-f]+)@\S+ esp[.:](?P<inbound>[0-9a-f]+)@")
_NEWER_IKE_SPIS = re.compile(
    r"\bour spi: (?P<ours>(?:[0-9a-f]{2} +){7}[0-9a-f]{2})$"
    r"|\baccepted IKE proposal .*\bSPI=(?P<theirs>[0-9a-f]{16})$"
    r"|#(?P<rekeyed>\d+): (?P<role>initiator|responder) rekeyed IKE SA\b"
    r"|\(for #(?P<sent>\d+)\)\n[^|\n]*\|   (?P<header>(?:[0-9a-f]{2} +){16})",
    re.MULTILINE,
)
"""Version 5 logs the SPIs of an IKE SA only in the messages of its negotiation, and in the headers that it sends."""
_IKE_SPIS = re.compile(r"ike_spis@\S+ .*#(?P<number>\d+): (?P<spis>(?:[0-9a-f]{2} +){16})added to hash table")


class Libreswan(Peer):
    """A pluto in a guest."""

    name = "libreswan"
    guest = True
    packages: ClassVar[tuple[str, ...]] = ("libreswan",)
    capabilities = frozenset(
        {
            "certificates", "chains", "crl", "crl_required", "delete_child", "ecdsa", "esn", "hashes", "ipv6", "kernel",
            "null", "other_names", "protocol50", "rekey", "rsa_pss", "rsa_sha1", "transport",
        }
    )  # fmt: skip

    quirks = frozenset({"keeps_refused", "silent_refusal"})

    def __init__(self, machine: Any, folder: Path, config: PeerConfig) -> None:
        self._machine: Machine = machine
        self._folder, self.config = folder, config
        self._run_folder, self._root, self._env = self._place()
        self._process: Program | None = None
        self._output: IO[Any] | None = None
        self._log = folder / "pluto.log"

    def _place(self) -> tuple[Path, Path, dict[str, str] | None]:
        """The folder of its socket, the root of its package, and the environment of its programs."""
        return Path("/run/pluto"), Path("/"), None

    @property
    def _before(self) -> list[str]:
        """The command that runs pluto, if any does."""
        return []

    def _program(self, name: str) -> str:
        return str(self._root / _LIBEXEC / name)

    def _run(self, program: str, *words: str) -> str:
        return self._machine.run(program, *words, env=self._env)

    @property
    def version(self) -> str:
        """The version that pluto reports: ``4.10``."""
        output = self._run(self._program("pluto"), "--version")
        version = re.search(r"Libreswan (\S+)", output)
        return version[1] if version else output.strip()

    def start(self) -> None:
        """Run it with the lab's configuration; LabError with the end of its log when it does not answer."""
        nss = self._folder / "nss"
        nss.mkdir()
        conf = write(
            self._folder, "ipsec.conf", "ipsec.conf.j2", config=self.config, log=self._log, nss=nss,
            ike=_ike(self.config.ike), esp=_esp, pfs=lambda child: bool(_suite(child).ke),
            esn=lambda child: _suite(child).esn, auth=ipsec_conf(self.config),
            crl_strict=self.config.auth is not None and self.config.auth.ours.checked == "required",
        )  # fmt: skip
        secret = f"@{self.config.local_id} @{self.config.remote_id} : PSK 0x{Psk(self.config.psk).secret.hex()}\n"
        secrets = self._folder / "ipsec.secrets"
        secrets.touch(mode=0o600)
        secrets.write_text(secret)
        self._run("bash", "-c", f"mkdir -p {self._run_folder} {nss}; certutil -N -d sql:{nss} --empty-password")
        for words in nss_imports(self.config, self._folder, nss):
            self._run(*words)
        self._output = (self._folder / "pluto.out").open("wb")
        self._process = self._machine.popen(
            [
                *self._before, self._program("pluto"), "--config", str(conf), "--nofork",
                "--rundir", str(self._run_folder), "--secretsfile", str(secrets),
                "--nssdir", str(nss), "--ipsecdir", str(nss), "--logfile", str(self._log),
            ],
            env=self._env, output=self._output,
        )  # fmt: skip
        self._wait()
        # Otherwise it sets up again each SA that it has initiated and a peer deletes.
        self._whack("--impair", "revival")
        self._whack("--listen")
        self._whack("--rereadsecrets")
        for child in self.config.children:
            self._run(
                self._program("addconn"), "--config", str(conf), "--ctlsocket", str(self._run_folder / "pluto.ctl"),
                child.name,
            )  # fmt: skip

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if not self._process.alive:
                break
            try:
                self._whack("--briefstatus")
            except LabError:
                time.sleep(_PAUSE)
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
        return self._run(self._program("whack"), "--rundir", str(self._run_folder), *words)

    def _begin(self, *words: str) -> None:
        """Start a whack command without waiting for it, because whack waits for the result."""
        assert self._output is not None
        command = [self._program("whack"), "--rundir", str(self._run_folder), *words]
        self._machine.popen(command, env=self._env, output=self._output)

    # Commands

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA with a Child SA, or another Child SA."""
        self._begin("--initiate", "--name", child or self.config.children[0].name)

    def rekey_ike(self, connection: str = "lab") -> None:
        """Have it rekey its IKE SA."""
        self._begin("--rekey-ike", "--name", self.config.children[0].name)

    def rekey_child(self, child: str = "net") -> None:
        """Have it rekey a Child SA."""
        newer = int(self.version.partition(".")[0]) >= 5
        self._begin("--rekey-child" if newer else "--rekey-ipsec", "--name", child)

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
                state = "INSTALLED" if sa["state"] == "ESTABLISHED_CHILD_SA" else sa["state"]
                child = kernel.child(sa["name"], state, *pairs[sa["number"]])
                children.setdefault(sa["parent"], []).extend([child] if child else [])
        spis = ike_spis(log)
        return [
            PeerIkeSa(
                name=sa["name"],
                spi_i=spis[sa["number"]][:8],
                spi_r=spis[sa["number"]][8:],
                initiator=bool(re.search(rf"#{sa['number']}: initiat", log)),
                established=sa["state"] == "ESTABLISHED_IKE_SA",
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


def ike_spis(log: str) -> dict[str, bytes]:
    """Both SPIs of each IKE SA, the initiator's first, by pluto's number for it, as its log tells."""
    found, negotiated, ours, theirs = {}, {}, b"", b""
    for match in _NEWER_IKE_SPIS.finditer(log):
        if match["ours"]:
            ours = bytes.fromhex(match["ours"])
        elif match["theirs"]:
            theirs = bytes.fromhex(match["theirs"])
        elif match["rekeyed"]:
            negotiated[match["rekeyed"]] = ours + theirs if match["role"] == "initiator" else theirs + ours
        else:
            found[match["sent"]] = bytes.fromhex(match["header"])
    older = {match["number"]: bytes.fromhex(match["spis"]) for match in _IKE_SPIS.finditer(log)}
    return found | negotiated | older


class LibreswanSid(Libreswan):
    """The pluto of Debian sid, in a guest."""

    name = "libreswan-sid"
    packages = ()
    capabilities = Libreswan.capabilities | {"choice"}
    root = ("sid", LIBRESWAN_ROOT)


class LibreswanIke(Libreswan):
    """A pluto in a namespace, run from its unpacked package: where the kernel has no ESP, it sets up no Child SA.

    So it serves for what comes before IKE_AUTH, such as a scan, and needs no guest.
    """

    name = "libreswan-ike"
    guest = False
    capabilities = frozenset({"ipv6"})

    def _place(self) -> tuple[Path, Path, dict[str, str] | None]:
        root = package("libreswan")
        libraries = ":".join(map(str, sorted(root.glob("usr/lib/*-linux-gnu"))))
        path = f"{root / 'usr/bin'}:{os.environ.get('PATH', '')}"
        return self._folder / "run", root, {"LD_LIBRARY_PATH": libraries, "PATH": path}

    @property
    def _before(self) -> list[str]:
        # pluto wants its helper programs in /usr/libexec/ipsec. It sees them there, and nobody else does.
        overlay = 'mount -t overlay -o "lowerdir=$0/usr/libexec:/usr/libexec" overlay /usr/libexec && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", overlay, str(self._root)]


def _suite(child: PeerChild) -> PeerProposal:
    return PeerProposal.of(child.esp, LIBRESWAN)


def _ike(proposals: str) -> str:
    return ",".join(map(_one, PeerProposal.all_of(proposals, LIBRESWAN)))


def _one(suite: PeerProposal) -> str:
    """A proposal for IKE. libreswan has no word for integrity there: it takes the PRF's algorithms."""
    if suite.integ not in ((), suite.prf):
        found = f"{'+'.join(suite.integ)} and {'+'.join(suite.prf)}"
        raise ConfigError(f"expected the same algorithms for integrity and PRF in an IKE proposal, found {found}")
    return f"{'+'.join(suite.encr)}-{'+'.join(suite.prf)};{'+'.join(suite.ke)}"


def _esp(child: PeerChild) -> str:
    suite = _suite(child)
    groups = f";{'+'.join(suite.ke)}" if suite.ke else ""
    return f"{'+'.join(suite.encr)}-{'+'.join(suite.integ) or 'null'}{groups}"
