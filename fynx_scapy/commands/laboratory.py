# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer that ``fynx run --lab`` starts, and that ends with the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from fynx_scapy.commands.opening import Unusable

if TYPE_CHECKING:
    from fynx_scapy.lab.world import LabWorld


@contextmanager
def started(name: str, count: int) -> Iterator[Sequence[LabWorld]]:
    """The worlds of so many labs with this peer, for the whole catalogue. UsageError for a name that no peer has.

    What a lab cannot do here is one line, and status 2.
    """
    from fynx_scapy.errors import ConfigError, LabError
    from fynx_scapy.lab.lab import Lab
    from fynx_scapy.lab.made import CatalogueWorld
    from fynx_scapy.lab.trial_runner import peer_named
    from fynx_scapy.lab.world import tolerant

    try:
        peer = peer_named(name)
        if peer.guest:
            raise ConfigError(f"{name} runs in a guest, which only the matrix supports: fynx lab matrix --peer {name}")
        with contextlib.ExitStack() as undo:
            worlds = [CatalogueWorld(undo.enter_context(Lab(tolerant(), peer=peer))) for _ in range(count)]
            ends = undo.pop_all()
    except ConfigError as error:
        raise click.UsageError(f"--lab: {error}") from None
    except LabError as error:
        raise Unusable(str(error)) from None
    with ends:
        yield worlds
