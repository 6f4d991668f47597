# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests know of the tshark that is installed."""

from __future__ import annotations

import functools
import re
import subprocess

from fynx_scapy.lab.differences import BOOLEANS, differences


@functools.cache
def version() -> str:
    """As it says it: ``4.0.17``."""
    said = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"TShark \(Wireshark\) (\d[\d.]*)", said)
    assert found, said
    return found[1]


def true() -> str:
    """What it prints of a boolean field that is true."""
    return "True" if BOOLEANS in differences("tshark", version()) else "1"
