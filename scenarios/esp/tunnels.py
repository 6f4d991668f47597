# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP between the peers: IPv6, ESN, GMAC, TFC padding, protocol 50."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fynx_scapy.events import (
    EspReceived,
    EspSent,
)
from fynx_scapy.harness import (
    EVERY,
    Run,
    expect,
    main,
    scenario,
)
from fynx_scapy.scenarios.rekey.rekey_child import child_rekeyed
from fynx_scapy.scenarios.rekey.rekey_ike import ike_rekeyed
from fynx_scapy.taps import DatagramKind

ESN, ESN_PFS = {"esp": "aes128gcm16-esn"}, {"esp": "aes128gcm16-esn-x25519"}


SIX = {"local_ts": ("fd02::/64",), "remote_ts": ("fd01::/64",)}


@scenario("RFC 7296 section 2.23", roles=EVERY, site={"ipv6": True}, config=SIX)
def ipv6(run: Run) -> None:
    """IPv6 outside and inside."""
    run.establish()
    run.send_traffic(ipv6=True)
    run.agree()


@scenario("RFC 4301 section 5.1.2", roles=EVERY, site={"ipv6": True})
def ipv4_in_ipv6(run: Run) -> None:
    """IPv4 packets in a tunnel over IPv6."""
    run.establish()
    run.send_traffic()
    run.agree()


@scenario("RFC 4301 section 5.1.2", roles=EVERY, config=SIX)
def ipv6_in_ipv4(run: Run) -> None:
    """IPv6 packets in a tunnel over IPv4."""
    run.establish()
    run.send_traffic(ipv6=True)
    run.agree()


TFC = 600


def travels(run: Run, kind: DatagramKind) -> None:
    """Check that all ESP was sent as ``kind``, in both directions."""
    kinds = {event.datagram.kind for event in run.events if isinstance(event, EspSent | EspReceived)}
    expect(kinds, "encapsulation of ESP").equals({kind})


def extended(run: Run) -> None:
    """Check that the newest Child SA uses ESN at both peers."""
    expect(run.s.child.outbound.esn, "ESN at our end").holds()
    run.wait_until(lambda: run.installed() and run.installed()[-1].esn, "ESN at the peer")


@scenario("RFC 4303 section 3.1.2", roles=EVERY, needs={"kernel", "protocol50"})
def protocol_50(run: Run) -> None:
    """Without a NAT, ESP is sent as IP protocol 50."""
    run.establish()
    run.send_traffic(count=3)
    travels(run, DatagramKind.ESP)
    run.agree()


def esn(run: Run) -> None:
    """64-bit sequence numbers, of which the packet carries 32 bits."""
    # HDR, SK {…, SA with ESN, …}  -->   <--  HDR, SK {…, SA with ESN, …}
    run.establish()
    extended(run)
    run.send_traffic(count=3)
    run.agree()


for name, suite in {
    "gcm": "aes128gcm16-esn",
    "gcm256": "aes256gcm16-esn",
    "cbc_sha256": "aes128-sha256-esn",
    "chacha20": "chacha20poly1305-esn",
}.items():
    scenario("RFC 4303 section 2.2.1", roles=EVERY, name=f"esn_{name}", config={"esp": suite},
             needs={"esn"} | ({"suites"} if name != "gcm" else set()))(esn)  # fmt: skip


@scenario("RFC 4543 section 2", roles=EVERY, needs={"kernel", "gmac"}, config={"esp": "aes128gmac"})
def gmac(run: Run) -> None:
    """AES-GMAC: packets that are authentic, and that everybody can read."""
    run.establish()
    run.send_traffic(count=2)
    sent = [event for event in run.events if isinstance(event, EspSent)]
    expect(any(b"fynx 1" in event.datagram.data for event in sent), "plain text on the wire").holds()
    run.agree()


def _with_esn(run: Run, rekey: Callable[..., None]) -> None:
    run.establish()
    run.send_traffic(count=1)
    for by_us in (True, False):
        rekey(run, by_us=by_us)
        extended(run)
        run.send_traffic(count=1)
    run.agree()


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"esn", "rekey"}, config=ESN_PFS)
def esn_rekey_pfs(run: Run) -> None:
    """Either peer rekeys a Child SA with ESN, with a key exchange; the new one has ESN too."""
    _with_esn(run, partial(child_rekeyed, pfs=True))


@scenario("RFC 7296 section 1.3.2", roles=EVERY, needs={"esn", "rekey"}, config=ESN)
def esn_rekey_ike(run: Run) -> None:
    """Either peer rekeys the IKE SA; its Child SA with ESN is inherited."""
    _with_esn(run, ike_rekeyed)


@scenario("RFC 4301 section 5.1.2", roles=EVERY, needs={"esn", "ipv6"}, site={"ipv6": True}, config={**SIX, **ESN})
def esn_ipv6(run: Run) -> None:
    """ESN, IPv6 outside and inside, and protocol 50."""
    run.establish()
    extended(run)
    run.send_traffic(ipv6=True)
    travels(run, DatagramKind.ESP)
    run.agree()


@scenario("RFC 4303 section 2.7", roles=EVERY, needs={"tfc"}, config={"tfc": TFC}, ours={"child": {"tfc_length": TFC}})
def tfc_padding(run: Run) -> None:
    """Both peers add TFC padding to short packets, so that all packets have one size."""
    run.establish()
    run.send_traffic(count=2)
    run.wait_until(lambda: len(run.installed()) == 1, "the Child SA at the peer")
    for kind in (EspSent, EspReceived):
        sizes = {len(event.datagram.data) for event in run.events if isinstance(event, kind)}
        expect(len(sizes), f"sizes of packets, {kind.__name__}").equals(1)
        expect(min(sizes), "the size of a packet with padding").between(TFC, TFC + 100)


if __name__ == "__main__":
    main(__file__)
