# SPDX-License-Identifier: GPL-2.0-or-later
"""The MSK of an EAP conversation in a capture, from a password or from a TLS key log (RFC 7296 section 2.16).

EAP-MSCHAPv2 makes it of the password and of what both ends send; EAP-TLS and EAP-TTLS export it from TLS (RFC 5216
section 2.3, RFC 5281 section 8, RFC 9190 and 9427). What is inside the TLS of EAP-TTLS is not decrypted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.keylog import KeyLog

if TYPE_CHECKING:
    from fynx_scapy.crypto.tls import Hello, Secrets

MSCHAPV2, TLS, TTLS = 26, 13, 21
KEYED = frozenset({TLS, 18, TTLS, 23, 25, MSCHAPV2, 43, 47, 50, 52, 55})
"""Methods that make a key: after them, AUTH covers it and not SK_p (RFC 7296 section 2.16)."""
MOST_HELLO = 1 << 14
"""Octets of TLS at the beginning of which a hello has to be."""
_REQUEST, _RESPONSE, _LAST_NO_METHOD, _EXPANDED = 1, 2, 3, 254
_LENGTH, _START = 0x80, 0x20
_CHALLENGE, _ANSWER, _FAILURE = 1, 2, 4
_AGAIN = re.compile(rb"\bC=([0-9A-Fa-f]{32})\b")
_PEER_CHALLENGE, _NT_RESPONSE = slice(0, 16), slice(24, 48)
"""Where they are in the value of a response (RFC 2759 section 4)."""


@dataclass(slots=True)
class EapSeen:
    """What the EAP packets of one IKE SA have shown so far. The latest method counts (RFC 4739 allows several)."""

    present: bool = False
    method: int = 0
    """The type of the method that the server has last asked for, 0 if unknown."""
    _challenge: bytes = b""
    _value: bytes = b""
    _user: bytes = b""
    _streams: dict[bool, bytes] = field(default_factory=dict, repr=False)
    """By whether the peer (the initiator) sends: the beginning of its TLS, until its hello is there."""
    _hellos: dict[bool, Hello] = field(default_factory=dict)
    _last: dict[bool, int] = field(default_factory=dict)
    """The message ID of the latest packet of each end."""

    @property
    def keyed(self) -> bool:
        """Whether the method makes a key."""
        return self.method in KEYED

    def add(self, initiator: bool, message_id: int, octets: bytes) -> None:
        """Take one EAP packet. Whatever does not have the form of its method is passed over."""
        self.present = True
        if message_id <= self._last.get(initiator, -1):
            return  # sent again
        gap = message_id != self._last.get(initiator, message_id - 1) + 1
        self._last[initiator] = message_id
        if (
            len(octets) <= 5
            or int.from_bytes(octets[2:4]) != len(octets)
            or octets[0] != (_RESPONSE, _REQUEST)[not initiator]
        ):
            return
        kind = octets[4]
        if not initiator and kind > _LAST_NO_METHOD:
            self.method = kind
        if kind == MSCHAPV2:
            self._mschapv2(octets)
        elif kind in (TLS, TTLS):
            self._tls(initiator, octets[5:], gap)

    def _mschapv2(self, octets: bytes) -> None:
        from fynx_scapy.eap.packets import read
        from fynx_scapy.layers.ikev2.eap import EAP_MSCHAPv2

        try:
            packet = read(octets)
        except AuthenticationError:
            return
        if not isinstance(packet, EAP_MSCHAPv2):
            return
        if packet.op == _CHALLENGE and packet.code == _REQUEST:
            self._challenge, self._value = bytes(packet.value), b""
        elif packet.op == _FAILURE and packet.code == _REQUEST and (again := _AGAIN.search(bytes(packet.message))):
            self._challenge = bytes.fromhex(again[1].decode())  # for another try (RFC 2759 section 6)
        elif packet.op == _ANSWER and packet.code == _RESPONSE:
            self._value, self._user = bytes(packet.value), bytes(packet.user)

    def _tls(self, initiator: bool, body: bytes, gap: bool) -> None:
        from fynx_scapy.crypto.tls import read_hello

        if not initiator and body[0] & _START:
            self._hellos, self._streams = {}, {True: b"", False: b""}
            return
        if initiator in self._hellos or initiator not in self._streams:
            return
        if gap:
            del self._streams[initiator]  # a fragment is missing: what follows it is not at its place
            return
        self._streams[initiator] += body[5:] if body[0] & _LENGTH else body[1:]
        hello = read_hello(self._streams[initiator])
        if hello is not None:
            self._hellos[initiator] = hello
        if hello is not None or len(self._streams[initiator]) > MOST_HELLO:
            del self._streams[initiator]

    def keys(self, known: KeyLog) -> tuple[list[tuple[bytes, str]], str]:
        """Each MSK that follows from what is known, with its name; and why there is none, empty if there is one."""
        from fynx_scapy.layers.ikev2.eap.names import METHODS

        if self.method == MSCHAPV2:
            return self._from_passwords(known)
        if self.method in (TLS, TTLS):
            return self._from_tls(known)
        if self.keyed and not known.msk:
            return [], f"expected the MSK of EAP-{METHODS.get(self.method, self.method)}, found none"
        return [], ""

    def _from_passwords(self, known: KeyLog) -> tuple[list[tuple[bytes, str]], str]:
        from fynx_scapy.eap import mschap
        from fynx_scapy.eap.mschapv2 import bare_name, session_key

        count = len(known.passwords)
        if not count:
            return [], "expected the password of EAP-MSCHAPv2 or its MSK, found neither"
        if not self._challenge or not self._value:
            return [], "the challenge or the response of EAP-MSCHAPv2 is not in the capture"
        peer, response, found = self._value[_PEER_CHALLENGE], self._value[_NT_RESPONSE], []
        for number, password in enumerate(known.passwords, 1):
            try:
                hashed = mschap.password_hash(_text(password))
            except ConfigError:
                continue  # longer than any
            if mschap.same(mschap.nt_response(hashed, self._challenge, peer, bare_name(self._user)), response):
                found.append((session_key(hashed, response), f"EAP-MSCHAPv2, password {number} of {count}"))
        none = "the known password does not give" if count == 1 else f"none of the {count} known passwords gives"
        return found, "" if found else f"{none} the response of EAP-MSCHAPv2"

    def _from_tls(self, known: KeyLog) -> tuple[list[tuple[bytes, str]], str]:
        from fynx_scapy.eap.tls import NAMES, msk

        name = NAMES[self.method]
        if not known.tls:
            return [], f"expected the TLS key log of {name} or its MSK, found neither"
        if len(self._hellos) != 2:
            return [], f"the hellos of {name} are not whole in the capture"
        client, server = self._hellos[True], self._hellos[False]
        found = _secrets(known, client.random)
        if found is None:
            return [], f"the TLS key log has no secret of this connection of {name}"
        try:
            return [(msk(self.method, found, client, server), f"{name}, TLS key log")], ""
        except ConfigError as error:
            return [], str(error)


def _secrets(known: KeyLog, random: bytes) -> Secrets | None:
    """What the key logs have of the connection with this random of the client."""
    from fynx_scapy.crypto.tls import Secrets

    lines = [line for line in known.tls if line.random == random]
    by_label = {line.label: line.secret for line in lines}
    return Secrets(by_label.get("CLIENT_RANDOM", b""), by_label.get("EXPORTER_SECRET", b"")) if lines else None


def _text(password: bytes) -> str:
    """A password as its user types it. Other octets than UTF-8 are one character each, as strongSwan has it."""
    try:
        return password.decode()
    except UnicodeDecodeError:
        return password.decode("latin-1")
