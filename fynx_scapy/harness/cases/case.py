# SPDX-License-Identifier: GPL-2.0-or-later
"""A case: one row that says what is sent wrongly, and what a peer must do then.

cases(__name__, [
    Case("major_version_3", base="init", at="request", do=set_header(version=0x30),
         then=answered("INVALID_MAJOR_VERSION") | silent(), requirements=("7296-2.5-02",), severity="high"),
])

Each becomes a scenario: `fynx list` shows it, `fynx run` and pytest run it, in every role that its message allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.cases.at import At
from fynx_scapy.harness.cases.base import Base, base_named
from fynx_scapy.harness.cases.outcome import Outcome
from fynx_scapy.harness.requirements import Requirement, check_source, requirement
from fynx_scapy.harness.role import Role, roles_of
from fynx_scapy.harness.scenario import Severity
from fynx_scapy.harness.verbs.mutation import NOTHING, Mutation
from fynx_scapy.harness.worlds.credentials import Credentials
from fynx_scapy.ike.config import EndpointConfig, IkeConfig

Sign = Literal["sent", "before"]


@dataclass(frozen=True)
class Case:
    """One row of the catalogue. ConfigError for a value that cannot be, with the nearest one."""

    name: str
    base: str | Base = field(kw_only=True)
    """The base conversation, by name."""
    at: str = field(default="request", kw_only=True)
    """Which of our messages is changed, as `At` reads it."""
    do: Mutation = field(default=NOTHING, kw_only=True)
    """What is changed: verbs, added with ``+``."""
    then: Outcome = field(kw_only=True)
    """What the peer must do."""
    requirements: Sequence[str] = field(default=(), kw_only=True)
    """The IDs of the sentences that it checks."""
    severity: Severity = field(default="medium", kw_only=True)
    """How much it matters when it fails."""
    what: str = field(default="", kw_only=True)
    """One sentence, where the row does not say it."""
    sign: Sign = field(default="sent", kw_only=True)
    """Whether AUTH covers what was sent, or what was there before the change."""
    roles: Sequence[Role | str] | None = field(default=None, kw_only=True)
    """In which roles it runs; None for those that the message allows."""
    ours: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    """Arguments of our session, beside those of the base conversation."""
    peer: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    """How the embedded peer differs from our mirror image. A live peer cannot be asked for it."""
    given: Callable[[], Mapping[str, Any]] | None = field(default=None, kw_only=True)
    """Makes more arguments of our session when the case is played: keys and certificates take time."""
    auth: Credentials | None = field(default=None, kw_only=True)
    """How both ends authenticate. A peer that we configure is told so, a live one too."""
    tune: Callable[[IkeConfig], IkeConfig] | None = field(default=None, kw_only=True)
    """Changes our configuration where ``auth`` has made it."""
    endpoint: EndpointConfig | None = field(default=None, kw_only=True)
    """Our endpoint's configuration."""
    source: str = field(default="", kw_only=True)
    """The RFC section; by default that of the first requirement."""
    suites: Iterable[str] = field(default=(), kw_only=True)
    """The suites that it belongs to."""

    def __post_init__(self) -> None:
        At.of(self.at).check(base_named(self.base).exchange)
        for value, kind, name in ((self.do, Mutation, "do"), (self.then, Outcome, "then")):
            if not isinstance(value, kind):
                raise ConfigError(f"{self.name}: expected {name} to be {_A[kind]}, found {shown(value)}")
        for word, known, name in (
            (self.severity, get_args(Severity), "severity"), (self.sign, get_args(Sign), "sign"),
        ):  # fmt: skip
            if word not in known:
                raise ConfigError(f"{self.name}: expected {name} to be one of {', '.join(known)}, found {word!r}")
        if not (self.requirements or self.source):
            raise ConfigError(
                f"{self.name}: expected requirements=, the IDs of sentences, or source=, the RFC section, found neither"
            )
        check_source(self.source, self.name)
        for identifier in self.requirements:
            requirement(identifier)
        if self.roles is not None:
            roles_of(self.roles, self.name)

    @property
    def possible_roles(self) -> tuple[Role, ...]:
        """In which roles it runs."""
        if self.roles is not None:
            return roles_of(self.roles, self.name)
        if base_named(self.base).established:
            return (Role.INITIATOR, Role.RESPONDER)
        return (Role.RESPONDER,) if At.of(self.at).response else (Role.INITIATOR,)

    @property
    def checked(self) -> tuple[Requirement, ...]:
        """The sentences that it checks."""
        return tuple(requirement(identifier) for identifier in self.requirements)

    @property
    def title(self) -> str:
        """One sentence: what is sent, and what must follow."""
        base = base_named(self.base)
        return self.what or f"{base.name}, our {self.at}: {self.do}. Then: {self.then}."


_A = {Mutation: "a mutation, such as drop('KE')", Outcome: "an outcome, such as silent()"}
