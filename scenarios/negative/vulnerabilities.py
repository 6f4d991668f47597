# SPDX-License-Identifier: GPL-2.0-or-later
"""Shapes of published vulnerabilities that have no place in another file; ``suite:cve`` has them all.

A case sends the shape, never an exploit. It asks only that the peer lives on, and answers as the RFC says.
"""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment

from fynx_scapy import Session
from fynx_scapy.harness import Run
from fynx_scapy.harness.cases import (
    Base,
    Case,
    accepted,
    alive,
    answered,
    cases,
    deletes,
    discarded,
    dropped,
    no_child,
    no_sa,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    drop,
    esp,
    extend_payload,
    flip,
    insert,
    insert_notify,
    set_field,
    set_length,
)
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikev2 import IKEv2_EAP, IKEv2_KE, IKEv2_Nonce, IKEv2_Proposal, IKEv2_SA, IKEv2_Transform


def _init(_run: Run, s: Session) -> None:
    s.sa_init()


def _rekey(s: Session, seconds: float) -> object:
    """A whole request to rekey the IKE SA, which our engine would not send yet."""
    transforms = [
        IKEv2_Transform(transform_type="ENCR", transform_id=20, key_length=128),
        IKEv2_Transform(transform_type="PRF", transform_id=5), IKEv2_Transform(transform_type="KE", transform_id=31),
    ]  # fmt: skip
    offer = IKEv2_SA(prop=[IKEv2_Proposal(proto="IKE", SPI=b"\1" * 8, trans=transforms)])
    nonce, ke = IKEv2_Nonce(nonce=b"\2" * 32), IKEv2_KE(group=31, ke=bytes(range(1, 33)))
    return s.request("CREATE_CHILD_SA", offer, nonce, ke, timeout=seconds)


REKEY_BEFORE_AUTH = Base(
    name="a rekey of the IKE SA before IKE_AUTH", exchange=ExchangeType.CREATE_CHILD_SA, prepare=_init, start=_rekey,
    provoke=lambda peer: peer.initiate(), established=False,
)  # fmt: skip
SHELL = b'a\'; echo fynx; echo "`echo fynx`" $(echo fynx) |'
REFUSED = (
    answered("INVALID_KE_PAYLOAD") | answered("NO_PROPOSAL_CHOSEN") | answered("INVALID_SYNTAX") | silent()
) & no_sa()
INNER = bytes(
    IPv6(src="2001:db8:1::1", dst="2001:db8:2::1") / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(m=1)
    / ICMPv6EchoRequest(data=b"x" * 24)
)  # fmt: skip

cases(
    __name__,
    [
        Case(
            "cve_2014_2338_rekey_before_auth", base=REKEY_BEFORE_AUTH,
            then=(refused() | silent()) & no_child() & no_sa(), requirements=("7296-1-01", "7296-1-i03"),
            severity="critical",
            suites=("cve",), source="CVE-2014-2338; RFC 7296 section 1",
        ),
        Case(
            "cve_2014_9221_empty_ke_of_a_private_group", base="init",
            do=set_field("KE.group", 1025) + set_field("KE.ke", b""),
            then=REFUSED, requirements=("7296-3.4-04",), severity="high", suites=("cve",),
            source="CVE-2014-9221; RFC 7296 section 3.4",
        ),
        Case(
            "cve_2014_9221_long_ke_of_a_private_group", base="init",
            do=set_field("KE.group", 1025) + set_field("KE.ke", bytes(range(256)) * 8), then=REFUSED,
            requirements=("7296-3.4-04",), severity="high", suites=("cve",),
            source="CVE-2014-9221; RFC 7296 section 3.4",
        ),
        Case(
            "cve_2023_41913_long_ke", base="init", do=extend_payload("KE", 4000), then=(refused() | silent()) & no_sa(),
            requirements=("7296-3.4-01",), severity="high", suites=("cve",),
            source="CVE-2023-41913; RFC 7296 section 3.4",
        ),
        Case(
            "cve_2023_41913_long_ke_in_rekey", base="rekey_ike", do=extend_payload("KE", 4000),
            then=refused(protected=True) | silent(), requirements=("7296-3.4-01",), severity="high", suites=("cve",),
            source="CVE-2023-41913; RFC 7296 section 3.4",
        ),
        Case(
            "cve_2023_28771_text_for_a_shell", base="init", do=insert_notify(14, SHELL),
            then=accepted() | refused() | silent(),
            requirements=("7296-3.10.1-02",), severity="high", suites=("cve",),
            source="CVE-2023-28771; RFC 7296 section 3.10",
        ),
        Case(
            "cve_2023_28771_error_alone", base="init", do=drop("SA", "KE", "Ni") + insert_notify(14, SHELL),
            then=(refused() | silent()) & no_sa(), requirements=("7296-3.10.1-02",), severity="high", suites=("cve",),
            source="CVE-2023-28771; RFC 7296 section 3.10",
        ),
        Case(
            "cve_2021_45079_eap_success_instead_of_auth", base="auth", at="response",
            do=drop("AUTH", "SA", "TSi", "TSr") + insert(IKEv2_EAP(eap=b"\x03\x01\x00\x04"), at=1), sign="before",
            then=deletes(), requirements=("7296-1.2-02",), severity="critical", suites=("cve",),
            source="CVE-2021-45079; RFC 7296 section 2.16",
        ),
        Case(
            "cve_2021_45079_eap_success_in_a_request", base="auth",
            do=insert(IKEv2_EAP(eap=b"\x03\x01\x00\x04"), at=1) + drop("AUTH"),
            then=(refused(protected=True) | silent()) & no_sa(), requirements=("7296-1.2-02",), severity="critical",
            suites=("cve",), source="CVE-2021-45079; RFC 7296 section 2.16",
        ),
        Case(
            "cve_2016_1287_lengths_do_not_add_up", base="auth",
            do=set_length("SA", 40) + set_field("SA.prop[0].length", 4000),
            then=(refused(protected=True) | silent()) & no_sa(), requirements=("7296-3.10.1-04",), severity="high",
            suites=("cve",), source="CVE-2016-1287; RFC 7296 section 3.1",
        ),
        Case(
            "cve_2016_1287_sk_longer_than_the_message", base="liveness", do=flip(30, 0x40), then=dropped() & alive(),
            requirements=("7296-3.1-i03",), severity="high", suites=("cve",),
            source="CVE-2016-1287; RFC 7296 section 3.14",
        ),
        Case(
            "cve_2022_34718_fragment_inside_ipv6", base="esp", at="packet",
            do=esp(payload=INNER, next_header=41), then=discarded(), requirements=("4303-3.4.4.2-01",), severity="high",
            suites=("cve",), source="CVE-2022-34718; RFC 4303 section 3.4.1",
        ),
    ],
)  # fmt: skip
