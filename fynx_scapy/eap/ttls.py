# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-TTLS: the server proves who it is by TLS, the peer inside it, by EAP or by a password (RFC 5281, RFC 9427)."""

from __future__ import annotations

import hmac
from collections.abc import Generator
from dataclasses import dataclass, field

from scapy.layers.eap import EAP, EAP_TTLS

from fynx_scapy.eap import mschap, packets
from fynx_scapy.eap.accounts import Accounts
from fynx_scapy.eap.avps import (
    EAP_MESSAGE,
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP2_SUCCESS,
    MS_CHAP_CHALLENGE,
    MS_CHAP_ERROR,
    USER_NAME,
    USER_PASSWORD,
    Avp,
    first,
    pack,
    understand,
    unpack,
)
from fynx_scapy.eap.flights import FRAGMENT, Flights, check_fragment, is_start
from fynx_scapy.eap.method import Outcome, PeerMethod, PeerSteps, Run, ServerMethod, ServerSteps, check_text, expect
from fynx_scapy.eap.mschapv2 import bare_name
from fynx_scapy.eap.peer import EapPeer
from fynx_scapy.eap.server import EapServer
from fynx_scapy.eap.tls import TTLS as TYPE
from fynx_scapy.eap.tls import climb, key_material
from fynx_scapy.eap.tunnel import TlsConfig, Tunnel, TunnelError
from fynx_scapy.errors import AuthenticationError, ConfigError

PAP, MSCHAPV2 = "pap", "mschapv2"
PLAIN = (PAP, MSCHAPV2)
"""What a password is sent by, without EAP inside (RFC 5281 sections 11.2.4 and 11.2.5)."""
_CHALLENGE = b"ttls challenge"
_BLOCK = 16
"""A password of PAP is padded to a multiple of that."""
_FROM_CLIENT = (
    (EAP_MESSAGE, 0), (USER_NAME, 0), (USER_PASSWORD, 0), (MS_CHAP_CHALLENGE, MICROSOFT),
    (MS_CHAP2_RESPONSE, MICROSOFT),
)  # fmt: skip
_FROM_SERVER = ((EAP_MESSAGE, 0), (MS_CHAP2_SUCCESS, MICROSOFT), (MS_CHAP_ERROR, MICROSOFT))


def _outcome(tunnel: Tunnel, identity: bytes) -> Outcome:
    """RFC 5281 section 8; with TLS 1.3 RFC 9427 section 2.1."""
    keys = key_material(tunnel, TYPE)
    return Outcome("TTLS", identity, msk=keys[:64], emsk=keys[64:], certificate=tunnel.certificate)


@dataclass(frozen=True, slots=True)
class TtlsPeer(PeerMethod):
    """EAP-TTLS as the peer."""

    name = "TTLS"
    type = TYPE

    config: TlsConfig
    user: str
    password: str = field(repr=False, default="")
    inner: PeerMethod | tuple[PeerMethod, ...] | str = PAP
    """An EAP method inside the tunnel, several of which the server chooses one, or how to send the password."""
    fragment: int = FRAGMENT

    @property
    def safe(self) -> bool:  # type: ignore[override]
        """Only where the server is verified."""
        return bool(self.config.anchors)

    def __post_init__(self) -> None:
        check_fragment(self.fragment)
        check_text(user=self.user, password=self.password)
        if not self._methods and self.inner not in PLAIN:
            raise ConfigError(
                f"expected an EAP method inside EAP-TTLS or one of {', '.join(PLAIN)}, found {self.inner!r}"
            )
        if self.inner == MSCHAPV2:
            mschap.check_length(self.password)

    @property
    def _methods(self) -> tuple[PeerMethod, ...]:
        """The EAP methods inside the tunnel; none where the password goes without EAP."""
        inner = self.inner if isinstance(self.inner, tuple) else (self.inner,)
        return tuple(each for each in inner if isinstance(each, PeerMethod))

    def respond(self, run: Run, request: EAP) -> PeerSteps:
        """Start  -->  ...  -->  AVPs, until EAP-Success."""
        if not is_start(expect(request, EAP_TTLS)):
            raise AuthenticationError("expected EAP-TTLS to begin with its start, found another packet")
        flights, tunnel = Flights(EAP_TTLS, EAP.RESPONSE, self.fragment), Tunnel(self.config, server=False)
        try:
            last = yield from climb(run, flights, tunnel, tunnel.take(b""))
            if self._methods:
                yield from self._eap(run, flights, tunnel, last)
            elif self.inner == PAP:
                yield from self._pap(run, flights, tunnel, last)
            else:
                yield from self._mschapv2(run, flights, tunnel, last)
        except TunnelError as error:
            run.error = error
            yield from flights.exchange(b"")
        finally:
            tunnel.close()

    def _eap(self, run: Run, flights: Flights, tunnel: Tunnel, last: bytes) -> PeerSteps:
        """Section 11.2.1: "The client initiates EAP by tunneling EAP-Response/Identity"."""
        user = self.user.encode()
        talk = EapPeer(user, self._methods, run.octets, run.told)
        response: EAP | None = packets.identity_response(user)
        while True:
            flight = b"" if response is None else tunnel.write(pack(Avp(EAP_MESSAGE, bytes(response))))
            tunnel.take((yield from flights.exchange(last + flight)))
            last, response = b"", None
            found = unpack(tunnel.read())
            understand(found, _FROM_SERVER)
            if (message := first(found, EAP_MESSAGE)) is not None:
                response = talk.receive(message)
                if talk.ready is not None:
                    run.outcome = _outcome(tunnel, user)

    def _pap(self, run: Run, flights: Flights, tunnel: Tunnel, last: bytes) -> PeerSteps:
        """Section 11.2.5: the password, "null-pad to a multiple of 16 octets"."""
        password, user = self.password.encode(), self.user.encode()
        padded = password + bytes(-len(password) % _BLOCK)
        run.outcome = _outcome(tunnel, user)
        flight = tunnel.write(pack(Avp(USER_NAME, user), Avp(USER_PASSWORD, padded)))
        yield from flights.exchange(last + flight)

    def _mschapv2(self, run: Run, flights: Flights, tunnel: Tunnel, last: bytes) -> PeerSteps:
        """Section 11.2.4: the challenge is of the tunnel, so that nobody chooses it."""
        user, hashed = self.user.encode(), mschap.password_hash(self.password)
        material = tunnel.export(_CHALLENGE, b"", 17)
        challenge, ident, ours = material[:16], material[16:], run.octets(16)
        response = mschap.nt_response(hashed, challenge, ours, bare_name(user))
        flight = tunnel.write(
            pack(
                Avp(USER_NAME, user),
                Avp(MS_CHAP_CHALLENGE, challenge, MICROSOFT),
                Avp(MS_CHAP2_RESPONSE, ident + b"\0" + ours + bytes(8) + response, MICROSOFT),
            )
        )
        tunnel.take((yield from flights.exchange(last + flight)))
        found = unpack(tunnel.read())
        understand(found, _FROM_SERVER)
        proof = first(found, MS_CHAP2_SUCCESS, MICROSOFT)
        if proof is None:
            raise AuthenticationError("expected MSCHAPv2 inside EAP-TTLS to succeed, found no MS-CHAP2-Success")
        wanted = mschap.authenticator_response(hashed, response, challenge, ours, bare_name(user))
        if not hmac.compare_digest(proof[1:43], b"S=" + wanted.hex().upper().encode()):
            raise AuthenticationError("expected the server to know the password, but its response does not verify")
        run.outcome = _outcome(tunnel, user)
        yield from flights.exchange(b"")


@dataclass(frozen=True, slots=True)
class TtlsServer(ServerMethod):
    """EAP-TTLS as the server: the client chooses among the EAP methods and the ways to send a password."""

    name = "TTLS"
    type = TYPE
    safe = True

    config: TlsConfig
    methods: tuple[ServerMethod, ...] = ()
    """The EAP methods inside the tunnel."""
    accounts: Accounts | None = None
    """Whose passwords may come without EAP inside; None for nobody's."""
    fragment: int = FRAGMENT

    def __post_init__(self) -> None:
        check_fragment(self.fragment)

    def challenge(self, run: Run) -> ServerSteps:
        """Start  -->  ...  -->  AVPs."""
        flights, tunnel = Flights(EAP_TTLS, EAP.REQUEST, self.fragment), Tunnel(self.config, server=True, room=run.room)
        try:
            last = yield from climb(run, flights, tunnel, b"", start=True)
            data = tunnel.read()  # TLS 1.3: the client may send it with its Finished
            if not data:
                tunnel.take((yield from flights.exchange(last)))
                data = tunnel.read()
            found = unpack(data)
            understand(found, _FROM_CLIENT)
            if (message := first(found, EAP_MESSAGE)) is not None:
                identity = yield from self._eap(run, flights, tunnel, message)
            elif self.accounts is None:
                raise AuthenticationError("expected EAP inside EAP-TTLS, found none")
            elif (password := first(found, USER_PASSWORD)) is not None:
                identity = self._pap(self.accounts, found, password)
            else:
                identity = yield from self._mschapv2(self.accounts, flights, tunnel, found)
            return _outcome(tunnel, identity)
        finally:
            tunnel.close()

    def _eap(self, run: Run, flights: Flights, tunnel: Tunnel, message: bytes) -> Generator[EAP, EAP, bytes]:
        """EAP inside; the first message is the client's identity, which nobody has asked for."""
        packet = packets.read(message)
        if packets.code_of(packet) != EAP.RESPONSE or packets.type_of(packet) != packets.IDENTITY:
            raise AuthenticationError(
                "expected EAP inside EAP-TTLS to begin with a response Identity, found another packet"
            )
        talk = EapServer(self.methods, run.octets, packets.data_of(packet))
        request = talk.begin()
        while True:
            tunnel.take((yield from flights.exchange(tunnel.write(pack(Avp(EAP_MESSAGE, bytes(request)))))))
            found = unpack(tunnel.read())
            understand(found, _FROM_CLIENT)
            response = first(found, EAP_MESSAGE)
            if response is None:
                raise AuthenticationError("expected EAP inside EAP-TTLS to go on, found none")
            request = talk.receive(response)
            if talk.error is not None:
                raise talk.error
            if talk.outcome is not None:
                return talk.outcome.identity

    def _pap(self, accounts: Accounts, found: list[Avp], password: bytes) -> bytes:
        user = first(found, USER_NAME) or b""
        if not hmac.compare_digest(accounts.password(user).encode(), password.rstrip(b"\0")):
            raise AuthenticationError("expected the password of the user, found another one")
        return user

    def _mschapv2(
        self, accounts: Accounts, flights: Flights, tunnel: Tunnel, found: list[Avp]
    ) -> Generator[EAP, EAP, bytes]:
        user, challenge = first(found, USER_NAME) or b"", first(found, MS_CHAP_CHALLENGE, MICROSOFT)
        value = first(found, MS_CHAP2_RESPONSE, MICROSOFT)
        material = tunnel.export(_CHALLENGE, b"", 17)
        if value is None or len(value) != 50 or challenge is None:
            raise AuthenticationError("expected a password inside EAP-TTLS by EAP, PAP or MSCHAPv2, found none of them")
        if not hmac.compare_digest(challenge + value[:1], material):
            raise AuthenticationError("expected the challenge of the tunnel in MSCHAPv2, found another one")
        peer, response = value[2:18], value[26:50]
        try:
            hashed = mschap.password_hash(accounts.password(user))
        except ConfigError as error:  # with PAP it is a good one
            raise AuthenticationError(str(error)) from None
        if not mschap.same(mschap.nt_response(hashed, challenge, peer, bare_name(user)), response):
            raise accounts.refusal(user, "MSCHAPv2")
        proof = mschap.authenticator_response(hashed, response, challenge, peer, bare_name(user))
        text = value[:1] + b"S=" + proof.hex().upper().encode()
        tunnel.take((yield from flights.exchange(tunnel.write(pack(Avp(MS_CHAP2_SUCCESS, text, MICROSOFT))))))
        if tunnel.read():
            raise AuthenticationError("expected an empty packet after MS-CHAP2-Success, found data")
        return user
