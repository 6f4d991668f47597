# SPDX-License-Identifier: GPL-2.0-or-later
"""What other scanners find at the same responders as `fynx scan`: the table of docs/scan.md.

$ apt-get install ike-scan; python -m venv /tmp/anchors; /tmp/anchors/bin/pip install CryptoLyzer
$ python -m tools.scan_anchors --cryptolyze /tmp/anchors/bin/python

Each program scans a responder of its own, which nobody has asked before: a peer in a lab, or our endpoint on UDP.
Needs root, like the lab, and `fynx lab fetch`. CI does not run it: neither program is a dependency.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fynx_scapy import Endpoint, IkeConfig, Proposal
from fynx_scapy.iana import ProtocolId, TransformType
from fynx_scapy.lab import Lab, PeerConfig
from fynx_scapy.lab.libreswan import LibreswanIke
from fynx_scapy.lab.namespace import Namespace
from fynx_scapy.lab.openiked import OpenIked
from fynx_scapy.lab.peer import Peer
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.topology import Topology
from fynx_scapy.net import UdpNetwork

HOST = "10.9.0.2"
KINDS = (TransformType.ENCR, TransformType.PRF, TransformType.INTEG, TransformType.KE)

CRYPTOLYZE = """
import re, sys
search = re.search
def tolerant(pattern, *rest):
    # oscrypto's pattern for the version of OpenSSL has one digit for the patch; that of Debian 12 has two.
    return search(pattern.replace("d[a-z]*)", "d+[a-z]*)") if isinstance(pattern, str) else pattern, *rest)
re.search = tolerant
import oscrypto._openssl._libcrypto
re.search = search
from cryptolyzer.__main__ import main
sys.exit(main())
"""
"""Runs cryptolyze. Its package stays as it is."""


@dataclass(slots=True)
class Outcome:
    """What one program found at one responder."""

    counts: dict[TransformType, int] = field(default_factory=dict)
    proposals: str = "-"
    extensions: str = "-"
    authorities: str = "-"
    ikev1: str = "-"
    wrong: str = "-"
    datagrams: int = 0
    seconds: float = 0.0


Run = Callable[[Sequence[str]], str]
Place = Callable[[], Any]


def live(kind: type[Peer]) -> Callable[[str], Any]:
    """A peer in a lab, by its proposals; yields the namespace from which it is scanned."""

    @contextlib.contextmanager
    def place(ike: str) -> Iterator[Namespace]:
        with Lab(PeerConfig().changed(**{**kind.defaults, "ike": ike}), peer=kind) as lab:
            yield lab.ours.namespace

    return place


@contextlib.contextmanager
def our_endpoint(ike: str) -> Iterator[Namespace]:
    """Our endpoint on UDP, in the same place."""
    with contextlib.ExitStack() as undo:
        topology = Topology()
        undo.callback(topology.close)
        network = undo.enter_context(UdpNetwork(open_socket=topology.theirs.namespace.socket, history=0))
        network.add(Endpoint(HOST, [IkeConfig(auth="key", proposals=ike)]))
        network.attend()
        yield topology.ours.namespace


WIDE = (
    "aes256-aes128ctr-3des-sha512-sha1-prfsha512-prfsha1-ecp256-modp1024-x448,"
    "chacha20poly1305-aes192ccm12-prfsha384-prfaescmac-ecp512bp,aes256gcm8-prfaesxcbc-modp4096"
)
RESPONDERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "strongSwan": (live(StrongSwan), WIDE),
    "our responder": (our_endpoint, WIDE),
    "libreswan": (
        live(LibreswanIke),
        "aes256-aes192ctr-3des-sha512-sha1-prfsha512-prfsha1-ecp256-modp1536-modp4096,"
        "aes128gcm12-aes256gcm8-prfsha384-ecp521,chacha20poly1305-prfaesxcbc-x25519",
    ),
    "OpenIKED": (
        live(OpenIked),
        "aes256-aes192-3des-sha512-sha1-prfsha512-prfsha1-ecp256-modp1024-modp4096,"
        "aes256gcm12-prfsha384-ecp512bp,aes128gcm16-prfmd5-x25519-sntrup761x25519",
    ),
}
"""Each responder, and what it is configured with: three proposals, of which no two go together."""


def measured(where: Namespace, outcome: Outcome) -> Run:
    """Runs a command in a namespace; its seconds and datagrams are added to ``outcome``. Returns what it prints."""

    def run(words: Sequence[str]) -> str:
        before, began = _sent(where), time.monotonic()
        command = [shutil.which("nsenter") or "nsenter", f"--net={where.path}", "--", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        outcome.seconds += time.monotonic() - began
        outcome.datagrams += _sent(where) - before
        if done.returncode:
            raise SystemExit(f"{' '.join(words[:6])}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    return run


def _sent(where: Namespace) -> int:
    """How many UDP datagrams were sent in a namespace, over IPv4 (/proc/net/snmp)."""
    rows = [line.split() for line in where.run("cat", "/proc/self/net/snmp").splitlines() if line.startswith("Udp:")]
    return int(rows[1][rows[0].index("OutDatagrams")])


def fynx(place: Place, python: str | None) -> Outcome:
    """What `fynx scan` finds."""
    outcome = Outcome()
    with place() as where, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "scan.json"
        words = [sys.executable, "-m", "fynx_scapy.cli", "scan", HOST, "--json", str(report)]
        measured(where, outcome)(words)
        told = json.loads(report.read_text())
    outcome.counts = {kind: len(told["ike"]["transforms"].get(kind.name, ())) for kind in KINDS}
    outcome.proposals = str(len(told["ike"]["proposals"]))
    names = (name.partition(" (")[0] for name in told["responder"]["extensions"])
    outcome.extensions = ", ".join(names) or "none"
    outcome.authorities = "none" if not told["responder"]["certificate_authorities"] else "some"
    outcome.ikev1 = told["ikev1"]["text"]
    outcome.wrong = str(len(told["observations"]))
    return outcome


def cryptolyze(place: Place, python: str | None) -> Outcome:
    """What CryptoLyzer finds: each analyzer asks a responder of its own."""
    outcome, told = Outcome(), {}
    for analyzer in ("ciphers", "dhparams", "curves", "extensions", "pubkeyreq"):
        with place() as where:
            words = [python or "", "-c", CRYPTOLYZE, "--output-format", "json", "ikev2", analyzer, HOST]
            told[analyzer] = json.loads(measured(where, outcome)(words))
    ciphers = told["ciphers"]
    # Both of its analyzers for key exchange together know every group; "ciphers" stops at the first silence.
    groups = len(told["dhparams"]["groups"] or ()) + len(told["curves"]["groups"] or ())
    outcome.counts = {
        TransformType.ENCR: len(ciphers["encryption_algorithms"]),
        TransformType.PRF: len(ciphers["pseudorandom_functions"]),
        TransformType.INTEG: len(ciphers["integrity_algorithms"]),
        TransformType.KE: max(groups, len(ciphers["diffie_hellman_groups"])),
    }
    flags = [name.removesuffix("_supported") for name, value in told["extensions"].items() if value is True]
    outcome.extensions = ", ".join(name.replace("_", " ") for name in flags) or "none"
    outcome.authorities = "some" if told["pubkeyreq"].get("trusted_ca_hashes") else "none"
    return outcome


def ike_scan(place: Place, python: str | None) -> Outcome:
    """What ike-scan finds: one answer to its one IKEv2 proposal, and one to IKEv1."""
    outcome = Outcome()
    with place() as where:
        run = measured(where, outcome)
        told = run(["ike-scan", "--ikev2", HOST])
        ikev1 = run(["ike-scan", HOST])
    words = ("Encr=", "Prf=", "Integ=", "DH_Group=")
    outcome.counts = {kind: len(re.findall(rf"\b{word}", told)) for kind, word in zip(KINDS, words, strict=True)}
    outcome.extensions = f"{told.count('Notification(')} notifies without names"
    found = re.search(r"Notify message \d+ \((.+?)\)|Handshake returned", ikev1)
    outcome.ikev1 = found[0] if found else "no answer"
    return outcome


SCANNERS = {"`fynx scan`": fynx, "cryptolyze": cryptolyze, "ike-scan": ike_scan}


def offered(ike: str, kind: TransformType) -> int:
    """How many transforms of a type the configuration has."""
    proposals = Proposal.parse_all(ike, ProtocolId.IKE)
    return len({transform for proposal in proposals for transform in proposal.of_type(kind)})


def table(name: str, ike: str, outcomes: dict[str, Outcome]) -> Iterator[str]:
    """The table of one responder, in Markdown."""
    yield f"| {name} | " + " | ".join(outcomes) + " |"
    yield "|---|" + "---|" * len(outcomes)
    titles = {"ENCR": "encryption, with key lengths", "PRF": "PRF", "INTEG": "integrity", "KE": "key exchange"}
    for kind in KINDS:
        cells = [f"{outcome.counts.get(kind, 0)} of {offered(ike, kind)}" for outcome in outcomes.values()]
        yield f"| {titles[kind.name]} | " + " | ".join(cells) + " |"
    rows = {
        "proposals told apart, of 3": "proposals", "extensions": "extensions",
        "certificate authorities": "authorities", "IKEv1": "ikev1", "wrong requests": "wrong",
    }  # fmt: skip
    for title, key in rows.items():
        yield f"| {title} | " + " | ".join(getattr(outcome, key) for outcome in outcomes.values()) + " |"
    cells = [f"{outcome.datagrams}, {outcome.seconds:.0f} s" for outcome in outcomes.values()]
    yield "| datagrams, time | " + " | ".join(cells) + " |"


def main() -> None:
    """Scan each responder with each program, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cryptolyze", metavar="PYTHON", help="the Python of an environment that has CryptoLyzer")
    parser.add_argument("responders", nargs="*", metavar="RESPONDER", choices=[[], *RESPONDERS], help="only these")
    given = parser.parse_args()
    python = given.cryptolyze
    chosen = {name: scan for name, scan in SCANNERS.items() if scan is not cryptolyze or python}
    if shutil.which("ike-scan") is None:
        del chosen["ike-scan"]
    for number, name in enumerate(given.responders or RESPONDERS):
        place, ike = RESPONDERS[name]
        outcomes = {scanner: scan(functools.partial(place, ike), python) for scanner, scan in chosen.items()}
        print(*([""] if number else []), *table(name, ike, outcomes), sep="\n", flush=True)


if __name__ == "__main__":
    main()
