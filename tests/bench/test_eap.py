# SPDX-License-Identifier: GPL-2.0-or-later
"""What the topic `eap` measures is real: the client has proven itself by that method, in both versions of TLS."""

from __future__ import annotations

import pytest

from fynx_scapy.bench import eap
from fynx_scapy.bench.certificates import handshakes
from fynx_scapy.bench.ends import Ends

CASES = {
    "EAP-MSCHAPv2 as alice": eap.mschapv2,
    "EAP-TLS as alice": lambda: eap.tls("1.3"),
    "pre-shared key; then EAP-MSCHAPv2 as alice": eap.rounds,
}


@pytest.mark.parametrize("proof", CASES)
def test_a_handshake_with_eap(proof: str) -> None:
    made = CASES[proof]()
    ends = Ends(*made)
    sa = ends.connect()
    assert sa.established
    (theirs,) = (each for each in ends.bob.sas.values() if each.established)
    assert theirs.peer_proof is not None
    assert theirs.peer_proof.by == proof
    assert sa.peer_certificate is not None
    handshakes(*made).call(Ends(*made))
