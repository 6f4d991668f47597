# SPDX-License-Identifier: GPL-2.0-or-later
"""Keying material, recomputed from records of other implementations."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.ke import key_exchange
from fynx_scapy.crypto.keymat import (
    ChildKeys,
    SkKeys,
    derive_child,
    derive_sk,
    psk_auth,
    rekey_skeyseed,
    signed_octets,
    skeyseed,
)
from fynx_scapy.crypto.prf import prf
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import IntegrityError
from fynx_scapy.iana import Encr, Integ, KeMethod, PayloadType, Prf
from tests.shared import shared

hexed = bytes.fromhex
SHA1 = prf(Prf.PRF_HMAC_SHA1)
AES_128 = encryption(Encr.ENCR_AES_CBC, 128)
SHA1_96 = integrity(Integ.AUTH_HMAC_SHA1_96)


def load(name: str) -> Any:
    return json.loads(shared(f"vectors/{name}.json").read_text())


def payloads(first: int, data: bytes) -> dict[int, bytes]:
    """Payload type -> body; enough of a parser for a record that is known to be well-formed."""
    found = {}
    while first:
        length = int.from_bytes(data[2:4])
        found[first] = data[4:length]
        first, data = data[0], data[length:]
    return found


@pytest.mark.requirements("7296-1.2-i01", "7296-2.15-i05", "7296-2.17-01", "7296-2.17-i03", "7296-2.17-02")
def test_a_whole_handshake_recomputes() -> None:
    record = load("ikev2_psk_handshake_complete")
    messages = [hexed(message["hex"]) for message in record["messages"]]
    derived = {name: hexed(value) for name, value in record["derived"].items()}
    psk = hexed(record["psk"])
    spi_i, spi_r = messages[1][:8], messages[1][8:16]

    # HDR(A,0), SAi1, KEi, Ni  -->
    #                          <--  HDR(A,B), SAr1, KEr, Nr
    request, response = (payloads(message[16], message[28:]) for message in messages[:2])
    private = key_exchange(KeMethod.MODP_1024).private(hexed(record["dh_private_i"]))
    ke = PayloadType.KE
    assert request[ke] == b"\x00\x02\x00\x00" + private.public
    shared_secret = private.shared(response[ke][4:])
    assert shared_secret == derived["g_ir"]
    ni, nr = request[PayloadType.Nonce], response[PayloadType.Nonce]
    seed = skeyseed(SHA1, ni, nr, shared_secret)
    assert seed == derived["SKEYSEED"]
    keys = derive_sk(SHA1, AES_128, SHA1_96, seed, ni, nr, spi_i, spi_r)
    assert {f"SK_{name[3:]}": value for name, value in asdict(keys).items()} == {
        name: value for name, value in derived.items() if name.startswith("SK_")
    }

    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr}  -->
    #                                      <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    sides = (
        ("m3", messages[2], keys.sk_ei, keys.sk_ai, messages[0], nr, keys.sk_pi, PayloadType.IDi),
        ("m4", messages[3], keys.sk_er, keys.sk_ar, messages[1], ni, keys.sk_pr, PayloadType.IDr),
    )
    for name, message, key_e, key_a, first_message, nonce, sk_p, id_type in sides:
        assert message[16] == PayloadType.SK
        protector = Protector(AES_128, SHA1_96, key_e, key_a)
        prefix, body = message[:32], message[32:]
        plaintext = protector.open(prefix, body)
        assert plaintext == hexed(record["plaintext"][name])
        inner = protector.unpad(plaintext)
        assert message[28] == record["plaintext"][f"{name}_first"] == id_type
        found = payloads(message[28], inner)
        octets = signed_octets(SHA1, first_message, nonce, sk_p, found[id_type])
        auth = found[PayloadType.AUTH]
        assert auth[0] == 2  # Shared Key Message Integrity Code
        assert auth[4:] == psk_auth(SHA1, psk, octets)
        assert auth[4:] != psk_auth(SHA1, psk + b"!", octets)
        # sealed again, the message is the one that was recorded
        assert protector.seal(prefix, plaintext, body[:16]) == body
        for position in (0, 20, len(body) - 1):
            changed = bytearray(body)
            changed[position] ^= 1
            with pytest.raises(IntegrityError):
                protector.open(prefix, bytes(changed))

    child = derive_child(SHA1, keys.sk_d, AES_128, SHA1_96, ni, nr)
    assert child.encr_i + child.integ_i + child.encr_r + child.integ_r == derived["child_keymat_aes128_sha1"]


@pytest.mark.parametrize("place", [0, 1], ids=["openssl", "libreswan"])
@pytest.mark.requirements("7296-2.13-03", "7296-2.13-i01", "7296-2.14-01", "7296-2.18-i01")
def test_key_derivation(place: int) -> None:
    record = load("ikev2_kdf_vectors")[place]
    function = prf({"HMAC-SHA2-256": Prf.PRF_HMAC_SHA2_256, "HMAC-SHA1": Prf.PRF_HMAC_SHA1}[record["prf"]])
    ni, nr, spi_i, spi_r = (hexed(record[name]) for name in ("Ni", "Nr", "SPIi", "SPIr"))
    shared_secret, shared_new = hexed(record["g_ir"]), hexed(record["g_ir_new"])
    seed = skeyseed(function, ni, nr, shared_secret)
    assert seed.hex() == record["skeyseed"]
    dkm = hexed(record["dkm"])
    assert function.plus(seed, ni + nr + spi_i + spi_r, len(dkm)) == dkm
    # the same octets, cut as a suite has them
    sk = derive_sk(function, AES_128, SHA1_96, seed, ni, nr, spi_i, spi_r)
    assert dkm.startswith(b"".join(asdict(sk).values()))
    assert [len(key) for key in asdict(sk).values()] == [function.key_size, 20, 20, 16, 16, *[function.key_size] * 2]
    for name, ke in (("dkm_child", b""), ("dkm_child_dh", shared_new)):
        child = derive_child(function, sk.sk_d, AES_128, SHA1_96, ni, nr, ke)
        assert hexed(record[name]).startswith(b"".join(asdict(child).values()))
    assert rekey_skeyseed(function, sk.sk_d, shared_new, ni, nr).hex() == record["skeyseed_rekey"]


def test_another_set_of_keys_and_an_auth_value() -> None:
    first, second = load("ikev2_and_esp_vectors")["ikev2_sha1_aes128"]
    ni, nr, spi_i, spi_r, g_ir = (hexed(first[name]) for name in ("Ni", "Nr", "SPIi", "SPIr", "g_ir"))
    seed = skeyseed(SHA1, ni, nr, g_ir)
    keys = derive_sk(SHA1, AES_128, SHA1_96, seed, ni, nr, spi_i, spi_r)
    found = {"getSKeyseed": seed} | {f"getSK{name[3:]}": value for name, value in asdict(keys).items()}
    assert {name: value.hex() for name, value in found.items()} == first["expected"]

    ni, nr, spi_i, spi_r, g_ir = (hexed(second[name]) for name in ("Ni", "Nr", "SPIi", "SPIr", "g_ir"))
    keys = derive_sk(SHA1, AES_128, SHA1_96, skeyseed(SHA1, ni, nr, g_ir), ni, nr, spi_i, spi_r)
    octets = signed_octets(SHA1, hexed(second["RealMessage1"]), nr, keys.sk_pi, hexed(second["IDi_body"]))
    assert octets.hex() == second["expected"]["getOctets"]
    assert psk_auth(SHA1, hexed(second["psk"]), octets).hex() == second["expected"]["computeAUTH"]


@pytest.mark.parametrize("place", range(5))
def test_esp_ciphertexts(place: int) -> None:
    record = load("ikev2_and_esp_vectors")["esp"][place]
    packet, icv = hexed(record["esp_packet"]), b""
    if record["integ"]:
        packet, icv = packet[:-12], packet[-12:]
        assert SHA1_96.keyed(hexed(record["integ_key"]))(packet) == icv
    plaintext = AES_128.keyed(hexed(record["encr_key"])).decrypt(packet[8:24], packet[24:])
    assert plaintext[-1] == record["next_header"]
    assert plaintext[: -2 - plaintext[-2]].hex() == record["payload"]


@pytest.mark.parametrize("number", [Prf.PRF_AES128_XCBC, Prf.PRF_AES128_CMAC])
@pytest.mark.requirements("7296-2.14-i01")
def test_skeyseed_of_the_aes_prfs_takes_half_of_each_nonce(number: Prf) -> None:
    # RFC 7296 section 2.14: "only the first 64 bits of Ni and the first 64 bits of Nr are used in calculating SKEYSEED,
    # but all the bits are used for input to the prf+ function"
    function = prf(number)
    ni, nr = bytes(range(32)), bytes(range(100, 132))
    seed = skeyseed(function, ni, nr, b"shared")
    assert seed == function(ni[:8] + nr[:8], b"shared")
    gcm = encryption(Encr.ENCR_AES_GCM_16, 128)
    keys = derive_sk(function, gcm, None, seed, ni, nr, bytes(8), bytes(8))
    assert keys.sk_d == function(seed, ni + nr + bytes(16) + b"\x01")


def test_an_aead_has_no_integrity_keys() -> None:
    gcm, sha256 = encryption(Encr.ENCR_AES_GCM_16, 256), prf(Prf.PRF_HMAC_SHA2_256)
    keys = derive_sk(sha256, gcm, None, b"seed", b"i" * 16, b"r" * 16, b"spi of i", b"spi of r")
    assert [len(key) for key in asdict(keys).values()] == [32, 0, 0, 36, 36, 32, 32]
    child = derive_child(sha256, keys.sk_d, gcm, integrity(Integ.NONE), b"i" * 16, b"r" * 16)
    assert [len(key) for key in asdict(child).values()] == [36, 0, 36, 0]


def test_keys_never_show() -> None:
    keys = SkKeys(*(b"secret" * length for length in range(1, 8)))
    child = ChildKeys(b"secret", b"", b"secret", b"")
    for shown in (repr(keys), str(keys), f"{keys}", repr(child), repr([child])):
        assert "secret" not in shown
        assert b"secret".hex() not in shown
    assert repr(child) == ("ChildKeys(encr_i=<6 octets>, integ_i=<0 octets>, encr_r=<6 octets>, integ_r=<0 octets>)")
