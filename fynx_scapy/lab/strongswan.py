# SPDX-License-Identifier: GPL-2.0-or-later
"""strongSwan as a peer: a charon of its own in its namespace, ESP in user space (kernel-libipsec), driven through vici.

It knows nothing of any other charon on the machine: its configuration, its socket and its log are files of the lab.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from fynx_scapy.errors import LabError
from fynx_scapy.lab.namespace import Namespace, Process, tool
from fynx_scapy.lab.peer import Peer, PeerChildSa, PeerConfig, PeerIkeSa, write

PLUGINS = (
    "random nonce drbg openssl curve25519 aes sha1 sha2 md5 mgf1 hmac kdf gcm ccm ctr cmac xcbc chapoly gmp x509 "
    "revocation constraints pubkey pem pkcs1 pkcs7 pkcs8 pkcs12 kernel-netlink socket-default eap-identity "
    "eap-mschapv2 eap-md5 eap-tls eap-ttls eap-gtc addrblock attr updown vici counters error-notify"
)
"""An explicit list keeps out what would touch the machine: resolve (its resolv.conf), bypass-lan and stroke."""

CREDENTIALS = (
    "x509", "x509ca", "x509ocsp", "x509aa", "x509ac", "x509crl", "pubkey", "private", "rsa", "ecdsa", "bliss", "pkcs8",
    "pkcs12",
)  # fmt: skip
_PATIENCE = 10.0
_TIMEOUT, _TRIES = 0.5, 2


class StrongSwan(Peer):
    """A charon in a namespace. ``folder`` is the lab's own and takes all its files."""

    name = "strongswan"
    capabilities = frozenset(
        {
            "childless",
            "collisions",
            "cookies",
            "dpd",
            "encapsulated",
            "fragments",
            "pool",
            "rekey",
            "several",
            "suites",
            "vip",
        }
    )

    def __init__(self, namespace: Namespace, folder: Path, config: PeerConfig) -> None:
        self._namespace, self._folder, self.config = namespace, folder, config
        self._process: Process | None = None
        self._output: IO[Any] | None = None
        self._socket = folder / "vici"
        self._log = folder / "charon.log"

    # What it is

    @property
    def version(self) -> str:
        """As charon says it: ``5.9.8``."""
        with self._vici() as vici:
            return _text(vici.version()["version"])

    def start(self) -> None:
        """Run it with the lab's configuration; LabError with the end of its log when it does not answer."""
        plugins = PLUGINS.replace("kernel-netlink", "kernel-libipsec kernel-netlink")
        write(
            self._folder, "strongswan.conf", "strongswan.conf.j2",
            config=self.config, plugins=plugins, log=self._log, socket=self._socket, userspace=True, tries=_TRIES,
            timeout=_TIMEOUT,
        )  # fmt: skip
        for kind in CREDENTIALS:  # swanctl complains of each that is not there
            (self._folder / kind).mkdir()
        write(self._folder, "swanctl.conf", "swanctl.conf.j2", config=self.config)
        settings = {"PATH": os.environ.get("PATH", ""), "STRONGSWAN_CONF": str(self._folder / "strongswan.conf")}
        self._output = (self._folder / "charon.out").open("wb")
        self._process = self._namespace.popen(["charon-systemd"], env=settings, output=self._output)
        self._wait()
        self._namespace.run(
            "env", f"SWANCTL_DIR={self._folder}", tool("swanctl"), "--load-all", "--noprompt",
            "--file", str(self._folder / "swanctl.conf"), "--uri", f"unix://{self._socket}",
        )  # fmt: skip

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if not self._process.alive:
                raise LabError(f"charon ended while it started: {self._tail()}")
            with contextlib.suppress(OSError), self._vici() as vici:
                vici.version()
                return
            time.sleep(0.01)
        raise LabError(f"charon did not answer within {_PATIENCE:g} s: {self._tail()}")

    def _tail(self) -> str:
        said = (self._folder / "charon.out").read_text(errors="replace") + self.log()
        return " / ".join(said.strip().splitlines()[-4:]) or "it said nothing"

    def kill(self) -> None:
        """End it at once; it deletes nothing and tells nobody."""
        if self._process is not None:
            self._process.kill()
        if self._output is not None:
            self._output.close()

    # What it is asked to do

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA and a Child SA, or a further Child SA."""
        children = dict(self.config.connections())[connection].children
        wanted = child or (children[0].name if children else None)
        self._do("initiate", {"child": wanted, "ike": connection} if wanted else {"ike": connection})

    def rekey_ike(self, connection: str = "lab") -> None:
        """Have it rekey an IKE SA."""
        self._do("rekey", {"ike": connection})

    def rekey_child(self, child: str = "net") -> None:
        """Have it rekey a Child SA."""
        self._do("rekey", {"child": child})

    def delete_ike(self, connection: str = "lab") -> None:
        """Have it delete an IKE SA."""
        self._do("terminate", {"ike": connection})

    def delete_child(self, child: str = "net") -> None:
        """Have it delete a Child SA."""
        self._do("terminate", {"child": child})

    def _do(self, command: str, what: Mapping[str, Any]) -> None:
        """A vici command that charon begins and does not wait for."""
        with self._vici() as vici:
            if command == "rekey":
                vici.rekey(what)
            else:
                for _ in getattr(vici, command)({**what, "timeout": -1, "loglevel": -1}):
                    pass

    # What it has

    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs, those that are being replaced included."""
        with self._vici() as vici:
            return [_ike_sa(name, sa) for entry in vici.list_sas() for name, sa in entry.items()]

    def counters(self) -> dict[str, int]:
        """Its counters of messages and errors."""
        with self._vici() as vici:
            found = vici.get_counters({"all": "no"})["counters"]
            return {name: int(value) for values in found.values() for name, value in values.items()}

    def log(self) -> str:
        """Its log: level 4 for IKE and Child SAs, so that it holds all keys."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @contextlib.contextmanager
    def _vici(self) -> Iterator[Any]:
        """A conversation over its control socket. LabError when it refuses what it was asked."""
        vici = _vici_module()
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as control:
            control.settimeout(_PATIENCE)
            control.connect(str(self._socket))
            try:
                yield vici.Session(control)
            except vici.exception.CommandException as error:
                raise LabError(f"strongSwan refused: {error}") from None


def _vici_module() -> Any:
    try:
        import vici
        import vici.exception
    except ImportError:
        raise LabError("the Python package vici is missing; to have it: pip install 'fynx-scapy[lab]'") from None
    return vici


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _plain(value: Any) -> Any:
    """A vici message with text in place of octets."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_text(each) for each in value] if isinstance(value, list) else _text(value)


def _ike_sa(name: str, message: Mapping[str, Any]) -> PeerIkeSa:
    sa = _plain(message)
    return PeerIkeSa(
        name=name,
        spi_i=bytes.fromhex(sa["initiator-spi"]),
        spi_r=bytes.fromhex(sa["responder-spi"]),
        initiator=sa.get("initiator") == "yes",
        established=sa["state"] == "ESTABLISHED",
        state=sa["state"],
        ike="-".join(_suite(sa, "encr", "integ", "prf", "dh")),
        local=f"{sa['local-host']}:{sa['local-port']}",
        remote=f"{sa['remote-host']}:{sa['remote-port']}",
        remote_id=sa.get("remote-id", ""),
        children=tuple(map(_child_sa, sa.get("child-sas", {}).values())),
    )


def _child_sa(child: Mapping[str, Any]) -> PeerChildSa:
    return PeerChildSa(
        name=child["name"],
        state=child["state"],
        mode=child["mode"],
        encap=child.get("encap") == "yes",
        spi_in=int(child.get("spi-in", "0"), 16),
        spi_out=int(child.get("spi-out", "0"), 16),
        esp="-".join(_suite(child, "encr", "integ")),
        esn=child.get("esn") == "1",
        bytes_in=int(child.get("bytes-in", 0)),
        bytes_out=int(child.get("bytes-out", 0)),
        packets_in=int(child.get("packets-in", 0)),
        packets_out=int(child.get("packets-out", 0)),
        local_ts=tuple(child.get("local-ts", ())),
        remote_ts=tuple(child.get("remote-ts", ())),
    )


def _suite(sa: Mapping[str, Any], *kinds: str) -> Iterator[str]:
    """The transforms in strongSwan's long names: ``AES_GCM_16-128``, ``PRF_HMAC_SHA2_256``, …"""
    for kind in kinds:
        name = sa.get(f"{kind}-group" if kind == "dh" else f"{kind}-alg")
        if name:
            yield name + (f":{sa[f'{kind}-keysize']}" if sa.get(f"{kind}-keysize") else "")
