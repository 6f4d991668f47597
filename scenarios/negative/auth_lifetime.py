# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH_LIFETIME: of zero, tiny, huge, of a wrong size, repeated, in a wrong message and of the wrong end (RFC 4478)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy import Session
from fynx_scapy.harness import Run
from fynx_scapy.harness.cases import Base, Case, Outcome, Seen, alive, cases, judged, refused, survives
from fynx_scapy.harness.verbs import Mutation, insert_many, insert_notify, lose_all
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Notify

LIFETIME = "AUTH_LIFETIME"
SECONDS, GRACE = 4, 30.0
"""For how long the peer lets our authentication count, and how long after that it has time to delete the IKE SA."""
SOON = 2.0
"""Seconds after which a peer that heeds a lifetime of nothing has begun to authenticate again."""
PLACE, FOUR, CLEAR, AT_ONCE, WITHIN = "4478-2-02", "4478-3-i01", "4478-2-06", "4478-3-i03", "4478-2-04"
NEVER = 0xFFFF_FFFF
ZERO = IKEv2_Notify(type=NotifyType.AUTH_LIFETIME, notify=bytes(4))


def _begun(seen: Seen) -> bool:
    return any(each.exchange == ExchangeType.IKE_SA_INIT for each in seen.requests)


def authenticates_again() -> Outcome:
    """It begins a new IKE SA."""
    return judged("it authenticates again", lambda seen: None if _begun(seen) else str(seen), SOON)


def does_not_authenticate_again() -> Outcome:
    """It begins no new IKE SA."""
    return judged("it does not authenticate again", lambda seen: str(seen) if _begun(seen) else None, SOON)


def says_delete() -> Outcome:
    """It deletes the IKE SA."""
    return judged("it deletes the IKE SA", lambda seen: None if seen.deleted else str(seen))


def _limit(seconds: int) -> Mutation:
    return insert_notify(LIFETIME, seconds.to_bytes(4))


def said(name: str, do: Mutation, *requirements: str, then: Outcome, **fields: Any) -> Case:
    """We are the original responder, and say it in a request of INFORMATIONAL."""
    given: dict[str, Any] = {"base": "liveness", "roles": ("responder",)} | fields
    return Case(f"auth_lifetime_{name}", do=do, then=then, requirements=requirements, **given)


def _rekeyed(run: Run, s: Session) -> None:
    run.establish(s)
    s.rekey_ike()


def _waits(name: str, prepare: Callable[[Run, Session], None] | None = None) -> Base:
    """The peer limits our authentication; we try to repeat it, and our requests are lost."""
    more: dict[str, Any] = {"prepare": prepare} if prepare else {}
    return Base(
        name=name, exchange=ExchangeType.IKE_SA_INIT, provoke=lambda peer: peer.initiate(), established=True,
        start=lambda s, timeout: s.network.run(s.network.now + SECONDS + GRACE), peer={"auth_lifetime": SECONDS},
        **more,
    )  # fmt: skip


KEEPS = does_not_authenticate_again()
IGNORES, REFUSES = KEEPS & alive(), KEEPS & refused()

cases(
    __name__,
    [
        # How long
        said("of_zero", _limit(0), AT_ONCE, WITHIN, then=authenticates_again()),
        said("of_one_second", _limit(1), WITHIN, then=authenticates_again()),
        said("of_136_years", _limit(NEVER), then=IGNORES, source="RFC 4478 section 3", severity="high",
             what="A lifetime of 4294967295 seconds neither overflows a timer nor ends soon."),
        said("of_zero_and_of_136_years", _limit(0) + _limit(NEVER), then=survives(), source="RFC 4478 section 2"),
        said("of_zero_a_hundred_times", insert_many(ZERO, 100), then=survives(),
             source="RFC 4478 section 2", severity="high"),
        # Of another size
        *(
            said(
                f"of_{size}_octets", insert_notify(LIFETIME, bytes(size)), FOUR, then=IGNORES | REFUSES, severity="high"
            )
            for size in (0, 1, 3, 5, 8, 1024)
        ),
        said("for_a_protocol", insert_notify(LIFETIME, NEVER.to_bytes(4), protocol=1), then=alive(), severity="low",
             source="RFC 4478 section 3"),
        said("with_an_spi", insert_notify(LIFETIME, NEVER.to_bytes(4), protocol=3, spi=bytes(range(4))),
             then=survives(), severity="low", source="RFC 4478 section 3"),
        # In another message, or of the other end
        said("in_the_clear", _limit(0), CLEAR, base="auth", at="IKE_SA_INIT response", roles=None, then=KEEPS,
             severity="critical", what="AUTH_LIFETIME of zero in IKE_SA_INIT, where anybody may put it."),
        said("in_an_answer_of_informational", _limit(0), PLACE, at="response", then=IGNORES),
        said("in_an_answer_of_create_child_sa", _limit(0), PLACE, base="create_child", at="response", then=IGNORES),
        said("in_a_request_of_create_child_sa", _limit(0), PLACE, base="create_child", then=IGNORES),
        said("of_the_initiator", _limit(0), PLACE, roles=("initiator",), then=IGNORES, severity="high",
             what="Who began the first IKE SA may not limit it: the responder goes on."),
        said("of_the_initiator_in_ike_auth", _limit(0), PLACE, base="auth", roles=None, then=IGNORES),
        *(
            said(f"of_{size}_octets_in_ike_auth", insert_notify(LIFETIME, bytes(size)), FOUR, base="auth",
                 at="response", roles=None, then=KEEPS, severity="high")
            for size in (0, 3, 8)
        ),
        # Who does not authenticate again
        Case(
            "auth_lifetime_that_we_let_pass", base=_waits("a lifetime passes"), do=lose_all(),
            roles=("initiator",), then=says_delete(), requirements=("4478-2-03",), severity="high",
            what="We do not get through to authenticate again: the responder deletes the IKE SA.",
        ),
        Case(
            "auth_lifetime_that_we_let_pass_after_a_rekey", base=_waits("a lifetime passes after a rekey", _rekeyed),
            do=lose_all(), roles=("initiator",), then=says_delete(), requirements=("4478-2-i01", "4478-2-03"),
            severity="high", what="The same where the IKE SA has been rekeyed meanwhile.",
        ),
    ],
)  # fmt: skip
