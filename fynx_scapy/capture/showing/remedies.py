# SPDX-License-Identifier: GPL-2.0-or-later
"""Which options of fynx give what an AUTH payload could not be checked without, for each reason that `follow` gives."""

from __future__ import annotations

from collections.abc import Mapping

_REMEDIES: Mapping[str, str] = {
    "expected the password of EAP-MSCHAPv2": "--eap-password-file, or --msk",
    "known password does not give": "another --eap-password-file, or --msk",
    "known passwords gives": "another --eap-password-file, or --msk",
    "expected the TLS key log of": "--keys with the TLS key log of either end (SSLKEYLOGFILE), or --msk",
    "the TLS key log has no": "--keys with the TLS key log of this connection, or --msk",
    "expected the MSK of": "--msk",
    "of EAP-MSCHAPv2 is not in the capture": "--msk",
    "are not whole in the capture": "--msk",
    "expected a PSK": "--psk-file",
    "no PPK was given": "--ppk",
}
"""By what the reason says."""


def remedy(reason: str) -> str:
    """What to give so that AUTH can be checked; empty where nothing helps."""
    return next((options for words, options in _REMEDIES.items() if words in reason), "")


def with_remedy(reason: str) -> str:
    """The reason, with what to give."""
    options = remedy(reason)
    return f"{reason}: give {options}" if options else reason
