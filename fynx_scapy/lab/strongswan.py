# SPDX-License-Identifier: GPL-2.0-or-later
"""strongSwan as a peer: a charon in a namespace, with ESP in user space (kernel-libipsec), driven through vici.

It is independent of any other charon on the machine: its configuration, socket and log are files of the lab.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import IO, Any, ClassVar

from fynx_scapy.errors import LabError
from fynx_scapy.lab.charon import Charon
from fynx_scapy.lab.credential_files import old_signatures, phase2_method, swanctl, tls_version
from fynx_scapy.lab.namespace import Namespace, Process
from fynx_scapy.lab.peer import Machine, Peer, PeerConfig, PeerIkeSa, Program, write
from fynx_scapy.lab.responder import Responder
from fynx_scapy.lab.rooted import Rooted
from fynx_scapy.lab.roots import STRONGSWAN

PLUGINS = (
    "random nonce drbg openssl curve25519 aes sha1 sha2 md5 mgf1 hmac kdf gcm ccm ctr cmac xcbc chapoly gmp x509 "
    "revocation constraints pubkey pem pkcs1 pkcs7 pkcs8 pkcs12 kernel-netlink socket-default eap-identity "
    "eap-mschapv2 eap-md5 eap-tls eap-ttls eap-gtc addrblock attr updown vici counters error-notify"
)
"""An explicit list excludes plugins that would change the machine: resolve (its resolv.conf), bypass-lan and stroke."""

CREDENTIALS = (
    "x509", "x509ca", "x509ocsp", "x509aa", "x509ac", "x509crl", "pubkey", "private", "rsa", "ecdsa", "bliss", "pkcs8",
    "pkcs12",
)  # fmt: skip
ESP = "kernel-libipsec"
TUN = Path("/dev/net/tun")
_PATIENCE = 10.0
_SOCKET_PATH = 107
_TIMEOUT, _TRIES = 0.5, 2


class StrongSwan(Peer):
    """A charon in a namespace. All its files are in ``folder``, the lab's."""

    name = manifest = "strongswan"
    capabilities = frozenset(
        {
            "auth_lifetime",
            "certificates",
            "certreq",
            "chains",
            "childless",
            "choice",
            "clients",
            "collisions",
            "delete_child",
            "cookies",
            "crl",
            "distinguished_names",
            "dpd",
            "eap",
            "eap_only",
            "ecdsa",
            "ecdsa_brainpool",
            "ecdsa_by_curve",
            "ed25519",
            "ed448",
            "encapsulated",
            "fragments",
            "mixed",
            "nat",
            "narrowing",
            "keys",
            "other_names",
            "pool",
            "ports",
            "ppk",
            "raw_keys",
            "rekey",
            "rounds",
            "rsa_pkcs1",
            "rsa_pss",
            "rsa_sha1",
            "seamless",
            "several",
            "suites",
            "vip",
            "crl_required",
            "hashes",
            "outdated",
        }
    )

    esp: ClassVar[str] = ESP

    def __init__(self, machine: Any, folder: Path, config: PeerConfig) -> None:
        self._machine: Machine = machine
        self._folder, self.config = folder, config
        self._process: Program | None = None
        self._output: IO[Any] | None = None
        self._responders: dict[str, Responder] = {}
        self.charon, self._uri = self._vici()
        self._log = folder / "charon.log"

    def _vici(self) -> tuple[Charon, str]:
        """A client of its control socket, and the URI of that socket where charon runs."""
        path = self._folder / "vici"
        if len(os.fsencode(path)) > _SOCKET_PATH:
            advice = "set TMPDIR to a folder with a shorter name"
            raise LabError(
                f"expected a path of at most {_SOCKET_PATH} octets for charon's socket, found {path}; {advice}"
            )
        return Charon.at(path), f"unix://{path}"

    @property
    def version(self) -> str:
        """The version that charon reports: ``5.9.8``."""
        return self.charon.version

    @property
    def pid(self) -> int:
        """The process ID of charon, on this machine; LabError when it does not run here."""
        if not isinstance(self._process, Process):
            raise LabError("expected a charon that runs on this machine, found one that does not")
        return self._process.pid

    def start(self) -> None:
        """Start it with the lab's configuration; LabError with the end of its log when it does not answer."""
        userspace = self.esp == ESP
        for kind in CREDENTIALS:  # swanctl complains about each missing folder
            shutil.rmtree(self._folder / kind, ignore_errors=True)
            (self._folder / kind).mkdir()
        auths = {name: swanctl(each, name, self._folder) for name, each in self.config.connections()}
        answers = {name: auth.answers[0] for name, auth in auths.items() if auth.answers}
        plugins = PLUGINS.replace("kernel-netlink", f"{ESP} kernel-netlink") if userspace else PLUGINS
        plugins += " curl" if answers else ""
        self._responders = {name: self._responder(octets) for name, octets in answers.items()}
        write(
            self._folder, "strongswan.conf", "strongswan.conf.j2",
            config=self.config, plugins=plugins, log=self._log, socket=self._uri, userspace=userspace, tries=_TRIES,
            timeout=_TIMEOUT, old_signatures=old_signatures(self.config), tls=tls_version(self.config),
            phase2=phase2_method(self.config),
        )  # fmt: skip
        responders = {name: (auths[name].cacerts[0], each.uri) for name, each in self._responders.items()}
        write(self._folder, "swanctl.conf", "swanctl.conf.j2", config=self.config, auths=auths, responders=responders)
        settings = {"PATH": os.environ.get("PATH", ""), "STRONGSWAN_CONF": str(self._folder / "strongswan.conf")}
        self._output = (self._folder / "charon.out").open("wb")
        self._process = self._machine.popen(["charon-systemd"], env=settings, output=self._output)
        self._wait()
        if self.esp not in self.charon.plugins:
            raise LabError(_no_esp())
        self._machine.run(
            "swanctl", "--load-all", "--noprompt", "--file", str(self._folder / "swanctl.conf"),
            "--uri", self._uri, env=settings | {"SWANCTL_DIR": str(self._folder)},
        )  # fmt: skip

    def _responder(self, answer: bytes) -> Responder:
        """What gives it an OCSP answer about its own certificate. LabError when it does not run on this machine."""
        machine = self._machine.below if isinstance(self._machine, Rooted) else self._machine
        if not isinstance(machine, Namespace):
            raise LabError("expected a charon that runs on this machine, to give it OCSP answers")
        return Responder(machine.socket, answer)

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if not self._process.alive:
                raise LabError(f"charon ended while it started: {self._tail()}")
            with contextlib.suppress(OSError):
                self.charon.version  # noqa: B018 -- the request shows whether it answers
                return
            time.sleep(0.01)
        raise LabError(f"charon did not answer within {_PATIENCE:g} s: {self._tail()}")

    def _tail(self) -> str:
        output = (self._folder / "charon.out").read_text(errors="replace") + self.log()
        return " / ".join(output.strip().splitlines()[-4:]) or "it logged nothing"

    def kill(self) -> None:
        """Kill it, so that it sends no Delete."""
        if self._process is not None:
            self._process.kill()
        if self._output is not None:
            self._output.close()
        for each in self._responders.values():
            each.close()
        self._responders = {}

    def configure(self, config: PeerConfig) -> None:
        """Kill it, and start it with another configuration."""
        self.kill()
        self.config = config
        self.start()

    # Commands

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA with a Child SA, or another Child SA."""
        children = dict(self.config.connections())[connection].children
        wanted = child or (children[0].name if children else None)
        self.charon.do("initiate", {"child": wanted, "ike": connection} if wanted else {"ike": connection})

    def rekey_ike(self, connection: str = "lab") -> None:
        """Have it rekey an IKE SA."""
        self.charon.do("rekey", {"ike": connection})

    def rekey_child(self, child: str = "net") -> None:
        """Have it rekey a Child SA."""
        self.charon.do("rekey", {"child": child})

    def delete_ike(self, connection: str = "lab") -> None:
        """Have it delete an IKE SA."""
        self.charon.do("terminate", {"ike": connection})

    def delete_child(self, child: str = "net") -> None:
        """Have it delete a Child SA."""
        self.charon.do("terminate", {"child": child})

    def forget(self) -> None:
        """End all its IKE SAs at once, half-open ones too, without waiting for us."""
        self.charon.end_all()

    # State

    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs, including those that are being replaced."""
        return self.charon.sas()

    def log(self) -> str:
        """Its log, at level 4 for IKE and Child SAs, so that it contains all keys."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def _no_esp() -> str:
    """Why charon has started without ESP in user space."""
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        return f"strongSwan has no ESP: it needs {TUN}, which cannot be opened: {error.strerror}"
    return (
        f"strongSwan has no ESP: its plugin {ESP} does not load; install it: apt-get install libcharon-extra-plugins"
        f" (and {TUN} must be the kernel's)"
    )


class StrongSwanTrixie(StrongSwan):
    """The charon of Debian trixie."""

    name = "strongswan-trixie"
    capabilities = StrongSwan.capabilities | {"eap_tls13", "ocsp", "ocsp_sent"}
    root = ("trixie", STRONGSWAN)


class StrongSwanSid(StrongSwan):
    """The charon of Debian sid: the newest there is."""

    name = "strongswan-sid"
    capabilities = StrongSwan.capabilities | {"eap_tls13", "ocsp", "ocsp_sent"}
    root = ("sid", STRONGSWAN)
