# SPDX-License-Identifier: GPL-2.0-or-later
"""A rekey refused with NO_ADDITIONAL_SAS."""

from __future__ import annotations

from fynx_scapy.events import ChildSaFailed, IkeSaEstablished, SaDeleted
from fynx_scapy.exchanges import notify
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.taps import RESPONSE, Outgoing


@scenario("RFC 7296 section 4", requirements=("7296-4-09",))
def rekey_refused(run: Run) -> None:
    """When NO_ADDITIONAL_SAS refuses a rekey, a new IKE SA with its Child SA replaces the old one."""
    s = run.session()
    s.connect()
    s.ping("10.2.0.1")
    s.peer.taps.add("payloads", refuse, when=is_answer)
    old = s.sa
    # HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}  -->
    # <--  HDR, SK {N(NO_ADDITIONAL_SAS)}
    s.rekey_child()
    expect(s.events).at("initiator").has(ChildSaFailed, notify_type=NotifyType.NO_ADDITIONAL_SAS)
    # HDR, SAi1, KEi, Ni  -->   and so on;   ten seconds later   HDR, SK {D(IKE)}  -->
    s.network.run(s.network.now + 15.0)
    expect(s.events).at("initiator").has(IkeSaEstablished, times=2)
    expect(s.events).at("responder").has(SaDeleted, child_spis=(), by_peer=True)
    expect(old.established, "the old IKE SA established").equals(False)
    s.ping("10.2.0.1")


def is_answer(message: Outgoing) -> bool:
    """Whether the message is a CREATE_CHILD_SA response."""
    header = message.header
    return header.exch_type == ExchangeType.CREATE_CHILD_SA and bool(int(header.flags) & RESPONSE)


def refuse(message: Outgoing) -> None:
    """A tap: answer NO_ADDITIONAL_SAS."""
    message.payloads[:] = [notify(NotifyType.NO_ADDITIONAL_SAS)]


if __name__ == "__main__":
    main(__file__)
