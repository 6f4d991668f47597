# SPDX-License-Identifier: GPL-2.0-or-later
"""Child SAs in transport mode, whoever begins."""

from __future__ import annotations

from fynx_scapy.harness import (
    EVERY,
    Run,
    expect,
    main,
    scenario,
)
from fynx_scapy.scenarios.esp.either_end import extended, travels
from fynx_scapy.scenarios.rekey.either_end import rekey_child
from fynx_scapy.taps import DatagramKind

HOSTS = {"mode": "transport", "local_ts": ("10.9.0.2/32",), "remote_ts": ("10.9.0.1/32",)}


HOSTS6 = {"mode": "transport", "local_ts": ("fd09::2/128",), "remote_ts": ("fd09::1/128",)}


def _hosts(run: Run, *, ipv6: bool = False) -> None:
    run.establish()
    expect(run.s.child.hosts is not None, "transport mode").holds()
    run.send_traffic(hosts=True, ipv6=ipv6)
    travels(run, DatagramKind.ESP)
    run.agree()


@scenario("RFC 4303 section 3.1.1", roles=EVERY, needs={"transport"}, config=HOSTS)
def transport_gcm(run: Run) -> None:
    """Transport mode: traffic between the two hosts themselves, without an outer IP header."""
    # HDR, SK {…, N(USE_TRANSPORT_MODE)}  -->   <--  HDR, SK {…, N(USE_TRANSPORT_MODE)}
    _hosts(run)


@scenario(
    "RFC 4303 section 3.1.1", roles=EVERY, needs={"transport", "esn"}, config={**HOSTS, "esp": "aes256-sha256-esn"}
)
def transport_esn(run: Run) -> None:
    """Transport mode with CBC, HMAC and ESN."""
    _hosts(run)
    extended(run)


@scenario("RFC 4303 section 3.1.1", roles=EVERY, needs={"transport", "ipv6"}, config=HOSTS6, site={"ipv6": True})
def transport_ipv6(run: Run) -> None:
    """Transport mode over IPv6."""
    _hosts(run, ipv6=True)


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"transport", "rekey"}, config=HOSTS)
def transport_rekey(run: Run) -> None:
    """Either peer rekeys a Child SA in transport mode; the new one is in transport mode too."""
    run.establish()
    for by_us in (True, False):
        rekey_child(run, by_us)
        expect(run.s.child.hosts is not None, "transport mode again").holds()
        run.send_traffic(count=1, hosts=True)
    run.agree()


if __name__ == "__main__":
    main(__file__)
