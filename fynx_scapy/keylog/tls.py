# SPDX-License-Identifier: GPL-2.0-or-later
"""The key log of TLS, as SSLKEYLOGFILE has browsers and OpenSSL write it: ``LABEL RANDOM SECRET`` in hexadecimal.

Two labels have what EAP-TLS and EAP-TTLS export keys from: CLIENT_RANDOM (TLS 1.2) and EXPORTER_SECRET (TLS 1.3). The
others are read, and of no use here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import TLS_LABELS, Entry, Rows, TlsSecret
from fynx_scapy.keylog.text import octets

_OTHERS = (
    "CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EARLY_EXPORTER_SECRET", "EARLY_EXPORTER_MASTER_SECRET",
    "RSA", "ECH_SECRET", "ECH_CONFIG",
)  # fmt: skip
LINE = re.compile(rf"^(?:{'|'.join((*TLS_LABELS, *_OTHERS))})[ \t]+[0-9A-Fa-f]{{16}}", re.MULTILINE)


def read_tls_log(lines: Sequence[Line]) -> Rows:
    """Read the secrets, line by line."""
    for number, line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue

        def row(words: list[str] = words) -> Iterable[Entry]:
            if words[0] not in TLS_LABELS:
                if words[0] in _OTHERS:
                    return []
                raise ConfigError(f"expected the line to begin with one of: {', '.join(TLS_LABELS)}")
            if len(words) != 3:
                raise ConfigError(f"expected a label, a random and a secret, found {len(words)} words")
            return [TlsSecret(words[0], octets(words[1], "random"), octets(words[2], "secret"))]

        yield f"line {number}", row


def write_tls_log(entries: Iterable[Entry]) -> str:
    """Write the secrets of TLS. This format has no lines for other keys."""
    return "".join(
        f"{entry.label} {entry.random.hex()} {entry.secret.hex()}\n"
        for entry in entries
        if isinstance(entry, TlsSecret)
    )
