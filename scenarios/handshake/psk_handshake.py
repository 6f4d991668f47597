# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT and IKE_AUTH with a pre-shared key."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished, KeysDerived
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import ProtocolId, TransformType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_KE, IKEv2_Nonce, IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario(
    "RFC 7296 section 1.2",
    requirements=(
        "7296-1.2-i05", "7296-1.2-06", "7296-2.2-i01", "7296-2.2-i02", "7296-2.7-04", "7296-3.3.1-03", "7296-2.14-i02",
        "7296-1.2-i06", "7296-4-04", "7296-2.7-01", "7296-2.7-02", "7296-3.3.6-01", "7296-3.3.6-02", "7296-3.3.6-03",
        "7296-3.3.1-04",
    ),
    live="in part",
)  # fmt: skip
def psk_handshake(run: Run) -> None:
    """Two peers with a pre-shared key set up an IKE SA and its first Child SA.

    IKE_SA_INIT negotiates the algorithms and derives the keys. IKE_AUTH, inside SK, authenticates both peers and sets
    up the Child SA.
    """
    s = run.session(psk="correct horse battery staple", local_id="alice", remote_id="bob")

    # HDR, SAi1, KEi, Ni  -->
    # <--  HDR, SAr1, KEr, Nr
    init = s.sa_init()
    expect(init).exchange("IKE_SA_INIT").response().message_id(0).has(IKEv2_SA, IKEv2_KE, IKEv2_Nonce)
    chosen = init[IKEv2_SA].prop
    expect(len(chosen), "proposals in the answer").equals(1)
    offer = expect(s.events).at("initiator").sent(-1).packet[IKEv2_SA].prop
    expect(chosen[0].proposal, "proposal number").between(1, len(offer) if s.live else 1)
    expect((int(chosen[0].proto), bytes(chosen[0].SPI or b"")), "protocol and SPI").equals((ProtocolId.IKE, b""))
    kinds = [transform.transform_type for transform in chosen[0].trans]
    # One transform of each type, in any order.
    wanted = {transform.transform_type for transform in offer[chosen[0].proposal - 1].trans}
    expect(sorted(kinds), "transform types").equals(sorted(wanted))

    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    auth = s.auth()
    expect(auth).exchange("IKE_AUTH").response().message_id(1).has(
        IKEv2_IDr, IKEv2_AUTH, IKEv2_SA, IKEv2_TSi, IKEv2_TSr
    ).lacks(IKEv2_KE, IKEv2_Nonce)
    request = expect(s.events).at("initiator").sent(0, "IKE_AUTH").message_id(1).lacks(IKEv2_KE, IKEv2_Nonce).packet
    for proposal in request[IKEv2_SA].prop:
        expect([t.transform_type for t in proposal.trans], "transform types").excludes(TransformType.KE)

    (child,) = auth[IKEv2_SA].prop
    expect((int(child.proto), len(child.SPI)), "protocol and octets of the SPI").equals((ProtocolId.ESP, 4))

    # Both peers now have the same keys, a different one for each direction.
    expect(s.events).has(IkeSaEstablished, times=len(s.ends)).has(ChildSaInstalled, times=len(s.ends))
    if s.live:
        expect(s.ping()).has(ICMP, type=0)
        return
    ours, theirs = (event.keys for _, event in s.events if isinstance(event, KeysDerived))
    expect(ours == theirs, "both ends having the same SK_*").holds()
    expect(len({ours.sk_ei, ours.sk_er, ours.sk_d, ours.sk_pi, ours.sk_pr}), "number of different keys").equals(5)
    a, b = (event for _, event in s.events if isinstance(event, ChildSaInstalled))
    expect(a.encr_key_in == b.encr_key_out and a.encr_key_out == b.encr_key_in, "the Child SA's keys to cross").holds()
    expect(a.encr_key_in != a.encr_key_out, "keys differing by direction").holds()


if __name__ == "__main__":
    main(__file__)
