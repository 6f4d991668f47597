# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP stream between two sites, through TUN devices and our gateways: what arrives, and how whole it is."""

from __future__ import annotations

import functools

import pytest

from fynx_scapy.bench.gateways import Ours
from fynx_scapy.bench.tun import run
from fynx_scapy.errors import LabError


@pytest.mark.slow
@pytest.mark.parametrize("offload", [True, False])
def test_a_tcp_stream(offload: bool) -> None:
    """The receiving kernel verifies what was not joined, and drops segments with a wrong checksum."""
    try:
        done = run(functools.partial(Ours, offload=offload), 1)
    except LabError as error:
        pytest.skip(str(error))
    assert done.rate > 10
    assert done.damaged == 0
