# SPDX-License-Identifier: GPL-2.0-or-later
"""Structures of 3GPP's notification data (TS 24.302 section 8.2.9, TS 24.502 section 9.2.4)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.fields import IP6Field, IPField

from fynx_scapy.errors import ConfigError
from fynx_scapy.layers.ikev2.fields import Octet, Octets, Short, SizeOf
from fynx_scapy.layers.ikev2.notify import NotifyData

# GPRS timer 3 (TS 24.008 section 10.5.7.4a): unit in the upper 3 bits -> seconds; the lower 5 bits count them
_UNITS = (600, 3600, 36000, 2, 30, 60, 320 * 3600)
_DEACTIVATED = 7


def timer_seconds(octet: int) -> int | None:
    """The seconds of a GPRS timer 3, None if it is deactivated.

    >>> timer_seconds(0x21)
    3600
    """
    unit, count = octet >> 5, octet & 0x1F
    return None if unit == _DEACTIVATED else _UNITS[unit] * count


class _Data3gpp(NotifyData):
    """What the types of 3GPP have in common: a network may name them without data."""

    least = 0


class Notify_BackoffTimer(_Data3gpp):
    """BACKOFF_TIMER and N3GPP_BACKOFF_TIMER: how long to wait before another attempt, as a GPRS timer 3."""

    name = "IKEv2 3GPP Backoff Timer"
    notify_types = (41041, 55507)
    fields_desc = [SizeOf("size", "timer"), Octet("timer", 0)]

    @property
    def seconds(self) -> int | None:
        """The time in seconds, None if the timer is deactivated."""
        return timer_seconds(self.timer or 0)

    @property
    def text(self) -> str:
        """The time for people: ``1 hour``, ``20 minutes``, ``deactivated``."""
        seconds = self.seconds
        if seconds is None:
            return "deactivated"
        size, unit = next(
            (row for row in ((3600, "hour"), (60, "minute")) if seconds and seconds % row[0] == 0), (1, "second")
        )
        count = seconds // size
        return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


class _Digits(Octets):
    """Decimal digits, two in an octet, the first in the lower half; an odd number ends with 0xF (TBCD)."""

    __slots__ = []

    def any2i(self, pkt: Any, x: Any) -> Any:
        if isinstance(x, str) and not (x.isascii() and x.isdecimal()) and x:
            raise ConfigError(f"expected decimal digits for {self.name}, found {x!r}")
        return x if isinstance(x, str) else super().any2i(pkt, x)

    def i2m(self, pkt: Any, x: Any) -> bytes:
        if not isinstance(x, str):
            return super().i2m(pkt, x)
        digits = x + "f" * (len(x) % 2)
        return bytes.fromhex("".join(digits[at + 1] + digits[at] for at in range(0, len(digits), 2)))

    def m2i(self, pkt: Any, x: bytes) -> Any:
        halves = x.hex()
        digits = "".join(halves[at + 1] + halves[at] for at in range(0, len(halves), 2))
        digits = digits.removesuffix("f")
        return digits if digits.isdecimal() else x

    def i2repr(self, pkt: Any, x: Any) -> str:
        return repr(x) if isinstance(x, str) else super().i2repr(pkt, x)


_IDENTITIES = {1: "IMEI", 2: "IMEISV"}


class Notify_DeviceIdentity(_Data3gpp):
    """DEVICE_IDENTITY: the type of identity that is asked for, or its digits: ``identity="490154203237518"``."""

    name = "IKEv2 3GPP Device Identity"
    notify_types = (41101,)
    fields_desc = [
        SizeOf("size", "identity", "H", plus=1),
        Octet("identity_type", 1),
        _Digits("identity", b"", size=lambda layer: max(0, layer.fields["size"] - 1)),
        Octets("data"),
    ]

    @property
    def text(self) -> str:
        """The identity for people: ``IMEI 490154203237518``."""
        kind = _IDENTITIES.get(self.identity_type, f"identity type {self.identity_type}")
        return f"{kind} {self.identity}" if isinstance(self.identity, str) and self.identity else kind


class Notify_3gppAddress4(_Data3gpp):
    """NAS_IP4_ADDRESS and UP_IP4_ADDRESS: an IPv4 address of the network."""

    name = "IKEv2 3GPP IPv4 Address"
    notify_types = (55502, 55504)
    fields_desc = [IPField("address", "0.0.0.0")]

    @property
    def text(self) -> str:
        """The address."""
        return str(self.address)


class Notify_3gppAddress6(_Data3gpp):
    """NAS_IP6_ADDRESS and UP_IP6_ADDRESS: an IPv6 address of the network."""

    name = "IKEv2 3GPP IPv6 Address"
    notify_types = (55503, 55505)
    fields_desc = [IP6Field("address", "::")]

    @property
    def text(self) -> str:
        """The address."""
        return str(self.address)


class Notify_NasTcpPort(_Data3gpp):
    """NAS_TCP_PORT: the TCP port for NAS messages."""

    name = "IKEv2 3GPP NAS TCP Port"
    notify_types = (55506,)
    fields_desc = [Short("port", 0)]

    @property
    def text(self) -> str:
        """The port."""
        return f"port {self.port}"


__all__ = [
    "Notify_3gppAddress4",
    "Notify_3gppAddress6",
    "Notify_BackoffTimer",
    "Notify_DeviceIdentity",
    "Notify_NasTcpPort",
]
