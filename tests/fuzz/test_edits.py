# SPDX-License-Identifier: GPL-2.0-or-later
"""Edits: what each does to a message, and that they can be stored and written as code."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pytest

from fynx_scapy import Session
from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.fuzz import Edit, Step, Talk, edited, packets
from fynx_scapy.fuzz.edits import OPS, Missed, Value, shape
from fynx_scapy.fuzz.grammar import choices
from fynx_scapy.fuzz.verbs import mutation
from fynx_scapy.ike.message import Outgoing, OutgoingEsp, notify
from fynx_scapy.layers.ikev2 import (
    IKEv2_Delete,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TSi,
    IPv4TrafficSelector,
    build_payloads,
    first_type,
    parse_payloads,
)


def message() -> Outgoing:
    transforms = [IKEv2_Transform(transform_type=1, transform_id=20, key_length=256), IKEv2_Transform(transform_type=5)]
    proposals = [IKEv2_Proposal(proposal=n, proto=3, SPI=b"1234", trans=transforms) for n in (1, 2)]
    payloads = [
        notify(16393, protocol=3, spi=b"abcd"), IKEv2_SA(prop=proposals), IKEv2_Nonce(nonce=bytes(range(32))),
        IKEv2_KE(group=31, ke=bytes(32)), IKEv2_TSi(traffic_selector=[IPv4TrafficSelector(), IPv4TrafficSelector()]),
        notify(16404, b"x"), IKEv2_Delete(proto=3, SPI=[b"aaaa", b"bbbb"]),
    ]  # fmt: skip
    made = Outgoing(payloads)
    made.header.exch_type, made.header.flags, made.header.id = 36, 8, 5
    return made


def after(*edits: Edit) -> Outgoing:
    made = message()
    for edit in edits:
        edit.apply(made)
    return made


def read(made: Outgoing) -> list[Any]:
    """The payloads as a peer reads them."""
    return parse_payloads(first_type(made.payloads), build_payloads(made.payloads))


@pytest.mark.parametrize(
    ("edit", "path", "expected"),
    [
        (Edit("set", "KE.group", 19), (3, "group"), 19),
        (Edit("set", "SA.prop[1].trans[0].transform_id", 12), (1, "prop", 1, "trans", 0, "transform_id"), 12),
        (Edit("set", "TSi.traffic_selector[1].ending_address_v4", "1.2.3.4"),
         (4, "traffic_selector", 1, "ending_address_v4"), "1.2.3.4"),
        (Edit("flip", "Nonce.nonce", 8), (2, "nonce"), b"\0\0" + bytes(range(2, 32))),
        (Edit("fill", "Nonce.nonce", 255), (2, "nonce"), b"\xff" * 32),
        (Edit("cut", "Nonce.nonce", 3), (2, "nonce"), b"\0\1\2"),
        (Edit("grow", "KE.ke", b"zz"), (3, "ke"), bytes(32) + b"zz"),
        (Edit("set", "N[1].type", 7), (5, "type"), 7),
        (Edit("set", "N(REKEY_SA).proto", 1), (0, "proto"), 1),
        (Edit("retype", "Nonce", 43), (2, "payload_type"), 43),
        (Edit("cut", "Nonce", 16), (2, "nonce"), bytes(range(16))),
    ],
)  # fmt: skip
def test_what_a_peer_reads_after_an_edit(edit: Edit, path: tuple[Any, ...], expected: object) -> None:
    found: Any = read(after(edit))
    for step in path:
        found = getattr(found, step) if isinstance(step, str) else found[step]
    assert found == expected


@pytest.mark.parametrize(
    ("edit", "kinds"),
    [
        (Edit("drop", "KE"), "N SA Nonce TSi N D"),
        (Edit("duplicate", "Nonce", 2), "N SA Nonce Nonce Nonce KE TSi N D"),
        (Edit("move", "N", 6), "SA Nonce KE TSi N D N"),
        (Edit("insert", "KE", (200, 128, b"?")), "N SA Nonce UNKNOWN-200 KE TSi N D"),
        (Edit("insert", "message", (43, 0, b"?")), "N SA Nonce KE TSi N D V"),
        (Edit("reverse", "message"), "D N TSi KE Nonce SA N"),
        (Edit("empty", "message"), ""),
    ],
)
def test_edits_of_the_list_of_payloads(edit: Edit, kinds: str) -> None:
    assert " ".join(after(edit).types()) == kinds


@pytest.mark.parametrize(
    ("edit", "sizes"),
    [
        (Edit("drop", "SA.prop[0].trans[1]"), [1, 2]),
        (Edit("duplicate", "SA.prop[0].trans[0]", 3), [5, 2]),
        (Edit("empty", "SA.prop[1].trans"), [2, 0]),
        (Edit("drop", "SA.prop[0]"), [2]),
    ],
)
def test_edits_of_lists_inside(edit: Edit, sizes: list[int]) -> None:
    assert [len(proposal.trans) for proposal in read(after(edit))[1].prop] == sizes


def test_header_and_delete() -> None:
    made = after(Edit("set", "header.id", 9), Edit("drop", "D.SPI[0]"), Edit("set", "SK.flags", 128))
    assert (made.header.id, made.payloads[-1].SPI, int(made.sk.flags)) == (9, [b"bbbb"], 128)


def test_octets_inside_a_structure_stay_what_they_are() -> None:
    made = after(Edit("cut", "SA.prop[0].trans[1]", 5))
    assert "malformed" in read(made)[1].mysummary()


@pytest.mark.parametrize("path", ["AUTH", "KE.nonsense", "SA.prop[2]", "N[7].type", "N(COOKIE)", "KE.group.more"])
def test_an_edit_of_what_is_not_there_is_missed(path: str) -> None:
    with pytest.raises(Missed):
        Edit("set", path, 1).apply(message())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sett", "KE.group", 1), "did you mean 'set'"),
        (("set", "KE..group", 1), "expected a path such as KE.group"),
        (("cut", "KE", b""), "edit cut: expected int"),
        (("drop", "KE", 1), "edit drop: expected nothing"),
    ],
)
def test_wrong_edits_are_one_error(words: tuple[str, str, Value], told: str) -> None:
    with pytest.raises(ConfigError, match="expected") as error:
        Edit(*words)
    assert told in str(error.value)


def test_wrong_steps_are_one_error() -> None:
    with pytest.raises(ConfigError, match="did you mean 'liveness'"):
        Step("livenes")
    with pytest.raises(ConfigError, match="expected 'request' or 'response'"):
        Step("liveness", "answer")
    with pytest.raises(ConfigError, match="expected the role"):
        Talk((Step("liveness"),), "client")
    with pytest.raises(ConfigError, match="expected a step"):
        Step.from_dict({"base": "liveness"})


def test_every_choice_makes_an_edit_that_can_be_made_stored_and_written() -> None:
    chance = random.Random(1)
    found = choices(message(), [b"abcd"], encrypted=True, fragments=True)
    ops, missed = set(), 0
    for choice in found:
        edit = choice.make(chance)
        ops.add(edit.op)
        step = Step("rekey_child", "request", (edit,))
        assert Step.from_dict(json.loads(json.dumps(step.as_dict()))) == step
        assert eval(repr(step), {"Step": Step, "Edit": Edit}) == step
        assert edit.path == choice.path
        if edit.stage == "payloads":
            try:
                edit.apply(message())
            except Missed:
                missed += 1
    assert ops == set(OPS)
    assert not missed
    # Every level is reached: header, payload, field, list, substructure, attribute.
    shapes = {shape(choice.path) for choice in found}
    assert {"header.id", "KE", "KE.ke", "SA.prop", "SA.prop.trans", "SA.prop.trans.attributes.value"} <= shapes
    assert {"TSi.traffic_selector.start_port", "N.type", "D.SPI", "SK.flags", "plaintext", "datagram"} <= shapes


def test_every_choice_of_a_packet_makes_an_edit_that_can_be_made_and_stored() -> None:
    session = Session(psk="k", seed=1)
    session.connect()
    sa, chance = session.child.outbound, random.Random(1)
    packet, paths, changed = session.echo(), set(), 0
    for choice in packets.choices(OutgoingEsp([], parts=EspParts(packet, 4)), sa):
        edit, made = choice.make(chance), OutgoingEsp([], parts=EspParts(packet, 4))
        step = Step("esp", "packet", (edit,))
        assert Step.from_dict(json.loads(json.dumps(step.as_dict()))) == step
        paths.add(edit.path)
        if edit.stage == "parts":
            edit.apply(made)
            changed += made.parts != EspParts(packet, 4)
        elif edit.stage == "wire":
            edit.octets(bytes(100))
    assert changed > 15  # now and then a value is the one that was there
    fields = {f"ESP.{field.name}" for field in dataclasses.fields(EspParts)}
    assert paths == fields | {"packet", "datagram"}
    with pytest.raises(Missed, match="no such field of an ESP packet"):
        Edit("set", "ESP.length", 1).apply(OutgoingEsp([]))
    with pytest.raises(Missed, match="expected int"):
        Edit("set", "ESP.seq", b"1").apply(OutgoingEsp([]))


def test_computed_numbers_have_neighbours() -> None:
    chance = random.Random(1)
    near = [choice for choice in choices(message(), [], encrypted=True, fragments=False) if choice.way == "near"]
    lengths = {choice.make(chance).value for choice in near if choice.path == "Nonce.length" for _ in range(60)}
    assert {35, 37} <= lengths  # it is 36: 4 octets of header and 32 of nonce
    counts = {choice.make(chance).value for choice in near if choice.path == "SA.prop[0].trans_nb" for _ in range(60)}
    assert {1, 3} <= counts


def test_notifies_of_a_type_are_found_by_it() -> None:
    made = after(Edit("drop", "N(REKEY_SA)"))
    assert [note.type for note in made.payloads if isinstance(note, IKEv2_Notify)] == [16404]


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (Edit("set", "KE.group", 19), "set_field('KE.group', 19)"),
        (Edit("retype", "Nonce", 43), "retype('Nonce', 43)"),
        (Edit("duplicate", "KE", 2), "duplicate('KE', 2)"),
        (Edit("repeat", "datagram", 3), "send_again(2)"),
        (Edit("duplicate", "SA.prop[0]", 2), "edited(Edit('duplicate', 'SA.prop[0]', 2))"),
        (Edit("set", "UNKNOWN-200.flags", 1), "edited(Edit('set', 'UNKNOWN-200.flags', 1))"),
        (Edit("flip", "plaintext", 9), "edited(Edit('flip', 'plaintext', 9))"),
    ],
)
def test_an_edit_is_a_verb_of_the_harness_where_there_is_one(edit: Edit, text: str) -> None:
    assert repr(mutation([edit])) == text
    assert repr(mutation([edit, edit])) == f"{text} + {text}"


def test_the_verb_edited_does_what_the_edit_does() -> None:
    scene: Any = None  # it looks at nothing there
    made = message()
    edited(Edit("drop", "KE")).act(scene, made)
    assert made.types() == after(Edit("drop", "KE")).types()
    assert edited(Edit("cut", "plaintext", 2)).act(scene, b"abcd") == b"ab"
    with pytest.raises(LocalError, match="no KE among"):
        edited(Edit("drop", "KE")).act(scene, made)
