# SPDX-License-Identifier: GPL-2.0-or-later
"""Several endpoints share their ports: each hands out SPIs and addresses of its own share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.basics.share import WHOLE, Share
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.terms.pool import Pools
from fynx_scapy.ike.terms.selectors import Selector

totals = st.integers(1, 1024)


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=8, max_size=8), totals, st.data())
def test_every_spi_has_a_neighbour_in_every_share(spi: bytes, total: int, data: st.DataObject) -> None:
    share = Share(data.draw(st.integers(0, total - 1)), total)
    near = share.near(spi)
    assert share.has(near)
    assert abs(int.from_bytes(near) - int.from_bytes(spi)) <= total
    assert near[:-4] == spi[:-4]
    assert sum(Share(number, total).has(spi) for number in range(total)) == 1


def test_alone_every_spi_is_ours() -> None:
    assert EndpointConfig().spi_share == WHOLE
    assert WHOLE.near(b"\xff" * 8) == b"\xff" * 8


def test_the_spis_of_an_endpoint() -> None:
    endpoint = Endpoint("192.0.2.1", config=EndpointConfig(spi_share=(2, 3)))
    assert {int.from_bytes(endpoint.new_ike_spi()[4:]) % 3 for _ in range(50)} == {2}
    assert {endpoint.new_child_spi() % 3 for _ in range(50)} == {2}


@pytest.mark.parametrize("network", ["10.9.0.0/28", "2001:db8::/125"])
def test_no_address_is_lent_twice(network: str) -> None:
    selector = Selector.of(network)
    alone = Pools().of(selector)
    whole = [alone.lend() for _ in range(16)]
    pools = [Pools(Share(number, 3)).of(selector) for number in range(3)]
    lent = [pool.lend() for pool in pools for _ in range(16)]
    assert sorted(filter(None, lent)) == sorted(filter(None, whole))
    # An address that another endpoint lends is not lent on request.
    wanted = pools[1].first + 1
    pools[1].give_back(wanted)
    pools[0].give_back(pools[0].first)
    assert pools[0].lend(wanted) == pools[0].first
    assert pools[1].lend(wanted) == wanted


@pytest.mark.parametrize("share", [(1, 1), (-1, 2), (0, 0), (0, 1025), (0,), "01", (0.0, 2), (True, 2), 3])
def test_shares_that_there_are_not(share: object) -> None:
    with pytest.raises(ConfigError, match="spi_share"):
        EndpointConfig(spi_share=share)  # type: ignore[arg-type]
