# SPDX-License-Identifier: GPL-2.0-or-later
"""What the plugin for pytest keeps: its options, the target that they describe, and what a test's networks carried."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fynx_scapy.harness import Target
    from fynx_scapy.net import Recorder
    from fynx_scapy.net.hosts import Hosts

PSK_FILE = "FYNX_PSK_FILE"
UNREACHABLE = 2
"""The exit status of pytest when the target does not answer: no test was judged."""

# Field of Target -> form of its option's argument, help. `Target` checks the values.
_PEER: Mapping[str, tuple[str, str]] = {
    "local_id": ("ID", "our identity"),
    "remote_id": ("ID", "the identity that the target must prove"),
    "local_ts": ("NET", "the network behind us"),
    "remote_ts": ("NET", "the network behind the target"),
    "ping": ("ADDRESS", "an address behind the target that answers pings"),
    "proposals": ("SUITE", "what we propose for IKE unless a test sets its own"),
    "esp_proposals": ("SUITE", "what we propose for ESP unless a test sets its own"),
    "local": ("ADDRESS", "the local address to send from"),
    "port": ("PORT", "our local port"),
    "natt_port": ("PORT", "our local port for NAT traversal"),
}
_CERTIFICATES: Mapping[str, str] = {
    "cert": "our certificate for the target: PEM, DER, or PKCS#12 with its key",
    "key": "its private key; default: the one in that file",
    "passphrase_file": "the file with the passphrase of the private key",
    "ca": "the certificates that the target's must lead to",
}
SEEN = pytest.StashKey["Seen"]()
FAILED = pytest.StashKey[bool]()
TARGET = pytest.StashKey["Target"]()


def add_options(parser: pytest.Parser) -> None:
    """The options of the command line."""
    group = parser.getgroup("fynx", "IKEv2 and ESP with fynx-scapy")
    group.addoption(
        "--fynx-target", metavar="HOST[:PORT]", help="Run tests with the fixture session against this live peer."
    )
    group.addoption(
        "--fynx-psk-file", metavar="PATH", help=f"The file of the target's pre-shared key. Default: ${PSK_FILE}."
    )
    for name, text in _CERTIFICATES.items():
        group.addoption(_option(name), metavar="FILE", help=f"{text[0].upper()}{text[1:]}.")
    for name, (form, text) in _PEER.items():
        group.addoption(
            _option(name), metavar=form, type=int if form == "PORT" else str, help=f"{text[0].upper()}{text[1:]}."
        )
    group.addoption(
        "--fynx-manifest",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="Read expected failures from this TOML file: they are xfailed. Repeatable.",
    )
    group.addoption(
        "--fynx-peer",
        metavar="NAME[@VERSION]",
        help="Use the manifest that we ship for this peer. Default: by its vendor ID, if it sends one; none is none.",
    )
    group.addoption(
        "--fynx-patience",
        metavar="SECONDS",
        type=float,
        default=40.0,
        help="Wait so long for a target that takes no new IKE SA, until it counts as dead. Default: 40.",
    )
    group.addoption("--fynx-seed", metavar="N", type=int, default=0, help="Repeat embedded sessions. Default: 0.")
    group.addoption(
        "--fynx-save",
        metavar="DIR",
        type=Path,
        help="Save the capture, the keys and the ladder of each test that fails into a folder of this folder.",
    )


def target_of(config: pytest.Config) -> Target | None:
    """The target that the options describe, if they do. UsageError for one that cannot be."""
    given = [name for name in ("psk_file", *_CERTIFICATES, *_PEER) if config.getoption(_option(name)) is not None]
    if config.getoption("--fynx-target") is not None:
        return _target(config)
    if given:
        raise pytest.UsageError(f"{_option(given[0])} describes a live peer, but --fynx-target is missing")
    return None


def _option(name: str) -> str:
    return f"--fynx-{name.replace('_', '-')}"


def _target(config: pytest.Config) -> Target:
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness import Target
    from fynx_scapy.net.udp import resolve

    address = config.getoption("--fynx-target")
    options = {name: value for name in _PEER if (value := config.getoption(_option(name))) is not None}
    try:
        resolve(address, 500)
        target = Target(address=address, **_proofs(config), **options)
        target.config({})
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None
    return target


def _proofs(config: pytest.Config) -> dict[str, Any]:
    """What both ends authenticate with, as fields of `Target`: a key, or certificates. ConfigError, UsageError."""
    from fynx_scapy.settings.source import read_passphrase_file, read_secret_file

    cert, key, passphrase, ca = (config.getoption(_option(name)) for name in _CERTIFICATES)
    if cert is not None or ca is not None:
        from fynx_scapy import Certificate

        if cert is None or ca is None:
            raise pytest.UsageError("expected --fynx-cert and --fynx-ca, found one of them")
        word = None if passphrase is None else read_passphrase_file(Path(passphrase))
        return {"auth": Certificate(cert, key, passphrase=word), "trust": ca}
    file = config.getoption("--fynx-psk-file") or os.environ.get(PSK_FILE)
    if not file:
        raise pytest.UsageError(
            f"expected the target's key: give --fynx-psk-file, or set {PSK_FILE}; or give --fynx-cert and --fynx-ca"
        )
    return {"psk": read_secret_file(Path(file))}


@dataclass(slots=True)
class Seen:
    """What the networks of a test have carried."""

    recorder: Recorder
    networks: list[tuple[str, Hosts]] = field(default_factory=list)

    def watch(self, network: Hosts, name: str) -> Callable[[], object]:
        """Record a network from now on; returns a function that stops that."""
        self.networks.append((name, network))
        return self.recorder.watch(network, name)

    def ladders(self) -> list[tuple[str, str]]:
        """The name and the ladder of each network on which something happened."""
        from fynx_scapy.ladder import Ladder

        found = []
        for name, network in self.networks:
            if network.events:  # of a live peer, on a network with real time, we know what it sent and no more
                ladder = Ladder(network.events, one_sided=network.epoch is not None)
                found.append((name, str(ladder)))
        return found


def seen(item: pytest.Item) -> Seen:
    """What the networks of this test have carried so far."""
    if SEEN not in item.stash:
        from fynx_scapy.net import Recorder

        item.stash[SEEN] = Seen(Recorder())
    return item.stash[SEEN]


def save(item: pytest.Item) -> None:
    """Save what a failed test has recorded, where that was asked for."""
    folder: Path | None = item.config.getoption("--fynx-save")
    if folder is None or not item.stash.get(FAILED, False):
        return
    place, kept = folder / re.sub(r"[^\w.-]+", "_", item.nodeid)[-120:], item.stash[SEEN]
    place.mkdir(parents=True, exist_ok=True)
    kept.recorder.save_capture(place / "test.pcapng")
    kept.recorder.keys().save(place / "test.keys")
    texts = "\n".join(f"{name}\n\n{text}\n" for name, text in kept.ladders())
    (place / "ladder.txt").write_text(texts, encoding="utf-8")
