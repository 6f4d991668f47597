# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT and IKE_AUTH with a pre-shared key."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled, KeysDerived
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.iana import ProtocolId, TransformType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_KE, IKEv2_Nonce, IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario(
    "RFC 7296 section 1.2",
    roles=EVERY,
    requirements=(
        "7296-1.2-i05", "7296-1.2-06", "7296-2.2-i01", "7296-2.2-i02", "7296-2.7-04", "7296-3.3.1-03", "7296-2.14-i02",
        "7296-1.2-i06", "7296-4-04", "7296-2.7-01", "7296-2.7-02", "7296-3.3.6-01", "7296-3.3.6-02", "7296-3.3.6-03",
        "7296-3.3.1-04",
    ),
    live=True,
)  # fmt: skip
def psk_handshake(run: Run) -> None:
    """Two peers with a pre-shared key set up an IKE SA and its first Child SA, and packets pass.

    IKE_SA_INIT negotiates the algorithms and derives the keys. IKE_AUTH, inside SK, authenticates both peers and sets
    up the Child SA.
    """
    run.establish()
    # HDR, SAi1, KEi, Ni  -->
    # <--  HDR, SAr1, KEr, Nr
    init = run.answer("IKE_SA_INIT")
    expect(init).response().message_id(0).has(IKEv2_SA, IKEv2_KE, IKEv2_Nonce)
    chosen = init[IKEv2_SA].prop
    expect(len(chosen), "proposals in the answer").equals(1)
    offer = run.requests("IKE_SA_INIT")[-1][IKEv2_SA].prop
    expect(chosen[0].proposal, "proposal number").between(1, len(offer))
    expect((int(chosen[0].proto), bytes(chosen[0].SPI or b"")), "protocol and SPI").equals((ProtocolId.IKE, b""))
    expect({bytes(each.SPI or b"") for each in offer}, "SPIs that were offered").equals({b""})
    kinds = [transform.transform_type for transform in chosen[0].trans]
    # One transform of each type, in any order.
    wanted = {transform.transform_type for transform in offer[chosen[0].proposal - 1].trans}
    expect(sorted(kinds), "transform types").equals(sorted(wanted))

    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    request, auth = run.requests("IKE_AUTH")[-1], run.answer("IKE_AUTH")
    expect(request).message_id(1).lacks(IKEv2_KE, IKEv2_Nonce)
    expect(auth).message_id(1).has(IKEv2_IDr, IKEv2_AUTH, IKEv2_SA, IKEv2_TSi, IKEv2_TSr).lacks(IKEv2_KE, IKEv2_Nonce)
    for proposal in request[IKEv2_SA].prop:
        expect([t.transform_type for t in proposal.trans], "transform types").excludes(TransformType.KE)
    (child,) = auth[IKEv2_SA].prop
    expect((int(child.proto), len(child.SPI)), "protocol and octets of the SPI").equals((ProtocolId.ESP, 4))

    # Each direction has keys of its own.
    keys = run.event(KeysDerived).keys
    expect(len({keys.sk_ei, keys.sk_er, keys.sk_d, keys.sk_pi, keys.sk_pr}), "number of different keys").equals(5)
    installed = run.event(ChildSaInstalled)
    expect(installed.encr_key_in != installed.encr_key_out, "keys differing by direction").holds()
    run.send_traffic(count=3)
    run.agree()


if __name__ == "__main__":
    main(__file__)
