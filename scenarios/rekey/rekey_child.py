# SPDX-License-Identifier: GPL-2.0-or-later
"""A Child SA is rekeyed by either peer."""

from __future__ import annotations

from fynx_scapy.events import ChildSaRekeyed, MessageReceived, MessageSent, SaDeleted
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA, IKEv2_TSi
from fynx_scapy.taps import RESPONSE

REQUIREMENTS = ("7296-1.3.3-01", "7296-2.8-02", "7296-1.3.3-i01", "7296-3.10-01", "7296-2.8-i01", "7296-1.3-03")
PFS = {"esp": "aes128gcm16-x25519"}


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=REQUIREMENTS, live=True)
def rekey_child(run: Run) -> None:
    """We rekey a Child SA without a key exchange."""
    _rekeyed(run, by_us=True, pfs=False)


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=REQUIREMENTS)
def rekey_child_by_peer(run: Run) -> None:
    """The peer rekeys a Child SA without a key exchange."""
    _rekeyed(run, by_us=False, pfs=False)


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=REQUIREMENTS, config=PFS)
def rekey_child_pfs(run: Run) -> None:
    """We rekey a Child SA with a key exchange."""
    _rekeyed(run, by_us=True, pfs=True)


@scenario("RFC 7296 section 1.3.3", roles=EVERY, needs={"rekey"}, requirements=REQUIREMENTS, config=PFS)
def rekey_child_pfs_by_peer(run: Run) -> None:
    """The peer rekeys a Child SA with a key exchange."""
    _rekeyed(run, by_us=False, pfs=True)


def _rekeyed(run: Run, *, by_us: bool, pfs: bool) -> None:
    run.establish()
    child_rekeyed(run, by_us=by_us, pfs=pfs)
    run.send_traffic()
    run.agree()


def child_rekeyed(run: Run, *, by_us: bool, pfs: bool = False) -> None:
    """Have one peer rekey the Child SA, and wait until both have deleted the old one."""
    old = run.s.child
    # HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
    if by_us:
        run.s.rekey_child()
    else:
        run.peer.rekey_child()
    run.event(ChildSaRekeyed, by_peer=not by_us, old_spi=old.inbound.spi)
    sent, received = run.messages(MessageSent), run.messages(MessageReceived)
    asked, answered = (sent, received) if by_us else (received, sent)
    request = [message for message in asked if expect(message).has_notify("REKEY_SA")][-1]
    spi = (old.inbound if by_us else old.outbound).spi.to_bytes(4)
    expect(request).has(IKEv2_Notify, type=NotifyType.REKEY_SA, proto=ProtocolId.ESP, SPI=spi)
    answer = [message for message in answered if message.id == request.id and int(message.flags or 0) & RESPONSE][-1]
    expect(answer).exchange("CREATE_CHILD_SA").has(IKEv2_SA, IKEv2_Nonce, IKEv2_TSi)
    expect((IKEv2_KE in request, IKEv2_KE in answer), "a key exchange").equals((pfs, pfs))
    # HDR, SK {D(old)}  -->   <--  HDR, SK {D(old)}
    run.event(SaDeleted, child_spis=(old.inbound.spi,))
    expect(run.s.child is not old, "another Child SA").holds()


if __name__ == "__main__":
    main(__file__)
