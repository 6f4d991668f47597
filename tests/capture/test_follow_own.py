# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own conversations: whatever an engine in memory does, its shared secrets alone open the recording."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fynx_scapy import Session
from fynx_scapy.keylog import KeyLog
from fynx_scapy.net.recorder import Recorder
from tests.capture.following import Followed, follow

STEPS = ("rekey_child", "rekey_child_by_peer", "rekey_ike", "create_child", "ping")
IKE = (
    "aes128gcm16-prfsha256-x25519",
    "aes256-sha512-ecp384",
    "chacha20poly1305-prfsha384-ecp256",
    "3des-sha1-modp1024",
    "aes256gcm16-prfsha384-mlkem768",
)
ESP = ("aes128gcm16", "aes256-sha256-x25519", "aes128gcm16-esn-ecp256", "null-sha1", "aes128gcm16-mlkem768")


def run(folder: Path, steps: list[str], ike: str, esp: str, seed: int) -> tuple[Path, KeyLog]:
    """A session that takes these steps, recorded."""
    session = Session(psk="lab psk", proposals=ike, esp_proposals=esp, seed=seed)
    recorder = Recorder()
    recorder.watch(session.network, "own")
    session.sa_init()
    session.auth()
    session.ping("10.2.0.1")
    for step in steps:
        if step == "rekey_child":
            session.rekey_child()
        elif step == "rekey_child_by_peer":
            peer = session.peer_sa
            peer.endpoint.now = session.network.now
            peer.rekey_child(next(iter(peer.children.values())))
            session.network.run()
        elif step == "rekey_ike":
            session.rekey_ike()
        elif step == "create_child":
            session.create_child()
        session.ping("10.2.0.1")
    path = folder / "own.pcapng"
    recorder.save_capture(path)
    return path, recorder.keys()


def opened(path: Path, keys: KeyLog) -> Followed:
    found = follow(path, KeyLog(secrets=keys.secrets[::-1], psk="lab psk"))
    assert found.follower.pending() == []
    assert found.esp == len(found.packets)
    assert found.auth == [("initiator", True), ("responder", True)]
    assert [text for message in found.messages for text in message.errors] == []
    return found


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=5),
    ike=st.sampled_from(IKE),
    esp=st.sampled_from(ESP),
    seed=st.integers(0, 1000),
)
def test_a_session_follows_from_its_shared_secrets(
    tmp_path: Path, steps: list[str], ike: str, esp: str, seed: int
) -> None:
    path, keys = run(tmp_path, steps, ike, esp, seed)
    found = opened(path, keys).follower.keys()
    derived = {(entry.spi_i, entry.sk_d, entry.sk_ei, entry.sk_pr) for entry in keys.ike}
    # all but a successor under which nothing was sent: nothing could tell its secret
    assert {(entry.spi_i, entry.sk_d, entry.sk_ei, entry.sk_pr) for entry in found.ike} <= derived
    assert len(derived) - len(found.ike) <= 1
    assert {(entry.spi, entry.key, entry.auth_key) for entry in found.esp} <= {
        (entry.spi, entry.key, entry.auth_key) for entry in keys.esp
    }


def test_the_shared_secrets_travel_in_keys_json(tmp_path: Path) -> None:
    path, keys = run(tmp_path, ["rekey_child", "rekey_ike", "rekey_child"], IKE[0], ESP[1], 7)
    assert len(keys.secrets) == 4  # IKE_SA_INIT, the rekey of the IKE SA, two rekeys with a key exchange
    keys.save(tmp_path / "keys")
    again = KeyLog.load(tmp_path / "keys" / "keys.json")
    assert again.secrets == keys.secrets
    opened(path, again)


@pytest.mark.parametrize("method", ["mlkem768", "mlkem1024"])
def test_a_session_with_ml_kem_alone_follows_from_its_shared_secrets(tmp_path: Path, method: str) -> None:
    steps = ["create_child", "rekey_child", "rekey_child_by_peer", "rekey_ike", "rekey_child"]
    path, keys = run(tmp_path, steps, f"aes256gcm16-prfsha384-{method}", f"aes256gcm16-{method}", 5)
    assert [len(secret) for secret in keys.secrets] == [32] * 6
    found = opened(path, keys)
    assert found.sealed == len([message for message in found.messages if message.opened])
    assert len(found.follower.keys().ike) == 2


def test_wireshark_gets_a_row_for_every_rekey_out_of_one_secret(tmp_path: Path) -> None:
    path, keys = run(tmp_path, ["rekey_child", "rekey_child", "rekey_child"], IKE[0], ESP[0], 8)
    (secret,) = keys.secrets
    found = follow(path, KeyLog(secrets=secret)).follower.keys()
    folder = tmp_path / "tables"
    found.save(folder)
    rows = (folder / "esp_sa").read_text().splitlines()
    assert len(rows) == 8
    assert set(rows) == set(_esp_sa(tmp_path, keys))


def _esp_sa(folder: Path, keys: KeyLog) -> list[str]:
    keys.save(folder / "known")
    return (folder / "known" / "esp_sa").read_text().splitlines()


@pytest.mark.parametrize(("end", "group"), [("client", "x25519"), ("peer", "x25519"), ("client", "mlkem768")])
def test_one_private_value_of_either_end_is_enough(tmp_path: Path, end: str, group: str) -> None:
    """The private value is found by the public one in the capture; the rekey has no key exchange.

    Of a KEM the initiator alone has one.
    """
    ike = f"aes128gcm16-prfsha256-{group}"
    session = Session(psk="lab psk", proposals=ike, esp_proposals="aes128gcm16", seed=3)
    endpoint = getattr(session, end)
    drawn: list[bytes] = []
    draw = endpoint.randomness.octets

    def octets(count: int) -> bytes:
        drawn.append(draw(count))
        return drawn[-1]

    endpoint.randomness.octets = octets
    recorder = Recorder()
    recorder.watch(session.network, "own")
    session.sa_init()
    session.auth()
    session.rekey_child()
    session.ping("10.2.0.1")
    path = tmp_path / "own.pcapng"
    recorder.save_capture(path)
    found = follow(path, KeyLog(private=drawn, psk="lab psk"))
    assert found.follower.pending() == []
    assert found.esp == len(found.packets) > 0
    assert found.auth == [("initiator", True), ("responder", True)]


def test_an_end_counts_its_requests_by_itself(tmp_path: Path) -> None:
    """Both ends rekey under the same message ID; a response of one is no retransmission of its request."""
    opened(*run(tmp_path, ["rekey_child", "rekey_child_by_peer", "rekey_child_by_peer"], IKE[0], ESP[0], 0))
