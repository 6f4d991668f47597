# SPDX-License-Identifier: GPL-2.0-or-later
"""Cookies, whoever begins."""

from __future__ import annotations

from fynx_scapy.events import (
    MessageReceived,
    MessageSent,
)
from fynx_scapy.harness import (
    EVERY,
    Run,
    expect,
    main,
    scenario,
)
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Notify, IKEv2_SA


@scenario("RFC 7296 section 2.6", roles=EVERY, needs={"cookies"}, requirements=("7296-2.6-02", "7296-2.6-04"),
       config={"cookie_threshold": 1}, endpoint={"cookie_threshold": 0})  # fmt: skip
def cookie_returned(run: Run) -> None:
    """The responder asks for a cookie before it does any work, and the initiator returns it."""
    if run.we_begin and run.live:
        # One half-open IKE SA makes the peer ask for cookies. An embedded one asks at once.
        run.join("somebody", port=10500, natt_port=14500).sa_init()
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, N(COOKIE)
    # HDR, N(COOKIE), SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    run.establish()
    asked, sent = (MessageReceived, MessageSent) if run.we_begin else (MessageSent, MessageReceived)
    cookies = [message for message in run.messages(asked) if IKEv2_Notify in message and IKEv2_SA not in message]
    expect(cookies[-1]).exchange("IKE_SA_INIT").response().notifies("COOKIE")
    again = [message for message in run.messages(sent) if IKEv2_SA in message and IKEv2_KE in message][-1]
    expect(again).exchange("IKE_SA_INIT").notifies("COOKIE")
    expect(again[IKEv2_Notify].type, "the type of its first payload").equals(NotifyType.COOKIE)
    run.send_traffic(count=1)


if __name__ == "__main__":
    main(__file__)
