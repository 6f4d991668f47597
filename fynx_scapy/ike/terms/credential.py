# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of the credentials that `IkeConfig.auth` accepts."""

from __future__ import annotations


class Credential:
    """A credential: a frozen dataclass whose repr shows no secret.

    The `Authenticator` registered for its class uses it.
    """

    __slots__ = ()
