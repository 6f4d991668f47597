# SPDX-License-Identifier: GPL-2.0-or-later
"""What both ends of AKA have: a USIM, and the subscribers of its home network (3GPP TS 33.102 section 6.3).

Both remember sequence numbers, so they are no values: each is one card, or one subscriber. No repr shows a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fynx_scapy.crypto.milenage import AMF, SQN, Milenage, Vector
from fynx_scapy.eap.method import check_text
from fynx_scapy.errors import ConfigError

LARGEST_SQN = (1 << 8 * SQN) - 1
_STEP = 1 << 5
"""A subscriber's numbers grow by so much: many USIMs take the lower 5 bits as an index (annex C)."""
DEFAULT_AMF = b"\x80\0"
"""The separation bit alone: the vector is for EPS, or for EAP-AKA' (RFC 9048 section 3.3)."""
MOST_SUBSCRIBERS = 1 << 20
LONGEST_IDENTITY = 255 * 4 - 4
"""Octets of an identity in AT_IDENTITY (RFC 4187 section 8.1)."""


class NotAcceptedError(Exception):
    """AUTN does not come from the home network."""


class OutOfOrderError(Exception):
    """The sequence number of AUTN is not higher than one before."""

    def __init__(self, auts: bytes) -> None:
        super().__init__("the sequence number has been used before")
        self.auts = auts
        """What tells the home network the right one."""


@dataclass(slots=True, eq=False)
class Usim:
    """A USIM. ``sqn`` is the highest sequence number that it has accepted. ConfigError for wrong sizes."""

    k: bytes | str = field(repr=False)
    """The key K, 16 octets or hex digits."""
    opc: bytes | str = field(repr=False)
    """The operator's value OPc, likewise."""
    sqn: int = 0
    _functions: Milenage = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._functions = Milenage(_octets("K", self.k), _octets("OPc", self.opc))
        _check(self.sqn)

    def answer(self, rand: bytes, autn: bytes) -> Vector:
        """RES, CK and IK for a challenge of the home network. NotAcceptedError and OutOfOrderError for others."""
        found = self._functions.verify(rand, autn)
        if found is None:
            raise NotAcceptedError("expected AUTN of the home network, but its MAC does not verify")
        vector, sqn = found
        if sqn <= self.sqn:
            raise OutOfOrderError(self._functions.auts(rand, self.sqn))
        self.sqn = sqn
        return vector


@dataclass(slots=True, eq=False)
class Subscriber:
    """A subscriber, as the home network has it. ``sqn`` is the last sequence number that it has used."""

    k: bytes | str = field(repr=False)
    opc: bytes | str = field(repr=False)
    sqn: int = 0
    amf: bytes = DEFAULT_AMF
    _functions: Milenage = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._functions = Milenage(_octets("K", self.k), _octets("OPc", self.opc))
        _check(self.sqn)
        if not isinstance(self.amf, bytes) or len(self.amf) != AMF:
            raise ConfigError(f"expected AMF as {AMF} octets, found {self.amf!r}")

    def vector(self, rand: bytes) -> Vector:
        """A vector with the next sequence number. ConfigError once there is none left."""
        if self.sqn + _STEP > LARGEST_SQN:
            raise ConfigError(f"expected a sequence number below {LARGEST_SQN}, found {self.sqn}: it cannot grow")
        self.sqn += _STEP
        return self._functions.vector(rand, self.sqn, self.amf)

    def resynchronise(self, rand: bytes, auts: bytes) -> bool:
        """Go on from the USIM's sequence number; False, and no change, if AUTS does not verify.

        A lower number than ours changes nothing: our next one is what the USIM takes. Going back would repeat numbers
        of challenges that are under way, or that the USIM has accepted since (RFC 4187 section 3).
        """
        found = self._functions.resynchronise(rand, auts)
        if found is None:
            return False
        self.sqn = max(self.sqn, found)
        return True


@dataclass(frozen=True, slots=True, init=False)
class Subscribers:
    """Identities and their subscribers. ConfigError for an empty identity, and for what is no subscriber."""

    known: Mapping[bytes, Subscriber] = field(repr=False)

    def __init__(self, known: Mapping[str, Subscriber] | Subscribers) -> None:
        if isinstance(known, Subscribers):
            object.__setattr__(self, "known", known.known)
            return
        found: dict[bytes, Subscriber] = {}
        for identity, subscriber in known.items():
            if not (isinstance(identity, str) and identity and isinstance(subscriber, Subscriber)):
                kinds = f"{type(identity).__name__} and {type(subscriber).__name__}"
                raise ConfigError(f"expected identities, not empty, and a Subscriber for each, found {kinds}")
            check_text(identity=identity)
            found[identity.encode()] = subscriber
        if not 0 < len(found) <= MOST_SUBSCRIBERS:
            raise ConfigError(f"expected 1 to {MOST_SUBSCRIBERS} subscribers, found {len(found)}")
        object.__setattr__(self, "known", found)

    def find(self, identity: bytes) -> Subscriber | None:
        """The subscriber with this identity; None when there is none."""
        return self.known.get(identity)


def _octets(name: str, value: bytes | str) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else value
    except ValueError:
        raise ConfigError(f"expected {name} as octets or hex digits, found other characters") from None


def _check(sqn: int) -> None:
    if not isinstance(sqn, int) or not 0 <= sqn <= LARGEST_SQN:
        raise ConfigError(f"expected a sequence number from 0 to {LARGEST_SQN}, found {sqn!r}")
