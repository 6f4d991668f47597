# SPDX-License-Identifier: GPL-2.0-or-later
"""Every error that leaves the toolkit: one family, each member with a stable code.

A message says what was expected and what was found. None of them ever carries a key, and its text is printable
whatever a peer has put into it.
"""

from __future__ import annotations

from fynx_scapy.text import printable_lines


class FynxError(Exception):
    """The base of the family. ``code`` is stable and may be matched by programs."""

    code = "fynx"

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class LocalError(FynxError):
    """The caller misused us: a step out of order, an argument of the wrong shape."""

    code = "local"


class ConfigError(LocalError, ValueError):
    """A configuration, a name or a key has a value that cannot be."""

    code = "config"


class OutOfReach(LocalError):  # noqa: N818 -- reads as what it says
    """Something that only an embedded peer, or a network in memory, lets one see or change."""

    code = "out-of-reach"


class UnexpectedError(FynxError):
    """A fault of ours ended an exchange in the middle; it says where. Please report it."""

    code = "unexpected"


class TransportError(FynxError):
    """The system does not carry a datagram, or gives no socket for it."""

    code = "transport"


class LabError(FynxError):
    """A lab does not stand: a program is missing, a privilege, or a peer that does not answer."""

    code = "lab"


class PeerError(FynxError):
    """The peer broke a rule, and the Notify that tells it so (RFC 7296 section 3.10.1).

    Raised while a request is handled; the engine turns it into exactly that Notify in one place.
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
    """An AUTH payload does not verify, or no credential fits the peer (RFC 7296 section 2.15)."""

    code = "authentication"


class IntegrityError(FynxError):
    """An ICV does not verify (RFC 7296 section 3.14, RFC 4303 section 3.4.4)."""

    code = "integrity"


class MalformedError(FynxError):
    """Octets from outside do not have the form that their format asks for."""

    code = "malformed"


class KeyExchangeError(FynxError):
    """A public value that must be refused (RFC 6989 section 2)."""

    code = "key-exchange"


class ReplayError(FynxError):
    """A sequence number that was seen, or that lies left of the window (RFC 4303 section 3.4.3)."""

    code = "replay"


class Timeout(FynxError):  # noqa: N818 -- the architecture's name
    """The peer did not answer within the retransmission schedule (RFC 7296 section 2.4)."""

    code = "timeout"


class CaptureError(FynxError):
    """A capture or a key file that cannot be read, with the place in the file."""

    code = "capture"
