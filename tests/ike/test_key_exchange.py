# SPDX-License-Identifier: GPL-2.0-or-later
"""Key exchanges and nonces: KEMs, another group, the nonce's size (RFC 7296 sections 1.2, 2.10 and 3.4)."""

from __future__ import annotations

import pytest

from fynx_scapy.iana import KeMethod, NotifyType
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    IkeSaFailed,
    IkeSaRekeyed,
    KeyExchangeRejected,
    KeysDerived,
    MessageDropped,
    MessageSent,
)
from fynx_scapy.ike.message import Datagram, Outgoing
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_KE, IKEv2_Nonce, IKEv2_Notify
from tests.ike.pair import Pair, alice, bob

X25519, ECP384 = KeMethod.CURVE25519, KeMethod.ECP_384
KEMS = {
    KeMethod.ML_KEM_768: ("mlkem768", 1184, 1088),
    KeMethod.ML_KEM_1024: ("mlkem1024", 1568, 1568),
}


def esp(proposals: str, mirrored: bool = False) -> ChildConfig:
    ends = ("10.2.0.0/24", "10.1.0.0/24") if mirrored else ("10.1.0.0/24", "10.2.0.0/24")
    return ChildConfig(local_ts=ends[0], remote_ts=ends[1], proposals=proposals)


def proposal(*groups: str) -> str:
    return "-".join(("aes128gcm16-prfsha256", *groups))


def pair(ours: str, theirs: str, child: tuple[str, str] = ("aes128gcm16", "aes128gcm16"), **changes):
    """Alice and Bob, connected, with these proposals."""
    found = Pair(bob(proposals=theirs, children=(esp(child[1], mirrored=True),)))
    sa = found.connect(alice(**({"proposals": ours, "children": (esp(child[0]),)} | changes)))
    return found, sa


def sent_ke(found: Pair, who: str) -> list[tuple[int, int]]:
    """Group and octets of each KE payload that an end sent."""
    payloads = [payload for event in found.of(who, MessageSent) for payload in event.payloads]
    return [(payload.group, len(payload.ke)) for payload in payloads if isinstance(payload, IKEv2_KE)]


# ML-KEM


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("method", KEMS)
def test_ml_kem_alone(method, beginner):
    word, public, ciphertext = KEMS[method]
    found, sa = pair(proposal(word), proposal(word), (f"aes128gcm16-{word}",) * 2)
    begun, other = (sa, found.bobs) if beginner == "alice" else (found.bobs, sa)
    # HDR, SAi1, KEi(encapsulation key), Ni  -->   <--  HDR, SAr1, KEr(ciphertext), Nr
    assert sa.established
    assert sent_ke(found, "alice") == [(method, public)]
    assert sent_ke(found, "bob") == [(method, ciphertext)]
    # HDR, SK {SA, Ni, KEi, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, KEr, TSi, TSr}; so in both rekeys
    begun.create_child()
    begun.rekey_child(next(iter(begun.children.values())))
    found.network.run()
    begun.rekey()
    found.network.run()
    new, theirs = begun.successor, other.successor
    assert new.keys == theirs.keys
    assert {c.inbound.spi for c in new.children.values()} == {c.outbound.spi for c in theirs.children.values()}
    assert sent_ke(found, beginner)[-3:] == [(method, public)] * 3
    # Each key exchange is told, so that a capture can be opened.
    told = {
        who: [e.ke_secrets for kind in (KeysDerived, ChildSaInstalled) for e in found.of(who, kind) if e.ke_secrets]
        for who in ("alice", "bob")
    }
    assert sorted(told["alice"]) == sorted(told["bob"])
    assert len(told["alice"]) == 4
    assert {len(secret) for (secret,) in told["alice"]} == {32}


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("method", KEMS)
def test_ml_kem_after_invalid_ke_payload(method, beginner):
    word, public, _ = KEMS[method]
    both, child = proposal("x25519", word), f"aes128gcm16-x25519-{word}"
    found, sa = pair(both, proposal(word), (child, f"aes128gcm16-{word}"))
    assert sa.established
    assert sent_ke(found, "alice") == [(X25519, 32), (method, public)]
    if beginner == "bob":
        # Now Bob offers both, and Alice takes the KEM alone.
        sa.config = sa.config.replace(proposals=proposal(word), children=(esp(f"aes128gcm16-{word}"),))
        found.bobs.config = found.bobs.config.replace(proposals=both, children=(esp(child, mirrored=True),))
    begun = sa if beginner == "alice" else found.bobs
    exchange = begun.create_child()
    found.network.run()
    begun.rekey()
    found.network.run()
    assert exchange.error is None
    assert begun.successor.established
    # HDR, SK {…, KEi(X25519)}  -->   <--  HDR, SK {N(INVALID_KE_PAYLOAD)}   HDR, SK {…, KEi(ML-KEM)}  -->
    assert sent_ke(found, beginner)[-4:] == [(X25519, 32), (method, public)] * 2
    rejected = found.of(beginner, KeyExchangeRejected)[-2:]
    assert [(e.sent, e.wanted, e.weaker, e.followed, e.encrypted) for e in rejected] == [
        (X25519, method, False, True, True)
    ] * 2


def test_a_bad_encapsulation_key_makes_no_ike_sa():
    # HDR, SAi1, KEi(coefficients out of range), Ni  -->   and no answer: INVALID_SYNTAX is not sent in the clear
    found = Pair(bob(proposals=proposal("mlkem768")))

    def spoil(message: Outgoing) -> None:
        message.one(IKEv2_KE).ke = b"\xff" * 1184

    found.alice.taps.add("payloads", spoil, when=lambda message: not message.encrypted)
    sa = found.connect(alice(proposals=proposal("mlkem768")))
    assert not sa.established
    assert "not an encapsulation key" in found.of("bob", MessageDropped)[0].reason
    assert not found.bob.sas


def cut(message: Outgoing) -> None:
    """Leave the ciphertext one octet short."""
    for payload in message.all(IKEv2_KE):
        payload.ke = payload.ke[:-1]


def test_a_ciphertext_of_another_length_stops_ike_sa_init():
    # <--  HDR, SAr1, KEr(cut), Nr:  "MUST fail the exchange, log the error, and stop creating the SA"
    found = Pair(bob(proposals=proposal("mlkem768")))
    found.bob.taps.add("payloads", cut)
    sa = found.connect(alice(proposals=proposal("mlkem768")))
    assert sa.state.value == "closed"
    assert "expected 1088 octets" in found.of("alice", IkeSaFailed)[0].reason


@pytest.mark.parametrize("step", ["child", "rekey of a Child SA", "rekey"])
@pytest.mark.parametrize("beginner", ["alice", "bob"])
def test_a_ciphertext_of_another_length_ends_the_ike_sa(step, beginner):
    # <--  HDR, SK {SA, Nr, KEr(cut), …}:  "MUST delete the existing IKE SA and send a Delete payload"
    found, sa = pair(proposal("mlkem768"), proposal("mlkem768"), ("aes128gcm16-mlkem768",) * 2)
    begun, other = (sa, found.bob) if beginner == "alice" else (found.bobs, found.alice)
    other.taps.add("payloads", cut)
    if step == "child":
        begun.create_child()
    elif step == "rekey":
        begun.rekey()
    else:
        begun.rekey_child(next(iter(begun.children.values())))
    found.network.run()
    assert begun.state.value == "closed"
    assert found.of(beginner, MessageSent)[-1].payloads[0].proto == 1
    assert not [one for one in other.sas.values() if one.established and one.spi_i == sa.spi_i]


# INVALID_KE_PAYLOAD

OFFER = proposal("ecp384", "x25519")


def test_a_weaker_group_is_followed_and_told():
    # HDR, SAi1, KEi(ECP-384), Ni  -->   <--  HDR, N(INVALID_KE_PAYLOAD, X25519)
    found, sa = pair(OFFER, proposal("x25519"))
    assert sa.established
    (event,) = found.of("alice", KeyExchangeRejected)
    assert (event.sent, event.wanted, event.weaker, event.followed, event.encrypted) == (
        ECP384, X25519, True, True, False,
    )  # fmt: skip
    assert not found.of("bob", KeyExchangeRejected)


def test_a_weaker_group_may_be_refused():
    found, sa = pair(OFFER, proposal("x25519"), refuse_weaker_ke=True)
    assert sa.state.value == "closed"
    assert sent_ke(found, "alice") == [(ECP384, 96)]
    (event,) = found.of("alice", KeyExchangeRejected)
    assert (event.wanted, event.weaker, event.followed) == (X25519, True, False)
    assert event.reason.endswith("CURVE25519, which is weaker than ECP_384, the first one offered")
    (failed,) = found.of("alice", IkeSaFailed)
    assert failed.notify_type == NotifyType.INVALID_KE_PAYLOAD


def test_a_stronger_group_is_not_refused():
    found, sa = pair(proposal("x25519", "ecp384"), proposal("ecp384"), refuse_weaker_ke=True)
    assert sa.established
    assert [event.weaker for event in found.of("alice", KeyExchangeRejected)] == [False]


def forged(sa, data: bytes) -> bytes:
    refusal = IKEv2_Notify(type="INVALID_KE_PAYLOAD", notify=data)
    return bytes(IKEv2(init_SPI=sa.spi_i, exch_type="IKE_SA_INIT", flags=0x20) / refusal)


@pytest.mark.parametrize("data", [b"\0\x1f", b"\0\x14", b"\0\x0e", b"\0", b""])
@pytest.mark.requirements("7296-1.3-i01", "7296-2.21.1-i01", negative=True)
def test_a_forged_refusal_that_is_not_followed_ends_nothing(data):
    """X25519 (weaker), ECP-384 (what was sent), MODP-2048 (not offered), and what is no group at all."""
    found = Pair(bob(proposals=OFFER))
    sa = found.alice.connect(alice(proposals=OFFER, refuse_weaker_ke=True), 0.0)
    # <--  HDR, N(INVALID_KE_PAYLOAD), forged
    found.alice.receive(Datagram(forged(sa, data), sa.local, sa.remote), 0.0)
    # <--  HDR, SAr1, KEr, Nr
    found.network.run()
    assert sa.established
    assert sa.suite.ke.id == ECP384
    assert sent_ke(found, "alice") == [(ECP384, 96)]
    # It is told all the same.
    told = [event.wanted for event in found.of("alice", KeyExchangeRejected) if not event.followed]
    dropped = [event.data for event in found.of("alice", MessageDropped)]
    wanted = int.from_bytes(data) if data else None
    assert (told, dropped) == (([], [forged(sa, data)]) if len(data) == 1 else ([wanted], []))


@pytest.mark.parametrize("data", [b"\0\x14", b"\0\x0e"])
def test_without_a_better_answer_an_impossible_group_ends_the_attempt(data):
    found = Pair(bob(proposals=OFFER))
    sa = found.alice.connect(alice(proposals=OFFER), 0.0)
    found.alice.datagrams()
    found.alice.receive(Datagram(forged(sa, data), sa.local, sa.remote), 0.0)
    found.network.run()
    assert sa.state.value == "closed"
    assert [event.followed for event in found.of("alice", KeyExchangeRejected)] == [False]


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("step", ["child", "rekey"])
@pytest.mark.parametrize("refuse", [False, True])
@pytest.mark.requirements("7296-1.3-06", "7296-3.4-04")
def test_a_weaker_group_in_create_child_sa(step, beginner, refuse):
    # HDR, SK {…, KEi(ECP-384)}  -->   <--  HDR, SK {N(INVALID_KE_PAYLOAD, X25519)}
    child = ("aes128gcm16-ecp384-x25519", "aes128gcm16-x25519")
    found, sa = pair(OFFER, proposal("ecp384", "x25519"), child)
    begun, other = (sa, found.bobs) if beginner == "alice" else (found.bobs, sa)
    mirrored = beginner == "bob"
    begun.config = begun.config.replace(refuse_weaker_ke=refuse, children=(esp(child[0], mirrored),))
    other.config = other.config.replace(proposals=proposal("x25519"), children=(esp(child[1], not mirrored),))
    exchange = begun.create_child() if step == "child" else begun.rekey()
    found.network.run()
    assert (exchange.error is None) is not refuse
    (event,) = found.of(beginner, KeyExchangeRejected)
    assert (event.wanted, event.weaker, event.followed, event.encrypted) == (X25519, True, not refuse, True)
    if refuse:
        assert begun.established
        assert "weaker" in str(exchange.error)
        assert len(found.of(beginner, ChildSaFailed)) == (step == "child")
    else:
        assert len(begun.children) == 2 if step == "child" else found.of(beginner, IkeSaRekeyed)


# Nonces


def nonces(found: Pair, who: str) -> list[int]:
    payloads = [payload for event in found.of(who, MessageSent) for payload in event.payloads]
    return [len(payload.nonce) for payload in payloads if isinstance(payload, IKEv2_Nonce)]


PRFS = {"prfaesxcbc": 16, "prfsha1": 16, "prfsha256": 16, "prfsha384": 24, "prfsha512": 32}


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("prf", PRFS)
@pytest.mark.requirements("7296-2.10-01")
def test_a_nonce_has_half_the_key_of_the_prf(prf, beginner):
    suite = f"aes128gcm16-{prf}-x25519"
    found = Pair(bob(proposals=suite, nonce_size=16))
    sa = found.connect(alice(proposals=suite, nonce_size=16))
    begun = sa if beginner == "alice" else found.bobs
    begun.create_child()
    begun.rekey_child(next(iter(begun.children.values())))
    found.network.run()
    begun.rekey()
    found.network.run()
    assert nonces(found, "alice") == nonces(found, "bob") == [PRFS[prf]] * 4


def test_an_initiator_takes_the_longest_key_that_it_offers():
    offer = ("aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha384-prfsha512-x25519")
    found = Pair(bob(proposals=offer[0], nonce_size=16))
    sa = found.connect(alice(proposals=offer, nonce_size=16))
    assert sa.established
    assert (nonces(found, "alice"), nonces(found, "bob")) == ([32], [16])
    # In a rekey both PRFs count: the old one's and those offered for the new one.
    sa.config = sa.config.replace(proposals="aes128gcm16-prfsha384-x25519")
    found.bobs.config = found.bobs.config.replace(proposals="aes128gcm16-prfsha384-x25519")
    sa.rekey()
    found.network.run()
    assert sa.successor.established
    assert (nonces(found, "alice")[-1], nonces(found, "bob")[-1]) == (24, 24)


def test_a_larger_nonce_stays_as_it_is_configured():
    found = Pair(bob(nonce_size=256))
    assert found.connect(alice(nonce_size=48)).established
    assert (nonces(found, "alice"), nonces(found, "bob")) == ([48], [256])


@pytest.mark.sample(3)
@pytest.mark.parametrize(("prf", "size", "stands"), [("prfsha512", 31, False), ("prfsha512", 32, True),
                                                     ("prfsha256", 16, True), ("prfsha256", 15, False),
                                                     ("prfsha256", 257, False)])  # fmt: skip
@pytest.mark.parametrize("sender", ["alice", "bob"])
@pytest.mark.parametrize("when", ["first", "later"])
@pytest.mark.requirements("7296-2.10-01", "7296-3.9-01", negative=True)
def test_a_peer_s_nonce_must_be_long_enough(prf, size, stands, sender, when):
    """A tester may send any size by a tap: the other end holds it against the PRF."""
    suite = f"aes128gcm16-{prf}-x25519"
    found = Pair(bob(proposals=suite))

    def resize(message: Outgoing) -> None:
        for payload in message.all(IKEv2_Nonce):
            payload.nonce = bytes(size)

    end = found.alice if sender == "alice" else found.bob
    if when == "first":
        end.taps.add("payloads", resize)
    sa = found.connect(alice(proposals=suite))
    if when == "first":
        assert sa.established == stands
    else:
        end.taps.add("payloads", resize)
        exchange = sa.create_child()
        found.network.run()
        # Bob's INVALID_SYNTAX or Alice's own verdict, else the SA that the nonces of the wire make.
        assert (exchange.error is None) == stands
        if stands:
            ours, theirs = (list(one.children.values())[-1] for one in (sa, found.bobs))
            assert theirs.inbound.open(ours.outbound.seal(b"abc", 59))[0] == b"abc"
