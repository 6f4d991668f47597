# SPDX-License-Identifier: GPL-2.0-or-later
"""What messages have to prove who sent them, for the expectations of scenarios."""

from __future__ import annotations

from collections.abc import Iterable

from fynx_scapy.crypto.signing import SCHEMES, describe
from fynx_scapy.iana import CertEncoding
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_CERT

_SIGNED = frozenset(scheme.method for scheme in SCHEMES.values())


def schemes_of(messages: Iterable[IKEv2]) -> list[str]:
    """The name of the scheme of each signature in AUTH, as in `SCHEMES`; ``rsa`` for method 1, which hides the hash."""
    auths = [message[IKEv2_AUTH] for message in messages if IKEv2_AUTH in message]
    return [describe(auth.auth_type, bytes(auth.load)).scheme for auth in auths if auth.auth_type in _SIGNED]


def certificates_in(messages: Iterable[IKEv2]) -> list[bytes]:
    """The X.509 certificates in CERT payloads, in their order, DER."""
    payloads = [layer for message in messages for layer in message.iterpayloads() if isinstance(layer, IKEv2_CERT)]
    wanted = CertEncoding.X_509_Certificate_Signature
    return [bytes(each.cert_data) for each in payloads if each.cert_encoding == wanted]
