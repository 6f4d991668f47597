# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header (RFC 7296 section 3.1): versions, flags, SPIs, lengths."""

from __future__ import annotations

from fynx_scapy.harness.cases import Case, accepted, alive, answered, cases, dropped, silent
from fynx_scapy.harness.verbs import cut_to, extend, flip_flags, set_header, truncate

cases(
    __name__,
    [
        Case(
            "major_version_3", base="init", do=set_header(version=0x30), severity="high",
            then=answered("INVALID_MAJOR_VERSION", protected=False) | silent(),
            requirements=("7296-2.5-02",),
        ),
        Case(
            "minor_version_1", base="init", do=set_header(version=0x21), then=accepted(), requirements=("7296-2.5-04",),
        ),
        Case(
            "reserved_flags_in_init", base="init", do=flip_flags(0xC7), then=accepted(),
            requirements=("7296-2.5-06", "7296-3.1-09"),
        ),
        Case(
            "reserved_flags_inside", base="liveness", do=flip_flags(0xC7), then=accepted() & alive(),
            requirements=("7296-2.5-06", "7296-3.1-09"),
        ),
        Case(
            "datagram_cut", base="liveness", do=truncate(1), then=dropped() & alive(), requirements=("7296-3.1-i03",),
        ),
        Case(
            "datagram_extended", base="liveness", do=extend(4), then=dropped() & alive(),
            requirements=("7296-3.1-i03",),
        ),
        Case(
            "datagram_without_header", base="init", do=cut_to(27), then=dropped(), requirements=("7296-3.1-i03",),
        ),
    ],
)  # fmt: skip
