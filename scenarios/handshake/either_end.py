# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT and IKE_AUTH: how an IKE SA is set up, and why it can fail, whoever begins."""

from __future__ import annotations

from fynx_scapy.events import (
    IkeSaFailed,
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
from fynx_scapy.iana import ExchangeType, KeMethod
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA, IKEv2_TSi


@scenario("RFC 7296 section 1.2", roles=EVERY, requirements=("7296-1.2-i05", "7296-4-04"))
def psk(run: Run) -> None:
    """Two peers with a pre-shared key set up an IKE SA and its first Child SA, and packets pass."""
    run.establish()
    run.send_traffic(count=3)
    run.agree()
    expect(run.answer("IKE_AUTH")).has(IKEv2_SA, IKEv2_TSi)
    for message in (*run.messages(MessageSent), *run.messages(MessageReceived)):
        if message.exch_type == ExchangeType.IKE_AUTH:
            expect(message).lacks(IKEv2_KE, IKEv2_Nonce)


@scenario(
    "RFC 7296 section 1.2",
    roles=EVERY,
    requirements=("7296-1.2-i02", "7296-1.2-04", "7296-1.3-i01"),
    config={"ike": "aes128gcm16-prfsha256-ecp256-x25519"},
    ours={"proposals": "aes128gcm16-prfsha256-x25519-ecp256"},
)
def ke_method_retried(run: Run) -> None:
    """The initiator guesses a key exchange method that the responder does not want."""
    if run.we_begin:
        # The peer follows our order of preference, so we must guess a method that it does not have at all.
        run.s.config = run.s.config.replace(proposals="aes128gcm16-prfsha256-modp2048-ecp256", ke=KeMethod.MODP_2048)
    else:
        run.s.client.configs[0] = run.config(proposals="aes128gcm16-prfsha256-x25519", remote=run.s.config.remote)
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, N(INVALID_KE_PAYLOAD)
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    run.establish()
    refused = run.messages(MessageReceived if run.we_begin else MessageSent)[0]
    wanted = KeMethod.ECP_256 if run.we_begin else KeMethod.CURVE25519
    expect(refused).response().lacks(IKEv2_KE).notify_data("INVALID_KE_PAYLOAD").equals(int(wanted).to_bytes(2))
    run.send_traffic(count=1)
    run.agree()


@scenario(
    "RFC 7296 section 2.7",
    roles=EVERY,
    requirements=("7296-2.7-03",),
    ours={"proposals": "aes256gcm16-prfsha384-ecp384"},
)
def no_common_suite(run: Run) -> None:
    """The peers have no common suite, and the responder answers NO_PROPOSAL_CHOSEN."""
    run.begin()
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, N(NO_PROPOSAL_CHOSEN)
    expect(run.answer("IKE_SA_INIT")).notifies("NO_PROPOSAL_CHOSEN").lacks(IKEv2_SA, IKEv2_KE)
    run.wait_until(lambda: not [sa for sa in run.peer.sas() if sa.established], "no IKE SA at the peer")
    expect([sa for sa in run.s.client.sas.values() if sa.established], "our IKE SAs").fails()


@scenario(
    "RFC 7296 section 2.21.2",
    roles=EVERY,
    requirements=("7296-2.21.2-01", "7296-1.2-i04"),
    ours={"auth": "another key"},
)
def keys_differ(run: Run) -> None:
    """The keys differ: the responder answers AUTHENTICATION_FAILED, and there is no IKE SA."""
    run.begin()
    # HDR, SK {IDi, AUTH, …}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    expect(run.answer("IKE_AUTH")).notifies("AUTHENTICATION_FAILED").lacks(IKEv2_SA)
    run.event(IkeSaFailed)
    run.wait_until(lambda: not run.peer.sas(), "no IKE SA at the peer")


@scenario(
    "RFC 6023 section 3", roles=EVERY, needs={"childless"}, config={"childless": "force"}, ours={"childless": True}
)
def childless_then_child(run: Run) -> None:
    """IKE_AUTH sets up only the IKE SA; CREATE_CHILD_SA with a key exchange sets up the Child SA."""
    if run.we_begin:
        run.s.config = run.s.config.replace(children=())
    run.establish(child=False)
    # HDR, SK {IDi, AUTH}  -->   <--  HDR, SK {IDr, AUTH}
    expect(run.answer("IKE_AUTH")).lacks(IKEv2_SA, IKEv2_TSi)
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
    if run.we_begin:
        run.s.create_child(run.config().children[0])
    run.wait_until(lambda: run.s.sa.children, "a Child SA")
    run.wait_until(run.installed, "the Child SA at the peer")
    run.send_traffic(count=1)
    run.agree()


SUITES = {
    "gcm128_x25519": ("aes128gcm16-prfsha256-x25519", "aes128gcm16"),
    "gcm256_ecp384": ("aes256gcm16-prfsha384-ecp384", "aes256gcm16"),
    "gcm256_modp3072": ("aes256gcm16-prfsha512-modp3072", "aes256gcm16"),
    "chacha20_x448": ("chacha20poly1305-prfsha256-x448", "chacha20poly1305"),
    "cbc128_sha256_modp2048": ("aes128-sha256-prfsha256-modp2048", "aes128-sha256"),
    "cbc256_sha512_ecp521": ("aes256-sha512-prfsha512-ecp521", "aes256-sha512"),
    "cbc192_sha384_brainpool384": ("aes192-sha384-prfsha384-ecp384bp", "aes192-sha384"),
    "ccm128_ecp256": ("aes128ccm16-prfsha256-ecp256", "aes128ccm16"),
    "ctr128_sha256_brainpool256": ("aes128ctr-sha256-prfsha256-ecp256bp", "aes128ctr-sha256"),
}


def suite(run: Run) -> None:
    """Both peers derive the same keys with these algorithms, and packets pass in both directions."""
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    run.establish()
    run.send_traffic(count=1)
    run.agree()


for name, (ike, esp) in SUITES.items():
    scenario(
        "RFC 7296 section 3.3.2",
        roles=EVERY,
        name=f"suite_{name}",
        needs={"suites"},
        requirements=("7296-2.17-i03", "7296-2.17-02"),
        config={"ike": ike, "esp": esp},
    )(suite)


if __name__ == "__main__":
    main(__file__)
