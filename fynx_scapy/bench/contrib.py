# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy's contrib layer builds and dissects four IKE_SA_INIT messages, as often as stdin has lines.

A process of its own, because it binds the same ports as our layers: ``python -m fynx_scapy.bench.contrib``. A
request and a response, each twice, with the payloads of our engine for one proposal: SA, KE (X25519), Nonce and the
two NAT detection notifies. It includes no cryptography. Answers each line with the processor time in seconds.
"""

from __future__ import annotations

import sys
import time
from typing import Any

SPI_I, SPI_R = bytes(range(1, 9)), bytes(range(11, 19))
TIMES = 4
"""So many rounds of four messages are measured for each line."""


def message(ikev2: Any, flags: str, resp_spi: bytes) -> Any:
    """An IKE_SA_INIT message: AES-GCM-16 with 128 bits, PRF_HMAC_SHA2_256, Curve25519."""
    aes = ikev2.IKEv2_Transform(transform_type=1, transform_id=20, length=12, key_length=128)
    transforms = (
        aes
        / ikev2.IKEv2_Transform(transform_type=2, transform_id=5)
        / ikev2.IKEv2_Transform(transform_type=4, transform_id=31)
    )
    return (
        ikev2.IKEv2(init_SPI=SPI_I, resp_SPI=resp_spi, exch_type=34, flags=flags)
        / ikev2.IKEv2_SA(prop=ikev2.IKEv2_Proposal(trans_nb=3, trans=transforms))
        / ikev2.IKEv2_KE(group=31, ke=bytes(32))
        / ikev2.IKEv2_Nonce(nonce=bytes(32))
        / ikev2.IKEv2_Notify(type=16388, notify=bytes(20))
        / ikev2.IKEv2_Notify(type=16389, notify=bytes(20))
    )


def four_messages(ikev2: Any) -> None:
    """Construct, build and dissect the four."""
    for _ in range(2):
        ikev2.IKEv2(bytes(message(ikev2, "Initiator", bytes(8))))
        ikev2.IKEv2(bytes(message(ikev2, "Response", SPI_R)))


def main() -> None:
    """Measure for each line of stdin."""
    from scapy.contrib import ikev2  # not at the top: whoever imports this module has our layers

    last = ikev2.IKEv2(bytes(message(ikev2, "Initiator", bytes(8)))).getlayer(ikev2.IKEv2_Notify, nb=2)
    if last is None or bytes(last.notify) != bytes(20):
        sys.exit("the last payload was not dissected")
    four_messages(ikev2)
    for _ in sys.stdin:
        start = time.process_time()
        for _ in range(TIMES):
            four_messages(ikev2)
        print((time.process_time() - start) / TIMES, flush=True)


if __name__ == "__main__":
    main()
