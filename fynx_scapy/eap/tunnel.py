# SPDX-License-Identifier: GPL-2.0-or-later
"""A TLS connection over octets that somebody else carries: Python's ``ssl``, without a socket.

Keys, certificates and the key log go through files in memory (memfd_create), never through a disk, unless the user
wants a key log.
"""

from __future__ import annotations

import contextlib
import os
import resource
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from fynx_scapy.crypto import tls
from fynx_scapy.eap import alerts
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.files import AnyPath

MOST_OCTETS = 1 << 20
"""Octets of one flight that are taken (RFC 5216 section 2.1.5 wants a limit)."""
ONE_IN = 4
"""All TLS connections together are at most one in so many of the file descriptors that the process may have."""
_LEGACY_SERVER = 0x4
"""SSL_OP_LEGACY_SERVER_CONNECT, which Python has a name for from 3.12 on."""
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """One end of a TLS connection: PEM, as octets. The repr shows no key."""

    certificates: bytes = field(default=b"", repr=False)
    """Our certificate and those above it; empty for none (a client of TTLS has none)."""
    key: bytes = field(default=b"", repr=False)
    """Its private key, not encrypted."""
    anchors: bytes = field(default=b"", repr=False)
    """Whom we trust, with their CRLs; empty for nobody: then the other end is not asked for a certificate, and a
    client's server is not verified."""
    check_crls: bool = False
    minimum: str = "1.2"
    maximum: str = "1.3"
    accept: Callable[[bytes], None] | None = None
    """What a client asks of the server's certificate (DER) once its chain verifies; AuthenticationError refuses it."""
    key_log: AnyPath = ""
    """A file to which the secrets of each connection are added (SSLKEYLOGFILE, mode 600); empty for none: whoever has
    it can read what TLS protects."""
    tap: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    """Changes the data that we send inside TLS (AVPs, the success indication of TLS 1.3), before they are protected."""

    def __post_init__(self) -> None:
        for name in ("minimum", "maximum"):
            if getattr(self, name) not in _VERSIONS:
                raise ConfigError(f"expected a TLS version ({', '.join(_VERSIONS)}), found {getattr(self, name)!r}")
        if self.minimum > self.maximum:
            raise ConfigError(f"expected TLS versions in order, found {self.minimum} to {self.maximum}")
        if self.key_log:
            append(self.key_log, b"")
        with key_log() as log:
            self.context(server=False, log=log)  # what cannot be used is said before anything is sent

    def context(self, *, server: bool, log: str) -> ssl.SSLContext:
        """A context of this end that writes its key log to a file; ConfigError for what OpenSSL does not take."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.minimum_version, context.maximum_version = _VERSIONS[self.minimum], _VERSIONS[self.maximum]
        context.keylog_filename = log
        # EAP never renegotiates, so that a server without RFC 5746 (strongSwan's) is no danger.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | _LEGACY_SERVER
        if server:
            context.num_tickets = 0
        try:
            if self.certificates:
                with _memory_file(self.certificates + b"\n" + self.key) as path:
                    context.load_cert_chain(path)
            if self.anchors:
                with _memory_file(self.anchors) as path:
                    context.load_verify_locations(path)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"expected a certificate and a key that TLS takes, found {alerts.plain(error)}") from None
        context.verify_mode = ssl.CERT_REQUIRED if self.anchors else ssl.CERT_NONE
        if self.check_crls:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


class TunnelError(AuthenticationError):
    """TLS has failed, at either end."""


class Room(Protocol):
    """Makes room for the TLS connection of a peer, at the cost of peers that have more of them."""

    def make(self) -> bool:
        """Give up another connection (`Tunnel.give_up`); False if none has to give way."""

    def enter(self, tunnel: Tunnel) -> None:
        """Count a connection until it is closed."""

    def leave(self, tunnel: Tunnel) -> None:
        """Count it no longer. May be called by the garbage collector, at any time and in any thread."""


class Tunnel:
    """A TLS connection of one end. TunnelError when the process has no room for one more.

    Each holds two file descriptors until it is closed. A stranger can begin many and end none, so all of them together
    take at most half of the descriptors that the process may have. Beyond that, a connection takes the place of one
    that gives way in its ``room``.
    """

    _open: ClassVar[set[int]] = set()
    _log = -1
    _context: ssl.SSLContext | None = None
    _room: Room | None = None
    _given_up = False

    def __init__(self, config: TlsConfig, *, server: bool, room: Room | None = None) -> None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // ONE_IN  # negative for no limit
        if 0 <= most <= len(self._open) and not (room is not None and room.make()):
            raise TunnelError(f"expected fewer TLS connections at a time, found {len(self._open)} that have not ended")
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._log = os.memfd_create("tls-key-log")
            self._open.add(self._log)
            self._context = config.context(server=server, log=f"/proc/self/fd/{self._log}")
        except (OSError, ConfigError) as error:  # the configuration was good when it was made
            self.close()
            raise TunnelError(f"expected room for a TLS connection, found {_why(error)}") from None
        if room is not None:
            self._room = room
            room.enter(self)
        self._tls = self._context.wrap_bio(self._in, self._out, server_side=server)
        self._server = server
        self._config, self._logged = config, 0
        self._seen: dict[bool, bytes] = {True: b"", False: b""}
        self.done = False
        """Whether the handshake is over, on our side."""
        self.error: TunnelError | None = None
        """Why it failed. There may be an alert to send nevertheless."""

    def take(self, flight: bytes) -> bytes:
        """Go on with what the other end has sent; returns what to send, or nothing. See ``done`` and ``error``.

        AuthenticationError where the server is another one than we want.
        """
        self._check_held()
        self._remember(flight, ours=False)
        self._in.write(flight)
        if not self.done:
            try:
                self._tls.do_handshake()
                self.done = True
                self._check()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                self.error = TunnelError(f"expected the TLS handshake to succeed, found {self._failure(error)}")
            self._keep()
        return self._flush()

    def _failure(self, error: ssl.SSLError) -> str:
        low, high = self._config.minimum, self._config.maximum
        return alerts.failure(error, low if low == high else f"{low} to {high}")

    def _check(self) -> None:
        """AuthenticationError for a server whose certificate is good, but not that of the server that we want."""
        if self._config.accept is not None and not self._server:
            self._config.accept(self.certificate)

    def write(self, data: bytes) -> bytes:
        """The octets that carry data to the other end, protected."""
        self._check_held()
        self._tls.write(data if self._config.tap is None else self._config.tap(data))
        return self._flush()

    def read(self) -> bytes:
        """The data that has arrived, or nothing. TunnelError for any alert, and for what does not verify."""
        self._check_held()
        made = b""
        try:
            while len(made) < MOST_OCTETS:
                chunk = self._tls.read(1 << 14)
                if not chunk:
                    if made:
                        break
                    raise TunnelError("expected protected data, found the end of the TLS connection (close_notify)")
                made += chunk
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise TunnelError(f"expected protected data, found {self._failure(error)}") from None
        return made

    @property
    def version(self) -> str:
        """The version in use, such as ``TLSv1.3``."""
        return self._tls.version() or ""

    @property
    def certificate(self) -> bytes:
        """The other end's certificate in DER; empty for none."""
        return self._tls.getpeercert(binary_form=True) or b""

    def export(self, label: bytes, context: bytes, size: int) -> bytes:
        """Keying material (RFC 5705) from the key log, which is closed."""
        self._check_held()
        text = os.pread(self._log, 1 << 16, 0).decode()
        client, server = tls.read_hello(self._seen[not self._server]), tls.read_hello(self._seen[self._server])
        if client is None or server is None:
            raise AuthenticationError("expected both hellos of TLS, found one")
        secrets = tls.read_key_log(text).get(client.random)
        if secrets is None:
            raise AuthenticationError("expected the secrets of the TLS connection in its key log, found none")
        return tls.export(secrets, client, server, label, context, size)

    def close(self) -> None:
        """Drop the key log: our descriptor, and that of OpenSSL, which is the context's."""
        if self._context is not None:
            self._context.keylog_filename = None  # type: ignore[assignment]  # closes it
            self._context = None
        if self._log >= 0:
            self._open.discard(self._log)
            os.close(self._log)
            self._log = -1
        if self._room is not None:
            self._room.leave(self)
            self._room = None

    def give_up(self) -> None:
        """Close it in favour of another one: its conversation fails with TunnelError once it goes on."""
        self._given_up = True
        self.close()

    def _check_held(self) -> None:
        if self._given_up:
            raise TunnelError(
                "expected room for the TLS connection until its end, but its source had the most of them, and it gave "
                "way to another source's"
            )

    def __del__(self) -> None:
        self.close()

    def _keep(self) -> None:
        """Add to the user's key log what is new in ours. TunnelError when it cannot be written."""
        if self._config.key_log and (fresh := os.pread(self._log, 1 << 16, self._logged)):
            self._logged += len(fresh)
            try:
                append(self._config.key_log, fresh)
            except ConfigError as error:
                raise TunnelError(str(error)) from None

    def _flush(self) -> bytes:
        made = self._out.read()
        self._remember(made, ours=True)
        return made

    def _remember(self, octets: bytes, *, ours: bool) -> None:
        """The beginning of what each end sends: its hello is there."""
        if len(self._seen[ours]) < 1 << 14:
            self._seen[ours] += octets


def _why(error: OSError | ConfigError) -> str:
    return alerts.plain(error) if isinstance(error, OSError) else str(error)


@contextlib.contextmanager
def _memory_file(octets: bytes) -> Iterator[str]:
    handle = os.memfd_create("tls")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(octets)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def append(path: AnyPath, octets: bytes) -> None:
    """Add octets to a file that only its owner may read. ConfigError when it cannot be written, or only by waiting."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(octets)
    except OSError as error:
        raise ConfigError(f"expected a TLS key log that can be written, found {path}: {error.strerror}") from None


def key_log() -> contextlib.AbstractContextManager[str]:
    """The path of an empty file in memory, as long as it is held."""
    return _memory_file(b"")
