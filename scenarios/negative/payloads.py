# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads (RFC 7296 sections 3.2, 3.5, 3.8 and 3.10): their lengths, their reserved fields, which there must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fynx_scapy.harness.cases import (
    Case,
    Heard,
    accepted,
    alive,
    answered,
    carries,
    cases,
    chooses_nothing,
    deletes,
    gives_up,
    goes_on,
    no_child,
    no_sa,
    refused,
    sends,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    append_inside,
    drop,
    duplicate,
    empty_payload,
    extend_payload,
    insert,
    insert_notify,
    next_payload,
    reserved_bits,
    retype,
    set_field,
    set_length,
    truncate_payload,
)
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_Payload

REFUSED_INIT = (refused(protected=False) | silent()) & chooses_nothing()
REFUSED_AUTH = refused(protected=True) & no_sa()
REFUSED_CHILD = refused(protected=True) & no_child()
MALFORMED = answered("INVALID_SYNTAX", protected=True)
HARMLESS = accepted() | refused(protected=True)
"""Tolerated or refused: the RFC binds only the sender."""


def _reserved(layer: Any) -> Iterator[str]:
    """The reserved fields of a layer and of the structures in it that are not zero."""
    for field in layer.fields_desc:
        value = layer.fields.get(field.name)
        if field.name in ("res2", "reserved", "flags") and value not in (None, 0) and any(bytes(_octets(value))):
            yield f"{field.name} {value!r} of {layer.name}"
        for element in value if isinstance(value, list) else ():
            if hasattr(element, "fields_desc"):
                yield from _reserved(element)


def _octets(value: Any) -> bytes:
    return value if isinstance(value, bytes) else int(value).to_bytes(8)


def _zero(message: Heard) -> str | None:
    known = (payload for payload in message.payloads if 33 <= int(payload.payload_type or 0) <= 48)
    return next((wrong for payload in known for wrong in _reserved(payload)), None)


_WITH_SPI = {NotifyType.INVALID_SELECTORS, NotifyType.REKEY_SA, NotifyType.CHILD_SA_NOT_FOUND}


def _notify(message: Heard) -> str | None:
    for note in message.notifies:
        spi, protocol = bytes(note.SPI or b""), int(note.proto or 0)
        if spi and note.type not in _WITH_SPI and int(note.type) < 16409:
            return f"an SPI in {note.mysummary()}"
        if not spi and protocol:
            return f"protocol {protocol} without an SPI in {note.mysummary()}"
        if spi and protocol not in (2, 3):
            return f"protocol {protocol} with the SPI of a Child SA in {note.mysummary()}"
    return None


ZERO = sends("it sends reserved fields as zero", _zero)
NOTIFIES = sends("its Notify payloads have an SPI and a protocol where they must, and nowhere else", _notify)

LENGTHS = [
    Case(
        f"payload_{word.lower()}_{name}_in_init", base="init", do=do, then=REFUSED_INIT,
        requirements=("7296-3.2-i02",),
    )
    for word in ("SA", "KE", "Ni")
    for name, do in (
        ("length_zero", set_length(word, 0)), ("length_three", set_length(word, 3)),
        ("length_beyond", set_length(word, 0xFFFF)), ("empty", empty_payload(word)),
    )
] + [
    Case(
        f"payload_{word.lower()}_{name}_in_auth", base="auth", do=do, then=REFUSED_AUTH,
        requirements=("7296-3.2-i02",),
    )
    for word in ("IDi", "AUTH", "SA", "TSi", "TSr")
    for name, do in (
        ("length_zero", set_length(word, 0)), ("length_three", set_length(word, 3)),
        ("length_beyond", set_length(word, 0xFFFF)),
    )
] + [
    Case(
        f"payload_{word.lower()}_length_three_in_create_child", base="create_child", do=set_length(word, 3),
        then=MALFORMED & no_child(), requirements=("7296-3.2-i02",),
    )
    for word in ("SA", "Ni", "TSi", "TSr")
] + [
    Case(
        f"payload_{word.lower()}_length_three_in_init_response", base="connect", at="IKE_SA_INIT response",
        do=set_length(word, 3), then=gives_up(), requirements=("7296-3.2-i02",),
    )
    for word in ("SA", "KE", "Nr")
] + [
    Case(
        f"payload_{word.lower()}_length_three_in_auth_response", base="connect", at="IKE_AUTH response",
        do=set_length(word, 3), then=deletes(), requirements=("7296-3.2-i02",), severity="high",
    )
    for word in ("IDr", "AUTH", "SA", "TSi", "TSr")
] + [
    Case(
        f"unknown_payload_length_{length}_in_init", base="init", severity="high",
        do=insert(IKEv2_Payload(payload_type=200, load=bytes(8), length=length)), then=REFUSED_INIT,
        requirements=("7296-3.2-i02",),
    )
    for length in (0, 3, 65535)
] + [
    Case(
        f"unknown_payload_length_{length}_inside", base="liveness", severity="high",
        do=insert(IKEv2_Payload(payload_type=200, load=bytes(8), length=length), at=0), then=MALFORMED,
        requirements=("7296-3.2-i02",),
    )
    for length in (0, 3, 65535)
] + [
    Case(
        "octets_after_the_last_payload", base="liveness", do=append_inside(b"\x5a\x5a"),
        then=HARMLESS | silent(), requirements=("7296-3.2-i01",), severity="low",
    ),
    Case(
        "last_payload_announces_another", base="auth", do=next_payload("TSr", 41), then=REFUSED_AUTH,
        requirements=("7296-3.2-i01",),
    ),
    Case(
        "last_payload_announces_another_in_init", base="init", do=next_payload("N[-1]", 43), then=REFUSED_INIT,
        requirements=("7296-3.2-i01",),
    ),
    Case(
        "payload_announced_as_another", base="auth", do=retype("AUTH", 47), then=REFUSED_AUTH,
        source="RFC 7296 section 3.2",
    ),
    Case(
        "sa_is_cut_in_init", base="init", do=truncate_payload("SA", 1), then=REFUSED_INIT,
        requirements=("7296-3.3-04",),
    ),
    Case(
        "sa_is_extended_in_init", base="init", do=extend_payload("SA", 5), then=REFUSED_INIT,
        requirements=("7296-3.3-04",),
    ),
    Case(
        "ts_is_cut_in_auth", base="auth", do=truncate_payload("TSi", 1), then=REFUSED_AUTH,
        source="RFC 7296 section 3.13",
    ),
    Case(
        "ts_is_extended_in_create_child", base="create_child", do=extend_payload("TSr", 3), then=REFUSED_CHILD,
        source="RFC 7296 section 3.13",
    ),
    Case(
        "notify_is_cut_inside", base="liveness", do=insert_notify(40000) + truncate_payload("N", 1), then=MALFORMED,
        source="RFC 7296 section 3.10",
    ),
]  # fmt: skip

COUNTS = [
    Case(
        f"payload_{word.lower()}_missing_in_init", base="init", do=drop(word), then=REFUSED_INIT,
        source="RFC 7296 section 1.2",
    )
    for word in ("SA", "KE", "Ni")
] + [
    Case(
        f"payload_{word.lower()}_missing_in_auth", base="auth", do=drop(word),
        then=refused(protected=True) & no_child(), source="RFC 7296 section 1.2",
    )
    for word in ("IDi", "SA", "TSi", "TSr")
] + [
    Case(
        f"payload_{word.lower()}_missing_in_create_child", base="create_child", do=drop(word), then=REFUSED_CHILD,
        source="RFC 7296 section 1.3.1",
    )
    for word in ("SA", "Ni", "TSi", "TSr")
] + [
    Case(
        f"payload_{word.lower()}_missing_in_init_response", base="connect", at="IKE_SA_INIT response", do=drop(word),
        then=gives_up(), source="RFC 7296 section 1.2", severity="high",
    )
    for word in ("SA", "KE", "Nr")
] + [
    Case(
        f"payload_{word.lower()}_missing_in_auth_response", base="connect", at="IKE_AUTH response", do=drop(word),
        then=deletes(), source="RFC 7296 section 1.2", severity="critical",
    )
    for word in ("IDr", "AUTH")
] + [
    Case(
        f"payload_{word.lower()}_twice_in_init", base="init", do=duplicate(word), then=REFUSED_INIT,
        source="RFC 7296 appendix C.1",
    )
    for word in ("SA", "KE", "Ni")
] + [
    Case(
        f"payload_{word.lower()}_twice_in_auth", base="auth", do=duplicate(word), then=REFUSED_AUTH,
        source="RFC 7296 appendix C.2", severity="high",
    )
    for word in ("IDi", "AUTH", "SA", "TSi", "TSr")
] + [
    Case(
        f"payload_{word.lower()}_twice_in_create_child", base="create_child", do=duplicate(word), then=REFUSED_CHILD,
        source="RFC 7296 appendix C.5",
    )
    for word in ("SA", "Ni", "TSi")
] + [
    Case(
        f"payload_{word.lower()}_twice_in_auth_response", base="connect", at="IKE_AUTH response", do=duplicate(word),
        then=deletes(), source="RFC 7296 appendix C.2", severity="high",
    )
    for word in ("IDr", "AUTH")
]  # fmt: skip

RESERVED = [
    Case(
        f"reserved_bits_of_headers_in_{name}", base=base, at=at, do=reserved_bits(), then=then & ZERO,
        requirements=("7296-3.2-06",),
    )
    for name, base, at, then in (
        ("init", "connect", "IKE_SA_INIT request", accepted() & alive()),
        ("auth", "auth", "request", accepted() & alive()),
        ("create_child", "create_child", "request", accepted() & carries()),
        ("init_response", "connect", "IKE_SA_INIT response", goes_on()),
    )
] + [
    Case(
        "reserved_bits_of_headers_in_auth_response", base="connect", at="IKE_AUTH response", do=reserved_bits(),
        then=taken() & alive() & carries(), requirements=("7296-3.2-06",),
    ),
    Case(
        "reserved_bits_of_sk", base="liveness", do=set_field("SK.flags", 0x7F), then=accepted() & alive(),
        requirements=("7296-3.2-06",),
    ),
    Case(
        "reserved_octets_of_idi", base="auth", do=set_field("IDi.res2", 0xFFFFFF),
        then=accepted() & alive() & ZERO, requirements=("7296-3.5-01",), severity="high",
    ),
    Case(
        "reserved_octets_of_idr_asked_for", base="auth", do=set_field("IDr.res2", 0x010203),
        then=accepted() & alive() & ZERO, requirements=("7296-3.5-01",),
    ),
    Case(
        "reserved_octets_of_idr", base="connect", at="IKE_AUTH response", do=set_field("IDr.res2", 0xFFFFFF),
        then=taken() & alive() & carries(), requirements=("7296-3.5-01",), severity="high",
    ),
    Case(
        "reserved_octets_of_auth", base="auth", do=set_field("AUTH.res2", 0xFFFFFF),
        then=accepted() & alive() & ZERO, requirements=("7296-3.8-02",),
    ),
    Case(
        "reserved_octets_of_auth_in_response", base="connect", at="IKE_AUTH response",
        do=set_field("AUTH.res2", 0xFFFFFF), then=taken() & alive(), requirements=("7296-3.8-02",),
    ),
    Case(
        "reserved_octets_of_ke", base="connect", at="IKE_SA_INIT request", do=set_field("KE.res2", 0xFFFF),
        then=accepted() & alive() & ZERO, requirements=("7296-2.5-06",),
    ),
    Case(
        "reserved_octets_of_ke_in_response", base="connect", at="IKE_SA_INIT response", do=set_field("KE.res2", 0xFFFF),
        then=goes_on(), requirements=("7296-2.5-06",),
    ),
    Case(
        "reserved_octets_of_ts", base="auth", do=set_field("TSi.res2", 0xFFFFFF),
        then=accepted() & alive() & carries(), requirements=("7296-3.13-01",),
    ),
    Case(
        "reserved_fields_sent", base="connect", at="IKE_SA_INIT request", do=NOTHING, then=accepted() & ZERO,
        requirements=("7296-3.2-06", "7296-3.5-01", "7296-3.8-02", "7296-3.3.1-01", "7296-3.3.2-01"),
        what="A peer sends every reserved field of its payloads as zero.",
    ),
]  # fmt: skip

IDENTITIES = [
    Case(
        f"identity_ends_with_{name}", base="auth", do=set_field("IDi.ID", b"alice" + octet),
        then=answered("AUTHENTICATION_FAILED", alone=True, protected=True) & no_sa(),
        requirements=("7296-3.5-02",), severity="high",
    )
    for name, octet in (("nul", b"\0"), ("cr", b"\r"), ("lf", b"\n"))
] + [
    Case(
        "identity_of_mail_ends_with_nul", base="auth", do=set_field("IDi.ID", b"alice@example.org\0"),
        ours={"local_id": "alice@example.org"}, requirements=("7296-3.5-03",), severity="high",
        then=answered("AUTHENTICATION_FAILED", alone=True, protected=True) & no_sa(),
    ),
    Case(
        "identity_of_responder_ends_with_nul", base="connect", at="IKE_AUTH response",
        do=set_field("IDr.ID", b"alice\0"), then=deletes(), requirements=("7296-3.5-02",), severity="high",
    ),
    Case(
        "identity_of_another_type", base="auth", do=set_field("IDi.IDtype", 11), severity="high",
        then=answered("AUTHENTICATION_FAILED", alone=True, protected=True) & no_sa(), source="RFC 7296 section 3.5",
    ),
    Case(
        "identity_of_unknown_type", base="auth", do=set_field("IDi.IDtype", 200), then=REFUSED_AUTH, severity="high",
        source="RFC 7296 section 3.5",
    ),
    Case(
        "identity_of_type_zero", base="auth", do=set_field("IDi.IDtype", 0), then=REFUSED_AUTH, severity="high",
        source="RFC 7296 section 3.5",
    ),
    Case(
        "identity_empty", base="auth", do=set_field("IDi.ID", b""), then=REFUSED_AUTH, severity="high",
        source="RFC 7296 section 3.5",
    ),
    Case(
        "identity_address_of_three_octets", base="auth", severity="high", source="RFC 7296 section 3.5",
        do=set_field("IDi.IDtype", 1) + set_field("IDi.ID", b"\xc0\0\x02"), then=REFUSED_AUTH,
    ),
    Case(
        "identity_of_3000_octets", base="auth", do=set_field("IDi.ID", b"a" * 3000), then=REFUSED_AUTH,
        source="RFC 7296 section 3.5",
    ),
    Case(
        "identity_without_type", base="auth", do=truncate_payload("IDi", 8), then=REFUSED_AUTH,
        source="RFC 7296 section 3.5",
    ),
]  # fmt: skip

NOTIFY = [
    Case(
        "notify_with_protocol_but_no_spi", base="auth", do=insert_notify("INITIAL_CONTACT", protocol=1),
        then=accepted() & alive(), requirements=("7296-3.10-02",),
    ),
    Case(
        "notify_with_esp_but_no_spi", base="init", do=insert_notify(40960, protocol=3), then=accepted(),
        requirements=("7296-3.10-02",),
    ),
    Case(
        "notify_with_protocol_but_no_spi_inside", base="liveness", do=insert_notify(40960, protocol=3),
        then=accepted() & alive(), requirements=("7296-3.10-02",),
    ),
    Case(
        "notify_with_protocol_in_response", base="connect", at="IKE_SA_INIT response",
        do=insert_notify(40960, protocol=1), then=goes_on(), requirements=("7296-3.10-02",),
    ),
    Case(
        "notify_of_ike_sa_with_spi", base="auth", do=insert_notify("INITIAL_CONTACT", protocol=1, spi=bytes(8)),
        then=accepted() | (refused(protected=True) & no_sa()), requirements=("7296-3.10-03",), severity="low",
    ),
    Case(
        "notify_with_spi_beyond_its_end", base="liveness", do=insert(IKEv2_Notify(type=40960, SPIsize=255), at=0),
        then=MALFORMED, source="RFC 7296 section 3.10", severity="high",
    ),
    Case(
        "notify_with_spi_beyond_its_end_in_init", base="init", do=insert(IKEv2_Notify(type=40960, SPIsize=200)),
        then=REFUSED_INIT, source="RFC 7296 section 3.10", severity="high",
    ),
    Case(
        "notifies_sent_in_init", base="init", do=NOTHING, then=accepted() & NOTIFIES,
        requirements=("7296-3.10-02", "7296-3.10-03", "7296-3.10-i01"),
        what="The Notify payloads in a peer's IKE_SA_INIT have neither SPI nor protocol.",
    ),
    Case(
        "notifies_sent_in_rekey", base="rekey_child", do=insert_notify(40960), then=accepted() & NOTIFIES,
        requirements=("7296-3.10-01", "7296-3.10-02"), roles=None,
    ),
    Case(
        "notifies_sent_when_it_rekeys", base="rekey_child", at="response", do=insert_notify(40960),
        then=taken() & carries(), requirements=("7296-3.10-01",),
    ),
]  # fmt: skip

cases(__name__, [*LENGTHS, *COUNTS, *RESERVED, *IDENTITIES, *NOTIFY])
