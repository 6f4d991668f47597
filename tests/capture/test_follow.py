# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole conversations from the least that determines them: a list of shared secrets without order, PSK, PPK, MSK."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.capture import Capture
from fynx_scapy.capture.follow import Follower
from fynx_scapy.capture.follow.decrypt import find_sk
from fynx_scapy.capture.follow.pool import KePair, SecretPool
from fynx_scapy.capture.follow.sas import IkeOpened
from fynx_scapy.crypto.ke import key_exchange
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.keylog import KeyLog
from tests.capture.following import follow, ipsec, least
from tests.capture.independent import openable
from tests.examples import examples
from tests.shared import FOLDER, shared

LAB = FOLDER / "captures/lab"
BOTH = "ir"  # who sent an AUTH payload, in order: initiator and responder

# protected messages (each fragment is one), ESP packets, AUTH payloads, IKE SAs, Child SAs with keys
EXPECTED = {
    "6.0-6-mlkem768-multike": (21, 22, BOTH, 2, 2),
    "6.0-6-rawesp": (12, 22, BOTH, 2, 2),
    "cert-ecdsa": (12, 18, BOTH, 2, 2),
    "cert-ed25519": (12, 18, BOTH, 2, 2),
    "cert-rsa": (14, 18, BOTH, 2, 2),
    "cert-rsa-frag": (10, 6, BOTH, 1, 1),
    "cross-libreswan-gcm": (14, 18, BOTH, 2, 1),
    "eap-mschapv2-vip": (21, 12, "rir", 2, 2),
    "eap-tls": (19, 6, "rir", 1, 1),
    "k-cbc-sha256-esn": (8, 16, BOTH, 1, 2),
    "k-gcm128-esn": (8, 16, BOTH, 1, 2),
    "k-gmac": (8, 16, BOTH, 1, 2),
    "k-ipcomp": (8, 16, BOTH, 1, 2),
    "k-tfc": (8, 16, BOTH, 1, 2),
    "k-transport-gcm": (8, 12, BOTH, 1, 2),
    "psk-3des-sha1-modp2048": (12, 22, BOTH, 2, 2),
    "psk-aesxcbc-modp2048": (12, 22, BOTH, 2, 2),
    "psk-auth-failed": (2, 0, "i", 1, 0),
    "psk-cbc128-sha256-modp2048": (12, 22, BOTH, 2, 2),
    "psk-cbc256-sha512-ecp521": (12, 22, BOTH, 2, 2),
    "psk-ccm128-ecp256": (12, 22, BOTH, 2, 2),
    "psk-chacha20-x25519": (12, 22, BOTH, 2, 2),
    "psk-child-no-proposal": (4, 0, BOTH, 1, 0),
    "psk-childless": (6, 6, BOTH, 1, 1),
    "psk-cookie": (4, 6, BOTH, 1, 1),
    "psk-ctr128-sha256-ecp256": (12, 22, BOTH, 2, 2),
    "psk-dpd-loss": (12, 12, BOTH, 1, 1),
    "psk-esn-refused": (4, 0, BOTH, 1, 0),
    "psk-frag-intermediate": (18, 22, BOTH, 2, 2),
    "psk-gcm128-pfs-x25519": (12, 22, BOTH, 2, 2),
    "psk-gcm128-x25519": (12, 22, BOTH, 2, 2),
    "psk-gcm256-ecp384": (12, 22, BOTH, 2, 2),
    "psk-invalid-ke": (12, 22, BOTH, 2, 2),
    "psk-ipv6": (8, 18, BOTH, 1, 2),
    "psk-mobike": (21, 12, BOTH, 1, 2),
    "psk-multi-proposal": (4, 6, BOTH, 1, 1),
    "psk-no-proposal": (0, 0, "", 0, 0),
    "psk-null-esp": (12, 22, BOTH, 2, 2),
    "psk-ppk": (12, 22, BOTH, 2, 2),
    "psk-reauth": (8, 12, BOTH * 2, 2, 2),
    "psk-rekey-by-responder": (12, 18, BOTH, 2, 2),
    # two rekeys cross: of the redundant Child SA no packet was ever sent, so nothing can tell its secret
    "psk-rekey-collision": (16, 18, BOTH, 2, 2),
    "psk-ts-narrowing": (4, 6, BOTH, 1, 1),
    "psk-ts-unacceptable": (4, 0, BOTH, 1, 0),
}
LOGS = [
    "6.0-6-mlkem768-multike", "cert-rsa-frag", "psk-cbc128-sha256-modp2048", "psk-ccm128-ecp256",
    "psk-chacha20-x25519", "psk-gcm128-x25519", "psk-ppk",
]  # fmt: skip


def test_the_table_names_every_capture_and_agrees_with_the_independent_reader() -> None:
    captures = {path.stem: path for path in shared("captures/lab").glob("*.pcap")}
    assert set(captures) == set(EXPECTED)
    for name, path in captures.items():
        kinds = list(openable(path).values())
        assert (len(kinds) - kinds.count("ESP"), kinds.count("ESP")) == EXPECTED[name][:2], name
    assert [sum(row[column] for row in EXPECTED.values()) for column in (0, 1)] == [432 + 34, 654]  # type: ignore[misc]


def check(name: str, keys: KeyLog) -> None:
    sealed, esp, auth, ike_sas, child_sas = EXPECTED[name]
    found = follow(shared("captures/lab") / f"{name}.pcap", keys)
    assert [text for message in found.messages for text in message.errors] == []
    assert found.follower.pending() == []
    assert (found.sealed, found.esp) == (sealed, esp)
    assert len(found.packets) == esp
    assert all(message.inner is not None for message in found.messages if message.opened and not message.fragment)
    assert [(role[0], verified) for role, verified in found.auth] == [(role, True) for role in auth]
    assert sum(sa.keys is not None for sa in found.follower.ike_sas) == ike_sas
    assert sum(child.keys is not None for child in found.follower.child_sas) == child_sas


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_lab_captures_from_their_shared_secrets_in_any_order(name: str) -> None:
    for seed in (0, 1):
        check(name, least(shared("captures/lab") / f"{name}.keys.json", seed))


@pytest.mark.parametrize("name", LOGS)
def test_lab_captures_from_the_secrets_of_a_strongswan_log(name: str) -> None:
    log = KeyLog.load(shared("captures/lab") / f"{name}.a.log.gz")
    check(name, KeyLog(secrets=log.secrets, psk=log.psk, ppk=log.ppk))


@pytest.mark.parametrize("name", LOGS)
def test_lab_captures_from_everything_in_a_strongswan_log(name: str) -> None:
    check(name, KeyLog.load(shared("captures/lab") / f"{name}.a.log.gz"))


def test_secrets_of_one_rekey_that_a_source_joins_are_taken_apart() -> None:
    """As strongSwan logs those of several additional key exchanges. This capture has one besides the first."""
    name = "6.0-6-mlkem768-multike"
    log = KeyLog.load(shared("captures/lab") / f"{name}.a.log.gz")
    init, intermediate, *rekeys = log.secrets
    joined = [first + second for first, second in zip(rekeys[::2], rekeys[1::2], strict=True)]
    assert len(joined) == 2
    check(name, KeyLog(secrets=[init, intermediate, *joined], psk=log.psk))


@pytest.mark.parametrize("groups", [(31, 36, 19), (31, 36, 14, 19), (19, 36, 37), (14, 31)])
def test_a_string_of_secrets_is_taken_apart_by_the_groups(groups: tuple[int, ...]) -> None:
    sizes = [key_exchange(group).shared_size for group in groups]
    secrets = [bytes((number,)) * size for number, size in enumerate(sizes, 1)]
    pairs = [KePair(group, b"", b"") for group in groups]
    known = KeyLog(secrets=[secrets[0], b"".join(secrets[1:]), bytes(7)])
    assert tuple(secrets) in SecretPool(known).combinations(pairs)
    assert tuple(secrets) in SecretPool(KeyLog(secrets=[b"".join(secrets)])).combinations(pairs)


def test_other_captures_secrets_do_no_harm() -> None:
    """All secrets of all captures as one list: each finds its exchange."""
    keys = KeyLog()
    for path in sorted(shared("captures/lab").glob("*.keys.json")):
        keys.update(least(path))
    random.Random(3).shuffle(keys.secrets)
    for name in ("6.0-6-mlkem768-multike", "psk-ppk", "psk-invalid-ke"):
        check(name, keys)


def test_a_signature_is_verified_by_the_certificate_in_the_capture() -> None:
    reasons = {
        name: [verdict.reason.partition(" by ")[0] for sa in follower.ike_sas for verdict in sa.auth]
        for name in ("cert-ecdsa", "cert-ed25519", "cert-rsa", "cert-rsa-frag")
        for follower in [follow(LAB / f"{name}.pcap", least(shared("captures/lab") / f"{name}.keys.json")).follower]
    }
    assert reasons == {
        "cert-ecdsa": ["ECDSA SHA-256"] * 2,
        "cert-ed25519": ["Ed25519"] * 2,
        "cert-rsa": ["RSASSA-PKCS1-v1_5 SHA-256"] * 2,
        "cert-rsa-frag": ["RSASSA-PKCS1-v1_5 SHA-256"] * 2,
    }


def verdict_of(name: str, **secrets: list[str]) -> list[tuple[str, bool | None, str]]:
    keys = least(shared("captures/lab") / f"{name}.keys.json")
    given = KeyLog(secrets=keys.secrets, **secrets)  # type: ignore[arg-type]
    follower = follow(shared("captures/lab") / f"{name}.pcap", given).follower
    return [(verdict.role, verdict.verified, verdict.reason) for verdict in follower.ike_sas[0].auth]


def test_auth_failed_is_bad_under_bobs_psk_and_good_under_alices() -> None:
    folder = shared("captures/lab")
    text = {end: (folder / f"psk-auth-failed.{end}.swanctl.conf").read_text() for end in "ab"}
    alice, bob = (text[end].partition('secret = "')[2].partition('"')[0] for end in "ab")
    assert alice
    assert alice != bob
    bad = "the known secret does not give this AUTH"
    assert verdict_of("psk-auth-failed", psk=[bob]) == [("initiator", False, bad)]
    assert verdict_of("psk-auth-failed", psk=[alice]) == [("initiator", True, "PSK 1 of 1")]
    assert verdict_of("psk-auth-failed", psk=[bob, alice]) == [("initiator", True, "PSK 2 of 2")]
    assert verdict_of("psk-auth-failed") == [
        ("initiator", None, "expected a PSK or an EAP MSK to verify AUTH with, found none")
    ]


def test_an_msk_authenticates_after_eap() -> None:
    path = shared("captures/lab/eap-tls.keys.json")
    (msk,) = least(path).psk
    assert [(role, verified) for role, verified, _ in verdict_of("eap-tls", msk=[msk.hex()])] == [
        ("responder", True), ("initiator", True), ("responder", True),
    ]  # fmt: skip
    assert verdict_of("eap-tls", msk=["00" * 64])[1][1] is False


def test_without_the_ppk_ike_opens_and_what_follows_from_it_stays_closed() -> None:
    keys = least(shared("captures/lab/psk-ppk.keys.json"))
    found = follow(LAB / "psk-ppk.pcap", KeyLog(secrets=keys.secrets, psk=keys.psk))
    assert found.esp == 0
    assert [verdict.reason for verdict in found.follower.ike_sas[0].auth] == [
        "it covers a PPK, but no PPK was given"
    ] * 2  # fmt: skip
    assert all(not packet.keyed or packet.error for packet in found.packets)


def test_a_ppk_is_found_among_several_by_esp_alone() -> None:
    keys = least(shared("captures/lab/psk-ppk.keys.json"))
    found = follow(LAB / "psk-ppk.pcap", KeyLog(secrets=keys.secrets, ppk=["0x00ff", *keys.ppk, "another"]))
    assert (found.sealed, found.esp) == EXPECTED["psk-ppk"][:2]


def test_sas_know_their_place() -> None:
    follower = follow(
        LAB / "6.0-6-mlkem768-multike.pcap", least(shared("captures/lab/6.0-6-mlkem768-multike.keys.json"))
    ).follower
    first, second = follower.ike_sas
    assert (first.rekeyed_by, second.parent) == (second, first)
    assert [held.derived for held in first.sets] == ["key exchange of IKE_SA_INIT", "key exchange of IKE_INTERMEDIATE"]
    assert second.derived == "rekey of the IKE SA"
    old, new = follower.child_sas
    assert (old.rekeyed_by, new.rekeys) == (new, old)
    assert (old.derived, new.derived) == ("SK_d", "SK_d and its key exchange")
    assert len(new.pairs) == new.expected == 2
    assert first.numbers == sorted(first.numbers)


def test_what_was_derived_is_what_the_peers_had() -> None:
    for name in ("psk-gcm128-pfs-x25519", "psk-cbc256-sha512-ecp521", "6.0-6-mlkem768-multike", "psk-ppk"):
        path = shared("captures/lab") / f"{name}.keys.json"
        found, known = follow(LAB / f"{name}.pcap", least(path)).follower.keys(), KeyLog.load(path)
        assert {(k.spi_i, k.sk_ei, k.sk_ar, k.sk_d) for k in found.ike} == {
            (k.spi_i, k.sk_ei, k.sk_ar, k.sk_d) for k in known.ike
        }, name
        assert {(k.spi, k.key, k.auth_key) for k in found.esp} == {(k.spi, k.key, k.auth_key) for k in known.esp}


def test_secrets_that_come_later_open_what_was_kept() -> None:
    path = LAB / "psk-gcm128-pfs-x25519.pcap"
    keys = least(shared("captures/lab/psk-gcm128-pfs-x25519.keys.json"))
    follower = Follower(KeyLog())
    for packet in ipsec(path):
        if packet.kind == "ike":
            follower.ike(packet.data, packet.frame.number, None, packet.src, packet.sport, packet.dst, packet.dport)
    assert len(follower.pending()) == 12
    for count, secret in enumerate(keys.secrets):
        assert len(follower.pending()) > 0, count
        follower.add(KeyLog(secrets=[secret], psk=keys.psk))
        follower.retry()
    assert follower.pending() == []
    assert [follower.esp(p.data, p.src, p.dst).icv for p in ipsec(path) if p.kind == "esp"] == ["ok"] * 22


@pytest.mark.parametrize("name", ["psk-cbc256-sha512-ecp521", "cert-rsa-frag", "6.0-6-mlkem768-multike"])
def test_messages_in_another_order_open_at_the_end(name: str) -> None:
    packets = [packet for packet in ipsec(shared("captures/lab") / f"{name}.pcap") if packet.kind == "ike"]
    follower = Follower(least(LAB / f"{name}.keys.json"))
    rest = packets[2:]
    for packet in [*rest[::2], packets[0], packets[1], *rest[1::2]]:
        follower.ike(packet.data, packet.frame.number, None, packet.src, packet.sport, packet.dst, packet.dport)
    follower.retry()
    assert len(follower.pending()) < EXPECTED[name][0] / 2


def test_the_recorded_handshake_from_private_value_and_psk() -> None:
    vector = json.loads(shared("vectors/ikev2_psk_handshake_complete.json").read_text())
    follower = Follower(KeyLog(private=vector["dh_private_i"], psk="0x" + vector["psk"]))
    opened: list[IkeOpened] = [
        follower.ike(bytes.fromhex(message["hex"]), number) for number, message in enumerate(vector["messages"], 1)
    ]
    for message, name in zip(opened[2:], ("m3", "m4"), strict=True):
        padded = bytes.fromhex(vector["plaintext"][name])
        assert message.plaintext == padded[: -1 - padded[-1]]
    (sa,) = follower.ike_sas
    assert [(verdict.role, verdict.verified) for verdict in sa.auth] == [("initiator", True), ("responder", True)]
    assert sa.keys is not None
    for name in ("d", "ai", "ar", "ei", "er", "pi", "pr"):
        assert getattr(sa.keys, f"sk_{name}").hex() == vector["derived"][f"SK_{name}"]
    (child,) = follower.child_sas
    assert child.keys is not None
    keymat = child.keys.encr_i + child.keys.integ_i + child.keys.encr_r + child.keys.integ_r
    assert keymat.hex() == vector["derived"]["child_keymat_aes128_sha1"]
    wrong = Follower(KeyLog(private="11" * 128, psk="0x" + vector["psk"]))
    assert [wrong.ike(bytes.fromhex(m["hex"])).closed for m in vector["messages"]] == [False, False, True, True]


@pytest.mark.parametrize(
    "name", ["psk-gcm128-x25519", "psk-cbc128-sha256-modp2048", "psk-null-esp", "k-gcm128-esn", "psk-chacha20-x25519"]
)
def test_sk_d_alone_opens_the_esp_of_the_first_child_sa(name: str) -> None:
    """The messages stay closed: suite, direction and ESN are found by the ICV."""
    known = follow(shared("captures/lab") / f"{name}.pcap", least(LAB / f"{name}.keys.json")).follower
    found = follow(LAB / f"{name}.pcap", KeyLog(sk_d=known.ike_sas[0].sk_d))
    first, *_ = known.child_sas
    (child,) = found.follower.child_sas
    assert (child.spi_i, child.spi_r, child.suite, child.keys) == (first.spi_i, first.spi_r, first.suite, first.keys)
    assert (child.initiator, child.responder) == (first.initiator, first.responder)
    spis = {first.spi_i, first.spi_r}
    packets = [packet for packet in ipsec(LAB / f"{name}.pcap") if packet.kind == "esp"]
    assert found.esp == sum(int.from_bytes(packet.data[:4]) in spis for packet in packets) > 0
    assert found.sealed == 0


def test_sk_d_beside_wiresharks_rows_opens_every_child_sa() -> None:
    name = "psk-gcm128-x25519"
    path = shared("captures/lab") / f"{name}.ikev2_decryption_table"
    keys = KeyLog.load(path)
    assert follow(LAB / f"{name}.pcap", keys).esp == 0
    known = KeyLog.load(LAB / f"{name}.keys.json")
    keys.update(KeyLog(sk_d=[entry.sk_d for entry in known.ike]))
    found = follow(LAB / f"{name}.pcap", keys)
    assert (found.sealed, found.esp) == EXPECTED[name][:2]


def test_an_altered_message_is_no_success() -> None:
    keys = least(shared("captures/lab/psk-gcm128-x25519.keys.json"))
    packets = [packet for packet in ipsec(LAB / "psk-gcm128-x25519.pcap") if packet.kind == "ike"]
    follower = Follower(keys)
    for packet in packets[:3]:
        assert not follower.ike(packet.data).closed
    bad = follower.ike(packets[3].data[:-1] + bytes((packets[3].data[-1] ^ 1,)))
    assert bad.opened is not None
    assert bad.opened.icv == "bad"
    assert "does not verify" in bad.errors[0]


def test_no_secret_is_ever_shown() -> None:
    path = shared("captures/lab/psk-gcm128-pfs-x25519.keys.json")
    keys = least(path)
    found = follow(LAB / "psk-gcm128-pfs-x25519.pcap", keys)
    text = repr((found.follower, found.follower.ike_sas, found.follower.child_sas, found.messages, keys))
    text += repr([sa.sets for sa in found.follower.ike_sas]) + repr(found.follower.keys())
    for secret in [*keys.secrets, *keys.psk, *(k.sk_d for k in found.follower.keys().ike)]:
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


def test_following_imports_no_scapy_before_a_message_is_opened() -> None:
    code = "import sys, fynx_scapy.capture.follow; sys.exit('scapy' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_search_without_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected esn_search from 0 to"):
        Follower(KeyLog(), esn_search=1 << 40)


@pytest.mark.parametrize(
    "path", sorted((FOLDER / "captures/external").glob("*.pcap*")) or [None], ids=lambda p: p and p.name
)
def test_captures_of_others_are_followed_without_an_exception(path: Path | None) -> None:
    if path is None:
        shared("captures/external")
        return
    try:
        found = follow(path, KeyLog(secrets=["11" * 32], psk="x"))
    except CaptureError:
        return  # truncated on purpose
    assert found.sealed == found.esp == 0
    assert len(found.follower.pending()) == sum(message.closed for message in found.messages)


@given(seed=st.integers(0, 1 << 30))
@settings(max_examples=examples(60), deadline=None)
def test_damaged_messages_never_raise(seed: int) -> None:
    """Sealed anew behind the damage, so that the inside is damaged too: whatever a peer with the keys may send."""
    rng = random.Random(seed)
    name = rng.choice(["6.0-6-mlkem768-multike", "cert-rsa-frag", "psk-ppk", "eap-tls"])
    follower = Follower(least(shared("captures/lab") / f"{name}.keys.json"))
    for packet in ipsec(LAB / f"{name}.pcap"):
        data = bytearray(packet.data)
        if rng.random() < 0.3:
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        if packet.kind == "ike":
            message = follower.ike(bytes(data), packet.frame.number, None, packet.src, packet.sport, packet.dst, None)
            assert message.opened is None or message.opened.icv in ("ok", "bad", "unchecked")
            if message.opened is not None and not message.closed and not message.fragment and message.first:
                _resealed(follower, message, rng)
        elif packet.kind == "esp":
            follower.esp(bytes(data), packet.src, packet.dst)
    follower.retry()


def _resealed(follower: Follower, message: IkeOpened, rng: random.Random) -> None:
    """The same message with damaged payloads and a good ICV, under the next message ID."""
    place = find_sk(message.message)
    assert place is not None
    assert message.ike_sa is not None
    protector = message.ike_sa.sets[-1].protector(bool(message.message[19] & 8))
    assert protector is not None
    inside = bytearray(message.plaintext or b"")
    for _ in range(rng.randrange(1, 6)):
        inside[rng.randrange(len(inside))] = rng.randrange(256)
    padded = protector.pad(bytes(inside))
    length = len(place.prefix) + protector.overhead(len(inside))
    prefix = bytearray(place.prefix)
    prefix[20:24] = (int.from_bytes(prefix[20:24]) + 1000 & 0xFFFFFFFF).to_bytes(4)
    prefix[24:28] = length.to_bytes(4)
    prefix[-2:] = (length - len(place.prefix) + 4).to_bytes(2)
    follower.ike(bytes(prefix) + protector.seal(bytes(prefix), padded, rng.randbytes(protector.iv_size)))


def test_the_richest_of_several_rows_for_an_sa_is_used() -> None:
    """Wireshark's table knows no SK_p, our keys.json does: beside a capture lie both."""
    capture = Path(__file__).resolve().parents[2] / "pcaps" / "strongswan-psk_handshake-initiator.pcapng"
    keys = KeyLog.beside(capture)
    keys.update(KeyLog(psk="lab psk for testing"))
    assert [bool(row.sk_pi) for row in keys.ike] == [False, True]
    follower = Capture(capture, keys).opener
    assert [verdict.verified for verdict in follower.ike_sas[0].auth] == [True, True]
