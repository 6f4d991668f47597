# SPDX-License-Identifier: GPL-2.0-or-later
"""Known differences of peers and tools from the RFCs, and between their versions: one table.

A test or a trial looks up the version that the program reports, and expects the differences listed here.
"""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.harness.versions import parsed as parsed


@dataclass(frozen=True, slots=True)
class KnownDifference:
    """A known difference of a program."""

    program: str
    what: str
    """The name of the scenario that shows it, or a few words."""
    why: str
    """The sentence of the RFC, and what the program does."""
    since: str = ""
    """The first version that differs, if not all. A version between two that were tested counts as the newer one."""
    before: str = ""
    """The first version that does not differ any more."""

    def holds(self, version: str) -> bool:
        """Whether that version of the program differs."""
        number = parsed(version)
        return parsed(self.since) <= number and (not self.before or number < parsed(self.before))


PORT_FLOAT = "begins on its NAT-T port where ESP goes in UDP"
BOOLEANS = "prints booleans as True and False"

DIFFERENCES = (
    KnownDifference(
        "strongswan", "error_child_sa_not_found", before="5.9.9",
        why='RFC 7296 section 2.25: the SPI field "is copied from the SPI field in the REKEY_SA notification"; 5.9.8'
        " sends none, 6.0.1 conforms",
    ),
    KnownDifference(
        "strongswan", "error_major_version",
        why="RFC 7296 section 3.1: no response to a message that is marked as a response (7296-3.1-11); it answers"
        " one of version 3",
    ),
    KnownDifference(
        "strongswan", "error_unknown_exchange",
        why='RFC 7296 section 3.10.1: INVALID_SYNTAX "MUST be sent in response to any error not covered"'
        " (7296-3.10.1-04); it does not answer",
    ),
    KnownDifference(
        "strongswan", "fragment_numbers",
        why="RFC 7383 section 2.6: impossible numbers are silently discarded (7383-2.6-01); it ends the handshake",
    ),
    *(
        KnownDifference(
            "strongswan", scenario,
            why="RFC 7383 section 2.5: the Encrypted payload is split, in any exchange; it takes a fragmented"
            " INFORMATIONAL for an unprotected one, and drops it",
        )
        for scenario in ("fragmentation", "fragments_of_two_sets", "fragments_out_of_order")
    ),
    KnownDifference(
        "strongswan", PORT_FLOAT, since="6.0.1",
        why="RFC 7296 section 2.23 allows IKE on either port; 5.9.8 starts on the first port and changes in IKE_AUTH",
    ),
    KnownDifference("tshark", BOOLEANS, since="4.2", why="4.0 prints 1 and 0, 4.4 prints True and False"),
)  # fmt: skip
"""All known differences. Tested were strongSwan 5.9.8, 6.0.1 and 6.1.0, and tshark 4.0 and 4.4."""


def differences(program: str, version: str) -> dict[str, str]:
    """The differences of that version of a program: what -> why."""
    return {row.what: row.why for row in DIFFERENCES if row.program == program and row.holds(version)}
