# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of published shapes share."""

from __future__ import annotations

import pytest

from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair

OTHER = {"alice": "bob", "bob": "alice"}
BOTH = pytest.mark.parametrize("sender", ["alice", "bob"])


def sa_of(pair: Pair, who: str) -> IkeSa:
    """The first IKE SA of an end."""
    return next(iter(getattr(pair, who).sas.values()))


def usable(pair: Pair) -> bool:
    """Whether a good peer gets in afterwards, and its traffic through."""
    pair.alice.taps.clear()
    pair.bob.taps.clear()
    sa = pair.connect()
    sent = pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now)
    pair.network.run()
    return sa.established and sent and bool(pair.network.hosts["bob"].inbox)
