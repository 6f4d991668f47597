# SPDX-License-Identifier: GPL-2.0-or-later
"""Key exchange methods, transform type 4 (RFC 7296 section 3.3.2): one class each.

Public values that come from the peer are checked as RFC 6989 section 2 asks; what must be refused raises
KeyExchangeError.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from fynx_scapy.crypto import modp
from fynx_scapy.crypto.transforms import Algorithm, find, register
from fynx_scapy.errors import ConfigError, KeyExchangeError
from fynx_scapy.iana import KeMethod, TransformType

Random = Callable[[int], bytes]  # that many random octets
Shared = Callable[[bytes], bytes]


class PrivateKey:
    """One side's half of an exchange: ``public`` goes into the KE payload, :meth:`shared` takes the peer's."""

    __slots__ = ("_shared", "method", "public")

    def __init__(self, method: KeyExchange, public: bytes, shared: Shared):
        self.method = method
        self.public = public
        self._shared = shared

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.method.name}>"

    def shared(self, peer_public: bytes) -> bytes:
        """The shared secret with the peer's public value (of a KEM: its ciphertext); KeyExchangeError for a bad one."""
        expected = self.method.answer_size
        if len(peer_public) != expected:
            raise KeyExchangeError(
                f"expected {expected} octets of {self.method.name} key exchange data, found {len(peer_public)}"
            )
        return self._shared(peer_public)


class KeyExchange(Algorithm):
    """A key exchange method; ``public_size`` and ``answer_size`` are the octets of KE data of initiator and responder.

    Of a KEM (``kem``) the initiator generates and the responder encapsulates; otherwise both generate. ``strength`` is
    in bits, 0 where it is not known; `is_weaker` compares.
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
        """A new private value; everything in it comes from ``random``, called with a number of octets."""
        return self.private(random(self.private_size))

    def private(self, octets: bytes) -> PrivateKey:
        """The private value that is ``octets``; ConfigError for what is none."""
        raise NotImplementedError

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """(ciphertext, shared secret) for the initiator's public value, of a KEM; ConfigError for any other method.

        The randomness is pyca's own. Raises KeyExchangeError for a public value that must be refused.
        """
        raise ConfigError(f"{self.name} is no key encapsulation mechanism")


@functools.cache
def key_exchange(number: int) -> KeyExchange:
    """The method of a key exchange transform ID; ConfigError for one that is not implemented.

    >>> key_exchange(KeMethod.CURVE25519).public_size
    32
    """
    return find(KeyExchange, number)()


def is_weaker(number: int, than: int) -> bool:
    """Whether one key exchange method is weaker than another one, both given by their transform IDs.

    The bits of security come from NIST SP 800-57 part 1 (revision 5) table 2; for MODP groups of more than 3072 bits
    from SP 800-56A (revision 3) table 26, for 1536 bits from RFC 3526 section 8; for Curve25519 and Curve448 from
    RFC 7748 section 1, for ML-KEM from FIPS 203 table 2. A method that a quantum computer breaks is weaker than a KEM
    that it does not break, whatever their bits. What is not known here is the weakest.
    """
    one, other = _strength(number), _strength(than)
    return one[0] < other[0] or one[1] < other[1]


def _strength(number: int) -> tuple[bool, int]:
    """Whether it holds against a quantum computer, and the bits of security against any other one."""
    try:
        method = find(KeyExchange, number)
    except ConfigError:
        return False, 0
    return method.kem, method.strength


def _scalar(octets: bytes, order: int) -> int:
    """The number that ``octets`` are in network order, brought into 1 .. order - 1."""
    number = int.from_bytes(octets)
    return number if 0 < number < order else number % (order - 1) + 1


# Modular exponentiation: public values and secrets are numbers as long as the prime (RFC 7296 sections 2.14 and 3.4)


class _Modp(KeyExchange):
    def __init__(self) -> None:
        self.group = modp.group(self.id)
        self.public_size = self.group.size
        # Where it is taken modulo an order, 64 bits more leave no bias.
        self.private_size = (self.group.exponent_bits + 7) // 8 + (8 if self.group.order else 0)

    def private(self, octets: bytes) -> PrivateKey:
        """The exponent in network order, brought into range modulo p - 1 or the order of the subgroup."""
        group, size = self.group, self.public_size
        exponent = _scalar(octets, group.order or group.prime - 1)

        def shared(peer_public: bytes) -> bytes:
            peer = int.from_bytes(peer_public)
            # RFC 6989 section 2.1: "1 < r < p-1"; section 2.2: "r^q = 1 mod p"
            if not 1 < peer < group.prime - 1:
                raise KeyExchangeError(f"the public value of {self.name} is out of range (RFC 6989 section 2.1)")
            if group.order and modp.power(group, peer, group.order) != 1:
                raise KeyExchangeError(f"the public value of {self.name} is not in the subgroup (RFC 6989 section 2.2)")
            return modp.power(group, peer, exponent).to_bytes(size)

        return PrivateKey(self, modp.power(group, group.generator, exponent).to_bytes(size), shared)


@register
class Modp1024(_Modp):
    """1024-bit MODP (RFC 7296 appendix B.2)."""

    id = KeMethod.MODP_1024
    keywords = ("modp1024",)
    strength = 80
    legacy = True


@register
class Modp1536(_Modp):
    """1536-bit MODP (RFC 3526 section 2)."""

    id = KeMethod.MODP_1536
    keywords = ("modp1536",)
    strength = 90
    legacy = True


@register
class Modp2048(_Modp):
    """2048-bit MODP (RFC 3526 section 3)."""

    id = KeMethod.MODP_2048
    keywords = ("modp2048",)
    strength = 112


@register
class Modp3072(_Modp):
    """3072-bit MODP (RFC 3526 section 4)."""

    id = KeMethod.MODP_3072
    keywords = ("modp3072",)
    strength = 128


@register
class Modp4096(_Modp):
    """4096-bit MODP (RFC 3526 section 5)."""

    id = KeMethod.MODP_4096
    keywords = ("modp4096",)
    strength = 152


@register
class Modp6144(_Modp):
    """6144-bit MODP (RFC 3526 section 6)."""

    id = KeMethod.MODP_6144
    keywords = ("modp6144",)
    strength = 176


@register
class Modp8192(_Modp):
    """8192-bit MODP (RFC 3526 section 7)."""

    id = KeMethod.MODP_8192
    keywords = ("modp8192",)
    strength = 200


@register
class Modp1024S160(_Modp):
    """1024-bit MODP with a 160-bit subgroup (RFC 5114 section 2.1)."""

    id = KeMethod.MODP_1024_160
    keywords = ("modp1024s160",)
    strength = 80
    legacy = True


@register
class Modp2048S224(_Modp):
    """2048-bit MODP with a 224-bit subgroup (RFC 5114 section 2.2)."""

    id = KeMethod.MODP_2048_224
    keywords = ("modp2048s224",)
    strength = 112
    legacy = True


@register
class Modp2048S256(_Modp):
    """2048-bit MODP with a 256-bit subgroup (RFC 5114 section 2.3)."""

    id = KeMethod.MODP_2048_256
    keywords = ("modp2048s256",)
    strength = 112
    legacy = True


# Elliptic curves: the public value is x | y, the secret is x (RFC 5903 section 7, RFC 6954 section 2)


class _Ecp(KeyExchange):
    curve: ClassVar[ec.EllipticCurve]

    def __init__(self) -> None:
        octets = (self.curve.key_size + 7) // 8
        self.public_size = 2 * octets
        self.private_size = octets + 8

    @property
    def shared_size(self) -> int:
        """The x coordinate alone (RFC 5903 section 9)."""
        return self.public_size // 2

    def private(self, octets: bytes) -> PrivateKey:
        """The scalar in network order, brought into range modulo the order of the group."""
        curve = self.curve
        try:
            private = ec.derive_private_key(_scalar(octets, curve.group_order), curve)
        except UnsupportedAlgorithm as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error
        numbers = private.public_key().public_numbers()
        size = self.public_size // 2

        def shared(peer_public: bytes) -> bytes:
            try:
                # Refuses coordinates out of range and points off the curve (RFC 6989 section 2.3)
                peer = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + peer_public)
            except ValueError:
                raise KeyExchangeError(f"the public value is no point of {self.name} (RFC 6989 section 2.3)") from None
            return private.exchange(ec.ECDH(), peer)

        return PrivateKey(self, numbers.x.to_bytes(size) + numbers.y.to_bytes(size), shared)


@register
class Ecp256(_Ecp):
    """NIST P-256 (RFC 5903 section 3.1)."""

    id = KeMethod.ECP_256
    keywords = ("ecp256",)
    strength = 128
    curve = ec.SECP256R1()


@register
class Ecp384(_Ecp):
    """NIST P-384 (RFC 5903 section 3.2)."""

    id = KeMethod.ECP_384
    keywords = ("ecp384",)
    strength = 192
    curve = ec.SECP384R1()


@register
class Ecp521(_Ecp):
    """NIST P-521 (RFC 5903 section 3.3)."""

    id = KeMethod.ECP_521
    keywords = ("ecp521",)
    strength = 256
    curve = ec.SECP521R1()


@register
class BrainpoolP256(_Ecp):
    """brainpoolP256r1 (RFC 6954)."""

    id = KeMethod.BRAINPOOL_P256R1
    keywords = ("ecp256bp",)
    strength = 128
    curve = ec.BrainpoolP256R1()


@register
class BrainpoolP384(_Ecp):
    """brainpoolP384r1 (RFC 6954)."""

    id = KeMethod.BRAINPOOL_P384R1
    keywords = ("ecp384bp",)
    strength = 192
    curve = ec.BrainpoolP384R1()


@register
class BrainpoolP512(_Ecp):
    """brainpoolP512r1 (RFC 6954)."""

    id = KeMethod.BRAINPOOL_P512R1
    keywords = ("ecp512bp",)
    strength = 256
    curve = ec.BrainpoolP512R1()


# Montgomery curves (RFC 8031): a result of zero is refused (section 3.2, RFC 7748 section 6)


class _Montgomery(KeyExchange):
    keys: ClassVar[type[X25519PrivateKey] | type[X448PrivateKey]]
    peers: ClassVar[Any]  # the public half of ``keys``: mypy cannot know that the two fit

    def __init__(self) -> None:
        self.private_size = self.public_size

    def private(self, octets: bytes) -> PrivateKey:
        """The private key in its wire form; clamping is part of the function (RFC 7748 section 5)."""
        if len(octets) != self.private_size:
            raise ConfigError(f"a private value of {self.name} has {self.private_size} octets, not {len(octets)}")
        private = self.keys.from_private_bytes(octets)
        peers, exchange = self.peers, private.exchange

        def shared(peer_public: bytes) -> bytes:
            try:
                return exchange(peers.from_public_bytes(peer_public))
            except ValueError:
                raise KeyExchangeError(f"the shared secret of {self.name} is zero (RFC 8031 section 3.2)") from None

        return PrivateKey(self, private.public_key().public_bytes_raw(), shared)


@register
class Curve25519(_Montgomery):
    """X25519 (RFC 8031)."""

    id = KeMethod.CURVE25519
    keywords = ("x25519", "curve25519")
    strength = 128
    public_size = 32
    keys = X25519PrivateKey
    peers = X25519PublicKey


@register
class Curve448(_Montgomery):
    """X448 (RFC 8031)."""

    id = KeMethod.CURVE448
    keywords = ("x448", "curve448")
    strength = 224
    public_size = 56
    keys = X448PrivateKey
    peers = X448PublicKey


# ML-KEM (FIPS 203, draft-ietf-ipsecme-ikev2-mlkem section 2): encapsulation key forth, ciphertext back


class _MlKem(KeyExchange):
    kem = True
    private_size = 64  # the seed d | z
    ciphertext_size: ClassVar[int]
    library: ClassVar[str]

    @property
    def shared_size(self) -> int:
        """FIPS 203: 256 bits with every parameter set."""
        return 32

    @property
    def answer_size(self) -> int:
        """Octets of the ciphertext."""
        return self.ciphertext_size

    def _class(self, suffix: str) -> Any:
        try:
            module = importlib.import_module("cryptography.hazmat.primitives.asymmetric.mlkem")
            return getattr(module, self.library + suffix)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error

    def private(self, octets: bytes) -> PrivateKey:
        """The decapsulation key of a seed of 64 octets (FIPS 203 algorithm 16)."""
        if len(octets) != self.private_size:
            raise ConfigError(f"a seed of {self.name} has {self.private_size} octets, not {len(octets)}")
        try:
            private = self._class("PrivateKey").from_seed_bytes(octets)
        except UnsupportedAlgorithm as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error
        return PrivateKey(self, private.public_key().public_bytes_raw(), private.decapsulate)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """(ciphertext, shared secret); KeyExchangeError for an encapsulation key that FIPS 203 section 7.2 refuses.

        The library draws its own randomness, so that no seed repeats it.
        """
        if len(public) != self.public_size:
            raise KeyExchangeError(
                f"expected {self.public_size} octets of {self.name} key exchange data, found {len(public)}"
            )
        library = self._class("PublicKey")
        try:
            shared, ciphertext = library.from_public_bytes(public).encapsulate()
        except ValueError:
            raise KeyExchangeError(f"the public value is no encapsulation key of {self.name} (FIPS 203)") from None
        except UnsupportedAlgorithm as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error
        return ciphertext, shared


@register
class MlKem768(_MlKem):
    """ML-KEM-768."""

    id = KeMethod.ML_KEM_768
    keywords = ("mlkem768",)
    strength = 192
    public_size = 1184
    ciphertext_size = 1088
    library = "MLKEM768"


@register
class MlKem1024(_MlKem):
    """ML-KEM-1024."""

    id = KeMethod.ML_KEM_1024
    keywords = ("mlkem1024",)
    strength = 256
    public_size = 1568
    ciphertext_size = 1568
    library = "MLKEM1024"


@register
class NoKeyExchange(KeyExchange):
    """NONE, for a Child SA without a key exchange of its own (RFC 7296 section 3.3.3): nothing to generate."""

    id = KeMethod.NONE
    keywords = ("modpnone",)
    public_size = 0
    private_size = 0

    def private(self, octets: bytes) -> PrivateKey:
        """No octets, whose secret has none either."""

        def shared(peer_public: bytes) -> bytes:
            return b""

        return PrivateKey(self, b"", shared)
