# SPDX-License-Identifier: GPL-2.0-or-later
"""Further cases of what is inside SK, of fragments that the peer sends, of cookies, and of IKE_AUTH without AUTH."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy import ChildConfig, IkeConfig, Psk, Retransmission
from fynx_scapy.harness import BOTH, Role, Run, expect
from fynx_scapy.harness.cases import (
    Case,
    accepted,
    alive,
    answered,
    carries,
    case,
    cases,
    deletes,
    dropped,
    no_sa,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import drop, insert, nonce_value, pad_length, padding
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType
from fynx_scapy.layers.ikev2 import IKEv2_EAP, IKEv2_Nonce, IKEv2_Notify, IKEv2_VendorID
from fynx_scapy.scenarios.negative.conduct import alive as lives
from fynx_scapy.scenarios.negative.conduct import for_a_while, mute, up, watched
from fynx_scapy.scenarios.negative.paths import listening
from fynx_scapy.taps import RESPONSE, Datagram, DatagramKind, Outgoing

SUCCESS = IKEv2_EAP(eap=b"\x03\x01\x00\x04")

cases(
    __name__,
    [
        # Padding (RFC 7296 section 3.14)
        Case(
            "sk_padding_of_octets", base="liveness", do=padding(bytes(range(1, 16))), then=accepted() & alive(),
            requirements=("7296-3.14-04", "7296-3.14-05"),
        ),
        Case(
            "sk_padding_of_255", base="liveness", do=padding(b"\xff" * 255), then=accepted() & alive(),
            requirements=("7296-3.14-04", "7296-3.14-05"),
        ),
        Case(
            "sk_padding_in_auth", base="auth", do=padding(b"\xa5" * 96), then=accepted() & alive(),
            requirements=("7296-3.14-04", "7296-3.14-05"),
        ),
        Case(
            "sk_pad_length_beyond", base="liveness", do=pad_length(250), then=refused() | dropped() | silent(),
            severity="high", requirements=("7296-3.14-05",),
        ),
        # IKE_AUTH without AUTH: a peer that has no EAP, or has no reason to begin it
        Case(
            "auth_without_auth", base="auth", do=drop("AUTH"), then=no_sa() & (refused() | silent()),
            severity="critical", requirements=("7296-2.16-02", "7296-1.2-02"),
        ),
        Case(
            "auth_answered_with_eap_success", base="auth", at="response",
            do=drop("AUTH") + insert(SUCCESS), then=deletes(),
            severity="critical", requirements=("7296-2.16-02",), suites=("cve",),
        ),
        Case(
            "auth_with_another_nonce", base="auth", do=insert(IKEv2_Nonce(nonce=b"\x5a" * 32)),
            then=(accepted() & carries()) | (no_sa() & refused()), severity="high", requirements=("7296-1.2-i05",),
        ),
        # A cookie for another nonce (section 2.6)
        Case(
            "cookie_with_another_nonce", base="init", at="IKE_SA_INIT request round 2", do=nonce_value(b"\x5a" * 32),
            peer={"cookie_threshold": 0}, then=answered("COOKIE"), severity="high", requirements=("7296-2.6-06",),
        ),
    ],
)  # fmt: skip


@case(requirements=("7296-2.6-06",), severity="high", live=False)
def cookie_returned_from_elsewhere(run: Run) -> None:
    """A cookie comes back from another address than the one to which it was sent. Then: it is worth nothing."""
    s = run.session(peer={"cookie_threshold": 0})
    elsewhere = "198.51.100.77"

    def moved(message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        with_cookie = message.has_notify(NotifyType.COOKIE)
        return [replace(d, local=d.local._replace(host=elsewhere)) if with_cookie else d for d in datagrams]

    s.client.taps.add("datagrams", moved)
    with listening(s) as seen:
        s.client.connect(s.config, s.network.now)
        for_a_while(s, 1.0)
    there = [one.data for one in seen.datagrams if one.remote.host == elsewhere]
    expect(len(there), "answers to that address").between(1, 5)
    expect({one[16] for one in there}, "the types of their first payloads").equals({int(PayloadType.N)})


# Identities


@case(requirements=("7296-3.5-i01",), roles=BOTH, live=False)
def identities_of_other_addresses(run: Run) -> None:
    """Both identities are addresses that no datagram has. Then: the peer authenticates us, and is authenticated."""
    s = run.session(local_id="203.0.113.7", remote_id="203.0.113.8")
    run.establish(s)
    expect(lives(s), "the peer alive in the IKE SA").holds()


# Keys and IVs


@case(requirements=("7296-3.14-03",), roles=BOTH, severity="high", live=False)
def ivs_are_new(run: Run) -> None:
    """The peer sends several messages. Then: each has an IV of its own."""
    s = up(run)
    driver = run.driver(s)
    with listening(s) as seen:
        for _ in range(3):
            driver.liveness()
            for_a_while(s, 0.5)
            lives(s)
    messages = {one.data for one in seen.datagrams if one.kind is DatagramKind.IKE}
    expect(len(messages), "messages of the peer").between(4, 20)
    ivs = [one[32:40] for one in messages]
    expect(len(set(ivs)), "different IVs").equals(len(ivs))


@case(requirements=("7296-1.2-i01", "7296-2.14-i02"), roles=BOTH, severity="critical", live=False)
def own_request_reflected(run: Run) -> None:
    """We send the peer's own request back to it. Then: it does not answer."""
    s = up(run)
    for _ in range(2):  # until it waits for the number that its own next request has
        if run.role.begins:
            run.driver(s).liveness()
            for_a_while(s, 0.5)
        else:
            s.liveness()
    with listening(s) as seen, mute(s):
        run.driver(s).liveness()
        for_a_while(s, 0.5)
        request = next(one for one in seen.datagrams if one.kind is DatagramKind.IKE)
        s.network.inject(replace(request, local=request.remote, remote=request.local))
        for_a_while(s, 0.5)
    sealed = [one.data for one in seen.datagrams if one.kind is DatagramKind.IKE and one.data[16] == PayloadType.SK]
    expect([one for one in sealed if one[19] & RESPONSE], "protected answers").equals([])
    for_a_while(s, 20.0)
    expect(lives(s), "the peer alive in the IKE SA").holds()


# Fragments that the peer sends

MANY = tuple(f"{cipher}-{group}" for cipher in ("aes128gcm16", "aes256gcm16", "aes192gcm16") for group in (
    "x25519", "ecp256", "ecp384", "ecp521", "modp2048", "modp3072", "modp4096",
))  # fmt: skip
LARGE = IkeConfig(
    local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(ChildConfig(proposals=MANY),), fragment_size=576
)


@case(
    requirements=(
        "7383-2.5-01", "7383-2.5-02", "7383-2.5-03", "7383-2.5-04", "7383-2.5-07", "7383-2.5.1-01", "7383-2.3-01",
        "7383-2.3-02", "7383-2.3-03", "7383-2.4-02",
    ),
    roles=(Role.RESPONDER,),
    live=False,
)  # fmt: skip
def fragments_of_the_peer(run: Run) -> None:
    """The peer's IKE_AUTH request does not fit. Then: its fragments are numbered, alike, and small enough."""
    s = run.session(config=LARGE)
    with listening(s) as seen:
        run.establish(s)
    messages = [one.data for one in seen.datagrams if one.kind is DatagramKind.IKE and not one.data[19] & RESPONSE]
    parts = [one for one in messages if one[16] == PayloadType.SKF]
    expect(len(parts), "fragments").between(2, 10)
    total = len(parts)
    numbers = [(int.from_bytes(one[32:34]), int.from_bytes(one[34:36])) for one in parts]
    expect(numbers, "Fragment Numbers and Totals").equals([(n, total) for n in range(1, total + 1)])
    expect([one[28] for one in parts], "Next Payloads").equals([int(PayloadType.IDi), *[0] * (total - 1)])
    expect(len({one[:24] for one in parts}), "different headers, but for the length").equals(1)
    lengths = [int.from_bytes(one[30:32]) == len(one) - 28 for one in parts]
    expect(lengths, "whether SKF ends with the message").equals([True] * total)
    expect(max(len(one) for one in parts) + 28, "octets of the largest, with the headers").between(100, 576)
    announced = [
        payload
        for who, event in s.events
        if who == s.name and getattr(event, "header", None) is not None and hasattr(event, "payloads")
        for payload in event.payloads
        if isinstance(payload, IKEv2_Notify) and payload.type == NotifyType.IKEV2_FRAGMENTATION_SUPPORTED
    ]
    expect(len(announced), "announcements").between(1, 2)
    told = {(int(payload.proto or 0), bytes(payload.SPI or b""), bytes(payload.notify or b"")) for payload in announced}
    expect(told, "protocol, SPI and data of the announcement").equals({(0, b"", b"")})


@case(requirements=("7383-2.4-01",), roles=(Role.RESPONDER,), live=False)
def no_fragments_unannounced(run: Run) -> None:
    """We do not announce fragmentation, and the peer's IKE_AUTH request is large. Then: it comes in one piece."""
    s = run.session(config=LARGE)

    def silent_about_it(message: Outgoing) -> None:
        kind = NotifyType.IKEV2_FRAGMENTATION_SUPPORTED
        message.payloads[:] = [p for p in message.payloads if getattr(p, "type", 0) != kind]

    s.client.taps.add("payloads", silent_about_it)
    with watched(s) as seen:
        run.driver(s).initiate()
        for_a_while(s, 3.0)
    expect({one[16] for one in seen.data[1:]}, "the types of the first payloads").equals({int(PayloadType.SK)})


@case(requirements=("7383-2.3-i01",), live=False)
def fragmentation_announced_with_data(run: Run) -> None:
    """Our announcement of fragmentation has data, and IKE_AUTH comes in fragments. Then: the peer takes them."""
    s = run.session(config=LARGE.replace(children=(ChildConfig(),)))

    def more(message: Outgoing) -> None:
        for payload in message.payloads:
            if isinstance(payload, IKEv2_Notify) and payload.type == NotifyType.IKEV2_FRAGMENTATION_SUPPORTED:
                payload.notify = b"\x01\x02"
        if int(message.header.exch_type) == ExchangeType.IKE_AUTH:
            message.payloads.append(IKEv2_VendorID(vendorID=bytes(900)))

    s.client.taps.add("payloads", more)
    expect(s.sa_init()).notifies("IKEV2_FRAGMENTATION_SUPPORTED")
    s.auth()
    expect(lives(s), "the peer alive in the IKE SA").holds()


@case(requirements=("7383-2.6-i01", "7383-2.6-05"), live=False)
def a_fragment_that_never_comes(run: Run) -> None:
    """One fragment of a request never comes. Then: after some minutes the peer has forgotten the others, no more."""
    patient = Retransmission(timeout=1000.0, tries=1)
    config = LARGE.replace(children=(ChildConfig(),), retransmission=patient)
    s = up(run, config=config, peer={"retransmission": Retransmission(timeout=2.0, tries=3)})

    def large(message: Outgoing) -> None:
        message.payloads.append(IKEv2_VendorID(vendorID=bytes(900)))

    undo = s.client.taps.add("payloads", large)
    number = s.sa.requests.next_id
    lost = s.client.taps.add("datagrams", lambda message, datagrams, attempt: [] if attempt else datagrams[:1])
    s.sa.liveness()
    for_a_while(s, 240.0)
    undo()
    lost()
    s.sa.requests.clear()
    s.sa.requests.next_id = number
    expect(lives(s), "the peer alive in the IKE SA").holds()
