# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT and IKE_AUTH: how an IKE SA is set up, and why it can fail."""

from __future__ import annotations

from fynx_scapy.events import IkeSaFailed, MessageReceived, MessageSent
from fynx_scapy.harness import expect
from fynx_scapy.iana import ExchangeType, KeMethod, NotifyType
from fynx_scapy.lab import INITIATORS, RESPONDERS, Meeting, trial
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA, IKEv2_TSi


@trial("RFC 7296 section 1.2", requirements=("7296-1.2-i05", "7296-4-04"))
def psk(m: Meeting) -> None:
    """Two peers with a pre-shared key set up an IKE SA and its first Child SA, and packets pass."""
    m.establish()
    m.send_traffic(count=3)
    m.agree()
    expect(m.answer("IKE_AUTH")).has(IKEv2_SA, IKEv2_TSi)
    for message in (*m.messages(MessageSent), *m.messages(MessageReceived)):
        if message.exch_type == ExchangeType.IKE_AUTH:
            expect(message).lacks(IKEv2_KE, IKEv2_Nonce)


@trial("RFC 7296 section 2.6", needs={"cookies"}, requirements=("7296-2.6-02", "7296-2.6-04"),
       config={"cookie_threshold": 1}, endpoint={"cookie_threshold": 0})  # fmt: skip
def cookie(m: Meeting) -> None:
    """The responder asks for a cookie before it does any work, and the initiator returns it."""
    if m.we_begin:
        # One half-open IKE SA makes the peer ask for cookies.
        m.join("somebody", port=10500, natt_port=14500).sa_init()
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, N(COOKIE)
    # HDR, N(COOKIE), SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    m.establish()
    asked, sent = (MessageReceived, MessageSent) if m.we_begin else (MessageSent, MessageReceived)
    cookies = [message for message in m.messages(asked) if IKEv2_Notify in message and IKEv2_SA not in message]
    expect(cookies[-1]).exchange("IKE_SA_INIT").response().notifies("COOKIE")
    again = [message for message in m.messages(sent) if IKEv2_SA in message and IKEv2_KE in message][-1]
    expect(again).exchange("IKE_SA_INIT").notifies("COOKIE")
    expect(again[IKEv2_Notify].type, "the type of its first payload").equals(NotifyType.COOKIE)
    m.send_traffic(count=1)


@trial(
    "RFC 7296 section 1.2",
    requirements=("7296-1.2-i02", "7296-1.2-04", "7296-1.3-i01"),
    config={"ike": "aes128gcm16-prfsha256-ecp256-x25519"},
    ours={"proposals": "aes128gcm16-prfsha256-x25519-ecp256"},
)
def invalid_ke(m: Meeting) -> None:
    """The initiator guesses a key exchange method that the responder does not want."""
    if m.we_begin:
        # The peer follows our order of preference, so we must guess a method that it does not have at all.
        m.s.config = m.s.config.replace(proposals="aes128gcm16-prfsha256-modp2048-ecp256", ke=KeMethod.MODP_2048)
    else:
        m.s.client.configs[0] = m.config(proposals="aes128gcm16-prfsha256-x25519", remote=m.s.config.remote)
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, N(INVALID_KE_PAYLOAD)
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    m.establish()
    refused = m.messages(MessageReceived if m.we_begin else MessageSent)[0]
    wanted = KeMethod.ECP_256 if m.we_begin else KeMethod.CURVE25519
    expect(refused).response().lacks(IKEv2_KE).notify_data("INVALID_KE_PAYLOAD").equals(int(wanted).to_bytes(2))
    m.send_traffic(count=1)
    m.agree()


@trial("RFC 7296 section 2.7", requirements=("7296-2.7-03",), ours={"proposals": "aes256gcm16-prfsha384-ecp384"})
def no_proposal_chosen(m: Meeting) -> None:
    """The peers have no common suite, and the responder answers NO_PROPOSAL_CHOSEN."""
    m.begin()
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, N(NO_PROPOSAL_CHOSEN)
    expect(m.answer("IKE_SA_INIT")).notifies("NO_PROPOSAL_CHOSEN").lacks(IKEv2_SA, IKEv2_KE)
    m.wait_until(lambda: not [sa for sa in m.peer.sas() if sa.established], "no IKE SA at the peer")
    expect([sa for sa in m.s.client.sas.values() if sa.established], "our IKE SAs").fails()


@trial("RFC 7296 section 2.21.2", requirements=("7296-2.21.2-01", "7296-1.2-i04"), ours={"auth": "another key"})
def wrong_psk(m: Meeting) -> None:
    """The keys differ: the responder answers AUTHENTICATION_FAILED, and there is no IKE SA."""
    m.begin()
    # HDR, SK {IDi, AUTH, …}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    expect(m.answer("IKE_AUTH")).notifies("AUTHENTICATION_FAILED").lacks(IKEv2_SA)
    m.event(IkeSaFailed)
    m.wait_until(lambda: not m.peer.sas(), "no IKE SA at the peer")


@trial("RFC 7296 section 2.9", requirements=("7296-2.9-i02",), ours={"child": {"remote_ts": "10.77.0.0/24"}})
def ts_unacceptable(m: Meeting) -> None:
    """The responder's policy does not include the initiator's selectors: an IKE SA without a Child SA."""
    m.begin()
    # HDR, SK {IDi, AUTH, SA, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, N(TS_UNACCEPTABLE)}
    expect(m.answer("IKE_AUTH")).notifies("TS_UNACCEPTABLE").lacks(IKEv2_SA, IKEv2_TSi)
    m.wait_until(lambda: not any(sa.children for sa in m.peer.sas()), "no Child SA at the peer")


@trial("RFC 7296 section 2.9", needs={"narrowing"}, requirements=("7296-2.9-i04",), roles=INITIATORS,
       config={"remote_ts": ("10.1.0.0/25",), "local_ts": ("10.2.0.0/28",)},
       ours={"child": {"local_ts": "10.1.0.0/24", "remote_ts": "10.2.0.0/24"}})  # fmt: skip
def ts_narrowed_by_peer(m: Meeting) -> None:
    """We ask for more than the peer allows, and it narrows the selectors."""
    m.establish()
    expect([str(ts) for ts in m.s.child.local_ts], "our selectors").equals(["10.1.0.0/25"])
    expect([str(ts) for ts in m.s.child.remote_ts], "the peer's selectors").equals(["10.2.0.0/28"])
    m.send_traffic(count=1)
    m.agree()


@trial("RFC 7296 section 2.9", needs={"narrowing"}, requirements=("7296-2.9-i04",), roles=RESPONDERS,
       ours={"child": {"local_ts": "10.1.0.0/26", "remote_ts": "10.2.0.0/27"}})  # fmt: skip
def ts_narrowed_by_us(m: Meeting) -> None:
    """The peer asks for more than we allow, and accepts our narrowed selectors."""
    m.establish()
    expect([str(ts) for ts in m.s.child.local_ts], "our selectors").equals(["10.1.0.0/26"])
    m.send_traffic(count=1)
    m.agree()


@trial("RFC 6023 section 3", needs={"childless"}, config={"childless": "force"}, ours={"childless": True})
def childless(m: Meeting) -> None:
    """IKE_AUTH sets up only the IKE SA; CREATE_CHILD_SA with a key exchange sets up the Child SA."""
    if m.we_begin:
        m.s.config = m.s.config.replace(children=())
    m.establish(child=False)
    # HDR, SK {IDi, AUTH}  -->   <--  HDR, SK {IDr, AUTH}
    expect(m.answer("IKE_AUTH")).lacks(IKEv2_SA, IKEv2_TSi)
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
    if m.we_begin:
        m.s.create_child(m.config().children[0])
    m.wait_until(lambda: m.s.sa.children, "a Child SA")
    m.wait_until(m.installed, "the Child SA at the peer")
    m.send_traffic(count=1)
    m.agree()
