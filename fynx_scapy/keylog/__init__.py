# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys of IKE and ESP SAs and the secrets they are derived from, in every key format that we support.

There is one file per format; formats.py lists them. An entry that cannot be used becomes a warning with file and line;
the entries around it are kept.
"""

from __future__ import annotations

from fynx_scapy.keylog.document import FORMAT
from fynx_scapy.keylog.formats import (
    CHARON_LOG,
    ESP_TABLE,
    FORMATS,
    IKE_TABLE,
    JSON_KEYS,
    KNOWN,
    PLUTO_LOG,
    SECRETS,
    XFRM_STATE,
)
from fynx_scapy.keylog.keys import EspKeys, IkeKeys, Secret, TlsSecret
from fynx_scapy.keylog.log import KeyLog
from fynx_scapy.keylog.source import read_stream
from fynx_scapy.keylog.wireshark import esp_row, ike_row

__all__ = [
    "CHARON_LOG",
    "ESP_TABLE",
    "FORMAT",
    "FORMATS",
    "IKE_TABLE",
    "JSON_KEYS",
    "KNOWN",
    "PLUTO_LOG",
    "SECRETS",
    "XFRM_STATE",
    "EspKeys",
    "IkeKeys",
    "KeyLog",
    "Secret",
    "TlsSecret",
    "esp_row",
    "ike_row",
    "read_stream",
]
