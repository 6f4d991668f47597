# SPDX-License-Identifier: GPL-2.0-or-later
"""Our role in a scenario."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable

from fynx_scapy.errors import ConfigError


class Role(enum.Enum):
    """Our role in a scenario: which end of the IKE SA we are, and the class that drives it."""

    INITIATOR = "initiator"
    """The initiator of the IKE SA, a `Session`."""
    RESPONDER = "responder"
    """Its responder, a `Session`."""
    CLIENT = "client"
    """The initiator, an `IpsecClient` in an event loop."""
    SERVER = "server"
    """The responder, an `IpsecServer` in an event loop."""

    @property
    def begins(self) -> bool:
        """Whether we are the initiator of the IKE SA."""
        return self in (Role.INITIATOR, Role.CLIENT)

    @property
    def driver(self) -> str:
        """The name of the class that drives our end."""
        return {Role.CLIENT: "IpsecClient", Role.SERVER: "IpsecServer"}.get(self, "Session")

    @property
    def asynchronous(self) -> bool:
        """Whether an event loop runs our end."""
        return self in (Role.CLIENT, Role.SERVER)


def roles_of(given: Iterable[Role | str], whose: str) -> tuple[Role, ...]:
    """These roles, which may be given by their names. ConfigError, with the nearest name, for what is none."""
    names = [role.value for role in Role]
    if isinstance(given, str):
        raise ConfigError(f"{whose}: expected roles to be several, such as ({given!r},), found {given!r}")
    found = []
    for each in given:
        if not isinstance(each, Role) and each not in names:
            near = difflib.get_close_matches(str(each), names, n=1)
            known = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{whose}: expected a role ({', '.join(names)}), found {each!r}{known}")
        found.append(Role(each))
    if not found:
        raise ConfigError(f"{whose}: expected at least one role, found none")
    return tuple(found)


EVERY = tuple(Role)
BOTH = (Role.INITIATOR, Role.RESPONDER)
"""Both ends, with a `Session`: the roles that need no lab."""
INITIATORS = tuple(role for role in Role if role.begins)
RESPONDERS = tuple(role for role in Role if not role.begins)
