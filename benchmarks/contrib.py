# SPDX-License-Identifier: GPL-2.0-or-later
"""Times Scapy's contrib layer: build and dissect four IKE_SA_INIT messages, the reference for our handshake.

`side_by_side.py` runs it in a separate process, because it and our layers bind the same ports. A request and a
response, each twice, with the payloads that our engine sends for a single proposal: SA, KE (X25519), Nonce and the two
NAT detection notifies. It includes no cryptography. Prints elapsed and processor time of each round, in seconds, as
JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from scapy.contrib.ikev2 import (
    IKEv2,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
)

SPI_I, SPI_R = bytes(range(1, 9)), bytes(range(11, 19))


def message(flags: str, resp_spi: bytes) -> Any:
    """An IKE_SA_INIT message: AES-GCM-16 with 128 bits, PRF_HMAC_SHA2_256, Curve25519."""
    aes = IKEv2_Transform(transform_type=1, transform_id=20, length=12, key_length=128)
    transforms = (
        aes / IKEv2_Transform(transform_type=2, transform_id=5) / IKEv2_Transform(transform_type=4, transform_id=31)
    )
    return (
        IKEv2(init_SPI=SPI_I, resp_SPI=resp_spi, exch_type=34, flags=flags)
        / IKEv2_SA(prop=IKEv2_Proposal(trans_nb=3, trans=transforms))
        / IKEv2_KE(group=31, ke=bytes(32))
        / IKEv2_Nonce(nonce=bytes(32))
        / IKEv2_Notify(type=16388, notify=bytes(20))
        / IKEv2_Notify(type=16389, notify=bytes(20))
    )


def four_messages() -> None:
    """Construct, build and dissect the four."""
    for _ in range(2):
        IKEv2(bytes(message("Initiator", bytes(8))))
        IKEv2(bytes(message("Response", SPI_R)))


def main(rounds: int) -> None:
    """Measure ``rounds`` rounds after a few to warm up."""
    assert IKEv2_Notify in IKEv2(bytes(message("Initiator", bytes(8)))), "the last payload was not dissected"
    times = []
    for _ in range(rounds + 5):
        start, processor = time.perf_counter(), time.process_time()
        four_messages()
        times.append((time.perf_counter() - start, time.process_time() - processor))
    print(json.dumps(times[5:]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
