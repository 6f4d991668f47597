# SPDX-License-Identifier: GPL-2.0-or-later
"""A trial: exchanges between us and another implementation, whichever of the two initiates.

@trial("RFC 7296 section 1.2", requirements=("7296-1.2-i05",))
def psk(m: Meeting) -> None:
    \"""Both ends set up an IKE SA and a Child SA, and packets pass in both directions.\"""
    m.establish()
    m.send_traffic()
    m.agree()

A trial is written once, for every role (initiator and responder, by `Session` and by `IpsecClient` and `IpsecServer`)
and for every peer that has the capabilities it ``needs``. Trials about the same
topic share a file in scenarios/interop/.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.requirements import requirement
from fynx_scapy.harness.role import EVERY
from fynx_scapy.harness.role import INITIATORS as INITIATORS
from fynx_scapy.harness.role import RESPONDERS as RESPONDERS
from fynx_scapy.harness.role import Role as Role
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.ike.config import IkeChanges
from fynx_scapy.ike.terms.child_config import ChildFields
from fynx_scapy.ike.terms.endpoint_config import EndpointFields

if TYPE_CHECKING:
    from fynx_scapy.lab.meeting import Meeting

Body = Callable[["Meeting"], None]


class OurFields(IkeChanges, total=False):
    """How our configuration differs from the mirror image of the peer's."""

    child: ChildFields
    """Changes to every Child SA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One row of the matrix."""

    scenario: Scenario
    """Its name, title, source and requirements."""
    body: Body = field(repr=False)
    roles: tuple[Role, ...] = EVERY
    needs: frozenset[str] = frozenset()
    """The capabilities that the peer must have."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the peer's configuration (`PeerConfig`)."""
    ours: OurFields = field(default_factory=OurFields)
    """Changes to our configuration (`IkeConfig`)."""
    endpoint: EndpointFields = field(default_factory=EndpointFields)
    """The configuration of our endpoint (`EndpointConfig`)."""
    site: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `Lab`."""

    @property
    def name(self) -> str:
        """Its name in the matrix, in tests and on the command line."""
        return self.scenario.name


_REGISTRY: dict[str, Trial] = {}


def trial(
    source: str,
    *,
    name: str | None = None,
    requirements: Sequence[str] = (),
    roles: Sequence[Role] = EVERY,
    needs: Collection[str] = (),
    config: Mapping[str, Any] | None = None,
    ours: OurFields | None = None,
    endpoint: EndpointFields | None = None,
    site: Mapping[str, Any] | None = None,
) -> Callable[[Body], Body]:
    """Register a function as a trial, by default under the function's name; several trials may share one function.

    ConfigError for an unknown requirement, a function without a docstring and a name that is taken.
    """
    checked = tuple(requirement(identifier) for identifier in requirements)

    def register(body: Body) -> Body:
        trial_name = name or body.__name__
        if trial_name in _REGISTRY:
            raise ConfigError(f"expected one trial with the name {trial_name}, found a second in {body.__module__}")
        if not body.__doc__:
            raise ConfigError(f"expected a docstring in the trial {trial_name}: its first line is the title")
        scenario = Scenario(trial_name, source, checked, body, body.__module__)  # type: ignore[arg-type]
        _REGISTRY[trial_name] = Trial(
            scenario=scenario,
            body=body,
            roles=tuple(roles),
            needs=frozenset(needs),
            config=dict(config or {}),
            ours=ours or {},
            endpoint=endpoint or {},
            site=dict(site or {}),
        )
        return body

    return register


def registered() -> dict[str, Trial]:
    """The trials whose files were imported, by name."""
    return dict(_REGISTRY)
