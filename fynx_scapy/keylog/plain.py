# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets as lines of text, ``KIND VALUE``, with values written as on the command line.

# everything after a number sign is a comment
secret 5f0c…            the shared secret of a key exchange; a line of digits alone also counts as one
private 2b7e…           the private value of one peer
sk_d 9a01…
psk "lab psk"           text, or octets as 0x… (hexadecimal) or 0s… (base64), as strongSwan takes them
ppk 0x0011…
msk 77ab…
eap_password "Ar3etTnp"  written like psk
alice bob : PSK "lab psk"    as in ipsec.secrets
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import SECRET_KINDS, Entry, Rows, Secret
from fynx_scapy.keylog.text import octets

_WORDS = {"secrets": "secret", "passwords": "eap_password"}
KINDS = {_WORDS.get(kind, kind): kind for kind in SECRET_KINDS}
"""The word at the beginning of a line, and the kind of secret that follows it."""
TEXTUAL = ("psk", "ppk", "passwords")
LINE = re.compile(
    r"^(?:[ \t]*(?:psk|ppk|eap_password)[ \t]+\S|[ \t]*(?:secret|private|sk_d|msk)[ \t]+(?:0x)?[0-9A-Fa-f]{16,}[ \t]*$"
    r"|(?:0x)?(?:[0-9A-Fa-f]{2}){8,}[ \t]*$|[^:\n]{0,500}:[ \t]*PSK[ \t]+[\"0])",
    re.MULTILINE,
)
_IPSEC_SECRETS = re.compile(r"[^:]*:\s*PSK\s+(.+)")
_DIGITS = re.compile(r"(?:0x)?(?:[0-9a-f]{2}){8,}", re.IGNORECASE)


def value_of(kind: str, text: str) -> bytes:
    """The octets of a secret of this kind as a user writes it. Raises ConfigError if it cannot be read."""
    text = text.strip()
    if kind not in TEXTUAL or text[:2] in ("0x", "0X"):
        return octets(text.replace(":", ""), SECRET_KINDS[kind])  # Wireshark copies octets with colons
    if text[:2] == "0s":
        try:
            return base64.b64decode(text[2:], validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"the {SECRET_KINDS[kind]} is not base64 ({len(text) - 2} characters)") from None
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return (text[1:-1] if quoted else text).encode()


def read_plain(lines: Sequence[Line]) -> Rows:
    """Read the secrets, line by line."""
    for number, line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue

        def row(line: str = stripped) -> Iterable[Entry]:
            if shared := _IPSEC_SECRETS.match(line):
                return [Secret("psk", value_of("psk", shared[1]))]
            word, _, value = line.replace("\t", " ").partition(" ")
            if not value and _DIGITS.fullmatch(line):
                word, value = "secret", line
            if word not in KINDS:
                raise ConfigError(f"expected the line to begin with one of: {', '.join(KINDS)}")
            return [Secret(KINDS[word], value_of(KINDS[word], value))]

        yield f"line {number}", row


def write_plain(entries: Iterable[Entry]) -> str:
    """Write the secrets. This format has no lines for the keys of SAs."""
    words = {kind: word for word, kind in KINDS.items()}
    return "".join(f"{words[e.kind]} 0x{e.value.hex()}\n" for e in entries if isinstance(e, Secret))
