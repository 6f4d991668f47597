# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CRL or an OCSP response says of a certificate, and when that counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SKEW = timedelta(minutes=5)
"""So far ahead the clock of who answers may be."""
WITHOUT_END = timedelta(days=1)
"""So long an answer counts that has no nextUpdate."""
GOOD, REVOKED, UNKNOWN = "good", "revoked", "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer about one certificate."""

    status: str
    text: str
    """Who answers, and what is worth saying about it. Printable."""
    made: datetime | None = None
    """Its thisUpdate."""
    current: bool = False
    """Whether the time asked for is between thisUpdate and nextUpdate."""


def is_current(made: datetime, until: datetime | None, at: datetime) -> bool:
    """Whether an answer counts at a time.

    Without nextUpdate, "newer revocation information is available all the time" (RFC 6960 section 4.2.2.1): an old
    answer of this kind proves nothing, for the peer who sends it chooses which.
    """
    return made <= at + SKEW and at <= (made + WITHOUT_END if until is None else until)


def revoked_at(revoked: datetime, answer: datetime, at: datetime) -> bool:
    """Whether a certificate was revoked already at a time, which may be before the answer was made (old captures)."""
    return not (at < revoked and at + SKEW < answer)


def period(made: datetime, until: datetime | None) -> str:
    """The period of an answer, in words."""
    end = f" to {until:%Y-%m-%d %H:%M}" if until else ""
    return f"of {made:%Y-%m-%d %H:%M}{end}"
