# SPDX-License-Identifier: GPL-2.0-or-later
"""Who begins."""

from __future__ import annotations

import enum


class Role(enum.Enum):
    """Who begins: we as the initiator of the IKE SA, or the peer, so that we are its responder."""

    INITIATOR = "initiator"
    RESPONDER = "responder"
