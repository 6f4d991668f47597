# SPDX-License-Identifier: GPL-2.0-or-later
"""The setting of a scenario: how both ends are configured, and what the peer must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy.ike.config import IkeChanges
from fynx_scapy.ike.terms.child_config import ChildFields
from fynx_scapy.ike.terms.endpoint_config import EndpointFields


class OurFields(IkeChanges, total=False):
    """How our configuration differs from the mirror image of the peer's."""

    child: ChildFields
    """Changes to every Child SA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The setting of a scenario that uses `Run.s`."""

    needs: frozenset[str] = frozenset()
    """The capabilities that the peer must have."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the peer's configuration (`PeerConfig`)."""
    ours: OurFields = field(default_factory=OurFields)
    """Changes to our configuration (`IkeConfig`)."""
    endpoint: EndpointFields = field(default_factory=EndpointFields)
    """The configuration of our endpoint (`EndpointConfig`)."""
    site: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `Lab`: a NAT, IPv6, an MTU."""


PLAIN = Setting()
"""The setting of a scenario that says nothing of it."""
