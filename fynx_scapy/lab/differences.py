# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a peer or a tool differs from an RFC, or one version of it from another: one table, read by version.

A test or a trial asks with the version that the program itself has told, and expects what this table says of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """A program differs in ``what``, from version ``since`` on and before version ``before``, where these are given.

    ``what`` is the name of the scenario that shows it, or a few words. ``why`` is the RFC's sentence, or what was seen.
    A version between two that were seen is taken for the newer one.
    """

    program: str
    what: str
    why: str
    since: str = ""
    before: str = ""

    def holds(self, version: str) -> bool:
        """Whether that version of the program does so."""
        number = parsed(version)
        return parsed(self.since) <= number and (not self.before or number < parsed(self.before))


PORT_FLOAT = "begins on its NAT-T port where ESP goes in UDP"
BOOLEANS = "prints booleans as True and False"

DIFFERENCES = (
    Difference(
        "strongswan", "error_child_sa_not_found", before="5.9.9",
        why='RFC 7296 section 2.25: the SPI field "is copied from the SPI field in the REKEY_SA notification"; 5.9.8'
        " sends none, 6.0.1 does as it says",
    ),
    Difference(
        "strongswan", "error_major_version",
        why="RFC 7296 section 3.1: no response to what is marked as a response (7296-3.1-11); it answers one of"
        " version 3",
    ),
    Difference(
        "strongswan", "error_unknown_exchange",
        why='RFC 7296 section 3.10.1: INVALID_SYNTAX "MUST be sent in response to any error not covered"'
        " (7296-3.10.1-04); it says nothing",
    ),
    Difference(
        "strongswan", "fragment_numbers",
        why="RFC 7383 section 2.6: impossible numbers are silently discarded (7383-2.6-01); it ends the handshake",
    ),
    *(
        Difference(
            "strongswan", scenario,
            why="RFC 7383 section 2.5: it is the Encrypted payload that is split, of whatever exchange; it takes a"
            " fragmented INFORMATIONAL for one in the clear, and drops it",
        )
        for scenario in ("fragmentation", "fragments_of_two_sets", "fragments_out_of_order")
    ),
    Difference(
        "strongswan", PORT_FLOAT, since="6.0.1",
        why="RFC 7296 section 2.23 allows IKE on either port; 5.9.8 begins on the first port and changes in IKE_AUTH",
    ),
    Difference("tshark", BOOLEANS, since="4.2", why="4.0 prints 1 and 0, 4.4 prints True and False"),
)  # fmt: skip
"""Every difference that we know of. strongSwan was seen as 5.9.8, 6.0.1 and 6.1.0, tshark as 4.0 and 4.4."""


def parsed(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, as one compares them: ``6.0.1-6+deb13u7`` is (6, 0, 1), nothing is ()."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def differences(program: str, version: str) -> dict[str, str]:
    """In what that version of a program differs, and why."""
    return {row.what: row.why for row in DIFFERENCES if row.program == program and row.holds(version)}
