# SPDX-License-Identifier: GPL-2.0-or-later
"""What the topic `certificates` measures is real: both ends send a chain of two, and the peer's is judged."""

from __future__ import annotations

from fynx_scapy.bench import certificates
from fynx_scapy.crypto.signing import SCHEMES
from fynx_scapy.events import PeerCertificateAccepted


def test_a_handshake_with_certificates() -> None:
    handshakes = certificates.handshakes(*certificates.certified())
    (ends,) = handshakes.feed(1)
    handshakes.call(ends)
    for end in (ends.alice, ends.bob):
        (accepted,) = [event for event in end.events() if isinstance(event, PeerCertificateAccepted)]
        assert accepted


def test_the_chain_and_the_signatures() -> None:
    chain = certificates.chains()()
    assert len(chain.certificates) == 3  # type: ignore[attr-defined] # with the root
    for make, check in map(certificates.signatures, (SCHEMES["ed25519"], SCHEMES["ecdsa-sha256"])):
        assert make()
        assert check()
