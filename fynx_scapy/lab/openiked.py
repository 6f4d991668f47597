# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenIKED as a peer: an iked in a guest, driven through ikectl. It speaks PF_KEY to the guest's kernel.

It can initiate (by its configuration) and delete an IKE SA, but it has no command to rekey or to delete a Child SA.
It sends raw public keys with numbers of its own in CERT, and takes no request for those of RFC 7670.
Over PF_KEY, Linux truncates HMAC-SHA-256 to 96 bits, where RFC 4868 section 2.3 requires 128. So its Child SAs here use
HMAC-SHA-512, which both truncate alike.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

from fynx_scapy.errors import LabError
from fynx_scapy.lab.credential_files import iked_conf, iked_files
from fynx_scapy.lab.peer import Machine, Peer, PeerChild, PeerConfig, PeerIkeSa, Program, write
from fynx_scapy.lab.proposal_names import OPENIKED, PeerProposal
from fynx_scapy.lab.roots import STRONGSWAN
from fynx_scapy.lab.xfrm import Kernel

_SOCKET = "/run/iked.sock"
_PAUSE = 0.25
_PATIENCE = 120.0
"""In seconds: as long as for the boot of a guest, whose processor may be emulated."""
_SA = re.compile(
    r"^iked_sas: (?P<id>\S+) rspi 0x(?P<spi_r>[0-9a-f]{16}) ispi 0x(?P<spi_i>[0-9a-f]{16}) (?P<local>[^-\s]+)->"
    r"(?P<remote>[^<\s]+)<.*?>\[.*?\] (?P<state>\S+) (?P<role>[ir])\b",
    re.MULTILINE,
)
_HALF = re.compile(
    r"^  sa_childsas: (?P<id>\S+) ESP 0x(?P<spi>[0-9a-f]+) (?P<way>in|out) .*\(\w*L\w*\)"
    r".* P=(?P<other>\S+) @(?P<parent>\S+)",
    re.MULTILINE,
)
_ENDING = ("CLOSING", "CLOSED")
_USER = "_iked:x:970:970:iked:/var/empty:/usr/sbin/nologin"


class OpenIked(Peer):
    """An iked in a guest."""

    name = "openiked"
    guest = True
    packages: ClassVar[tuple[str, ...]] = ("openiked",)
    capabilities = frozenset(
        {
            "certificates", "certreq", "crl", "ecdsa", "ecdsa_by_curve", "ipv6", "kernel", "outdated",
            "protocol50", "rsa_pkcs1", "rsa_sha1",
        }
    )  # fmt: skip
    defaults: ClassVar[Mapping[str, Any]] = {"esp": "aes128-sha512"}
    # On an IKE SA that was replaced it takes only requests with the flag of the original initiator, which it is itself
    # then (ikev2_msg_valid_ike_sa in its ikev2_msg.c). So it never answers our Delete.
    quirks = frozenset({"silent_when_rekeyed"})

    def __init__(self, machine: Any, folder: Path, config: PeerConfig) -> None:
        self._machine: Machine = machine
        self._folder, self.config = folder, config
        self._process: Program | None = None
        self._output: IO[Any] | None = None

    @property
    def version(self) -> str:
        """The version that iked reports: ``7.2``."""
        return self._machine.run("bash", "-c", "iked -V 2>&1").strip().removeprefix("OpenIKED ")

    def start(self) -> None:
        """Run it with the lab's configuration; LabError with the end of its log when it does not answer."""
        conf = self._write(active=False)
        self._machine.run(
            "bash", "-c",
            f"grep -q ^_iked: /etc/passwd || {{ echo '{_USER}' >>/etc/passwd; echo '_iked:x:970:' >>/etc/group; }}; "
            "mkdir -p /var/empty; chmod 755 /var/empty; rm -rf /etc/iked; "
            f"cp -r {iked_files(self.config, self._folder / 'iked')} /etc/iked; "
            "chmod -R go+rX /etc/iked; chmod 600 /etc/iked/private/*; "  # its process for certificates is not root's
            "[ -e /etc/iked/private/local.key ] || openssl ecparam -genkey -name prime256v1 -noout "
            "-out /etc/iked/private/local.key",
        )  # fmt: skip
        self._output = (self._folder / "iked.log").open("wb")
        self._process = self._machine.popen(["iked", "-d", "-vv", "-f", str(conf), "-s", _SOCKET], output=self._output)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._process.alive:
            # The last setting for its process with the sockets. Version 7.4 sends it to another one before.
            _, sockets, settings = self.log().rpartition("received socket fd")
            if sockets and "stickyaddress" in settings:
                return
            time.sleep(_PAUSE)
        lines = self.log().strip().splitlines()
        faults = [line for line in lines if line.startswith(f"{conf}: ") and "loaded" not in line]
        tail = faults or lines[-4:]
        raise LabError(f"iked did not answer: {' / '.join(tail) or 'it logged nothing'}")

    def _write(self, *, active: bool) -> Path:
        return write(
            self._folder, "iked.conf", "iked.conf.j2", config=self.config, active=active,
            auth=iked_conf(self.config),
            ike=[_ike(each) for each in PeerProposal.all_of(self.config.ike, OPENIKED)], esp=_esp,
        )  # fmt: skip

    def kill(self) -> None:
        """Kill it, so that it sends no Delete."""
        if self._process is not None:
            self._process.kill()
        if self._output is not None:
            self._output.close()

    def _ikectl(self, *words: str) -> str:
        return self._machine.run("ikectl", "-s", _SOCKET, *words)

    # Commands

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA with a Child SA."""
        self._ikectl("load", str(self._write(active=True)))

    def rekey_ike(self, connection: str = "lab") -> None:
        """Not supported: LabError."""
        raise LabError("iked has no command to rekey")

    def rekey_child(self, child: str = "net") -> None:
        """Not supported: LabError."""
        raise LabError("iked has no command to rekey")

    def delete_ike(self, connection: str = "lab") -> None:
        """Have it delete its IKE SA."""
        self._ikectl("reset", "id", f"FQDN/{self.config.remote_id}")

    def delete_child(self, child: str = "net") -> None:
        """Not supported: LabError."""
        raise LabError("iked has no command to delete a Child SA")

    # State

    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs, without those that it has closed and keeps for a while to answer retransmissions."""
        output, kernel = self._ikectl("show", "sa"), Kernel.of(self._machine)
        halves: dict[str, list[re.Match[str]]] = {}
        for half in _HALF.finditer(output):
            halves.setdefault(half["parent"], []).append(half)
        return [
            self._ike_sa(sa, halves.get(sa["id"], []), kernel)
            for sa in _SA.finditer(output)
            if sa["state"] not in _ENDING
        ]

    def _ike_sa(self, sa: re.Match[str], halves: list[re.Match[str]], kernel: Kernel) -> PeerIkeSa:
        """One IKE SA. iked answers IKE_AUTH before its kernel has the SAs, so "established" waits for those."""
        outbound = {half["id"]: int(half["spi"], 16) for half in halves if half["way"] == "out"}
        pairs = [(int(half["spi"], 16), outbound.get(half["other"], 0)) for half in halves if half["way"] == "in"]
        children = [kernel.child(self.config.children[0].name, "INSTALLED", *pair) for pair in pairs]
        installed = tuple(child for child in children if child is not None)
        return PeerIkeSa(
            name=self.config.children[0].name,
            spi_i=bytes.fromhex(sa["spi_i"]),
            spi_r=bytes.fromhex(sa["spi_r"]),
            initiator=sa["role"] == "i",
            established=sa["state"] == "ESTABLISHED" and len(installed) == len(children),
            state=sa["state"],
            ike=self.config.ike,
            local=sa["local"],
            remote=sa["remote"],
            remote_id=self.config.remote_id,
            children=installed,
        )

    def log(self) -> str:
        """Its log."""
        path = self._folder / "iked.log"
        return path.read_text(errors="replace") if path.exists() else ""


class OpenIkedSid(OpenIked):
    """The iked of Debian sid, in a guest. Its root is that of strongSwan."""

    name = "openiked-sid"
    packages = ()
    root = ("sid", STRONGSWAN)


def _ike(proposal: PeerProposal) -> str:
    return _words(proposal) + "".join(f" prf {prf}" for prf in proposal.prf)


def _esp(child: PeerChild) -> str:
    proposal = PeerProposal.of(child.esp, OPENIKED)
    return _words(proposal) + (" esn" if proposal.esn else " noesn")


def _words(proposal: PeerProposal) -> str:
    kinds = {"enc": proposal.encr, "auth": proposal.integ, "group": proposal.ke}
    return "".join(f" {kind} {name}" for kind, names in kinds.items() for name in names)
