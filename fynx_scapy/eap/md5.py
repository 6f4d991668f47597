# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-MD5: a challenge, and its hash with the password (RFC 3748 section 5.4, RFC 1994). It makes no key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from scapy.layers.eap import EAP, EAP_MD5

from fynx_scapy.eap import packets
from fynx_scapy.eap.accounts import Accounts
from fynx_scapy.eap.method import Outcome, PeerMethod, PeerSteps, Run, ServerMethod, ServerSteps, check_text, expect
from fynx_scapy.errors import AuthenticationError

TYPE = 4
_CHALLENGE = 16


def _value(identifier: int, password: str, challenge: bytes) -> bytes:
    return hashlib.md5(bytes([identifier]) + password.encode() + challenge, usedforsecurity=False).digest()


def _received(packet: EAP_MD5) -> bytes:
    """The value of a packet; AuthenticationError for a Value-Size of 0, or beyond the packet (RFC 1994 section 4.1)."""
    data = packets.data_of(packet)
    size = data[0] if data else 0
    if not 0 < size < len(data):
        raise AuthenticationError(
            f"expected a Value-Size of 1 to {max(len(data) - 1, 0)} in EAP-MD5, as many octets as follow, found {size}"
        )
    return data[1 : 1 + size]


@dataclass(frozen=True, slots=True)
class Md5Peer(PeerMethod):
    """EAP-MD5 as the peer."""

    name = "MD5"
    type = TYPE

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        check_text(user=self.user, password=self.password)

    def respond(self, run: Run, request: EAP) -> PeerSteps:
        """Challenge  -->  response."""
        asked = expect(request, EAP_MD5)
        challenge = _received(asked)
        run.outcome = Outcome(self.name, self.user.encode())
        yield EAP_MD5(code=EAP.RESPONSE, value=_value(asked.id, self.password, challenge))


@dataclass(frozen=True, slots=True)
class Md5Server(ServerMethod):
    """EAP-MD5 as the server."""

    name = "MD5"
    type = TYPE

    accounts: Accounts

    def challenge(self, run: Run) -> ServerSteps:
        """Challenge  -->  response."""
        challenge = run.octets(_CHALLENGE)
        request = EAP_MD5(code=EAP.REQUEST, value=challenge)
        response = expect((yield request), EAP_MD5)
        password = self.accounts.password(run.identity)
        if not hmac.compare_digest(_value(response.id, password, challenge), _received(response)):
            raise self.accounts.refusal(run.identity, "EAP-MD5")
        return Outcome(self.name, run.identity)
