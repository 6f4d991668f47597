# SPDX-License-Identifier: GPL-2.0-or-later
"""FCS_IPSEC_EXT.1 of NIAP's PP-Module for VPN Clients 3.0 (2025-09-30): what of its tests can be seen from the wire.

The peer is the TOE, and is configured as the module asks: IKE and ESP with AES-GCM-256, groups 20 and 15 to 18 or
21. Each test has a positive half, which must succeed, and a negative half, which must fail. Here the TOE authenticates
by a pre-shared key; the ten tests about certificates are in `niap_certificates`. Not seen from the wire are the SPD's
entries BYPASS and DISCARD, and how secrets are generated (elements 9 and 10). A lifetime of hours passes in virtual
time only, with an embedded peer.
"""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import ICMP, IP, UDP

from fynx_scapy import ChildConfig, IkeConfig, Lifetime, Limits, Session
from fynx_scapy.errors import LocalError, Timeout
from fynx_scapy.events import ChildSaInstalled, ChildSaRekeyed, IkeSaEstablished, IkeSaRekeyed, SaDeleted
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import Case, case, cases, gives_up, no_sa
from fynx_scapy.harness.verbs import lose_all, octets_instead_for_good
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_SA

PP = "NIAP PP-Module VPN Client 3.0"
IKE, ESP = "aes256gcm16-prfsha384-ecp384", "aes256gcm16"
GROUPS = {
    "15": "modp3072", "16": "modp4096", "17": "modp6144", "18": "modp8192", "20": "ecp384", "21": "ecp521",
}  # fmt: skip
EVERY = tuple(f"aes256gcm16-{prf}-{group}" for prf in ("prfsha384", "prfsha512") for group in GROUPS.values())
TOE: dict[str, Any] = {"proposals": EVERY, "esp_proposals": ESP}
"""How the embedded peer is configured: as the module allows, and no further."""


def niap(element: str, test: int | None = None) -> str:
    """Where a test stands: ``FCS_IPSEC_EXT.1.5 test 2``."""
    return f"{PP}, FCS_IPSEC_EXT.{element}{f' test {test}' if test else ''}"


def session(run: Run, **given: Any) -> Session:
    """A session with our proposals. An embedded peer is the TOE above, a live one is as it is."""
    return run.session(**{"proposals": IKE, "esp_proposals": ESP, "embedded": {"peer": TOE}, **given})


def connected(run: Run, **given: Any) -> Session:
    """An IKE SA and a Child SA with these proposals, and packets that pass."""
    s = session(run, **given)
    run.establish(s)
    expect(s.ping()).has(ICMP, type=0)
    return s


def refused(run: Run, what: str, **given: Any) -> None:
    """No IKE SA comes of these proposals."""
    s = session(run, **given)
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, N(NO_PROPOSAL_CHOSEN) or N(INVALID_KE_PAYLOAD)
    answer = s.sa_init()
    expect(answer, what).lacks(IKEv2_SA).has(IKEv2_Notify)
    expect(s.events).lacks(IkeSaEstablished)


@case(source=niap("1.2", 1), suites=("niap",), roles=BOTH, severity="high")
def niap_tunnel_mode(run: Run) -> None:
    """A Child SA in tunnel mode is set up, and packets pass; USE_TRANSPORT_MODE is not answered unasked."""
    s = connected(run)
    expect(s.child.hosts, "transport mode").fails()


@case(source=niap("1.2", 2), suites=("niap",), severity="high")
def niap_transport_mode(run: Run) -> None:
    """A Child SA in transport mode is set up where the TOE has transport mode, and packets between the hosts pass."""
    hosts = ChildConfig(mode="transport", local_ts="192.0.2.1", remote_ts="192.0.2.2", proposals=ESP)
    if not run.embedded("a TOE that is configured for transport mode"):
        run.needs(False, "the TOE would have to be configured for transport mode between its address and ours")
    config = IkeConfig(auth="fynx", local_id="alice", remote_id="bob", proposals=IKE, children=(hosts,))
    s = run.session(config=config)
    run.establish(s)
    expect(s.child.hosts is not None, "transport mode").holds()
    expect(s.ping("192.0.2.2", source="192.0.2.1")).has(ICMP, type=0)


@case(source=niap("1.1", 1), suites=("niap",), roles=BOTH, severity="critical")
def niap_selectors_inbound(run: Run) -> None:
    """Inbound packets within the selectors are delivered; those outside are not, though their ICV is right."""
    s = connected(run)
    inside = s.echo()
    for address in ("198.51.100.1", "203.0.113.9", "127.0.0.1"):
        # ESP {IP from or to an address that no entry protects}  ==>
        outside = IP(inside)
        outside.src, outside.chksum = address, None
        wrong = bytes(outside)
        undo = s.tap("parts", lambda packet, wrong=wrong: setattr(packet.parts, "payload", wrong))
        expect(lambda: s.ping(timeout=0.5)).raises(Timeout)
        undo()
    expect(s.ping()).has(ICMP, type=0)


@case(source=niap("1.3", 1), suites=("niap",), roles=BOTH, severity="critical")
def niap_unmatched_is_discarded(run: Run) -> None:
    """A packet that no entry matches after one field of its header was changed comes out nowhere."""
    s = connected(run)
    fine = s.echo()
    changed = IP(fine)
    changed.dst, changed.chksum = "198.18.0.1", None
    octets = bytes(changed)
    before = len(s.network.hosts[s.name].inbox)
    undo = s.tap("parts", lambda packet: setattr(packet.parts, "payload", octets))
    expect(lambda: s.ping(timeout=0.5)).raises(Timeout)
    undo()
    expect(len(s.network.hosts[s.name].inbox), "packets from the TOE").equals(before)
    expect(lambda: s.send(bytes(IP(src="198.18.0.1", dst="198.18.0.2") / UDP()))).raises(LocalError)
    expect(s.ping()).has(ICMP, type=0)


@case(source=niap("1.4", 1), suites=("niap",), roles=BOTH, severity="high")
def niap_esp_gcm_256(run: Run) -> None:
    """ESP with AES-GCM-256 is set up, and packets pass."""
    s = connected(run)
    expect(str(s.child.suite), "the ESP suite").contains("aes256gcm16")


@case(source=niap("1.5", 1), suites=("niap",), roles=BOTH, severity="high")
def niap_nat_traversal(run: Run) -> None:
    """With a NAT in front of us IKE moves to port 4500, ESP goes in UDP, and packets pass."""
    config = IkeConfig(
        auth="fynx", local_id="alice", remote_id="bob", proposals=IKE, children=ChildConfig(proposals=ESP),
        force_encapsulation=True,
    )  # fmt: skip
    s = run.session(config=config)
    run.establish(s)
    expect(s.ping()).has(ICMP, type=0)
    expect(s.sa.remote.port != 500, "another port than 500").holds()


def _version_1(notify_type: int) -> bytes:
    """An ISAKMP Informational with a Notification (RFC 2408 section 3.14), as a peer with IKEv1 alone sends."""
    body = bytes([0, 0, 0, 12]) + (1).to_bytes(4) + bytes([1, 0]) + notify_type.to_bytes(2)
    return b"\1" * 8 + bytes(8) + bytes([11, 0x10, 5, 0]) + bytes(4) + (28 + len(body)).to_bytes(4) + body


cases(
    __name__,
    [
        Case(
            "niap_ikev1_only_silent", base="init", at="response", do=lose_all(), then=gives_up() & no_sa(),
            source=niap("1.5", 2), suites=("niap",), severity="high",
            what="A peer with IKEv1 alone is silent to IKE_SA_INIT: the TOE sets up nothing.",
        ),
        Case(
            "niap_ikev1_only_notify", base="init", at="response", do=octets_instead_for_good(_version_1(5)),
            then=gives_up() & no_sa(), source=niap("1.5", 2), suites=("niap",), severity="high",
            what="A peer with IKEv1 alone answers IKE_SA_INIT with INVALID-MAJOR-VERSION of IKEv1: nothing is set up.",
        ),
        Case(
            "niap_ikev1_only_refusal", base="init", at="response", do=octets_instead_for_good(_version_1(14)),
            then=gives_up() & no_sa(), source=niap("1.5", 2), suites=("niap",), severity="high",
            what="A peer with IKEv1 alone answers IKE_SA_INIT with NO-PROPOSAL-CHOSEN of IKEv1: nothing is set up.",
        ),
    ],
)  # fmt: skip


@case(source=niap("1.6", 1), suites=("niap",), roles=BOTH, severity="high")
def niap_ike_gcm_256(run: Run) -> None:
    """IKE with AES-GCM-256 is set up, and packets pass."""
    s = connected(run)
    expect(str(s.sa.suite), "the IKE suite").contains("aes256gcm16")


@case(source=niap("1.7", 1), suites=("niap",), severity="medium")
def niap_lifetime_of_octets(run: Run) -> None:
    """Once the octets that a Child SA may carry are used up, it is closed or renegotiated."""
    if not run.embedded("a TOE with a short lifetime"):
        run.needs(False, "the TOE would have to be configured with a short lifetime in octets")
    limits = Lifetime(soft=Limits(bytes=5_000), hard=Limits(bytes=9_000), jitter=0.0)
    child = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", proposals=ESP, lifetime=limits)
    s = connected(run, embedded={"peer": {"proposals": EVERY, "children": (child,)}})
    for _ in range(8):
        s.ping(size=1000)
    expect(s.events).has(ChildSaRekeyed)


@case(source=niap("1.7", 2), suites=("niap",), severity="medium")
def niap_ike_lifetime_of_a_day(run: Run) -> None:
    """An IKE SA is closed or renegotiated within 24 hours, and a Child SA within 8."""
    if not run.embedded("24 hours"):
        run.needs(False, "it takes 24 hours: set short lifetimes, and look at the TOE's log")
    s = connected(run)
    s.network.run(8 * 3600.0 + 60)
    child = [e.time for _, e in s.events if isinstance(e, ChildSaRekeyed | SaDeleted)]
    expect(bool(child) and child[0] <= 8 * 3600, "the Child SA renegotiated within 8 hours").holds()
    s.network.run(24 * 3600.0 + 60)
    ike = [e.time for _, e in s.events if isinstance(e, IkeSaRekeyed)]
    expect(bool(ike) and ike[0] <= 24 * 3600, "the IKE SA renegotiated within 24 hours").holds()


def _group(number: str, keyword: str) -> None:
    def body(run: Run) -> None:
        s = session(run, proposals=f"aes256gcm16-prfsha384-{keyword}")
        answer = s.sa_init()
        run.needs(IKEv2_SA in answer, f"group {number} is not among those that the TOE has selected")
        s.auth()
        expect(s.ping()).has(ICMP, type=0)
        expect(s.events).has(ChildSaInstalled)

    body.__name__ = f"niap_group_{number}"
    body.__doc__ = f"IKE is completed with Diffie-Hellman group {number} ({keyword}), and packets pass."
    case(source=niap("1.8", 1), suites=("niap",), severity="high")(body)


for _number, _keyword in GROUPS.items():
    _group(_number, _keyword)


@case(source=niap("1.8"), suites=("niap",), severity="high")
def niap_weak_groups(run: Run) -> None:
    """No IKE SA comes of groups that the module does not have: 2, 5, 14 and 31."""
    for keyword in ("modp1024", "modp1536", "modp2048", "x25519"):
        refused(run, keyword, proposals=f"aes256gcm16-prfsha384-{keyword}")


@case(source=niap("1.14", 1), suites=("niap",), roles=BOTH, severity="high")
def niap_every_prf(run: Run) -> None:
    """IKE is completed with each hash function that the module has for the PRF, and packets pass."""
    for prf in ("prfsha384", "prfsha512"):
        s = connected(run, proposals=f"aes256gcm16-{prf}-ecp384")
        expect(str(s.sa.suite), "the IKE suite").contains(prf)


@case(source=niap("1.14", 2), suites=("niap",), severity="high")
def niap_child_stronger_than_ike(run: Run) -> None:
    """A Child SA is not set up with a longer key than that of its IKE SA."""
    refused(run, "IKE with AES-128 for a Child SA with AES-256", proposals="aes128gcm16-prfsha384-ecp384")


@case(source=niap("1.14", 3), suites=("niap",), severity="critical")
def niap_ike_other_algorithms(run: Run) -> None:
    """No IKE SA comes of algorithms that the module does not have."""
    for suite in (
        "aes256-sha384-prfsha384-ecp384", "aes128-sha1-prfsha1-ecp384", "3des-sha1-prfsha1-ecp384",
        "chacha20poly1305-prfsha384-ecp384", "aes192gcm16-prfsha384-ecp384", "aes256gcm16-prfsha256-ecp384",
    ):  # fmt: skip
        refused(run, suite, proposals=suite)


@case(source=niap("1.14", 4), suites=("niap",), severity="critical")
def niap_esp_other_algorithms(run: Run) -> None:
    """No Child SA comes of algorithms that element 4 does not name; the IKE SA may stay."""
    for suite in ("aes128gcm16", "aes256-sha384", "3des-sha1", "null-sha256", "chacha20poly1305"):
        s = session(run, esp_proposals=suite)
        # HDR, SK {IDi, AUTH, SA, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, N(NO_PROPOSAL_CHOSEN)}
        answer = s.connect()
        expect(answer, suite).lacks(IKEv2_SA)
        expect(s.events).lacks(ChildSaInstalled)
