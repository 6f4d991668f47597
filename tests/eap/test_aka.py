# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA and EAP-AKA' between two ends (RFC 4187, RFC 9048), and the vectors of RFC 9048 appendix D."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.eap import EAP

from fynx_scapy.crypto.milenage import Milenage, Vector
from fynx_scapy.eap.aka.keys import Keys, bound, keys_prime
from fynx_scapy.eap.aka.peer import AkaPeer, AkaPrimePeer
from fynx_scapy.eap.aka.server import AkaPrimeServer, AkaServer
from fynx_scapy.eap.aka.usim import OutOfOrderError, Subscriber, Subscribers, Usim
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.layers.ikev2.eap import aka as layers
from tests.eap.aka_talking import (
    CAROL,
    OPC,
    Change,
    K,
    changed,
    failed,
    talk,
    users,
    usim,
    valued,
    with_,
    without,
)
from tests.eap.talking import Talk

# Keys


HIGH = Vector(
    bytes.fromhex("81e92b6c0ee0e12ebceba8d92a99dfa5"), bytes.fromhex("bb52e91c747ac3ab2a5c23d15ee351d5"), b"",
    ck=bytes.fromhex("5349fbe098649f948f5d2e973a81c00f"), ik=bytes.fromhex("9744871ad32bf9bbd1dd5ce54e3e2e5a"),
)  # fmt: skip
FLAT = Vector(b"\xe0" * 16, b"\xa0" * 16, b"", ck=b"\xc0" * 16, ik=b"\xb0" * 16)
CASES = [
    (HIGH, b"WLAN", "0093962d0dd84aa5684b045c9edffa04", "ccfc230ca74fcc96c0a5d61164f5a76c",
     "766fa0a6c317174b812d52fbcd11a179", "0842ea722ff6835bfa2032499fc3ec23c2f0e388b4f07543ffc677f1696d71ea",
     "67c42d9aa56c1b79e295e3459fc3d187d42be0bf818d3070e362c5e967a4d544e8ecfe19358ab3039aff03b7c930588c055babee58a02650"
     "b067ec4e9347c75a",
     "f861703cd775590e16c7679ea3874ada866311de290764d760cf76df647ea01c313f69924bdd7650ca9bac141ea075c4ef9e8029c0e290cd"
     "bad5638b63bc23fb"),
    (HIGH, b"HRPD", "3820f0277fa5f77732b1fb1d90c1a0da", "db94a0ab557ef6c9ab48619ca05b9a9f",
     "05ad73ac915fce89ac77e1520d82187b", "5b4acaef62c6ebb8882b2f3d534c4b35277337a00184f20ff25d224c04be2afd",
     "87b321570117cd6c95ab6c436fb5073ff15cf85505d2bc5bb7355fc21ea8a75757e8f86a2b138002e05752913bb43b82f868a96117e91a2d"
     "95f526677d572900",
     "c891d5f20f148a1007553e2dea555c9cb672e9675f4a66b4bafa027379f93aee539a5979d0a0042b9d2ae28bed3b17a31dc8ab75072b80bd"
     "0c1da612466e402c"),
    (FLAT, b"WLAN", "cd4c8e5c68f57dd1d7d7dfd0c538e577", "3ece6b705dbbf7dfc459a11280c65524",
     "897d302fa2847416488c28e20dcb7be4", "c40700e7722483ae3dc7139eb0b88bb558cb3081eccd057f9207d1286ee7dd53",
     "9f7dca9e37bb22029ed986e7cd09d4a70d1ac76d95535c5cac40a7504699bb8961a29ef6f3e90f183de5861ad1bedc81ce9916391b401aa0"
     "06c98785a5756df7",
     "724de00bdb9e568187be3fe746114557d5018779537ee37f4d3c6c738cb97b9dc651bc19bfadc344ffe2b52ca78bd8316b51dacc5f2b1440"
     "cb9515521cc7ba23"),
    (FLAT, b"HRPD", "8310a71ce6f754889613da8f64d5fb46", "5adf14360ae838192db23f6fcb7f8c76",
     "745e7439ba238f50fcac4d15d47cd1d9", "3e1d2aa4e677025cfd862a4be18361a13a645765571463df833a9759e8099879",
     "c6d3a6e0ceea951eb20d74f32c3061d0680a04b0b086ee8700ace3e0b95fa02683c287beee44432294ff98af26d2cc783bace75c4b0af7fd"
     "feb5511ba8e4cbd0",
     "7fb56813838adafa99d140c2f198f6dacebfb6afee444961105402b508c7f363352cb2919644b50463e6a69354150147ae09cbc54b8a651d"
     "8787a6893ed8536d"),
]  # fmt: skip


@pytest.mark.parametrize(("vector", "network", "ck", "ik", "k_encr", "k_aut", "msk", "emsk"), CASES)
def test_the_vectors_of_rfc_9048(
    vector: Vector, network: bytes, ck: str, ik: str, k_encr: str, k_aut: str, msk: str, emsk: str
) -> None:
    assert tuple(map(bytes.hex, bound(vector, network))) == (ck, ik)
    made = keys_prime(b"0555444333222111", vector, network)
    assert (made.k_encr.hex(), made.k_aut.hex(), made.msk.hex(), made.emsk.hex()) == (k_encr, k_aut, msk, emsk)
    assert "\\x" not in repr(made)


def test_a_packet_of_rfc_4186() -> None:
    """Appendix A.9: the packets of EAP-SIM have the same form, and the same MAC."""
    octets = bytes.fromhex(
        "010100a4120d000081050000d585ac7786b90336657c77b46575b9c4821d0000686291a9d2abc58caa3294b6e85b4484"
        "6c44e5dcb2de8b9e80d69d49858a5db84cdc1c9bc95c01b96b6eca313474aea6d31416e19daa9df70f05008841ca8014"
        "964d3b30a49bcf43e4d3f18e86295a4a2b38d96c9705c2bbb05c4aace97d5eaff564046c8bd30bc39be5e17ace2b10a6"
        "0b050000483a1799b83d7cd3d0a1e401d9ee4770"
    )
    packet = EAP(octets)
    assert [type(each) for each in packet.attributes] == [layers.AT_IV, layers.AT_ENCR_DATA, layers.AT_MAC]
    made = Keys("sha1", b"", bytes.fromhex("25af1942efcbf4bc72b3943421f2a974"), b"", b"")
    assert made.verified(packet)
    assert bytes(made.sealed(packet)) == octets


# Both ends


@pytest.mark.parametrize("prime", [False, True])
def test_full_authentication(prime: bool) -> None:
    name = "AKA'" if prime else "AKA"
    made = talk(prime).run()
    assert made.said == [
        "request Identity",
        "response Identity",
        f"request {name} Identity",
        f"response {name} Identity",
        f"request {name} Challenge",
        f"response {name} Challenge",
        "success",
    ]
    outcome = made.peer.outcome
    assert outcome is not None
    assert outcome == made.server.outcome
    assert (outcome.method, outcome.identity.decode(), len(outcome.msk), len(outcome.emsk)) == (name, CAROL, 64, 64)


@pytest.mark.parametrize("prime", [False, True])
@pytest.mark.parametrize("question", ["", "full", "any"])
def test_each_question_for_an_identity(prime: bool, question: str) -> None:
    made = talk(prime, theirs={"question": question}).run()
    assert made.peer.outcome == made.server.outcome
    assert sum("AKA" in each and "Identity" in each for each in made.said) == (2 if question else 0)


@pytest.mark.parametrize("prime", [False, True])
def test_a_protected_success(prime: bool) -> None:
    """Section 6.2: both ends want it."""
    made = talk(prime, theirs={"indications": True}).run()
    assert [each.split()[-1] for each in made.said[-3:]] == ["Notification", "Notification", "success"]
    assert made.peer.outcome == made.server.outcome
    assert "Notification" not in " ".join(talk(prime, ours={"indications": False, "usim": usim()}).run().said)


def test_success_before_the_protected_one_is_not_believed() -> None:
    made = talk(False, theirs={"indications": True})
    made.down = lambda octets: b"\x03" + octets[1:2] + b"\0\4" if octets[5:6] == b"\x0c" else octets
    with pytest.raises(AuthenticationError, match="a success too early"):
        made.run()


@pytest.mark.parametrize("prime", [False, True])
def test_a_sequence_number_that_has_been_used(prime: bool) -> None:
    """Section 6.3.1: Synchronization-Failure, and a challenge with a number that the USIM takes."""
    known = users(sqn=5)
    made = talk(prime, ours={"usim": usim(sqn=1 << 20)}, theirs={"subscribers": known}).run()
    assert [each.split()[-1] for each in made.said[4:-1]] == [
        "Challenge",
        "Synchronization-Failure",
        "Challenge",
        "Challenge",
    ]
    assert known.known[CAROL.encode()].sqn > 1 << 20


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("said", [0, 200, 1 << 20])
def test_the_home_network_never_goes_back(said: int, wrong: bool) -> None:
    """Section 3: the next vector has "the synchronized sequence number", not one that was used already."""
    home = Subscriber(K, OPC, sqn=1 << 10)
    rand = bytes(range(16))
    auts = Milenage(K, OPC).auts(rand, said)
    if wrong:
        auts = auts[:-1] + bytes([auts[-1] ^ 1])
    assert home.resynchronise(rand, auts) is not wrong
    assert home.sqn == (1 << 10 if wrong else max(1 << 10, said))
    assert not home.resynchronise(bytes(16), auts)  # MAC-S covers RAND


@pytest.mark.parametrize("prime", [False, True])
def test_a_synchronisation_that_is_late(prime: bool) -> None:
    """The USIM asks in one conversation, and answers others before it is heard: its old number repeats no newer one."""
    card, known = usim(sqn=500), users(sqn=450)  # 450 + 32 is too low; the next ones are not
    made = talk(prime, ours={"usim": card}, theirs={"subscribers": known})
    request = made.server.begin()
    while getattr(request, "subtype", None) != layers.CHALLENGE:
        request = made.server.receive(bytes(made.peer.receive(bytes(request)) or b""))
    late = made.peer.receive(bytes(request))
    assert getattr(late, "subtype", None) == layers.SYNCHRONISATION
    for _ in range(2):
        talk(prime, ours={"usim": card}, theirs={"subscribers": known}).run()
    accepted = card.sqn
    assert late is not None
    request = made.server.receive(bytes(late))
    response = made.peer.receive(bytes(request))
    assert response is not None
    assert response.subtype == layers.CHALLENGE  # and no second Synchronization-Failure
    assert card.sqn > accepted
    assert EAP(bytes(made.server.receive(bytes(response)))).code == EAP.SUCCESS


@pytest.mark.parametrize("prime", [False, True])
def test_a_challenge_again(prime: bool) -> None:
    """What has been recorded is no use: the number has been used."""
    card, first = usim(), []
    made = talk(prime, ours={"usim": card})
    made.down = lambda octets: first.append(octets) or octets  # type: ignore[func-returns-value]
    made.run()
    again = talk(prime, ours={"usim": card})
    again.down = changed(1, lambda packet: setattr(packet, "attributes", EAP(first[2]).attributes), times=9)
    _, server = failed(again)
    assert "AUTS of the subscriber's USIM" in server


@pytest.mark.parametrize("prime", [False, True])
def test_a_usim_that_never_takes_a_number(prime: bool) -> None:
    class Stubborn(Usim):
        __slots__ = ()

        def answer(self, rand: bytes, autn: bytes) -> Vector:
            raise OutOfOrderError(Milenage(K, OPC).auts(rand, 7))

    made = talk(prime, ours={"usim": Stubborn(K, OPC)})
    peer, _ = failed(made)
    assert "used ones again" in peer


@pytest.mark.parametrize("prime", [False, True])
@pytest.mark.parametrize(("k", "opc"), [(bytes(16), OPC), (K, bytes(16))])
def test_another_usim(prime: bool, k: bytes, opc: bytes) -> None:
    """The USIM finds out first: it does not accept AUTN (section 6.3.1)."""
    made = talk(prime, ours={"usim": Usim(k, opc)})
    peer, server = failed(made)
    assert "AUTN of the home network" in peer
    assert "found Authentication-Reject" in server
    assert made.said[-1] == "failure"


@pytest.mark.parametrize("question", ["permanent", "any", ""])
def test_an_unknown_subscriber(question: str) -> None:
    """Section 4.1.7: a notification of a general failure."""
    made = talk(False, theirs={"question": question}, identity="0999\x1b")
    peer, server = failed(made)
    assert "the notification general failure" in peer
    assert "a subscriber that we know, found 0999\\x1b" in server
    assert made.said[-3:] == ["request AKA Notification", "response AKA Notification", "failure"]
    assert sum(each == "request AKA Identity" for each in made.said) == {"permanent": 1, "any": 3, "": 0}[question]


# EAP-AKA'


@pytest.mark.parametrize(
    ("ours", "theirs", "taken"),
    [
        ("", "WLAN", True),
        ("WLAN", "WLAN", True),
        ("WLAN", "WLAN:lab", True),
        ("WLAN:lab", "WLAN", True),
        ("WLAN", "HRPD", False),
        ("WLAN:a", "WLAN:b", False),
    ],
)
def test_the_name_of_the_network(ours: str, theirs: str, taken: bool) -> None:
    """RFC 9048 section 3.1: field by field, what one name has more is left out."""
    made = talk(True, ours={"network": ours}, theirs={"network": theirs})
    if taken:
        made.run()
    else:
        assert "found Authentication-Reject" in failed(made)[1]


def test_keys_are_bound_to_the_network() -> None:
    made = talk(True, down=changed(1, valued(layers.AT_KDF_INPUT, b"HRPD")))
    assert "AT_MAC" in failed(made)[0]


def test_another_key_derivation_function() -> None:
    """RFC 9048 section 3.2: the peer asks for the one that it has."""
    made = talk(True, theirs={"kdfs": (2, 1)}).run()
    assert [each.split()[-1] for each in made.said[4:]] == ["Challenge"] * 4 + ["success"]
    assert made.peer.outcome == made.server.outcome


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (without(layers.AT_KDF), "key derivation function 1, found []"),
        (without(layers.AT_KDF_INPUT), "name of a network"),
        (valued(layers.AT_KDF_INPUT, b""), "name of a network"),
        (lambda packet: setattr(packet[layers.AT_KDF], "number", 2), "function 1, found [2]"),
        (with_(layers.AT_KDF()), "different key derivation functions"),
    ],
)
def test_challenges_of_aka_prime_that_are_rejected(change: Change, wanted: str) -> None:
    """RFC 9048 sections 3.1 to 3.3: "as if AUTN had been incorrect"."""
    made = talk(True, down=changed(1, change))
    peer, server = failed(made)
    assert wanted in peer
    assert "Authentication-Reject" in server


def test_functions_that_change_on_the_way() -> None:
    def swap(packet: EAP) -> None:
        packet[layers.AT_KDF].number = 3

    made = talk(True, theirs={"kdfs": (2, 1)})
    count = 0

    def second(octets: bytes) -> bytes:
        nonlocal count
        count += octets[5:6] == b"\1"
        return changed(1, swap)(octets) if count == 2 else octets

    made.down = second
    assert "key derivation functions [1, 2, 1], found [3, 2, 1]" in failed(made)[0]


def test_the_separation_bit() -> None:
    made = talk(True, theirs={"subscribers": users(amf=b"\0\0")})
    assert "separation bit" in failed(made)[0]
    talk(False, theirs={"subscribers": users(amf=b"\0\0")}).run()


def test_bidding_down() -> None:
    """RFC 9048 section 4: both ends have EAP-AKA', and somebody takes it away."""
    known = users()
    ours: list[Any] = [AkaPrimePeer(usim()), AkaPeer(usim())]
    theirs: list[Any] = [AkaPrimeServer(known), AkaServer(known)]
    assert "AKA'" in Talk(ours, theirs, identity=CAROL).run().said[2]
    both = Talk(ours, theirs, identity=CAROL)
    request = both.server.receive(bytes(both.peer.receive(bytes(both.server.begin())) or b""))
    request = both.server.receive(b"\2" + bytes([request.id]) + b"\0\6\3\x17")  # a Nak that is not the peer's
    request = both.server.receive(bytes(both.peer.receive(bytes(request)) or b""))
    assert both.peer.receive(bytes(request)).subtype == layers.REJECT
    with pytest.raises(AuthenticationError, match="somebody may have changed it"):
        both.peer.receive(b"\4\1\0\4")
    alone = Talk([AkaPeer(usim())], theirs, identity=CAROL).run()  # who has no EAP-AKA' goes on
    assert alone.said[-2] == "response AKA Challenge"


# Configuration


def test_bad_configurations() -> None:
    for wrong in ({}, {"": Subscriber(K, OPC)}, {"carol": usim()}):
        with pytest.raises(ConfigError):
            Subscribers(wrong)  # type: ignore[arg-type]
    for fields in ({"sqn": -1}, {"sqn": 1 << 48}, {"amf": b"\0"}):
        with pytest.raises(ConfigError):
            Subscriber(K, OPC, **fields)
    with pytest.raises(ConfigError, match="expected a question"):
        AkaServer(users(), question="none")
    with pytest.raises(ConfigError, match="name of a network"):
        AkaPrimeServer(users(), network="")
    with pytest.raises(ConfigError, match="key derivation functions with 1"):
        AkaPrimeServer(users(), kdfs=(2,))
    with pytest.raises(ConfigError, match="cannot grow"):
        Subscriber(K, OPC, sqn=(1 << 48) - 1).vector(bytes(16))
    assert "\\x" not in repr((usim(), Subscriber(K, OPC, amf=b"aa"), AkaPeer(usim()), AkaServer(users())))
