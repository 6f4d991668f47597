# SPDX-License-Identifier: GPL-2.0-or-later
"""MS-CHAP-V2 against the examples of RFC 2759 section 9.2 and RFC 3079 section 3.5.3."""

from __future__ import annotations

import pytest

from fynx_scapy.eap import mschap
from fynx_scapy.errors import ConfigError

USER = b"User"
AUTHENTICATOR = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
HASH = bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")


def test_hash_of_a_password():
    assert mschap.password_hash("clientPass") == HASH
    # Section 9.3's hash of "MyPw".
    assert mschap.password_hash("MyPw") == bytes.fromhex("FC156AF7EDCD6C0EDDE3337D427F4EAC")


def test_response_of_the_peer():
    assert mschap.nt_response(HASH, AUTHENTICATOR, PEER, USER) == RESPONSE


def test_response_of_the_authenticator():
    found = mschap.authenticator_response(HASH, RESPONSE, AUTHENTICATOR, PEER, USER)
    assert found == bytes.fromhex("407A5589115FD0D6209F510FE9C04566932CDA56")


def test_keys():
    _, server = mschap.session_keys(HASH, RESPONSE)
    # RFC 3079 section 3.5.3: the send key of the server.
    assert server == bytes.fromhex("8B7CDC149B993A1BA118CB153F56DCCB")


def test_the_longest_password():
    assert len(mschap.password_hash("p" * 256)) == 16
    with pytest.raises(ConfigError, match="at most 256 characters with MSCHAPv2, found 257"):
        mschap.password_hash("p" * 257)
