# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of key exchange methods, their lookup by transform ID, and their comparison by strength."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ClassVar

from fynx_scapy.crypto.transforms import Algorithm, find, register
from fynx_scapy.errors import ConfigError, KeyExchangeError
from fynx_scapy.iana import KeMethod, TransformType

Random = Callable[[int], bytes]  # number of octets -> random octets
Shared = Callable[[bytes], bytes]


class PrivateKey:
    """Our half of a key exchange: ``public`` goes into the KE payload, :meth:`shared` takes the peer's public value."""

    __slots__ = ("_shared", "method", "public")

    def __init__(self, method: KeyExchange, public: bytes, shared: Shared):
        self.method = method
        self.public = public
        self._shared = shared

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.method.name}>"

    def shared(self, peer_public: bytes) -> bytes:
        """The shared secret, from the peer's public value (with a KEM: its ciphertext). Raises KeyExchangeError."""
        expected = self.method.answer_size
        if len(peer_public) != expected:
            raise KeyExchangeError(
                f"expected {expected} octets of {self.method.name} key exchange data, found {len(peer_public)}"
            )
        return self._shared(peer_public)


class KeyExchange(Algorithm):
    """A key exchange method; ``public_size`` and ``answer_size`` are the octets of KE data of initiator and responder.

    With a KEM (``kem``) the initiator generates and the responder encapsulates; otherwise both generate. ``strength``
    is in bits, 0 if unknown; `is_weaker` compares.
    """

    type = TransformType.KE
    kem: ClassVar[bool] = False
    strength: ClassVar[int] = 0
    public_size: int
    private_size: int

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def shared_size(self) -> int:
        """Octets of the shared secret."""
        return self.public_size

    @property
    def answer_size(self) -> int:
        """Octets of the responder's KE data."""
        return self.public_size

    def generate(self, random: Random) -> PrivateKey:
        """A new private value. All its randomness comes from ``random``, which is called with a number of octets."""
        return self.private(random(self.private_size))

    def private(self, octets: bytes) -> PrivateKey:
        """The private value ``octets``. Raises ConfigError if it is invalid."""
        raise NotImplementedError

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """KEM only: (ciphertext, shared secret) for the initiator's public value. Raises ConfigError without a KEM.

        pyca supplies the randomness. Raises KeyExchangeError for an invalid public value.
        """
        raise ConfigError(f"{self.name} is not a key encapsulation mechanism")


@functools.cache
def key_exchange(number: int) -> KeyExchange:
    """The method of a key exchange transform ID. Raises ConfigError for one that is not implemented.

    >>> key_exchange(KeMethod.CURVE25519).public_size
    32
    """
    return find(KeyExchange, number)()


def is_weaker(number: int, than: int) -> bool:
    """Whether one key exchange method is weaker than another. Both are transform IDs.

    The bits of security come from NIST SP 800-57 part 1 (revision 5) table 2; for MODP groups of more than 3072 bits
    from SP 800-56A (revision 3) table 26, for 1536 bits from RFC 3526 section 8; for Curve25519 and Curve448 from
    RFC 7748 section 1, for ML-KEM from FIPS 203 table 2. A method that a quantum computer breaks is weaker than a KEM
    that it does not break, whatever their bits. An unknown method is the weakest.
    """
    one, other = _strength(number), _strength(than)
    return one[0] < other[0] or one[1] < other[1]


def _strength(number: int) -> tuple[bool, int]:
    """Whether the method resists a quantum computer, and its bits of security against a classical one."""
    try:
        method = find(KeyExchange, number)
    except ConfigError:
        return False, 0
    return method.kem, method.strength


def scalar(octets: bytes, order: int) -> int:
    """``octets`` in network order as a number, reduced to 1 .. order - 1."""
    number = int.from_bytes(octets)
    return number if 0 < number < order else number % (order - 1) + 1


@register
class NoKeyExchange(KeyExchange):
    """NONE, for a Child SA without a key exchange (RFC 7296 section 3.3.3)."""

    id = KeMethod.NONE
    keywords = ("modpnone", "none")
    public_size = 0
    private_size = 0

    def private(self, octets: bytes) -> PrivateKey:
        """An empty private value, with an empty shared secret."""

        def shared(peer_public: bytes) -> bytes:
            return b""

        return PrivateKey(self, b"", shared)
