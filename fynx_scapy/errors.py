# SPDX-License-Identifier: GPL-2.0-or-later
"""Every error that the toolkit raises. All derive from FynxError, and each has a stable code.

A message says what was expected and what was found. It never contains a key. It is printable, whatever a peer sent.
"""

from __future__ import annotations

from fynx_scapy.text import LONGEST, printable, printable_lines


class FynxError(Exception):
    """The base class. ``code`` is stable, so programs may match it."""

    code = "fynx"

    def __str__(self) -> str:
        return printable_lines(super().__str__())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({printable(' '.join(str(self).split()), LONGEST)!r})"


class LocalError(FynxError):
    """The caller made a mistake: a step out of order, or an argument of the wrong kind."""

    code = "local"


class ConfigError(LocalError, ValueError):
    """A configuration, a name or a key has an invalid value."""

    code = "config"


class OutOfReach(LocalError):  # noqa: N818 -- the name says what happened
    """Something that can be seen or changed only at an embedded peer or on a network in memory."""

    code = "out-of-reach"


class UnexpectedError(FynxError):
    """An internal error ended an exchange; the text says where. Please report it."""

    code = "unexpected"


class TransportError(FynxError):
    """The system cannot send a datagram or open a socket."""

    code = "transport"


class LabError(FynxError):
    """A lab cannot be set up or used: a program or a privilege is missing, or a peer does not answer."""

    code = "lab"


class PeerError(FynxError):
    """The peer broke a rule. Carries the Notify that answers it (RFC 7296 section 3.10.1).

    Raised while a request is handled; the engine turns it into that Notify in one place.
    """

    code = "peer"

    def __init__(self, notify_type: int, data: bytes = b"", reason: str = "", *, spi: bytes = b"", protocol: int = 0):
        super().__init__(reason or f"answered with notify {notify_type}")
        self.notify_type = notify_type
        self.data = data
        self.reason = printable_lines(reason)
        self.spi = spi
        self.protocol = protocol


class AuthenticationError(FynxError):
    """An AUTH payload does not verify, or no credential matches the peer (RFC 7296 section 2.15)."""

    code = "authentication"


class IntegrityError(FynxError):
    """An ICV does not verify (RFC 7296 section 3.14, RFC 4303 section 3.4.4)."""

    code = "integrity"


class MalformedError(FynxError):
    """Octets from outside are not in the expected format."""

    code = "malformed"


class KeyExchangeError(FynxError):
    """A Diffie-Hellman public value that must be refused (RFC 6989 section 2)."""

    code = "key-exchange"


class ReplayError(FynxError):
    """A sequence number that was already received or is left of the replay window (RFC 4303 section 3.4.3)."""

    code = "replay"


class Timeout(FynxError):  # noqa: N818 -- the name that the architecture gives it
    """The peer did not answer within the retransmission schedule (RFC 7296 section 2.4)."""

    code = "timeout"


class CaptureError(FynxError):
    """A capture or a key file cannot be read; the text gives the place in the file."""

    code = "capture"
