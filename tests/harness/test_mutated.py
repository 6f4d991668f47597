# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs in a session, outside a case: what they change, in which messages, and when nothing was shown."""

from __future__ import annotations

import pytest

from fynx_scapy import Session
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Change
from fynx_scapy.harness.cases import NotReached, mutated
from fynx_scapy.harness.verbs import drop, esp, flip_icv, insert_unknown, reserved_everywhere, set_header
from fynx_scapy.harness.worlds.embedded import EmbeddedDriver
from fynx_scapy.layers.ikev2 import IKEv2_Notify


@pytest.fixture
def session() -> Session:
    made = Session(psk="secret", seed=8)
    made.connect()
    return made


def test_verbs_change_what_a_session_sends_inside_the_block_only(session: Session) -> None:
    with mutated(session, insert_unknown(critical=True)) as changes:
        assert session.liveness()[IKEv2_Notify].type == 1  # UNSUPPORTED_CRITICAL_PAYLOAD
    assert Change("payloads", "payloads", "", "UNKNOWN-200") in changes
    assert session.liveness().summary().endswith("{SK}")


def test_the_first_message_of_a_session_can_be_changed() -> None:
    s = Session(psk="secret", seed=8)
    with mutated(s, set_header(version=0x30), at="IKE_SA_INIT request") as changes:
        assert s.sa_init()[IKEv2_Notify].type == 5  # INVALID_MAJOR_VERSION
    assert changes == [Change("payloads", "header / version", "0x20", "0x30")]


def test_a_wire_verb_spares_the_retransmission(session: Session) -> None:
    with mutated(session, flip_icv()) as changes:
        assert session.liveness().summary().endswith("{SK}")
    assert len(changes) == 1


def test_packets_and_answers_are_messages_too(session: Session) -> None:
    with mutated(session, esp(seq=77), at="packet") as changes:
        assert session.ping("10.2.0.1") is not None
    assert changes == [Change("parts", "seq", "", "77")]
    with mutated(session, insert_unknown(), at="INFORMATIONAL response") as changes:
        EmbeddedDriver(session).liveness()
        session.network.run(limit=5.0)
    assert changes


@pytest.mark.parametrize(("sign", "established"), [("sent", True), ("before", False)])
def test_auth_covers_what_was_sent_unless_it_is_said_otherwise(sign: str, established: bool) -> None:
    s = Session(psk="secret", seed=8)
    with mutated(s, reserved_everywhere(), at="IKE_SA_INIT request", sign=sign):  # type: ignore[arg-type]
        s.sa_init()
    s.auth()
    assert s.sa.established is established


def test_what_shows_nothing_is_an_error(session: Session) -> None:
    none = "fits 'IKE_SA_INIT request' of this session, but none was sent"
    with pytest.raises(NotReached, match=none), mutated(session, drop("KE"), at="IKE_SA_INIT request"):
        session.liveness()
    with pytest.raises(NotReached, match="it made no difference"), mutated(session, set_header(version=0x20)):
        session.liveness()


@pytest.mark.parametrize(
    ("do", "more", "words"),
    [
        (drop, {}, r"expected a mutation, such as drop\('KE'\), found a function"),
        (drop("KE"), {"at": "reqest"}, "did you mean request"),
        (drop("KE"), {"sign": "after"}, "expected sign to be one of sent, before, found 'after'"),
    ],
)
def test_misuse_is_an_error_before_anything_is_sent(
    session: Session, do: object, more: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words), mutated(session, do, **more):  # type: ignore[arg-type]
        raise AssertionError("the block was run")
