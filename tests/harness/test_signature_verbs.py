# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs that sign AUTH anew: what they send is what they say, and a right signature where they only sign again."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from fynx_scapy import RawKey, RawKeys, Session
from fynx_scapy.crypto.schemes import SCHEMES
from fynx_scapy.crypto.signing import describe
from fynx_scapy.errors import ConfigError, FynxError
from fynx_scapy.harness.cases import NotReached, mutated
from fynx_scapy.harness.verbs import (
    VERBS,
    Mutation,
    auth_algorithm,
    auth_signature,
    auth_without_algorithm,
    digest_info,
    ecdsa_values,
    pss,
    signed,
)
from fynx_scapy.harness.verbs.signatures import DIGEST_INFOS, OVER
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.events import MessageSent
from fynx_scapy.layers.ikev2 import IKEv2_AUTH
from fynx_scapy.pki.making import make_key

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@cache
def key(kind: str) -> Any:
    return make_key(kind, b"a test", role="test")


def session(kind: str) -> Session:
    ours, theirs = key(kind), key("ed25519")
    config = IkeConfig(auth=RawKey(ours), remote_auth=RawKeys(theirs.public_key()), local_id="alice", remote_id="bob")
    return Session(config=config, peer={"auth": RawKey(theirs), "remote_auth": RawKeys(ours.public_key())})


def auth_of(kind: str, do: Mutation) -> tuple[int, bytes, bool]:
    """Method and data of the AUTH that was sent, and whether the peer took it."""
    s = session(kind)
    s.sa_init()
    with mutated(s, do, at="IKE_AUTH request"), contextlib.suppress(FynxError):
        s.auth()
    sent = [event for who, event in s.events if who == s.name and isinstance(event, MessageSent)]
    (auth,) = (one for event in sent for one in event.payloads if isinstance(one, IKEv2_AUTH))
    return int(auth.auth_type), bytes(auth.load), s._sa is not None and s.sa.established


@pytest.mark.parametrize("scheme", ["ecdsa-sha384", "ecdsa-sha512"])
def test_it_is_signed_again_by_another_scheme(scheme: str) -> None:
    method, data, taken = auth_of("ecdsa-p256", signed(scheme))
    assert (method, describe(method, data).scheme, taken) == (14, scheme, True)


def test_the_method_is_that_of_the_scheme() -> None:
    method, data, taken = auth_of("ecdsa-p256", signed("ecdsa-p256"))
    assert (method, len(data), taken) == (9, 64, False)


@pytest.mark.parametrize("over", OVER)
def test_what_is_signed_may_be_something_else(over: str) -> None:
    _, data, taken = auth_of("ecdsa-p256", signed(over=over))
    assert not taken
    if over == "nothing":
        key("ecdsa-p256").public_key().verify(describe(14, data).signature, b"", _sha256())


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.ECDSA(hashes.SHA256())


def test_with_another_key_the_signature_is_right_for_that_one_alone() -> None:
    _, data, taken = auth_of("ecdsa-p256", signed(key="ecdsa-p256", over="nothing"))
    assert not taken
    other: Any = make_key("ecdsa-p256", b"the key of a verb", role="verb")
    other.public_key().verify(describe(14, data).signature, b"", _sha256())
    with pytest.raises(InvalidSignature):
        key("ecdsa-p256").public_key().verify(describe(14, data).signature, b"", _sha256())


@pytest.mark.parametrize("how", DIGEST_INFOS)
def test_digest_info_is_as_it_is_called(how: str) -> None:
    encoded = DIGEST_INFOS[how](bytes(range(32)), 256)
    assert len(encoded) == 256
    assert (encoded[:2] == b"\0\1") == (how not in ("short-padding", "block-type-2"))
    assert (encoded[:3] == b"\0\0\1") == (how == "short-padding")
    assert encoded.endswith(b"Z" * 190) == (how == "garbage-behind")
    assert (b"Z" * 64 in encoded) == (how in ("garbage-behind", "garbage-in-parameters"))
    sha256 = bytes.fromhex("0609608648016503040201") in encoded
    assert sha256 == (how not in ("sha1", "another-hash", "without-digest-info"))


def test_digest_info_is_what_the_key_has_signed() -> None:
    _, data, taken = auth_of("rsa-2048", digest_info("garbage-behind"))
    assert not taken
    numbers = key("rsa-2048").public_key().public_numbers()
    encoded = pow(int.from_bytes(describe(14, data).signature), numbers.e, numbers.n).to_bytes(256)
    assert (encoded[:10], encoded[-190:]) == (b"\0\1" + b"\xff" * 8, b"Z" * 190)


def test_pss_is_signed_with_other_parameters_than_it_says() -> None:
    method, data, taken = auth_of("rsa-2048", pss(salt=20))
    assert (method, describe(method, data).scheme, taken) == (14, "rsa-pss-sha256", False)
    assert auth_of("rsa-2048", pss())[2]  # the usual ones


@pytest.mark.parametrize(
    ("do", "first", "second"),
    [
        (ecdsa_values(r="zero"), 0, None),
        (ecdsa_values(r="zero", s="zero"), 0, 0),
        (ecdsa_values(s="order"), None, ORDER),
    ],
)
def test_r_and_s(do: Mutation, first: int | None, second: int | None) -> None:
    _, data, taken = auth_of("ecdsa-p256", do)
    r, s = decode_dss_signature(describe(14, data).signature)
    assert not taken
    assert (r == first, s == second) == (first is not None, second is not None)


def test_what_it_says_of_itself() -> None:
    identifier = SCHEMES["ecdsa-sha384"].identifier
    _, data, _ = auth_of("ecdsa-p256", signed("ecdsa-sha256") + auth_algorithm("ecdsa-sha384", length=9))
    assert (data[0], data[1:13]) == (9, identifier)
    _, data, _ = auth_of("ecdsa-p256", auth_algorithm(b"fynx"))
    assert data[:5] == b"\4fynx"
    _, data, _ = auth_of("ecdsa-p256", auth_without_algorithm())
    assert decode_dss_signature(data)
    _, data, _ = auth_of("ecdsa-p256", auth_signature(b"fynx"))
    assert data == b"\x0c" + SCHEMES["ecdsa-sha256"].identifier + b"fynx"


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("signed", {"scheme": "ecdsa-sha257"}, r"did you mean 'ecdsa-sha25"),
        ("signed", {"over": "no-nonze"}, r"did you mean 'no-nonce'"),
        ("digest_info", {"how": "garbage"}, r"did you mean 'garbage-"),
        ("ecdsa_values", {"r": "zeroo"}, r"did you mean 'zero'"),
        ("pss", {"mask": "md5"}, "one of sha1, sha256, sha384"),
        ("pss", {"salt": 65}, "0 to 64 octets"),
        ("auth_algorithm", {"algorithm": "ecdsa"}, "did you mean"),
    ],
)
def test_a_wrong_word_is_an_error_at_once(name: str, args: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        VERBS[name](**args)


@pytest.mark.parametrize(
    ("kind", "do", "says"),
    [
        ("ecdsa-p256", signed("rsa-pss-sha256"), "expected a key for rsa-pss-sha256, found one of kind P-256"),
        ("ecdsa-p256", pss(), "found one of kind P-256"),
        ("ed25519", ecdsa_values(r="zero"), "found one of Ed25519"),
        ("ecdsa-p256", signed("ecdsa-p256") + auth_without_algorithm(), "expected AUTH of method 14, found method 9"),
        ("ecdsa-p256", signed(key="ecdsa-p257"), "did you mean 'ecdsa-p256'"),
    ],
)
def test_what_cannot_be_signed_is_said(kind: str, do: Mutation, says: str) -> None:
    with pytest.raises(NotReached, match=says):
        auth_of(kind, do)


def test_without_a_signature_there_is_none_to_change() -> None:
    s = Session(psk="secret")
    s.sa_init()
    with (
        pytest.raises((NotReached, FynxError), match="expected an AUTH payload that is a signature of ours"),
        mutated(s, signed("ecdsa-sha256"), at="IKE_AUTH request"),
    ):
        s.auth()
