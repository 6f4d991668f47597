# SPDX-License-Identifier: GPL-2.0-or-later
"""Our role in a trial."""

from __future__ import annotations

import enum


class Role(enum.Enum):
    """Our role: initiator of the IKE SA, or its responder."""

    INITIATOR = "initiator"
    RESPONDER = "responder"
