# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy's own ``sr1(IP()/UDP()/IKEv2()…)``, from a process in the lab, is answered by a charon."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.namespace import tool

CODE = """
from scapy.all import IP, UDP, conf, sr1
from fynx_scapy.layers.ikev2 import *

conf.verb = 0
conf.route.resync()
request = (
    IKEv2(exch_type="IKE_SA_INIT", init_SPI=b"12345678", flags="Initiator")
    / IKEv2_SA(prop=[IKEv2_Proposal(trans=[
        IKEv2_Transform(transform_type="ENCR", transform_id=20, key_length=128),
        IKEv2_Transform(transform_type="PRF", transform_id=5),
        IKEv2_Transform(transform_type="KE", transform_id=31),
    ])])
    / IKEv2_KE(group=31, ke=bytes([9]) + bytes(31))
    / IKEv2_Nonce(nonce=bytes(range(32)))
)
answer = sr1(IP(dst="10.9.0.2") / UDP(sport=500, dport=500) / request, timeout=5)
print(answer and (IKEv2_KE in answer, answer[IKEv2].init_SPI, answer[IKEv2_SA].prop[0].trans_nb))
"""


@pytest.mark.usefixtures("strongswan")
def test_sr1_is_answered_by_charon() -> None:
    with Lab() as lab:
        done = subprocess.run(
            [tool("nsenter"), f"--net={lab.ours.namespace.path}", "--", sys.executable, "-c", CODE],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.stdout.strip() == "(True, b'12345678', 3)", done.stderr
