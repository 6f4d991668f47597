# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``fynx run`` may be asked: what runs, against what is expected, how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fynx_scapy.commands.choosing import SEVERITY, SUITE, role
from fynx_scapy.commands.options import POSITIVE, Decorator

PATIENCE = 40.0
"""Seconds. strongSwan forgets a half-open IKE SA after 30, and takes few of one address meanwhile."""

_OPTIONS: Sequence[Decorator] = (
    role("Be this end of the IKE SA only. Repeatable. Default: every role that a scenario has."),
    SUITE,
    SEVERITY,
    click.option(
        "--manifest", "manifests", multiple=True, metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read expected failures from this TOML file. Repeatable. They count before those that we ship.",
    ),
    click.option(
        "--peer", metavar="NAME[@VERSION]",
        help="Use the manifest that we ship for this peer. Default: by its vendor ID, if it sends one; none is none.",
    ),
    click.option(
        "--wait", type=POSITIVE, metavar="SECONDS",
        help="Wait so long for a live peer to connect to us, in each scenario in which we are the responder.",
    ),
    click.option(
        "--resume", metavar="FILE", type=click.Path(dir_okay=False, writable=True, path_type=Path),
        help="Keep a journal of the run in this file, and if there is one, go on where it ends.",
    ),
    click.option("-x", "--exit-first", is_flag=True, help="End the run at the first scenario that fails."),
    click.option(
        "--rate", type=POSITIVE, metavar="N",
        help="Send each live peer at most N datagrams a second.",
    ),
    click.option(
        "--patience", type=click.FloatRange(0), metavar="SECONDS", default=PATIENCE, show_default=True,
        help="Wait so long for a live peer that takes no new IKE SA, until it counts as dead.",
    ),
    click.option(
        "-j", "--jobs", type=click.IntRange(1, 64), metavar="N", default=1,
        help="Run N scenarios at a time: with the embedded peer in N processes, with --lab in N labs, with each "
        "other live peer in N sessions, if it permits so many with one identity.",
    ),
    click.option(
        "--lab", metavar="PEER",
        help="Start this peer, such as strongswan, in a network of its own, run against it, and tell it when to begin.",
    ),
    click.option(
        "--recording", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Play the conversation of this capture, and have each negative case change one of its requests.",
    ),
    click.option(
        "--recording-keys", metavar="PATH", multiple=True, type=click.Path(exists=True, path_type=Path),
        help="Open the recording with the keys of this file or folder. Repeatable. Default: those beside it.",
    ),
)  # fmt: skip


def campaign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: what runs, against what is expected, how fast. `Choice` takes them from the arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The values of `campaign_options`."""

    roles: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    severity: str | None = None
    manifests: tuple[Path, ...] = ()
    peer: str | None = None
    wait: float | None = None
    resume: Path | None = None
    exit_first: bool = False
    rate: float | None = None
    patience: float = PATIENCE
    jobs: int = 1
    lab: str | None = None
    recording: Path | None = None
    recording_keys: tuple[Path, ...] = ()

    @classmethod
    def take(cls, given: dict[str, Any]) -> Choice:
        """Take the values out of the arguments of the command."""
        return cls(**{name: given.pop(name) for name in cls.__slots__})

    def again(self) -> dict[str, Any]:
        """The options that repeat the run, by name. How fast it was, and its journal, are left out."""
        return {
            "role": self.roles, "suite": self.suites, "severity": self.severity, "peer": self.peer, "lab": self.lab,
            "manifest": tuple(map(str, self.manifests)), "wait": self.wait,
            "recording": None if self.recording is None else str(self.recording),
            "recording-keys": tuple(map(str, self.recording_keys)),
        }  # fmt: skip
