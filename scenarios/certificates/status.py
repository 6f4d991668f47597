# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a certificate is revoked: lists of revoked certificates, and OCSP answers."""

from __future__ import annotations

from collections.abc import Sequence

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import BOTH, Credentials, EndAuth, Run, expect, main, scenario
from fynx_scapy.iana import CertEncoding
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_CERT
from fynx_scapy.scenarios.certificates.refusals import ours_refused, refused_by_us
from fynx_scapy.scenarios.certificates.signatures import authenticated


@scenario(
    "RFC 5280 section 6.3.3",
    roles=BOTH,
    needs={"certificates", "crl", "ecdsa"},
    requirements=("7296-1.2-02",),
    config={"auth": Credentials.alike(checked="required", evidence="crl")},
)
def not_revoked(run: Run) -> None:
    """Both ends want to know that no certificate of the other is revoked, and have the lists that say so."""
    authenticated(run)


@scenario(
    "RFC 6960 section 3.2",
    roles=BOTH,
    needs={"certificates", "ecdsa"},
    requirements=("7296-1.2-02",),
    config={"auth": Credentials(theirs=EndAuth(checked="required", evidence="ocsp"))},
)
def ocsp_good(run: Run) -> None:
    """We want to know that the peer's certificate is not revoked, and have an OCSP answer that says so."""
    authenticated(run)


@scenario(
    "RFC 4806 section 3",
    roles=BOTH,
    needs={"certificates", "ecdsa", "ocsp_sent"},
    requirements=("7296-1.2-02", "4806-3.2-i01", "4806-4.2-01", "4806-4.2-i01"),
    config={"auth": Credentials(theirs=EndAuth(checked="required", evidence="ocsp-sent"))},
)
def ocsp_sent(run: Run) -> None:
    """We ask the peer for an OCSP answer about its certificate, and it sends one that says that it is not revoked."""
    authenticated(run)
    _has_answer(run.messages(MessageReceived), "the peer's")


@scenario(
    "RFC 4806 section 3",
    roles=BOTH,
    needs={"certificates", "ecdsa", "ocsp_sent"},
    requirements=("7296-2.21.2-01",),
    config={"auth": Credentials(theirs=EndAuth(revoked=True, checked="if-known", evidence="ocsp-sent"))},
)
def ocsp_sent_revoked(run: Run) -> None:
    """The OCSP answer that the peer sends says that its certificate is revoked, so we refuse it."""
    refused_by_us(run, "certificate.revoked")
    _has_answer(run.messages(MessageReceived), "the peer's")


@scenario(
    "RFC 4806 section 3",
    roles=BOTH,
    needs={"certificates", "ecdsa", "ocsp"},
    requirements=("7296-1.2-02",),
    config={"auth": Credentials(ours=EndAuth(checked="required", evidence="ocsp-sent"))},
)
def ocsp_asked_for(run: Run) -> None:
    """The peer asks for an OCSP answer about our certificate, and we send one that says that it is not revoked."""
    authenticated(run)
    _has_answer(run.messages(MessageSent), "our")


@scenario(
    "RFC 4806 section 3",
    roles=BOTH,
    needs={"certificates", "ecdsa", "ocsp"},
    requirements=("7296-2.21.2-01",),
    config={"auth": Credentials(ours=EndAuth(revoked=True, checked="if-known", evidence="ocsp-sent"))},
)
def ocsp_asked_for_revoked(run: Run) -> None:
    """The OCSP answer that we send says that our certificate is revoked, so the peer refuses it."""
    ours_refused(run)
    _has_answer(run.messages(MessageSent), "our")


@scenario(
    "RFC 6960 section 2.2",
    roles=BOTH,
    needs={"certificates", "ecdsa"},
    requirements=("7296-2.21.2-01",),
    config={"auth": Credentials(theirs=EndAuth(revoked=True, checked="if-known", evidence="ocsp"))},
)
def ocsp_revoked(run: Run) -> None:
    """We have an OCSP answer that says that the peer's certificate is revoked, so we refuse it."""
    refused_by_us(run, "certificate.revoked")


def _has_answer(messages: Sequence[IKEv2], whose: str) -> None:
    payloads = [layer for message in messages for layer in message.iterpayloads()]
    found = [layer.cert_encoding for layer in payloads if isinstance(layer, IKEv2_CERT)]
    expect(found, f"the encodings of {whose} CERT payloads").contains(CertEncoding.OCSP_Content)


if __name__ == "__main__":
    main(__file__)
