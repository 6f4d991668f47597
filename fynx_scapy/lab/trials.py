# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of before: a trial was what is now a scenario with roles, which runs with embedded peers too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from fynx_scapy.harness.role import EVERY
from fynx_scapy.harness.role import INITIATORS as INITIATORS
from fynx_scapy.harness.role import RESPONDERS as RESPONDERS
from fynx_scapy.harness.role import Role as Role
from fynx_scapy.harness.scenario import Body, Scenario, scenario
from fynx_scapy.harness.setting import OurFields
from fynx_scapy.harness.stage import Run
from fynx_scapy.ike.terms.endpoint_config import EndpointFields

Trial = Scenario
Meeting = Run


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
    """Register a function as a scenario with all roles, and leave it a function: `fynx_scapy.harness.scenario`."""

    def made(body: Body) -> Body:
        scenario(
            source, name=name, requirements=requirements, roles=roles, needs=needs, config=config, ours=ours,
            endpoint=endpoint, site=site,
        )(body)  # fmt: skip
        return body

    return made
