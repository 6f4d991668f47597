# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases: how a row is read, what it changes, and how its outcome is judged."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Result, Role, Verdict, run
from fynx_scapy.harness.cases import (
    Case,
    Outcome,
    accepted,
    alive,
    answered,
    cases,
    dropped,
    eap_fails,
    eap_says,
    either,
    no_sa,
    silent,
    survives,
)
from fynx_scapy.harness.cases.at import At
from fynx_scapy.harness.verbs import (
    NOTHING,
    VERBS,
    Mutation,
    add_to_message_id,
    critical,
    drop,
    flip_icv,
    fragments,
    identity,
    insert_notify,
    ke_value,
    set_field,
    set_header,
    spoil_auth,
)
from fynx_scapy.harness.verbs.paths import Path, Place
from fynx_scapy.ike.events import MessageSent
from fynx_scapy.layers.ikev2.eap.names import eap_codes, eap_names, eap_text


def played(do: Mutation = NOTHING, then: Outcome | None = None, **fields: Any) -> Result:
    fields = {"base": "liveness", "source": "RFC 7296 section 3", "roles": [Role.INITIATOR]} | fields
    (scenario,) = cases(
        f"{__name__}.{len(VERBS)}{do}{then}{fields}", [Case("row", do=do, then=then or survives(), **fields)]
    )
    return run(scenario, seed=0)


def test_a_mutation_says_how_it_was_made() -> None:
    both = set_field("KE.group", 19) + drop("Ni", "SA")
    assert str(both) == "set_field('KE.group', 19) + drop('Ni', 'SA')"
    assert [each.stage for each in both] == ["payloads", "payloads"]
    assert str(fragments(3, ((1, 3), (0, 3)), spoil=2)) == "fragments(3, ((1, 3), (0, 3)), spoil=2)"
    assert eval(str(both), dict(VERBS)) == both


def at(text: str, base: str = "auth") -> Case:
    """A case that acts there."""
    return Case("x", base=base, at=text, then=silent(), source="x")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: set_field("KX.group", 1), r"found 'KX'; did you mean"),
        (lambda: set_field("KE.grup", 1), r"no field 'grup'; did you mean group\?"),
        (lambda: set_field("KE", 1), "expected a field such as KE.group"),
        (lambda: set_header(verzion=1), r"no field 'verzion'; did you mean version\?"),
        (lambda: drop("Nonze"), r"did you mean Nonce\?"),
        (lambda: drop("KE(COOKIE)"), "after N only"),
        (lambda: insert_notify("INVALID_SINTAX"), "INVALID_SYNTAX"),
        (lambda: ke_value("huge"), "zero"),
        (lambda: VERBS["spoil_auth"](1, 2), r"its arguments are mask"),
        (lambda: fragments(0), "1 to 65,535"),
        (lambda: critical("TS"), r"did you mean"),
        (lambda: Case("x", base="lifeness", then=silent(), source="x"), r"did you mean liveness\?"),
        (lambda: Case("x", base="init", at="requets", then=silent(), source="x"), r"did you mean request\?"),
        (lambda: Case("x", base="init", then=silent(), requirements=("7296-2.5-2",)), r"did you mean 7296-2.5"),
        (lambda: Case("x", base="init", then=silent()), "found neither"),
        (lambda: Case("x", base="init", then="silence", source="x"), "an outcome, such as"),  # type: ignore[arg-type]
        (lambda: Case("x", base="init", then=silent(), source="x", severity="hi"), "low, medium"),  # type: ignore[arg-type]
        (lambda: at("response with TLS strat"), r"found 'TLS strat'; did you mean 'TLS start'\?"),
        (lambda: at("response with request TLS start"), r"did you mean 'TLS start'\?"),
        (lambda: at("request with TLS start"), r"did you mean 'response with TLS start'\?"),
        (lambda: at("response with Nak"), r"did you mean 'request with Nak'\?"),
        (lambda: at("request with success"), r"did you mean 'response with success'\?"),
        (lambda: at("request with auth"), r"found 'auth'; did you mean 'AUTH'\?"),
        (lambda: at("request with SAi"), r"found 'SAi'; did you mean 'SA'\?"),
        (lambda: at("IKE_SA_INIT request with Identity"), "in IKE_AUTH, where EAP is, found Identity in IKE_SA_INIT"),
        (lambda: at("request with Identity", "init"), "in IKE_AUTH, where EAP is, found Identity in IKE_SA_INIT"),
        (lambda: at("packet with AUTH"), "a packet of ESP without payloads"),
        (lambda: eap_says("Notification", "TLS strat"), r"in eap_says, found 'TLS strat'; did you mean 'TLS start'\?"),
        (lambda: eap_says("response AKA Client-Error"), r"did you mean 'AKA Client-Error'\?"),
        (lambda: eap_says(), "the name of an EAP packet in eap_says, found none"),
        (lambda: eap_fails("AKA notification"), r"in eap_fails, found .*; did you mean 'AKA Notification'\?"),
        (lambda: Case("x", base="init", then=silent(), source="RCF 7296 section 2"), "such as 'RFC 7296 section 2.16'"),
        (lambda: Case("x", base="init", then=silent(), source="RFC 7296 secton 2"), "found 'RFC 7296 secton 2'"),
        (lambda: Case("x", base="init", then=silent(), source="CVE-20-1; RFC 1 section 1"), "'CVE-2021-45079', found"),
        (lambda: either(silent()), "two outcomes or more"),
        (lambda: answered("NO_SUCH_NOTIFY"), "NO_SUCH_NOTIFY"),
    ],
)  # fmt: skip
def test_a_wrong_word_names_the_nearest(make: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make()


def test_every_eap_packet_has_a_name_that_a_case_may_say() -> None:
    """And only a case at which it may be: a response of EAP is in a request of ours, which the client sends."""
    headers = [bytes([code, 1, 0, 4]) for code in (3, 4, 5, 6)]
    bodies = [
        bytes([kind, *body]) for kind in range(1, 256) for body in ((), (0x20, 0), (0x40, 9), (0,), (1,), (14, 0))
    ]
    bodies += [b"\xfe" + vendor.to_bytes(3) + kind.to_bytes(4) + bytes([told, 0])
               for vendor, kind in ((0, 3), (10415, 3), (14122, 1), (9, 9)) for told in (0, 1, 4)]  # fmt: skip
    for octets in [*headers, *(bytes([code, 1, 0, 5]) + body for code in (1, 2) for body in bodies)]:
        code, _, name = eap_text(octets).partition(" ")
        assert eap_codes(name or code), (octets, name)
    for name, codes in eap_names().items():
        at(f"{'request' if codes == {2} else 'response'} with {name}")


def test_places_and_paths() -> None:
    assert Place.of("N(COOKIE)").notify_type == 16390
    assert Place.of("Nr").payload_type == Place.of("Ni").payload_type == 40
    assert Path.of("SA.prop[0].trans[-1].key_length").steps == (("prop", 0), ("trans", -1), ("key_length", None))
    assert str(At.of("IKE_SA_INIT request round 2")) == "IKE_SA_INIT request round 2"


def test_a_case_passes_and_says_what_it_saw() -> None:
    result = played(set_header(version=0x30), answered("INVALID_MAJOR_VERSION") & no_sa(), base="init")
    assert result.verdict is Verdict.PASS
    assert result.details is not None
    assert result.details.mutation == "set_header(version=48)"
    assert result.details.expected == "N(INVALID_MAJOR_VERSION) and no IKE SA"
    assert "IKE_SA_INIT response: HDR, N(INVALID_MAJOR_VERSION)" in result.details.found


@pytest.mark.parametrize(
    ("do", "then", "fields"),
    [
        (NOTHING, silent(), {}),
        (NOTHING, dropped(), {}),
        (NOTHING, answered("INVALID_SYNTAX"), {}),
        (flip_icv(), accepted(), {}),
        (add_to_message_id(7), accepted(), {}),
        (spoil_auth(), accepted() & alive(), {"base": "auth"}),
        (NOTHING, no_sa(), {"base": "auth"}),
        (insert_notify(40000), accepted(), {"base": "connect", "at": "IKE_SA_INIT request", "sign": "before"}),
        (identity("mallory"), accepted(), {"base": "auth"}),
    ],
)
def test_a_peer_that_does_otherwise_fails(do: Mutation, then: Outcome, fields: dict[str, Any]) -> None:
    result = played(do, then, **fields)
    assert result.verdict is Verdict.FAIL, result.reason
    assert result.reason.startswith(f"expected {then} after {do}, found ")


@pytest.mark.parametrize(
    ("do", "fields", "says"),
    [
        (NOTHING, {"at": "IKE_AUTH request"}, "none was sent"),
        (NOTHING, {"base": "init", "at": "request round 2"}, "none was sent"),
        (drop("KE"), {}, "expected KE in the message, found no payloads"),
        (set_field("SA.prop[3].proto", 3), {"base": "init"}, "expected element 3 of prop"),
        (set_header(version=0x20), {}, "made no difference"),
    ],
)
def test_a_case_that_changes_nothing_is_an_error(do: Mutation, fields: dict[str, Any], says: str) -> None:
    """A verdict about a message that was never sent would claim too much."""
    result = played(do, **fields)
    assert (result.verdict, says in result.reason) == (Verdict.ERROR, True), result.reason


def test_auth_covers_what_was_sent() -> None:
    """Only the message under test is wrong: a changed IKE_SA_INIT is signed as it was sent."""
    fields: dict[str, Any] = {"base": "connect", "at": "IKE_SA_INIT request"}
    assert played(insert_notify(40000), accepted() & alive(), **fields).verdict is Verdict.PASS
    failed = answered("AUTHENTICATION_FAILED", alone=True) & no_sa()
    assert played(insert_notify(40000), failed, sign="before", **fields).verdict is Verdict.PASS


def test_one_round_only() -> None:
    result = played(set_header(version=0x21), base="liveness", at="request round 1")
    versions = [e.header.version for _, e in result.stages[0].events if isinstance(e, MessageSent)]
    assert versions.count(0x21) == 1


def test_a_name_is_taken_once() -> None:
    row = Case("twice", base="init", then=silent(), source="RFC 7296 section 1")
    cases("a.module", [row])
    with pytest.raises(ConfigError, match="expected one scenario with the name twice"):
        cases("a.module", [row])
