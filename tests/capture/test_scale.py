# SPDX-License-Identifier: GPL-2.0-or-later
"""Many captures: the same results by one process, by several, and by a Dask cluster; Parquet there and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fynx_scapy.capture import KeyLog, process
from fynx_scapy.capture.scale import Results, captures_in
from fynx_scapy.errors import CaptureError
from tests.shared import shared

NAMES = ("psk-gcm128-x25519", "psk-ipv6", "k-transport-gcm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three captures with their keys, and a file that is none."""
    place = tmp_path / "captures"
    place.mkdir()
    for name in NAMES:
        for path in shared("captures/lab").glob(f"{name}.*"):
            if path.suffix == ".pcap" or path.name.endswith((".esp_sa", ".ikev2_decryption_table")):
                shutil.copy(path, place)
    (place / "broken.pcap").write_bytes(b"nothing")
    return place


def test_one_process(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    results = process(folder, workers=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 4) for n in range(1, 5)]
    assert [Path(path).name for path in results.failed] == ["broken.pcap"]
    row = next(row for row in results.captures if "x25519" in row["capture"])
    assert (row["packets"], row["opened_esp"], row["bad_esp"], row["opened_messages"]) == (36, 22, 0, 14)
    assert results.query("select sum(packets) from inner_flows") == [(22 + 18 + 12,)]


def test_keys_for_all_and_no_decryption(folder: Path) -> None:
    assert {row["opened_esp"] for row in process(folder, KeyLog(), workers=1).captures} == {0, None}
    bare = process(folder, workers=1, decrypt=False)
    assert (len(bare.tables["messages"]), len(bare.tables["flows"])) == (0, 12)


def test_parquet_there_and_back(folder: Path, tmp_path: Path) -> None:
    results = process(folder, workers=1)
    written = results.write(tmp_path / "it's out")
    assert [path.name for path in written] == [f"{name}.parquet" for name in results.tables]
    assert Results.read(tmp_path / "it's out").tables == results.tables
    assert len(results.to_pandas("flows")) == 12
    written[1].unlink()
    with pytest.raises(CaptureError, match=r"messages\.parquet: no such table"):
        Results.read(tmp_path / "it's out")


def test_what_counts_as_captures(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no captures in this folder"):
        captures_in(tmp_path)
    for name in ("b.pcap", "a.pcapng.gz", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in captures_in(tmp_path)] == ["a.pcapng.gz", "b.pcap"]


@pytest.mark.slow
def test_several_processes(folder: Path) -> None:
    assert process(folder, workers=2).tables == process(folder, workers=1).tables


@pytest.mark.slow
def test_a_dask_cluster(folder: Path) -> None:
    from dask.distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        assert process(folder, client=client).tables == process(folder, workers=1).tables
