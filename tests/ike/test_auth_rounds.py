# SPDX-License-Identifier: GPL-2.0-or-later
"""An authenticator of several rounds, made up here: one class, and nothing else knows of it (RFC 7296 section 2.16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.iana import AuthMethod, ExchangeType, NotifyType
from fynx_scapy.ike.auth.authenticator import REST_OF_ANSWER, Authenticator, Rounds, authenticates
from fynx_scapy.ike.auth.methods import Covered, Proofs
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.events import ChildSaInstalled, IkeSaEstablished, IkeSaFailed, MessageReceived, MessageSent
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.ike.wire.rules import MANY, MAYBE, P, Round, Rule
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2 import IKEv2_EAP
from fynx_scapy.net.echo import echo_request
from fynx_scapy.net.recorder import Recorder
from tests.capture.following import follow
from tests.ike.pair import Pair, alice, bob

METHOD = AuthMethod.Shared_Key_Message_Integrity_Code
QUESTION, RIGHT, WRONG, SUCCESS = (bytes([code, 1, 0, 5, 9]) for code in (1, 2, 6, 3))


@dataclass(frozen=True, slots=True)
class Quiz(Credential):
    """Bob asks until he has heard ``questions`` right answers; then a key that both know signs, as an MSK does."""

    key: bytes = field(repr=False)
    answer: bytes = RIGHT
    questions: int = 1


@authenticates(Quiz)
class QuizAuthenticator(Authenticator[Quiz]):
    """The shape of EAP: no AUTH in the first request, AUTH of the responder, questions, AUTH of both."""

    method = METHOD
    accepts = frozenset({METHOD})
    wants = "quiz"
    eap = True
    rounds = (
        # HDR, SK {EAP}  -->   or   HDR, SK {AUTH}  -->
        Round(
            Rule({P.EAP: MAYBE, P.AUTH: MAYBE, P.N: MANY}),
            # <--  HDR, SK {EAP}   or   <--  HDR, SK {AUTH, SAr2, TSi, TSr}
            Rule({P.EAP: MAYBE, P.AUTH: MAYBE, **REST_OF_ANSWER}, notifies_alone=True),
        ),
    )

    def value(self, covered: Covered) -> bytes:
        return covered.shared_key(self.credential.key)

    def proofs(self) -> Proofs:
        return Proofs(secrets=((self.credential.key, "the key of the quiz"),))

    def begin(self, request: Outgoing) -> None:
        """Section 2.16: the initiator leaves AUTH out."""

    def goes_on(self, answer: Message) -> bool:
        return answer.get(IKEv2_EAP) is not None or super().goes_on(answer)

    def initiate(self, answer: Message) -> Rounds:
        # <--  HDR, SK {IDr, AUTH, EAP}
        self.verify(answer)
        while bytes(answer.one(IKEv2_EAP).octets()[4:]) != SUCCESS:
            # HDR, SK {EAP}  -->   <--  HDR, SK {EAP}
            answer = yield Outgoing([IKEv2_EAP(eap=self.credential.answer)])
        # HDR, SK {AUTH}  -->   <--  HDR, SK {AUTH, SAr2, TSi, TSr}
        last = Outgoing([])
        self.sign(last)
        answer = yield last
        self.verify(answer)
        return answer

    def respond(self, request: Message) -> Rounds:
        self.remember(request, ours=False)
        # <--  HDR, SK {IDr, AUTH, EAP}
        answer = Outgoing([])
        self.identify(answer)
        self.sign(answer)
        for number in range(self.credential.questions):
            answer.payloads.append(IKEv2_EAP(eap=QUESTION))
            request = yield answer
            # HDR, SK {EAP}  -->
            if bytes(request.one(IKEv2_EAP).octets()[4:]) != RIGHT:
                raise AuthenticationError(f"expected the right answer to question {number}")
            answer = Outgoing([])
        # <--  HDR, SK {EAP (success)}   HDR, SK {AUTH}  -->
        request = yield Outgoing([IKEv2_EAP(eap=SUCCESS)])
        self.verify(request)
        return request


def quizzed(credential: Quiz | None = None, **ours: Any) -> tuple[Pair, Any]:
    """Bob, who asks, and Alice, with what ``ours`` changes of her credential."""
    credential = credential or Quiz(b"msk" * 20)
    return Pair(bob(auth=credential)), alice(auth=replace(credential, **ours))


def flow(pair: Pair) -> list[str]:
    """What went in IKE_AUTH, by who sent it."""
    return [
        f"{who} {' '.join(names(event))}"
        for who, event in pair.network.events
        if isinstance(event, MessageSent) and event.header.exch_type == ExchangeType.IKE_AUTH
    ]


def names(event: MessageSent) -> list[str]:
    return [type(payload).__name__.removeprefix("IKEv2_") for payload in event.payloads]


def test_the_rounds_come_before_the_last_auth() -> None:
    pair, config = quizzed()
    sa = pair.connect(config)
    # HDR, SK {IDi, IDr, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, EAP}
    # HDR, SK {EAP}  -->                        <--  HDR, SK {EAP (success)}
    # HDR, SK {AUTH}  -->                       <--  HDR, SK {AUTH, SAr2, TSi, TSr}
    assert flow(pair) == [
        "alice IDi IDr SA TSi TSr",
        "bob IDr AUTH EAP",
        "alice EAP",
        "bob EAP",
        "alice AUTH",
        "bob AUTH SA TSi TSr",
    ]
    assert [event.header.id for event in pair.of("alice", MessageSent)] == [0, 1, 2, 3]
    assert sa.established
    assert pair.bobs.established
    assert len(pair.of("alice", ChildSaInstalled)) == len(pair.of("bob", ChildSaInstalled)) == 1
    assert pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now)
    pair.network.run()
    assert pair.network.hosts["bob"].inbox


@pytest.mark.parametrize("nth", range(2, 8))
def test_each_message_of_them_may_be_lost_once(nth: int) -> None:
    pair, config = quizzed()
    count = iter(range(1000))
    pair.network.intercept(lambda now, datagram: () if next(count) == nth else None)
    assert pair.connect(config).established
    assert pair.bobs.established
    assert len(pair.of("bob", IkeSaEstablished)) == 1


def test_a_capture_of_them_verifies_by_the_same_code(tmp_path: Path) -> None:
    pair, config = quizzed()
    recorder = Recorder()
    recorder.watch(pair.network, "rounds")
    pair.connect(config)
    recorder.save_capture(tmp_path / "rounds.pcapng")
    found = follow(tmp_path / "rounds.pcapng", KeyLog(secrets=recorder.keys().secrets, msk=[b"msk" * 20]))
    assert found.auth == [("responder", True), ("initiator", True), ("responder", True)]
    assert found.follower.ike_sas[0].auth[0].reason == "EAP MSK 1 of 1"


def auth_of(who: str, last: bool) -> Callable[[Pair], None]:
    """Spoil the first or the last AUTH payload of an end."""

    def spoil(pair: Pair) -> None:
        def change(message: Outgoing) -> None:
            message.payloads[message.types().index("AUTH")].load = bytes(32)

        def when(message: Outgoing) -> bool:
            return "AUTH" in message.types() and (message.types()[0] == "AUTH") == last

        getattr(pair, who).taps.add("payloads", change, when=when)

    return spoil


def refused_between(pair: Pair) -> None:
    def change(message: Outgoing) -> None:
        message.payloads[:] = [notify(NotifyType.AUTHENTICATION_FAILED)]

    pair.bob.taps.add("payloads", change, when=lambda message: message.types() == ["EAP"])


def without_eap(pair: Pair) -> None:
    pair.alice.taps.add("payloads", lambda message: message.payloads.clear(), when=lambda m: m.types() == ["EAP"])


def twice(pair: Pair) -> None:
    def change(message: Outgoing) -> None:
        message.payloads *= 2

    pair.alice.taps.add("payloads", change, when=lambda message: message.types() == ["EAP"])


FAILURES = {
    "the responder's first AUTH": (auth_of("bob", False), "alice", "the AUTH payload of bob does not verify"),
    "the responder's last AUTH": (auth_of("bob", True), "alice", "the AUTH payload of bob does not verify"),
    "the initiator's AUTH": (auth_of("alice", True), "bob", "the AUTH payload of alice does not verify"),
    "a refusal in a later answer": (refused_between, "alice", "IKE_AUTH was answered with AUTHENTICATION_FAILED"),
    "no EAP in a later request": (without_eap, "bob", "expected a payload IKEv2_EAP, found none"),
    "two EAP in a later request": (twice, "bob", "expected 0 to 1 EAP in IKE_AUTH request, found 2"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_goes_wrong_in_a_later_round_ends_the_ike_sa(failure: str) -> None:
    pair, config = quizzed()
    spoil, judge, reason = FAILURES[failure]
    spoil(pair)
    sa = pair.connect(config)
    assert not sa.established
    assert [event.reason for event in pair.of(judge, IkeSaFailed)] == [reason]
    assert b"msk".hex() not in " ".join(map(repr, pair.network.events)) + repr(sa.config)
    for end in (pair.alice, pair.bob):
        end.taps.clear()
    assert pair.connect(config).established


def test_a_wrong_answer_to_a_later_question_is_refused() -> None:
    pair, config = quizzed(Quiz(b"msk", questions=3), answer=WRONG)
    sa = pair.connect(config)
    assert not sa.established
    assert pair.of("bob", IkeSaFailed)[0].reason == "expected the right answer to question 0"
    assert [p.type for p in pair.of("alice", MessageReceived)[-1].payloads] == [NotifyType.AUTHENTICATION_FAILED]


def test_the_rounds_have_a_ceiling() -> None:
    """Section 2.16: at least ten must be possible."""
    pair, config = quizzed(Quiz(b"msk", questions=20))
    assert pair.connect(config).established
    pair, config = quizzed(Quiz(b"msk", questions=100))
    assert not pair.connect(config).established
    reason = "expected at most 64 further rounds of authentication, found more"
    assert reason in [event.reason for who in ("alice", "bob") for event in pair.of(who, IkeSaFailed)]


def test_how_many_rounds_there_may_be_is_configured() -> None:
    pair, config = quizzed(Quiz(b"msk", questions=20))
    assert not pair.connect(config.replace(auth_rounds=12)).established
    assert [event.reason for event in pair.of("alice", IkeSaFailed)] == [
        "expected at most 12 further rounds of authentication, found more"
    ]
    with pytest.raises(ConfigError, match="auth_rounds"):
        config.replace(auth_rounds=9)


def test_the_rows_of_the_rounds_are_of_their_exchange_alone() -> None:
    """A pre-shared key goes on as before beside an authenticator of several rounds."""
    pair, config = quizzed()
    assert pair.connect(config).established
    assert len(IkeAuth.rules) == 1
    pair = Pair()
    assert pair.connect().established
    assert flow(pair) == ["alice IDi IDr AUTH SA TSi TSr", "bob IDr AUTH SA TSi TSr"]
