# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication with a wrong key, by either peer."""

from __future__ import annotations

from fynx_scapy.errors import AuthenticationError
from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished, IkeSaFailed
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_SA
from fynx_scapy.taps import Outgoing


@scenario(
    "RFC 7296 section 2.21.2",
    roles=EVERY,
    requirements=("7296-1.2-02", "7296-1.2-i04", "7296-2.21.2-01", "7296-2.21.2-i01"),
    ours={"auth": "a key that no peer has"},
    live=True,
)
def wrong_psk(run: Run) -> None:
    """A peer with a wrong key gets no IKE SA and AUTHENTICATION_FAILED inside SK.

    IKE_SA_INIT succeeds, because it authenticates nobody. Both peers therefore have keys for the refusal, and it can be
    decrypted in a capture.
    """
    run.begin()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    expect(run.answer("IKE_AUTH")).notifies("AUTHENTICATION_FAILED").lacks(IKEv2_AUTH, IKEv2_IDr, IKEv2_SA)
    run.event(IkeSaFailed)
    expect(run.s.events).lacks(IkeSaEstablished).lacks(ChildSaInstalled)
    run.no_ike_sa()


@scenario("RFC 7296 section 2.21.2", requirements=("7296-1.2-02", "7296-2.21.2-02"))
def responder_auth_wrong(run: Run) -> None:
    """The initiator tells a responder whose AUTH is wrong in an INFORMATIONAL exchange."""
    s = run.session()
    s.peer.taps.add("payloads", spoil_auth, when=lambda message: IKEv2_AUTH in map(type, message.payloads))
    s.sa_init()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH(wrong), SAr2, TSi, TSr}
    expect(lambda: s.auth()).raises(AuthenticationError, "does not verify")
    # HDR, SK {N(AUTHENTICATION_FAILED)}  -->
    # <--  HDR, SK {}
    expect(s.events).at("initiator").lacks(IkeSaEstablished).sent(-1).exchange("INFORMATIONAL").notifies(
        "AUTHENTICATION_FAILED"
    )
    expect(s.events).at("responder").sent(-1).exchange("INFORMATIONAL").empty()


def spoil_auth(message: Outgoing) -> None:
    """A tap: replace AUTH with 32 zero octets."""
    message.one(IKEv2_AUTH).load = bytes(32)


if __name__ == "__main__":
    main(__file__)
