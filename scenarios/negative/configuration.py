# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration payloads (RFC 7296 sections 2.19, 2.20 and 3.15)."""

from __future__ import annotations

from typing import Any

from fynx_scapy import ChildConfig, ConfigReply, ConfigRequest, IkeConfig, Retransmission
from fynx_scapy.harness.cases import Case, Seen, accepted, alive, answered, cases, judged, refused, silent
from fynx_scapy.harness.verbs import (
    drop,
    duplicate,
    empty_payload,
    insert,
    move_last,
    retype,
    set_body,
    set_field,
    set_length,
    truncate_payload,
)
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP

WIDE = ChildConfig(local_ts="0.0.0.0/0", remote_ts="10.2.0.0/24")
ASKS = IkeConfig(
    local_id="alice", remote_id="bob", auth="fynx", children=(WIDE,), cp_request=ConfigRequest(),
    retransmission=Retransmission(timeout=1.0, base=2.0, tries=2),
)  # fmt: skip
CLIENT: dict[str, Any] = {
    "ours": {"config": ASKS}, "peer": {"cp_reply": ConfigReply(pool="10.3.0.0/24", dns="10.2.0.53")},
}  # fmt: skip
"""We ask for an address in IKE_AUTH, and the peer has a pool of them."""
SERVER: dict[str, Any] = {"peer": {"cp_reply": ConfigReply(version="fynx", accepts=("INTERNAL_IP4_DNS",))}}
"""The peer answers in INFORMATIONAL exchanges."""


def attributes(seen: Seen) -> list[tuple[int, bytes]]:
    """The configuration attributes of the answers to it."""
    found = [p for m in seen.to_it for p in m.payloads if isinstance(p, IKEv2_CP)]
    return [(int(each.type), bytes(each)[4:]) for cp in found for each in cp.attributes]


def has(kind: int, count: int = 1) -> Any:
    """The answer has so many attributes of that type."""

    def judge(seen: Seen) -> str | None:
        number = sum(each == kind for each, _ in attributes(seen))
        return None if number == count else f"{number} attributes of type {kind}: {seen}"

    return judged(f"{count} attributes of type {kind}", judge)


def at_most(kind: int, count: int) -> Any:
    """The answer has at most so many."""

    def judge(seen: Seen) -> str | None:
        number = sum(each == kind for each, _ in attributes(seen))
        return None if number <= count else f"{number} attributes of type {kind}: {seen}"

    return judged(f"at most {count} attributes of type {kind}", judge)


def _no_cp(seen: Seen) -> str | None:
    return str(seen) if any(isinstance(p, IKEv2_CP) for m in seen.to_it for p in m.payloads) else None


NO_CP = judged("no CP", _no_cp)
ADDRESS, NETMASK, EXPIRY, VERSION, SUPPORTED, DNS = 1, 2, 5, 7, 14, 3
GIVEN = accepted() & alive() & has(ADDRESS)


def asked(*kinds: int, value: bytes = b"") -> IKEv2_CP:
    """A CFG_REQUEST for these attributes."""
    return IKEv2_CP(CFGType="CFG_REQUEST", attributes=[ConfigurationAttribute(type=k, value=value) for k in kinds])


def with_also(*more: ConfigurationAttribute) -> Any:
    """Ask for an address and these."""
    return set_field("CP.attributes", [ConfigurationAttribute(type=ADDRESS), *more])


def _odd(seen: Seen) -> str | None:
    return next((value.hex() for kind, value in attributes(seen) if kind == SUPPORTED and len(value) % 2), None)


def _with_values(seen: Seen) -> str | None:
    return next((value.hex() for _, value in attributes(seen) if value), None)


PUSHED = ConfigurationAttribute(type=DNS, value="10.1.0.53")
NOT_ALLOWED = ConfigurationAttribute(type=4, value="10.1.0.54")
UNKNOWN = ConfigurationAttribute(type=20_000, value=b"\1")
UNASKED = IKEv2_CP(CFGType="CFG_REPLY", attributes=[ConfigurationAttribute(type=ADDRESS, value="10.9.9.9")])

cases(
    __name__,
    [
        Case("cp_honest", base="auth", do=set_field("CP.res2", 0xFFFFFF), then=GIVEN,
             requirements=("7296-3.15-01", "7296-4-11", "7296-4-12"), **CLIENT),
        Case("cp_reserved_bit", base="auth",
             do=set_field("CP.attributes", [ConfigurationAttribute(type=0x8000 | ADDRESS)]),
             then=(accepted() & alive()) | refused(), requirements=("7296-3.15.1-01",), **CLIENT),
        Case("cp_expiry", base="auth", do=with_also(ConfigurationAttribute(type=EXPIRY)), then=GIVEN & has(EXPIRY, 0),
             requirements=("7296-1.7-04",), **CLIENT),
        Case("cp_unknown_attribute", base="auth", do=with_also(ConfigurationAttribute(type=20_000, value=b"\1\2")),
             then=GIVEN & has(20_000, 0), requirements=("7296-3.15.1-21",), **CLIENT),
        Case("cp_private_attribute", base="auth", do=with_also(ConfigurationAttribute(type=17_000)), then=GIVEN,
             requirements=("7296-3.15.1-21",), **CLIENT),
        Case("cp_netmask", base="auth", do=with_also(ConfigurationAttribute(type=NETMASK)),
             then=GIVEN & at_most(NETMASK, 1), requirements=("7296-3.15.1-06",), **CLIENT),
        Case("cp_two_netmasks", base="auth",
             do=with_also(ConfigurationAttribute(type=NETMASK), ConfigurationAttribute(type=NETMASK)),
             then=GIVEN & at_most(NETMASK, 1), requirements=("7296-3.15.1-06",), **CLIENT),
        Case("cp_netmask_with_value", base="auth",
             do=with_also(ConfigurationAttribute(type=NETMASK, value="255.0.0.0")),
             then=GIVEN, requirements=("7296-3.15.1-07",), **CLIENT),
        Case("cp_two_addresses", base="auth", do=with_also(ConfigurationAttribute(type=ADDRESS)),
             then=accepted() & alive() & at_most(ADDRESS, 2),
             requirements=("7296-3.15.1-05", "7296-3.15.4-i02"), **CLIENT),
        Case("cp_hundred_addresses", base="auth",
             do=set_field("CP.attributes", [ConfigurationAttribute(type=ADDRESS)] * 100),
             then=(accepted() & alive() & at_most(ADDRESS, 100)) | refused(), severity="high",
             requirements=("7296-3.15.1-05",), **CLIENT),
        Case("cp_address_of_three_octets", base="auth",
             do=set_field("CP.attributes", [ConfigurationAttribute(type=ADDRESS, value=b"\x0a\1\1")]),
             then=refused(protected=True) | accepted(), severity="high", requirements=("7296-3.10.1-04",), **CLIENT),
        Case("cp_attribute_too_long", base="auth", do=set_body("CP", b"\1\0\0\0" + b"\0\1\x40\0" + bytes(4)),
             then=refused(protected=True), severity="high", requirements=("7296-3.10.1-04",), **CLIENT),
        Case("cp_attribute_cut", base="auth", do=truncate_payload("CP", 2), then=refused(protected=True) | silent(),
             severity="high", requirements=("7296-3.10.1-04",), **CLIENT),
        Case("cp_empty", base="auth", do=empty_payload("CP"), then=refused(protected=True) | silent(), severity="high",
             requirements=("7296-3.10.1-04",), **CLIENT),
        Case("cp_too_long", base="auth", do=set_length("CP", 9_000), then=refused(protected=True), severity="high",
             requirements=("7296-3.10.1-04",), **CLIENT),
        Case("cp_twice", base="auth", do=duplicate("CP"), then=refused(protected=True) | (accepted() & alive()),
             severity="low", requirements=("7296-3.10.1-04",), **CLIENT),
        Case("cp_last", base="auth", do=move_last("CP"), then=GIVEN, requirements=("7296-2.5-11",), **CLIENT),
        Case("cp_type_unknown", base="auth", do=set_field("CP.CFGType", 99),
             then=(accepted() & alive()) | refused(protected=True), requirements=("7296-3.15.1-21",), **CLIENT),
        Case("cp_reply_in_a_request", base="auth", do=set_field("CP.CFGType", 2),
             then=(accepted() & alive()) | refused(protected=True), severity="high", requirements=("7296-2.19-06",),
             **CLIENT),
        Case("cp_left_out", base="auth", do=drop("CP"),
             then=(accepted() | answered("FAILED_CP_REQUIRED") | refused()) & NO_CP,
             requirements=("7296-2.19-06",), **CLIENT),
        Case("cp_as_certificate_request", base="auth", do=retype("CP", 38), then=accepted() | refused(),
             severity="low", requirements=("7296-3.7-i01",), **CLIENT),
        Case("cp_unasked_in_response", base="auth", at="response",
             do=insert(UNASKED, at=2),
             then=alive(), severity="high", requirements=("7296-2.19-06",)),
        Case("cp_nothing_asked_nothing_given", base="auth", do=insert(asked(), at=3),
             then=(accepted() & alive() & has(ADDRESS, 0)) | refused(protected=True), requirements=("7296-3.15.1-05",)),
        # In INFORMATIONAL exchanges
        Case("cp_version", base="liveness", do=insert(asked(VERSION), at=0),
             then=accepted() & alive() & at_most(VERSION, 1), requirements=("7296-2.20-03",), **SERVER),
        Case("cp_supported", base="liveness", do=insert(asked(SUPPORTED), at=0),
             then=accepted() & alive() & at_most(SUPPORTED, 1)
             & judged("a list of two-octet types", _odd), requirements=("7296-3.15.1-16",), **SERVER),
        Case("cp_set_nothing_acceptable", base="liveness",
             do=insert(IKEv2_CP(CFGType="CFG_SET", attributes=[UNKNOWN]), at=0),
             then=answered() & alive() & has(20_000, 0), requirements=("7296-3.15.1-24", "7296-3.15.1-23"), **SERVER),
        Case("cp_set_half_acceptable", base="liveness",
             do=insert(IKEv2_CP(CFGType="CFG_SET", attributes=[PUSHED, NOT_ALLOWED]), at=0),
             then=answered() & alive() & has(DNS) & has(4, 0) & judged("lengths of zero", _with_values),
             requirements=("7296-3.15.1-22", "7296-3.15.1-23"), **SERVER),
        Case("cp_set_too_long", base="liveness", do=insert(IKEv2_CP(CFGType="CFG_SET"), at=0) + set_length("CP", 99),
             then=refused(protected=True), severity="high", requirements=("7296-3.10.1-04",), **SERVER),
    ],
)  # fmt: skip
