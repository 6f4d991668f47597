# SPDX-License-Identifier: GPL-2.0-or-later
"""Every key exchange method: the RFCs' vectors, agreement of both sides, and values that must be refused."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable

import pytest

from fynx_scapy.crypto.ke import KeyExchange, groups, is_weaker, key_exchange
from fynx_scapy.errors import ConfigError, KeyExchangeError
from fynx_scapy.iana import KeMethod
from tests.crypto.rfc_vectors import ECP, MODP_SUBGROUP, X25519
from tests.shared import shared

hexed = bytes.fromhex
SIZES = {  # octets of the initiator's and the responder's KE data, and of the secret
    KeMethod.MODP_768: (96, 96, 96),
    KeMethod.MODP_1024: (128, 128, 128),
    KeMethod.MODP_1536: (192, 192, 192),
    KeMethod.MODP_2048: (256, 256, 256),
    KeMethod.MODP_3072: (384, 384, 384),
    KeMethod.MODP_4096: (512, 512, 512),
    KeMethod.MODP_6144: (768, 768, 768),
    KeMethod.MODP_8192: (1024, 1024, 1024),
    KeMethod.MODP_1024_160: (128, 128, 128),
    KeMethod.MODP_2048_224: (256, 256, 256),
    KeMethod.MODP_2048_256: (256, 256, 256),
    KeMethod.ECP_256: (64, 64, 32),
    KeMethod.ECP_384: (96, 96, 48),
    KeMethod.ECP_521: (132, 132, 66),
    KeMethod.BRAINPOOL_P256R1: (64, 64, 32),
    KeMethod.BRAINPOOL_P384R1: (96, 96, 48),
    KeMethod.BRAINPOOL_P512R1: (128, 128, 64),
    KeMethod.CURVE25519: (32, 32, 32),
    KeMethod.CURVE448: (56, 56, 56),
    KeMethod.ML_KEM_768: (1184, 1088, 32),
    KeMethod.ML_KEM_1024: (1568, 1568, 32),
}
KEMS = (KeMethod.ML_KEM_768, KeMethod.ML_KEM_1024)
OAKLEY = [method for method in SIZES if method.name.startswith("MODP") and method.name.count("_") == 1]
SUBGROUPS = [KeMethod(row[0]) for row in MODP_SUBGROUP]
CURVES = [method for method in SIZES if method.name.startswith(("ECP", "BRAINPOOL"))]
EVERY = pytest.mark.parametrize("method", SIZES, ids=lambda method: method.name)


def seeded(seed: int) -> Callable[[int], bytes]:
    """Octets that are the same in every run."""
    stream = hashlib.shake_256(seed.to_bytes(4))
    taken = [0]

    def octets(count: int) -> bytes:
        taken[0] += count
        return stream.digest(taken[0])[-count:] if count else b""

    return octets


def agree(exchange: KeyExchange) -> tuple[bytes, bytes, bytes]:
    """Both sides' KE data and what they agree on."""
    ours = exchange.generate(seeded(1))
    if exchange.kem:
        answer, theirs = exchange.encapsulate(ours.public)
    else:
        peer = exchange.generate(seeded(2))
        answer, theirs = peer.public, peer.shared(ours.public)
    secret = ours.shared(answer)
    assert secret == theirs
    return ours.public, answer, secret


@EVERY
def test_both_sides_agree(method: KeMethod) -> None:
    exchange = key_exchange(method)
    public, answer, secret = agree(exchange)
    assert (len(public), len(answer), len(secret)) == SIZES[method]
    assert (exchange.public_size, exchange.answer_size) == SIZES[method][:2]
    assert exchange.name == method.name


@EVERY
def test_everything_comes_from_the_randomness_handed_in(method: KeMethod) -> None:
    exchange = key_exchange(method)
    assert exchange.generate(seeded(7)).public == exchange.generate(seeded(7)).public
    assert exchange.generate(seeded(7)).public != exchange.generate(seeded(8)).public


@EVERY
@pytest.mark.requirements("7296-3.4-01", negative=True)
def test_ke_data_of_another_length_is_refused(method: KeMethod) -> None:
    exchange = key_exchange(method)
    private = exchange.generate(seeded(1))
    for size in (0, 1, exchange.answer_size - 1, exchange.answer_size + 1):
        with pytest.raises(KeyExchangeError, match=f"expected {exchange.answer_size} octets .* found {size}"):
            private.shared(bytes(size))


@pytest.mark.requirements("7296-2.17-i02", "7296-3.4-01")
def test_leading_zeros_are_kept() -> None:
    exchange = key_exchange(KeMethod.MODP_1024)
    ours, theirs, other = (exchange.generate(seeded(number)) for number in (1, 29, 104))
    assert (len(other.public), other.public[0]) == (128, 0)
    secret = ours.shared(theirs.public)
    assert (len(secret), secret[0]) == (128, 0)


def test_legacy_groups() -> None:
    # RFC 8247 section 2.4: MUST NOT or SHOULD NOT
    legacy = {method for method in SIZES if key_exchange(method).legacy}
    assert legacy == {1, 2, 5, 22, 23, 24}


def test_what_is_not_implemented() -> None:
    with pytest.raises(ConfigError, match="KE GOST3410_2012_256 is not implemented"):
        key_exchange(KeMethod.GOST3410_2012_256)


def test_none_is_an_exchange_of_nothing() -> None:
    assert agree(key_exchange(KeMethod.NONE)) == (b"", b"", b"")


def test_no_representation_shows_a_key() -> None:
    assert repr(key_exchange(31).private(b"secret octets in a private key.!")) == "<PrivateKey of CURVE25519>"


# The RFCs' vectors


def check(exchange: KeyExchange, ours: str, our_public: str, theirs: str, their_public: str, secret: str) -> None:
    for private, public, peer in ((ours, our_public, their_public), (theirs, their_public, our_public)):
        key = exchange.private(hexed(private))
        assert key.public.hex() == public
        assert key.shared(hexed(peer)).hex() == secret


@pytest.mark.parametrize(("bits", "ours", "our_public", "theirs", "their_public", "secret"), ECP)
def test_ecp(bits: int, ours: str, our_public: str, theirs: str, their_public: str, secret: str) -> None:
    check(key_exchange(KeMethod[f"ECP_{bits}"]), ours, our_public, theirs, their_public, secret)


@pytest.mark.parametrize(("ours", "our_public", "theirs", "their_public", "secret"), X25519)
def test_x25519(ours: str, our_public: str, theirs: str, their_public: str, secret: str) -> None:
    check(key_exchange(KeMethod.CURVE25519), ours, our_public, theirs, their_public, secret)


@pytest.mark.parametrize(("method", "ours", "our_public", "theirs", "their_public", "secret"), MODP_SUBGROUP)
def test_modp_with_a_subgroup(
    method: int, ours: str, our_public: str, theirs: str, their_public: str, secret: str
) -> None:
    check(key_exchange(method), ours, our_public, theirs, their_public, secret)


@pytest.mark.parametrize("method", OAKLEY)
def test_primes_are_those_of_the_rfcs(method: KeMethod) -> None:
    name = "rfc/rfc7296.txt" if method in (KeMethod.MODP_768, KeMethod.MODP_1024) else "rfc/rfc3526.txt"
    text = re.sub(r"\n+[^\n]*\[Page +\d+\]\n\f?\n*RFC[^\n]*\n+", "\n", shared(name).read_text())
    runs = re.findall(r"(?:^ +(?:[0-9A-F]{8} *)+\n)+", text, re.MULTILINE)
    primes = [int("".join(run.split()), 16) for run in runs]
    assert groups.group(method).prime in primes


@pytest.mark.parametrize("method", SUBGROUPS)
def test_subgroups_are_what_they_say(method: KeMethod) -> None:
    group = groups.group(method)
    assert (group.prime - 1) % group.order == 0
    assert pow(group.generator, group.order, group.prime) == 1
    assert group.generator != 1


# RFC 6989 section 2: what must be refused


@pytest.mark.parametrize("method", OAKLEY + SUBGROUPS)
def test_public_values_out_of_range(method: KeMethod) -> None:
    exchange, prime = key_exchange(method), groups.group(method).prime
    private = exchange.generate(seeded(3))
    for value in (0, 1, prime - 1, prime, prime + 1, 2 ** (8 * exchange.public_size) - 1):
        with pytest.raises(KeyExchangeError, match=r"out of range \(RFC 6989 section 2.1\)"):
            private.shared(value.to_bytes(exchange.public_size))


@pytest.mark.parametrize("method", SUBGROUPS)
def test_public_values_of_small_order(method: KeMethod) -> None:
    exchange, group = key_exchange(method), groups.group(method)
    # An element of the whole group: to the power of (p - 1) / q it is in the subgroup, by itself it is not.
    outside = next(base for base in range(2, 100) if pow(base, group.order, group.prime) != 1)
    with pytest.raises(KeyExchangeError, match=r"not in the subgroup \(RFC 6989 section 2.2\)"):
        exchange.generate(seeded(3)).shared(outside.to_bytes(exchange.public_size))


@pytest.mark.parametrize("method", CURVES)
def test_points_off_the_curve(method: KeMethod) -> None:
    exchange = key_exchange(method)
    private = exchange.generate(seeded(3))
    good = exchange.generate(seeded(4)).public
    half = len(good) // 2
    x, y = good[:half], good[half:]
    for bad in (
        bytes(2 * half),
        x + (int.from_bytes(y) ^ 1).to_bytes(half),
        y + x,
        x + b"\xff" * half,
        b"\xff" * half + y,
    ):
        with pytest.raises(KeyExchangeError, match=r"not a point of .*\(RFC 6989 section 2.3\)"):
            private.shared(bad)


@pytest.mark.parametrize("method", [KeMethod.CURVE25519, KeMethod.CURVE448])
def test_a_secret_of_zero_is_refused(method: KeMethod) -> None:
    exchange = key_exchange(method)
    for point in (0, 1):  # both have small order on either curve
        with pytest.raises(KeyExchangeError, match="is zero"):
            exchange.generate(seeded(3)).shared(point.to_bytes(exchange.public_size, "little"))


@pytest.mark.parametrize("method", KEMS)
def test_encapsulation_keys_that_fips_203_refuses(method: KeMethod) -> None:
    exchange = key_exchange(method)
    public = exchange.generate(seeded(3)).public
    # Section 7.2: the modulus check fails for coefficients of 12 one bits
    with pytest.raises(KeyExchangeError, match="not an encapsulation key"):
        exchange.encapsulate(b"\xff" * 384 + public[384:])
    with pytest.raises(KeyExchangeError, match=f"expected {exchange.public_size} octets"):
        exchange.encapsulate(public[1:])


@pytest.mark.parametrize("method", KEMS)
def test_a_changed_ciphertext_gives_another_secret(method: KeMethod) -> None:
    # FIPS 203 section 6.3: implicit rejection
    exchange = key_exchange(method)
    private = exchange.generate(seeded(3))
    ciphertext, secret = exchange.encapsulate(private.public)
    assert private.shared(bytes((ciphertext[0] ^ 1,)) + ciphertext[1:]) != secret


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (KeMethod.MODP_1024, KeMethod.MODP_1536),
        (KeMethod.MODP_1536, KeMethod.MODP_2048),
        (KeMethod.MODP_2048_256, KeMethod.MODP_3072),
        (KeMethod.MODP_3072, KeMethod.MODP_4096),
        (KeMethod.MODP_4096, KeMethod.MODP_6144),
        (KeMethod.MODP_6144, KeMethod.MODP_8192),
        (KeMethod.MODP_2048, KeMethod.CURVE25519),
        (KeMethod.ECP_256, KeMethod.ECP_384),
        (KeMethod.ECP_384, KeMethod.ECP_521),
        (KeMethod.CURVE25519, KeMethod.CURVE448),
        (KeMethod.CURVE448, KeMethod.BRAINPOOL_P512R1),
        (KeMethod.ML_KEM_768, KeMethod.ML_KEM_1024),
        # A quantum computer breaks all but the KEMs.
        (KeMethod.ECP_521, KeMethod.ML_KEM_768),
        (KeMethod.NONE, KeMethod.MODP_1024),
        (KeMethod.GOST3410_2012_512, KeMethod.MODP_1024),
    ],
)
def test_weaker(weaker: KeMethod, stronger: KeMethod) -> None:
    assert is_weaker(weaker, stronger)
    # Bits count too: a small KEM is weaker than a large curve in that respect.
    assert is_weaker(stronger, weaker) == (weaker == KeMethod.ECP_521)


@pytest.mark.parametrize("method", SIZES)
def test_every_method_has_its_strength(method: KeMethod) -> None:
    assert key_exchange(method).strength >= (66 if method == KeMethod.MODP_768 else 80)
    assert not is_weaker(method, method)


def test_equals() -> None:
    equals = (KeMethod.MODP_3072, KeMethod.ECP_256, KeMethod.BRAINPOOL_P256R1, KeMethod.CURVE25519)
    assert not any(is_weaker(one, other) for one in equals for other in equals)


def test_only_kems_encapsulate() -> None:
    with pytest.raises(ConfigError, match="CURVE25519 is not a key encapsulation mechanism"):
        key_exchange(KeMethod.CURVE25519).encapsulate(bytes(32))


@pytest.mark.parametrize("method", [KeMethod.CURVE25519, KeMethod.CURVE448, *KEMS])
def test_private_values_of_another_length(method: KeMethod) -> None:
    with pytest.raises(ConfigError, match=r"octets for .*, found 3"):
        key_exchange(method).private(b"abc")


def test_a_library_without_ml_kem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mlkem", None)
    with pytest.raises(ConfigError, match="has no ML_KEM_768"):
        key_exchange(KeMethod.ML_KEM_768).generate(seeded(1))


# The one function that computes modulo a prime


@pytest.mark.parametrize("method", OAKLEY[:4] + SUBGROUPS[:1], ids=lambda method: method.name)
def test_modp_without_the_librarys_dh(method: KeMethod, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = key_exchange(method)
    with_library = agree(exchange)
    monkeypatch.delattr("cryptography.hazmat.primitives.asymmetric.dh", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.dh", None)
    with pytest.raises(ImportError):
        from cryptography.hazmat.primitives.asymmetric import dh  # noqa: F401
    assert agree(exchange) == with_library


def test_what_the_library_refuses_is_computed_all_the_same() -> None:
    group = groups.group(KeMethod.MODP_2048)
    assert group.library
    for base in (0, 1, group.prime - 1):  # a peer of ours may be told to send such a value
        assert groups.power(group, base, 12345) == pow(base, 12345, group.prime)


@pytest.mark.parametrize("method", OAKLEY)
def test_private_values_are_as_long_as_rfc_3526_asks(method: KeMethod) -> None:
    # Section 8, strength estimate 2
    bits = {1536: 240, 2048: 320, 3072: 420, 4096: 480, 6144: 540, 8192: 620}
    size = int(method.name.partition("_")[2])
    assert 8 * key_exchange(method).private_size >= bits.get(size, 240)
