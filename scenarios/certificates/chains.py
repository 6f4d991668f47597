# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates that an intermediate authority has issued, and the choice between several certificates."""

from __future__ import annotations

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import BOTH, EVERY, Credentials, EndAuth, Run, certificates_in, expect, main, scenario
from fynx_scapy.scenarios.certificates.signatures import authenticated

SEND = ("7296-1.2-01", "7296-3.6-01", "7296-3.6-03")
OTHER_FIRST = EndAuth(authority="other", also=(EndAuth(),))
"""Two certificates, of which the first one leads to an authority that the other end does not trust."""


@scenario(
    "RFC 7296 section 3.6",
    roles=EVERY,
    needs={"certificates", "chains", "ecdsa"},
    requirements=(*SEND, "4945-3.3-01", "4945-3.3.11.2-02"),
    config={"auth": Credentials.alike(intermediate="sent")},
)
def chain_sent(run: Run) -> None:
    """Each end sends its certificate first and then that of its intermediate authority, which the other one lacks."""
    authenticated(run)
    for end in MessageSent, MessageReceived:
        # HDR, SK {IDi, CERT(end entity), CERT(intermediate), AUTH, …}
        expect(len(certificates_in(run.messages(end))), "certificates in IKE_AUTH").equals(2)


@scenario(
    "RFC 4945 section 3.3.7",
    roles=BOTH,
    needs={"certificates", "chains", "ecdsa"},
    requirements=SEND,
    config={"auth": Credentials.alike(intermediate="known")},
)
def chain_known(run: Run) -> None:
    """Each end sends its certificate alone, and the other one has that of the intermediate authority already."""
    authenticated(run)
    for end in MessageSent, MessageReceived:
        expect(len(certificates_in(run.messages(end))), "certificates in IKE_AUTH").equals(1)


@scenario(
    "RFC 7296 section 3.7",
    roles=BOTH,
    needs={"certificates", "certreq", "ecdsa"},
    requirements=("7296-3.7-03",),
    config={"auth": Credentials(ours=OTHER_FIRST)},
)
def our_certificate_chosen(run: Run) -> None:
    """Of our two certificates we send the one whose authority the peer's CERTREQ names."""
    authenticated(run)
    _chosen(run, ours=True)


@scenario(
    "RFC 7296 section 3.7",
    roles=BOTH,
    needs={"certificates", "choice", "ecdsa"},
    requirements=("7296-3.7-03",),
    config={"auth": Credentials(theirs=OTHER_FIRST)},
)
def peer_certificate_chosen(run: Run) -> None:
    """Of its two certificates the peer sends the one whose authority our CERTREQ names."""
    authenticated(run)
    _chosen(run, ours=False)


def _chosen(run: Run, *, ours: bool) -> None:
    made = run.peer_config.credentials
    held = made.ours if ours else made.theirs
    sent = certificates_in(run.messages(MessageSent if ours else MessageReceived))
    expect(sent[:1], "the certificate that was sent").equals([held[1].issued.der])


if __name__ == "__main__":
    main(__file__)
