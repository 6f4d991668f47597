# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests know of the tshark that is installed."""

from __future__ import annotations

import functools
import re
import subprocess

from fynx_scapy.harness.versions import parsed


@functools.cache
def version() -> str:
    """As it says it: ``4.0.17``."""
    said = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"TShark \(Wireshark\) (\d[\d.]*)", said)
    assert found, said
    return found[1]


def true() -> str:
    """What it prints of a boolean field that is true: 4.0 prints 1, 4.4 prints True."""
    return "True" if parsed(version()) >= (4, 2) else "1"
