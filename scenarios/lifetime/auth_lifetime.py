# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH_LIFETIME: the responder says for how long an authentication counts, and the initiator repeats it before."""

from __future__ import annotations

from fynx_scapy.events import AuthenticationLimited, IkeSaEstablished, LifetimeReached, SaDeleted
from fynx_scapy.harness import Credentials, EndAuth, Role, Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Notify

SECONDS, LINGER = 4, 0.5


CLIENT = EndAuth(by="eap-mschapv2")
NEEDS = {"auth_lifetime", "certificates", "ecdsa", "eap"}


@scenario(
    "RFC 4478 section 2",
    requirements=("4478-2-02", "4478-3-i01", "4478-3-01", "4478-3-i02"),
    roles=(Role.INITIATOR, Role.CLIENT),
    needs=NEEDS,
    # Not every gateway limits peers that it could ask itself to authenticate again, which EAP does not allow.
    config={"reauth": SECONDS, "auth": Credentials(ours=CLIENT)},
    endpoint={"esp_linger": LINGER},
)
def auth_lifetime_of_peer(run: Run) -> None:
    """The peer limits our authentication; we repeat it before the time ends, and delete the old IKE SA."""
    run.establish()
    old = run.s.sa
    # <--  HDR, SK {AUTH, SAr2, TSi, TSr, N(AUTH_LIFETIME)}
    answer = run.answers("IKE_AUTH")[-1]
    expect(answer).notifies("AUTH_LIFETIME")
    notifies = [each for each in answer.iterpayloads() if isinstance(each, IKEv2_Notify)]
    found = [(each.proto, each.SPIsize, each.length) for each in notifies if each.type == NotifyType.AUTH_LIFETIME]
    expect(found, "its Protocol ID, SPI Size and length").equals([(0, 0, 12)])
    said = run.event(AuthenticationLimited, by_peer=True)
    expect(said.seconds, "the seconds that the peer says").between(SECONDS - 1, SECONDS)
    # HDR, SAi1, KEi, Ni  -->   …   <--  HDR, SK {AUTH, SAr2, TSi, TSr, N(AUTH_LIFETIME)}
    _authenticated_again(run, said.time + said.seconds)
    reached = run.event(LifetimeReached, hard=False, spi=None)
    expect(reached.limit, "the lifetime that ends").equals("authentication")
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    run.event(SaDeleted, spi_i=old.spi_i, child_spis=(), by_peer=False)
    run.send_traffic(count=1)


@scenario(
    "RFC 4478 section 2",
    requirements=("4478-2-04", "4478-2-08"),
    roles=(Role.RESPONDER, Role.SERVER),
    needs=NEEDS,
    config={"auth": Credentials(theirs=CLIENT)},
    ours={"auth_lifetime": SECONDS},
)
def auth_lifetime_of_ours(run: Run) -> None:
    """We limit the peer's authentication; it repeats it before we would delete the IKE SA."""
    run.establish()
    old = run.s.sa
    # <--  HDR, SK {AUTH, SAr2, TSi, TSr, N(AUTH_LIFETIME)}
    expect(run.answers("IKE_AUTH")[-1]).notifies("AUTH_LIFETIME")
    said = run.event(AuthenticationLimited, seconds=SECONDS, by_peer=False)
    # HDR, SAi1, KEi, Ni  -->   …   and on the old one:   HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    _authenticated_again(run, said.time + SECONDS)
    run.event(SaDeleted, limit=15, spi_i=old.spi_i, child_spis=(), by_peer=True)
    expect([e for e in run.events if isinstance(e, LifetimeReached)], "lifetimes that ended here").fails()


def _authenticated_again(run: Run, end: float) -> None:
    """Wait for the second IKE SA. It has to come by ``end``, or with a live peer soon after it."""

    def both() -> bool:
        return [type(event) for event in run.events].count(IkeSaEstablished) == 2

    run.wait_until(both, "a second IKE SA", limit=SECONDS + 3)
    at = [event.time for event in run.events if isinstance(event, IkeSaEstablished)][-1]
    expect(at, "when the second IKE SA was set up").between(0, end + (1.5 if run.world.live else 0))


if __name__ == "__main__":
    main(__file__)
