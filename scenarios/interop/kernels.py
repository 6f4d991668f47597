# SPDX-License-Identifier: GPL-2.0-or-later
"""What kernel ESP supports and strongSwan's user space ESP does not: ESN, protocol 50, transport mode, GMAC, TFC."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.events import EspReceived, EspSent, MessageSent
from fynx_scapy.harness import expect
from fynx_scapy.lab import Meeting, trial
from fynx_scapy.layers.ikev2 import IKEv2_KE
from fynx_scapy.scenarios.interop.lives import rekey_child, rekey_ike
from fynx_scapy.taps import DatagramKind

ESN, ESN_PFS = {"esp": "aes128gcm16-esn"}, {"esp": "aes128gcm16-esn-x25519"}
SIX = {"local_ts": ("fd02::/64",), "remote_ts": ("fd01::/64",)}
HOSTS = {"mode": "transport", "local_ts": ("10.9.0.2/32",), "remote_ts": ("10.9.0.1/32",)}
HOSTS6 = {"mode": "transport", "local_ts": ("fd09::2/128",), "remote_ts": ("fd09::1/128",)}
TFC = 600


def travels(m: Meeting, kind: DatagramKind) -> None:
    """Check that all ESP was sent as ``kind``, in both directions."""
    kinds = {event.datagram.kind for _, event in m.s.events if isinstance(event, EspSent | EspReceived)}
    expect(kinds, "encapsulation of ESP").equals({kind})


def extended(m: Meeting) -> None:
    """Check that the newest Child SA uses ESN at both peers."""
    expect(m.s.child.outbound.esn, "ESN at our end").holds()
    m.wait_until(lambda: m.installed() and m.installed()[-1].esn, "ESN at the peer")


@trial("RFC 4303 section 3.1.2", needs={"kernel", "protocol50"})
def protocol_50(m: Meeting) -> None:
    """Without a NAT, ESP is sent as IP protocol 50."""
    m.establish()
    m.send_traffic(count=3)
    travels(m, DatagramKind.ESP)
    m.agree()


@trial("RFC 3948 section 2.1", needs={"kernel"}, ours={"force_encapsulation": True})
def forced_encapsulation(m: Meeting) -> None:
    """We report a NAT that does not exist, and the peer's kernel encapsulates its ESP in UDP."""
    m.establish()
    m.send_traffic(count=3)
    travels(m, DatagramKind.ESP_IN_UDP)
    m.agree()


def esn(m: Meeting) -> None:
    """64-bit sequence numbers, of which the packet carries 32 bits."""
    # HDR, SK {…, SA with ESN, …}  -->   <--  HDR, SK {…, SA with ESN, …}
    m.establish()
    extended(m)
    m.send_traffic(count=3)
    m.agree()


for name, suite in {
    "gcm": "aes128gcm16-esn",
    "gcm256": "aes256gcm16-esn",
    "cbc_sha256": "aes128-sha256-esn",
    "chacha20": "chacha20poly1305-esn",
}.items():
    trial("RFC 4303 section 2.2.1", name=f"esn_{name}", needs={"esn"} | ({"suites"} if name != "gcm" else set()),
          config={"esp": suite})(esn)  # fmt: skip


@trial("RFC 4543 section 2", needs={"kernel", "gmac"}, config={"esp": "aes128gmac"})
def gmac(m: Meeting) -> None:
    """AES-GMAC: packets that are authentic, and that everybody can read."""
    m.establish()
    m.send_traffic(count=2)
    sent = [event for _, event in m.s.events if isinstance(event, EspSent)]
    expect(any(b"fynx 1" in event.datagram.data for event in sent), "plain text on the wire").holds()
    m.agree()


def _hosts(m: Meeting, *, ipv6: bool = False) -> None:
    m.establish()
    expect(m.s.child.hosts is not None, "transport mode").holds()
    m.send_traffic(hosts=True, ipv6=ipv6)
    travels(m, DatagramKind.ESP)
    m.agree()


@trial("RFC 4303 section 3.1.1", needs={"transport"}, config=HOSTS)
def transport_gcm(m: Meeting) -> None:
    """Transport mode: traffic between the two hosts themselves, without an outer IP header."""
    # HDR, SK {…, N(USE_TRANSPORT_MODE)}  -->   <--  HDR, SK {…, N(USE_TRANSPORT_MODE)}
    _hosts(m)


@trial("RFC 4303 section 3.1.1", needs={"transport", "esn"}, config={**HOSTS, "esp": "aes256-sha256-esn"})
def transport_esn(m: Meeting) -> None:
    """Transport mode with CBC, HMAC and ESN."""
    _hosts(m)
    extended(m)


@trial("RFC 4303 section 3.1.1", needs={"transport", "ipv6"}, config=HOSTS6, site={"ipv6": True})
def transport_ipv6(m: Meeting) -> None:
    """Transport mode over IPv6."""
    _hosts(m, ipv6=True)


@trial("RFC 7296 section 1.3.3", needs={"transport", "rekey"}, config=HOSTS)
def transport_rekey(m: Meeting) -> None:
    """Either peer rekeys a Child SA in transport mode; the new one is in transport mode too."""
    m.establish()
    for by_us in (True, False):
        rekey_child(m, by_us)
        expect(m.s.child.hosts is not None, "transport mode again").holds()
        m.send_traffic(count=1, hosts=True)
    m.agree()


def _with_esn(m: Meeting, rekey: Callable[[Meeting, bool], None]) -> None:
    m.establish()
    m.send_traffic(count=1)
    for by_us in (True, False):
        rekey(m, by_us)
        extended(m)
        m.send_traffic(count=1)
    m.agree()


@trial("RFC 7296 section 1.3.3", needs={"esn", "rekey"}, config=ESN_PFS)
def esn_rekey_pfs(m: Meeting) -> None:
    """Either peer rekeys a Child SA with ESN, with a key exchange; the new one has ESN too."""
    _with_esn(m, rekey_child)
    expect(sum(IKEv2_KE in message for message in m.messages(MessageSent)[2:]), "our KE payloads").equals(2)


@trial("RFC 7296 section 1.3.2", needs={"esn", "rekey"}, config=ESN)
def esn_rekey_ike(m: Meeting) -> None:
    """Either peer rekeys the IKE SA; its Child SA with ESN is inherited."""
    _with_esn(m, rekey_ike)


@trial("RFC 4301 section 5.1.2", needs={"esn", "ipv6"}, site={"ipv6": True}, config={**SIX, **ESN})
def esn_ipv6(m: Meeting) -> None:
    """ESN, IPv6 outside and inside, and protocol 50."""
    m.establish()
    extended(m)
    m.send_traffic(ipv6=True)
    travels(m, DatagramKind.ESP)
    m.agree()


@trial("RFC 4303 section 2.7", needs={"tfc"}, config={"tfc": TFC}, ours={"child": {"tfc_length": TFC}})
def tfc_padding(m: Meeting) -> None:
    """Both peers add TFC padding to short packets, so that all packets have one size."""
    m.establish()
    m.send_traffic(count=2)
    m.wait_until(lambda: len(m.installed()) == 1, "the Child SA at the peer")
    for kind in (EspSent, EspReceived):
        sizes = {len(event.datagram.data) for _, event in m.s.events if isinstance(event, kind)}
        expect(len(sizes), f"sizes of packets, {kind.__name__}").equals(1)
        expect(min(sizes), "the size of a packet with padding").between(TFC, TFC + 100)
