# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends have the same post-quantum pre-shared key, required or not, and the keys of all SAs depend on it."""

from __future__ import annotations

from fynx_scapy import Ppk
from fynx_scapy.events import PpkUsed
from fynx_scapy.harness import EVERY, INITIATORS, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH
from fynx_scapy.scenarios.rekey.rekey_child import child_rekeyed
from fynx_scapy.scenarios.rekey.rekey_ike import ike_rekeyed

KEY = Ppk("0x" + bytes(range(32)).hex(), "fynx-ppk")
OTHER = Ppk("0x" + bytes(range(32, 64)).hex(), "fynx-other-ppk")
SENT = ("8784-3-01", "8784-3-i01", "8784-3-i04", "8784-3-i06", "8784-3-i08")


def without(message: IKEv2, *notifies: str) -> None:
    """Expect a message that has none of these notifies."""
    for name in notifies:
        expect(expect(message).has_notify(name), f"a {name}").fails()


def _used(run: Run, *, required: bool) -> None:
    run.establish()
    # HDR, SAi1, KEi, Ni, N(USE_PPK)  -->   <--  HDR, SAr1, KEr, Nr, N(USE_PPK)
    for message in (run.requests("IKE_SA_INIT")[-1], run.answer("IKE_SA_INIT")):
        expect(message).notify_data("USE_PPK").equals(b"")
    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr, N(PPK_IDENTITY, PPK_ID), [N(NO_PPK_AUTH)]}  -->
    request = run.requests("IKE_AUTH")[-1]
    expect(request).has(IKEv2_AUTH).notify_data("PPK_IDENTITY").equals(KEY.wire_id)
    if required:
        without(request, "NO_PPK_AUTH")
    else:
        expect(request).notifies("NO_PPK_AUTH")
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr, N(PPK_IDENTITY)}
    expect(run.answer("IKE_AUTH")).has(IKEv2_AUTH).notify_data("PPK_IDENTITY").equals(b"")
    expect(run.event(PpkUsed).ppk_id, "the PPK in use").equals(str(KEY))
    run.send_traffic()
    run.agree()


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk"}, requirements=SENT,
    config={"ppk": KEY, "ppk_required": True},
)  # fmt: skip
def ppk_required(run: Run) -> None:
    """Both ends require the PPK: it goes into SK_d, SK_pi and SK_pr, and packets pass."""
    _used(run, required=True)


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk"}, requirements=(*SENT, "8784-3-04"),
    config={"ppk": KEY},
)  # fmt: skip
def ppk_optional(run: Run) -> None:
    """The PPK is optional for both ends: the initiator also authenticates without it, and both use it."""
    _used(run, required=False)


@scenario(
    "RFC 8784 section 3", roles=INITIATORS, needs={"ppk"}, requirements=("8784-3-i06", "8784-3-i08"),
    config={"ppk": (OTHER, KEY), "ppk_required": True}, ours={"ppk": (KEY, OTHER)},
)  # fmt: skip
def ppk_of_several(run: Run) -> None:
    """The responder has several PPKs: the PPK_ID says which one is used."""
    _used(run, required=True)


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk", "rekey"}, requirements=("8784-3-03",),
    config={"ppk": KEY, "ppk_required": True},
)  # fmt: skip
def ppk_rekeyed(run: Run) -> None:
    """The PPK is not mixed in again when the IKE SA and its Child SA are rekeyed, and packets pass after each."""
    _rekeyed(run, by_us=True)


@scenario(
    "RFC 8784 section 3", roles=EVERY, needs={"ppk", "rekey"}, requirements=("8784-3-03",),
    config={"ppk": KEY, "ppk_required": True},
)  # fmt: skip
def ppk_rekeyed_by_peer(run: Run) -> None:
    """The peer rekeys the IKE SA and its Child SA: the PPK is not mixed in again, and packets pass after each."""
    _rekeyed(run, by_us=False)


def _rekeyed(run: Run, *, by_us: bool) -> None:
    run.establish()
    ike_rekeyed(run, by_us=by_us)
    run.send_traffic()
    for message in run.requests("CREATE_CHILD_SA"):
        without(message, "USE_PPK", "PPK_IDENTITY")
    child_rekeyed(run, by_us=by_us)
    run.send_traffic()
    run.agree()


if __name__ == "__main__":
    main(__file__)
