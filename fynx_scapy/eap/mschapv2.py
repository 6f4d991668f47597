# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-MSCHAPv2: both ends prove that they know a password (RFC 2759), and make a key of it (RFC 3079)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from scapy.layers.eap import EAP

from fynx_scapy.eap import mschap
from fynx_scapy.eap.accounts import Accounts
from fynx_scapy.eap.method import Outcome, PeerMethod, PeerSteps, Run, ServerMethod, ServerSteps, check_text, expect
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.layers.ikev2.eap import EAP_MSCHAPv2
from fynx_scapy.layers.ikev2.eap.mschapv2 import CHALLENGE, FAILURE, RESPONSE, SUCCESS, TYPE
from fynx_scapy.layers.ikev2.eap.names import MSCHAPV2_OPERATIONS as OPERATIONS
from fynx_scapy.text import LONGEST, printable

MOST_RETRIES = 3
"""How often a server lets a peer try another password (RFC 2759 section 10 wants a limit)."""
_CODES = {
    646: "restricted logon hours", 647: "account disabled", 648: "password expired", 649: "no dial-in permission",
    691: "authentication failure", 709: "changing the password failed",
}  # fmt: skip
"""Error codes of Failure (RFC 2759 section 6)."""
_SUCCESS = re.compile(rb"S=([0-9A-F]{40})(?: |\Z)")
_FAILURE = re.compile(rb"E=(\d{1,10})")


def session_key(hashed: bytes, response: bytes) -> bytes:
    """The MSK of 64 octets: what the client sends with, what the server sends with, and zeros."""
    client, server = mschap.session_keys(hashed, response)
    return client + server + bytes(32)


def bare_name(user: bytes) -> bytes:
    """The name without a Windows NT domain before it (RFC 2759 section 4)."""
    return user.rpartition(b"\\")[2]


@dataclass(frozen=True, slots=True)
class Mschapv2Peer(PeerMethod):
    """EAP-MSCHAPv2 as the peer."""

    name = "MSCHAPv2"
    type = TYPE

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        check_text(user=self.user, password=self.password)
        mschap.check_length(self.password)

    def respond(self, run: Run, request: EAP) -> PeerSteps:
        """Challenge  -->  Response  -->  Success  -->  its acknowledgement."""
        challenge = _expect(request, CHALLENGE)
        hashed, user = mschap.password_hash(self.password), self.user.encode()
        ours, theirs = run.octets(mschap.CHALLENGE_SIZE), bytes(challenge.value)
        response = mschap.nt_response(hashed, theirs, ours, bare_name(user))
        value = ours + bytes(8) + response + bytes(1)
        verdict = yield EAP_MSCHAPv2(code=EAP.RESPONSE, op=RESPONSE, ms_id=challenge.ms_id, value=value, user=user)
        told = expect(verdict, EAP_MSCHAPv2)
        if told.op == FAILURE:
            why = f"expected MSCHAPv2 to succeed, found {_failure(bytes(told.message))}"
            run.error = AuthenticationError(why)
            yield EAP_MSCHAPv2(code=EAP.RESPONSE, op=FAILURE)
            return
        told = _expect(verdict, SUCCESS)
        proof = _SUCCESS.match(bytes(told.message))
        wanted = mschap.authenticator_response(hashed, response, theirs, ours, bare_name(user))
        if proof is None or not mschap.same(bytes.fromhex(proof[1].decode()), wanted):
            raise AuthenticationError(
                "expected the server to know the password of MSCHAPv2, but its response does not verify"
            )
        run.outcome = Outcome(self.name, user, msk=session_key(hashed, response))
        yield EAP_MSCHAPv2(code=EAP.RESPONSE, op=SUCCESS)


@dataclass(frozen=True, slots=True)
class Mschapv2Server(ServerMethod):
    """EAP-MSCHAPv2 as the server. A wrong password is refused at once, unless there are ``retries``.

    ConfigError for a user whose password is too long for MSCHAPv2.
    """

    name = "MSCHAPv2"
    type = TYPE

    accounts: Accounts
    server_name: str = "fynx"
    retries: int = 0
    """How often a peer may try again (E=691 R=1)."""

    def __post_init__(self) -> None:
        for name, password in self.accounts.passwords.items():
            try:
                mschap.check_length(password)
            except ConfigError as error:
                raise ConfigError(f"{error}, that of {printable(name, LONGEST)}") from None

    def challenge(self, run: Run) -> ServerSteps:
        """Challenge  -->  Response  -->  Success (or Failure)  -->  its acknowledgement."""
        number, challenge = run.octets(1)[0], run.octets(mschap.CHALLENGE_SIZE)
        request = EAP_MSCHAPv2(op=CHALLENGE, ms_id=number, value=challenge, user=self.server_name)
        for left in range(self.retries, -1, -1):
            found = _expect((yield request), RESPONSE)
            if found.ms_id != number:
                raise AuthenticationError(f"expected MS-CHAPv2-ID {number}, found {found.ms_id}")
            verified = self._verify(challenge, found)
            if verified is not None:
                outcome, proof = verified
                _expect_ack((yield EAP_MSCHAPv2(op=SUCCESS, ms_id=number, message=b"S=" + proof)), SUCCESS)
                return outcome
            again = f"E=691 R={min(left, 1)} C={challenge.hex().upper()} V=3 M=authentication failure"
            request = EAP_MSCHAPv2(op=FAILURE, ms_id=number, message=again.encode())
            number = number + 1 & 0xFF if left else number
        _expect_ack((yield request), FAILURE)
        raise self.accounts.refusal(bytes(found.user), "MSCHAPv2")

    def _verify(self, challenge: bytes, found: EAP_MSCHAPv2) -> tuple[Outcome, bytes] | None:
        """The outcome and our proof; None for another password."""
        value, user = bytes(found.value), bytes(found.user)
        peer, response = value[:16], value[24:48]
        # Whether there is such a user shows in no answer: it is one with a password that nobody can type.
        known = self.accounts.find(user)
        hashed = mschap.password_hash(known) if known is not None else bytes(16)
        verified = mschap.same(mschap.nt_response(hashed, challenge, peer, bare_name(user)), response)
        if known is None or not verified:
            return None
        proof = mschap.authenticator_response(hashed, response, challenge, peer, bare_name(user))
        return Outcome(self.name, user, msk=session_key(hashed, response)), proof.hex().upper().encode()


def _expect(packet: EAP, operation: int) -> EAP_MSCHAPv2:
    found = expect(packet, EAP_MSCHAPv2)
    if found.op != operation:
        name = OPERATIONS.get(found.op, f"operation {found.op}")
        raise AuthenticationError(f"expected MSCHAPv2 {OPERATIONS[operation]}, found {name}")
    if found.ms_id is None:
        raise AuthenticationError(f"expected MSCHAPv2 {OPERATIONS[operation]}, found its acknowledgement")
    return found


def _expect_ack(packet: EAP, operation: int) -> None:
    found = expect(packet, EAP_MSCHAPv2)
    if found.op != operation:
        name = OPERATIONS.get(found.op, f"operation {found.op}")
        raise AuthenticationError(f"expected the acknowledgement of MSCHAPv2 {OPERATIONS[operation]}, found {name}")


def _failure(message: bytes) -> str:
    """A failure in words: ``E=691 (authentication failure)``."""
    found = _FAILURE.search(message)
    if found is None:
        return f"a failure without a code: {printable(message, LONGEST)}"
    code = int(found[1])
    return f"E={code} ({_CODES.get(code, 'unknown')})"
