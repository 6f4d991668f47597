# SPDX-License-Identifier: GPL-2.0-or-later
"""One end has no post-quantum pre-shared key, or another one: what is optional is left out, what is required is not."""

from __future__ import annotations

from fynx_scapy.errors import AuthenticationError
from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished, IkeSaFailed, PpkNotUsed, PpkUsed
from fynx_scapy.harness import EVERY, INITIATORS, RESPONDERS, Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.scenarios.ppk.ppk_used import KEY, OTHER, without
from fynx_scapy.taps import Outgoing

THIRD = KEY.replace(id="fynx-third-ppk")
WRONG = KEY.replace(secret="0x" + bytes(32).hex())


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk"}, requirements=("8784-3-i03", "8784-3-i05"), live=True,
    ours={"ppk": KEY},
)  # fmt: skip
def ppk_of_ours_alone(run: Run) -> None:
    """We have an optional PPK and the peer has none: the IKE SA comes up without it, which we say."""
    run.establish()
    without(run.answer("IKE_SA_INIT"), "USE_PPK")
    for message in (run.requests("IKE_AUTH")[-1], run.answer("IKE_AUTH")):
        without(message, "PPK_IDENTITY")
    expect(run.event(PpkNotUsed).reason, "why no PPK is used").equals("the peer did not send USE_PPK")
    run.send_traffic()
    run.agree()


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk"}, requirements=("8784-3-i03", "8784-3-i05"),
    config={"ppk": KEY}, ours={"ppk": ()},
)  # fmt: skip
def ppk_of_the_peer_alone(run: Run) -> None:
    """The peer has an optional PPK and we have none: the IKE SA comes up without it."""
    run.establish()
    without(run.answer("IKE_SA_INIT"), "USE_PPK")
    run.send_traffic()
    run.agree()


@scenario(
    "RFC 8784 section 3", roles=INITIATORS, needs={"ppk"}, requirements=("8784-3-08",),
    config={"ppk": (KEY, THIRD)}, ours={"ppk": OTHER},
)  # fmt: skip
def ppk_id_unknown(run: Run) -> None:
    """A responder lacks our optional PPK and has others: NO_PPK_AUTH authenticates us without one."""
    _without(run)


@scenario(
    "RFC 8784 section 3", roles=RESPONDERS, needs={"ppk"}, requirements=("8784-3-05", "8784-3-i07"),
    config={"ppk": KEY}, ours={"ppk": OTHER},
)  # fmt: skip
def ppk_id_unknown_to_us(run: Run) -> None:
    """We lack the initiator's optional PPK and have another one: NO_PPK_AUTH authenticates it without one."""
    _without(run)


def _without(run: Run) -> None:
    run.establish()
    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr, N(PPK_IDENTITY, PPK_ID), N(NO_PPK_AUTH)}  -->
    expect(run.requests("IKE_AUTH")[-1]).notifies("PPK_IDENTITY").notifies("NO_PPK_AUTH")
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    without(run.answer("IKE_AUTH"), "PPK_IDENTITY")
    expect(run.s.events).lacks(PpkUsed)
    run.send_traffic()
    run.agree()


def _refused(run: Run) -> None:
    run.begin()
    # <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    expect(run.answer("IKE_AUTH")).notifies("AUTHENTICATION_FAILED")
    run.event(IkeSaFailed)
    expect(run.s.events).lacks(IkeSaEstablished).lacks(ChildSaInstalled)
    run.no_ike_sa()


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk"}, requirements=("8784-3-i08",),
    config={"ppk": KEY, "ppk_required": True}, ours={"ppk": WRONG},
)  # fmt: skip
def ppk_wrong(run: Run) -> None:
    """Both ends have a PPK with the same PPK_ID, but not the same PPK: AUTH does not verify."""
    _refused(run)


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk"}, requirements=("8784-3-i08",),
    config={"ppk": KEY}, ours={"ppk": WRONG},
)  # fmt: skip
def ppk_wrong_optional(run: Run) -> None:
    """A wrong PPK is refused where it is optional, too: NO_PPK_AUTH is for responders that do not have that PPK_ID."""
    _refused(run)


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk"}, requirements=("8784-3-07",),
    config={"ppk": KEY, "ppk_required": True}, ours={"ppk": OTHER},
)  # fmt: skip
def ppk_id_unknown_required(run: Run) -> None:
    """A PPK_ID that the responder does not know is refused where the PPK is required."""
    _refused(run)


@scenario(
    "RFC 8784 section 3", roles=INITIATORS, needs={"ppk"}, requirements=("8784-3-07",),
    config={"ppk": KEY, "ppk_required": True}, ours={"ppk": (), "ppk_required": False},
)  # fmt: skip
def ppk_missing_required(run: Run) -> None:
    """A responder that requires a PPK refuses an initiator that has none."""
    _refused(run)


@scenario(
    "RFC 8784 section 3", roles=INITIATORS, needs={"ppk"}, requirements=("8784-3-02",),
    ours={"ppk": KEY, "ppk_required": True},
)  # fmt: skip
def ppk_required_of_the_peer(run: Run) -> None:
    """We require a PPK and the responder has none: no IKE_AUTH follows."""
    run.begin()
    expect(run.event(IkeSaFailed).reason).contains("expected USE_PPK")
    expect(run.requests("IKE_AUTH"), "IKE_AUTH requests").equals([])
    expect(run.s.events).lacks(IkeSaEstablished)


@scenario("RFC 8784 section 3", requirements=("8784-3-10",))
def ppk_not_confirmed(run: Run) -> None:
    """An initiator that requires a PPK refuses a responder that does not confirm it with PPK_IDENTITY."""
    s = run.session(config=run.config(ppk=KEY, ppk_required=True))
    s.peer.taps.add("payloads", _unconfirmed, when=lambda message: message.encrypted)
    s.sa_init()
    expect(lambda: s.auth()).raises(AuthenticationError, "expected a PPK, because we require one")
    # HDR, SK {N(AUTHENTICATION_FAILED)}  -->
    expect(s.events).at("initiator").lacks(IkeSaEstablished).sent(-1).exchange("INFORMATIONAL").notifies(
        "AUTHENTICATION_FAILED"
    )


def _unconfirmed(message: Outgoing) -> None:
    """A tap: take PPK_IDENTITY out."""
    message.payloads[:] = [p for p in message.payloads if getattr(p, "type", 0) != NotifyType.PPK_IDENTITY]


if __name__ == "__main__":
    main(__file__)
