# SPDX-License-Identifier: GPL-2.0-or-later
"""An initiator that guesses the wrong key exchange method."""

from __future__ import annotations

from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.iana import KeMethod
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_KE, IKEv2_SA


@scenario(
    "RFC 7296 section 1.2",
    roles=EVERY,
    requirements=(
        "7296-1.2-i02", "7296-1.2-04", "7296-1.2-05", "7296-1.3-i01", "7296-2.6-i02", "7296-2.2-i01", "7296-3.3.6-10",
        "7296-3.3.6-09", "7296-3.4-04", "7296-2.15-i03",
    ),
    config={"ike": "aes128gcm16-prfsha256-ecp256-x25519"},
)  # fmt: skip
def invalid_ke(run: Run) -> None:
    """The responder asks for another key exchange method with INVALID_KE_PAYLOAD.

    The second request has a KE payload of that group and the same offer as the first one.
    """
    if run.we_begin:
        # The peer follows our order of preference, so we must guess a method that it does not have at all.
        run.s.config = run.s.config.replace(proposals="aes128gcm16-prfsha256-modp2048-ecp256", ke=KeMethod.MODP_2048)
    else:
        run.s.client.configs[0] = run.config(proposals="aes128gcm16-prfsha256-x25519", remote=run.s.config.remote)
    guessed, wanted = (
        (KeMethod.MODP_2048, KeMethod.ECP_256) if run.we_begin else (KeMethod.ECP_256, KeMethod.CURVE25519)
    )
    run.establish()
    expect(len(run.answers("IKE_SA_INIT")), "answers to IKE_SA_INIT").equals(2)
    expect(len(run.requests("IKE_SA_INIT")), "requests of IKE_SA_INIT").equals(2)
    (first, second), (refusal, answer) = run.requests("IKE_SA_INIT"), run.answers("IKE_SA_INIT")

    # HDR(A,0), SAi1, KEi(guessed), Ni  -->
    expect(first).message_id(0).has(IKEv2_KE, group=guessed)
    # <--  HDR(A,0), N(INVALID_KE_PAYLOAD, wanted)
    expect(refusal).message_id(0).lacks(IKEv2_SA, IKEv2_KE)
    expect(refusal).notify_data("INVALID_KE_PAYLOAD").equals(int(wanted).to_bytes(2))
    expect(refusal.resp_SPI, "responder SPI").equals(bytes(8))

    # HDR(A,0), SAi1, KEi(wanted), Ni  -->
    expect(second).message_id(0).has(IKEv2_KE, group=wanted)
    expect(transforms(second), "the same offer again").equals(transforms(first))
    # <--  HDR(A,B), SAr1, KEr(wanted), Nr
    expect(answer).message_id(0).has(IKEv2_KE, group=wanted)
    expect(int(wanted) in {number for _, _, number in transforms(answer)}, "the method in the answer").holds()
    run.send_traffic(count=1)
    run.agree()


def transforms(message: IKEv2) -> set[tuple[int, int, int]]:
    """Number of the proposal, type and ID of each transform in the SA payload. Their order is only a preference."""
    proposals = message[IKEv2_SA].prop
    return {(one.proposal, int(each.transform_type), each.transform_id) for one in proposals for each in one.trans}


if __name__ == "__main__":
    main(__file__)
