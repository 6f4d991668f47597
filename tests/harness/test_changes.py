# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report says of a mutation: before -> after, by fields where they are known, else by octets."""

from __future__ import annotations

import pytest

from fynx_scapy.harness import Role, run
from fynx_scapy.harness.cases import Case, judged
from fynx_scapy.harness.cases.changes import MOST_CHANGES, limited, of_datagrams
from fynx_scapy.harness.cases.registering import scenario_of
from fynx_scapy.harness.details import Change
from fynx_scapy.harness.verbs import (
    NOTHING,
    Mutation,
    add_to_message_id,
    append_inside,
    delay,
    drop,
    duplicate,
    esp,
    flip_for_good,
    insert_notify,
    lose,
    next_payload,
    send_again,
    set_field,
    set_header,
    set_length,
    spoil_auth,
    swap,
)
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.ike.wire.taps import Delayed

ANYTHING = judged("anything", lambda seen: None)


def changes(do: Mutation, base: str, at: str = "request") -> list[Change]:
    row = Case("row", base=base, at=at, do=do, then=ANYTHING, source="RFC 7296", roles=[Role.INITIATOR])
    details = run(scenario_of(row, __name__)).details
    assert details is not None
    assert details.mutation == str(do)
    return list(details.changes)


ALL = (
    "SA, KE, Ni, N(NAT_DETECTION_SOURCE_IP), N(NAT_DETECTION_DESTINATION_IP), N(IKEV2_FRAGMENTATION_SUPPORTED), "
    "N(SIGNATURE_HASH_ALGORITHMS)"
)
CHANGES: dict[str, tuple[Mutation, str, list[tuple[str, str, str, str]]]] = {
    "the header": (set_header(version=0x30), "init", [("payloads", "header / version", "0x20", "0x30")]),
    "a field": (set_field("KE.res2", 7), "init", [("payloads", "KE / res2", "", "7")]),
    "a field that would be computed": (
        set_field("AUTH.load", b"ab"), "auth", [("payloads", "AUTH / load", "computed", b"ab".hex())]
    ),
    "a payload that is dropped": (drop("KE"), "init", [("payloads", "payloads", ALL, ALL.replace("KE, ", ""))]),
    "two that change places": (
        swap("SA", "KE"), "init", [("payloads", "payloads", ALL, ALL.replace("SA, KE", "KE, SA"))]
    ),
    "one that is put in": (
        insert_notify("INITIAL_CONTACT"), "liveness",
        [
            ("payloads", "payloads", "", "N(INITIAL_CONTACT)"),
            ("payloads", "N(INITIAL_CONTACT) / critical", "", "0"),
            ("payloads", "N(INITIAL_CONTACT) / proto", "", "NONE"),
            ("payloads", "N(INITIAL_CONTACT) / notify_type", "", "INITIAL_CONTACT"),
        ],
    ),
    "a length": (set_length("Ni", 7), "init", [("payloads", "Ni / length", "", "7")]),
    "a next payload": (next_payload("Ni", 99), "init", [("payloads", "Ni / next_payload", "", "99")]),
    "two verbs": (
        set_header(version=0x30) + set_field("KE.group", 0), "init",
        [("payloads", "header / version", "0x20", "0x30"), ("payloads", "KE / group", "CURVE25519", "NONE")],
    ),
    "a message ID": (add_to_message_id(2), "liveness", [("payloads", "header / id", "2", "4")]),
    "the inside of SK": (append_inside(b"abcd"), "liveness", [("plaintext", "octets from 0 of 1", "", b"abcd".hex())]),
    "the whole message": (
        flip_for_good(18, 0xFF), "init", [("wire", "header / exch_type", "IKE_SA_INIT", "UNKNOWN-221")],
    ),
    "a datagram that is lost": (lose(), "liveness", [("datagrams", "datagrams", "57 octets to 192.0.2.2:500", "none")]),
    "nothing": (NOTHING, "liveness", []),
}  # fmt: skip


@pytest.mark.parametrize(("do", "base", "expected"), CHANGES.values(), ids=CHANGES)
def test_changes(do: Mutation, base: str, expected: list[tuple[str, str, str, str]]) -> None:
    assert [(each.stage, each.field, each.before, each.after) for each in changes(do, base)] == expected


def test_what_a_verb_computes_first_is_not_its_change() -> None:
    (change,) = changes(set_length("AUTH", 9), "auth")
    assert (change.field, change.after) == ("AUTH / length", "9")
    (change,) = changes(spoil_auth(), "auth")
    assert (change.field, change.before, change.after) == ("AUTH / load", "computed", "computed, then changed")


def test_a_payload_that_is_there_twice_has_a_number() -> None:
    found = {each.field: each.after for each in changes(duplicate("Ni"), "init")}
    assert found["payloads"] == ALL.replace("Ni", "Ni, Ni")
    assert found["Ni 2 / nonce"]


def test_datagrams_that_are_repeated_or_delayed() -> None:
    (again,) = changes(send_again(4), "liveness")
    assert again.after == "; ".join(["57 octets to 192.0.2.2:500"] * 3) + "; … (5 datagrams)"
    (later,) = changes(delay(1.5), "liveness")
    assert later.after == "57 octets to 192.0.2.2:500 after 1.5 s"


def test_esp() -> None:
    (change,) = changes(esp(next_header=253), "esp", "packet")
    assert (change.stage, change.field, change.after) == ("parts", "next_header", "253")


def test_octets_that_are_equal_at_both_ends_are_left_out() -> None:
    here, there = Address("192.0.2.1", 500), Address("192.0.2.2", 500)
    before = Datagram(b"abcdefgh", here, there)
    (change,) = of_datagrams("datagrams", [before], [Delayed(Datagram(b"abXYefgh", here, there), 0)])[:1]
    assert (change.field, change.after) == ("datagrams", "8 octets to 192.0.2.2:500 after 0 s")
    (change,) = of_datagrams("datagrams", [before], [Datagram(b"abXYefgh", here, there)])
    assert (change.field, change.before, change.after) == ("octets from 2 of 8", b"cd".hex(), b"XY".hex())


def test_there_is_a_ceiling_and_it_is_said() -> None:
    many = [Change("payloads", str(number), "", "") for number in range(MOST_CHANGES + 2)]
    assert len(limited(many)) == MOST_CHANGES
    assert limited(many)[-1].field == "3 more changes"
    assert limited(many[:MOST_CHANGES]) == tuple(many[:MOST_CHANGES])
