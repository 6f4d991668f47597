# SPDX-License-Identifier: GPL-2.0-or-later
"""Our role in a scenario."""

from __future__ import annotations

import enum


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


EVERY = tuple(Role)
INITIATORS = tuple(role for role in Role if role.begins)
RESPONDERS = tuple(role for role in Role if not role.begins)
