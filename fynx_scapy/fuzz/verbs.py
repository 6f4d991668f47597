# SPDX-License-Identifier: GPL-2.0-or-later
"""Edits as mutations of negative cases: by the verb that says the same, else by the verb ``edited``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.fuzz.edits import DATAGRAM, Edit, Missed
from fynx_scapy.fuzz.faults import Fault, Kind
from fynx_scapy.fuzz.sending import fragments
from fynx_scapy.fuzz.steps import INITIATOR, Talk
from fynx_scapy.harness import runner, verbs
from fynx_scapy.harness.cases import Case, survives
from fynx_scapy.harness.cases.registering import scenario_of
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.verbs.mutation import Mutation, Scene
from fynx_scapy.ike.message import Datagram, Outgoing

SOURCE = "RFC 7296 section 2.21"


def edited(edit: Edit) -> Mutation:
    """An edit as a mutation, for those that no other verb makes."""
    acts: dict[str, Callable[..., Any]] = {
        "parts": lambda scene, message: _found(edit.apply, message),
        "wire": lambda scene, octets: _found(edit.octets, octets),
        "payloads": lambda scene, message: _found(edit.apply, message),
        "plaintext": lambda scene, octets: _found(edit.octets, octets),
        "datagrams": lambda scene, datagrams: _sent(edit, scene, datagrams),
    }
    return Mutation(f"edited({edit!r})", edit.stage, acts[edit.stage])


def _found(act: Callable[[Any], Any], subject: Outgoing | bytes) -> Any:
    try:
        return act(subject)
    except Missed as error:
        raise LocalError(str(error)) from None


def _sent(edit: Edit, scene: Scene, datagrams: list[Datagram]) -> list[Datagram]:
    if edit.op == "fragment" and isinstance(edit.value, tuple):
        octets = scene.randomness.octets
        wires = fragments(scene.sa, scene.message, int(edit.value[0]), str(edit.value[1]), octets)
        return [replace(datagrams[0], data=wire) for wire in wires]
    return datagrams * int(edit.value) if isinstance(edit.value, int) else datagrams


def mutation(edits: Sequence[Edit]) -> Mutation:
    """These edits as one mutation."""
    made = [_by_a_verb(edit) or edited(edit) for edit in edits]
    whole = made[0]
    for one in made[1:]:
        whole = whole + one
    return whole


_VERBS: dict[str, Callable[..., Mutation]] = {
    "set": verbs.set_field, "retype": verbs.retype, "duplicate": verbs.duplicate,
}  # fmt: skip
"""The verbs that take what these edits have: a path and a value."""


def _by_a_verb(edit: Edit) -> Mutation | None:
    """The verb of the harness that says the same, if there is one."""
    if edit.path == DATAGRAM and edit.op == "repeat" and isinstance(edit.value, int) and edit.value > 0:
        return verbs.send_again(edit.value - 1)
    if edit.stage == "parts" and edit.op == "set":
        return verbs.esp(**{edit.path.partition(".")[2]: edit.value})
    if edit.op not in _VERBS or (edit.op == "duplicate" and "." in edit.path) or isinstance(edit.value, tuple):
        return None
    try:
        return _VERBS[edit.op](edit.path, edit.value)
    except ConfigError:  # a payload type without a name
        return None


def as_case(name: str, fault: Fault, talks: Sequence[Talk]) -> Case | None:
    """A finding as a row, when it is one edited message and a row is enough to show it again with an embedded peer."""
    steps = [step for talk in talks for step in talk.steps]
    if fault.kind is not Kind.CRASH or len(steps) != 1 or not steps[0].edits:
        return None
    role = Role.INITIATOR if talks[0].role == INITIATOR else Role.RESPONDER
    case = Case(
        name, base=steps[0].base, at=steps[0].at, do=mutation(steps[0].edits), then=survives(), severity="critical",
        source=SOURCE, roles=(role,),
    )  # fmt: skip
    result = runner.run(scenario_of(case, __name__), role=role)
    where = fault.key.partition(" ")[2].partition(" at ")[0]
    return case if result.verdict is not runner.Verdict.PASS and where in result.reason else None
