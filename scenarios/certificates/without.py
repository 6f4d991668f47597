# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures without certificates, and proofs that prove nothing."""

from __future__ import annotations

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import BOTH, Credentials, EndAuth, Run, expect, main, scenario
from fynx_scapy.iana import AuthMethod
from fynx_scapy.layers.ikev2 import IKEv2_AUTH
from fynx_scapy.scenarios.certificates.signatures import authenticated

NULL = EndAuth(by="null")


@scenario(
    "RFC 7670 section 3",
    roles=BOTH,
    needs={"ecdsa", "raw_keys"},
    requirements=("7296-1.2-02",),
    config={"auth": Credentials.alike(by="public-key")},
)
def raw_public_keys(run: Run) -> None:
    """Each end has the other one's public key, so that no certificate is needed."""
    authenticated(run)


@scenario(
    "RFC 7670 section 3",
    roles=BOTH,
    needs={"raw_keys", "rsa_pkcs1"},
    requirements=("7296-1.2-02",),
    config={"auth": Credentials.alike(by="public-key", key="rsa-2048", scheme="rsa-pkcs1-sha256")},
)
def raw_public_keys_rsa(run: Run) -> None:
    """The same with RSA keys."""
    authenticated(run)


@scenario(
    "RFC 7619 section 2.1",
    roles=BOTH,
    needs={"null"},
    requirements=("7619-2.1-i02", "7619-2.1-i03"),
    config={"auth": Credentials.alike(by="null")},
)
def null_authentication(run: Run) -> None:
    """Neither end proves who it is: AUTH only ties IKE_AUTH to IKE_SA_INIT."""
    authenticated(run)
    for end in MessageSent, MessageReceived:
        methods = [message[IKEv2_AUTH].auth_type for message in run.messages(end) if IKEv2_AUTH in message]
        expect(methods, "the method of AUTH").equals([AuthMethod.NULL_Authentication])


@scenario(
    "RFC 7619 section 2.1",
    roles=BOTH,
    needs={"certificates", "ecdsa", "mixed", "null"},
    config={"auth": Credentials(ours=NULL)},
)
def null_for_us(run: Run) -> None:
    """We prove nothing, and the peer has a certificate: as with a server that serves anybody."""
    authenticated(run)


if __name__ == "__main__":
    main(__file__)
