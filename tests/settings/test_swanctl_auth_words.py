# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of ``auth`` in swanctl.conf."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto.schemes import SCHEMES
from fynx_scapy.errors import ConfigError
from fynx_scapy.settings.swanctl.auth_words import Method, method


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("psk", Method(psk=True)),
        ("pubkey", Method()),
        ("ike:pubkey", Method()),
        ("rsa-sha256-sha512", Method(schemes=("rsa-pkcs1-sha256", "rsa-pkcs1-sha512"), chain_limited=True)),
        ("ike:rsa/pss-sha384-sha256", Method(schemes=("rsa-pss-sha384", "rsa-pss-sha256"))),
        ("rsa-sha512-ike:rsa/pss-sha256", Method(schemes=("rsa-pss-sha256",), chain_limited=True)),
        ("rsa-2048-ecdsa-384-sha384", Method(
            schemes=("ecdsa-sha384", "ecdsa-p384"), chain_limited=True, sizes=(("RSA", 2048), ("ECDSA", 384)))),
        ("pubkey-sha256", Method(
            schemes=("rsa-pkcs1-sha256", "ecdsa-sha256", "ecdsa-p256"), chain_limited=True)),
        ("rsa-sha1", Method(schemes=("rsa-pkcs1-sha1", "rsa-sha1"), chain_limited=True)),
        ("ed25519", Method(schemes=("ed25519",))),
        ("ike:ed448-identity", Method(schemes=("ed448",))),
        ("rsa/pss", Method(schemes=("rsa-pss-sha256", "rsa-pss-sha384", "rsa-pss-sha512"))),
        ("eap", Method(eap="any")),
        ("EAP-TTLS", Method(eap="ttls")),
        ("pubkey-rsa-3072", Method(sizes=(("RSA", 3072),))),
        # Rows of strongSwan's own test of these words
        ("rsa-ecdsa-sha256", Method(schemes=("ecdsa-sha256", "ecdsa-p256"), chain_limited=True)),
        ("ike:rsa-sha256-rsa-sha256", Method(schemes=("rsa-pkcs1-sha256",), chain_limited=True)),
        ("rsa/pss-sha256-rsa-sha256", Method(
            schemes=("rsa-pss-sha256", "rsa-pkcs1-sha256"), chain_limited=True)),
        ("rsa-4096-ecdsa-256-sha256", Method(
            schemes=("ecdsa-sha256", "ecdsa-p256"), chain_limited=True, sizes=(("RSA", 4096), ("ECDSA", 256)))),
    ],
)  # fmt: skip
def test_methods(text, found):
    assert method(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pubkye", "did you mean 'pubkey'?"),
        ("rsa-sha2", "did you mean 'sha"),
        ("ed25519-sha256", "no kind of authentication, key or hash is called 'sha256'"),
        ("rsa-sha256-2048", "called '2048'"),
        ("rsa-100", "from 512 to 16384 bits"),
        ("ecdsa-" + "9" * 5000, "from 256 to 521 bits"),
        ("pubkey-2048", "called '2048'"),
        ("sha256", "called 'sha256'"),
        ("xauth", "XAuth is of IKEv1"),
        ("eap-mschap", "expected one of eap-mschapv2, .*, found 'eap-mschap'; did you mean 'eap-mschapv2'"),
        ("eap-radius", "found 'eap-radius'; no AAA server is asked"),
        ("eap-aka", "found 'eap-aka'; its USIMs are not in this file: use a TOML file"),
        ("eap-tls:ecdsa-384", "limits on the certificates of EAP are not supported, found 'eap-tls:ecdsa-384'"),
        ("eapmd5", "no kind of authentication, key or hash is called 'eapmd5'"),
    ],
)
def test_what_is_no_method(text, words):
    with pytest.raises(ConfigError, match=words):
        method(text)


PARTS = st.sampled_from(
    ["pubkey", "rsa", "rsa/pss", "ike:rsa", "ecdsa", "ike:ecdsa", "ed25519", "2048", "sha256", "sha384", "ike:", ""]
)


@given(st.lists(PARTS, max_size=8).map("-".join))
def test_any_words_are_a_method_or_one_error(text):
    try:
        found = method(text)
    except ConfigError:
        return
    assert set(found.schemes or ()) <= set(SCHEMES)
    assert found.schemes or "sha" not in text  # a hash always limits AUTH
