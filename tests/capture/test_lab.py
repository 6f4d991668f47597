# SPDX-License-Identifier: GPL-2.0-or-later
"""Every capture that real peers made for this project: whatever has a key opens, and its ICV verifies."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.capture.dissect import dissect
from fynx_scapy.keylog import KeyLog
from tests.capture.independent import carried, openable
from tests.shared import FOLDER, shared

LAB = FOLDER / "captures/lab"
NAMES = sorted(path.stem for path in LAB.glob("*.pcap")) or ["absent"]
ERROR_PATHS = ("-refused", "-failed", "-no-proposal", "-unacceptable")

# counted by independent.py, written down so that neither reader can lose packets unseen
EXPECTED_ALL = {"SK": 432, "SKF": 34, "ESP": 654}
EXPECTED_TABLES = {"SK": 408, "SKF": 34, "ESP": 572}


def opened(records: list[dict[str, Any]]) -> dict[int, str]:
    """Packet number -> kind, of what our dissection decrypted and verified."""
    found = {}
    for record in records:
        if record.get("decrypted") and record["icv"] == "ok":
            types = [payload["type"] for payload in record["payloads"]] if record["kind"] == "ike" else ["ESP"]
            found[record["number"]] = types[-1]
    return found


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", NAMES)
def test_everything_with_a_key_opens(name: str) -> None:
    pcap = shared("captures/lab") / f"{name}.pcap"
    records = list(dissect(pcap))
    wanted = openable(pcap)
    assert opened(records) == wanted
    assert [record for record in records if record["error"]] == []
    # one record per packet that IPsec has anything to do with
    assert [record["number"] for record in records if record["kind"] != "keepalive"] == [n for n, _, _ in carried(pcap)]
    closed = [r for r in records if r["number"] not in wanted]
    assert all(r.get("icv", "unchecked") == "unchecked" for r in closed)


def test_counts_of_all_captures(capsys: pytest.CaptureFixture[str]) -> None:
    total: Counter[str] = Counter()
    with capsys.disabled():
        print()
        for pcap in sorted(shared("captures/lab").glob("*.pcap")):
            counts = Counter(openable(pcap).values())
            got = Counter(opened(list(dissect(pcap))).values())
            print(f"{pcap.stem:28}", ", ".join(f"{kind} {got[kind]}/{counts[kind]}" for kind in EXPECTED_ALL))
            total += got
            assert got == counts
            esp_expected = not any(word in pcap.stem for word in ERROR_PATHS)
            assert bool(counts["ESP"]) == esp_expected or pcap.stem == "psk-childless"
        print("all:", dict(total))
    assert total == EXPECTED_ALL


def test_the_two_tables_alone(tmp_path: Path) -> None:
    total: Counter[str] = Counter()
    for pcap in sorted(shared("captures/lab").glob("*.pcap")):
        folder = tmp_path / pcap.stem
        folder.mkdir()
        for table in ("ikev2_decryption_table", "esp_sa"):
            shutil.copy(pcap.with_suffix("." + table), folder / table)
        wanted = openable(pcap, document=False)
        records = list(dissect(pcap, KeyLog.load(folder)))
        assert opened(records) == wanted, pcap.stem
        assert [record for record in records if record["error"]] == []
        total += Counter(wanted.values())
    assert total == EXPECTED_TABLES


def test_converted_keys_open_as_much(tmp_path: Path) -> None:
    """The lab's keys, saved in our formats and read back: the tables, and keys.json by itself."""
    for pcap in sorted(shared("captures/lab").glob("*.pcap")):
        log = KeyLog.load(pcap.with_suffix(".keys.json"))
        assert log.warnings == []
        folder = tmp_path / pcap.stem
        log.save(folder)
        wanted = openable(pcap, tables=False)
        (folder / "rows").mkdir()
        for table in ("ikev2_decryption_table", "esp_sa"):
            (folder / table).rename(folder / "rows" / table)
        for source in (folder / "keys.json", folder / "rows"):
            again = KeyLog.load(source)
            assert again.warnings == []
            assert opened(list(dissect(pcap, again))) == wanted, source


def test_all_tables_in_one_folder() -> None:
    log = KeyLog.load(shared("captures/lab"))
    assert log.warnings == []
    pcap = shared("captures/lab/psk-mobike.pcap")
    assert opened(list(dissect(pcap, log))) == openable(pcap)


def test_without_keys_everything_stays_closed_without_an_error() -> None:
    pcap = shared("captures/lab/psk-gcm128-x25519.pcap")
    records = list(dissect(pcap, KeyLog()))
    assert {record["icv"] for record in records} == {"unchecked"}
    assert {record["decrypted"] for record in records} == {False}
    assert {record["error"] for record in records} == {None}


def records_of(name: str) -> list[dict[str, Any]]:
    return list(dissect(shared(f"captures/lab/{name}.pcap")))


def test_mobike_addresses_move_and_the_row_still_fits() -> None:
    esp = [record for record in records_of("psk-mobike") if record["kind"] == "esp"]
    assert len({(record["src"], record["dst"]) for record in esp}) > 2
    assert all(record["icv"] == "ok" for record in esp)


def test_esn_is_taken_from_the_sa_payload_and_seq_is_what_the_wire_has() -> None:
    esp = [record for record in records_of("k-gcm128-esn") if record["kind"] == "esp"]
    assert all(record["icv"] == "ok" for record in esp)
    assert max(record["seq"] for record in esp) < 1 << 32


def test_tfc_padding_is_not_part_of_the_inner_packet() -> None:
    for record in records_of("k-tfc"):
        if record["kind"] == "esp":
            inner = bytes.fromhex(record["inner"])
            assert record["next_header"] == 4
            assert len(inner) == int.from_bytes(inner[2:4], "big")


def test_fragments_and_intermediate_are_reported_as_such() -> None:
    records = [r for r in records_of("psk-frag-intermediate") + records_of("cert-rsa-frag") if r["kind"] == "ike"]
    fragments = [r for r in records if r["payloads"] and r["payloads"][-1]["type"] == "SKF"]
    assert fragments
    for record in fragments:
        skf = record["payloads"][-1]
        assert 1 <= skf["frag_number"] <= skf["frag_total"]
        assert bytes.fromhex(skf["plaintext"])
        assert record["encrypted"]
    exchanges = {r["exchange"] for r in records_of("6.0-6-mlkem768-multike") if r["kind"] == "ike"}
    assert {"IKE_INTERMEDIATE", "IKE_FOLLOWUP_KE"} <= exchanges


def test_a_message_as_json() -> None:
    request, _, auth, *_ = records_of("psk-gcm128-x25519")
    assert {key: request[key] for key in ("number", "src", "sport", "dst", "dport", "kind", "exchange", "request")} == {
        "number": 1,
        "src": "10.9.0.1",
        "sport": 500,
        "dst": "10.9.0.2",
        "dport": 500,
        "kind": "ike",
        "exchange": "IKE_SA_INIT",
        "request": True,
    }
    assert list(request)[7:] == [
        "init_spi", "resp_spi", "exchange", "request", "message_id", "payloads",
        "encrypted", "decrypted", "icv", "error",
    ]  # fmt: skip
    assert request["time"] == pytest.approx(1795342789.55, abs=1)
    assert [payload["type"] for payload in request["payloads"]] == ["SA", "KE", "Nonce"] + ["N"] * 5
    (proposal,) = request["payloads"][0]["prop"]
    assert proposal["proto"] == "IKE"
    encr, *_ = proposal["trans"]
    assert (encr["transform_type"], encr["transform_id"], encr["key_length"]) == ("ENCR", "ENCR_AES_GCM_16", 128)
    assert request["payloads"][3]["notify_type"] == "NAT_DETECTION_SOURCE_IP"
    (sk,) = auth["payloads"]
    assert sk["type"] == "SK"
    inner = {payload["type"]: payload for payload in sk["payloads"]}
    assert list(inner) == ["IDi", "N", "IDr", "AUTH", "SA", "TSi", "TSr"]
    assert (inner["IDi"]["IDtype"], inner["IDi"]["ID"], inner["IDi"]["text"]) == ("ID_FQDN", b"alice".hex(), "alice")
    selector = inner["TSi"]["traffic_selector"][0]
    assert selector["TS_type"] == "TS_IPV4_ADDR_RANGE"
    assert (selector["starting_address_v4"], selector["ending_address_v4"]) == ("10.1.0.0", "10.1.0.255")
