# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: N818 -- the names say what happened
"""Every error that the toolkit raises. All derive from FynxError, and each has a stable code.

A message says what was expected and what was found. It never contains a key. It is printable, whatever a peer sent.
docs/errors.md lists the codes; it is generated from the classes and the tables in `reasons.py`.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Self

from fynx_scapy.reasons import CERTIFICATES, ENDINGS, REFUSALS
from fynx_scapy.reasons import Closing as Closing
from fynx_scapy.text import LONGEST, printable, printable_lines

_EXPECTED = re.compile(r"\bexpected (?P<expected>.+?), (?:but )?found (?P<found>.+)", re.DOTALL)
"""The form that our texts keep to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorContext:
    """What an error is about. A field that is not known is None. There is no secret in it, and it is printable."""

    spi_i: str | None = None
    """The initiator's SPI of the IKE SA, in hexadecimal."""
    spi_r: str | None = None
    """The responder's SPI of the IKE SA, in hexadecimal."""
    spi: int | None = None
    """The SPI of the ESP SA."""
    seq: int | None = None
    """The ESP sequence number."""
    exchange: str | None = None
    """The name of the exchange type, such as ``IKE_AUTH``."""
    message_id: int | None = None
    """The IKE message ID."""
    notify: int | None = None
    """The type of the Notify that refused, or that answers the peer."""
    local: str | None = None
    """Our address and port."""
    remote: str | None = None
    """The peer's address and port."""
    expected: str | None = None
    """What was expected, in words."""
    found: str | None = None
    """What was found, in words."""

    def as_dict(self) -> dict[str, str | int]:
        """What is known, ready for JSON."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}

    def __str__(self) -> str:
        return printable(", ".join(f"{name} {value}" for name, value in self.as_dict().items()))


class FynxError(Exception):
    """The base class of all errors."""

    code: str = "fynx"
    """Stable, so programs may match it. What follows a dot says more: ``peer.no-proposal-chosen`` is a ``peer``."""
    retryable: bool = False
    """Whether the same step may succeed later although nobody changes anything."""
    advice: str = "Read the text: it says what was expected and what was found."
    """What to do about it."""

    _known: Mapping[str, str | int | None] = MappingProxyType({})

    @property
    def context(self) -> ErrorContext:
        """What the error is about: SPIs, exchange, message ID, what was expected and what was found."""
        said = _EXPECTED.search(str(self))
        known: dict[str, Any] = {**(said.groupdict() if said else {}), **self._known}
        return ErrorContext(**known)

    def about(self, **context: str | int | None) -> Self:
        """Add what the error is about (the fields of `ErrorContext`), and return it.

        What is known already stays: where the error arises, more is known than where it passes.
        """
        # One dictionary, and nothing more: forged packets raise errors at any rate.
        self._known = {**context, **{name: value for name, value in self._known.items() if value is not None}}
        return self

    def as_dict(self) -> dict[str, Any]:
        """The error, ready for JSON: ``code``, ``error`` (the class), ``message``, ``retryable``, ``context``."""
        return {
            "code": self.code,
            "error": type(self).__name__,
            "message": str(self),
            "retryable": self.retryable,
            "context": self.context.as_dict(),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Not through the constructors, whose arguments differ: an error comes as it is from another process.
        return _again, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        return printable_lines(super().__str__())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({printable(' '.join(str(self).split()), LONGEST)!r})"


def _again(kind: type[FynxError], args: tuple[object, ...]) -> FynxError:
    return kind.__new__(kind, *args)


class LocalError(FynxError):
    """The caller made a mistake: a step out of order, or an argument of the wrong kind."""

    code = "local"
    advice = "Change the call as the text says."


class ConfigError(LocalError, ValueError):
    """A configuration, a name or a key has an invalid value."""

    code = "config"
    advice = "Change the setting that the text names."


class OutOfReach(LocalError):
    """Something that can be seen or changed only at an embedded peer or on a network in memory."""

    code = "out-of-reach"
    advice = "Use an embedded peer (no target), or leave the step out."


class UnexpectedError(FynxError):
    """An internal error ended an exchange; the text says where."""

    code = "unexpected"
    advice = (
        "If the text names a function of yours, look there. Else this is a bug of ours: please report it, with the "
        "text. Other SAs are not affected."
    )


class TransportError(FynxError):
    """The system cannot send a datagram or open a socket."""

    code = "transport"
    advice = "The text has the system's reason."

    @classmethod
    def of(cls, doing: str, error: Exception) -> TransportError:
        """The error for what the system, or Python, refused: ``doing`` is what we tried: ``cannot open UDP port 500``.

        A subclass if the user can do something about it, with the advice in its text.
        """
        number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
        if number is not None and number in errno.errorcode:
            reason = os.strerror(number)  # asyncio puts the address in front of it
        kind = _BY_ERRNO.get(number or 0, cls)
        return kind("; ".join(filter(None, [f"{doing}: {reason or error}", kind.hint])))

    hint: str = ""
    """What a text of this class ends with."""


class AddressInUse(TransportError):
    """Another program has the port."""

    code = "transport.address-in-use"
    hint = "another program uses this port"
    advice = "Choose another port, or end the program that has it: `ss -tulpn` lists them."


class AddressUnknown(TransportError):
    """The local address is not one of this machine."""

    code = "transport.address-unknown"
    hint = "expected an address of this machine"
    advice = "Use an address that `ip address` lists."


class NoPrivilege(TransportError):
    """The system does not allow it to this user: a port below 1024, a raw socket, or a TUN device."""

    code = "transport.no-privilege"
    hint = (
        "ports below 1024 need CAP_NET_BIND_SERVICE, raw sockets CAP_NET_RAW: choose ports above 1023, or run as root"
        " (a packet filter may also have refused)"
    )
    advice = "Use ports above 1023 and ESP in UDP, grant the capability, or run as root or in a namespace of your own."


class NoDevice(TransportError):
    """There is no TUN device: the kernel has none, or this user may not open it."""

    code = "transport.no-device"
    hint = "a TUN device needs /dev/net/tun and CAP_NET_ADMIN"
    advice = "Load the module `tun`, and run as root or in a namespace of your own."


class DeviceInUse(TransportError):
    """There is a network device with this name already."""

    code = "transport.device-in-use"
    advice = "Choose another name for the TUN device, such as `fynx%d`: the kernel then finds a number that is free."


class CommandFailed(TransportError):
    """The command ip(8) is missing, or did not do what it was asked for."""

    code = "transport.command"
    advice = "Install what the text names, or change the address, route or MTU that ip(8) did not accept."


class NoRoute(TransportError):
    """The system has no route to the peer."""

    code = "transport.no-route"
    retryable = True
    hint = "the system has no route to it"
    advice = "See `ip route get ADDRESS`. It may pass when a link comes up."


_BY_ERRNO: Mapping[int, type[TransportError]] = {
    errno.EADDRINUSE: AddressInUse,
    errno.EADDRNOTAVAIL: AddressUnknown,
    errno.EACCES: NoPrivilege,
    errno.EPERM: NoPrivilege,
    errno.ENETUNREACH: NoRoute,
    errno.EHOSTUNREACH: NoRoute,
    errno.ENETDOWN: NoRoute,
}


class QueueFull(FynxError):
    """A queue is full, and the packet was not taken. Drops are counted by reason."""

    code = "queue-full"
    retryable = True
    advice = "Send more slowly, wait until there is room, or make the queue larger."


class LabError(FynxError):
    """A lab cannot be set up or used: a program or a privilege is missing, or a peer does not answer."""

    code = "lab"
    advice = "Install what the text names; a lab needs root or user namespaces."


class PeerError(FynxError):
    """One end refused the other with an error notify (RFC 7296 section 3.10.1), or a rule was broken.

    Raised while a request is handled; the engine turns it into that Notify in one place. The code follows the notify:
    ``peer.no-proposal-chosen``. ``peer`` alone stands for a notify that the table `REFUSALS` does not have.
    """

    code = "peer"
    advice = "See the log of the peer: it knows why."

    def __init__(self, notify_type: int, data: bytes = b"", reason: str = "", *, spi: bytes = b"", protocol: int = 0):
        super().__init__(reason or f"answered with notify {notify_type}")
        self.notify_type = notify_type
        self.data = data
        self.reason = printable_lines(reason)
        self.spi = spi
        self.protocol = protocol
        self.payloads: tuple[Any, ...] = ()
        """What answers instead of the notify: EAP-Failure is the answer to an EAP response."""
        if (row := REFUSALS.get(notify_type)) is not None:
            self.code, self.retryable, _, self.advice = row
        self.about(notify=notify_type)


class AuthenticationError(FynxError):
    """The peer's AUTH does not verify, or no credential matches the peer (RFC 7296 section 2.15)."""

    code = "authentication"
    advice = (
        "Compare identities and users at both ends, then keys or passwords, character by character, or certificates "
        "and whom each end trusts."
    )


class CertificateError(AuthenticationError):
    """The peer's certificate is refused: the code says why, the text which certificate and what is wrong with it."""

    code = "certificate"
    advice = "The text says which certificate, and what is wrong with it."

    def __init__(self, fault: str, text: str, subject: str = "") -> None:
        super().__init__(text)
        self.fault = fault
        """What follows ``certificate.`` in the code."""
        self.subject = printable(subject, LONGEST)
        """The subject of the certificate that is wrong, printable. Empty where it is not known."""
        self.code, self.retryable, _, self.advice = CERTIFICATES[f"certificate.{fault}"]


class IntegrityError(FynxError):
    """An ICV does not verify (RFC 7296 section 3.14, RFC 4303 section 3.4.4)."""

    code = "integrity"
    advice = "The packet was changed on its way, was forged, or the ends have different keys. It changed nothing."


class MalformedError(FynxError):
    """Octets from outside are not in the expected format."""

    code = "malformed"
    advice = "The text says where. If a peer sent it, report it there."


class KeyExchangeError(FynxError):
    """A Diffie-Hellman public value that must be refused (RFC 6989 section 2)."""

    code = "key-exchange"
    advice = "The peer's public value is invalid: a bug there, or an attack. Use another group."


class ReplayError(FynxError):
    """A sequence number that was already received or is left of the replay window (RFC 4303 section 3.4.3)."""

    code = "replay"
    advice = "A few are normal on paths that duplicate or reorder: make `replay_window` larger if they are reordered."


class NegotiationError(FynxError):
    """The answer set up a Child SA that does not do what was asked for, without an error notify."""

    code = "negotiation"
    advice = "Compare what both ends allow: mode, addresses, traffic selectors."


class Timeout(FynxError):
    """The peer did not answer within the retransmission schedule (RFC 7296 section 2.4)."""

    code = "timeout"
    retryable = True
    advice = "Is the peer up, and do both ways let UDP through? Many peers are silent to who they do not know."


class Unreachable(Timeout):
    """ICMP says repeatedly that the peer's port or host is unreachable, and nothing else came back."""

    code = "timeout.unreachable"
    advice = "Nothing listens there: start the peer, or correct address and port (500 and 4500 by default)."


class HalfOpen(Timeout):
    """The initiator did not authenticate in time, or its place was needed for another (RFC 7296 section 2.6)."""

    code = "timeout.half-open"
    advice = "Single ones are handshakes that were given up; many of them are a flood, which cookies and ceilings stop."


class CaptureError(FynxError):
    """A capture or a key file cannot be read; the text gives the place in the file."""

    code = "capture"
    advice = "Name a pcap or pcapng file, or a key file of one of the formats in the guide."


class SessionClosed(LocalError):
    """The session has ended; the code says why. Also a LocalError: whoever uses it then is a step too late."""

    code = "closed"
    advice = "Connect anew."

    def __init__(self, text: str = "the session is closed", closing: str = "") -> None:
        super().__init__(text)
        if (row := ENDINGS.get(closing)) is not None:
            self.code, self.retryable, _, self.advice = row
