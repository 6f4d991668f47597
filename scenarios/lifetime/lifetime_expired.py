# SPDX-License-Identifier: GPL-2.0-or-later
"""A rekey that is refused until the hard limit."""

from __future__ import annotations

from fynx_scapy import NEVER, ChildConfig, Identity, IkeConfig, Lifetime, Limits, PeerFields, Psk, Selector
from fynx_scapy.errors import LocalError
from fynx_scapy.events import LifetimeReached, SaDeleted
from fynx_scapy.exchanges import notify
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.taps import RESPONSE, Outgoing

HOUR = Lifetime(soft=Limits(seconds=3600.0), jitter=0.0)

AGELESS: PeerFields = {
    "lifetime": NEVER,
    "children": (
        ChildConfig(local_ts=(Selector.of("10.2.0.0/24"),), remote_ts=(Selector.of("10.1.0.0/24"),), lifetime=NEVER),
    ),
}


@scenario("RFC 7296 section 2.8", requirements=("7296-2.8-01", "7296-2.8-04", "7296-2.4-13"))
def lifetime_expired(run: Run) -> None:
    """When the rekey is refused until the hard limit, the IKE SA and its Child SAs are deleted."""
    child = ChildConfig(lifetime=HOUR)
    config = IkeConfig(
        local_id=Identity.of("alice"),
        remote_id=Identity.of("bob"),
        auth=Psk("secret"),
        children=(child,),
        lifetime=NEVER,
    )
    s = run.session(config=config, peer=AGELESS)
    s.peer.taps.add("payloads", refuse, when=is_answer)
    s.connect()
    s.ping()
    # HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}  -->
    # <--  HDR, SK {N(NO_PROPOSAL_CHOSEN)}
    s.network.run(3602.0)
    expect(s.events).at("initiator").has(LifetimeReached, times=1, hard=False)
    s.ping()
    # HDR, SK {D(IKE)}  -->
    # <--  HDR, SK {}
    s.network.run(3962.0)
    expect(s.events).at("initiator").has(LifetimeReached, times=1, hard=True)
    expect(s.events).at("responder").has(SaDeleted, child_spis=(), by_peer=True)
    expect(s.sa.established, "the IKE SA established").equals(False)
    expect(lambda: s.ping("10.2.0.1", source="10.1.0.1")).raises(LocalError, "no Child SA")


def is_answer(message: Outgoing) -> bool:
    """Whether the message is a CREATE_CHILD_SA response."""
    header = message.header
    return header.exch_type == ExchangeType.CREATE_CHILD_SA and bool(int(header.flags) & RESPONSE)


def refuse(message: Outgoing) -> None:
    """A tap: answer NO_PROPOSAL_CHOSEN."""
    message.payloads[:] = [notify(NotifyType.NO_PROPOSAL_CHOSEN)]


if __name__ == "__main__":
    main(__file__)
