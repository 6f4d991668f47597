# SPDX-License-Identifier: GPL-2.0-or-later
"""Each end proves itself in its own way: RFC 7296 section 2.15 does not want the same of both."""

from __future__ import annotations

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import BOTH, Credentials, EndAuth, Run, certificates_in, expect, main, scenario
from fynx_scapy.scenarios.certificates.signatures import authenticated

SOURCE, NEEDS = "RFC 7296 section 2.15", {"certificates", "ecdsa", "mixed"}
REQUIREMENTS = ("7296-1.2-02", "7296-2.15-i04")
PSK = EndAuth(by="psk")


@scenario(SOURCE, roles=BOTH, needs=NEEDS, requirements=REQUIREMENTS, config={"auth": Credentials(ours=PSK)})
def psk_for_us(run: Run) -> None:
    """We have the pre-shared key, and the peer has a certificate."""
    authenticated(run)
    expect(certificates_in(run.messages(MessageSent)), "our certificates").equals([])


@scenario(SOURCE, roles=BOTH, needs=NEEDS, requirements=REQUIREMENTS, config={"auth": Credentials(theirs=PSK)})
def psk_for_the_peer(run: Run) -> None:
    """The peer has the pre-shared key, and we have a certificate."""
    authenticated(run)
    expect(certificates_in(run.messages(MessageReceived)), "the peer's certificates").equals([])


@scenario(
    SOURCE,
    roles=BOTH,
    needs=NEEDS | {"rsa_pss"},
    requirements=REQUIREMENTS,
    config={"auth": Credentials(ours=EndAuth(key="rsa-2048", scheme="rsa-pss-sha256"))},
)
def rsa_for_us(run: Run) -> None:
    """We have an RSA key, and the peer has one for ECDSA."""
    authenticated(run)


if __name__ == "__main__":
    main(__file__)
