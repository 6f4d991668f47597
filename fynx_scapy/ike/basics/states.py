# SPDX-License-Identifier: GPL-2.0-or-later
"""The states of an IKE SA, and every way from one to another: the one table, held against each change.

docs/states.md is drawn from it. What is in flight is an exchange, never a state.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.Enum):
    """The few states of an IKE SA."""

    CONNECTING = "connecting"
    """IKE_SA_INIT and IKE_AUTH are under way."""
    ESTABLISHED = "established"
    """Both ends are authenticated."""
    REKEYED = "rekeyed"
    """Its successor has its Child SAs; its own Delete is still to come."""
    DELETING = "deleting"
    """Our Delete is under way."""
    CLOSED = "closed"
    """Nothing but answers to retransmissions."""


TRANSITIONS: Mapping[tuple[State, State], str] = {
    (State.CONNECTING, State.ESTABLISHED): "IKE_AUTH, or the rekey of its predecessor (sections 1.2 and 2.18)",
    (State.CONNECTING, State.CLOSED): "refused, no answer, or half-open for too long (sections 2.4, 2.6 and 2.21)",
    (State.ESTABLISHED, State.REKEYED): "its Child SAs go to its successor (section 2.8)",
    (State.ESTABLISHED, State.DELETING): "we delete it (section 1.4.1)",
    (State.ESTABLISHED, State.CLOSED): "the peer deletes it, is dead, or breaks rules (sections 1.4.1, 2.4, 2.21.3)",
    (State.REKEYED, State.DELETING): "we began the rekey, so we delete it (section 2.8)",
    (State.REKEYED, State.CLOSED): "the peer deletes it, or never does (section 2.8)",
    (State.DELETING, State.REKEYED): "the peer's rekey won while our Delete was under way (section 2.25.2)",
    (State.DELETING, State.CLOSED): "the Delete is answered, crossed by the peer's, or given up (section 1.4.1)",
}
"""Each way with what leads along it, sections being RFC 7296's."""


def change(old: State, new: State) -> State:
    """``new``, where there is a way to it; RuntimeError where the table has none, which is a fault of ours."""
    if old is not new and (old, new) not in TRANSITIONS:
        raise RuntimeError(f"an IKE SA never goes from {old.value} to {new.value}")
    return new
