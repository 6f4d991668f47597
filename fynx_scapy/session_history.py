# SPDX-License-Identifier: GPL-2.0-or-later
"""Saves what the network of a session has carried, without having been asked before."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import Psk
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.events import ChildSaInstalled, KeysDerived
from fynx_scapy.keylog import KeyLog
from fynx_scapy.net.hosts import CARRIED, CARRIED_OCTETS, Hosts
from fynx_scapy.text import counted, printable

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Saved:
    """What was written, and what could not be."""

    capture: Path
    keys: Path
    """The folder of the key tables."""
    packets: int
    left_out: tuple[str, ...] = ()
    """What the network no longer had, in words."""

    def __str__(self) -> str:
        text = f"{counted(self.packets, 'packet')} in {self.capture}, keys in {self.keys}"
        return printable("; ".join([text, *(f"left out: {words}" for words in self.left_out)]))

    def __repr__(self) -> str:
        return f"<Saved {self}>"


def save(network: Hosts, name: str, path: str | os.PathLike[str], secrets: Iterable[Credential]) -> Saved:
    """Write what ``network`` has carried as a capture, and into the folder beside it the keys and these ``secrets``.

    What is missing is in the result, and logged. ConfigError when a file cannot be written.
    """
    from fynx_scapy.net.recorder import Recorder  # Scapy's writer is slow to import

    capture = _place(path)
    keys, secrets = KeyLog.folder_for(capture), list(secrets)
    recorder = Recorder()
    recorder.add(network, name)
    log = recorder.keys()
    log.psk += dict.fromkeys(secret.secret for secret in secrets if isinstance(secret, Psk))
    try:
        recorder.save_capture(capture)
        log.save(keys)
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename or capture}: {error.strerror or error}") from None
    left_out = tuple(_left_out(network, psk_missing=bool(secrets) and not log.psk))
    for words in left_out:
        _LOG.warning("%s: left out: %s", capture, words)
    return Saved(capture, keys, network.carried.kept if network.carried is not None else 0, left_out)


def _left_out(network: Hosts, *, psk_missing: bool) -> Iterator[str]:
    if network.carried is not None and (missing := sum(network.carried.dropped.values())):
        kept = f"a session keeps the latest {CARRIED:,}, and {CARRIED_OCTETS >> 20} MiB at most"
        yield f"{counted(missing, 'earlier packet')}: {kept}"
    gone = network.events.dropped
    if keys := sum(gone[kind.__name__] for kind in (KeysDerived, ChildSaInstalled)):
        yield f"keys: {counted(keys, 'event')} with keys are no longer in the history"
    if psk_missing:
        yield "a pre-shared key: the session authenticates in another way"


def _place(path: str | os.PathLike[str]) -> Path:
    """The path of the capture; ConfigError for what is no name of a file that we can write."""
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"expected the name of a file, found {shown(path)}")
    place = Path(path)
    if not place.name or place.is_dir():
        raise ConfigError(f"expected the name of a file, found {str(path)!r}")
    if place.suffix != ".pcapng":
        raise ConfigError(f"expected a name such as {place.stem or 'run'}.pcapng, found {place.name}")
    return place
