# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication with a wrong key, by either peer."""

from __future__ import annotations

from fynx_scapy import Psk
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished, IkeSaFailed
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr
from fynx_scapy.taps import Outgoing


@scenario(
    "RFC 7296 section 2.21.2",
    requirements=("7296-1.2-02", "7296-1.2-i04", "7296-2.21.2-01", "7296-2.21.2-i01", "7296-2.21.2-02"),
    live="in part",
)
def wrong_psk(run: Run) -> None:
    """A peer with a wrong key gets no IKE SA and AUTHENTICATION_FAILED inside SK.

    IKE_SA_INIT succeeds, because it authenticates nobody. Both peers therefore have keys for the refusal, and it can be
    decrypted in a capture.
    """
    s = run.session(
        "the initiator has another key", psk="open sesame", peer=None if run.live else {"psk": "shut sesame"}
    )
    if s.live:
        s.config = s.config.replace(auth=Psk(s.client.randomness.octets(32)))
    s.sa_init()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    expect(s.auth()).exchange("IKE_AUTH").notifies("AUTHENTICATION_FAILED").lacks(IKEv2_AUTH, IKEv2_IDr)
    expect(s.events).lacks(IkeSaEstablished).lacks(ChildSaInstalled).has(IkeSaFailed, times=len(s.ends))
    expect(s.events).at("initiator").has(IkeSaFailed, notify_type=NotifyType.AUTHENTICATION_FAILED)

    if not run.embedded("a responder with the wrong key"):
        return

    s = run.session("the responder's AUTH is spoilt")
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
