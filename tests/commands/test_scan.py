# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx scan`` over UDP on loopback: what it prints, writes and ends with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy import Endpoint, EndpointConfig, IkeConfig
from fynx_scapy.cli import main
from fynx_scapy.ike.message import Address
from fynx_scapy.net import UdpNetwork
from fynx_scapy.scan.line import open_line
from fynx_scapy.scan.scanner import Scan


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A responder on loopback."""
    config = EndpointConfig(port=0, natt_port=0, marker_always=True)
    with UdpNetwork(history=0) as network:
        endpoint = Endpoint("127.0.0.1", [IkeConfig(auth="key", proposals="3des-md5-prfmd5-x25519")], config=config)
        network.add(endpoint)
        network.attend()
        yield f"127.0.0.1:{endpoint.config.port}"


def fynx(*words: object) -> Result:
    return CliRunner().invoke(main, ["scan", *map(str, words)], catch_exceptions=False)


@pytest.mark.slow
def test_what_it_prints_and_writes(host: str, tmp_path: Path) -> None:
    report, kept, pcap = (tmp_path / name for name in ("scan.json", "kept.jsonl", "scan.pcapng"))
    quick = ("--no-wrong-requests", "--rate", 1000, "--resume", kept)
    done = fynx(host, *quick, "--json", report, "--pcap", pcap)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{host}: accepted"
    assert "   1. 3des-prfmd5-md5-x25519" in lines
    assert any(line.startswith("  FORBIDDEN IKE PRF_HMAC_MD5 ") for line in lines)
    told = json.loads(report.read_text())
    assert (told["format"], told["target"], told["complete"]) == (1, host, True)
    assert told["ike"]["transforms"]["ENCR"] == [{"id": 3, "name": "ENCR_3DES", "keyword": "3des"}]
    assert pcap.stat().st_size > 5000
    again = fynx(host, *quick, "--fail-on", "high")
    assert again.exit_code == 1
    # What was answered is not asked again.
    assert again.stdout.splitlines()[:12] == lines[:12]


def test_one_question(host: str) -> None:
    taken = fynx(host, "--offer", "3des-md5-prfmd5-x25519-modp2048")
    assert (taken.exit_code, taken.stdout.splitlines()[:2]) == (
        0,
        ["3des-md5-prfmd5-x25519-modp2048: accepted", "chosen: 3des-prfmd5-md5-x25519"],
    )
    refused = fynx(host, "--offer", "aes128gcm16-prfsha256-x25519", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout) == {
        "format": 1, "target": host, "offer": "aes128gcm16-prfsha256-x25519", "accepted": False,
        "answer": "NO_PROPOSAL_CHOSEN", "chosen": [],
    }  # fmt: skip


def test_ctrl_c_keeps_what_was_found(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Scan) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scan, "_port_4500", interrupted)
    done = fynx(host, "--rate", 1000)
    assert done.exit_code == 130
    assert done.stdout.splitlines()[0] == f"{host}: accepted; NOT COMPLETE: interrupted"
    assert "   1. 3des-prfmd5-md5-x25519" in done.stdout.splitlines()
    assert "interrupted: the result has what was found until then" in done.stderr


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("127.0.0.1:99999",), "expected a port from 1 to 65535"),
        ((), "Missing argument 'HOST[:PORT]'"),
        (("",), "expected a host such as 192.0.2.1 or vpn.example, found ''"),
        (("vpn..example",), "expected a host such as 192.0.2.1 or vpn.example, found 'vpn..example'"),
        (("[::1",), "expected an address such as [2001:db8::1]:500, found '[::1'"),
        (("224.0.0.1",), "expected the address of one host, found 224.0.0.1"),
        (("255.255.255.255",), "expected the address of one host, found 255.255.255.255"),
        (("0.0.0.0",), "expected the address of one host, found 0.0.0.0"),
        (("[::]:500",), "expected the address of one host, found ::"),
        (("ff02::1",), "expected the address of one host, found ff02::1"),
        (("fe80::1",), "expected an address that is not link-local, found fe80::1"),
        (("127.0.0.1", "--rate", "0"), "0.0 is not in the range x>0"),
        (("127.0.0.1", "--listen", "5"), "--listen is about an IKE SA, and --psk-file is missing"),
        (("127.0.0.1", "--local-id", "me"), "--local-id is about an IKE SA, and --psk-file is missing"),
        (("127.0.0.1", "--offer", "aes257"), "'aes257' is not a known algorithm; did you mean aes256"),
        (("127.0.0.1", "--resume", __file__), "expected the answers of an earlier scan, as --resume writes them"),
    ],
)
def test_misuse(words: tuple[str, ...], fault: str) -> None:
    done = fynx(*words)
    assert done.exit_code == 2
    assert fault in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_nobody_there(address: str) -> None:
    with UdpNetwork(history=0) as network:
        closed = Endpoint(address, config=EndpointConfig(port=0, natt_port=0))
        network.add(closed)
        target = Address(address, closed.config.port)
    done = fynx(target)
    assert done.exit_code == 2
    assert f"no answer to IKE_SA_INIT from {target}. Likely causes:" in done.stderr
    assert f"ICMP from {address} says" in done.stderr


def test_one_question_over_ipv6() -> None:
    config = EndpointConfig(port=0, natt_port=0, marker_always=True)
    with UdpNetwork(history=0) as network:
        endpoint = Endpoint("::1", [IkeConfig(auth="key", proposals="3des-md5-prfmd5-x25519")], config=config)
        network.add(endpoint)
        network.attend()
        done = fynx(Address("::1", endpoint.config.port), "--offer", "3des-md5-prfmd5-x25519")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "3des-md5-prfmd5-x25519: accepted")


def test_a_scan_of_this_machine_does_not_hear_itself() -> None:
    """Port 500 may be free because nobody listens there: a request from it would come back to us."""
    with UdpNetwork(history=0) as network, closing(open_line("127.0.0.1", network)) as line:
        assert line.remote == ("127.0.0.1", 500)
        assert line.local.host == "127.0.0.1"
        assert line.local.port > 1023
