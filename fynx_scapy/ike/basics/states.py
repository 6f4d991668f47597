# SPDX-License-Identifier: GPL-2.0-or-later
"""The states of an IKE SA and the table of its transitions. Every change of state is checked against the table.

docs/states.md is generated from it. An exchange in flight is not a state.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.Enum):
    """The states of an IKE SA."""

    CONNECTING = "connecting"
    """IKE_SA_INIT and IKE_AUTH are under way."""
    ESTABLISHED = "established"
    """Both peers are authenticated."""
    REKEYED = "rekeyed"
    """Its successor has its Child SAs. It must still be deleted."""
    DELETING = "deleting"
    """Our Delete is in flight."""
    CLOSED = "closed"
    """It only answers retransmissions."""


TRANSITIONS: Mapping[tuple[State, State], str] = {
    (State.CONNECTING, State.ESTABLISHED): "IKE_AUTH, or the rekey of its predecessor (sections 1.2 and 2.18)",
    (State.CONNECTING, State.CLOSED): "refused, no answer, or half-open for too long (sections 2.4, 2.6 and 2.21)",
    (State.ESTABLISHED, State.REKEYED): "its Child SAs go to its successor (section 2.8)",
    (State.ESTABLISHED, State.DELETING): "we delete it (section 1.4.1)",
    (State.ESTABLISHED, State.CLOSED): "deleted by the peer, peer dead, or INVALID_SYNTAX (1.4.1, 2.4 and 2.21.3)",
    (State.REKEYED, State.DELETING): "we began the rekey, so we delete it (section 2.8)",
    (State.REKEYED, State.CLOSED): "the peer deletes it, or never does (section 2.8)",
    (State.DELETING, State.REKEYED): "the peer's rekey won while our Delete was under way (section 2.25.2)",
    (State.DELETING, State.CLOSED): "the Delete is answered, crossed by the peer's, or given up (section 1.4.1)",
}
"""Each transition with its cause. Sections are those of RFC 7296."""


def change(old: State, new: State) -> State:
    """Check a transition and return ``new``; RuntimeError when the table does not have it, which is a bug."""
    if old is not new and (old, new) not in TRANSITIONS:
        raise RuntimeError(f"expected a transition of the table, found {old.value} to {new.value}")
    return new
