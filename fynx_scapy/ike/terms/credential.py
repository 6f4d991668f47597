# SPDX-License-Identifier: GPL-2.0-or-later
"""What an end authenticates with: the base class of everything that `IkeConfig.auth` may be."""

from __future__ import annotations


class Credential:
    """A credential: a frozen dataclass whose repr shows no secret.

    The `Authenticator` that is registered for its class knows what to do with it.
    """

    __slots__ = ()
