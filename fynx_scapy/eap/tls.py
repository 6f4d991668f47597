# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-TLS: both ends prove who they are by certificates (RFC 5216 with TLS 1.2, RFC 9190 with TLS 1.3)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from scapy.layers.eap import EAP, EAP_TLS

from fynx_scapy.crypto.tls import TLS13, Hello, Secrets, export
from fynx_scapy.eap.flights import FRAGMENT, Flights, check_fragment, is_start
from fynx_scapy.eap.method import Outcome, PeerMethod, PeerSteps, Run, ServerMethod, ServerSteps, expect
from fynx_scapy.eap.tunnel import TlsConfig, Tunnel, TunnelError
from fynx_scapy.errors import AuthenticationError, ConfigError

TYPE = 13
_SUCCESS = b"\0"
"""The protected success indication of TLS 1.3 (RFC 9190 section 2.5)."""


TTLS = 21
NAMES = {TYPE: "EAP-TLS", TTLS: "EAP-TTLS"}
_LABELS = {TYPE: b"client EAP encryption", TTLS: b"ttls keying material"}
_MATERIAL = 128
"""Octets of MSK and EMSK, the half of it each."""


def key_material(tunnel: Tunnel, kind: int = TYPE) -> bytes:
    """MSK and EMSK, 64 octets each (RFC 5216 section 2.3, RFC 5281 section 8, RFC 9190 section 2.3)."""
    return tunnel.export(*_label(kind, tunnel.version == "TLSv1.3"), _MATERIAL)


def msk(kind: int, secrets: Secrets, client: Hello, server: Hello) -> bytes:
    """The MSK of a connection of which the secrets and both hellos are known. ConfigError when a secret is missing."""
    return export(secrets, client, server, *_label(kind, server.version >= TLS13), _MATERIAL)[: _MATERIAL // 2]


def _label(kind: int, tls13: bool) -> tuple[bytes, bytes]:
    """Label and context of what is exported; with TLS 1.3 as RFC 9427 section 2.1 has it for all methods."""
    return (b"EXPORTER_EAP_TLS_Key_Material", bytes([kind])) if tls13 else (_LABELS[kind], b"")


@dataclass(frozen=True, slots=True)
class TlsPeer(PeerMethod):
    """EAP-TLS as the peer."""

    name = "TLS"
    type = TYPE

    config: TlsConfig
    fragment: int = FRAGMENT

    def __post_init__(self) -> None:
        check_fragment(self.fragment)

    @property
    def safe(self) -> bool:  # type: ignore[override]
        """Only where the server is verified."""
        return bool(self.config.anchors)

    def respond(self, run: Run, request: EAP) -> PeerSteps:
        """Start  -->  ClientHello  -->  ...  -->  an empty response to the last flight of the server."""
        if not is_start(expect(request, EAP_TLS)):
            raise AuthenticationError("expected EAP-TLS to begin with its start, found another packet")
        flights, tunnel = Flights(EAP_TLS, EAP.RESPONSE, self.fragment), Tunnel(self.config, server=False)
        try:
            last = yield from climb(run, flights, tunnel, tunnel.take(b""))
            if tunnel.version == "TLSv1.3":
                # Our Finished, then what the server likes to send before its success indication.
                said = b""
                while not said:
                    received = yield from flights.exchange(last)
                    tunnel.take(received)
                    last, said = b"", tunnel.read()
                    if not received:
                        raise AuthenticationError("expected the success indication of EAP-TLS, found an empty packet")
                if said != _SUCCESS:
                    raise AuthenticationError("expected the success indication of EAP-TLS, found other data")
            keys = key_material(tunnel)
            run.outcome = Outcome(
                self.name, run.identity, msk=keys[:64], emsk=keys[64:], certificate=tunnel.certificate
            )
            yield from flights.exchange(last)
        except TunnelError as error:
            # The server ends it by EAP-Failure, once it has had its answer.
            run.error = error
            yield from flights.exchange(b"")
        finally:
            tunnel.close()


@dataclass(frozen=True, slots=True)
class TlsServer(ServerMethod):
    """EAP-TLS as the server. ConfigError where nobody is trusted: then no peer would have to show a certificate."""

    name = "TLS"
    type = TYPE
    safe = True

    config: TlsConfig
    fragment: int = FRAGMENT

    def __post_init__(self) -> None:
        check_fragment(self.fragment)
        if not self.config.anchors:
            raise ConfigError("expected trusted certificates for the peers of EAP-TLS, found none")

    def challenge(self, run: Run) -> ServerSteps:
        """Start  -->  ClientHello  -->  ...  -->  the last flight and an empty response."""
        flights, tunnel = Flights(EAP_TLS, EAP.REQUEST, self.fragment), Tunnel(self.config, server=True, room=run.room)
        try:
            last = yield from climb(run, flights, tunnel, b"", start=True)
            if tunnel.version == "TLSv1.3":
                last += tunnel.write(_SUCCESS)
            rest = yield from flights.exchange(last)
            if rest:
                tunnel.take(rest)
                tunnel.read()
                raise AuthenticationError("expected an empty response after the TLS handshake, found data")
            keys = key_material(tunnel)
            return Outcome(self.name, run.identity, msk=keys[:64], emsk=keys[64:], certificate=tunnel.certificate)
        finally:
            tunnel.close()


def climb(
    run: Run, flights: Flights, tunnel: Tunnel, flight: bytes, *, start: bool = False
) -> Generator[EAP, EAP, bytes]:
    """The TLS handshake, flight by flight; returns what is left to send at its end.

    TunnelError when it fails; if we know it first, the alert has been sent.
    """
    while not tunnel.done:
        received = yield from flights.exchange(flight, start=start)
        start = False
        flight = tunnel.take(received)
        if tunnel.error is not None:
            run.error = tunnel.error  # what answers an alert is EAP-Failure
            if flight:
                yield from flights.exchange(flight)
            raise tunnel.error
        if not flight and not tunnel.done and not received:
            raise AuthenticationError("expected the TLS handshake to go on, found an empty packet")
    return flight
