# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header's struct and constants agree with the layer, are defined once, and need no Scapy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from fynx_scapy.layers import ikeheader
from fynx_scapy.layers.ikev2 import IKEv2


def test_it_agrees_with_the_layer() -> None:
    layer = IKEv2(init_SPI=b"initiate", resp_SPI=b"responds", exch_type=37, flags=0x28, id=0x01020304)
    octets = bytes(layer)
    fields = (b"initiate", b"responds", 0, 0x20, 37, 0x28, 0x01020304, 28)
    assert ikeheader.IKE_HEADER.unpack(octets) == fields
    assert octets[ikeheader.NEXT_PAYLOAD] == 0
    assert (octets[ikeheader.VERSION], octets[ikeheader.EXCHANGE_TYPE]) == (0x20, 37)
    assert octets[ikeheader.FLAGS] == ikeheader.FLAG_INITIATOR | ikeheader.FLAG_RESPONSE
    assert int.from_bytes(octets[ikeheader.MESSAGE_ID : ikeheader.LENGTH]) == 0x01020304
    assert int.from_bytes(octets[ikeheader.LENGTH :]) == ikeheader.IKE_HEADER.size


def test_it_needs_no_scapy() -> None:
    code = "import sys; sys.modules['scapy'] = None; import fynx_scapy.layers.ikeheader"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_struct_is_defined_once() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    python = [path for top in ("fynx_scapy", "layers", "scenarios", "tools") for path in (root / top).rglob("*.py")]
    copies = {path.resolve() for path in python if "8s8sBBBBII" in path.read_text()}
    assert copies == {root / "layers" / "ikeheader.py"}


def test_header_constants_are_defined_once() -> None:
    """No module but `ikeheader` gives the header's size, a flag or the version a name."""
    root = Path(__file__).resolve().parent.parent.parent
    python = [path for top in ("fynx_scapy", "layers", "tools") for path in (root / top).rglob("*.py")]
    constant = re.compile(r"^_?(\w*HEADER\w* = 28|(FLAG_)?(INITIATOR|RESPONSE) = 0x|VERSION\w* = 0x20)", re.MULTILINE)
    copies = {path.resolve() for path in python if constant.search(path.read_text())}
    assert copies <= {root / "layers" / "ikeheader.py"}
