# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP that the keys of its SA do not open: the reason is found by what implementations do otherwise."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fynx_scapy import Session
from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import Finding, Severity, Status, audit
from fynx_scapy.capture.follow.decrypt import Material
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.keymat import ChildKeys, derive_child
from fynx_scapy.crypto.prf import prf
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.iana import Encr, Integ, TransformType
from fynx_scapy.keylog import EspKeys, KeyLog
from fynx_scapy.net import Recorder
from tests.capture.build import ipv4, pcap

INNER = ipv4(17, bytes(40), "10.1.0.1", "10.2.0.1")
RAW = 101


@functools.cache
def run(esp: str) -> tuple[bytes, KeyLog, Material, ChildKeys, int, dict[str, bytes]]:
    """A handshake: its frames, keys, what protects the initiator's packets, and the SPI of these."""
    session, recorder = Session(esp_proposals=esp, seed=1), Recorder()
    recorder.watch(session.network, "why")
    session.connect()
    frames = [bytes(packet) for packet in recorder.packets()]
    with Capture(io.BytesIO(pcap(frames, linktype=RAW)), recorder.keys()) as capture:
        (child,) = capture.child_sas
        assert child.keys is not None
        encr = encryption(child.suite.encr.id, child.suite.encr.key_length, esp=True)
        integ = None if child.suite.integ is None else integrity(child.suite.integ.id)
        own = Material(encr, integ, child.keys.encr_i, child.keys.integ_i, child.esn)
        (sa,) = capture.ike_sas
        assert sa.keys is not None
        assert sa.suite is not None
        assert sa.suite.prf is not None
        parts = {"sk_d": sa.keys.sk_d, "ni": child.nonces[0], "nr": child.nonces[1], "prf": bytes([sa.suite.prf.id])}
        keys = KeyLog(ike=list(recorder.keys().ike))  # the tables of ESP would do what this is about
        return b"".join(len(f).to_bytes(4) + f for f in frames), keys, own, child.keys, child.spi_r, parts


def seal(made: Material, spi: int, count: int = 3) -> list[bytes]:
    sa = OutboundSa(
        spi=spi, encr=made.encr, key=made.key, integ=made.integ, auth_key=made.auth_key, esn=made.esn, iv=bytes
    )
    return [sa.seal(INNER, 4) for _ in range(count)]


def capture_of(esp: str, packets: list[bytes], folder: Path) -> tuple[Path, KeyLog]:
    packed, keys, *_ = run(esp)
    frames, at = [], 0
    while at < len(packed):
        size = int.from_bytes(packed[at : at + 4])
        frames.append(packed[at + 4 : at + 4 + size])
        at += 4 + size
    frames += [ipv4(50, packet, "192.0.2.1", "192.0.2.2") for packet in packets]
    path = folder / "run.pcap"
    path.write_bytes(pcap(frames, linktype=RAW))
    return path, keys


def found(esp: str, packets: list[bytes], folder: Path) -> Finding:
    path, keys = capture_of(esp, packets, folder)
    with Capture(path, keys) as capture:
        (finding,) = audit(capture).find("flow.icv")
    return finding


def short(made: Material, size: int) -> Material:
    assert made.integ is not None
    return replace(made, integ=type("Short", (type(made.integ),), {"icv_size": size})())


def integ_first(made: Material, keys: ChildKeys) -> Material:
    both, size = keys.encr_i + keys.integ_i, len(keys.integ_i)
    return replace(made, auth_key=both[:size], key=both[size:])


def all_encr_first(made: Material, keys: ChildKeys) -> Material:
    whole = keys.encr_i + keys.integ_i + keys.encr_r + keys.integ_r
    at, size = len(keys.encr_i), len(keys.integ_i)
    return replace(made, key=whole[:at], auth_key=whole[2 * at : 2 * at + size])


Change = Callable[[Material, ChildKeys], Material]
CBC, CBC_ESN, CBC_512, GCM = "aes128-sha256", "aes128-sha256-esn", "aes256-sha512", "aes256gcm16"


@pytest.mark.parametrize(
    ("esp", "change", "words"),
    [
        (CBC, lambda own, keys: short(own, 12), "truncated to 96 bits, as in draft-ietf-ipsec-ciph-sha-256"),
        (CBC, lambda own, keys: short(own, 32), "its ICV has 256 bits instead of the 128"),
        (CBC_512, lambda own, keys: short(own, 12), "its ICV has 96 bits instead of the 256"),
        (CBC_512, lambda own, keys: short(own, 16), "its ICV has 128 bits instead of the 256"),
        ("aes128-sha1", lambda own, keys: short(own, 20), "its ICV has 160 bits instead of the 96"),
        (CBC, lambda own, keys: replace(own, esn=True), "64-bit sequence numbers (ESN), which were not agreed on"),
        (CBC_ESN, lambda own, keys: replace(own, esn=False), "32-bit sequence numbers, although"),
        (GCM, lambda own, keys: replace(own, esn=True), "64-bit sequence numbers (ESN), which were not agreed on"),
        (
            CBC,
            lambda own, keys: replace(own, key=keys.encr_r, auth_key=keys.integ_r),
            "the keys of the other direction",
        ),
        (GCM, lambda own, keys: replace(own, key=keys.encr_r), "the keys of the other direction"),
        (CBC, integ_first, "the integrity key was taken from KEYMAT before the encryption key"),
        (CBC, all_encr_first, "the encryption keys of both directions were taken"),
        (GCM, lambda own, keys: replace(own, key=own.key[4:] + own.key[:4]), "the salt was taken from KEYMAT before"),
        (GCM, lambda own, keys: replace(own, key=own.key[:-4] + bytes(4)), "the salt is zero"),
        (
            GCM,
            lambda own, keys: replace(own, encr=encryption(Encr.ENCR_AES_GCM_12, 256, esp=True)),
            "it is protected with ENCR_AES_GCM_12",
        ),
        (
            CBC,
            lambda own, keys: short(replace(own, key=keys.encr_r, auth_key=keys.integ_r), 12),
            "other direction; HMAC-SHA-256 is truncated to 96",
        ),
    ],
)
def test_what_was_done_otherwise_is_named(esp: str, change: Change, words: str, tmp_path: Path) -> None:
    _, _, own, keys, spi, _ = run(esp)
    finding = found(esp, seal(change(own, keys), spi), tmp_path)
    assert words.lower() in finding.cause.lower()
    assert (finding.status, finding.severity) == (Status.FAILED, Severity.HIGH)
    assert "3 ESP packets" in finding.title
    for secret in (own.key, own.auth_key):
        assert not secret or secret.hex() not in finding.cause + finding.explanation


def test_another_suite_than_agreed(tmp_path: Path) -> None:
    _, _, _, _, spi, parts = run(CBC)
    encr, integ = encryption(Encr.ENCR_AES_CBC, 256, esp=True), integrity(Integ.AUTH_HMAC_SHA1_96)
    keys = derive_child(prf(parts["prf"][0]), parts["sk_d"], encr, integ, parts["ni"], parts["nr"])
    finding = found(CBC, seal(Material(encr, integ, keys.encr_i, keys.integ_i, False), spi), tmp_path)
    assert "AUTH_HMAC_SHA1_96 with a key of 256 bits, which was not agreed on" in finding.cause


def test_nonces_in_the_wrong_order(tmp_path: Path) -> None:
    _, _, own, _, spi, parts = run(CBC)
    keys = derive_child(prf(parts["prf"][0]), parts["sk_d"], own.encr, own.integ, parts["nr"], parts["ni"])
    finding = found(CBC, seal(replace(own, key=keys.encr_i, auth_key=keys.integ_i), spi), tmp_path)
    assert "nonces in the wrong order" in finding.cause


def test_a_flow_whose_keys_fail_is_not_one_without_keys(tmp_path: Path) -> None:
    """All its packets are bad, not the first few alone, and the text of each says why."""
    _, _, own, _, spi, _ = run(CBC)
    path, keys = capture_of(CBC, seal(short(own, 12), spi, 40), tmp_path)
    with Capture(path, keys) as capture:
        assert capture.icvs == {"opened": 0, "bad": 40, "closed": 0}
        assert all("truncated to 96 bits" in (packet.error or "") for packet in capture.esp())
        (finding,) = audit(capture).find("flow.icv")
    assert finding.title.startswith("40 ESP packets")
    with Capture(path, KeyLog()) as capture:
        assert not audit(capture).find("flow.icv")
        assert [each.status for each in audit(capture).find("flow.unknown")] == [Status.UNKNOWN]


def test_one_packet_that_was_changed_in_transit(tmp_path: Path) -> None:
    _, _, own, _, spi, _ = run(CBC)
    packets = seal(own, spi, 6)
    packets[3] = packets[3][:-1] + bytes((packets[3][-1] ^ 1,))
    finding = found(CBC, packets, tmp_path)
    assert "1 ESP packet " in finding.title
    assert "modified or damaged in transit" in finding.cause


def test_keys_that_fit_nothing(tmp_path: Path) -> None:
    _, _, own, _, spi, _ = run(CBC)
    finding = found(CBC, seal(replace(own, auth_key=bytes(32)), spi), tmp_path)
    assert finding.status is Status.FAILED
    assert "another SA" in finding.cause


def test_a_row_of_a_key_table(tmp_path: Path) -> None:
    _, _, own, _, spi, _ = run(CBC)
    path, _ = capture_of(CBC, seal(short(own, 12), spi), tmp_path)
    encr, integ = Transform(TransformType.ENCR, 12, 128), Transform(TransformType.INTEG, 12)
    row = EspKeys(spi, "*", "*", encr, own.key, integ, own.auth_key)
    with Capture(path, KeyLog(esp=[row])) as capture:
        (finding,) = audit(capture).find("flow.icv")
    assert "truncated to 96 bits" in finding.cause
